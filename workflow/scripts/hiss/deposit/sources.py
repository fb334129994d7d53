"""The workflow as it ran, beside what it made: its own files and its settings, so that a deposit can be run again."""

import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from hiss.errors import HissError
from hiss.files import write_json


def keep_workflow(
    files: Iterable[Path | str], root: Path | str, folder: Path | str, settings: Mapping[str, Any], config: Path | str
) -> None:
    """Copy the files of the workflow into a folder, in their places, and write its settings.

    Parameters
    ----------
    files
        The workflow's own files.
    root
        The folder that its places are relative to, that of the Snakefile.
    folder
        Where they go; what was there is replaced.
    settings
        The config with all its defaults; written as JSON, which Snakemake takes as a config file.

    Raises
    ------
    HissError
        For a file that does not lie below the root.
    """
    folder, root = Path(folder), Path(root).resolve()
    shutil.rmtree(folder, ignore_errors=True)
    for path in map(Path, files):
        place = path.resolve()
        if not place.is_relative_to(root):
            raise HissError(f"{path}: is not below {root}, so it is no part of the workflow; see workflow_files()")
        copy = folder / place.relative_to(root)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
    write_json(config, dict(settings))

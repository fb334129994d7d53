"""One batch of a plan, fetched."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from hiss.errors import HissError
from hiss.sdss.fetch import Limits, fetch_files
from hiss.sdss.fetch_one import Wanted
from hiss.sdss.manifest import position_of


def read_batch(plan: Path | str, batch: str) -> pd.DataFrame:
    """Return the rows of a plan's table of files that are of one batch.

    Raises
    ------
    HissError
        The plan has no such batch.
    """
    files = pd.read_parquet(plan, filters=[("batch", "==", batch)])
    if files.empty:
        raise HissError(f"{plan}: the plan has no batch {batch}; run the same command again")
    return files.reset_index(drop=True)


def fetch_batch(files: pd.DataFrame, root: Path | str, limits: Mapping[str, Any]) -> pd.DataFrame:
    """Fetch the files of a batch.

    Parameters
    ----------
    files
        ``kind path url`` of the plan.
    root
        Folder of raw files.
    limits
        ``connections retries timeout_s``.

    Returns
    -------
    DataFrame
        As of `hiss.sdss.fetch.fetch_files`, with ``ra dec`` [deg] out of the headers of spectra, NaN for others.

    Raises
    ------
    HissError
        The server cannot be reached, or a file cannot be written.
    """
    wanted = [Wanted(path=path, url=url) for path, url in zip(files["path"], files["url"])]
    table = fetch_files(wanted, root, Limits(**limits))
    positions = [
        position_of(Path(root) / path) if kind == "spectrum" and status != "rejected" else (float("nan"), float("nan"))
        for kind, path, status in zip(files["kind"], table["path"], table["status"])
    ]
    return table.assign(ra=[ra for ra, _ in positions], dec=[dec for _, dec in positions])

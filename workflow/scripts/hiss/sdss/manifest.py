"""The manifest: every raw file of a sky with its size, hash and ids."""

import os
import re
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final

import pandas as pd

from hiss.errors import BadInput, HissError
from hiss.files import sha256_of
from hiss.progress import progress, say
from hiss.sdss.fits import BLOCK
from hiss.sdss.frame import parse_frame_name
from hiss.sdss.spectrum import parse_spectrum_name, read_position

_INTEGERS: Final = ["run", "camcol", "field", "plate", "mjd", "fiber"]
_IDS: Final = ["run", "camcol", "field", "band", "plate", "mjd", "fiber"]
COLUMNS: Final = ["kind", "path", "size", "sha256", *_IDS, "ra", "dec"]
_TABLES: Final = {
    "gal_info": re.compile(r"gal_info_dr7_v5_2\.fits?(?:\.gz)?"),
    "gal_totsfr": re.compile(r"gal_totsfr_dr7_v5_2\.fits?(?:\.gz)?"),
}
_COMPRESSION: Final = (".gz", ".bz2")  # plain comes first: it is read fastest
_LEAST_SIZE: Final = {"frame": 1_000_000}  # bytes of a whole file in any form; of other kinds one FITS block


def make_manifest(root: Path | str) -> pd.DataFrame:
    """Return one row a raw file below a folder, sorted by path.

    Returns
    -------
    DataFrame
        ``kind`` (frame, spectrum, gal_info, gal_totsfr), ``path`` (relative to the folder, with slashes),
        ``size`` [byte], ``sha256`` (empty where the file cannot be read), ``run camcol field plate mjd fiber``
        (Int64), ``band``, ``ra dec`` [deg] of spectra, NaN where the header cannot be read; ids are null where
        they do not apply. Of a frame or spectrum that is there in
        several forms the plain one is kept, then gzip, then bzip2, then the first path; a form too small to be
        whole is kept only where every one is, and then the largest.

    Raises
    ------
    HissError
        The folder is missing, or has no frames or no spectra.
    """
    root = Path(root)
    if not root.is_dir():
        raise HissError(f"{root}: the folder of raw files is missing; name it in sky.local.path")
    found: list[dict[str, Any]] = []
    ignored = 0
    for path in _walk(root):
        entry = _identify(path)
        if entry is None:
            ignored += 1
        else:
            found.append({**entry, "path": path.relative_to(root).as_posix()})
    kept = _without_repeats(root, found)
    _demand(root, kept)
    if ignored:
        say(f"{root}: {ignored} other files are not of this workflow and are ignored")
    for entry in progress(kept, len(kept), "files hashed"):
        entry["size"], entry["sha256"] = _fingerprint(root / entry["path"])
        if entry["kind"] == "spectrum":
            entry["ra"], entry["dec"] = _position(root / entry["path"])
    table = pd.DataFrame(kept, columns=COLUMNS)
    types = dict.fromkeys(_INTEGERS, "Int64") | {"size": "int64", "ra": "float64", "dec": "float64"}
    return table.astype(types).reset_index(drop=True)


def _walk(root: Path) -> Iterator[Path]:
    """Yield every file below a folder, through links, each folder once."""
    seen: set[str] = set()
    for folder, folders, files in os.walk(root, followlinks=True):
        real = os.path.realpath(folder)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders.sort()
        yield from (Path(folder) / name for name in sorted(files))


def _identify(path: Path) -> dict[str, Any] | None:
    readers: dict[str, tuple[Callable[[Path], tuple[int | str, ...]], list[str]]] = {
        "frame": (parse_frame_name, ["run", "camcol", "field", "band"]),
        "spectrum": (parse_spectrum_name, ["plate", "mjd", "fiber"]),
    }
    for kind, (parse, names) in readers.items():
        try:
            return {"kind": kind, **dict(zip(names, parse(path)))}
        except BadInput:
            continue
    return next(({"kind": kind} for kind, name in _TABLES.items() if name.fullmatch(path.name)), None)


def _without_repeats(root: Path, found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Keep one file an id, the quickest to read of those that look whole; say which others are there."""
    forms: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for entry in found:
        forms.setdefault((entry["kind"], *(entry.get(name) for name in _IDS)), []).append(entry)
    kept = []
    for entries in forms.values():
        best, *others = sorted(entries, key=partial(_preference, root)) if len(entries) > 1 else entries
        kept.append(best)
        for entry in others:
            say(f"{entry['path']}: the same {entry['kind']} as {best['path']}, which is used in its place")
    return sorted(kept, key=lambda entry: entry["path"])


def _preference(root: Path, entry: dict[str, Any]) -> tuple[bool, int, str]:
    """Give a key that sorts forms of one file: whole ones by the speed of reading, then others by size."""
    path = root / entry["path"]
    size = path.stat().st_size if path.is_file() else 0
    if size < _LEAST_SIZE.get(entry["kind"], BLOCK):
        return True, -size, entry["path"]
    return False, _COMPRESSION.index(path.suffix) + 1 if path.suffix in _COMPRESSION else 0, entry["path"]


def _demand(root: Path, entries: list[dict[str, Any]]) -> None:
    for kind, pattern in (
        ("frame", "frame-<band>-<run>-<camcol>-<field>.fits[.bz2|.gz]"),
        ("spectrum", "spec-<plate>-<mjd>-<fiber>.fits[.bz2|.gz]"),
    ):
        if not any(entry["kind"] == kind for entry in entries):
            raise HissError(f"{root}: no {kind} was found, {pattern} in any folder below; put them there")


def _fingerprint(path: Path) -> tuple[int, str]:
    try:
        return path.stat().st_size, sha256_of(path)
    except OSError as error:
        say(f"{path}: cannot be read ({error.strerror}); it will be among the rejects")
        return 0, ""


def _position(path: Path) -> tuple[float, float]:
    """Give where a spectrum points; one that cannot be read is no reason to stop: it will be among the rejects."""
    try:
        return read_position(path)
    except BadInput:
        return float("nan"), float("nan")


def files_of(manifest: pd.DataFrame, kind: str) -> pd.DataFrame:
    """Return the manifest's rows of one kind, in their order, numbered from 0."""
    return manifest[manifest["kind"] == kind].reset_index(drop=True)

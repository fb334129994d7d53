"""The manifest: every raw file of a sky with its size, hash and ids."""

import os
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from operator import itemgetter
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
SET_ASIDE: Final = ["stage", "kind", "path", "reason"]
_FITS: Final = re.compile(r".+\.fits?(?:\.gz|\.bz2)?")
_OF_DR7: Final = re.compile(r"(spSpec|fpC|tsField)-")
_OF_DR8: Final = {"spSpec": "spec-*.fits", "fpC": "frame-*.fits.bz2", "tsField": "frame-*.fits.bz2"}
_LEAST_SIZE: Final = {"frame": 1_000_000}  # bytes of a whole file in any form; of other kinds one FITS block

_Unused = tuple[str, str, str, str]  # a row of set_aside


def make_manifest(root: Path | str) -> pd.DataFrame:
    """Return the manifest of `survey_files` alone."""
    return survey_files(root)[0]


def survey_files(root: Path | str, threads: int = 1) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return one row a raw file below a folder, sorted by path, and one row a FITS file that is not used.

    Parameters
    ----------
    threads
        Files read at once.

    Returns
    -------
    manifest
        ``kind`` (frame, spectrum, gal_info, gal_totsfr), ``path`` (relative to the folder, with slashes),
        ``size`` [byte], ``sha256`` (empty where the file cannot be read), ``run camcol field plate mjd fiber``
        (Int64), ``band``, ``ra dec`` [deg] of spectra, NaN where the header cannot be read; ids are null where
        they do not apply. Of a frame or spectrum that is there in
        several forms the plain one is kept, then gzip, then bzip2, then the first path; a form too small to be
        whole is kept only where every one is, and then the largest.
    set_aside
        ``stage`` (manifest), ``kind`` (copy: another form of a file in use; other: a name that says nothing
        here), ``path``, ``reason``, sorted by path.

    Raises
    ------
    HissError
        The folder is missing, or has no frames or no spectra.
    """
    root = Path(root)
    if not root.is_dir():
        raise HissError(f"{root}: the folder of raw files is missing; name it in sky.local.path")
    found: list[dict[str, Any]] = []
    unused: list[_Unused] = []
    for path in _walk(root):
        place = path.relative_to(root).as_posix()
        entry = _identify(path)
        if entry is not None:
            found.append({**entry, "path": place})
        elif _FITS.fullmatch(path.name):
            unused.append(("manifest", "other", place, _strange(path.name)))
    kept, copies = _without_repeats(root, found)
    _demand(root, kept)
    unused += copies
    if unused:
        say(f"{root}: {len(unused)} FITS files are not used; the rejects say why")
    with ThreadPoolExecutor(threads) as pool:
        for entry, known in zip(kept, progress(pool.map(partial(_known, root), kept), len(kept), "files hashed")):
            entry.update(known)
    table = pd.DataFrame(kept, columns=COLUMNS)
    types = dict.fromkeys(_INTEGERS, "Int64") | {"size": "int64", "ra": "float64", "dec": "float64"}
    set_aside = pd.DataFrame(sorted(unused, key=itemgetter(2)), columns=SET_ASIDE, dtype=object)
    return table.astype(types).reset_index(drop=True), set_aside


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


def _strange(name: str) -> str:
    """Say why a FITS file of this name is not used."""
    if form := _OF_DR7.match(name):
        return f"{form[1]} is a form of data release 7; fetch the same as {_OF_DR8[form[1]]} of a later release"
    return "the name is of no file of this workflow"


def _without_repeats(root: Path, found: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], list[_Unused]]:
    """Keep one file an id, the quickest to read of those that look whole, sorted by path; and name the others."""
    forms: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for entry in found:
        forms.setdefault((entry["kind"], *(entry.get(name) for name in _IDS)), []).append(entry)
    kept: list[dict[str, Any]] = []
    copies: list[_Unused] = []
    for entries in forms.values():
        best, *others = sorted(entries, key=partial(_preference, root)) if len(entries) > 1 else entries
        kept.append(best)
        for entry in others:
            reason = f"the same {entry['kind']} as {best['path']}, which is used in its place"
            copies.append(("manifest", "copy", entry["path"], reason))
    return sorted(kept, key=lambda entry: str(entry["path"])), copies


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


def _known(root: Path, entry: dict[str, Any]) -> dict[str, Any]:
    """Read what the manifest holds of a file beside its name."""
    path = root / entry["path"]
    try:
        known: dict[str, Any] = {"size": path.stat().st_size, "sha256": sha256_of(path)}
    except OSError as error:
        say(f"{path}: cannot be read ({error.strerror}); it will be among the rejects")
        return {"size": 0, "sha256": ""}
    if entry["kind"] == "spectrum":
        known["ra"], known["dec"] = position_of(path)
    return known


def position_of(path: Path) -> tuple[float, float]:
    """Return where a spectrum points [deg], NaN where it cannot be read: it will be among the rejects."""
    try:
        return read_position(path)
    except BadInput:
        return float("nan"), float("nan")


def files_of(manifest: pd.DataFrame, kind: str) -> pd.DataFrame:
    """Return the manifest's rows of one kind, in their order, numbered from 0."""
    return manifest[manifest["kind"] == kind].reset_index(drop=True)

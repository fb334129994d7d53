"""Nothing silent: every raw file is in the cube or among the rejects, and a rule asserts it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import h5py
import pandas as pd

from hiss.cube.hdf5 import to_table
from hiss.cube.layout import IMAGE_TABLE, STAR_FORMATION_RATES, TARGET_SPECTRA
from hiss.errors import HissError

FRAME_ID: Final = ["run", "camcol", "field", "band"]
SPECTRUM_ID: Final = ["plate", "mjd", "fiber"]


def check_accounts(
    manifest: pd.DataFrame, images: pd.DataFrame, spectra: pd.DataFrame, rejects: pd.DataFrame
) -> dict[str, Any]:
    """Return the counts of raw files in the cube and among the rejects.

    Parameters
    ----------
    manifest
        Every raw file.
    images, spectra
        ``image_table`` of the sparse and ``target_spectra`` of the dense cube.
    rejects
        ``stage kind path reason``.

    Raises
    ------
    HissError
        A frame or spectrum is in neither or in both, or one is not in the manifest.
    """
    accounts: dict[str, Any] = {}
    for kind, name, ids, table in (
        ("frame", "frames", FRAME_ID, images),
        ("spectrum", "spectra", SPECTRUM_ID, spectra),
    ):
        files = manifest[manifest["kind"] == kind]
        in_cube = pd.Series(_keys(files, ids).isin(_keys(table, ids)), index=files.index, dtype=bool)
        refused = rejects[rejects["kind"] == kind]
        rejected = files["path"].isin(refused["path"])
        _demand_none(
            files[~in_cube & ~rejected], f"{name} of the manifest are neither in the cube nor among the rejects"
        )
        _demand_none(files[in_cube & rejected], f"{name} are both in the cube and among the rejects")
        _demand_none(refused[~refused["path"].isin(files["path"])], f"rejected {name} are not in the manifest")
        strange = int((~_keys(table, ids).isin(_keys(files, ids))).sum())
        if strange:
            raise HissError(f"{strange} {name} of the cube are not in the manifest; build the cube again")
        accounts[name] = {
            "manifest": len(files),
            "in_cube": int(in_cube.sum()),
            "rejected": int(rejected.sum()),
        }
    accounts["rejects"] = _by_stage(rejects)
    return accounts


def _keys(table: pd.DataFrame, ids: list[str]) -> pd.Index:
    return pd.Index(list(zip(*(table[name].astype(str) for name in ids))), tupleize_cols=False)


def _demand_none(files: pd.DataFrame, what: str) -> None:
    if len(files):
        raise HissError(f"{len(files)} {what}, the first {files['path'].iloc[0]}; build the cube again")


def _by_stage(rejects: pd.DataFrame) -> dict[str, dict[str, int]]:
    counts: dict[str, dict[str, int]] = {}
    for stage, kind in zip(rejects["stage"].astype(str), rejects["kind"].astype(str)):
        of_stage = counts.setdefault(stage, {})
        of_stage[kind] = of_stage.get(kind, 0) + 1
    return counts


def image_table(sparse: Path | str) -> pd.DataFrame:
    """Return ``image_table`` of the sparse cube."""
    with h5py.File(sparse, "r") as file:
        return to_table(file[IMAGE_TABLE][:])


def target_spectra(dense: Path | str) -> pd.DataFrame:
    """Return ``target_spectra`` of the dense cube."""
    with h5py.File(dense, "r") as file:
        return to_table(file[TARGET_SPECTRA][:])


@dataclass(frozen=True)
class Holdings:
    """What the ledger starts from: how many rows and spectra there are before there are objects."""

    catalogue: int
    """Rows of the SFR catalogue."""
    unlisted: int
    """Spectra of the manifest that the catalogue does not list."""
    absent: int
    """Rows of the catalogue without a spectrum in the manifest."""
    spectra: int
    """Spectra of the manifest."""
    rejected: int
    """Spectra among the rejects."""
    in_cube: int
    """Spectra of the dense cube's targets."""
    repeats: int
    """Of these, those beyond the first of their target."""


def holdings(
    manifest: pd.DataFrame, catalogue: pd.DataFrame, target_spectra: pd.DataFrame, rejects: pd.DataFrame
) -> Holdings:
    """Count rows and spectra, each from its own table.

    Parameters
    ----------
    manifest, rejects
        As written by the build.
    catalogue
        ``plate mjd fiber`` of every row of the SFR catalogue.
    target_spectra
        ``dense_cube/target_spectra``.
    """
    files = manifest[manifest["kind"] == "spectrum"]
    listed, here = _keys(catalogue, SPECTRUM_ID), _keys(files, SPECTRUM_ID)
    return Holdings(
        catalogue=len(catalogue),
        unlisted=int((~here.isin(listed)).sum()),
        absent=int((~listed.isin(here)).sum()),
        spectra=len(files),
        rejected=int((rejects["kind"] == "spectrum").sum()),
        in_cube=len(target_spectra),
        repeats=int(target_spectra["target_id"].duplicated().sum()),
    )


def catalogue_keys(sparse: Path | str) -> pd.DataFrame:
    """Return ``plate mjd fiber`` of every row of the SFR catalogue in the sparse cube."""
    with h5py.File(sparse, "r") as file:
        return to_table(file[STAR_FORMATION_RATES].fields(SPECTRUM_ID)[:])

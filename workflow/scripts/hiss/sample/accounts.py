"""Nothing silent: every raw file is in the cube or among the rejects, and a rule asserts it."""

from pathlib import Path
from typing import Any, Final

import h5py
import pandas as pd

from hiss.cube.hdf5 import to_table
from hiss.cube.layout import IMAGE_TABLE, SPECTRUM_TABLE, STAR_FORMATION_RATES, TARGET_SPECTRA
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


def catalogue_counts(sparse: Path | str) -> tuple[int, int]:
    """Return the rows of the SFR catalogue, and the spectra of the sparse cube that it does not list."""
    with h5py.File(sparse, "r") as file:
        catalogue = to_table(file[STAR_FORMATION_RATES][:])
        spectra = to_table(file[SPECTRUM_TABLE][:])
    catalogue = catalogue.rename(columns=str.lower).rename(columns={"plateid": "plate", "fiberid": "fiber"})
    unlisted = ~_keys(spectra, SPECTRUM_ID).isin(_keys(catalogue, SPECTRUM_ID))
    return len(catalogue), int(unlisted.sum())

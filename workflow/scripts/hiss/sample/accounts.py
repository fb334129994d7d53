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
FETCH: Final = "fetch"
"""Stage of a reject that the archive did not give, so that the manifest does not have it."""


def check_accounts(
    manifest: pd.DataFrame,
    images: pd.DataFrame,
    spectra: pd.DataFrame,
    rejects: pd.DataFrame,
    planned: pd.DataFrame | None = None,
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
    planned
        Every file that was asked of the archive: ``kind path`` and ids; None where nothing was.

    Raises
    ------
    HissError
        A planned file is neither in the manifest nor was it refused, or both; a frame or spectrum of the manifest is
        in neither the cube nor the rejects, or in both; one is in the cube or refused that was never there.
    """
    accounts: dict[str, Any] = {}
    fetching = rejects["stage"] == FETCH
    for kind, name, ids, table in (
        ("frame", "frames", FRAME_ID, images),
        ("spectrum", "spectra", SPECTRUM_ID, spectra),
    ):
        files = manifest[manifest["kind"] == kind]
        of_kind = rejects["kind"] == kind
        if planned is not None:
            accounts[name] = _check_fetch(
                planned[planned["kind"] == kind], files, rejects[of_kind & fetching], name, ids
            )
        accounts[name] = accounts.get(name, {}) | _check_cube(files, table, rejects[of_kind & ~fetching], name, ids)
    accounts["rejects"] = _by_stage(rejects)
    return accounts


def _check_fetch(
    planned: pd.DataFrame, files: pd.DataFrame, refused: pd.DataFrame, name: str, ids: list[str]
) -> dict[str, int]:
    """Count what was asked of the archive; a frame may lie in the manifest under the name of its repacked form."""
    here = pd.Series(_keys(planned, ids).isin(_keys(files, ids)), index=planned.index, dtype=bool)
    missing = planned["path"].isin(refused["path"])
    again = "delete the results' folder sky/fetched and run the same command again"
    _demand_none(
        planned[~here & ~missing], f"planned {name} are neither in the manifest nor among what could not be had", again
    )
    _demand_none(planned[here & missing], f"planned {name} are both in the manifest and missing", again)
    _demand_none(refused[~refused["path"].isin(planned["path"])], f"missing {name} were never planned", again)
    _demand_none(
        files[~_keys(files, ids).isin(_keys(planned, ids))], f"{name} of the manifest were never planned", again
    )
    return {"planned": len(planned), "not_to_be_had": int(missing.sum())}


def _check_cube(
    files: pd.DataFrame, table: pd.DataFrame, refused: pd.DataFrame, name: str, ids: list[str]
) -> dict[str, int]:
    """Count what became of the manifest's files."""
    in_cube = pd.Series(_keys(files, ids).isin(_keys(table, ids)), index=files.index, dtype=bool)
    rejected = files["path"].isin(refused["path"])
    _demand_none(files[~in_cube & ~rejected], f"{name} of the manifest are neither in the cube nor among the rejects")
    _demand_none(files[in_cube & rejected], f"{name} are both in the cube and among the rejects")
    _demand_none(refused[~refused["path"].isin(files["path"])], f"rejected {name} are not in the manifest")
    strange = int((~_keys(table, ids).isin(_keys(files, ids))).sum())
    if strange:
        raise HissError(f"{strange} {name} of the cube are not in the manifest; build the cube again")
    return {"manifest": len(files), "in_cube": int(in_cube.sum()), "rejected": int(rejected.sum())}


def _keys(table: pd.DataFrame, ids: list[str]) -> pd.Index:
    return pd.Index(list(zip(*(table[name].astype(str) for name in ids))), tupleize_cols=False)


def _demand_none(files: pd.DataFrame, what: str, remedy: str = "build the cube again") -> None:
    if len(files):
        raise HissError(f"{len(files)} {what}, the first {files['path'].iloc[0]}; {remedy}")


def _by_stage(rejects: pd.DataFrame) -> dict[str, dict[str, int]]:
    counts: dict[str, dict[str, int]] = {}
    for stage, kind in zip(rejects["stage"].astype(str), rejects["kind"].astype(str)):
        of_stage = counts.setdefault(stage, {})
        of_stage[kind] = of_stage.get(kind, 0) + 1
    return counts


def image_table(sparse: Path | str) -> pd.DataFrame:
    """Return ``image_table`` of the sparse cube; a row without a path, in an adopted cube, holds no frame."""
    with h5py.File(sparse, "r") as file:
        table = to_table(file[IMAGE_TABLE][:])
    return table[table["path"] != ""].reset_index(drop=True)


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
    """Spectra of the manifest among the rejects."""
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
        rejected=int(((rejects["kind"] == "spectrum") & (rejects["stage"] != FETCH)).sum()),
        in_cube=len(target_spectra),
        repeats=int(target_spectra["target_id"].duplicated().sum()),
    )


def catalogue_keys(sparse: Path | str) -> pd.DataFrame:
    """Return ``plate mjd fiber`` of every row of the SFR catalogue in the sparse cube."""
    with h5py.File(sparse, "r") as file:
        return to_table(file[STAR_FORMATION_RATES].fields(SPECTRUM_ID)[:])

"""A survey of any size that was never observed: runs along great circles, and objects in their fields."""

from pathlib import Path

import numpy as np
import pandas as pd
from astropy.io import fits

from hiss.sdss.fields import ROWS_A_FIELD

PIXEL = 0.396 / 3600
COLUMNS = 2048


def survey_fields(n_runs: int, fields_a_run: int, seed: int = 1) -> pd.DataFrame:
    """Return ``run camcol field mu_start nu_start node incl ra dec score`` of runs of six camera columns."""
    rng = np.random.default_rng(seed)
    incl = np.resize(np.arange(-20.0, 60.0, 2.5), n_runs)
    start = rng.uniform(90, 250, n_runs)
    parts = []
    for run in range(n_runs):
        field = np.arange(11, 11 + fields_a_run)
        for camcol in range(1, 7):
            mu = start[run] + field * ROWS_A_FIELD * PIXEL * (1 + 1e-4)
            nu = 0.42 * (camcol - 3.5) - COLUMNS * PIXEL / 2 + 0.11 * (run % 2)
            parts.append(
                pd.DataFrame(
                    {"run": 100 + run, "camcol": camcol, "field": field, "mu_start": mu % 360, "nu_start": nu,
                     "incl": incl[run]}
                )
            )  # fmt: skip
    fields = pd.concat(parts, ignore_index=True).assign(node=95.0)
    fields["ra"], fields["dec"] = sky_position(fields, np.full(len(fields), 744.5), np.full(len(fields), 1024.0))
    return fields.assign(score=rng.uniform(0.3, 1, len(fields)))


def sky_position(fields: pd.DataFrame, row: np.ndarray, column: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return RA and Dec [deg] of places in fields, one each: the inverse of ``great_circle``."""
    mu = np.radians(fields["mu_start"].to_numpy() + row * PIXEL - fields["node"].to_numpy())
    nu = np.radians(fields["nu_start"].to_numpy() + column * PIXEL)
    tilt = np.radians(fields["incl"].to_numpy())
    x, y, z = np.cos(mu) * np.cos(nu), np.sin(mu) * np.cos(nu), np.sin(nu)
    ra = fields["node"].to_numpy() + np.degrees(np.arctan2(y * np.cos(tilt) - z * np.sin(tilt), x))
    dec = np.degrees(np.arcsin(np.clip(y * np.sin(tilt) + z * np.cos(tilt), -1, 1)))
    return ra % 360, dec


def survey_objects(fields: pd.DataFrame, n: int, seed: int = 1) -> pd.DataFrame:
    """Return a catalogue of n objects, each in a field in which it is not nearer the next than the overlap's half."""
    rng = np.random.default_rng(seed)
    home = fields.iloc[rng.integers(0, len(fields), n)].reset_index(drop=True)
    row, column = rng.uniform(64, 1425, n), rng.uniform(0, COLUMNS, n)
    ra, dec = sky_position(home, row, column)
    number = np.arange(n)
    return pd.DataFrame(
        {
            "plate": 266 + number // 640, "mjd": 51602 + number // 640, "fiber": 1 + number % 640, "ra": ra, "dec": dec,
            "z": rng.uniform(0.01, 0.3, n), "spectrotype": rng.choice(["GALAXY", "QSO"], n, p=[0.9, 0.1]),
            "flag": rng.choice([0.0, 1.0], n, p=[0.8, 0.2]), "run": home["run"], "camcol": home["camcol"],
            "field": home["field"], "row": row, "column": column,
        }
    )  # fmt: skip


def write_survey(folder: Path, fields: pd.DataFrame, objects: pd.DataFrame) -> dict[str, Path]:
    """Write the list of fields, the list of plates and MPA-JHU's tables of a survey."""
    from hiss.sdss.catalogue import write_sfr_catalogue

    paths = {
        "gal_info": folder / "gal_info_dr7_v5_2.fit",
        "gal_totsfr": folder / "gal_totsfr_dr7_v5_2.fits",
        "field_list": folder / "window_flist.fits",
        "plate_list": folder / "plates-dr17.fits",
    }
    forms = {"run": "J", "camcol": "I", "field": "J"}
    columns = [fits.Column(name.upper(), forms.get(name, "D"), array=fields[name].to_numpy()) for name in fields]
    columns += [
        fits.Column("RERUN", "3A", array=np.full(len(fields), "301")),
        fits.Column("IMAGE_STATUS", "J", array=np.ones(len(fields), np.int32)),
    ]
    fits.BinTableHDU.from_columns(columns).writeto(paths["field_list"])
    plates = objects.drop_duplicates(["plate", "mjd"])
    run2d = np.where(plates["plate"] % 7 == 0, "103", "26")
    columns = [fits.Column(n.upper(), "J", array=plates[n].to_numpy()) for n in ("plate", "mjd")]
    fits.BinTableHDU.from_columns([*columns, fits.Column("RUN2D", "7A", array=run2d)]).writeto(paths["plate_list"])
    photo = np.zeros((len(objects), 5), np.int64)
    for place, name in ((0, "run"), (2, "camcol"), (3, "field")):
        photo[:, place] = objects[name]
    table = objects.drop(columns=["run", "camcol", "field", "row", "column"]).assign(photoid=list(photo), avg=0.1)
    write_sfr_catalogue(table, paths["gal_info"], paths["gal_totsfr"])
    return paths

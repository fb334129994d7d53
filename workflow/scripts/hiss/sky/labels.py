"""The catalogue of the simulated sky: labels of the spectra, and every placeholder MPA-JHU's tables know."""

from typing import Final

import numpy as np
import pandas as pd

from hiss.sdss.catalogue import SFR_COLUMNS
from hiss.sky.layout import share
from hiss.sky.population import draw_galaxies, draw_labels

_ABSENT_PLATES: Final = ((266, 51630), (267, 51608), (709, 52205))
_PERCENTILES: Final = ["p16", "p2p5", "p84", "p97p5"]


def catalogue_rows(spectra: pd.DataFrame, placed: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Return the catalogue under the names of `write_sfr_catalogue`, sorted by plate, MJD and fiber.

    It has a row for each SDSS spectrum of a galaxy, a fifth as many for spectra that are not on disk, and
    labels with noise of their own for each repeat.

    Parameters
    ----------
    spectra
        Of `list_spectra`, with ``z z_err sn_median``.
    """
    of_galaxies = spectra[~spectra["boss"] & (placed["kind"].to_numpy()[spectra["object"]] == "galaxy")]
    rows = _rows_on_disk(of_galaxies, placed)
    rows = pd.concat([rows, _rows_elsewhere(max(5, len(rows) // 5), rng)], ignore_index=True)
    labels = draw_labels(rows["log_sfr"].to_numpy(), rows["quiescent"].to_numpy(dtype=bool), rng)
    table = pd.concat([rows.drop(columns=["log_sfr", "quiescent"]), labels], axis=1)
    _put_placeholders(table, rng)
    table["release"], table["targettype"], table["spectrotype"] = "dr7", "GALAXY", "GALAXY"
    table["e_bv_sfd"] = 0.0
    return table.sort_values(["plate", "mjd", "fiber"], ignore_index=True)


def _rows_on_disk(spectra: pd.DataFrame, placed: pd.DataFrame) -> pd.DataFrame:
    objects = placed.iloc[spectra["object"].to_numpy()].reset_index(drop=True)
    rows = spectra[["plate", "mjd", "fiber", "objid", "z", "z_err", "sn_median"]].reset_index(drop=True)
    rows["z_warning"] = spectra["zwarning"].to_numpy()
    for name in ("ra", "dec", "log_sfr", "quiescent"):
        rows[name] = objects[name]
    rows["v_disp"] = objects["sigma_v"]
    rows["subclass"] = np.where(objects["quiescent"].to_numpy(dtype=bool), "", "STARFORMING")
    return rows


def _rows_elsewhere(n: int, rng: np.random.Generator) -> pd.DataFrame:
    galaxies = draw_galaxies(n, rng)
    numbers = np.arange(n)
    plates = np.array(_ABSENT_PLATES)[numbers % len(_ABSENT_PLATES)]
    return pd.DataFrame(
        {
            "plate": plates[:, 0],
            "mjd": plates[:, 1],
            "fiber": 1 + numbers // len(_ABSENT_PLATES),
            "objid": np.zeros(n, dtype=np.int64),
            "z": galaxies["z"],
            "z_err": 2e-5,
            "sn_median": rng.uniform(5, 30, n),
            "z_warning": 0,
            "ra": rng.uniform(140, 150, n),
            "dec": rng.uniform(-1.2, 1.2, n),
            "log_sfr": galaxies["log_sfr"],
            "quiescent": galaxies["quiescent"],
            "v_disp": galaxies["sigma_v"],
            "subclass": "",
        }
    )


def _put_placeholders(table: pd.DataFrame, rng: np.random.Generator) -> None:
    """Mark 12 % by FLAG, and spoil some labels as the true tables do, in place."""
    n = len(table)
    order = iter(
        np.array_split(rng.permutation(n), np.cumsum([share(f, n) for f in (0.12, 0.04, 0.02, 0.02, 0.01, 0.01)]))
    )
    flagged, absent, undefined, warned, no_tails, no_mode = (next(order) for _ in range(6))
    table.loc[flagged, "flag"] = rng.choice([1.0, 2.0, 3.0, 5.0], len(flagged), p=[0.7, 0.15, 0.1, 0.05])
    # a failed fit: everything is -99 and FLAG is 1
    table.loc[absent, [name for name in SFR_COLUMNS if name not in ("entropy", "flag")]] = -99.0
    table.loc[absent, "entropy"] = 0.0
    table.loc[absent, "flag"] = 1.0
    table.loc[undefined, ["avg", "median"]] = np.nan
    table.loc[undefined[::2], "flag"] = 1.0
    table.loc[warned, "z_warning"] = 4
    table.loc[no_tails, _PERCENTILES] = -99.0
    table.loc[no_mode, ["mode", "entropy"]] = -1.0

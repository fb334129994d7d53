"""How much the label itself errs: the width the catalogue gives it, and what spectra of one galaxy say of it twice."""

from pathlib import Path
from typing import Final

import h5py
import numpy as np
import pandas as pd

from hiss.cube.hdf5 import to_table
from hiss.cube.layout import STAR_FORMATION_RATES
from hiss.sdss.labels import is_label

SPECTRUM_ID: Final = ["plate", "mjd", "fiber"]
REPEAT_COLUMNS: Final = ["target_id", *SPECTRUM_ID, "avg", "half_width"]
LABEL_NOISE_UNITS: Final = {"avg": "log10(M_sun/yr)", "half_width": "dex"}

_FEW: Final = 10  # galaxies seen twice, below which a scatter has no interval
_RESAMPLES: Final = 1000


def catalogue_labels(sparse: Path | str) -> pd.DataFrame:
    """Return ``plate mjd fiber avg p16 p84 flag`` of every row of the SFR catalogue in the sparse cube."""
    with h5py.File(sparse, "r") as file:
        return to_table(file[STAR_FORMATION_RATES].fields([*SPECTRUM_ID, "avg", "p16", "p84", "flag"])[:])


def half_width(p16: pd.Series, p84: pd.Series) -> pd.Series:
    """Return (P84 - P16) / 2, NaN where one of them is a placeholder or they do not ascend."""
    return ((p84 - p16) / 2).where((p16 > -90) & (p84 > p16))


def repeated_labels(spectra: pd.DataFrame, catalogue: pd.DataFrame) -> pd.DataFrame:
    """Return the sound labels of galaxies that have several, one row a spectrum, in order of target and spectrum.

    A label is sound where FLAG = 0 and its percentiles are no placeholders.

    Parameters
    ----------
    spectra
        ``dense_cube/target_spectra``.
    catalogue
        As `catalogue_labels` returns it.
    """
    table = spectra[["target_id", *SPECTRUM_ID]].merge(catalogue, on=SPECTRUM_ID, how="inner")
    table["half_width"] = half_width(table["p16"], table["p84"])
    table = table[is_label(table["avg"]) & (table["flag"] == 0) & table["half_width"].notna()]
    several = table.groupby("target_id")["avg"].transform("size") > 1
    return table.loc[several, REPEAT_COLUMNS].sort_values(["target_id", *SPECTRUM_ID], ignore_index=True)


def label_noise(objects: pd.DataFrame, repeats: pd.DataFrame, seed: int = 1) -> pd.DataFrame:
    """Return, in one row, how wide the labels are and how much those of one galaxy scatter.

    Parameters
    ----------
    objects
        The labelled objects; those of FLAG = 0 are looked at.
    repeats
        As `repeated_labels` returns it.
    seed
        Of the bootstrap over galaxies.

    Returns
    -------
    DataFrame
        ``n`` labels of FLAG = 0; ``n_widths`` of them with percentiles; ``half_width`` (median), ``half_width_p16``,
        ``half_width_p84``, ``half_width_rms`` of (P84 - P16) / 2 [dex]; ``spread``, the standard deviation of AVG;
        ``ceiling``, 1 - half_width_rms^2 / spread^2. Of galaxies with several sound labels: ``galaxies``, ``labels``;
        ``scatter`` within a galaxy (root of the pooled variance), ``expected`` of it by the widths, ``pull``, the
        same in units of the widths, each with ``_low`` and ``_high`` (95 %) of a bootstrap over galaxies where there
        are ten or more; ``ceiling_repeats``, 1 - scatter^2 / spread^2. NaN where there is nothing to take it from.
    """
    good = objects[objects["flag"] == 0]
    width = half_width(good["p16"], good["p84"])
    known = width.dropna().to_numpy(np.float64)
    avg = good.loc[width.notna(), "avg"].to_numpy(np.float64)
    spread = float(avg.std(ddof=1)) if len(avg) > 1 else float("nan")
    rms = float(np.sqrt(np.mean(known**2))) if len(known) else float("nan")
    row: dict[str, float] = {"n": len(good), "n_widths": len(known)}
    quantiles = np.quantile(known, [0.5, 0.16, 0.84]) if len(known) else np.full(3, np.nan)
    row |= dict(zip(("half_width", "half_width_p16", "half_width_p84"), map(float, quantiles), strict=True))
    row |= {"half_width_rms": rms, "spread": spread, "ceiling": _ceiling(rms, spread)}
    row |= _scatter(repeats, seed)
    row["ceiling_repeats"] = _ceiling(row["scatter"], spread)
    return pd.DataFrame([row])


def _ceiling(noise: float, spread: float) -> float:
    return 1 - (noise / spread) ** 2 if spread > 0 else float("nan")


def _scatter(repeats: pd.DataFrame, seed: int) -> dict[str, float]:
    """Return the scatter of labels within a galaxy, what their widths let expect, and their ratio, with intervals."""
    names = ("scatter", "expected", "pull")
    row: dict[str, float] = {"galaxies": int(repeats["target_id"].nunique()), "labels": len(repeats)}
    row |= {f"{name}{end}": float("nan") for name in names for end in ("", "_low", "_high")}
    if repeats.empty:
        return row
    sums = _sums_of_galaxies(repeats)
    row |= dict(zip(names, _pooled(sums.sum(axis=0, keepdims=True))[0].tolist(), strict=True))
    if len(sums) >= _FEW:
        drawn = np.random.default_rng(seed).multinomial(len(sums), np.full(len(sums), 1 / len(sums)), size=_RESAMPLES)
        low, high = np.quantile(_pooled(drawn @ sums), [0.025, 0.975], axis=0)
        row |= {f"{name}_low": float(value) for name, value in zip(names, low, strict=True)}
        row |= {f"{name}_high": float(value) for name, value in zip(names, high, strict=True)}
    return row


def _sums_of_galaxies(repeats: pd.DataFrame) -> np.ndarray:
    """Return (n_galaxies, 4): squares about the mean, what the widths let expect of them, chi squared, and n - 1."""
    weighed = repeats.assign(w=repeats["half_width"] ** -2)
    weighed["wa"], of = weighed["w"] * weighed["avg"], weighed.groupby("target_id")
    size = of["avg"].transform("size")
    own = weighed[["target_id"]].assign(
        squares=(weighed["avg"] - of["avg"].transform("mean")) ** 2,
        expected=weighed["half_width"] ** 2 * (1 - 1 / size),
        chi2=weighed["w"] * (weighed["avg"] - of["wa"].transform("sum") / of["w"].transform("sum")) ** 2,
        freedom=1 - 1 / size,
    )
    return own.groupby("target_id")[["squares", "expected", "chi2", "freedom"]].sum().to_numpy(np.float64)


def _pooled(sums: np.ndarray) -> np.ndarray:
    """Return (m, 3) scatter, expected scatter and pull of (m, 4) sums over galaxies."""
    return np.sqrt(sums[:, :3] / sums[:, 3:])

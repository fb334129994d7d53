"""The Balmer lines of the labelled objects, as the survey's pipeline measured them or as the cube shows them."""

from collections import Counter
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

from hiss.cube.layout import ml_spectrum_data, ml_spectrum_group
from hiss.cube.store import Store
from hiss.errors import BadInput, HissError
from hiss.progress import progress, say
from hiss.sample.line_fit import fit_lines
from hiss.sdss.manifest import files_of
from hiss.sdss.spectrum import read_lines

LINE_UNITS: Final = dict.fromkeys(("h_alpha", "h_alpha_sigma", "h_beta", "h_beta_sigma"), "1e-17 erg s-1 cm-2")

_NAMES: Final = {"h_alpha": "H_alpha", "h_beta": "H_beta"}
_KEY: Final = ["plate", "mjd", "fiber"]
_BLOCK: Final = 512  # spectra of the cube at once

Lines = dict[str, tuple[float, float]]
"""Area and sigma of each line, NaN where it was not measured."""


def measure_lines(objects: pd.DataFrame, manifest: pd.DataFrame, root: Path | str, dense: Path | str) -> pd.DataFrame:
    """Return H-alpha and H-beta of each object, for the H-alpha baseline.

    They are LINEAREA of SPZLINE, measured above the stars' absorption, of the spectrum that the label is of. An object
    whose file is not there, as of a cube that was made elsewhere, or cannot be read, has the lines that
    `hiss.sample.line_fit.fit_lines` finds in its spectrum in the cube.

    Parameters
    ----------
    objects
        With ``row target_id z plate mjd fiber``.
    manifest
        Of the raw files; ``path`` is relative to ``root``.
    dense
        The dense cube.

    Returns
    -------
    DataFrame
        ``row, z, h_alpha, h_alpha_sigma, h_beta, h_beta_sigma, source``: areas of the observed lines, in the fibre,
        with no dust taken out [1e-17 erg s-1 cm-2]; NaN for a line that is out of the spectrum's range or was not
        measured; ``source`` is ``spzline`` or ``cube``.
    """
    of_files = _of_files(objects, manifest, Path(root))
    rest = [place for place, lines in enumerate(of_files) if lines is None]
    of_cube = dict(zip(rest, _of_cube(objects.iloc[rest], dense), strict=True))
    found = [of_cube[place] if lines is None else lines for place, lines in enumerate(of_files)]
    columns = {
        f"{name}{ending}": np.array([lines[name][part] for lines in found], dtype=np.float64)
        for name in _NAMES
        for part, ending in enumerate(("", "_sigma"))
    }
    source = np.where([lines is None for lines in of_files], "cube", "spzline")
    return objects[["row", "z"]].reset_index(drop=True).assign(**columns, source=source)


def _of_files(objects: pd.DataFrame, manifest: pd.DataFrame, root: Path) -> list[Lines | None]:
    """Return the lines of each object's file; None where there is no file of them that can be read."""
    paths = files_of(manifest, "spectrum").dropna(subset=_KEY).astype(dict.fromkeys(_KEY, "int64"))
    at = dict(zip(zip(*(paths[name] for name in _KEY)), paths["path"]))
    keys = list(zip(*(objects[name].tolist() for name in _KEY)))
    found: list[Lines | None] = []
    reasons: Counter[str] = Counter()
    for key in progress(keys, len(keys), "spectra looked at for emission lines"):
        lines, reason = _of_file(root / at[key] if key in at else None)
        found.append(lines)
        if lines is None:
            reasons[reason] += 1
    for reason, n in reasons.items():
        say(f"{n} of {len(keys)} objects have the lines of their spectrum in the cube: {reason}")
    return found


def _of_file(path: Path | None) -> tuple[Lines | None, str]:
    """Return the lines of a file, or None and why."""
    if path is None or not path.is_file():
        return None, "the raw file is not here"
    try:
        told = read_lines(path)
    except BadInput:
        return None, "the raw file cannot be read"
    if not set(_NAMES.values()) <= told.keys():
        return None, "the raw file lists no such lines"
    # The pipeline gives lines out of range, and such as it dropped, errors of -1 and -2.
    return {name: told[line] if told[line][1] > 0 else (np.nan, np.nan) for name, line in _NAMES.items()}, ""


def _of_cube(objects: pd.DataFrame, dense: Path | str) -> list[Lines]:
    """Return the lines fitted to the objects' spectra in the dense cube."""
    if objects.empty:
        return []
    target_id, redshift = (objects[name].to_numpy() for name in ("target_id", "z"))
    store = Store(dense)
    try:
        wl = _wavelengths(store)
        found = []
        starts = range(0, len(objects), _BLOCK)
        for start in progress(starts, len(starts), "blocks of spectra fitted"):
            rows = target_id[start : start + _BLOCK]
            flux = store.rows(ml_spectrum_data(0), rows).astype(np.float64)
            sigma = store.rows(f"{ml_spectrum_group(0)}/errors", rows).astype(np.float64)
            found += [fit_lines(wl, *one) for one in zip(flux, sigma, redshift[start : start + _BLOCK].tolist())]
    finally:
        store.close()
    return found


def _wavelengths(store: Store) -> np.ndarray:
    wl = store.item(f"{ml_spectrum_group(0)}/wl")
    samples = np.asarray(wl[()] if wl.ndim == 1 else wl[0], dtype=np.float64)
    step = np.diff(samples)
    if not np.allclose(step, step[0], rtol=1e-3):
        raise HissError(f"{store.path}: the wavelengths of its spectra are not in equal steps; build the cube again")
    return samples

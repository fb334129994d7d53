"""The survey's plates: which reduction the spectra of each are of."""

from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

from hiss.errors import HissError
from hiss.sdss.archive import SDSS_RUN2D
from hiss.sdss.fits import converted, first_hdus, open_fits, read_rows, text
from hiss.sdss.spectrum import FIRST_BOSS_PLATE

_READ: Final = ["PLATE", "MJD", "RUN2D"]


def read_plate_list(path: Path | str) -> pd.DataFrame:
    """Return ``plate mjd`` (int64) and ``run2d`` of the survey's list of plates, each plate and MJD once.

    Raises
    ------
    HissError
        The table lacks a column.
    """
    path = Path(path)
    with open_fits(path, memmap=True) as file:
        rows = read_rows(first_hdus(file, 2, path)[-1], path)
        missing = [name for name in _READ if name not in (rows.dtype.names or ())]
        if missing:
            raise HissError(f"{path}: lacks the column {', '.join(missing)}; fetch the list of plates again")
        plates = pd.DataFrame(
            {
                "plate": converted(rows["PLATE"], np.int64, path),
                "mjd": converted(rows["MJD"], np.int64, path),
                "run2d": [text(value) for value in rows["RUN2D"]],
            }
        )
    return plates.drop_duplicates(["plate", "mjd"], ignore_index=True)


def reductions(objects: pd.DataFrame, plates: pd.DataFrame | None) -> pd.Series:
    """Return the reduction of each object's spectrum, empty where only the usual one can be taken.

    Parameters
    ----------
    objects
        ``plate mjd``, and ``run2d`` where the user says it.
    plates
        Of `read_plate_list`, or None.
    """
    said = objects["run2d"]
    if plates is None:
        return said
    found = objects[["plate", "mjd"]].merge(plates, on=["plate", "mjd"], how="left")["run2d"].fillna("")
    # a plate of the SDSS spectrographs of which the list has a later reduction too is kept under the first three
    usable = (found.isin(SDSS_RUN2D) | (objects["plate"].to_numpy() >= FIRST_BOSS_PLATE)).to_numpy()
    return said.where((said != "").to_numpy(), found.where(usable, "").set_axis(objects.index))

"""MPA-JHU's star formation rates as data release 8 keeps them, brought to the columns of the DR7 tables."""

from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

from hiss.sdss.catalogue import KEY, read_pair

_INFO_READ: Final = [
    "PLATEID", "MJD", "FIBERID", "RA", "DEC", "Z", "Z_ERR", "Z_WARNING", "V_DISP", "V_DISP_ERR", "SN_MEDIAN",
    "E_BV_SFD", "RELEASE", "TARGETTYPE", "SPECTROTYPE", "SUBCLASS", "RELIABLE",
]  # fmt: skip
_RATES: Final = {
    "SFR_TOT_AVG": "avg",
    "SFR_TOT_P50": "median",
    "SFR_TOT_P16": "p16",
    "SFR_TOT_P84": "p84",
    "SFR_TOT_P2P5": "p2p5",
    "SFR_TOT_P97P5": "p97p5",
    "SFR_TOT_ENTROPY": "entropy",
}


def read_dr8_catalogue(info: Path | str, extra: Path | str) -> pd.DataFrame:
    """Return DR8's catalogue under the names of `hiss.sdss.catalogue.read_sfr_catalogue`.

    Rows without a result (ids of -1), and those its authors call unreliable, are dropped. DR8 keeps neither the
    mode, which is NaN here, nor FLAG: reliable rows get 0. Of a spectrum that is named twice the first row counts.

    Parameters
    ----------
    info, extra
        galSpecInfo and galSpecExtra, which belong together row by row.

    Raises
    ------
    HissError
        The tables differ in length or lack a column.
    """
    columns, rates = read_pair(Path(info), _INFO_READ, Path(extra), list(_RATES), "DR8")
    named = {name: rates[source.lower()] for source, name in _RATES.items()}
    table = pd.DataFrame({**columns, **named}, copy=False)
    good = (table["plate"] > 0) & (table["reliable"] != 0)
    table = table[good].drop(columns="reliable").drop_duplicates(KEY).reset_index(drop=True)
    return table.assign(mode=np.nan, flag=0.0)

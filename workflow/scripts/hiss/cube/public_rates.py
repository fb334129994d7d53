"""The star formation rates in a public cube: a table of records, or the blocks that pandas writes."""

from collections.abc import Iterator
from typing import Final

import h5py
import numpy as np
import pandas as pd

from hiss.cube.layout import SPECTRA_STAR_FORMATION_RATES, STAR_FORMATION_RATES
from hiss.cube.public import PublicCube
from hiss.errors import HissError
from hiss.sdss.catalogue import KEY, SFR_COLUMNS, our_column

_NUMBERS: Final = (*KEY, *SFR_COLUMNS, "ra", "dec", "z", "z_warning", "sn_median")
_TEXTS: Final = ("spectrotype", "subclass")


def read_rates(cube: PublicCube) -> pd.DataFrame:
    """Return the SFR catalogue of a public cube, under the names of `hiss.sdss.catalogue.read_sfr_catalogue`.

    Returns
    -------
    DataFrame
        ``plate mjd fiber`` int64, the `SFR_COLUMNS` float64, and what there is of ``ra dec z z_warning sn_median
        spectrotype subclass``; no rows where the cube has no catalogue.

    Raises
    ------
    HissError
        The table lacks the key or AVG, or names a spectrum twice.

    Notes
    -----
    The public system writes the tables with pandas, whose fixed format keeps columns of one type together in a
    block; text is in a block of pickled objects, which is not read.
    """
    for name in (STAR_FORMATION_RATES, SPECTRA_STAR_FORMATION_RATES):
        columns = dict(_columns(cube.file[name])) if name in cube.file else {}
        if not columns:
            continue
        missing = [key for key in (*KEY, "avg") if key not in columns]
        if missing:
            raise HissError(f"{cube.path}: {name} lacks the column {', '.join(missing)}; make the cube again")
        return _checked(cube, name, _table(columns))
    return pd.DataFrame({name: np.empty(0, np.int64 if name in KEY else np.float64) for name in (*KEY, *SFR_COLUMNS)})


def _table(columns: dict[str, np.ndarray]) -> pd.DataFrame:
    length = len(columns["plate"])
    table = {name: columns[name].astype(np.float64) for name in _NUMBERS if name in columns}
    absent = {name: np.full(length, np.nan) for name in SFR_COLUMNS if name not in table}
    texts = {
        name: [value.decode("utf-8", "replace").strip() for value in columns[name].tolist()]
        for name in _TEXTS
        if name in columns and columns[name].dtype.kind == "S"
    }
    return pd.DataFrame(table | absent).assign(**texts)


def _checked(cube: PublicCube, name: str, table: pd.DataFrame) -> pd.DataFrame:
    """Drop rows without a key or, of spectra that are joined with the catalogue, without a row of it."""
    known = table[KEY].notna().all(axis=1)
    if name == SPECTRA_STAR_FORMATION_RATES:
        known &= table["avg"].notna()
    table = table[known].reset_index(drop=True).astype(dict.fromkeys(KEY, np.int64))
    if table.duplicated(KEY).any():
        raise HissError(f"{cube.path}: {name} names a spectrum twice; give each plate, MJD and fiber one row")
    return table


def _columns(item: h5py.Dataset | h5py.Group) -> Iterator[tuple[str, np.ndarray]]:
    """Give the columns that are wanted, by our names."""
    wanted = {*_NUMBERS, *_TEXTS}
    if isinstance(item, h5py.Dataset):
        for name in item.dtype.names or ():
            if our_column(name) in wanted and item.dtype[name].kind in "iufS":
                yield our_column(name), item.fields(name)[:]
        return
    blocks = [key.removesuffix("_items") for key in item if key.endswith("_items")]
    for block in blocks:
        values, items = item.get(f"{block}_values"), item[f"{block}_items"][:]
        if not isinstance(values, h5py.Dataset) or values.ndim != 2 or values.dtype.kind not in "iuf":
            continue
        across = values.shape[1] == len(items)  # a column a column, as pandas stores it
        for place, name in enumerate(items.tolist()):
            ours = our_column(name.decode("utf-8", "replace") if isinstance(name, bytes) else str(name))
            if ours in wanted:
                yield ours, values[:, place] if across else values[place]

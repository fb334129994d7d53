"""Choices of rows of a cube's tables: by id, by place on the sky, by redshift, one after the other."""

from collections.abc import Iterator
from functools import cached_property
from typing import Any, ClassVar, Generic, Self, TypeVar

import numpy as np
import pandas as pd
from astropy import units as u
from astropy.coordinates import SkyCoord

from hiss.cube.cones import degrees_of, radius_of, rows_near, separation
from hiss.cube.store import Store
from hiss.errors import HissError

One = TypeVar("One")


class Rows(Generic[One]):
    """Rows of one table of a cube, in order; nothing is read before it is asked for.

    ``len``, iteration and indices work as on a list: a number gives one row's object, a slice, an array of
    numbers or a mask a smaller choice.
    """

    _table: ClassVar[str]
    _keys: ClassVar[tuple[str, ...]]  # numbers read together, once, when the first of them is asked for
    _what: ClassVar[str]
    _index: ClassVar[tuple[str, int] | None] = None  # dataset and HEALPix order of an index of the rows

    def __init__(self, store: Store, rows: np.ndarray | None = None) -> None:
        self._store = store
        self._chosen = rows

    @cached_property
    def rows(self) -> np.ndarray:
        """Row numbers in the cube, (n,) int64."""
        if self._chosen is not None:
            return self._chosen
        n = len(self._store.item(self._table))
        if self._index and self._store.has(self._index[0]) and len(self._store.item(self._index[0])) != n:
            return np.sort(self._store.whole(self._index[0])["ds_slice_idx"])  # an adopted cube may have empty rows
        return np.arange(n, dtype=np.int64)

    @cached_property
    def table(self) -> pd.DataFrame:
        """What the cube knows of these rows, one a row."""
        return self._store.table(self._table, self.rows)

    @property
    def position(self) -> SkyCoord:
        """Their positions (ICRS)."""
        return SkyCoord(self.column("ra") * u.deg, self.column("dec") * u.deg)

    def column(self, name: str) -> np.ndarray:
        """Return one column of the table, text as bytes; `HissError` names the columns there are."""
        names = self._keys if name in self._keys else (name,)
        return self._store.columns(self._table, names)[name][self.rows]

    def select(self, **wanted: Any) -> Self:
        """Return those whose columns have these values, or one of several: ``select(plate=266, fiber=[1, 13])``."""
        keep = np.ones(len(self), bool)
        for name, values in wanted.items():
            column = self.column(name)
            asked = list(values) if isinstance(values, list | tuple | set | range) else np.atleast_1d(values)
            if column.dtype.kind == "S":
                asked = [value if isinstance(value, bytes) else str(value).encode() for value in asked]
            keep &= np.isin(column, np.asarray(asked))
        return self[keep]

    def cone(self, position: Any, radius: Any) -> Self:
        """Return those within a true separation of a position, in their order.

        Parameters
        ----------
        position
            A `SkyCoord`, or (ra, dec): numbers in degrees, or angles with a unit.
        radius
            A number in degrees, or an angle with a unit.
        """
        ra, dec = degrees_of(position)
        reach = radius_of(radius)
        if self._index is None or not self._store.has(self._index[0]):
            return self[separation(self.column("ra"), self.column("dec"), ra, dec) <= reach]
        near = rows_near(self._store.whole(self._index[0]), self._index[1], ra, dec, reach)
        table = self._store.rows(self._table, near)
        near = near[separation(table["ra"], table["dec"], ra, dec) <= reach]
        return self[np.isin(self.rows, near)]

    def redshift(self, low: float, high: float) -> Self:
        """Return those with a redshift from ``low`` to ``high``, both included."""
        z = self.column("z")
        return self[(z >= low) & (z <= high)]

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[One]:
        return (self._one(int(row)) for row in self.rows)

    def __getitem__(self, places: Any) -> Any:
        if isinstance(places, int | np.integer):
            return self._one(int(self.rows[places]))
        return type(self)(self._store, self.rows[places])

    def __repr__(self) -> str:
        return f"<{len(self)} {self._what} of {self._store.path.name}>"

    def only(self, **wanted: Any) -> One:
        """Return the one row with these values; `HissError` says how many there are instead."""
        found = self.select(**wanted)
        if len(found) != 1:
            asked = ", ".join(f"{name} {value}" for name, value in wanted.items())
            raise HissError(
                f"{self._store.path}: {len(found) or 'none'} of its {len(self)} {self._what} "
                f"{'have' if len(found) > 1 else 'has'} {asked}; ask for one that is in their table"
            )
        return next(iter(found))

    def _one(self, row: int) -> One:
        raise NotImplementedError


class Row:
    """One row of a table of a cube.

    Attributes
    ----------
    row
        Its number in the cube.
    """

    _table: ClassVar[str]

    def __init__(self, store: Store, row: int) -> None:
        self._store = store
        self.row = row

    @cached_property
    def info(self) -> dict[str, Any]:
        """What the cube's table says of it."""
        return dict(self._store.table(self._table, np.array([self.row])).iloc[0])

    @property
    def position(self) -> SkyCoord:
        """Its position (ICRS); of a frame its centre's."""
        return SkyCoord(self.info["ra"] * u.deg, self.info["dec"] * u.deg)

"""An open cube file: its datasets by name, its tables by row, and one sentence for whatever is not there."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd

from hiss.cube.hdf5 import to_table
from hiss.cube.layout import DENSE, SPARSE, TARGETS, ml_image_data
from hiss.cube.rows import gather
from hiss.cube.shard_sources import demand_sources
from hiss.errors import HissError


class Store:
    """A file of a HiSS-Cube, open for reading.

    Parameters
    ----------
    path
        Any of a cube's files.

    Raises
    ------
    HissError
        There is no such file, it is damaged, or it is not a cube.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        if not self.path.is_file():
            raise HissError(f"{path}: there is no such file; build the cube or correct the path")
        try:
            self.file = h5py.File(self.path, "r")
        except OSError as error:
            raise HissError(f"{path}: {_why(error)}") from None
        self._columns: dict[str, np.ndarray] = {}
        self._demanded: set[str] = set()
        if wrong := self._other_kind():
            self.file.close()
            raise HissError(f"{path}: {wrong}")

    def close(self) -> None:
        """Close the file."""
        self.file.close()

    def has(self, name: str) -> bool:
        """Return whether the file, or one it links to, holds something."""
        self._check_open()
        return self._found(name)

    def item(self, name: str) -> Any:
        """Return a dataset or group; `HissError` says why it is not there."""
        self._check_open()
        try:
            found = self.file[name]
        except (KeyError, OSError) as error:
            raise HissError(f"{self.path}: {self._absence(name, error)}") from None
        if found.file.filename not in self._demanded:
            demand_sources(found.file)
            self._demanded.add(found.file.filename)
        return found

    def rows(self, name: str, rows: np.ndarray) -> np.ndarray:
        """Return rows of a dataset in the order asked for."""
        dataset = self.item(name)
        with self._reading(name):
            return gather(dataset, rows)

    def table(self, name: str, rows: np.ndarray) -> pd.DataFrame:
        """Return rows of a table of records, text decoded."""
        return to_table(self.rows(name, rows))

    def columns(self, table: str, names: Sequence[str]) -> dict[str, np.ndarray]:
        """Return whole columns of a table, text as bytes; they are kept, so that the file is read once for each."""
        dataset = self.item(table)
        known = dataset.dtype.names or ()
        unknown = [name for name in names if name not in known]
        if unknown:
            raise HissError(
                f"{self.path}: /{table} has no column {', '.join(unknown)}; its columns are {', '.join(known)}"
            )
        wanted = [name for name in names if f"{table}:{name}" not in self._columns]
        if wanted:
            with self._reading(table):
                found = dataset.fields(wanted)[:]
            self._columns |= {f"{table}:{name}": np.ascontiguousarray(found[name]) for name in wanted}
        return {name: self._columns[f"{table}:{name}"] for name in names}

    def whole(self, name: str) -> np.ndarray:
        """Return a whole dataset, kept like a column."""
        if name not in self._columns:
            dataset = self.item(name)
            with self._reading(name):
                self._columns[name] = dataset[()]
        return self._columns[name]

    def part(self, name: str, where: tuple[Any, ...]) -> np.ndarray:
        """Return a part of a dataset by h5py's own indices."""
        dataset = self.item(name)
        with self._reading(name):
            return np.asarray(dataset[where])

    def record(self, name: str | None = None) -> dict[str, Any]:
        """Return the provenance record of the file that really holds something, by default of this one; or {}."""
        text = (self.item(name).file if name else self.file).attrs.get("provenance", "{}")
        try:
            record = json.loads(text)
        except (TypeError, ValueError):
            return {}
        return record if isinstance(record, dict) else {}

    def _other_kind(self) -> str | None:
        """Say what the file is where it is not a cube of this workflow."""
        if not any(self.file.get(name, getlink=True) for name in (DENSE, SPARSE)):
            return f"is not a HiSS-Cube: it has neither /{DENSE} nor /{SPARSE}; open another file"
        if self._found(ml_image_data(0)) and not self._found(TARGETS):
            return (
                "was made by the public HiSS-Cube; run the workflow with cube.source: existing and this file as "
                "cube.existing, and open the hiss_cube.h5 that it makes"
            )
        return None

    def _check_open(self) -> None:
        if not self.file:
            raise HissError(f"{self.path}: is closed; read before its `with` block ends")

    @contextmanager
    def _reading(self, name: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise HissError(
                f"{self.path}: /{name.lstrip('/')} is damaged ({error}); build this cube again, or copy it again"
            ) from None

    def _found(self, name: str) -> bool:
        """Say whether a name leads to something: to h5py a link that leads nowhere is there too."""
        try:
            return self.file[name] is not None
        except (KeyError, OSError):
            return False

    def _absence(self, name: str, error: Exception) -> str:
        """Say why a name leads nowhere: a link to another file, or a file that does not hold this part."""
        steps = name.strip("/").split("/")
        for place in range(1, len(steps) + 1):
            above = "/".join(steps[:place])
            try:
                link = self.file.get(above, getlink=True)
            except (KeyError, OSError):
                break
            if isinstance(link, h5py.ExternalLink) and not self._found(above):
                return (
                    f"its link to {link.filename} cannot be followed; keep the files of one cube in one folder, "
                    "or build the one that lacks"
                )
            if link is None:
                break
        if isinstance(error, OSError):
            return f"/{name.lstrip('/')} is damaged ({error}); build this cube again, or copy it again"
        return f"has no /{name.lstrip('/')}; open hiss_cube.h5 of the same build, which shows the whole cube"


def _why(error: OSError) -> str:
    text = str(error)
    if "truncated file" in text:
        return "is cut short; build this cube again, or copy it again"
    if "signature not found" in text:
        return "is not an HDF5 file; open a file of a HiSS-Cube"
    return f"cannot be opened ({text})"

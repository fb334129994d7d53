"""Where the set lies: a table of frames beside its pictures, in a folder or in a zip that is never unpacked."""

import lzma
import zipfile
import zlib
from abc import ABC, abstractmethod
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import IO, Final

import pandas as pd

from hiss.errors import BadInput, HissError
from hiss.files import read_json
from hiss.scenes.layout import find_columns

_LARGEST: Final = 64 * 2**20
"""Bytes of a picture; what claims more is none."""

_LARGEST_TABLE: Final = 2 * 2**30
_HEADER: Final = 2**20  # bytes of a table in which its columns' names are looked for
_LONGEST_PATH: Final = 1024

_ZIP_DAMAGE: Final = (
    zipfile.BadZipFile, EOFError, OSError, zlib.error, lzma.LZMAError, NotImplementedError, RuntimeError,
)  # fmt: skip
"""What reading a damaged, an encrypted or a strangely packed member raises."""


def safe_path(told: str) -> str:
    """Return a path of the table as ``folder/name``.

    Raises
    ------
    BadInput
        For one that is empty, very long, absolute, or leaves the folder.
    """
    if len(told) > _LONGEST_PATH:
        raise BadInput(f"{told[:40]}...: a path of {len(told)} characters is none")
    path = told.strip().replace("\\", "/")
    parts = [part for part in PurePosixPath(path).parts if part != "."]
    if not parts or "\0" in path:
        raise BadInput("the table tells no path")
    if path.startswith("/") or ".." in parts or parts[0].endswith(":"):
        raise BadInput(f"{told}: the path leaves the set's folder, and is not followed")
    return "/".join(parts)


class Place(ABC):
    """A table of frames and the pictures it names."""

    name: str
    """Of the table, for messages."""

    @abstractmethod
    def table(self) -> pd.DataFrame:
        """Return the table as it is."""

    @abstractmethod
    def read(self, path: str) -> bytes:
        """Return the bytes of a picture by its `safe_path`.

        Raises
        ------
        BadInput
            It is not there, or cannot be read.
        """


class FolderPlace(Place):
    """Files on a disk."""

    def __init__(self, csv: Path, folder: Path | None = None) -> None:
        self._csv, self._root = csv, (folder or csv.parent).resolve()
        self.name = str(csv)

    def table(self) -> pd.DataFrame:
        """Return the table as it is."""
        try:
            with self._csv.open("rb") as stream:
                return _read_csv(stream, self.name)
        except OSError as error:
            raise HissError(
                f"{self._csv}: cannot be read ({error.strerror}); name the table of frames in "
                "side_studies.scenes.local.csv (docs/scenes.md)"
            ) from None

    def read(self, path: str) -> bytes:
        """Return the bytes of a picture; a link that leads out of the folder is not followed."""
        file = (self._root / path).resolve()
        if not file.is_relative_to(self._root):
            raise BadInput(f"{path}: a link leads out of the set's folder, and is not followed")
        try:
            if file.stat().st_size > _LARGEST:
                raise BadInput(f"{path}: larger than {_LARGEST >> 20} MB, which no frame is")
            return file.read_bytes()
        except OSError as error:
            raise FileNotFoundError(f"{path}: is not there ({error.strerror})") from None


class ZipPlace(Place):
    """A zip whose files are read where they are, so that no name in it reaches the disk."""

    def __init__(self, path: Path) -> None:
        try:
            self._zip = zipfile.ZipFile(path)
        except (OSError, zipfile.BadZipFile) as error:
            raise HissError(
                f"{path}: is no zip ({error}); where the address asks visitors to sign in, fetch the set by hand and "
                "name its files with source: local (docs/scenes.md)"
            ) from None
        self.table_name = self._find_table(path)
        self._root = str(PurePosixPath(self.table_name).parent)
        self.name = f"{path}:{self.table_name}"

    def _find_table(self, path: Path) -> str:
        tables = sorted(
            (name for name in self._zip.namelist() if name.lower().endswith(".csv")),
            key=lambda name: (name.count("/"), name),
        )
        said = []
        for name in tables:
            try:
                with self._zip.open(name) as stream:
                    find_columns(list(_read_csv(stream, name, rows=0).columns), name)
            except (HissError, *_ZIP_DAMAGE) as error:
                said.append(str(error))
            else:
                return name
        why = said[0] if said else f"it holds no .csv among its {len(self._zip.namelist())} files"
        raise HissError(f"{path}: no table of frames in this zip; {why}")

    def table(self) -> pd.DataFrame:
        """Return the table as it is."""
        try:
            with self._zip.open(self.table_name) as stream:
                return _read_csv(stream, self.name)
        except _ZIP_DAMAGE as error:
            raise HissError(f"{self.name}: is damaged ({error}); fetch the zip again") from None

    def read(self, path: str) -> bytes:
        """Return the bytes of a picture."""
        member = path if self._root == "." else f"{self._root}/{path}"
        try:
            with self._zip.open(member) as stream:
                data = stream.read(_LARGEST + 1)
        except KeyError:
            raise FileNotFoundError(f"{path}: is not in the zip") from None
        except _ZIP_DAMAGE as error:
            raise BadInput(f"{path}: its bytes in the zip are damaged ({error})") from None
        if len(data) > _LARGEST:
            raise BadInput(f"{path}: larger than {_LARGEST >> 20} MB, which no frame is")
        return data


def _read_csv(stream: IO[bytes], name: str, rows: int | None = None) -> pd.DataFrame:
    """Read a table, or no more than its head, with text where it is text: a label ``NA`` is a label."""
    if rows is None:
        data = stream.read(_LARGEST_TABLE + 1)
    else:
        data = b"".join(stream.readline(_HEADER) for _ in range(rows + 1))
    if len(data) > _LARGEST_TABLE:
        raise HissError(f"{name}: larger than {_LARGEST_TABLE >> 30} GB, which no table of frames is")
    try:
        return pd.read_csv(BytesIO(data), nrows=rows, dtype=str, keep_default_na=False, encoding_errors="replace")
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeError) as error:
        raise HissError(f"{name}: is no table with commas ({error})") from None


def place_of(told: str, folder: str | None = None) -> Place:
    """Return where the set is.

    Parameters
    ----------
    told
        Path of its table, of its zip, or of what `hiss.scenes.fetch.fetch_scenes` told of a fetched one.
    folder
        Where the paths in a table begin (None: its own folder), or where the fetched zip lies.
    """
    path = Path(told)
    if path.suffix == ".json":
        return ZipPlace(Path(folder or path.parent) / str(read_json(path)["zip"]))
    if path.suffix.lower() == ".zip":
        return ZipPlace(path)
    return FolderPlace(path, None if folder is None else Path(folder))

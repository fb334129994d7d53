"""Files that are either whole or absent, and the hashes that tell them apart."""

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from glob import escape
from pathlib import Path
from typing import Any

import pandas as pd

from hiss.errors import HissError


@contextmanager
def atomic(path: Path | str) -> Iterator[Path]:
    """Give a temporary path beside ``path``, renamed to it on success and removed on failure.

    The data are on disk before the rename, so that a crash leaves the old file or the new one. What a killed
    process left there is cleared away first: a file has one writer.
    """
    path = Path(path)
    temporary = temporary_beside(path)
    try:
        yield temporary
        with temporary.open("rb") as stream:
            os.fsync(stream.fileno())
        temporary.replace(path)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT) or "No space left" in str(error):
            raise unwritable(path, error) from error
        raise
    finally:
        temporary.unlink(missing_ok=True)


def temporary_beside(path: Path) -> Path:
    """Return this process's temporary path for an output, in its folder, which is made and cleared of stale ones."""
    path.parent.mkdir(parents=True, exist_ok=True)
    for stale in path.parent.glob(f".{escape(path.name)}.*.part"):
        stale.unlink(missing_ok=True)
    return path.with_name(f".{path.name}.{os.getpid()}.part")


def unwritable(path: Path | str, error: OSError) -> HissError:
    """Return the sentence for a file that could not be written, with the room there is."""
    folder = Path(path).parent
    free = f"{shutil.disk_usage(folder).free / 1e9:.2f} GB are free there" if folder.is_dir() else "its folder is gone"
    return HissError(
        f"{path}: could not be written ({error}); {free}: make room, or name a folder on another disk as the config's "
        "results, and run the same command again"
    )


def sha256_of(path: Path | str) -> str:
    """Return the SHA-256 of a file's bytes, in hexadecimal."""
    with Path(path).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def write_json(path: Path | str, value: Any) -> None:
    """Write a value as indented JSON, atomically; NaN and infinity are refused."""
    text = json.dumps(value, indent=2, sort_keys=True, allow_nan=False, default=_plain)
    with atomic(path) as temporary:
        temporary.write_text(text + "\n")


def _plain(value: Any) -> Any:
    if hasattr(value, "tolist"):  # NumPy's scalars and arrays
        return value.tolist()
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no form in JSON")


def read_json(path: Path | str) -> Any:
    """Read a JSON file."""
    return json.loads(Path(path).read_text())


def write_table(
    path: Path | str,
    table: pd.DataFrame,
    units: Mapping[str, str] | None = None,
    record: Mapping[str, Any] | None = None,
) -> None:
    """Write a table as ``.parquet`` or ``.csv`` by the path's suffix, atomically, without its index.

    Parameters
    ----------
    units
        Unit of each column that has one; kept in a Parquet column's metadata under ``unit``.
    record
        Provenance; kept in a Parquet file's metadata under ``provenance``.
    """
    path = Path(path)
    with atomic(path) as temporary:
        if path.suffix == ".csv":
            table.to_csv(temporary, index=False)
        elif path.suffix == ".parquet":
            _write_parquet(temporary, table, units or {}, record)
        else:
            raise ValueError(f"{path}: a table is written as .parquet or .csv")


def _write_parquet(path: Path, table: pd.DataFrame, units: Mapping[str, str], record: Mapping[str, Any] | None) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    arrow = pa.Table.from_pandas(table, preserve_index=False)
    fields = [
        field.with_metadata({"unit": units[field.name]}) if field.name in units else field for field in arrow.schema
    ]
    metadata = dict(arrow.schema.metadata or {})
    if record is not None:
        metadata[b"provenance"] = json.dumps(record, sort_keys=True, default=_plain).encode()
    pq.write_table(arrow.cast(pa.schema(fields, metadata=metadata)), path)


def read_table(path: Path | str) -> pd.DataFrame:
    """Read a table written by `write_table`."""
    path = Path(path)
    return pd.read_csv(path) if path.suffix == ".csv" else pd.read_parquet(path)

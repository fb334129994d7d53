"""Frames out of bzip2, once and without loss, into a form that is read several times faster."""

import bz2
import gzip
import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, Final, Literal

import pandas as pd

from hiss.errors import HissError
from hiss.files import atomic, sha256_of
from hiss.progress import progress, say
from hiss.sdss.fetch_checks import PACKED, REPACKED, Held, Records, take_lock

_GZIP_LEVEL: Final = 1  # pixels are noise: a higher level takes longer and saves next to nothing


def repack_frames(
    fetched: pd.DataFrame, root: Path | str, form: Literal["plain", "gzip"], keep: bool = True, threads: int = 1
) -> pd.DataFrame:
    """Return the table of fetched files with the frames in their new form, which is beside the old one.

    The new file is read back and its FITS bytes must have the SHA-256 of the old one's before it gets its name, and
    before the old one goes. A frame that is there in the new form, as recorded, is not packed again. One that cannot
    be unpacked stays as it is: the build will say what is wrong with it.

    Parameters
    ----------
    fetched
        As `hiss.sdss.fetch.fetch_files` returns it: ``path``, ``size`` [byte], ``sha256``, ``status``.
    keep
        False removes each bzip2 file when its new form is checked.
    """
    root, records = Path(root), Records(Path(root))
    packed = (fetched["status"] != "rejected") & fetched["path"].str.endswith(PACKED)
    paths = fetched.loc[packed, "path"].tolist()
    work = partial(_repack, root, records, form, keep)
    with ThreadPoolExecutor(threads) as pool:  # bz2 and zlib let other threads run
        done = list(progress(pool.map(work, paths), len(paths), "frames repacked"))
    table = fetched.copy()
    if done:
        table.loc[packed, ["path", "size", "sha256"]] = pd.DataFrame(done, index=table.index[packed])
    return table.astype({"size": "int64"})


def _repack(root: Path, records: Records, form: Literal["plain", "gzip"], keep: bool, path: str) -> Held:
    """Return a frame in its new form, or in the old one where that is damaged."""
    old, new_path = root / path, path.removesuffix(PACKED) + REPACKED[form]
    try:
        with old.open("rb") as stream:
            take_lock(stream)  # another workflow may be at it
            held = records.intact(new_path) or _write(root, path, new_path)
            records.add(new_path, held.sha256)
            if not keep:
                old.unlink(missing_ok=True)
            return held
    except FileNotFoundError:
        if held_form := records.repacked(path):
            return held_form
        raise HissError(f"{old}: the frame is gone; fetch its batch again (snakemake --forcerun fetch_batch)") from None
    except (EOFError, ValueError, OSError) as error:
        say(f"{old}: cannot be repacked ({error}), so it stays as it is")
        return Held(path, old.stat().st_size, sha256_of(old))


def _write(root: Path, path: str, new_path: str) -> Held:
    """Write the new form; what is read back from it must be what the old one holds."""
    content = bz2.decompress((root / path).read_bytes())
    with atomic(root / new_path) as temporary:
        if new_path.endswith(".gz"):
            temporary.write_bytes(gzip.compress(content, _GZIP_LEVEL, mtime=0))
        else:
            temporary.write_bytes(content)
        opened: Callable[..., Any] = gzip.open if new_path.endswith(".gz") else open
        with opened(temporary, "rb") as stream:
            if hashlib.file_digest(stream, "sha256").digest() != hashlib.sha256(content).digest():
                raise HissError(f"{root / new_path}: what was written is not what was read; check the disk")
        return Held(new_path, temporary.stat().st_size, sha256_of(temporary))

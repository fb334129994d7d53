"""Whether what was fetched is whole and the archive's own: checksum lists, a look inside, hashes of earlier runs."""

import bz2
import errno
import fcntl
import gzip
import hashlib
import re
import zlib
from collections.abc import Callable
from html import unescape
from pathlib import Path
from threading import Lock
from typing import IO, Any, Final, NamedTuple
from urllib.parse import quote, unquote, urljoin, urlsplit

import requests
from urllib3.exceptions import HTTPError

from hiss.files import sha256_of
from hiss.sdss.fits import BLOCK

LIST_NAME: Final = re.compile(r"[^/]+\.(sha1|sha256|md5)sum")
"""Name of a list of checksums in the archive, as ``lss-dr10.sha1sum`` in DR10's folder ``boss/lss``."""

_HEXADECIMAL: Final = {32: "md5", 40: "sha1", 64: "sha256"}
_LINE: Final = re.compile(r"([0-9a-fA-F]{32,64}) [ *](.+)")
_LINK: Final = re.compile(r'href="([^"?#]+)"', re.IGNORECASE)
_FOLDERS_UP: Final = 3  # a list is beside the file, or in one of the folders just above it
_LARGEST_LIST: Final = 2**26
_RECORD: Final = ".fetched.sha256sum"
_OPEN_PACKED: Final[dict[str, Callable[..., Any]]] = {".bz2": bz2.open, ".gz": gzip.open}


PACKED: Final = ".bz2"
REPACKED: Final = {"plain": "", "gzip": ".gz"}
"""What takes the place of `PACKED` in the name of a file repacked to that form."""


class Held(NamedTuple):
    """A file that is there and intact."""

    path: str
    size: int
    sha256: str


class WrongBytes(Exception):
    """What came is not the file that was asked for."""


def split_checksum(checksum: str) -> tuple[str, str]:
    """Return algorithm and value of a checksum such as ``sha1:2fd4...``."""
    algorithm, _, value = checksum.partition(":")
    if algorithm not in _HEXADECIMAL.values() or _HEXADECIMAL.get(len(value)) != algorithm:
        raise ValueError(f"{checksum}: no checksum of the form sha1:<hexadecimal>, sha256:... or md5:...")
    return algorithm, value.lower()


def demand_whole(path: Path, size: int | None = None, checksum: str | None = None) -> str:
    """Return the SHA-256 of a file whose bytes are right.

    Parameters
    ----------
    size
        Its length in bytes, where it is known.
    checksum
        ``<algorithm>:<hexadecimal>``, where the archive states it. Without one a packed file is unpacked to its
        end: bzip2 and gzip carry checksums of their own.

    Raises
    ------
    WrongBytes
        Length, checksum or form are not those of the file.
    """
    found = path.stat().st_size
    if size is not None and found != size:
        raise WrongBytes(f"{found:,} bytes came in place of {size:,}")
    sha256 = hashlib.sha256()
    algorithm, stated = split_checksum(checksum) if checksum else ("sha256", None)
    other = hashlib.new(algorithm, usedforsecurity=False)
    with path.open("rb") as stream:
        while chunk := stream.read(2**20):
            sha256.update(chunk)
            if stated and algorithm != "sha256":
                other.update(chunk)
    actual = sha256.hexdigest() if algorithm == "sha256" else other.hexdigest()
    if stated and actual != stated:
        raise WrongBytes(f"the {algorithm} is {actual} and the archive states {stated}")
    return sha256.hexdigest()


def demand_fits(path: Path, name: str, to_the_end: bool) -> None:
    """Raise `WrongBytes` when a file that is named as FITS is none or truncated, or its compressed stream is damaged.

    Parameters
    ----------
    name
        The name it will have; files of other suffixes than ``.fit`` and ``.fits``, packed or not, are not looked at.
    """
    suffixes = Path(name).suffixes
    packed = suffixes[-1] if suffixes and suffixes[-1] in _OPEN_PACKED else ""
    if not {".fit", ".fits"} & set(suffixes[-2:] if packed else suffixes[-1:]):
        return
    with path.open("rb") as stream:
        if stream.read(512).lstrip()[:1] == b"<":
            raise WrongBytes("a page of HTML came in place of the file")
    opened: Callable[..., Any] = _OPEN_PACKED[packed] if packed else open
    try:
        with opened(path, "rb") as stream:
            if stream.read(9) != b"SIMPLE  =":
                raise WrongBytes("what came is no FITS file")
            while packed and to_the_end and stream.read(2**20):
                pass
        if to_the_end and not packed and path.stat().st_size % BLOCK:
            raise WrongBytes(f"it is truncated: {path.stat().st_size:,} bytes are no whole number of FITS blocks")
    except (OSError, EOFError, zlib.error) as error:
        raise WrongBytes(f"the compressed stream is truncated or corrupt ({error})") from error


def take_lock(stream: IO[Any], wait: bool = True) -> bool:
    """Lock an open file until it is closed; say whether it was had, which without waiting it may not be.

    On a disk that knows no locks it is had always: there two workflows must not share a folder of raw files.
    """
    try:
        fcntl.flock(stream, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP):
            raise
    return True


class Records:
    """SHA-256 of every fetched file, beside the files: ``sha256sum --check .fetched.sha256sum`` reads it too."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._known: dict[str, tuple[tuple[int, int], dict[str, str]]] = {}
        self._lock = Lock()

    def find(self, path: str) -> str | None:
        """Return the SHA-256 a file had when it was fetched, None for one that never was."""
        folder, name = self._place(path)
        record = self._root / folder / _RECORD
        with self._lock:
            try:
                found = record.stat()
            except FileNotFoundError:
                return None
            state = found.st_size, found.st_mtime_ns
            if self._known.get(folder, (None, None))[0] != state:  # other workflows write there too
                self._known[folder] = state, _read_record(record)
            return self._known[folder][1].get(name)

    def add(self, path: str, sha256: str) -> None:
        """Keep the SHA-256 of a file; the last one kept counts."""
        if self.find(path) == sha256:
            return
        folder, name = self._place(path)
        with self._lock, (self._root / folder / _RECORD).open("a") as stream:
            take_lock(stream)
            stream.write(f"{sha256}  {name}\n")

    def intact(self, path: str) -> Held | None:
        """Return a file that is as it was recorded, None for another."""
        recorded, file = self.find(path), self._root / path
        if recorded and file.is_file() and sha256_of(file) == recorded:
            return Held(path, file.stat().st_size, recorded)
        return None

    def repacked(self, path: str) -> Held | None:
        """Return the form, intact, into which an earlier run repacked a file that was fetched."""
        if not path.endswith(PACKED) or not self.find(path):
            return None
        forms = (self.intact(path.removesuffix(PACKED) + suffix) for suffix in REPACKED.values())
        return next((form for form in forms if form), None)

    @staticmethod
    def _place(path: str) -> tuple[str, str]:
        folder, _, name = path.rpartition("/")
        return folder, name


def _read_record(record: Path) -> dict[str, str]:
    lines = record.read_text(errors="replace").splitlines()
    return {found[2]: found[1] for line in lines if (found := _LINE.fullmatch(line))}


class ChecksumLists:
    """The archive's own checksums, by address.

    The archive keeps lists such as ``<folder>-<release>.sha1sum`` in its folders, of the files in and below them.
    Which folders have one is seen from the folder's page of links; a folder without a page or a list has none.
    """

    def __init__(self, session: requests.Session, timeout_s: float) -> None:
        self._session, self._timeout_s = session, timeout_s
        self._of_folder: dict[str, dict[str, str]] = {}
        self._locks: dict[str, Lock] = {}
        self._lock = Lock()

    def find(self, url: str, path: str) -> str | None:
        """Return the archive's checksum of a file as ``<algorithm>:<hexadecimal>``, None where it has none.

        Parameters
        ----------
        path
            The file's path below the root of the tree; no folder above that root is asked for.
        """
        folder = url
        for _ in range(min(_FOLDERS_UP, path.count("/"))):
            folder = urljoin(folder, "." if folder == url else "..")
            if found := self._lists_of(folder).get(unquote(urlsplit(url).path)):
                return found
        return None

    def _lists_of(self, folder: str) -> dict[str, str]:
        with self._lock:
            lock = self._locks.setdefault(folder, Lock())
        with lock:
            if folder not in self._of_folder:
                page = self._text(folder)
                links = {urljoin(folder, unescape(link)) for link in _LINK.findall(page)}
                self._of_folder[folder] = {
                    file: checksum
                    for link in sorted(links)
                    if LIST_NAME.fullmatch(unquote(link.removeprefix(folder)))
                    for file, checksum in parse_list(self._text(link), link).items()
                }
            return self._of_folder[folder]

    def _text(self, url: str) -> str:
        """Give a page; a server that has none, or has trouble with it, leaves the files to the look inside."""
        try:
            with self._session.get(url, timeout=self._timeout_s, stream=True) as response:
                if response.status_code != 200:
                    return ""
                return str(response.raw.read(_LARGEST_LIST, decode_content=True).decode("utf-8", "replace"))
        except (requests.RequestException, HTTPError):
            return ""


def parse_list(content: str, url: str) -> dict[str, str]:
    """Return the checksums of a list as ``<algorithm>:<hexadecimal>``, by the path in the file's address."""
    found = {}
    for line in content.splitlines():
        if match := _LINE.fullmatch(line.strip()):
            value, name = match[1].lower(), match[2].removeprefix("./")
            if len(value) in _HEXADECIMAL:
                found[unquote(urlsplit(urljoin(url, quote(name))).path)] = f"{_HEXADECIMAL[len(value)]}:{value}"
    return found

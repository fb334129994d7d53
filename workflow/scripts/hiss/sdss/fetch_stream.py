"""One request to a server of files: its bytes go on where an earlier request broke off."""

import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from io import FileIO
from pathlib import Path
from threading import Event
from typing import Any, Final

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import HTTPError, MaxRetryError, ReadTimeoutError

from hiss.sdss.fetch_tree import FileTree

USER_AGENT: Final = "hiss-workflow (SDSS files for a HiSS-Cube; python-requests)"
_CHUNK: Final = 2**18
_LEAST_RATE: Final = 1000.0  # byte/s: a line slower than this for a whole time-out stands still
_TRY_AGAIN: Final = (408, 421, 425, 429)  # and every 5xx
_RANGE: Final = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")


class NotThere(Exception):
    """The server's last word: this file is not to be had here."""


class Interrupted(Exception):
    """A fault that may be gone at the next attempt."""

    def __init__(self, reason: str, wait_s: float | None = None, unreachable: bool = False) -> None:
        super().__init__(reason)
        self.wait_s = wait_s
        self.unreachable = unreachable


class Stopped(Exception):
    """The batch was given up while this file was under way."""


@dataclass(frozen=True)
class Line:
    """How bytes come in: over which session, how patiently, who counts them, who may stop them."""

    session: requests.Session
    timeout_s: float
    moved: Callable[[int], None]
    stop: Event


def open_session(connections: int) -> requests.Session:
    """Return a session of at most so many connections to a server; proxies are those of the environment."""
    session = requests.Session()
    session.headers.update({"User-Agent": USER_AGENT, "Accept-Encoding": "identity"})
    adapter = HTTPAdapter(pool_connections=4, pool_maxsize=connections, max_retries=0, pool_block=True)
    for scheme in ("https://", "http://"):
        session.mount(scheme, adapter)
    session.mount("file://", FileTree())
    return session


def serves(line: Line, url: str) -> bool:
    """Say whether a server still answers for a file with something other than an error or a page of HTML."""
    try:
        headers = {"Range": "bytes=0-511"}
        with line.session.get(url, headers=headers, stream=True, timeout=line.timeout_s) as response:
            start: bytes = response.raw.read(512, decode_content=False)
            return response.status_code in (200, 206) and not start.lstrip().startswith(b"<")
    except (requests.RequestException, HTTPError):
        return False


def receive(line: Line, url: str, part: FileIO, note: Path) -> None:
    """Bring a file's missing bytes to the end of ``part``.

    Parameters
    ----------
    part
        Open for reading and appending; what it holds is kept when the server says that the file is still the same.
    note
        Beside it: address, validator (strong ETag, else Last-Modified) and length of the file it is a part of.

    Raises
    ------
    NotThere, Interrupted, Stopped
    """
    known = _read_note(note, url)
    have = part.seek(0, 2)
    if have and have == known.get("length"):
        return
    headers = {}
    if have and "validator" in known and have < known.get("length", have + 1):
        headers = {"Range": f"bytes={have}-", "If-Range": known["validator"]}
    try:
        with line.session.get(url, headers=headers, stream=True, timeout=line.timeout_s) as response:
            if response.status_code == 416 or (response.status_code == 206 and not _goes_on(response, have, known)):
                _start_again(part, note)
                raise Interrupted("the file changed on the server while it was fetched")
            _demand_content(response)
            if response.status_code == 200:
                _start_again(part, note)
                have = 0
                _write_note(note, url, response)
            length = _length(response, have)
            _pour(line, response, part)
    except requests.RequestException as error:
        raise _fault(error) from error
    except HTTPError as error:
        what = "the server stalled" if isinstance(error, ReadTimeoutError) else "the connection broke"
        raise Interrupted(f"{what} at byte {part.seek(0, 2):,}") from error
    have = part.seek(0, 2)
    if length is not None and have != length:
        if have > length:
            _start_again(part, note)
        raise Interrupted(f"{have:,} of {length:,} bytes came")


def _demand_content(response: requests.Response) -> None:
    """Raise what an answer other than the file's bytes means."""
    status = response.status_code
    if status in (200, 206):
        return
    said = f"the server answered {status} {response.reason or ''}".rstrip()
    if status in _TRY_AGAIN or status >= 500:
        raise Interrupted(said, wait_s=_retry_after(response.headers.get("Retry-After")))
    raise NotThere(said)


def _fault(error: requests.RequestException) -> Exception:
    """Return what a failed request means."""
    cause = error.args[0] if error.args else None
    if isinstance(error, requests.ConnectionError):
        if isinstance(cause, MaxRetryError):  # never reached: refused, no such name, no route, a bad certificate
            return Interrupted(f"the server cannot be reached ({cause.reason})", unreachable=True)
        return Interrupted(f"the connection broke ({cause or error})")
    if isinstance(error, requests.Timeout):
        return Interrupted("the server stalled before its answer")
    return NotThere(f"the address cannot be asked for ({error})")


def _pour(line: Line, response: requests.Response, part: FileIO) -> None:
    since, bytes_since = time.monotonic(), 0
    while chunk := response.raw.read1(_CHUNK, decode_content=False):
        rest = memoryview(chunk)
        while rest:
            rest = rest[part.write(rest) :]
        line.moved(len(chunk))
        if line.stop.is_set():
            raise Stopped
        bytes_since += len(chunk)
        spent = time.monotonic() - since
        if spent > line.timeout_s:
            if bytes_since < _LEAST_RATE * spent:
                raise Interrupted(f"the server sends only {bytes_since / spent:.0f} bytes a second")
            since, bytes_since = time.monotonic(), 0


def _goes_on(response: requests.Response, have: int, known: dict[str, Any]) -> bool:
    """Say whether a partial answer begins where the part ends, and is of the same file."""
    found = _RANGE.fullmatch(response.headers.get("Content-Range", ""))
    if not found or int(found[1]) != have:
        return False
    same_length = found[3] == "*" or int(found[3]) == known.get("length", int(found[3]))
    return same_length and _validator(response) in (None, known.get("validator"))


def _validator(response: requests.Response) -> str | None:
    """Give what tells one version of a file from another: its strong ETag, else the time of its last change."""
    etag = response.headers.get("ETag", "")
    return etag if etag.startswith('"') else response.headers.get("Last-Modified")


def _length(response: requests.Response, have: int) -> int | None:
    """Give the whole file's length where the answer says it."""
    found = _RANGE.fullmatch(response.headers.get("Content-Range", ""))
    if found and found[3] != "*":
        return int(found[3])
    coming = response.headers.get("Content-Length", "")
    return have + int(coming) if coming.isdigit() else None


def _start_again(part: FileIO, note: Path) -> None:
    note.unlink(missing_ok=True)
    part.truncate(0)
    part.seek(0)


def _write_note(note: Path, url: str, response: requests.Response) -> None:
    kept = {"url": url, "validator": _validator(response), "length": _length(response, 0)}
    note.write_text(json.dumps({name: value for name, value in kept.items() if value is not None}))


def _read_note(note: Path, url: str) -> dict[str, Any]:
    try:
        known = json.loads(note.read_text())
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) and known.get("url") == url else {}


def _retry_after(value: str | None) -> float | None:
    """Give the seconds a server asks to wait, from its number or its date."""
    if value is None:
        return None
    if value.strip().isdigit():
        return float(value)
    try:
        when = parsedate_to_datetime(value)
    except ValueError:
        return None
    when = when if when.tzinfo else when.replace(tzinfo=UTC)
    return max(0.0, (when - datetime.now(UTC)).total_seconds())

"""ImageNet's weights, out of the net or a file of the user's, checked before anything is trained on them."""

import hashlib
import shutil
import time
from pathlib import Path
from typing import Final

import requests

from hiss.errors import HissError
from hiss.files import atomic, sha256_of
from hiss.models.imagenet import read_vgg13
from hiss.progress import say

_CHUNK: Final = 2**20
_LINE_EVERY: Final = 10.0  # seconds between lines in the log
_TRY_AGAIN: Final = (408, 421, 425, 429)  # and every 5xx
_SETTING: Final = "experiments.vggnet12.weights"


class _Fault(Exception):
    """What may be gone at the next attempt."""


_PASSING: Final = (_Fault, requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError)


def fetch_weights(
    address: str,
    out: Path | str,
    sha256: str | None = None,
    retries: int = 5,
    timeout_s: float = 60.0,
    backoff_s: float = 2.0,
) -> None:
    """Fetch a VGG13's weights, a safetensors file, from an ``http://`` or ``https://`` address, or copy a file of them.

    Parameters
    ----------
    address
        Of the file; one without ``://`` is its path.
    sha256
        What the file must hash to, in hexadecimal; None: what it hashes to is told.
    retries
        Further attempts after a fault of the server or the line.
    timeout_s
        Without a byte for so long an attempt is given up.
    backoff_s
        Wait after the first failure; it doubles with each further one.

    Raises
    ------
    HissError
        When the file cannot be had, is another than ``sha256`` tells, or holds no VGG13.
    """
    local = "://" not in address
    if not local and not address.startswith(("http://", "https://")):
        raise HissError(f"{address}: fetched are http:// and https:// addresses; name a file of yours by its path")
    with atomic(out) as temporary:
        if local:
            found = _copy(address, temporary)
        else:
            found = _receive_patiently(address, temporary, retries, timeout_s, backoff_s)
        if sha256 is not None and found != sha256.lower():
            raise HissError(
                f"{address}: the file's SHA-256 is {found}, not {sha256} as {_SETTING}_sha256 says; correct one of them"
            )
        try:
            read_vgg13(temporary)
        except HissError as error:
            raise HissError(str(error).replace(str(temporary), address)) from None
    say(f"{address}: {Path(out).stat().st_size / 1e6:.1f} MB of VGG13's weights, SHA-256 {found}")


def _copy(path: str, out: Path) -> str:
    """Copy the file and return the SHA-256 of the copy."""
    try:
        shutil.copyfile(path, out)
    except OSError as error:
        raise HissError(f"{path}: cannot be read ({error.strerror}); correct {_SETTING}") from None
    return sha256_of(out)


def _receive_patiently(address: str, out: Path, retries: int, timeout_s: float, backoff_s: float) -> str:
    """Write the file and return its SHA-256; start again after a fault, up to so many times."""
    failures = 0
    while True:
        try:
            return _receive(address, out, timeout_s)
        except _PASSING as error:
            failures += 1
            if failures > retries:
                raise HissError(
                    f"{address}: could not be fetched in {failures} attempts ({error}); run the same command again "
                    f"when the server answers, or fetch the file by hand and name its path as {_SETTING}"
                ) from error
            wait = backoff_s * 2 ** (failures - 1)
            say(f"{address}: {error}; tried again in {wait:.0f} s")
            time.sleep(wait)
        except requests.RequestException as error:
            raise HissError(f"{address}: cannot be asked for ({error}); correct {_SETTING}") from error


def _receive(address: str, out: Path, timeout_s: float) -> str:
    with (
        requests.get(address, stream=True, timeout=timeout_s, headers={"Accept-Encoding": "identity"}) as response,
        out.open("wb") as stream,
    ):
        _demand_content(response, address)
        hashed, done, last = hashlib.sha256(), 0, time.monotonic()
        whole = int(response.headers.get("Content-Length", -1))
        for chunk in response.iter_content(_CHUNK):
            stream.write(chunk)
            hashed.update(chunk)
            done += len(chunk)
            if time.monotonic() - last > _LINE_EVERY:
                last = time.monotonic()
                say(f"{done / 1e6:.1f} of {whole / 1e6:.1f} MB" if whole >= 0 else f"{done / 1e6:.1f} MB")
        if whole not in (-1, done):
            raise _Fault(f"{done:,} of {whole:,} bytes came")
        return hashed.hexdigest()


def _demand_content(response: requests.Response, address: str) -> None:
    if response.status_code == 200:
        return
    said = f"the server answered {response.status_code} {response.reason or ''}".rstrip()
    if response.status_code in _TRY_AGAIN or response.status_code >= 500:
        raise _Fault(said)
    raise HissError(f"{address}: {said}; correct {_SETTING}")

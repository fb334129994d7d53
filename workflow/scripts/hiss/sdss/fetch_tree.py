"""A folder behind a ``file://`` address answers as an archive's server does."""

import os
from email.utils import formatdate
from html import escape
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import quote, urlsplit
from urllib.request import url2pathname

import requests
from requests.adapters import BaseAdapter
from requests.structures import CaseInsensitiveDict
from urllib3 import HTTPResponse


def path_behind(url: str) -> Path | None:
    """Return the path behind a ``file://`` address, None behind another."""
    parts = urlsplit(url)
    return Path(url2pathname(parts.path)) if parts.scheme == "file" else None


class FileTree(BaseAdapter):
    """What `requests` asks in place of a server when an address begins with ``file://``.

    A file is sent whole; a folder is sent as a page of links, as servers do.
    """

    def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:
        """Return the file's bytes, or 404 or 403."""
        url = str(request.url)
        path = path_behind(url)
        headers: dict[str, str] = {}
        body: BinaryIO
        try:
            if path is None or not path.exists():
                raise FileNotFoundError
            if path.is_dir():
                status, body = 200, _listing(path)
            else:
                status, body = 200, path.open("rb")
                found = os.fstat(body.fileno())
                headers["Content-Length"] = str(found.st_size)
                headers["Last-Modified"] = formatdate(found.st_mtime, usegmt=True)
        except FileNotFoundError:
            status, body = 404, BytesIO()
        except OSError:
            status, body = 403, BytesIO()
        response = requests.Response()
        response.status_code = status
        response.url = url
        response.request = request
        response.headers = CaseInsensitiveDict(headers)
        response.raw = HTTPResponse(body, headers=headers, status=status, preload_content=False)
        return response

    def close(self) -> None:
        """Do nothing: no connection is kept."""


def _listing(folder: Path) -> BinaryIO:
    names = sorted(path.name for path in folder.iterdir())
    return BytesIO("\n".join(f'<a href="{quote(name)}">{escape(name)}</a>' for name in names).encode())


def link_from_tree(url: str, target: Path) -> bool:
    """Give a file of a ``file://`` tree a second name where the disk allows it; say whether it did.

    The file's bytes are then on the disk once. Nothing here ever changes a raw file in place.
    """
    source = path_behind(url)
    if source is None:
        return False
    target.unlink(missing_ok=True)
    try:
        os.link(source.resolve(strict=True), target)
    except OSError:
        return False
    return True

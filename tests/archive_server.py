"""A folder served over HTTP on the loopback as the archive serves its own, with faults on demand and bytes counted."""

import re
import threading
import time
from collections import defaultdict
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote


@dataclass
class Fault:
    """What goes wrong at one request for a file."""

    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    cut: int | None = None  # the connection closes after so many bytes of the body
    stall: int | None = None  # nothing more comes after so many bytes
    body: bytes | None = None  # in place of the file's
    rate: int | None = None  # bytes a second
    after: object = None  # called when the answer is over


@dataclass
class Request:
    """What was asked for, and how many bytes of a body were sent."""

    path: str
    start: int
    status: int = 0
    sent: int = 0
    agent: str = ""


class ArchiveServer:
    """Serve a folder from a free port until closed; ``faults[path]`` are met one a request, then the file."""

    def __init__(self, root: Path, ranges: bool = True, validators: bool = True, listing: bool = True) -> None:
        self.root, self.ranges, self.validators, self.listing = root, ranges, validators, listing
        self.faults: dict[str, list[Fault]] = defaultdict(list)
        self.every: Fault | None = None
        self.requests: list[Request] = []
        self.at_once = self.most_at_once = 0
        self.over = threading.Event()
        self.down = False
        self._lock = threading.Lock()
        self._start(0)

    def _start(self, port: int) -> None:
        handler = type("Handler", (_Handler,), {"archive": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", port), handler)
        self._server.daemon_threads = True
        self._server.block_on_close = False
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Go away: connections are refused from now on, and those that are open say no more."""
        self.down = True
        self._server.shutdown()
        self._server.server_close()

    def start(self) -> None:
        """Come back on the same port."""
        self.down = False
        self._start(self.port)

    def close(self) -> None:
        self.over.set()
        self.stop()

    def __enter__(self) -> "ArchiveServer":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def sent(self, path: str | None = None) -> int:
        """Bytes sent of a file, or of all files (no pages of links)."""
        return sum(r.sent for r in self.requests if not r.path.endswith("/") and path in (None, r.path))

    def asked(self, path: str | None = None) -> list[Request]:
        """Requests for a file, or for any file."""
        return [r for r in self.requests if not r.path.endswith("/") and path in (None, r.path)]

    def take_fault(self, path: str) -> Fault:
        with self._lock:
            waiting = self.faults.get(path)
            return waiting.pop(0) if waiting else self.every or Fault()

    def count(self, step: int) -> None:
        with self._lock:
            self.at_once += step
            self.most_at_once = max(self.most_at_once, self.at_once)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    archive: ArchiveServer

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        if self.archive.down:
            self.close_connection = True
            return
        path = unquote(self.path).lstrip("/")
        request = Request(path, 0, agent=self.headers.get("User-Agent", ""))
        self.archive.requests.append(request)
        file = self.archive.root / path
        self.archive.count(1)
        try:
            if path.endswith("/") or not path or file.is_dir():
                self._send_page(file, request)
            else:
                self._send_file(file, request, self.archive.take_fault(path))
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True
        finally:
            self.archive.count(-1)

    def _send_page(self, folder: Path, request: Request) -> None:
        if not self.archive.listing or not folder.is_dir():
            return self._answer(404, {}, b"", request, Fault())
        names = sorted(path.name + "/" * path.is_dir() for path in folder.iterdir())
        page = "".join(f'<a href="{name}">{name}</a>\n' for name in names)
        return self._answer(200, {"Content-Type": "text/html"}, f"<html>{page}</html>".encode(), request, Fault())

    def _send_file(self, file: Path, request: Request, fault: Fault) -> None:
        if fault.status is not None:
            return self._answer(fault.status, fault.headers, fault.body or b"", request, fault)
        if not file.is_file():
            return self._answer(404, {}, b"<html>not found</html>", request, fault)
        whole = fault.body if fault.body is not None else file.read_bytes()
        headers = {}
        if self.archive.validators:
            found = file.stat()
            headers["ETag"] = f'"{found.st_mtime_ns:x}-{found.st_size:x}"'
            headers["Last-Modified"] = formatdate(found.st_mtime, usegmt=True)
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        same = self.headers.get("If-Range") in (None, headers.get("ETag"), headers.get("Last-Modified"))
        if asked and same and self.archive.ranges:
            first = int(asked[1])
            if first >= len(whole):
                return self._answer(416, {"Content-Range": f"bytes */{len(whole)}"}, b"", request, fault)
            last = min(int(asked[2] or len(whole) - 1), len(whole) - 1)
            request.start = first
            headers["Content-Range"] = f"bytes {first}-{last}/{len(whole)}"
            return self._answer(206, headers | fault.headers, whole[first : last + 1], request, fault)
        return self._answer(200, headers | fault.headers, whole, request, fault)

    def _answer(self, status: int, headers: dict[str, str], body: bytes, request: Request, fault: Fault) -> None:
        request.status = status
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(body))} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        end = min(len(body), *(n for n in (fault.cut, fault.stall) if n is not None), len(body))
        step = max(1, fault.rate // 20) if fault.rate else 2**16
        for first in range(0, end, step):
            self.wfile.write(body[first : min(first + step, end)])
            request.sent += min(first + step, end) - first
            if fault.rate:
                self.wfile.flush()
                time.sleep(0.05)
        self.wfile.flush()
        if fault.stall is not None:
            self.archive.over.wait(30)
        if callable(fault.after):
            fault.after()
        if fault.cut is not None or fault.stall is not None or self.archive.down:
            self.close_connection = True

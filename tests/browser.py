"""A headless Chromium, driven through its debugging pipe: real clicks and keys, its console, its requests, pictures."""

import base64
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

_QUIET = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
]
_KEYS = {"Enter": (13, "\r"), "Tab": (9, ""), " ": (32, " ")}


class Browser:
    """One page of a running Chromium.

    Attributes
    ----------
    said
        What the console and the browser's own log said, uncaught errors among them.
    requests
        Addresses that were asked for, those inside the page (``data:``, ``blob:``) apart.
    """

    def __init__(self, write: int, read: int) -> None:
        self._write, self._read = write, read
        self._waiting, self._number = b"", 0
        self.said: list[str] = []
        self.requests: list[str] = []
        target = self._send("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self._send(f"{domain}.enable")

    _session: str | None = None

    def _send(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                return answer["result"]

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._waiting:
            part = os.read(self._read, 1 << 20)
            assert part, "the browser has gone"
            self._waiting += part
        line, _, self._waiting = self._waiting.partition(b"\0")
        message = json.loads(line)
        self._note(message.get("method"), message.get("params", {}))
        return message

    def _note(self, method: str | None, event: dict[str, Any]) -> None:
        if method == "Runtime.consoleAPICalled":
            self.said.append(" ".join(str(part.get("value", part.get("description"))) for part in event["args"]))
        elif method == "Runtime.exceptionThrown":
            self.said.append(str(event["exceptionDetails"]))
        elif method == "Log.entryAdded":
            self.said.append(event["entry"]["text"])
        elif method == "Network.requestWillBeSent" and not event["request"]["url"].startswith(("data:", "blob:")):
            self.requests.append(event["request"]["url"])

    def open(self, path: Path, width: int = 1280, height: int = 1000) -> float:
        """Open a file and return how long it took to load [s]."""
        self.resize(width, height)
        began = time.monotonic()
        self._send("Page.navigate", url=path.as_uri())
        self.wait("document.readyState === 'complete'")
        return time.monotonic() - began

    def resize(self, width: int, height: int = 1000) -> None:
        """Make the window that large [CSS px]."""
        self._send("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)

    def run(self, script: str) -> Any:
        """Return the value of an expression."""
        answer = self._send("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def wait(self, script: str, seconds: float = 30) -> Any:
        """Return the first true value of an expression; an element counts as ``!!element``."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if value := self.run(script):
                return value
            time.sleep(0.05)
        raise AssertionError(f"waited {seconds:.0f} s for {script}; the console says {self.said}")

    def point_at(self, x: float, y: float) -> None:
        """Move the mouse to a place of the window."""
        for step in (3, 0):  # a plot looks where the mouse moves, not where it is
            self._send("Input.dispatchMouseEvent", type="mouseMoved", x=x + step, y=y)

    def click(self, x: float, y: float) -> None:
        """Click at a place of the window."""
        self.point_at(x, y)
        for kind in ("mousePressed", "mouseReleased"):
            self._send("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def press(self, key: str) -> None:
        """Press a key: Enter, Tab or the space bar."""
        code, text = _KEYS[key]
        named = {"key": key, "code": "Space" if key == " " else key, "windowsVirtualKeyCode": code}
        self._send("Input.dispatchKeyEvent", type="keyDown", text=text, **named)
        self._send("Input.dispatchKeyEvent", type="keyUp", **named)

    def type(self, text: str) -> None:
        """Type into what has the focus."""
        self._send("Input.insertText", text=text)

    def picture(self, path: Path, selector: str = "") -> None:
        """Write a picture of the whole page, or of one element."""
        options: dict[str, Any] = {"captureBeyondViewport": True}
        if selector:
            box = self.run(
                f"(() => {{ const b = document.querySelector({json.dumps(selector)}).getBoundingClientRect();"
                "return {x: b.x + scrollX, y: b.y + scrollY, width: b.width, height: b.height}; })()"
            )
            options["clip"] = {**box, "scale": 1}
        else:
            size = self._send("Page.getLayoutMetrics")["cssContentSize"]
            options["clip"] = {**size, "scale": 1}
        path.write_bytes(base64.b64decode(self._send("Page.captureScreenshot", **options)["data"]))

    def print(self, path: Path) -> None:
        """Write the page as it is printed, as PDF."""
        made = self._send("Page.printToPDF", preferCSSPageSize=True, printBackground=True)
        path.write_bytes(base64.b64decode(made["data"]))


@contextmanager
def chromium(profile: Path) -> Iterator[Browser]:
    """Give a browser with a profile of its own, and close it."""
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        pytest.fail("there is no chromium to look at the report with; `make test` installs it")
    to_browser, ours = os.pipe()
    mine, from_browser = os.pipe()
    command = [program, *_QUIET, "--remote-debugging-pipe", f"--user-data-dir={profile}", "about:blank"]
    process = subprocess.Popen(
        ["bash", "-c", f'exec "$@" 3<&{to_browser} 4>&{from_browser}', "chromium", *command],
        pass_fds=(to_browser, from_browser),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(to_browser)
    os.close(from_browser)
    try:
        yield Browser(ours, mine)
    finally:
        process.terminate()
        process.wait(timeout=30)
        os.close(ours)
        os.close(mine)

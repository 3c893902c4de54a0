"""A headless Chromium for tests, driven through chromedriver's HTTP protocol; only the stdlib.

Debian's packages `chromium` and `chromium-driver`. Nothing is fetched: pages are `file:` pages.
"""

from __future__ import annotations

import base64
import contextlib
import json
import shutil
import socket
import subprocess
import time
import urllib.request
from typing import TYPE_CHECKING, Any
from urllib.error import URLError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
)
MISSING = [name for name in ("chromium", "chromedriver") if shutil.which(name) is None]
"""What is not installed."""


class Browser:
    """One window of the browser."""

    def __init__(self, port: int) -> None:
        self._session = f"http://127.0.0.1:{port}/session"

    def open(self, folder: Path) -> None:
        options = {
            "args": [*FLAGS, f"--user-data-dir={folder}"],
            "perfLoggingPrefs": {"enableNetwork": True, "enablePage": False},
        }
        wanted = {
            "goog:chromeOptions": options,
            "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
        }
        reply = self._post("", {"capabilities": {"alwaysMatch": wanted}})
        self._session += f"/{reply['sessionId']}"

    def _post(self, path: str, body: dict[str, Any]) -> Any:  # noqa: ANN401 - any JSON value
        data = json.dumps(body).encode()
        request = urllib.request.Request(  # noqa: S310 - chromedriver on this machine
            self._session + path, data, {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=30) as reply:  # noqa: S310 - as above
            return json.load(reply)["value"]

    def load(self, page: Path) -> None:
        self._post("/url", {"url": page.as_uri()})

    def blank(self) -> None:
        self._post("/url", {"url": "about:blank"})

    def run(self, script: str, *arguments: object) -> Any:  # noqa: ANN401 - any JSON value
        return self._post("/execute/sync", {"script": script, "args": list(arguments)})

    def resize(self, width: int, height: int) -> None:
        self._post("/window/rect", {"width": width, "height": height})

    def dark(self, *, on: bool) -> None:
        media = {"name": "prefers-color-scheme", "value": "dark" if on else "light"}
        self._cdp("Emulation.setEmulatedMedia", {"features": [media]})

    def _cdp(self, command: str, parameters: dict[str, Any]) -> None:
        self._post("/goog/cdp/execute", {"cmd": command, "params": parameters})

    def key(self, key: str) -> None:
        """Press and release a key as a person would."""
        pressed = {"type": "key", "id": "keys"}
        actions = [{"type": "keyDown", "value": key}, {"type": "keyUp", "value": key}]
        self._post("/actions", {"actions": [{**pressed, "actions": actions}]})

    def click(self, selector: str) -> None:
        (element,) = self._post("/element", {"using": "css selector", "value": selector}).values()
        self._post(f"/element/{element}/click", {})

    def text(self, selector: str) -> str:
        return str(self.run("return document.querySelector(arguments[0]).textContent", selector))

    def screenshot(self, file: Path) -> None:
        with urllib.request.urlopen(f"{self._session}/screenshot", timeout=30) as reply:  # noqa: S310 - chromedriver
            file.write_bytes(base64.b64decode(json.load(reply)["value"]))

    def log(self, kind: str) -> list[dict[str, Any]]:
        entries: list[dict[str, Any]] = self._post("/se/log", {"type": kind})
        return entries

    def requests(self) -> list[str]:
        """Return the addresses that were asked for since the last time."""
        messages = [json.loads(entry["message"])["message"] for entry in self.log("performance")]
        return [
            message["params"]["request"]["url"]
            for message in messages
            if message["method"] == "Network.requestWillBeSent"
        ]

    def close(self) -> None:
        request = urllib.request.Request(self._session, method="DELETE")  # noqa: S310 - chromedriver
        with contextlib.suppress(URLError), urllib.request.urlopen(request, timeout=10):  # noqa: S310 - as above
            pass


@contextlib.contextmanager
def browser(folder: Path) -> Iterator[Browser]:
    """Start chromedriver and a browser; end both."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [shutil.which("chromedriver") or "", f"--port={port}", "--log-level=OFF"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as driver:  # noqa: S603 - a fixed command
        try:
            _wait_for(port)
            window = Browser(port)
            window.open(folder / "profile")
            try:
                yield window
            finally:
                window.close()
        finally:
            driver.terminate()


def _wait_for(port: int) -> None:
    for _ in range(200):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    raise TimeoutError("chromedriver does not answer")

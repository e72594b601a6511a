"""A headless Chromium to look at pages with.

It is driven by the DevTools protocol over a pair of pipes, which needs no port and no library: the browser reads
commands from its file descriptor 3 and answers on 4, each a JSON object with a NUL at its end.
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import select
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")  # as in .ci/system.sh
OPTIONS = (
    "--headless",
    "--no-sandbox",  # a sandbox cannot be made in most containers, and the pages are our own
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--remote-debugging-pipe",
)
PATIENCE = 60.0  # seconds for an answer
WATCHED = ("Page", "Runtime", "Log", "Network")


class BrowserError(Exception):
    """The browser refused a command, or did not answer."""


class Connection:
    """Commands to the browser, and all it said that was no answer."""

    def __init__(self, commands: int, answers: int) -> None:
        self.commands, self.answers = commands, answers
        self.sent = 0
        self.unread = b""
        self.events: list[dict[str, Any]] = []

    def call(self, method: str, session: str | None = None, **parameters: object) -> dict[str, Any]:
        """Return the result of a command."""
        self.sent += 1
        command = {"id": self.sent, "method": method, "params": parameters}
        os.write(self.commands, json.dumps(command | ({"sessionId": session} if session else {})).encode() + b"\0")
        while (message := self._receive()).get("id") != self.sent:
            self.events.append(message)
        if "error" in message:
            raise BrowserError(f"{method}: {message['error']['message']}")
        return dict(message["result"])

    def wait_for(self, event: str) -> None:
        """Return when the browser has said so."""
        while not any(message["method"] == event for message in self.events):
            self.events.append(self._receive())

    def _receive(self) -> dict[str, Any]:
        deadline = time.monotonic() + PATIENCE
        while b"\0" not in self.unread:
            ready, _, _ = select.select([self.answers], [], [], max(0.0, deadline - time.monotonic()))
            piece = os.read(self.answers, 1 << 20) if ready else b""
            if not piece:
                raise BrowserError("the browser has ended" if ready else f"no answer in {PATIENCE:.0f} s")
            self.unread += piece
        message, _, self.unread = self.unread.partition(b"\0")
        return dict(json.loads(message))


class Page:
    """A tab of the browser."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        target = connection.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = connection.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in WATCHED:
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: object) -> dict[str, Any]:
        """Return the result of a command to this tab."""
        return self.connection.call(method, self.session, **parameters)

    def open(self, file: Path, *, width: int = 1280, height: int = 900, dark: bool = False) -> None:
        """Load a file as a reader with such a screen would."""
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )
        self.connection.events.clear()
        self.call("Page.navigate", url=file.resolve().as_uri())
        self.connection.wait_for("Page.loadEventFired")

    def evaluate(self, expression: str) -> Any:
        """Return the value of a JavaScript expression."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        if "exceptionDetails" in answer:
            raise BrowserError(answer["exceptionDetails"]["exception"]["description"])
        return answer["result"].get("value")

    def point_at(self, x: float, y: float) -> None:
        """Move the mouse."""
        self.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)

    def screenshot(self, file: Path) -> None:
        """Save the whole page as it looks."""
        picture = self.call("Page.captureScreenshot", captureBeyondViewport=True)["data"]
        file.write_bytes(base64.b64decode(picture))

    def complaints(self) -> list[dict[str, Any]]:
        """Return what the console said since the page was opened."""
        said = ("Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded")
        return [event for event in self.connection.events if event["method"] in said]

    def requests(self) -> list[str]:
        """Return every address that the page asked for since it was opened, its own included."""
        events = (event for event in self.connection.events if event["method"] == "Network.requestWillBeSent")
        return [event["params"]["request"]["url"] for event in events]


def _above_standard_streams(descriptor: int) -> int:
    """Return the descriptor under a number that cannot be 3 or 4."""
    moved = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 10)
    os.close(descriptor)
    return moved


@contextmanager
def browser() -> Iterator[Page]:
    """Lend a tab of a browser that ends with the block.

    Raises:
        BrowserError: No Chromium is installed.
    """
    program = next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        raise BrowserError(f"none of {', '.join(NAMES)} is installed: run `.ci/system.sh python3 browser`")
    to_browser, from_browser = ([_above_standard_streams(end) for end in os.pipe()] for _ in range(2))
    theirs = (to_browser[0], from_browser[1])
    with tempfile.TemporaryDirectory(prefix="browser-", ignore_cleanup_errors=True) as profile:
        command = [program, *OPTIONS, f"--user-data-dir={profile}"]
        moved = f'exec "$@" 3<&{theirs[0]} 4>&{theirs[1]}'
        process = subprocess.Popen(["bash", "-c", moved, "bash", *command], pass_fds=theirs, stderr=subprocess.DEVNULL)
        for end in theirs:
            os.close(end)
        try:
            yield Page(Connection(to_browser[1], from_browser[0]))
        finally:
            process.kill()
            process.wait()
            os.close(to_browser[1])
            os.close(from_browser[0])

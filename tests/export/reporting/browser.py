"""A headless Chromium, driven by chromedriver's HTTP with the standard library."""

import base64
import json
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-dev-shm-usage", "--hide-scrollbars",
)  # fmt: skip
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def missing() -> str:
    """What is not installed; empty where all is."""
    if not any(map(shutil.which, BROWSERS)):
        return "chromium is not installed"
    return "" if shutil.which("chromedriver") else "chromedriver is not installed"


class Browser:
    """One session; `folder` is its user data."""

    def __init__(self, port: int, folder: Path) -> None:
        self._base = f"http://127.0.0.1:{port}"
        browser = next(filter(None, map(shutil.which, BROWSERS)))
        options = {
            "binary": browser,
            "args": [*FLAGS, f"--user-data-dir={folder}"],
        }
        capabilities = {
            "goog:chromeOptions": options,
            "goog:loggingPrefs": {"performance": "ALL"},
        }
        answer = self._ask(
            "POST", "/session", {"capabilities": {"alwaysMatch": capabilities}}
        )
        self._base += f"/session/{answer['sessionId']}"

    def close(self) -> None:
        self._ask("DELETE", "")

    def command(self, name: str, **parameters: Any) -> Any:
        """A command of the DevTools protocol."""
        return self._ask(
            "POST", "/goog/cdp/execute", {"cmd": name, "params": parameters}
        )

    def look(self, page: Path, width: int, scheme: str, media: str = "") -> None:
        """Opens a page at so many CSS pixels, scripts forbidden."""
        # Away from the browser's own first page, which asks for a lot.
        self._ask("POST", "/url", {"url": "about:blank"})
        self.requests()
        self.command("Emulation.setScriptExecutionDisabled", value=True)
        self.command(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=844,
            deviceScaleFactor=1,
            mobile=width < 700,
        )
        self.command(
            "Emulation.setEmulatedMedia",
            media=media,
            features=[{"name": "prefers-color-scheme", "value": scheme}],
        )
        self._ask("POST", "/url", {"url": page.resolve().as_uri()})

    def value(self, expression: str) -> Any:
        """What an expression of the inspector comes to; not of the page's own."""
        answer = self.command(
            "Runtime.evaluate", expression=expression, returnByValue=True
        )
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def requests(self) -> list[str]:
        """Addresses that were asked for since the page was opened."""
        entries = self._ask("POST", "/se/log", {"type": "performance"})
        messages = [json.loads(entry["message"])["message"] for entry in entries]
        return [
            message["params"]["request"]["url"]
            for message in messages
            if message["method"] == "Network.requestWillBeSent"
        ]

    def picture(self) -> bytes:
        """The whole page as PNG."""
        taken = self.command("Page.captureScreenshot", captureBeyondViewport=True)
        return base64.b64decode(taken["data"])

    def _ask(self, method: str, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._base + path, data, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            raise RuntimeError(f"{path}: {error.read().decode()[:500]}") from error


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser with a new profile, gone at the end with its driver."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        driver = subprocess.Popen(
            ["chromedriver", f"--port={port}"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            _wait(port, driver)
            browser = Browser(port, Path(folder))
            try:
                yield browser
            finally:
                browser.close()
        finally:
            driver.terminate()
            driver.wait(timeout=20)


def _wait(port: int, driver: subprocess.Popen) -> None:
    for _ in range(200):
        assert driver.poll() is None, "chromedriver ended"
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError("chromedriver did not answer within 10 s")

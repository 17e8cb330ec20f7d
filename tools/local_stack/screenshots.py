"""``make screenshots``: the README's pictures of the dashboard, taken of a demo that runs for them.

What the demo printed goes to stdout: it is what the README shows.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from local_stack.ports import free_port

_FOLDER = Path("docs/images")
_STARTS_WITHIN_SECONDS = 120.0
# So that some candles of ten seconds are live, and the figures of freshness mean something.
_LIVE_SECONDS = 45.0
_SIZE = {"width": 1280, "height": 800}
_SCREENS = {
    "dashboard-now": "#/",
    "dashboard-chart": "#/kraken/BTC%2FUSD/1m/momentum_1/rsi_14",
}


def main() -> int:
    """Take the pictures; return the exit code."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        sys.stderr.write(
            "screenshots: no Chromium; on Debian and Ubuntu: apt-get install chromium\n"
        )
        return 1
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "output"
        port = free_port()
        demo = _start(Path(folder), output, port)
        try:
            if not _is_live(demo, output):
                sys.stderr.write(f"screenshots: the demo did not start\n{output.read_text()}")
                return 1
            time.sleep(_LIVE_SECONDS)
            _shoot(chromium, f"http://127.0.0.1:{port}/")
        finally:
            demo.send_signal(signal.SIGINT)
            demo.wait(60)
        sys.stdout.write(output.read_text("utf-8"))
    return 0


def _start(folder: Path, output: Path, port: int) -> "subprocess.Popen[bytes]":
    environment = {
        **os.environ,
        "LOCAL_STACK_FOLDER": str(folder / "run"),
        "DASHBOARD_PORT": str(port),
    }
    with output.open("wb") as file:
        command = [sys.executable, "-m", "local_stack", "demo"]
        return subprocess.Popen(command, cwd=folder, env=environment, stdout=file, stderr=file)


def _is_live(demo: "subprocess.Popen[bytes]", output: Path) -> bool:
    deadline = time.monotonic() + _STARTS_WITHIN_SECONDS
    while demo.poll() is None and time.monotonic() < deadline:
        if "caught up" in output.read_text("utf-8"):
            return True
        time.sleep(0.5)
    return False


def _shoot(chromium: str, url: str) -> None:
    from playwright.sync_api import expect, sync_playwright

    _FOLDER.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for name, path in _SCREENS.items():
            page = browser.new_page(viewport=_SIZE, color_scheme="dark")  # type: ignore[arg-type]
            page.goto(url + path)
            expect(page.locator("#state")).to_contain_text("live", timeout=20_000)
            page.wait_for_timeout(3_000)  # the chart's lines and the figures of rates
            page.screenshot(path=_FOLDER / f"{name}.png")
            page.close()
        browser.close()


if __name__ == "__main__":
    sys.exit(main())

"""A dashboard in this process over a market, services and a store that tests move by hand."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from support.dashboard import World

_CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if _CHROMIUM is None:
        skip = pytest.mark.skip(
            reason="Chromium is not installed (Debian and Ubuntu: apt-get install chromium)"
        )
        for item in items:
            if "tests/browser" in str(item.path):
                item.add_marker(skip)


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=_CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def world(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator["World"]:
    """A dashboard; the fixture's parameter, where there is one, are settings of it."""
    from support.dashboard import World

    monkeypatch.chdir(tmp_path)
    world = World(tmp_path, **getattr(request, "param", {}))
    yield world
    world.stop()


class Visit:
    """An open page, and what it did that it must not do."""

    def __init__(self, page: Any, url: str) -> None:
        self.page = page
        self.url = url
        self.errors: list[str] = []
        self.foreign: list[str] = []
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("request", self._request)

    def _console(self, message: Any) -> None:
        # A request that fails because the test took the server away is no defect of the page.
        if message.type in ("error", "warning") and "net::ERR" not in message.text:
            self.errors.append(message.text)

    def _request(self, request: Any) -> None:
        if not request.url.startswith((self.url, "data:")):
            self.foreign.append(request.url)

    def open(self, path: str = "#/") -> Any:
        self.page.goto(self.url + path)
        return self.page


@pytest.fixture
def visit(world: "World", browser: Any) -> Iterator[Visit]:
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    visit = Visit(page, world.url)
    yield visit
    page.close()
    assert visit.errors == []
    assert visit.foreign == []

"""The dashboard works with what is there: a store alone, topics alone, Postgres, Hopsworks."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("starlette", reason="the dashboard's libraries are not installed")
sync_api = pytest.importorskip(
    "playwright.sync_api", reason="playwright is not installed (make install)"
)

from support.dashboard import MINUTE_MS, World, minute_candle  # noqa: E402 - after the libraries are known to be there
from support.postgres import postgres_server  # noqa: E402

expect = sync_api.expect
PRODUCT = "BTC/USD"
CHART = "#/kraken/BTC%2FUSD/1m"
HOPSWORKS = {
    "feature_store": "hopsworks",
    "hopsworks_api_key": "a key",
    "hopsworks_project_name": "market",
}


def candles(count: int) -> list[Any]:
    now = int(time.time() * 1000) // MINUTE_MS * MINUTE_MS
    return [
        minute_candle(PRODUCT, now - back * MINUTE_MS, 84_000 + back)
        for back in range(count, 0, -1)
    ]


def closes(page: Any) -> list[str]:
    return page.locator("#candles tbody td:nth-child(5)").all_text_contents()


@pytest.fixture
def postgres_world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.chdir(tmp_path)
    with postgres_server() as server:
        world = World(tmp_path, feature_store_url=server.url)
        yield world
        world.stop()


def test_store_alone_shows_its_candles_and_says_the_broker_is_away(
    world: World, visit: Any
) -> None:
    world.tails.is_there = False
    stored = candles(5)
    world.store(*stored)
    page = visit.open(CHART)
    expect(page.locator("#candles tbody tr")).to_have_count(5)
    assert closes(page) == [str(float(each.close)).removesuffix(".0") for each in reversed(stored)]
    expect(page.locator("#state")).to_contain_text("broker away", timeout=8_000)


def test_topics_alone_show_their_candles_and_name_the_store(world: World, visit: Any) -> None:
    shown = candles(3)
    for each in shown:
        world.market.candle(each)
    page = visit.open(CHART)
    expect(page.locator("#candles tbody tr")).to_have_count(3)
    assert closes(page) == [str(float(each.close)).removesuffix(".0") for each in reversed(shown)]
    expect(page.locator("main")).to_contain_text("From the topic alone; the store:")


@pytest.mark.parametrize("world", [HOPSWORKS], indirect=True)
def test_hopsworks_shows_topics_and_health(world: World, browser: Any) -> None:
    for each in candles(3):
        world.market.candle(each)
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    page.goto(world.url + CHART)
    expect(page.locator("#candles tbody tr")).to_have_count(3)
    page.goto(world.url + "#/health")
    expect(page.locator("main")).to_contain_text("feature-writer")
    page.goto(world.url + "#/features")
    expect(page.locator("main")).to_contain_text("its rows are not read here")
    page.close()


def test_postgres_shows_its_candles_and_rows(postgres_world: World, browser: Any) -> None:
    stored = candles(4)
    postgres_world.store(*stored)
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    page.goto(postgres_world.url + CHART)
    expect(page.locator("#candles tbody tr")).to_have_count(4)
    assert closes(page) == [str(float(each.close)).removesuffix(".0") for each in reversed(stored)]
    page.goto(postgres_world.url + "#/features/kraken/BTC%2FUSD/1m")
    expect(page.locator("#rows tbody tr")).to_have_count(4)
    page.close()

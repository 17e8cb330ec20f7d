"""The dashboard in a real browser: what is on the screen is what there is."""

import json
import os
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from ohlc_core.domain.trade import ProductKey

pytest.importorskip("starlette", reason="the dashboard's libraries are not installed")
sync_api = pytest.importorskip(
    "playwright.sync_api", reason="playwright is not installed (make install)"
)

from support.dashboard import MINUTE_MS, World, minute_candle, seconds_until  # noqa: E402 - after the libraries are known to be there

expect = sync_api.expect
PRODUCT = "BTC/USD"
CHART = "#/kraken/BTC%2FUSD/1m"
_HOSTILE = """<img src=x onerror="window.hacked=1">'"&lt;/script>"""
#: Where screenshots go; they are looked at by people.
_SHOTS = os.environ.get("SCREENSHOTS", "")


def shoot(page: Any, name: str, folder: Path) -> None:
    target = Path(_SHOTS) if _SHOTS else folder
    target.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=target / f"{name}.png")


def minutes(count: int) -> list[int]:
    """Return the starts of the last whole minutes, oldest first."""
    now = int(time.time() * 1000) // MINUTE_MS * MINUTE_MS
    return [now - back * MINUTE_MS for back in range(count, 0, -1)]


def fill(world: World, product: str = PRODUCT, count: int = 90) -> list[Any]:
    candles = [
        minute_candle(product, start, 84_000 + (index * 37 % 53) - 26)
        for index, start in enumerate(minutes(count))
    ]
    world.store(*candles)
    return candles


def table(page: Any) -> list[list[str]]:
    rows = page.locator("#candles tbody tr")
    return [rows.nth(index).locator("td").all_text_contents() for index in range(rows.count())]


def test_candles_on_the_screen_equal_the_stores(world: World, visit: Any, tmp_path: Path) -> None:
    candles = fill(world)
    world.trade(PRODUCT, 84_010)
    page = visit.open(CHART)
    expect(page.locator("#candles tbody tr")).to_have_count(60)
    shown = [row for row in table(page) if row[7] == "complete"]
    expected = [
        [str(float(value)).removesuffix(".0") for value in (c.open, c.high, c.low, c.close)]
        for c in reversed(candles)
    ]
    assert [row[1:5] for row in shown] == expected[: len(shown)]
    assert len(shown) >= 59
    shoot(page, "chart", tmp_path)


def test_open_candle_moves_and_is_marked_provisional(world: World, visit: Any) -> None:
    fill(world, count=3)
    world.trade(PRODUCT, 84_500)
    page = visit.open(CHART)
    first = page.locator("#candles tbody tr").first
    expect(first).to_contain_text("provisional")
    world.trade(PRODUCT, 84_777.5)
    begin = time.monotonic()
    expect(first.locator("td").nth(4)).to_have_text("84777.5", timeout=2_000)
    assert time.monotonic() - begin < 1.0


def test_revision_and_incomplete_candle_are_marked(world: World, visit: Any) -> None:
    start = minutes(4)
    first, second = (minute_candle(PRODUCT, start[2]), minute_candle(PRODUCT, start[3]))
    world.market.candle(first)
    world.market.candle(second)
    page = visit.open(CHART)
    expect(page.locator("#candles tbody tr")).to_have_count(2)
    world.market.candle(minute_candle(PRODUCT, start[3], 107.25, revision=1, complete=False))
    newest = page.locator("#candles tbody tr").first
    expect(newest).to_contain_text("incomplete")
    expect(newest.locator("td").nth(8)).to_have_text("1")
    expect(page.locator(".legend")).to_contain_text("revision 1: close 100 → 107.25")


def test_service_that_does_not_answer_shows_within_five_seconds(
    world: World, visit: Any, tmp_path: Path
) -> None:
    fill(world, count=3)
    world.trade(PRODUCT, 84_500)
    page = visit.open("#/")
    expect(page.locator("#state")).to_contain_text("live", timeout=5_000)
    shoot(page, "now", tmp_path)
    world.services["trade-producer"].stop()

    def has(text: str) -> bool:
        world.trade(PRODUCT, 84_500)
        return text in page.locator("#state").inner_text()

    assert seconds_until(lambda: has("trade-producer has not answered since"), 8) < 5
    expect(page.locator('[data-part="trade-producer"]')).to_contain_text("away")
    shoot(page, "stalled", tmp_path)
    world.services["trade-producer"].start()
    assert seconds_until(lambda: has("● live"), 5) < 2.5


def test_broker_and_store_that_go_away_are_named_and_come_back(world: World, visit: Any) -> None:
    page = visit.open("#/health")
    expect(page.locator("main")).to_contain_text("Store:", timeout=5_000)
    fill(world, count=2)
    expect(page.locator("main")).not_to_contain_text("Store:", timeout=6_000)
    world.tails.is_there = False
    expect(page.locator("#state")).to_contain_text("broker away", timeout=8_000)
    world.tails.is_there = True
    world.trade(PRODUCT, 1)
    expect(page.locator("#state")).to_contain_text("live", timeout=4_000)


def test_quiet_market_is_quiet_and_not_stalled(world: World, visit: Any) -> None:
    now_us = time.time_ns() // 1_000
    world.trade(PRODUCT, 100, now_us - 20_000_000)
    page = visit.open("#/")
    world.market.watermark(ProductKey("kraken", PRODUCT), time.time_ns() // 1_000)
    expect(page.locator("#state")).to_contain_text("quiet", timeout=4_000)


def test_hostile_names_and_texts_are_only_text(world: World, visit: Any) -> None:
    world.trade(_HOSTILE, 12.5)
    world.store(minute_candle(_HOSTILE, minutes(1)[0]))
    world.tails.dead_letters.append(
        {
            "reason": _HOSTILE,
            "detail": _HOSTILE,
            "topic": "trades",
            "partition": 0,
            "offset": 1,
            "payload": _HOSTILE,
            "at": int(time.time() * 1000),
        }
    )
    page = visit.open("#/")
    expect(page.locator("table.products")).to_contain_text(_HOSTILE)
    page.locator("table.products tbody a").first.click()
    expect(page.locator("h1 select")).to_contain_text(_HOSTILE)
    visit.open("#/health")
    expect(page.locator("#letters")).to_contain_text(_HOSTILE, timeout=8_000)
    assert page.evaluate("() => window.hacked") is None


def test_two_hundred_products_are_listed_and_filtered(world: World, visit: Any) -> None:
    for number in range(200):
        world.trade(f"P{number:03}/USD", 100 + number)
    page = visit.open("#/")
    expect(page.locator("table.products tbody tr")).to_have_count(200)
    page.keyboard.press("/")
    page.keyboard.type("p17")
    expect(page.locator("table.products tbody tr")).to_have_count(10)


def test_keys_change_screen_interval_zone_and_help(world: World, visit: Any) -> None:
    fill(world, count=3)
    world.trade(PRODUCT, 84_500)
    page = visit.open(CHART)
    expect(page.locator(".intervals a")).to_have_count(2)
    page.keyboard.press("2")
    expect(page).to_have_url(world.url + "#/kraken/BTC%2FUSD/5m")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.keyboard.press("h")
    expect(page).to_have_url(world.url + "#/health")
    theme = page.locator("html").get_attribute("data-theme")
    page.keyboard.press("t")
    expect(page.locator("html")).not_to_have_attribute("data-theme", theme or "")


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_every_screen_fits_a_phone(world: World, browser: Any, scheme: str, tmp_path: Path) -> None:
    fill(world, count=70)
    world.trade(PRODUCT, 84_500)
    page = browser.new_page(viewport={"width": 360, "height": 740}, color_scheme=scheme)
    for name in ("", "kraken/BTC%2FUSD/1m", "features", "health", "runs"):
        page.goto(f"{world.url}#/{name}")
        expect(page.locator("nav a[aria-current]")).to_be_visible()
        page.wait_for_timeout(300)
        width = page.evaluate("() => document.documentElement.scrollWidth")
        assert width <= 360, (name, width)
        shoot(page, f"phone-{scheme}-{name.split('/')[0] or 'now'}", tmp_path)
    page.close()


def test_feature_rows_and_files_hold_what_is_stored(
    world: World, visit: Any, tmp_path: Path
) -> None:
    candles = fill(world, count=60)
    page = visit.open(CHART)
    expect(page.locator("#candles tbody tr")).to_have_count(60)
    page.keyboard.press("f")
    expect(page.locator("#rows tbody tr")).to_have_count(50)
    page.get_by_role("button", name="older").click()
    expect(page.locator("#rows tbody tr")).to_have_count(10)
    shoot(page, "features", tmp_path)
    query = {"exchange": "kraken", "product": PRODUCT, "interval": "1m"}
    lines = httpx.get(world.url + "api/export", params=query | {"format": "jsonl"}).text
    rows = [json.loads(line) for line in lines.splitlines()]
    assert [row["close"] for row in rows] == [float(c.close) for c in reversed(candles)]


def test_feature_lines_and_predictions_are_below_the_candles_and_in_the_table(
    world: World, visit: Any, tmp_path: Path
) -> None:
    starts = minutes(70)
    candles = [minute_candle(PRODUCT, at, 84_000 + i * 37 % 53) for i, at in enumerate(starts)]
    world.store(*candles, features=True)
    world.predict(PRODUCT, starts[-1], 0.01, starts[-1] + 1_500)
    page = visit.open(CHART)
    page.locator(".picker summary").click()
    page.get_by_label("z_score_20").check()
    page.get_by_label("return_1").check()
    expect(page).to_have_url(world.url + CHART + "/momentum_1/z_score_20%2Creturn_1")
    page.keyboard.press("Escape")
    query = {"exchange": "kraken", "product": PRODUCT, "interval": "1m", "group": "momentum_1"}
    stored = httpx.get(world.url + "api/rows", params=query).json()["rows"]
    newest = page.locator("#candles tbody tr").first
    expect(newest.locator("td").nth(9)).to_have_text(str(stored[0]["z_score_20"]))
    assert [row[10] for row in table(page)[:20]] == [str(row["return_1"]) for row in stored[:20]]
    made_from = float(candles[-2].close)
    expect(page.locator("[data-predicted]")).to_contain_text(f"{made_from * 1.01:,.2f}"[:6])
    shoot(page, "chart-features", tmp_path)
    page.reload()
    expect(newest.locator("td").nth(9)).to_have_text(str(stored[0]["z_score_20"]))
    world.store(minute_candle(PRODUCT, starts[-1] + MINUTE_MS, 84_099), features=True)
    world.market.candle(minute_candle(PRODUCT, starts[-1] + MINUTE_MS, 84_099))
    expect(newest.locator("td").nth(4)).to_have_text("84099", timeout=3_000)
    expect(newest.locator("td").nth(10)).not_to_have_text("", timeout=6_000)


def test_rows_of_a_feature_group_and_the_python_beside_them_are_the_same(
    world: World, visit: Any
) -> None:
    starts = minutes(40)
    candles = [minute_candle(PRODUCT, at, 84_000 + i * 37 % 53) for i, at in enumerate(starts)]
    world.store(*candles, features=True)
    page = visit.open(CHART)
    expect(page.locator("#candles tbody tr")).to_have_count(40)
    page.keyboard.press("f")
    page.locator("#group").select_option("momentum_1")
    expect(page.locator("#rows thead")).to_contain_text("volatility_30")
    expect(page.locator("#rows tbody tr")).to_have_count(40)
    found: dict[str, Any] = {}
    exec(page.locator("#python").inner_text(), found)
    query = {"exchange": "kraken", "product": PRODUCT, "interval": "1m", "group": "momentum_1"}
    lines = httpx.get(world.url + "api/export", params=query | {"format": "jsonl"}).text
    rows = [json.loads(line) for line in lines.splitlines()]
    assert [row["z_score_20"] for row in reversed(rows)] == found["rows"]["z_score_20"].to_list()
    assert len(found["rows"]) == 40


def test_runs_show_how_to_go_on_and_each_difference_leads_to_its_candle(
    world: World, visit: Any, tmp_path: Path
) -> None:
    fill(world, count=300)
    start = minutes(300)[50]
    folder = tmp_path / "run" / "backfill-a" / "logs"
    folder.mkdir(parents=True)
    record = {
        "state": "not complete",
        "run_id": "a",
        "command": "FROM_DAY=2026-01-01 make backfill",
    }
    (folder / "run.json").write_text(json.dumps(record | {"pid": 1, "at": start}))
    verdict = {
        "exchange": "kraken",
        "product_id": PRODUCT,
        "interval": "1m",
        **dict.fromkeys(("expected", "matching", "missing", "extra"), 1),
        "different": 1,
        "expected_checksum": "a" * 64,
        "stored_checksum": "b" * 64,
        "examples": [
            {"window_start": start, "column": "close", "expected": "84000.5", "stored": "84001.5"}
        ],
    }
    reports = tmp_path / "data" / "reports"
    reports.mkdir(parents=True)
    report = {"is_equal": False, "trades": 5, "store": [verdict], "official": []}
    (reports / "verify-20260101T000000Z.json").write_text(json.dumps(report))
    page = visit.open("#/runs")
    expect(page.locator('[data-run="a"] .command')).to_have_text(record["command"])
    difference = page.locator("[data-report] .example")
    expect(difference).to_contain_text("close: expected 84000.5, the store has 84001.5")
    shoot(page, "runs", tmp_path)
    difference.locator("a").click()
    page.mouse.move(0, 0)  # else the legend is of the candle below the pointer
    expect(page).to_have_url(f"{world.url}{CHART}/@{start}")
    expect(page.locator('[data-note="around"]')).to_be_visible()
    clock = time.strftime("%H:%M:%S", time.gmtime(start / 1_000))
    expect(page.locator(".legend b").first).to_contain_text(clock)


def test_line_marks_where_live_took_over_from_a_backfill(world: World, visit: Any) -> None:
    starts = minutes(10)
    world.store(*(minute_candle(PRODUCT, at) for at in starts[:6]), origin="backfill")
    world.store(*(minute_candle(PRODUCT, at) for at in starts[6:]))
    page = visit.open(CHART)
    expected = time.strftime("%H:%M:%S", time.gmtime(starts[6] / 1_000))
    expect(page.locator('[data-note="live"]')).to_contain_text(f"{expected} UTC")


def test_server_ends_at_once_with_open_pages(world: World, visit: Any) -> None:
    world.trade(PRODUCT, 1)
    page = visit.open("#/")
    expect(page.locator("#state")).to_contain_text("live", timeout=5_000)
    assert world.stop() < 1.0
    expect(page.locator("#state")).to_contain_text("cut off", timeout=6_000)

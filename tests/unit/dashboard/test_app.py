"""What the dashboard's server answers, to whom, and with which headers."""

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

pytest.importorskip("starlette", reason="the dashboard's libraries are not installed")

from support.candle_records import MONDAY_MS
from support.dashboard import World, minute_candle

CANDLES = {"exchange": "kraken", "product": "BTC/USD", "interval": "1m"}


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.chdir(tmp_path)
    world = World(tmp_path)
    yield world
    world.stop()


@pytest.fixture
def client(world: World) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=world.url, trust_env=False) as client:
        yield client


def test_page_allows_nothing_inline_and_no_other_origin(client: httpx.Client) -> None:
    answer = client.get("/", headers={"Origin": "http://evil.example"})
    assert answer.status_code == 200
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert "access-control-allow-origin" not in answer.headers
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_whatever_is_not_a_get_is_refused(client: httpx.Client, method: str) -> None:
    assert client.request(method, "/api/now").status_code == 405


def test_other_host_names_are_refused(client: httpx.Client) -> None:
    assert client.get("/api/now", headers={"Host": "evil.example"}).status_code == 400
    assert client.get("/api/now", headers={"Host": "localhost:1"}).status_code == 200


@pytest.mark.parametrize(
    "change", [{"limit": "0"}, {"limit": "x"}, {"limit": "٣"}, {"before": "-1"}, {"product": ""}]
)
def test_wrong_parameter_is_named(client: httpx.Client, change: dict[str, str]) -> None:
    answer = client.get("/api/candles", params=CANDLES | change)
    assert answer.status_code == 400
    assert answer.json()["error"]


def test_chart_without_a_store_shows_the_topic_and_says_why(
    world: World, client: httpx.Client
) -> None:
    world.market.candle(minute_candle("BTC/USD", MONDAY_MS))
    found = client.get("/api/candles", params=CANDLES).json()
    assert [row["start"] for row in found["candles"]] == [MONDAY_MS]
    assert found["store_problem"]
    assert client.get("/api/rows", params=CANDLES).status_code == 503


def test_older_candles_come_a_page_at_a_time(world: World, client: httpx.Client) -> None:
    world.store(*(minute_candle("BTC/USD", MONDAY_MS + i * 60_000, 10 + i) for i in range(5)))
    newest = client.get("/api/candles", params=CANDLES | {"limit": "2"}).json()["candles"]
    assert [row["close"] for row in newest] == [13, 14]
    before = {"limit": "2", "before": str(newest[0]["start"])}
    older = client.get("/api/candles", params=CANDLES | before).json()["candles"]
    assert [row["close"] for row in older] == [11, 12]


def test_files_hold_every_row(world: World, client: httpx.Client, tmp_path: Path) -> None:
    import polars as pl

    world.store(*(minute_candle("BTC/USD", MONDAY_MS + i * 60_000, 10 + i) for i in range(3)))
    lines = client.get("/api/export", params=CANDLES | {"format": "jsonl"}).text.splitlines()
    assert [json.loads(line)["close"] for line in lines] == [12, 11, 10]
    path = tmp_path / "rows.parquet"
    path.write_bytes(client.get("/api/export", params=CANDLES | {"format": "parquet"}).content)
    assert pl.read_parquet(path)["close"].to_list() == [12, 11, 10]
    text = client.get("/api/export", params=CANDLES | {"format": "csv"}).text
    assert text.count("\n") == 4


def test_licences_of_what_is_vendored_can_be_read(client: httpx.Client) -> None:
    text = client.get("/licenses").text
    assert "TradingView, Inc." in text
    assert "Apache License" in text


def test_files_outside_the_static_folder_are_not_served(client: httpx.Client) -> None:
    assert client.get("/static/%2e%2e/app.py").status_code == 404


def test_rows_of_a_feature_group_are_a_page_and_a_file(world: World, client: httpx.Client) -> None:
    candles = [minute_candle("BTC/USD", MONDAY_MS + i * 60_000, 10 + i) for i in range(3)]
    away = client.get("/api/groups").json()
    assert away["groups"] == []
    assert away["store_problem"]
    world.store(*candles)
    assert client.get("/api/groups").json() == {"groups": [], "store_problem": ""}
    world.store(minute_candle("BTC/USD", MONDAY_MS + 180_000, 13), features=True)
    (group,) = client.get("/api/groups").json()["groups"]
    assert group["table"] == "momentum_1"
    assert {
        "name": "return_1",
        "unit": "ratio",
        "about": "change of the close over one candle",
    } in (group["features"])
    found = client.get("/api/rows", params=CANDLES | {"group": "momentum_1"}).json()
    assert found["rows"][0]["return_1"] == pytest.approx(1 / 12)
    assert found["rows"][0]["rsi_14"] is None
    lines = client.get("/api/export", params=CANDLES | {"group": "momentum_1"}).text.splitlines()
    assert "z_score_20" in lines[0]
    assert len(lines) == 1 + found["span"]["rows"]
    wrong = client.get("/api/rows", params=CANDLES | {"group": 'ohlc_1" --'})
    assert wrong.status_code == 400
    assert "no 'ohlc_1" in wrong.json()["error"]


def test_predictions_are_read_where_there_are_some(world: World, client: httpx.Client) -> None:
    world.store(minute_candle("BTC/USD", MONDAY_MS))
    assert client.get("/api/predictions", params=CANDLES).json()["predictions"] == []
    world.predict("BTC/USD", MONDAY_MS + 60_000, 0.25, MONDAY_MS + 61_000)
    (made,) = client.get("/api/predictions", params=CANDLES).json()["predictions"]
    assert (made["window_end"], made["value"]) == (MONDAY_MS + 60_000, 0.25)


def test_chart_says_where_live_took_over_from_a_backfill(
    world: World, client: httpx.Client
) -> None:
    world.store(minute_candle("BTC/USD", MONDAY_MS + 60_000, 5), origin="backfill")
    world.store(minute_candle("BTC/USD", MONDAY_MS, 4))
    assert client.get("/api/candles", params=CANDLES).json()["live_since"] is None
    world.store(minute_candle("ETH/USD", MONDAY_MS, 5), origin="backfill")
    world.store(minute_candle("ETH/USD", MONDAY_MS + 60_000, 5))
    since = client.get("/api/candles", params=CANDLES | {"product": "ETH/USD"}).json()["live_since"]
    assert since == MONDAY_MS + 60_000

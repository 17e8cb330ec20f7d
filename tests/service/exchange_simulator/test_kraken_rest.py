import itertools
import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import httpx
import pytest

from support.market_data import market_file
from support.simulator import Simulator, start_simulator

pytestmark = pytest.mark.service


@pytest.fixture(scope="module")
def still() -> Iterator[Simulator]:
    with start_simulator(
        simulator_history="2h", simulator_start="2026-09-26T18:00:00", simulator_rate=2
    ) as simulator:
        simulator.control.pause()
        yield simulator


def get(simulator: Simulator, path: str, **params: Any) -> Any:
    response = httpx.get(f"{simulator.rest_url}/0/public/{path}", params=params)
    assert response.status_code == 200
    return json.loads(response.text, parse_float=str)


def test_trades_come_under_krakens_own_name(still: Simulator) -> None:
    for pair in ("XBTUSD", "BTC/USD", "XXBTZUSD", "XBT/USD"):
        assert set(get(still, "Trades", pair=pair)["result"]) == {"XXBTZUSD", "last"}


def test_paging_by_the_cursor_gives_every_trade_with_one_overlap_a_page(
    still: Simulator,
) -> None:
    since = "0"
    ids: list[int] = []
    pages = 0
    while True:
        result = get(still, "Trades", pair="XBTUSD", since=since)["result"]
        rows = result["XXBTZUSD"]
        pages += 1
        if ids:
            assert rows[0][6] <= ids[-1], "the cursor is inclusive"
        ids += [row[6] for row in rows if not ids or row[6] > ids[-1]]
        since = result["last"]
        if len(rows) < 1000:
            break
    assert pages > 3
    assert ids == still.control.ids("BTC/USD")


def test_rows_and_cursor_are_in_krakens_form(still: Simulator) -> None:
    result = get(still, "Trades", pair="XBTUSD", count=5)["result"]
    truth = still.control.trades("BTC/USD")[-5:]
    assert isinstance(result["last"], str)
    assert result["last"] == str(truth[-1]["time_ns"])
    for row, true in zip(result["XXBTZUSD"], truth, strict=True):
        price, volume, time, side, order_type, misc, trade_id = row
        assert Decimal(price) == Decimal(true["price"])
        assert len(price.partition(".")[2]) == 5
        assert volume == true["quantity"]
        assert abs(Decimal(time) * 10**9 - true["time_ns"]) < 1000
        assert (side, order_type, misc) == (true["side"][0], true["order_type"][0], "")
        assert trade_id == true["trade_id"]


def test_since_takes_whole_seconds_too(still: Simulator) -> None:
    seconds = still.control.trades("BTC/USD")[500]["time_ns"] // 10**9
    rows = get(still, "Trades", pair="XBTUSD", since=seconds, count=1)["result"]["XXBTZUSD"]
    earlier = [
        trade["trade_id"]
        for trade in still.control.trades("BTC/USD")
        if trade["time_ns"] >= seconds * 10**9
    ]
    assert rows[0][6] == earlier[0]


def test_the_end_of_history_is_an_empty_page(still: Simulator) -> None:
    end = still.control.trades("BTC/USD")[-1]["time_ns"] + 1
    result = get(still, "Trades", pair="XBTUSD", since=end)["result"]
    assert result == {"XXBTZUSD": [], "last": str(end)}


@pytest.mark.parametrize(
    ("path", "params", "words"),
    [
        ("Trades", {"pair": "NOPE"}, "EQuery:Unknown asset pair"),
        ("OHLC", {"pair": "NOPE"}, "EQuery:Unknown asset pair"),
        ("AssetPairs", {"pair": "NOPE"}, "EQuery:Unknown asset pair"),
        ("Trades", {"pair": "XBTUSD", "since": "soon"}, "EGeneral:Invalid arguments"),
        ("Trades", {"pair": "XBTUSD", "since": "NaN"}, "EGeneral:Invalid arguments"),
        ("Trades", {"pair": "XBTUSD", "count": "2000"}, "EGeneral:Invalid arguments:count"),
        ("OHLC", {"pair": "XBTUSD", "interval": "7"}, "EGeneral:Invalid arguments:interval"),
    ],
)
def test_errors_are_krakens_words_in_http_200(
    still: Simulator, path: str, params: dict[str, str], words: str
) -> None:
    assert get(still, path, **params)["error"] == [words]


def test_ohlc_ends_with_the_running_candle_and_gives_the_last_committed(
    still: Simulator,
) -> None:
    result = get(still, "OHLC", pair="XBTUSD", interval=5)["result"]
    rows = result["XXBTZUSD"]
    assert [row[0] for row in rows] == list(range(rows[0][0], rows[-1][0] + 1, 300))
    assert result["last"] == rows[-2][0]
    assert rows[-1][0] <= still.control.state()["clock_ns"] // 10**9 < rows[-1][0] + 300
    later = get(still, "OHLC", pair="XBTUSD", interval=5, since=rows[3][0])["result"]["XXBTZUSD"]
    assert later == rows[4:]


def test_ohlc_shows_at_most_720_candles_and_empty_minutes_flat() -> None:
    with start_simulator(
        simulator_history="13h",
        product_ids="LTC/USD",
        simulator_start="2026-09-26T18:00:30",
    ) as simulator:
        simulator.control.pause()
        rows = get(simulator, "OHLC", pair="LTCUSD", interval=1)["result"]["XLTCZUSD"]
    assert len(rows) == 720
    empty = [(before, row) for before, row in itertools.pairwise(rows) if not row[7]]
    assert empty
    for before, row in empty:
        assert row[1:5] == [before[4]] * 4
        assert row[5:] == ["0.0", "0.00000000", 0]


def test_asset_pairs_time_and_status(still: Simulator) -> None:
    pairs = get(still, "AssetPairs")["result"]
    assert set(pairs) == {"XXBTZUSD", "XETHZUSD", "XLTCZUSD"}
    assert pairs["XXBTZUSD"]["wsname"] == "XBT/USD"
    assert pairs["XXBTZUSD"]["pair_decimals"] == 1
    assert get(still, "SystemStatus")["result"]["status"] == "online"
    assert get(still, "Time")["result"]["unixtime"] == still.control.state()["clock_ns"] // 10**9


def test_recorded_page_is_served_byte_for_byte() -> None:
    path = market_file("kraken/rest_official/dev_cut/Trades_before_21Z.json")
    with start_simulator(simulator_trades_file=str(path), simulator_speed="max") as simulator:
        simulator.control.wait_exhausted()
        response = httpx.get(
            f"{simulator.rest_url}/0/public/Trades", params={"pair": "XBTUSDT", "since": "0"}
        )
    assert response.content == path.read_bytes().rstrip()

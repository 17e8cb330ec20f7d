"""What a run shows of its candles."""

from decimal import Decimal

import pytest

from local_stack.view import Backlog, candle_line, view_for
from ohlc_core.domain.candle import Candle

_MINUTE = 60_000
_CANDLE = Candle(
    exchange="kraken",
    product_id="BTC/USD",
    interval="1m",
    window_start_ms=1790000040000,
    window_end_ms=1790000100000,
    open=Decimal("84098.4"),
    high=Decimal("84103.1"),
    low=Decimal(84090),
    close=Decimal("84101.2"),
    volume=Decimal("0.00000001"),
    vwap=Decimal("84099.871204"),
    trade_count=41,
    buy_volume=Decimal("0.00000001"),
    first_trade_id="1",
    last_trade_id="41",
    complete=True,
    revision=0,
)


def _closed_at(minute: int, **changes: object) -> Candle:
    fields = {name: getattr(_CANDLE, name) for name in _CANDLE.__struct_fields__}
    return Candle(**{**fields, "window_end_ms": minute * _MINUTE, **changes})


def test_a_candle_is_one_plain_line_with_exact_numbers() -> None:
    assert candle_line(_CANDLE) == (
        "2026-09-21T14:15:00Z kraken:BTC/USD 1m open 84098.4 high 84103.1 low 84090 close 84101.2"
        " volume 0.00000001 trades 41"
    )


def test_incomplete_and_corrected_candles_are_marked() -> None:
    line = candle_line(_closed_at(1, complete=False, revision=2))
    assert line.endswith("(incomplete, revision 2)")


def test_candles_of_the_time_before_the_start_are_counted_instead_of_shown() -> None:
    said: list[str] = []
    now = [0.0]
    backlog = Backlog(started_ms=10 * _MINUTE, monotonic=lambda: now[0])
    assert backlog.without([_closed_at(8), _closed_at(10)], said.append) == []
    assert backlog.without([_closed_at(9), _closed_at(11)], said.append) == [_closed_at(11)]
    assert backlog.without([], said.append) == []
    assert said == []
    now[0] += 3.0
    assert backlog.without([], said.append) == []
    assert backlog.without([_closed_at(9)], said.append) == []
    now[0] += 3.0
    assert backlog.without([], said.append) == []
    assert said == ["caught up with the time before the start: 3 candles"]
    assert backlog.without([_closed_at(12)], said.append) == [_closed_at(12)]
    assert len(said) == 1


def test_lines_are_written_where_the_output_is_no_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    view = view_for(output_is_terminal=False)
    view.say("broker 127.0.0.1:9092")
    view.candles([_CANDLE])
    view.close()
    assert capsys.readouterr().out.splitlines() == ["broker 127.0.0.1:9092", candle_line(_CANDLE)]


def test_a_table_shows_the_newest_candles_on_a_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    view = view_for(output_is_terminal=True)
    view.say("broker 127.0.0.1:9092")
    view.candles([_CANDLE])
    view.close()
    shown = capsys.readouterr().out
    assert "broker 127.0.0.1:9092" in shown
    assert "84103.1" in shown
    assert "1 candles" in shown

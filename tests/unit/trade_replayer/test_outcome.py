from collections.abc import Sequence

import pytest

from ohlc_core.domain.trade import ProductKey
from ohlc_core.errors import FatalError
from ohlc_history.sources.base import LeftOut
from trade_replayer.outcome import check_everything_was_used, print_summary
from trade_replayer.progress import ProductProgress

DAY = 86_400_000_000
BROKEN = LeftOut("b.zip", "is damaged")


def product(name: str = "BTC/USD", **values: object) -> ProductProgress:
    made = ProductProgress(ProductKey("kraken", name), 0, 4 * DAY, is_done=True, holds_trades=True)
    for attribute, value in values.items():
        setattr(made, attribute, value)
    return made


def test_summary_shows_what_was_seen_taken_and_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    done = product(files=2, rows=30, trades=20, repeated=7, outside=1, rejected={"price is odd": 2},
                   missing=4, first_us=DAY, at_us=2 * DAY)  # fmt: skip
    cut = product("ETH/USD", is_done=False)
    print_summary([done, cut, product("[b]/USD", holds_trades=False)], [BROKEN], "run", 2.0)
    text = capsys.readouterr().out
    for words in ("1970-01-02 00:00:00", "1970-01-03 00:00:00", "interrupted", "no trades",
                  "left out: b.zip: is damaged", "kraken:BTC/USD: 2 rows rejected: price is odd",
                  "20 trades in 2.0 s (10 trades/s)"):  # fmt: skip
        assert words in text


@pytest.mark.parametrize(
    ("products", "left_out", "kind", "words"),
    [
        ([product()], [BROKEN], "unreadable", "1 files were left out (b.zip: is damaged)"),
        ([product(rejected={"a": 1, "b": 2})], [], "rejected", "3 of kraken:BTC/USD"),
        (
            [product(), product("ETH/USD", holds_trades=False)],
            [],
            "empty",
            "no trades of kraken:ETH",
        ),
        (
            [product(holds_trades=False, source_first_us=5 * DAY, source_end_us=7 * DAY)],
            [],
            "empty",
            "no trades of kraken:BTC/USD in the period (the source's first is of "
            "1970-01-06 00:00:00, all are before 1970-01-08 00:00:00 UTC)",
        ),
    ],
)
def test_run_that_left_something_out_fails_unless_that_is_allowed(
    products: Sequence[ProductProgress], left_out: Sequence[LeftOut], kind: str, words: str
) -> None:
    with pytest.raises(FatalError) as error:
        check_everything_was_used(products, left_out, (), emptiness_is_certain=False)
    assert words in str(error.value)
    assert f"REPLAY_ALLOW={kind}" in str(error.value)
    check_everything_was_used(products, left_out, (kind,), emptiness_is_certain=False)


def test_emptiness_is_no_fault_where_the_source_is_sure_of_it() -> None:
    check_everything_was_used([product(holds_trades=False)], [], (), emptiness_is_certain=True)

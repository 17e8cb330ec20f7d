"""The last line of a run: what its services' metrics amount to."""

from local_stack.achieved import in_words

_PRODUCER = """\
# TYPE trade_producer_gaps_filled_total counter
trade_producer_gaps_filled_total{product="kraken:BTC/USD"} 2.0
trade_producer_gaps_filled_total{product="kraken:ETH/USD"} 1.0
# TYPE trade_producer_ids_unresolved_total counter
trade_producer_ids_unresolved_total 0.0
"""
_WRITER = """\
# TYPE feature_writer_candles_written_total counter
feature_writer_candles_written_total 1531.0
# TYPE feature_writer_candle_age_seconds histogram
feature_writer_candle_age_seconds_bucket{le="2.5"} 0.0
feature_writer_candle_age_seconds_bucket{le="5.0"} 100.0
feature_writer_candle_age_seconds_bucket{le="+Inf"} 100.0
"""


def test_line_names_candles_gaps_losses_and_freshness() -> None:
    assert in_words([_PRODUCER, _WRITER]) == (
        "achieved: 1,531 candles stored, 3 gaps filled, 0 trades lost, "
        "99 % of live candles stored within 5.0 s of their window's end"
    )


def test_line_is_empty_where_the_writer_does_not_answer() -> None:
    assert in_words([_PRODUCER]) == ""

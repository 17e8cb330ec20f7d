"""Every end of a fill is an answer to the main loop."""

from collections.abc import Iterator

import pytest

from ohlc_exchanges.base import Fetch, MalformedResponseError, Page, Position, Request, Response
from ohlc_exchanges.kraken.adapter import Kraken
from trade_producer.connection import Inbox
from trade_producer.gap_filler import FillEnded, FillJob, GapFiller
from trade_producer.stream_outputs import Missing


class Strange(Kraken):
    """Its history fails as no adapter should."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def pages_after(self, product_id: str, position: Position, fetch: Fetch) -> Iterator[Page]:
        raise self._error


def never(request: Request) -> Response:
    raise AssertionError(request)


@pytest.mark.parametrize(
    "error",
    [RecursionError("too deep"), OverflowError("inf"), UnicodeDecodeError("utf-8", b"", 0, 1, "x")],
)
def test_strange_answer_of_history_is_answered_to_the_main_loop(error: Exception) -> None:
    inbox = Inbox()
    filler = GapFiller(Strange(error), never, inbox, threads=1)
    for _ in range(2):
        job = FillJob("BTC/USD", Missing(Position("1", 1), 0, None), 0)
        filler.start(job)
        (ended,) = inbox.take(10.0)
        assert isinstance(ended, FillEnded)
        assert ended.job is job
        assert isinstance(ended.error, MalformedResponseError)
        assert type(error).__name__ in str(ended.error)
    filler.close()

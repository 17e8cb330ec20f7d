"""The aggregator itself, its own wiring and settings, stopped after the last record."""

import sys

from stopwatch import Stopwatch

from ohlc_aggregator import application
from ohlc_aggregator.records import RecordReader
from ohlc_aggregator.settings import AggregatorSettings
from ohlc_core.kafka.admin import ensure_topics
from ohlc_core.service.garbage import collect_rarely
from ohlc_core.service.runner import Runtime
from ohlc_core.service.settings import load

watch = Stopwatch(int(sys.argv[1]))


class TimedReader(RecordReader):
    """Reads records as ever, and watches the clock."""

    def apply(self, *args, **kwargs):  # type: ignore[no-untyped-def]  # noqa: ANN201, ANN002, ANN003, D102
        if watch.seen == 0:
            watch.record()
            watch.seen = 0
        outgoing = super().apply(*args, **kwargs)
        if watch.record():
            app.stop()
        return outgoing


application.RecordReader = TimedReader  # type: ignore[misc]
settings = load(AggregatorSettings)
names = settings.topics
ensure_topics(settings, names, [names.trades, names.ohlc, names.trades_dlq])
app = application.build(settings, Runtime())
collect_rarely()
app.run()
watch.report()

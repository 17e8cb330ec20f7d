"""The stock quixstreams idiom: one trade a record, JSON floats, a tumbling window, ``final``."""

import os
import signal
import sys
import warnings

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from quixstreams import Application
from quixstreams.dataframe.windows import Count, Earliest, Latest, Max, Min, Sum
from stopwatch import Stopwatch

address, topic, expected, state = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
watch = Stopwatch(expected)


def processed(_topic: str, _partition: int, _offset: int) -> None:
    """Count the trade; stop after the last one."""
    if watch.record():
        os.kill(os.getpid(), signal.SIGTERM)


app = Application(
    broker_address=address,
    consumer_group=f"stock-{topic}",
    auto_offset_reset="earliest",
    commit_interval=1.0,
    state_dir=state,
    loglevel=None,
    on_message_processed=processed,
)
trades = app.topic(
    topic,
    value_deserializer="json",
    timestamp_extractor=lambda value, headers, timestamp, kind: value["timestamp_ms"],
)
(
    app.dataframe(trades)
    .tumbling_window(60_000, grace_ms=1_000)
    .agg(
        open=Earliest("price"),
        high=Max("price"),
        low=Min("price"),
        close=Latest("price"),
        volume=Sum("quantity"),
        trade_count=Count("trade_id"),
    )
    .final()
    .to_topic(app.topic(f"{topic}.out"))
)
app.run()
watch.report()

"""``local-stack consume``: a console consumer that prints the records of a topic."""

import sys

from local_stack.broker_discovery import reach
from local_stack.errors import StackError
from local_stack.record_lines import record_lines
from local_stack.settings import StackSettings
from local_stack.stopping import StopRequest
from ohlc_core.kafka.admin import wait_for_broker
from ohlc_core.kafka.follower import TopicFollower
from ohlc_core.service.clean_text import printable

_POLL_SECONDS = 0.2
_TIMEOUT_SECONDS = 10.0


def consume(
    settings: StackSettings, topic: str, stop: StopRequest, *, from_end: bool, raw: bool
) -> None:
    """Print a topic's records, from its beginning or its end, until stopped.

    One line a trade and one line for any other record; ``raw``: one line a record, as it is.

    The broker is the one `reach` finds.

    Raises:
        StackError: there is no such topic.
        BrokerUnavailableError: the broker did not answer.
    """
    reached = reach(settings)
    sys.stderr.write(f"topic {topic} of the broker at {reached.kafka_broker_address}\n")
    topics = wait_for_broker(reached).list_topics(timeout=_TIMEOUT_SECONDS).topics
    if topic not in topics:
        shown = sorted(each for each in topics if not each.startswith(("__", "changelog__")))
        there = ", ".join(shown) or "none"
        raise StackError(f"there is no topic {topic}; there are: {there}")
    reader = TopicFollower(reached, topic, from_end)
    try:
        while not stop.is_set:
            for message in reader.read(_POLL_SECONDS):
                value = message.value() or b""
                lines = [value.decode(errors="replace")] if raw else record_lines(value)
                sys.stdout.writelines(f"{printable(line)}\n" for line in lines)
            sys.stdout.flush()
    except BrokenPipeError:
        # The reader of the pipe has enough (`| head`); keep Python from reporting it at exit.
        sys.stdout = None
    finally:
        reader.close()

"""What of the services' logs reaches the person in front of a run."""

import json
from pathlib import Path

from local_stack.warning_lines import WarningLines

_INFO = "2026-11-23T19:47:41.721Z INFO    trade-producer: subscribed\n"
_WARNING = "2026-11-23T19:47:42.721Z WARNING trade-producer: no network, trying again in {} s\n"


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_warnings_and_errors_are_reported_and_nothing_else(tmp_path: Path) -> None:
    log = tmp_path / "trade-producer.log"
    lines = WarningLines([log])
    assert lines.new() == []
    log.write_text(_INFO + _WARNING.format(1) + "Traceback (most recent call last):\n")
    assert lines.new() == ["trade-producer: no network, trying again in 1 s"]
    assert lines.new() == []


def test_json_logs_are_understood(tmp_path: Path) -> None:
    log = tmp_path / "feature-writer.log"
    lines = WarningLines([log])
    record = {"level": "ERROR", "service": "feature-writer", "message": "the store is full"}
    log.write_text(json.dumps(record) + "\n" + json.dumps(record | {"level": "INFO"}) + "\n{no\n")
    assert lines.new() == ["feature-writer: the store is full"]


def test_log_of_an_earlier_run_is_not_reported(tmp_path: Path) -> None:
    log = tmp_path / "trade-producer.log"
    log.write_text(_WARNING.format(1))
    assert WarningLines([log]).new() == []


def test_a_message_that_repeats_but_for_its_numbers_is_reported_once_a_minute(
    tmp_path: Path,
) -> None:
    log, clock = tmp_path / "trade-producer.log", Clock()
    lines = WarningLines([log], clock)
    shown = []
    for seconds in range(0, 120, 10):
        clock.now = float(seconds)
        with log.open("a") as file:
            file.write(_WARNING.format(seconds))
        shown += lines.new()
    assert shown == [
        "trade-producer: no network, trying again in 0 s",
        "trade-producer: no network, trying again in 60 s",
    ]


def test_half_a_line_is_reported_when_it_is_whole(tmp_path: Path) -> None:
    log = tmp_path / "trade-producer.log"
    lines = WarningLines([log])
    text = _WARNING.format(1)
    log.write_text(text[:50])
    assert lines.new() == []
    log.write_text(text)
    assert lines.new() == ["trade-producer: no network, trying again in 1 s"]


def test_an_endless_line_does_not_stop_what_follows(tmp_path: Path) -> None:
    log = tmp_path / "trade-producer.log"
    lines = WarningLines([log])
    log.write_text("x" * 600_000 + "\n" + _WARNING.format(1))
    shown = [warning for _ in range(5) for warning in lines.new()]
    assert shown == ["trade-producer: no network, trying again in 1 s"]

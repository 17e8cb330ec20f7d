"""Logs of a run stay small while their process goes on writing."""

from pathlib import Path

from local_stack.log_rotation import rotate
from local_stack.warning_lines import WarningLines


def test_full_log_is_copied_aside_and_begun_again(tmp_path: Path) -> None:
    log = tmp_path / "service.log"
    with log.open("ab", buffering=0) as written:
        for number in range(3):
            written.write(f"{number}".encode() * 100)
            rotate([log, tmp_path / "missing.log"], max_bytes=50)
        written.write(b"after")
    assert log.read_bytes() == b"after"
    assert log.with_name("service.log.1").read_bytes() == b"2" * 100
    assert log.with_name("service.log.2").read_bytes() == b"1" * 100
    assert not log.with_name("service.log.3").exists()


def test_warnings_are_followed_across_a_rotation(tmp_path: Path) -> None:
    log = tmp_path / "service.log"
    lines = WarningLines([log])
    line = "2026-01-01T00:00:00.000Z WARNING writer: {}\n"
    log.write_text(line.format("the first of many words"))
    assert lines.new() == ["writer: the first of many words"]
    rotate([log], max_bytes=1)
    with log.open("a") as written:
        written.write(line.format("second"))
    assert lines.new() == ["writer: second"]

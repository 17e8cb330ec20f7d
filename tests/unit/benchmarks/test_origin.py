"""What a result says of where it comes from."""

import re

from benchmarks.measuring.machine import origin


def test_command_leaves_out_where_the_result_went() -> None:
    found = origin("make it", ["--json", "/somewhere/a.json", "--products", "4"], {"--json"})
    assert found.command == 'make it ARGS="--products 4"'


def test_command_without_arguments_is_the_target() -> None:
    assert origin("make it", []).command == "make it"


def test_machine_and_day_are_named() -> None:
    found = origin("make it", [])
    assert re.search(r"\d+ cores, \d+ GB", found.machine.shown())
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", found.date)

"""docs/soak.md and its picture say what was sampled."""

from pathlib import Path
from xml.etree import ElementTree

import msgspec

from benchmarks.measuring.cpu import OTHERS, Busy
from benchmarks.soak.page import page, picture, thinned, verdict
from benchmarks.soak.result import SoakResult
from support.soak_results import line, result

DOCS = Path(__file__).resolve().parents[3] / "docs"

HELD = ("memory", "writer", line(160.0, 0.0))
TRADES = ("topic", "trades", line(0.0, 10.0))


def test_verdict_of_a_run_that_held_says_how_far_it_came() -> None:
    text = verdict(result(HELD))
    assert "2.00 days in 10 minutes" in text
    assert "all 28,800 rows" in text


def test_verdict_names_what_failed() -> None:
    text = verdict(result(("memory", "writer", line(20.0, 3.0))))
    assert "**It failed:**" in text
    assert "- memory of writer grew by 72.0 over the second half; allowed: 8.0" in text


def test_page_has_growth_rates_and_when_retention_sets_in() -> None:
    text = page(result(HELD, TRADES))
    assert "| memory, writer | 160.0 MB | +0.0 | 8.0 | yes |" in text
    assert "| topic, trades | 480 MB | 24,000.0 kB | after 18 days |" in text
    assert "TOPIC_RETENTION_BYTES" in text


def test_page_names_what_was_busiest() -> None:
    assert "Nothing was full; busiest: writer 30% of a core" in page(result(HELD))


def test_page_says_when_other_programs_disturbed_the_run() -> None:
    cpu = {"writer": Busy(0.3, 0.5, 0.0), OTHERS: Busy(0.6, 0.9, 0.1)}
    assert "disturbed by other programs" in page(result(HELD, cpu=cpu))
    assert "disturbed by other programs" not in page(result(HELD))


def test_page_of_a_short_run_is_marked() -> None:
    assert "no measurement" in page(result(HELD, days=0.5))
    assert "no measurement" not in page(result(HELD, days=7.0))


def test_picture_draws_each_thing_once() -> None:
    root = ElementTree.fromstring(picture(result(HELD, TRADES)))
    assert len(root.findall(".//{*}polyline")) == 2
    assert "Topics on the disk" in {each.text for each in root.iter()}


def test_thinned_points_keep_every_peak() -> None:
    points = [(float(at), 900.0 if at == 777 else 1.0) for at in range(2_000)]
    found = thinned(points)
    assert len(found) <= 150
    assert (777.0, 900.0) in found


def test_page_and_picture_are_those_of_the_result() -> None:
    stored = msgspec.json.decode((DOCS / "soak.json").read_bytes(), type=SoakResult)
    assert (DOCS / "soak.md").read_text() == page(stored)
    assert (DOCS / "images/soak.svg").read_text() == picture(stored)

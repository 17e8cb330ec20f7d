"""The documents' figures, the claims about them, and the page of claims say the same."""

import re
from collections import Counter
from pathlib import Path

import pytest

from benchmarks.claims import __main__ as program
from benchmarks.claims import measure, page, stored
from benchmarks.claims.machine import Machine
from benchmarks.claims.measure import RunFailedError
from benchmarks.claims.model import ROOT, Claim, Command
from benchmarks.claims.registry import CLAIMS, COMMANDS, chosen, claims_of

MACHINE = Machine("a processor", 2, 8, "3.11.0", "Linux x86_64")
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def plain(text: str) -> str:
    return " ".join(text.split())


def claim(**fields: object) -> Claim:
    given = {"name": "a", "statement": "a", "stated_in": "README.md", "quote": "", "figure": "2.0"}
    return Claim(**given | fields)  # type: ignore[arg-type]


def result(**figures: list[float]) -> stored.Result:
    return stored.Result("2026-11-27", "0123456789", MACHINE, "make it", figures)


def test_page_is_what_the_stored_figures_give() -> None:
    assert page.PAGE.read_text() == page.render(stored.load()), "make claims RUNS=0 writes it"


@pytest.mark.parametrize("file", sorted({each.stated_in for each in CLAIMS}))
def test_documents_say_what_the_claims_quote(file: str) -> None:
    text = plain((ROOT / file).read_text())
    for each in CLAIMS:
        if each.stated_in == file:
            assert plain(each.quote) in text, each.name
            assert re.search(rf"(?<![\d.,]){re.escape(each.figure)}(?![\d]|[.,]\d)", each.quote), (
                each.name
            )


def test_names_are_unique() -> None:
    assert [each.name for each in CLAIMS if not re.fullmatch(r"[A-Za-z0-9.-]+", each.name)] == []
    names = Counter([*(each.name for each in CLAIMS), *COMMANDS])
    shared = {name for name, count in names.items() if count > 1}
    # A command with a single claim may share its name.
    assert all(len(claims_of(name)) == 1 for name in shared), shared


@pytest.mark.parametrize("command", COMMANDS.values(), ids=lambda each: each.name)
def test_commands_exist_and_measure_something(command: Command) -> None:
    assert claims_of(command.name)
    if command.is_script or command.is_tests:
        assert (ROOT / command.target).exists()
    else:
        assert command.target in TARGETS
    if command.is_script:
        assert not command.writes_json or '"--json"' in (ROOT / command.target).read_text()


def test_every_claim_has_a_command_or_says_why_not() -> None:
    for each in CLAIMS:
        assert bool(each.why_not) != bool(each.command and each.place), each.name
        assert not each.command or each.command in COMMANDS, each.name


def test_results_are_of_claims_that_exist() -> None:
    for name, kept in stored.load().items():
        assert set(kept.figures) <= {each.name for each in claims_of(name)}


def test_figure_is_read_by_keys_or_by_pattern() -> None:
    assert claim(place=("1000", 0, "p50"), factor=100).read({"1000": [{"p50": 0.5}]}, "") == 50
    assert claim(place=r"([\d,]+) rows").read({}, "it took 1,234 rows") == 1234
    with pytest.raises(LookupError, match="no 1000 / p50"):
        claim(place=("1000", "p50")).read({"1000": {}}, "")
    with pytest.raises(LookupError, match="nothing like"):
        claim(place=r"(\d+) rows").read({}, "nothing")


@pytest.mark.parametrize(
    ("better", "values", "verdict"),
    [
        ("lower", [1.9, 2.1], "within"),
        ("lower", [2.04], "within"),
        ("lower", [2.1, 2.2], "worse"),
        ("higher", [2.1, 2.2], "better"),
        ("higher", [1.1, 1.2], "worse"),
        ("lower", [], ""),
    ],
)
def test_runs_are_compared_with_the_document(
    better: str, values: list[float], verdict: str
) -> None:
    assert page.verdict_of(claim(better=better), values) == verdict


def test_broken_bound_is_told() -> None:
    bounded = claim(bound=2.0)
    assert page.breaks_bound(bounded, [1.0, 3.0, 3.0])
    assert page.verdict_of(bounded, [3.0]) == "worse; bound 2 broken"
    assert page.verdict_of(bounded, [1.0]) == "better; bound 2 held"


def test_page_shows_median_spread_date_and_machine() -> None:
    shown = page.render({"writer": result(**{"writer-rate": [57_000.4, 50_000.0, 60_000.0]})})
    assert "2026-11-27, 3 times, commit `0123456789`: a processor, 2 cores, 8 GB" in shown
    assert "| 57,000 rows/s (50,000 to 60,000) | within |" in shown
    assert "What was run then: `make it`." in shown


def test_only_names_commands_or_claims() -> None:
    assert chosen("") == list(COMMANDS.values())
    assert [each.name for each in chosen("writer-rate restart")] == ["restart", "writer"]
    with pytest.raises(ValueError, match="ONLY was 'no-such'"):
        chosen("no-such")
    with pytest.raises(ValueError, match="measured by hand"):
        chosen("image-base")


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Results and page in a folder of the test's own."""
    monkeypatch.setattr(stored, "STORED", tmp_path / "claims.json")
    monkeypatch.setattr(page, "PAGE", tmp_path / "claims.md")
    return stored.STORED


@pytest.mark.usefixtures("kept")
def test_failure_is_named_and_the_others_go_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run_once(command: Command, *, quick: bool) -> dict[str, float]:
        if command.name == "restart":
            raise RunFailedError("exit code 1")
        return {each.name: each.stated for each in claims_of(command.name)}

    monkeypatch.setattr(program, "run_once", run_once)
    monkeypatch.setenv("ONLY", "restart writer")
    monkeypatch.setenv("RUNS", "2")
    assert program.main() == 1
    assert capsys.readouterr().err == "restart failed\n"
    assert stored.load()["writer"].figures == {"writer-rate": [56_879.0, 56_879.0]}
    assert "| 56,879 rows/s (56,879 to 56,879) | within |" in page.PAGE.read_text()


def test_no_runs_write_the_page_alone(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNS", "0")
    monkeypatch.delenv("ONLY", raising=False)
    assert program.main() == 0
    assert page.PAGE.read_text() == page.render({})
    assert not kept.exists()


def test_try_keeps_nothing(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program, "run_once", lambda command, quick: {"writer-rate": 1.0})
    monkeypatch.setenv("ONLY", "writer")
    monkeypatch.setenv("QUICK", "1")
    assert program.main() == 0
    assert not kept.exists()
    assert not page.PAGE.exists()


def test_command_gets_its_arguments_and_gives_its_figures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "bench.py"
    script.write_text(
        "import json, sys\n"
        "assert sys.argv[1:3] == ['--rows', '5'], sys.argv\n"
        "open(sys.argv[sys.argv.index('--json') + 1], 'w').write(json.dumps({'rows/s': 7}))\n"
    )
    command = Command("writer", str(script), "", "--rows 9", quick="--rows 5")
    assert measure.run_once(command, quick=True) == {"writer-rate": 7}
    with pytest.raises(RunFailedError, match=r"(?s)exit code 1 .*AssertionError"):
        measure.run_once(command, quick=False)


def test_missing_figure_fails_the_run(tmp_path: Path) -> None:
    (tmp_path / "bench.py").write_text("")
    command = Command("writer", str(tmp_path / "bench.py"), "")
    with pytest.raises(RunFailedError, match="writer-rate: its figures have no rows/s"):
        measure.run_once(command, quick=False)

"""Files of feature definitions: what is read, what is refused in words, what changes the hash."""

from pathlib import Path

import pytest

from ohlc_features.define import DefinitionError
from ohlc_features.define.loading import load_definitions

GOOD = '''
"""A file."""
from ohlc_features.define import Candles, FeatureGroup, ta

first = FeatureGroup("first", version=2, intervals=["1m", "5m"])
second = FeatureGroup("second", intervals=["1h"])
SCALE = 2.0

@first.feature(window=3, unit="ratio", about="change", btc=("1m", 5, "BTC/USD"))
def change(c, btc):
    """What it is."""
    return SCALE * ta.returns(c.close, 2)

@second.feature(window=1)
def closing(c):
    return c.close[-1]
'''


def _file(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "definitions.py"
    path.write_text(text, "utf-8")
    return path


def _hashes(tmp_path: Path, text: str) -> dict[str, str]:
    return {each.group.name: each.code_hash for each in load_definitions(_file(tmp_path, text))}


def test_file_gives_its_groups_by_name(tmp_path: Path) -> None:
    first, second = load_definitions(_file(tmp_path, GOOD))

    assert (first.group.table, second.group.table) == ("first_2", "second_1")
    assert first.group.intervals == ("1m", "5m")
    (feature,) = first.group.features.values()
    assert [each.text() for each in feature.inputs] == ["c=3xown", "btc=5x1m:BTC/USD"]
    assert (feature.unit, feature.about) == ("ratio", "change")


def test_comments_layout_and_docstrings_do_not_change_the_hash(tmp_path: Path) -> None:
    changed = GOOD.replace('"""What it is."""', '"""Another text."""  # a comment')

    assert _hashes(tmp_path, changed) == _hashes(tmp_path, GOOD)


def test_code_of_one_group_does_not_change_the_hash_of_another(tmp_path: Path) -> None:
    before = _hashes(tmp_path, GOOD)
    after = _hashes(tmp_path, GOOD.replace("c.close[-1]", "c.open[-1]"))

    assert after["first"] == before["first"]
    assert after["second"] != before["second"]


def test_constant_that_a_group_uses_changes_its_hash(tmp_path: Path) -> None:
    before = _hashes(tmp_path, GOOD)

    assert _hashes(tmp_path, GOOD.replace("2.0", "3.0"))["first"] != before["first"]


def test_hash_does_not_depend_on_the_version_of_python(tmp_path: Path) -> None:
    assert _hashes(tmp_path, GOOD)["second"].startswith("c4569f875405a7b7")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1", "defines no group"),
        ("def (", "not valid Python"),
        ("raise RuntimeError('boom')", "failed when run: RuntimeError: boom"),
        ("import nowhere_to_be_found", "ModuleNotFoundError"),
        (GOOD.replace('"first"', '"First Group"'), "lower-case letters"),
        (GOOD.replace('"5m"', '"5 minutes"'), "expected e.g. 30s"),
        (GOOD.replace("window=3", "window=0"), "window of 0 candles"),
        (GOOD.replace("window=3", "window=True"), "window of True candles"),
        (GOOD.replace("def change(c, btc)", "def change(c)"), "takes \\(c\\), but its inputs"),
        (GOOD.replace('("1m", 5, "BTC/USD")', '("1m", "5")'), 'expected \\("1h", 24\\)'),
        (GOOD.replace("def change", "def complete"), "none of"),
        (GOOD.replace("def closing", "def Closing"), "lower snake case"),
        (GOOD.replace('"second"', '"first", version=2'), "first_2 is defined twice"),
        (GOOD + "\nempty = FeatureGroup('empty', intervals=['1m'])\n", "empty has no features"),
        (GOOD + "\n@second.feature(window=1)\ndef closing(c): ...\n", "closing is defined twice"),
    ],
)
def test_wrong_file_is_refused_in_one_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DefinitionError, match=message) as caught:
        load_definitions(_file(tmp_path, text))

    assert "\n" not in str(caught.value)


def test_missing_file_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(DefinitionError, match=r"nowhere\.py cannot be read \(No such file"):
        load_definitions(tmp_path / "nowhere.py")

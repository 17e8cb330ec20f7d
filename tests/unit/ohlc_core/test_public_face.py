"""`ohlc_core` for other programs: what it exports, what that needs, its documented loop."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import ohlc_core

_DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "embedding.md"
_FACE = {
    "Candle",
    "CandleRules",
    "Interval",
    "MemoryStore",
    "Output",
    "ProductCandles",
    "ProductKey",
    "Rejected",
    "StateStore",
    "Trade",
}
_ONLY = """
import importlib.abc, sys

ALLOWED = sys.stdlib_module_names | {"ohlc_core", "msgspec", "numpy"}

class Refuse(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] not in ALLOWED:
            raise ModuleNotFoundError(f"{name} is not of the core", name=name)

sys.meta_path.insert(0, Refuse())
"""


def test_public_face_is_exactly_what_is_documented() -> None:
    documented = _DOCUMENT.read_text(encoding="utf-8").split("exports exactly these names:")[1]
    assert set(ohlc_core.__all__) == _FACE
    assert set(re.findall(r"`([A-Z]\w+)`", documented)) == _FACE


@pytest.mark.parametrize("name", sorted(_FACE))
def test_exported_name_is_the_domains_own(name: str) -> None:
    exported = getattr(ohlc_core, name)
    assert exported.__name__ == name
    assert exported.__module__.startswith("ohlc_core.domain.")


def test_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="'Nothing'"):
        _ = ohlc_core.Nothing  # type: ignore[attr-defined]


def test_documented_loop_runs_with_msgspec_and_numpy_alone() -> None:
    found = re.search(r"```python\n(.*?)```", _DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    ran = subprocess.run(
        [sys.executable, "-c", _ONLY + found[1]], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    lines = [line.split() for line in ran.stdout.splitlines()]
    assert {line[0] for line in lines} == {"1m", "1h"}
    minutes = [line for line in lines if line[0] == "1m"]
    # 1790000000 s is 20 s behind a full minute; the last window is cut by the end of the trades.
    assert [line[3] for line in minutes] == ["False", "True", "True", "False"]

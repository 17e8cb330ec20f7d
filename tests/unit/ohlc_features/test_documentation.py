"""Every Python block of the feature store's page runs as it stands, and finds the rows."""

import re
from pathlib import Path

import pytest

from ohlc_features.sql.store import LocalStore
from support.candle_records import candle

_PAGE = Path(__file__).resolve().parents[3] / "docs" / "feature-store.md"
_BLOCKS = re.findall(r"```python\n(.*?)```", _PAGE.read_text(), re.DOTALL)

#: A name each block makes, and the rows it must hold.
_RESULTS = {
    "FeatureReader.open() as reader:  #": ("known", 1),
    "read_database_uri": ("prices", 3),
    "pd.read_sql": ("latest", 2),
    "import duckdb": ("by_day", 1),
}


@pytest.mark.parametrize("mark", _RESULTS)
def test_block_runs_as_it_stands(
    mark: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    store = LocalStore.open("sqlite:///data/features.db", "ohlc", 1)
    store.write([*(candle(n) for n in range(3)), candle(0, product_id="ETH/USD")])
    store.close()
    (block,) = [each for each in _BLOCKS if mark in each]
    names: dict[str, object] = {}
    exec(compile(block, str(_PAGE), "exec"), names)
    name, rows = _RESULTS[mark]
    assert len(names[name]) == rows  # type: ignore[arg-type]


def test_every_block_of_the_page_is_run() -> None:
    assert len(_BLOCKS) == len(_RESULTS)

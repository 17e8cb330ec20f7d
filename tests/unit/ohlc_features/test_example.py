"""The worked example: what a model learns offline is what it sees online."""

import random
import runpy
import subprocess
import sys
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from sqlalchemy import create_engine, text

from ohlc_core.domain.candle import Candle
from ohlc_features.define.loading import load_definitions
from ohlc_features.reading import FeatureReader
from ohlc_features.sql.store import LocalStore
from support.candle_records import candle
from support.wait import wait_until

_ROOT = Path(__file__).resolve().parents[3]
_EXAMPLE = _ROOT / "examples" / "next_minute.py"
_YEARS = timedelta(days=36_500)


def _market(windows: int, seed: int = 1) -> list[Candle]:
    """Return a random walk with a pull back to its start, and its hours."""
    random_ = random.Random(seed)
    price, candles = 100.0, []
    for window in range(windows):
        if window % 60 == 0:
            candles.append(candle(window // 60 - 1, interval="1h", open=Decimal(f"{price:.4f}")))
        before = price
        price += random_.gauss(0, 0.1) - 0.5 * (price - 100)
        low, high = sorted((before, price))
        candles.append(
            candle(
                window,
                open=Decimal(f"{before:.4f}"),
                high=Decimal(f"{high:.4f}"),
                low=Decimal(f"{low:.4f}"),
                close=f"{price:.4f}",
                vwap=Decimal(f"{(before + price) / 2:.4f}"),
                buy_volume=Decimal(f"{random_.random():.4f}"),
            )
        )
    return candles


def _store(url: str) -> LocalStore:
    definitions = load_definitions(_ROOT / "features" / "momentum.py")
    return LocalStore.open(url, "ohlc", 1, definitions=definitions)


@pytest.fixture
def example() -> dict[str, Any]:
    return runpy.run_path(str(_EXAMPLE))


def test_served_vectors_repeat_from_the_history(tmp_path: Path, example: dict[str, Any]) -> None:
    url = f"sqlite:///{tmp_path}/features.db"
    candles = _market(700)
    history, live = candles[:-30], candles[-30:]
    store = _store(url)
    store.write(history)
    market = example["Market"]("kraken", "BTC/USD", "1m")
    with FeatureReader.open(url) as reader:
        model = example["train"](reader, market)
        scoring = example["score_live"](reader, market, model, max_age=_YEARS, wait=lambda: None)
        scores = [next(scoring)]
        for each in live:
            store.write([each])
            scores.append(next(scoring))
        assert len({score.vector.window_end for score in scores}) == len(live) + 1
        assert example["differences"](reader, market, scores) == []
        # A price that is pulled back falls after a rise: the model has learnt something.
        known = reader.training("momentum", *market).tail(len(live))
        predicted = [score.value for score in scores[:-1]]
        assert np.corrcoef(predicted, known["target"].to_numpy())[0, 1] > 0.2

        # And the comparison can fail: a correction after the score changes what history says.
        changed = msgspec.structs.replace(candles[-1], close=Decimal(150), revision=1)
        store.write([changed])
        assert example["differences"](reader, market, scores) == scores[-1:]
    store.close()


def test_example_runs_as_the_documentation_says(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/features.db"
    candles = _market(700, seed=2)
    store = _store(url)
    store.write(candles[:-1])
    age = str(_YEARS.total_seconds())
    command = [sys.executable, str(_EXAMPLE), "--url", url, "--rounds", "2", "--max-age", age]
    log = tmp_path / "out.txt"
    with log.open("w") as out:
        running = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT)
        try:
            wait_until(
                lambda: "scored" in log.read_text() or running.poll() is not None,
                60,
                "the first score",
            )
            store.write(candles[-1:])
            assert running.wait(60) == 0, log.read_text()
        finally:
            running.kill()
            running.wait()
    store.close()
    assert "parity: 2 of 2 vectors repeat" in log.read_text()
    engine = create_engine(url)
    with engine.connect() as connection:
        kept = connection.execute(text("SELECT * FROM predictions")).mappings().all()
    engine.dispose()
    ends = [each.window_end_ms for each in candles if each.interval == "1m"]
    assert [row["window_end"] for row in kept] == ends[-2:]
    assert {row["horizon"] for row in kept} == {1}


def test_store_without_the_group_is_one_clear_line(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/features.db"
    LocalStore.open(url, "ohlc", 1).close()
    command = [sys.executable, str(_EXAMPLE), "--url", url]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "FEATURE_DEFINITIONS" in done.stderr

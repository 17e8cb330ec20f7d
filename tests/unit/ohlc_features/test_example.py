"""The worked example: what a model learns offline is what it sees online."""

import random
import runpy
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from ohlc_core.domain.candle import Candle
from ohlc_features.reading import FeatureReader
from ohlc_features.sql.store import LocalStore
from support.candle_records import candle
from support.wait import wait_until

_EXAMPLE = Path(__file__).resolve().parents[3] / "examples" / "next_minute.py"


def _market(windows: int, seed: int = 1) -> list[Candle]:
    """Return a random walk with a pull back to its start, and a few windows without trades."""
    random_ = random.Random(seed)
    price, candles = 100.0, []
    for window in range(windows):
        before = price
        price += random_.gauss(0, 0.1) - 0.05 * (price - 100)
        if random_.random() < 0.05:
            continue
        low, high = sorted((before, price))
        candles.append(
            candle(
                window,
                open=Decimal(f"{before:.4f}"),
                high=Decimal(f"{high:.4f}"),
                low=Decimal(f"{low:.4f}"),
                close=f"{price:.4f}",
                vwap=Decimal(f"{(before + price) / 2:.4f}"),
            )
        )
    return candles


@pytest.fixture
def example() -> dict[str, Any]:
    return runpy.run_path(str(_EXAMPLE))


def test_live_scores_repeat_from_the_history(tmp_path: Path, example: dict[str, Any]) -> None:
    url = f"sqlite:///{tmp_path}/features.db"
    candles = _market(430)
    history, live = candles[:390], iter(candles[390:])
    store = LocalStore.open(url, "ohlc", 1)
    store.write(history)
    market = example["Market"]("kraken", "BTC/USD", "1m")
    with FeatureReader.open(url) as reader:
        model = example["train"](reader, market)
        scoring = example["score_live"](reader, market, model, wait=lambda: None)
        scores = [next(scoring)]
        for each in live:
            store.write([each])
            scores.append(next(scoring))
        assert len(scores) == len(candles) - 390 + 1
        assert example["differences"](reader, market, model, scores) == []
        shown = example["show_as_of"](reader, market, scores)
        assert shown["close"].to_list() == [float(each.close) for each in candles[389:]]
        # A price that is pulled back falls after a rise: the model has learnt something.
        assert model.weights[0] < 0 or model.weights[1] < 0

        # And the comparison can fail: a correction after the score changes what history says.
        changed = msgspec.structs.replace(candles[-1], close=Decimal(150), revision=1)
        store.write([changed])
        assert len(example["differences"](reader, market, model, scores)) == 1
    store.close()


def test_example_runs_as_the_documentation_says(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/features.db"
    candles = _market(300, seed=2)
    store = LocalStore.open(url, "ohlc", 1)
    store.write(candles[:-1])
    command = [sys.executable, str(_EXAMPLE), "--url", url, "--rounds", "2"]
    log = tmp_path / "out.txt"
    with log.open("w") as out:
        running = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT)
        try:
            wait_until(lambda: "scored" in log.read_text(), 60, "the first score")
            store.write(candles[-1:])
            assert running.wait(60) == 0, log.read_text()
        finally:
            running.kill()
            running.wait()
    store.close()
    assert "parity: 2 of 2 scores repeat" in log.read_text()

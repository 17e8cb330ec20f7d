"""Train a small model on backfilled candles, score live ones, and show that both saw the same.

    python examples/next_minute.py --product BTC/USD --interval 1m --rounds 5

It reads the store that FEATURE_STORE and FEATURE_STORE_URL name: fill it first, e.g. with
``make backfill``, and keep it live with ``make run`` (or both at once with ``make demo``).

The model is ridge regression of the next window's return on five features: not worth trading on,
but shaped like one that is. One function, `features`, serves training and inference alike; it
sees candles only, so whatever reached the store by backfill or live goes the same way.
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import NamedTuple

import numpy as np
import polars as pl

from ohlc_core.domain.interval import Interval
from ohlc_features.reading import FeatureReader

NAMES = ("return_1", "return_5", "range", "vwap_gap", "buy_share")

#: Windows before the newest that its features look back on.
LOOK_BACK = 5


class Market(NamedTuple):
    """Whose candles are read."""

    exchange: str
    product_id: str
    interval: str


class Model(NamedTuple):
    """Ridge regression on standardised features."""

    means: np.ndarray
    scales: np.ndarray
    weights: np.ndarray

    def score(self, row: np.ndarray) -> float:
        """Return the expected return of the window after the row's."""
        return float((row - self.means) / self.scales @ self.weights)


class Score(NamedTuple):
    """A live prediction, with what it was made of."""

    known_at: int
    inputs: tuple[float, ...]
    value: float


def features(candles: pl.DataFrame) -> pl.DataFrame:
    """Return one row of features a window of one product, on a grid without gaps.

    Each uses its own and earlier windows only, so it is known at its ``window_end``.
    """
    close = pl.col("close")
    return candles.select(
        pl.col("product_id"),
        pl.col("window_end"),
        (close / close.shift(1) - 1).alias("return_1"),
        (close / close.shift(LOOK_BACK) - 1).alias("return_5"),
        ((pl.col("high") - pl.col("low")) / close).alias("range"),
        (close / pl.col("vwap") - 1).alias("vwap_gap"),
        pl.when(pl.col("volume") > 0)
        .then(pl.col("buy_volume") / pl.col("volume"))
        .otherwise(0.5)
        .alias("buy_share"),
    ).drop_nulls()


def train(reader: FeatureReader, market: Market) -> Model:
    """Fit the model on the whole history: features now, return of the next window as target."""
    candles = reader.candles(*market, fill_gaps=True)
    known = features(candles)
    target = candles.select(
        "window_end", (pl.col("close").shift(-1) / pl.col("close") - 1).alias("target")
    )
    table = known.join(target, on="window_end").drop_nulls()
    if table.height < 10 * len(NAMES):
        raise SystemExit(f"only {table.height} windows of history: too few to train on")
    inputs, targets = table.select(NAMES).to_numpy(), table["target"].to_numpy()
    means, scales = inputs.mean(axis=0), inputs.std(axis=0) + 1e-12
    standard = (inputs - means) / scales
    penalty = np.eye(len(NAMES)) * len(standard) * 0.01
    weights = np.linalg.solve(standard.T @ standard + penalty, standard.T @ targets)
    return Model(means, scales, weights)


def score_live(
    reader: FeatureReader,
    market: Market,
    model: Model,
    wait: Callable[[], None] = lambda: time.sleep(0.5),
) -> Iterator[Score]:
    """Yield a score for every new candle, for as long as one asks."""
    step_ms = Interval.parse(market.interval).us // 1_000
    last = 0
    while True:
        newest = reader.latest(*market)
        end = 0 if newest.is_empty() else int(newest["window_end"].cast(pl.Int64).item())
        if end <= last:
            wait()
            continue
        last = end
        start = end - (LOOK_BACK + 1) * step_ms
        row = features(reader.candles(*market, start, end, fill_gaps=True)).tail(1)
        if row.height:
            inputs = row.select(NAMES).row(0)
            yield Score(end, inputs, model.score(np.array(inputs)))


def differences(
    reader: FeatureReader, market: Market, model: Model, scores: list[Score]
) -> list[Score]:
    """Return the scores that offline features, joined as of the same moments, do not repeat."""
    table = features(reader.candles(*market, fill_gaps=True))
    moments = pl.DataFrame({"window_end": [score.known_at for score in scores]})
    offline = moments.cast(table.schema["window_end"]).join(
        table, on="window_end", how="left", maintain_order="left"
    )
    again = [tuple(row) for row in offline.select(NAMES).rows()]
    return [
        score
        for score, inputs in zip(scores, again, strict=True)
        if score.inputs != inputs or score.value != model.score(np.array(inputs))
    ]


def show_as_of(reader: FeatureReader, market: Market, scores: list[Score]) -> pl.DataFrame:
    """Return the candles known a moment before and at each score: the point-in-time join."""
    labels = pl.DataFrame(
        {
            "product_id": [market.product_id] * len(scores),
            "time": [score.known_at for score in scores],
            "score": [score.value for score in scores],
        }
    )
    return reader.as_of(
        labels,
        market.exchange,
        market.interval,
        columns=["window_end", "close"],
        max_age=timedelta(days=1),
        delay=0,
    )


def main() -> None:
    """Train, score ``--rounds`` live candles, and compare with the history."""
    parser = argparse.ArgumentParser(description="Train on history, score live candles.")
    parser.add_argument("--url", help="a FEATURE_STORE_URL, instead of the settings'")
    parser.add_argument("--exchange", default="kraken")
    parser.add_argument("--product", default="BTC/USD")
    parser.add_argument("--interval", default="1m")
    parser.add_argument("--rounds", type=int, default=5, help="live candles to score")
    options = parser.parse_args()
    market = Market(options.exchange, options.product, options.interval)
    with FeatureReader.open(options.url) as reader:
        model = train(reader, market)
        sys.stdout.write("trained: " + ", ".join(map("{}={:+.2e}".format, NAMES, model.weights)))
        sys.stdout.write("\n")
        live = score_live(reader, market, model)
        scores: list[Score] = []
        for score in live:
            scores.append(score)
            sys.stdout.write(f"scored {score.known_at}: {score.value:+.3e}\n")
            sys.stdout.flush()
            if len(scores) == options.rounds:
                break
        wrong = differences(reader, market, model, scores)
        sys.stdout.write(f"{show_as_of(reader, market, scores)}\n")
        sys.stdout.write(f"parity: {len(scores) - len(wrong)} of {len(scores)} scores repeat\n")
        if wrong:
            sys.exit(1)


if __name__ == "__main__":
    main()

"""Train a model on stored features, score live ones, and prove that both are the same numbers.

    python examples/next_minute.py --product BTC/USD --interval 1m --rounds 5

The features are those of features/momentum.py: run the pipeline with
``FEATURE_DEFINITIONS=features/momentum.py`` (``make demo`` does). The feature writer evaluates
them, live and in a backfill alike; this file only reads them.

The model is ridge regression of the next window's return: not worth trading on, but shaped like
one that is. Each prediction is kept in the table ``predictions`` of the local store. At the end
every vector that was served is read again from the history and compared bit for bit.
"""

import argparse
import struct
import sys
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import NamedTuple

import numpy as np
import polars as pl
from sqlalchemy import BigInteger, Column, Double, Integer, MetaData, Table, Text, and_, insert
from sqlalchemy.exc import SQLAlchemyError

from ohlc_core.errors import SettingsError
from ohlc_core.service.settings import load
from ohlc_features.errors import StoreError, StoreRejectedError
from ohlc_features.reading import FeatureReader
from ohlc_features.reading.group_reader import FeatureVector, NotReadyError
from ohlc_features.reading.groups import LEADING
from ohlc_features.settings import FeatureStoreSettings
from ohlc_features.sql.engine import Database
from ohlc_features.sql.url import store_url

GROUP = "momentum"

#: Windows ahead that are predicted.
HORIZON = 1


class Market(NamedTuple):
    """Whose rows are read."""

    exchange: str
    product_id: str
    interval: str


class Model(NamedTuple):
    """Ridge regression on standardised features."""

    names: list[str]
    means: np.ndarray
    scales: np.ndarray
    weights: np.ndarray

    def score(self, values: dict[str, float | None]) -> float:
        """Return the expected return; a feature that is not defined counts as its mean."""
        row = np.array([values[name] for name in self.names], dtype=float)
        return float(np.nan_to_num((row - self.means) / self.scales) @ self.weights)


class Score(NamedTuple):
    """A live prediction, with the vector it was made of."""

    vector: FeatureVector
    value: float
    made_at_ms: int


def train(reader: FeatureReader, market: Market) -> Model:
    """Fit the model on the history: features known at T, the return after T as target."""
    table = reader.training(GROUP, *market, target="return", horizon=HORIZON)
    names = [name for name in table.columns if name not in (*LEADING, "complete", "target")]
    table = table.drop_nulls(names)
    if table.height < 10 * len(names):
        raise StoreRejectedError(
            f"only {table.height} complete rows of {GROUP} for {market.product_id} "
            f"{market.interval}: too few to train on; wait, or run make backfill"
        )
    inputs, targets = table.select(names).to_numpy(), table["target"].to_numpy()
    means, scales = inputs.mean(axis=0), inputs.std(axis=0) + 1e-12
    standard = (inputs - means) / scales
    penalty = np.eye(len(names)) * len(standard) * 0.01
    weights = np.linalg.solve(standard.T @ standard + penalty, standard.T @ targets)
    return Model(names, means, scales, weights)


def score_live(
    reader: FeatureReader,
    market: Market,
    model: Model,
    *,
    max_age: timedelta | None = None,
    wait: Callable[[], None] = lambda: time.sleep(0.2),
) -> Iterator[Score]:
    """Yield a score for every new row, for as long as one asks.

    A row that is incomplete or too old is not served: `FeatureReader.vector` refuses it.
    """
    last: datetime | None = None
    while True:
        try:
            vector = reader.vector(GROUP, *market, max_age=max_age)
        except NotReadyError:
            wait()
            continue
        if vector.window_end == last:
            wait()
            continue
        last = vector.window_end
        yield Score(vector, model.score(vector.values), time.time_ns() // 1_000_000)


def differences(reader: FeatureReader, market: Market, scores: list[Score]) -> list[Score]:
    """Return the scores whose vectors the history does not repeat bit for bit."""
    if not scores:
        return []
    history = reader.features(GROUP, *market, include_incomplete=True)
    offline = {row["window_end"]: row for row in history.iter_rows(named=True)}
    return [
        score
        for score in scores
        if any(
            bits(value) != bits(offline.get(score.vector.window_end, {}).get(name))
            for name, value in score.vector.values.items()
        )
    ]


def bits(value: float | None) -> bytes:
    """Return the bytes of a number, none for null."""
    return b"" if value is None else struct.pack("<d", value)


class Predictions:
    """The table ``predictions`` in the local store: one row per market, window and horizon.

    ``window_end`` is when the features were known; ``value`` is the expected return over the
    ``horizon`` windows behind it; ``made_at`` is when it was computed. Both times are ms UTC.
    """

    def __init__(self, url: str) -> None:
        self._database = Database(store_url(url))
        key = [Column(name, Text, primary_key=True) for name in Market._fields[:2]]
        self._table = Table(
            "predictions",
            MetaData(),
            *key,
            Column("candle_interval", Text, primary_key=True),
            Column("window_end", BigInteger, primary_key=True, autoincrement=False),
            Column("horizon", Integer, primary_key=True, autoincrement=False),
            Column("value", Double, nullable=False),
            Column("made_at", BigInteger, nullable=False),
        )
        with self._database.transaction() as connection:
            self._table.metadata.create_all(connection)

    def keep(self, market: Market, score: Score) -> None:
        """Keep a prediction; one made again for the same window takes its place."""
        key = {
            "exchange": market.exchange,
            "product_id": market.product_id,
            "candle_interval": market.interval,
            "window_end": round(score.vector.window_end.timestamp() * 1_000),
            "horizon": HORIZON,
        }
        with self._database.transaction() as connection:
            same = and_(*(self._table.c[name] == value for name, value in key.items()))
            connection.execute(self._table.delete().where(same))
            values = {**key, "value": score.value, "made_at": score.made_at_ms}
            connection.execute(insert(self._table).values(**values))

    def read(self, market: Market) -> pl.DataFrame:
        """Return what was predicted for a market, in the order of time."""
        c = self._table.c
        query = self._table.select().where(
            c.exchange == market.exchange,
            c.product_id == market.product_id,
            c.candle_interval == market.interval,
        )
        with self._database.transaction() as connection:
            found = connection.execute(query.order_by(c.window_end)).mappings()
            return pl.DataFrame([dict(row) for row in found])

    def close(self) -> None:
        """Close the connections."""
        self._database.close()


def run(options: argparse.Namespace, settings: FeatureStoreSettings) -> int:
    """Train, score ``--rounds`` live rows, and compare them with the history."""
    market = Market(options.exchange, options.product, options.interval)
    max_age = timedelta(seconds=options.max_age) if options.max_age else None
    predictions = Predictions(settings.feature_store_url)
    try:
        with FeatureReader.open(settings) as reader:
            model = train(reader, market)
            weights = map("{} {:+.1e}".format, model.names, model.weights)
            sys.stdout.write(f"trained: {', '.join(weights)}\n")
            scores: list[Score] = []
            for score in score_live(reader, market, model, max_age=max_age):
                predictions.keep(market, score)
                scores.append(score)
                sys.stdout.write(f"scored {score.vector.window_end}: {score.value:+.3e}\n")
                sys.stdout.flush()
                if len(scores) == options.rounds:
                    break
            wrong = differences(reader, market, scores)
        sys.stdout.write(f"{predictions.read(market).tail(options.rounds)}\n")
        sys.stdout.write(f"parity: {len(scores) - len(wrong)} of {len(scores)} vectors repeat\n")
        return 1 if wrong else 0
    finally:
        predictions.close()


def main() -> None:
    """Read the options and run."""
    parser = argparse.ArgumentParser(description="Train on history, score live feature rows.")
    parser.add_argument("--url", help="a FEATURE_STORE_URL, instead of the settings'")
    parser.add_argument("--exchange", default="kraken")
    parser.add_argument("--product", default="BTC/USD")
    parser.add_argument("--interval", default="1m")
    parser.add_argument("--rounds", type=int, default=5, help="live rows to score")
    parser.add_argument(
        "--max-age", type=float, help="seconds a row may be old; default: two intervals"
    )
    options = parser.parse_args()
    given = {"feature_store": "local", "feature_store_url": options.url} if options.url else {}
    try:
        sys.exit(run(options, load(FeatureStoreSettings, **given)))
    except (StoreError, SettingsError, SQLAlchemyError) as error:
        sys.exit(f"next_minute: {error}")


if __name__ == "__main__":
    main()

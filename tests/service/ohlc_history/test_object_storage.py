"""Parquet in object storage, read by a query from a real server of S3's protocol."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import boto3
import polars as pl
import pytest
from moto.server import ThreadedMotoServer

from local_stack.ports import free_port
from ohlc_core.domain.trade import ProductKey
from ohlc_core.errors import SettingsError
from ohlc_history.read_history import Wanted, read_history
from ohlc_history.sources.query import QuerySource
from support.history_files import T0, Taken

pytestmark = pytest.mark.service

ROWS = int(os.environ.get("S3_TRADES", "20000"))
QUERY = "SELECT * FROM 's3://market/trades/*.parquet'"


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A server whose bucket ``market`` holds the trades in three files, newest first."""
    for name, value in {
        "AWS_ACCESS_KEY_ID": "reader",
        "AWS_SECRET_ACCESS_KEY": "s3cret",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    started = ThreadedMotoServer("127.0.0.1", free_port(), verbose=False)
    started.start()
    host, port = started.get_host_and_port()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
    client = boto3.client("s3")
    client.create_bucket(Bucket="market")
    ids = pl.Series("trade_id", range(1, ROWS + 1))
    trades = pl.DataFrame({"trade_id": ids}).with_columns(
        timestamp=T0 * 1_000_000 + ids * 1_500,
        price=(40_000 + ids % 7).cast(pl.String) + ".25",
        quantity="0." + ids.cast(pl.String).str.zfill(18),
        side=pl.lit("buy"),
    )
    for number, part in enumerate(trades.reverse().iter_slices(-(-ROWS // 3))):
        part.write_parquet(tmp_path / "part.parquet")
        client.upload_file(str(tmp_path / "part.parquet"), "market", f"trades/{number}.parquet")
    client.close()
    yield os.environ["AWS_ENDPOINT_URL"]
    started.stop()


def source(query: str = QUERY) -> QuerySource:
    return QuerySource(query, ("BTC/USD",), sequential=True)


def test_parquet_of_a_bucket_comes_exact_in_the_exchanges_order(server: str) -> None:
    began = time.perf_counter()
    wanted = Wanted(ProductKey("kraken", "BTC/USD"), 0, 1 << 52)
    table = Taken(read_history(source(), wanted)).table
    rate = ROWS / (time.perf_counter() - began)
    print(f"{ROWS:,} rows of object storage, {rate:,.0f} rows/s")  # noqa: T201 - shown with -s
    assert table["trade_id"].cast(pl.Int64).to_list() == list(range(1, ROWS + 1))
    assert table.row(2)[1:4] == ("40003.25", "0.000000000000000003", "buy")


def test_bucket_that_is_not_there_is_named(server: str) -> None:
    with pytest.raises(SettingsError, match=r"REPLAY_QUERY: .*s3://nowhere/\*.parquet"):
        source("SELECT * FROM 's3://nowhere/*.parquet'")


def test_server_that_does_not_answer_is_named_in_one_line(
    server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with pytest.raises(SettingsError, match=r"^REPLAY_QUERY: .*Could not connect[^\n]*$"):
        source()


def test_missing_client_is_named() -> None:
    with pytest.raises(SettingsError, match="reads gs://, which needs gcsfs"):
        source("SELECT * FROM 'gs://market/*.parquet'")

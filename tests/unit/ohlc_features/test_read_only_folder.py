"""A store in a folder that a reader may not write to."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from ohlc_features.sql.store import LocalStore
from support.candle_records import candle

#: Reads twice, as a user without rights to the folder: root may write anywhere. What is loaded
#: late is loaded before, by reading another store.
_READ = """
import os, sys
from ohlc_features import FeatureReader
from ohlc_features.errors import StoreError
warm, url = sys.argv[1:]
with FeatureReader.open(warm) as reader:
    reader.latest("kraken", None, "1m"), reader.candles("kraken", None, "1m")
if os.getuid() == 0:
    os.setgroups([])
    os.setuid(65534)
try:
    with FeatureReader.open(url) as reader:
        for _ in range(2):
            newest = reader.latest("kraken", None, "1m")
            print(newest.height, reader.candles("kraken", None, "1m").height)
except StoreError as error:
    print(error)
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that others may read but not write to."""
    with tempfile.TemporaryDirectory(prefix="read-only-") as name:
        path = Path(name)
        path.chmod(0o755)
        yield path


def _read(folder: Path, warm: Path) -> list[str]:
    """Return what a reader of the store in ``folder`` prints."""
    store = LocalStore.open(f"sqlite:///{warm}/warm.db", "ohlc", 1)
    store.write([candle(0)])
    store.close()
    urls = [f"sqlite:///{warm}/warm.db", f"sqlite:///{folder}/features.db"]
    if os.getuid() != 0:
        folder.chmod(0o555)
    done = subprocess.run(
        [sys.executable, "-c", _READ, *urls], capture_output=True, text=True, check=False
    )
    folder.chmod(0o755)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_store_without_a_writer_is_read_and_nothing_is_made_beside_it(
    folder: Path, tmp_path: Path
) -> None:
    store = LocalStore.open(f"sqlite:///{folder}/features.db", "ohlc", 1)
    store.write([candle(0), candle(1)])
    store.close()
    assert _read(folder, tmp_path) == ["1 2", "1 2"]
    assert [path.name for path in folder.iterdir()] == ["features.db"]


def test_store_with_a_running_writer_is_read_as_it_changes(folder: Path, tmp_path: Path) -> None:
    store = LocalStore.open(f"sqlite:///{folder}/features.db", "ohlc", 1)
    store.write([candle(0), candle(1)])
    assert _read(folder, tmp_path) == ["1 2", "1 2"]
    store.close()


def test_log_of_a_killed_writer_that_cannot_be_read_is_named(folder: Path, tmp_path: Path) -> None:
    store = LocalStore.open(f"sqlite:///{folder}/features.db", "ohlc", 1)
    store.write([candle(0)])
    with tempfile.TemporaryDirectory() as aside:
        for name in ("features.db", "features.db-wal"):
            shutil.copy(folder / name, aside)
        store.close()
        for name in ("features.db", "features.db-wal"):
            shutil.copy(Path(aside) / name, folder)
    (line,) = _read(folder, tmp_path)
    assert "is read-only" in line
    assert "features.db-wal" in line

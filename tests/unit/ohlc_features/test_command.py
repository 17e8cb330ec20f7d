"""The command prints what models read, and says what is wrong in one line."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from ohlc_features.command import main
from ohlc_features.reading import FeatureReader
from support.candle_records import candle

Stored = Callable[..., FeatureReader]


def _run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    assert isinstance(ended.value.code, int)
    return ended.value.code


@pytest.fixture
def url(stored: Stored, tmp_path: Path) -> str:
    stored(candle(0), candle(1), candle(0, product_id="ETH/USD"))
    return f"sqlite:///{tmp_path}/features.db"


def test_candles_are_printed_as_a_table(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert _run("candles", "--url", url) == 0
    out = capsys.readouterr().out
    assert "2026-09-21 00:01:00" in out
    assert "3 rows" in out


def test_latest_is_printed_as_json_lines(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert _run("latest", "--url", url, "--product", "BTC/USD", "--format", "json") == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert json.loads(line)["window_start"].startswith("2026-09-21T00:01:00")


def test_parquet_goes_to_the_folder(
    url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run("candles", "--url", url, "--format", "parquet", "--out", f"{tmp_path}/lake") == 0
    assert "3 rows" in capsys.readouterr().out
    assert len(list((tmp_path / "lake").rglob("*.parquet"))) == 1


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (["candles", "--start", "yesterday"], 2, "'yesterday'"),
        (["candles", "--interval", "1 minute"], 2, "'1 minute'"),
        (["latest", "--url", "mysql://h/d"], 2, "FEATURE_STORE_URL was"),
        (["latest", "--url", "sqlite:///none.db"], 1, "no feature store at none.db"),
        (["latest", "--exchange", "krakn"], 1, "no exchange 'krakn'; it has kraken"),
        (["candles", "--product", "BTCUSD"], 1, "no product 'BTCUSD'; it has BTC/USD, ETH/USD"),
        (["candles", "--interval", "5m"], 1, "no interval '5m'; it has 1m"),
        (["candles", "--start", "1790035200"], 2, "'1790035200'"),
    ],
)
def test_what_is_wrong_is_one_line(
    url: str,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    code: int,
    text: str,
) -> None:
    with_url = arguments if "--url" in arguments else [*arguments, "--url", url]
    assert _run(*with_url) == code
    (line,) = capsys.readouterr().err.splitlines()
    assert text in line


@pytest.mark.parametrize("width", [80, 100, 200])
def test_table_fits_the_terminal(
    url: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    with pytest.raises(SystemExit):
        main(["candles", "--url", url])
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= width
    assert "close" in "".join(lines[:3])

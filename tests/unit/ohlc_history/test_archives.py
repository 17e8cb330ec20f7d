"""Archives that are empty in part, damaged, encrypted, odd or very large."""

import gzip
import io
import zipfile
import zlib
from pathlib import Path
from unittest.mock import Mock

import pytest

from ohlc_core.errors import SettingsError
from ohlc_history.sources import delimited
from ohlc_history.sources.archive import paths_at
from ohlc_history.sources.base import SourceError
from support.history_files import T0, opened, taken


def rows(count: int, first: int = 0) -> str:
    return "".join(f"{T0 + n},{100 + n},1\n" for n in range(first, first + count))


def zipped(path: Path, **members: str) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in members.items():
            archive.writestr(f"TimeAndSales/{name}.csv", text)
    return path


def test_empty_member_hides_none_behind_it(tmp_path: Path) -> None:
    zipped(tmp_path / "all.zip", ETHUSD=rows(3), XBTAED="", XBTUSD=rows(4))
    source = opened(tmp_path, "ETH/USD", "BTC/AED", "BTC/USD")
    assert [source.parts(product) for product in ("ETH/USD", "BTC/AED", "BTC/USD")] == [1, 0, 1]
    assert source.empty_parts("BTC/AED") == ["all.zip/TimeAndSales/XBTAED.csv"]
    assert source.left_out == []


def test_unreadable_member_hides_none_behind_it(tmp_path: Path) -> None:
    zipped(tmp_path / "all.zip", ETHUSD="open,close\n1,2\n", XBTUSD=rows(4))
    source = opened(tmp_path, "ETH/USD", "BTC/USD")
    assert source.parts("BTC/USD") == 1
    assert [left.part for left in source.left_out] == ["all.zip/TimeAndSales/ETHUSD.csv"]


def _flip(path: Path, needle: bytes, value: bytes) -> None:
    body = path.read_bytes()
    path.write_bytes(body.replace(needle, value))


def test_damaged_archive_among_good_ones_is_left_out_by_name(tmp_path: Path) -> None:
    zipped(tmp_path / "a.zip", XBTUSD=rows(4))
    (tmp_path / "b.zip").write_bytes((tmp_path / "a.zip").read_bytes()[:60])
    source = opened(tmp_path, "BTC/USD")
    assert [left.part for left in source.left_out] == ["b.zip"]


@pytest.mark.parametrize(
    ("method", "words"), [(9, "packed in a way that cannot be read"), (0, "is damaged")]
)
def test_unsupported_or_corrupt_member_is_named(tmp_path: Path, method: int, words: str) -> None:
    path = zipped(tmp_path / "b.zip", XBTUSD=rows(400))
    zipped(tmp_path / "a.zip", XBTUSD=rows(4))
    body = bytearray(path.read_bytes())
    if method:
        for mark, offset in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
            at = body.index(mark) + offset
            body[at : at + 2] = method.to_bytes(2, "little")
    else:
        body[300:320] = bytes(20)
    path.write_bytes(bytes(body))
    (left,) = opened(tmp_path, "BTC/USD").left_out
    assert left.part == "b.zip/TimeAndSales/XBTUSD.csv"
    assert words in left.reason


def test_encrypted_member_is_named(tmp_path: Path) -> None:
    path = zipped(tmp_path / "b.zip", XBTUSD=rows(4))
    zipped(tmp_path / "a.zip", XBTUSD=rows(4))
    body = bytearray(path.read_bytes())
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        body[body.index(mark) + offset] |= 1
    path.write_bytes(bytes(body))
    (left,) = opened(tmp_path, "BTC/USD").left_out
    assert "is encrypted" in left.reason


def test_cut_gzip_is_named_when_its_end_is_reached(tmp_path: Path) -> None:
    packed = gzip.compress(rows(200_000).encode())
    (tmp_path / "XBTUSD.csv.gz").write_bytes(packed[: len(packed) - 50])
    with pytest.raises(SourceError, match=r"^XBTUSD.csv.gz: is damaged"):
        taken(tmp_path)


def test_archive_of_many_members_is_opened_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each opening reads the list of all members: with one per member, time grows as its square."""
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as packed:
        for number in range(200):
            packed.writestr(f"XBTUSD-{number:04}.csv", rows(2, number * 2))
    openings = Mock(wraps=zipfile.ZipFile)
    monkeypatch.setattr(zipfile, "ZipFile", openings)
    assert len(taken(tmp_path).prices) == 400
    assert openings.call_count == 1


def test_line_without_end_is_refused_before_memory_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delimited, "_BLOCK_BYTES", 1 << 16)
    packer, body = zlib.compressobj(9, wbits=31), io.BytesIO()
    body.write(packer.compress(rows(2).encode()))
    for _ in range(64):
        body.write(packer.compress(bytes(1 << 20).replace(b"\0", b"9")))
    body.write(packer.flush())
    (tmp_path / "XBTUSD.csv.gz").write_bytes(body.getvalue())
    with pytest.raises(SourceError, match=r"XBTUSD.csv.gz: has a line of more than"):
        taken(tmp_path)


def test_name_that_no_file_can_have_is_a_wrong_setting() -> None:
    with pytest.raises(SettingsError, match="File name too long"):
        paths_at("a" * 300)

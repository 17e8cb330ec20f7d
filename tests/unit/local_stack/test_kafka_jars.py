"""Kafka's jars are the pinned ones, byte for byte."""

import hashlib
from pathlib import Path

import pytest

from local_stack.brokers import kafka_jars


@pytest.fixture
def jars(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "jars"
    folder.mkdir()
    (folder / "a.jar").write_bytes(b"a")
    (folder / "b.jar").write_bytes(b"b")
    digests = [f"{hashlib.sha512(name.encode()).hexdigest()}  {name}.jar\n" for name in "ab"]
    (tmp_path / "jars.sha512").write_text("".join(digests))
    monkeypatch.setattr(kafka_jars, "_CHECKSUMS", tmp_path / "jars.sha512")
    return folder


def test_pinned_jars_are_taken(jars: Path) -> None:
    kafka_jars.check_jars(jars)


@pytest.mark.parametrize(
    ("name", "content"), [("b.jar", b"other"), ("b.jar", None), ("c.jar", b"c")]
)
def test_other_missing_or_further_jar_is_refused_by_name(
    jars: Path, name: str, content: bytes | None
) -> None:
    if content is None:
        (jars / name).unlink()
    else:
        (jars / name).write_bytes(content)
    with pytest.raises(kafka_jars.KafkaJarsError, match=name):
        kafka_jars.check_jars(jars)


def test_jars_in_the_cache_are_the_pinned_ones() -> None:
    folder = kafka_jars.jars_folder()
    if not folder.is_dir():
        pytest.skip("Kafka's jars are not in the cache")
    kafka_jars.check_jars(folder)

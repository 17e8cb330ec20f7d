"""Which broker LOCAL_BROKER means, and what is said where there is none."""

from pathlib import Path

import pytest

from local_stack.brokers import UnavailableBrokerError, choice, kafka_jars, noida, start_broker


@pytest.fixture
def no_java(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """Brokers that would have been started, and why."""
    started: list[tuple[str, str]] = []
    monkeypatch.setattr(choice, "_start_kafka", lambda _d, _p, why: started.append(("kafka", why)))
    monkeypatch.setattr(choice, "_start_noida", lambda _d, _p, why: started.append(("noida", why)))
    return started


@pytest.mark.usefixtures("no_java")
def test_auto_takes_noida_where_java_is_missing(
    started: list[tuple[str, str]], tmp_path: Path
) -> None:
    start_broker("auto", tmp_path)
    assert started == [("noida", "java is not installed")]


@pytest.mark.usefixtures("no_java")
def test_kafka_asked_for_without_java_is_refused_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(UnavailableBrokerError, match=r"java is not installed; install Java 17"):
        start_broker("kafka", tmp_path)


def test_auto_takes_noida_where_the_jars_can_not_be_had(
    started: list[tuple[str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> Path:
        raise kafka_jars.KafkaJarsError("mvn could not get Kafka's jars: no network")

    monkeypatch.setattr(kafka_jars, "missing", lambda: "")
    monkeypatch.setattr(kafka_jars, "ensure_jars", fail)
    start_broker("auto", tmp_path)
    assert started == [("noida", "mvn could not get Kafka's jars: no network")]


def test_auto_takes_kafka_where_it_can(
    started: list[tuple[str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kafka_jars, "missing", lambda: "")
    monkeypatch.setattr(kafka_jars, "ensure_jars", lambda: tmp_path)
    start_broker("auto", tmp_path)
    assert started == [("kafka", "Java and Kafka's jars are there")]


def test_noida_asked_for_is_taken(started: list[tuple[str, str]], tmp_path: Path) -> None:
    start_broker("noida", tmp_path)
    assert started == [("noida", "asked for")]


def test_no_broker_at_all_is_reported_with_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(noida, "missing", lambda: "the pip package noida-db is not installed")
    monkeypatch.setattr(kafka_jars, "missing", lambda: "java is not installed")
    with pytest.raises(
        UnavailableBrokerError, match=r"no local broker can be run: java is not installed, and the"
    ):
        start_broker("auto", tmp_path)


def test_the_jars_folder_changes_with_the_pinned_versions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    before = kafka_jars.jars_folder()
    changed = tmp_path / "pom.xml"
    changed.write_text("<project/>")
    monkeypatch.setattr(kafka_jars, "_POM", changed)
    assert before.parent == kafka_jars.jars_folder().parent == tmp_path / "ohlc-pipeline"
    assert kafka_jars.jars_folder() != before


def test_a_failed_download_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "mvn").write_text("#!/bin/sh\necho '[ERROR] no such artifact'; exit 1\n")
    (programs / "mvn").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with pytest.raises(kafka_jars.KafkaJarsError, match="no such artifact"):
        kafka_jars.ensure_jars()
    left = [path.name for path in (tmp_path / "cache" / "ohlc-pipeline").iterdir()]
    assert [name for name in left if not name.endswith(".lock")] == []


def test_home_that_cannot_be_written_is_named_with_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "file"))
    with pytest.raises(kafka_jars.KafkaJarsError, match=r"cannot be written .* XDG_CACHE_HOME"):
        kafka_jars.ensure_jars()

"""The frame of every service: exit codes, one-line errors, signals."""

import linecache
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from pydantic import Field, SecretStr

from ohlc_core.errors import FatalError, SettingsError
from ohlc_core.service.clean_text import clean
from ohlc_core.service.runner import Runtime, run_service
from ohlc_core.service.setting_groups import (
    IntervalSettings,
    KafkaSettings,
    ObservabilitySettings,
    RunSettings,
)
from ohlc_core.service.settings import load
from ohlc_core.version import __version__
from ohlc_exchanges.http import RestFetcher
from ohlc_exchanges.kraken.adapter import Kraken
from ohlc_exchanges.settings import ProductSettings
from ohlc_history.sources.base import SourceError
from support.wait import wait_until


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["service"])
    for name in (
        "OHLC_INTERVALS",
        "KAFKA_SECURITY_PROTOCOL",
        "RUN_ID",
        "METRICS_PORT",
        "LOG_LEVEL",
    ):
        monkeypatch.delenv(name, raising=False)


class Observed(ObservabilitySettings):
    """service: for tests."""

    example = "service --log-level DEBUG"


def exit_code(run: object, settings: type[ObservabilitySettings] = ObservabilitySettings) -> object:
    with pytest.raises(SystemExit) as ended:
        run_service("service", settings, run)  # type: ignore[arg-type]
    return ended.value.code


def test_a_service_that_is_done_exits_0() -> None:
    assert exit_code(lambda settings, runtime: None) == 0


def test_what_can_not_be_recovered_from_exits_1() -> None:
    def run(settings: ObservabilitySettings, runtime: Runtime) -> None:
        raise FatalError("the disk is full; make room")

    assert exit_code(run) == 1


def test_error_of_any_package_exits_1_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    def run(settings: ObservabilitySettings, runtime: Runtime) -> None:
        raise SourceError("file x.csv has no column price")

    assert exit_code(run) == 1
    reported = capsys.readouterr().err
    assert reported.count("\n") == 1
    assert "Traceback" not in reported


def test_stop_while_waiting_for_an_exchange_exits_0(capsys: pytest.CaptureFixture[str]) -> None:
    def run(settings: ObservabilitySettings, runtime: Runtime) -> None:
        fetcher = RestFetcher(Kraken(), "http://127.0.0.1:1", stop=runtime.stop)
        runtime.stop.set()
        fetcher(Kraken().product_check("BTC/USD"))

    assert exit_code(run) == 0
    assert "Traceback" not in capsys.readouterr().err


def test_wrong_settings_exit_2_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LOG_FORMAT", "xml")
    assert exit_code(lambda settings, runtime: None) == 2
    shown = capsys.readouterr().err
    assert shown.count("\n") == 1
    assert "LOG_FORMAT was 'xml'" in shown
    assert "allowed: text (for people) or json" in shown


def test_settings_found_wrong_later_exit_2() -> None:
    def run(settings: ObservabilitySettings, runtime: Runtime) -> None:
        raise SettingsError("PRODUCT_IDS was 'X/Y'")

    assert exit_code(run) == 2


def test_sigterm_is_noticed_while_the_main_thread_waits_in_a_library() -> None:
    noticed: list[bool] = []

    def run(settings: ObservabilitySettings, runtime: Runtime) -> None:
        def waits_in_the_library() -> bool:
            frame = sys._current_frames()[threading.main_thread().ident or 0]
            return "list_topics" in linecache.getline(frame.f_code.co_filename, frame.f_lineno)

        def send_and_look() -> None:
            wait_until(waits_in_the_library)
            os.kill(os.getpid(), signal.SIGTERM)
            noticed.append(runtime.stop.wait(2))

        sender = threading.Thread(target=send_and_look)
        with socket.create_server(("127.0.0.1", 0)) as silent:
            # Connects, and waits in C for an answer that never comes.
            client = AdminClient({"bootstrap.servers": f"127.0.0.1:{silent.getsockname()[1]}"})
            sender.start()
            with pytest.raises(KafkaException):
                client.list_topics(timeout=3)
        sender.join()

    assert exit_code(run) == 0
    assert noticed == [True]


def test_sigterm_stops_a_service_well() -> None:
    def run(settings: ObservabilitySettings, runtime: Runtime) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        assert runtime.stop.wait(5)

    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    try:
        assert exit_code(run) == 0
    finally:
        signal.signal(signal.SIGTERM, before[0])
        signal.signal(signal.SIGINT, before[1])


def test_a_taken_metrics_port_is_a_wrong_setting(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        monkeypatch.setenv("METRICS_PORT", str(taken.getsockname()[1]))
        assert exit_code(lambda settings, runtime: None) == 2
    assert "METRICS_PORT" in capsys.readouterr().err


def test_help_shows_groups_defaults_and_exit_codes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["service", "--help"])
    assert exit_code(lambda settings, runtime: None, Observed) == 0
    shown = capsys.readouterr().out
    for text in (
        "for tests",
        "Logs, metrics and health:\n  --log-level\n      TRACE, DEBUG",
        "[default: INFO]",
        "service --log-level DEBUG",
        "2 wrong settings",
    ):
        assert text in shown


def test_version_is_that_of_the_package(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["service", "--version"])
    assert exit_code(lambda settings, runtime: None) == 0
    assert capsys.readouterr().out == f"service {__version__}\n"


def test_option_wins_over_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOG_LEVEL", "error")
    monkeypatch.setattr(sys, "argv", ["service", "--log-level=debug", "--metrics-host", "::1"])
    seen: list[ObservabilitySettings] = []
    assert exit_code(lambda settings, runtime: seen.append(settings)) == 0
    assert (seen[0].log_level, seen[0].metrics_host) == ("DEBUG", "::1")


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["--products", "X"], "unrecognized arguments: --products X"),
        (["--log-format"], "--log-format: expected one argument"),
        (["--log-format", "xml"], "LOG_FORMAT was 'xml'"),
        (["--metrics-port", "x"], "METRICS_PORT was 'x'"),
    ],
)
def test_wrong_option_exits_2_in_one_line(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    part: str,
) -> None:
    monkeypatch.setattr(sys, "argv", ["service", *arguments])
    assert exit_code(lambda settings, runtime: None) == 2
    shown = capsys.readouterr().err
    assert shown.count("\n") == 1
    assert part in shown


@pytest.mark.parametrize(
    "content", ["LOG_LEVEL=INFO\n".encode("utf-16"), "A=1\n".encode("utf-16-le"), b"A=\xff\n"]
)
def test_env_file_that_is_no_utf8_exits_2_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes
) -> None:
    (tmp_path / ".env").write_bytes(content)
    assert exit_code(lambda settings, runtime: None) == 2
    assert capsys.readouterr().err == (
        "service: wrong setting: the file .env is no UTF-8 text; save it as UTF-8\n"
    )


@pytest.mark.parametrize("line", ["LOG LEVEL=INFO", "A='open", "=1"])
def test_env_file_line_that_sets_nothing_is_numbered_and_not_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], line: str
) -> None:
    (tmp_path / ".env").write_text(f"# mine\nLOG_LEVEL=INFO\n{line}\n")
    assert exit_code(lambda settings, runtime: None) == 2
    shown = capsys.readouterr().err
    assert shown.startswith("service: wrong setting: line 3 of the file .env sets nothing")
    assert line not in shown
    assert shown.count("\n") == 1


def test_misspelt_setting_in_env_file_is_reported_with_nearest_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / ".env").write_text("PRODUCT_IDSS=BTC/USD\nEDITOR=vi\nLOG_LEVEL=INFO\n")
    assert exit_code(lambda settings, runtime: None) == 0
    shown = capsys.readouterr().err
    assert shown.count("which nothing reads") == 1
    assert ".env sets PRODUCT_IDSS, which nothing reads; PRODUCT_IDS is meant?" in shown


def test_misspelt_setting_in_environment_is_reported_with_nearest_name(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PRODUCT_IDSS", "BTC/USD")
    assert exit_code(lambda settings, runtime: None) == 0
    line = "the environment sets PRODUCT_IDSS, which nothing reads; PRODUCT_IDS is meant?"
    assert line in capsys.readouterr().err


def test_setting_of_an_earlier_release_is_reported_with_what_became_of_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / ".env").write_text("MAX_PARKED_TRADES=5\nWRITE_BATCH_SECONDS=1\n")
    assert exit_code(lambda settings, runtime: None) == 0
    shown = capsys.readouterr().err
    line = ".env sets MAX_PARKED_TRADES, which nothing reads any more: it is called MAX_BUFFERED_"
    assert line in shown
    assert "sets WRITE_BATCH_SECONDS, which nothing reads any more" in shown


def test_secret_is_read_from_its_file_and_hidden(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "kafka_sasl_password").write_text("pa$$word\n")
    monkeypatch.setattr("ohlc_core.service.settings.SECRETS_FOLDER", tmp_path)
    assert load(KafkaSettings).kafka_sasl_password.get_secret_value() == "pa$$word"
    assert clean("said pa$$word") == "said ***"
    monkeypatch.setenv("KAFKA_SASL_PASSWORD", "other")
    assert load(KafkaSettings).kafka_sasl_password.get_secret_value() == "other"


def test_secret_that_is_no_text_is_reported_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "kafka_sasl_password").write_bytes(b"\xff\xfe")
    monkeypatch.setattr("ohlc_core.service.settings.SECRETS_FOLDER", tmp_path)
    with pytest.raises(SettingsError, match=f"{tmp_path} cannot be read"):
        load(KafkaSettings)


@pytest.mark.parametrize(
    ("name", "value", "part"),
    [
        ("KAFKA_BROKER_ADDRESS", "nowhere", "'nowhere' has no port"),
        ("KAFKA_BROKER_ADDRESS", "a:9092,b", "'b' has no port"),
        ("KAFKA_BROKER_ADDRESS", "a:99999", "'a:99999' has no port"),
        ("KAFKA_SSL_CA_LOCATION", "/no/such/ca.pem", "there is no such file"),
        ("KAFKA_SSL_CA_LOCATION", "a" * 300, "File name too long"),
    ],
)
def test_wrong_broker_setting_names_it(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, part: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=part) as error:
        load(KafkaSettings)
    assert str(error.value).startswith(f"{name} was ")


def test_a_service_that_waits_for_the_broker_still_stops_at_once(tmp_path: Path) -> None:
    env = {
        "PATH": os.environ["PATH"],
        "KAFKA_BROKER_ADDRESS": "127.0.0.1:1",
        "STATE_DIR": str(tmp_path),
    }
    script = Path(sys.executable).with_name("ohlc-aggregator")
    process = subprocess.Popen([script], env=env, cwd=tmp_path, stderr=subprocess.PIPE)
    stopper = threading.Timer(2.0, process.terminate)
    begin = time.monotonic()
    stopper.start()
    _, shown = process.communicate(timeout=30)
    assert process.returncode == 0, shown
    assert time.monotonic() - begin < 20


def test_a_broker_that_never_answers_exits_1_in_one_line(tmp_path: Path) -> None:
    env = {
        "PATH": os.environ["PATH"],
        "KAFKA_BROKER_ADDRESS": "127.0.0.1:1",
        "KAFKA_STARTUP_TIMEOUT_SECONDS": "0.5",
    }
    script = Path(sys.executable).with_name("feature-writer")
    done = subprocess.run(
        [script], env=env, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1
    assert "KAFKA_BROKER_ADDRESS=127.0.0.1:1" in done.stderr
    assert "Traceback" not in done.stderr


def test_secrets_are_never_shown_again(monkeypatch: pytest.MonkeyPatch) -> None:
    class Secretive(ObservabilitySettings):
        some_key: SecretStr = Field(SecretStr(""), min_length=20, description="20 characters")

    monkeypatch.setenv("SOME_KEY", "too-short-secret")
    with pytest.raises(SettingsError) as error:
        load(Secretive)
    assert "too-short-secret" not in str(error.value)
    assert "SOME_KEY" in str(error.value)


@pytest.mark.parametrize(
    ("name", "value", "part"),
    [
        ("OHLC_INTERVALS", "1m,1x", "expected e.g. 30s"),
        ("OHLC_INTERVALS", "1m,1m", "twice"),
        ("OHLC_INTERVALS", ",", "is empty"),
    ],
)
def test_wrong_intervals_are_reported_with_what_is_allowed(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, part: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=part) as error:
        load(IntervalSettings)
    assert name in str(error.value)


def test_an_empty_value_counts_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRODUCT_IDS", "")
    assert load(ProductSettings).product_ids == ("BTC/USD", "ETH/USD")


def test_sasl_without_credentials_names_every_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAFKA_SECURITY_PROTOCOL", "SASL_SSL")
    with pytest.raises(SettingsError, match="KAFKA_SASL_PASSWORD"):
        load(KafkaSettings)


def test_a_run_id_that_is_no_topic_name_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUN_ID", "a b")
    with pytest.raises(SettingsError, match="RUN_ID was 'a b'"):
        load(RunSettings)


def test_host_that_is_none_of_this_machine_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["service", "--metrics-port=0", "--metrics-host=192.0.2.1"])
    assert exit_code(lambda settings, runtime: None) == 2
    assert "METRICS_HOST '192.0.2.1'" in capsys.readouterr().err

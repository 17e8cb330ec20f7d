"""What cannot work ends a local run before anything is started: one line with the remedy."""

import socket
from pathlib import Path

import pytest

from local_stack import preflight
from local_stack.errors import StackError
from support.processes import Processes

pytestmark = pytest.mark.e2e


@pytest.mark.parametrize("command", ["demo", "run", "debug", "backfill"])
def test_wrong_settings_of_all_services_are_named_at_once(
    processes: Processes, command: str
) -> None:
    settings = {
        "LOCAL_BROKER": "noida",
        "LATE_RETENTION": "soon",
        "WRITE_BATCH_SIZE": "0",
        "FROM_DAY": "2023-08-01",
    }
    run = processes("local-stack", settings, args=(command,))
    assert run.wait(30) == 2, run.log()
    assert len(run.log_lines()) == 1
    for part in ("LATE_RETENTION was 'soon'", "WRITE_BATCH_SIZE was '0'"):
        assert run.log().count(part) == 1
    assert not (run.log_file.parent / "run").exists() or not list(
        (run.log_file.parent / "run").rglob("*.log")
    )


@pytest.mark.parametrize(
    ("settings", "code", "part"),
    [
        (
            {"KAFKA_BROKER_ADDRESS": "127.0.0.1:1", "KAFKA_STARTUP_TIMEOUT_SECONDS": "1"},
            1,
            "no broker answered at KAFKA_BROKER_ADDRESS=127.0.0.1:1 within 1 s",
        ),
        ({"KAFKA_BROKER_ADDRESS": "nowhere"}, 2, "'nowhere' has no port"),
        ({"KAFKA_SSL_CA_LOCATION": "/no/ca.pem"}, 2, "KAFKA_SSL_CA_LOCATION was '/no/ca.pem'"),
        ({"FEATURE_STORE_URL": "sqlite:////proc/none/x.db"}, 1, "/proc/none, can"),
        ({"LOCAL_STACK_FOLDER": "/proc/none"}, 1, "set LOCAL_STACK_FOLDER to one that can"),
        ({"FROM_DAY": "2999-01-01"}, 2, "FROM_DAY was 2999-01-01, which is in the future"),
    ],
)
def test_impossible_run_ends_in_one_line(
    processes: Processes, settings: dict[str, str], code: int, part: str
) -> None:
    command = "backfill" if "FROM_DAY" in settings else "run"
    run = processes("local-stack", {"LOCAL_BROKER": "noida", **settings}, args=(command,))
    assert run.wait(30) == code, run.log()
    assert part in run.log()
    assert len(run.log_lines()) == 1, run.log()


def test_taken_metrics_port_is_named(processes: Processes) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        run = processes("local-stack", {"METRICS_PORT": str(port)}, args=("demo",))
        assert run.wait(30) == 2, run.log()
    assert f"METRICS_PORT was {port}" in run.log()


def test_missing_client_names_make_target(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight, "hopsworks_python", lambda: None)
    monkeypatch.setattr(preflight.importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(StackError, match="make hopsworks-client") as error:
        preflight.check_client("hopsworks")
    assert error.value.exit_code == 2


def test_missing_replay_path_is_refused_before_anything_is_started(
    processes: Processes, tmp_path: Path
) -> None:
    settings = {
        "REPLAY_SOURCE": "files",
        "REPLAY_PATH": str(tmp_path / "missing.csv"),
        "FROM_DAY": "2023-08-01",
    }
    run = processes("local-stack", settings, args=("backfill",))
    assert run.wait(30) == 2, run.log()
    assert "missing.csv', where there is no file" in run.log()
    assert not list((tmp_path / "processes" / "run").glob("backfill-*"))


def test_resumed_backfill_with_other_settings_is_refused(
    processes: Processes, tmp_path: Path
) -> None:
    (tmp_path / "XBTUSD.csv").write_text("no trades\n")
    settings = {
        "LOCAL_BROKER": "noida",
        "REPLAY_SOURCE": "files",
        "REPLAY_PATH": str(tmp_path / "XBTUSD.csv"),
        "FROM_DAY": "2023-08-01",
        "RUN_ID": "mine",
    }
    begun = processes("local-stack", settings, args=("backfill",))
    assert begun.wait(60) == 1, begun.log()
    other = processes("local-stack", {**settings, "OHLC_INTERVALS": "2m"}, args=("backfill",))
    assert other.wait(30) == 2
    assert "this backfill was begun with OHLC_INTERVALS=1m,5m,1h; go on with that" in other.log()

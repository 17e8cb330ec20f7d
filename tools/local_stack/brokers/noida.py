"""noida, a small Kafka-compatible broker from pip: starts at once, needs no Java, has limits.

Its limits, as measured: one consumer a group (a second one that dies is never noticed), so every
service needs a fixed KAFKA_GROUP_INSTANCE_ID to take its place back after a restart; SIGKILL loses
the last seconds of acknowledged writes; all data is rewritten about every second, so it is for
topics of well under 100,000 records; transactions are not to be relied on. Good for trying the
product out, not for keeping data.
"""

import importlib.util
import os
from pathlib import Path

from local_stack.brokers.broker import LocalBroker
from local_stack.processes import ManagedProcess

LIMITS = (
    "noida keeps data only when stopped in an orderly way, is meant for small topics, one consumer "
    "a group and at-least-once; install Java and Maven for a real Kafka"
)


def missing() -> str:
    """Return why noida cannot be run on this machine, or "" when it can."""
    return "" if _program() else "the pip package noida-db is not installed"


def noida_broker(data_dir: Path, port: int, why: str) -> LocalBroker:
    """Prepare a noida over ``data_dir``, keeping the data that is already there."""
    store = data_dir / "store"
    store.mkdir(parents=True, exist_ok=True)
    program = _program() or Path("noida-db")
    if program.is_file() and not os.access(program, os.X_OK):
        program.chmod(0o755)  # pip installs it as data; its own wrapper does the same
    command: list[str | Path] = [program, "start", "--only", "kafka", "--host", "127.0.0.1"]
    command += ["--kafka-port", str(port), "--data-dir", store]
    process = ManagedProcess("noida", command, data_dir / "broker.log", cwd=data_dir)
    return LocalBroker("noida", port, process, why)


def _program() -> Path | None:
    """Return the server itself.

    The package's console script would hide it behind a wrapper, which ends on SIGTERM before the
    server has written its data out.
    """
    package = importlib.util.find_spec("noida_db")
    if package is None or package.origin is None:
        return None
    program = Path(package.origin).with_name("noida-db")
    return program if program.is_file() else None

"""A Postgres server of the test's own, where its programs are installed."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, LiteralString

import psutil
import pytest

from support.wait import wait_until

_FOLDERS = [
    str(folder) for folder in sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
]


def _program(name: str) -> str:
    found = shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", ""), *_FOLDERS]))
    if found is None:
        pytest.skip(f"needs Postgres, but {name} is not installed")
    return found


def postgres_user() -> str | None:
    """Return whom to run as: Postgres refuses root."""
    if os.getuid() != 0:
        return None
    try:
        return pwd.getpwnam("postgres").pw_name
    except KeyError:
        pytest.skip("needs a user postgres to run Postgres as")


def can_run_postgres() -> bool:
    """Return whether a server can be run here."""
    path = os.pathsep.join([os.environ.get("PATH", ""), *_FOLDERS])
    if any(shutil.which(name, path=path) is None for name in ("postgres", "initdb")):
        return False
    return os.getuid() != 0 or any(each.pw_name == "postgres" for each in pwd.getpwall())


class PostgresServer:
    """A running server on the loopback interface."""

    def __init__(self, folder: Path, port: int, user: str | None) -> None:
        self.url = f"postgresql://tester@127.0.0.1:{port}/postgres"
        self._folder = folder
        self._port = port
        self._user = user
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it answers."""
        command = [_program("postgres"), "-D", str(self._folder / "data"), "-p", str(self._port)]
        options = ["-h", "127.0.0.1", "-k", str(self._folder), "-c", "fsync=off"]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [*command, *options], stdout=log, stderr=log, user=self._user, cwd="/"
            )
        wait_until(self._answers, 30, "Postgres to answer")

    @property
    def is_running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._process is not None and self._process.poll() is None

    def stop(self) -> None:
        """Stop it at once; its data stays."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(5)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None

    @contextmanager
    def silent(self) -> Iterator[None]:
        """Let it keep every connection open and answer nothing, as on a machine that hangs."""
        assert self._process is not None
        processes = [psutil.Process(self._process.pid)]
        processes += processes[0].children(recursive=True)
        for each in processes:
            each.suspend()
        try:
            yield
        finally:
            for each in processes:
                each.resume()

    def crash(self) -> None:
        """Kill it and its backends at once, as a crash of the machine would."""
        assert self._process is not None
        self._process.send_signal(signal.SIGQUIT)  # Postgres' immediate shutdown
        self._process.wait()
        self._process = None

    def query(self, sql: LiteralString) -> list[tuple[Any, ...]]:
        """Return the rows of a query."""
        import psycopg

        with psycopg.connect(self.url) as connection:
            return connection.execute(sql).fetchall()

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self._folder / "log").read_text()
        try:
            import psycopg

            psycopg.connect(self.url, connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True


@contextmanager
def postgres_server() -> Iterator[PostgresServer]:
    """Run a new, empty server; the test is skipped where Postgres is not installed."""
    initdb, user = _program("initdb"), postgres_user()
    folder = Path(tempfile.mkdtemp(prefix="postgres-test-"))
    try:
        if user is not None:
            shutil.chown(folder, user)
        create = [initdb, "-D", str(folder / "data"), "-U", "tester", "-A", "trust", "--no-sync"]
        subprocess.run(create, check=True, capture_output=True, user=user, cwd="/")
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        server = PostgresServer(folder, port, user)
        server.start()
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)

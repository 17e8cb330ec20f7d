"""PgBouncer in transaction mode before a test's Postgres, where it is installed."""

import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from support.postgres import postgres_user
from support.wait import wait_until


@contextmanager
def pgbouncer(server_url: str, *, pool_size: int = 2) -> Iterator[str]:
    """Run PgBouncer before the server at ``server_url``; yield the URL through it."""
    program = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")
    if program is None:
        pytest.skip("needs PgBouncer, but pgbouncer is not installed")
    user = postgres_user()
    host, _, port = server_url.rpartition("@")[2].partition("/")[0].partition(":")
    with socket.create_server(("127.0.0.1", 0)) as probe:
        own_port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="pgbouncer-test-") as name:
        folder = Path(name)
        (folder / "users.txt").write_text('"tester" ""\n')
        (folder / "pgbouncer.ini").write_text(
            f"[databases]\n* = host={host} port={port} user=tester\n"
            f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {own_port}\n"
            f"auth_type = trust\nauth_file = {folder}/users.txt\nunix_socket_dir =\n"
            f"pool_mode = transaction\ndefault_pool_size = {pool_size}\nmax_client_conn = 50\n"
        )
        if user is not None:
            for each in (folder, *folder.iterdir()):
                shutil.chown(each, user)
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                [program, str(folder / "pgbouncer.ini")], stdout=log, stderr=log, user=user
            )
        url = f"postgresql://tester@127.0.0.1:{own_port}/postgres"

        def answers() -> bool:
            assert process.poll() is None, (folder / "log").read_text()
            try:
                psycopg.connect(url, connect_timeout=2).close()
            except psycopg.OperationalError:
                return False
            return True

        try:
            wait_until(answers, 20, "PgBouncer to answer")
            yield url
        finally:
            process.terminate()
            process.wait(10)

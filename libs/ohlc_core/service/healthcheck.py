"""Ask this machine's service for progress: ``python -S -m ohlc_core.service.healthcheck``.

Exit code 0 while ``/health`` at METRICS_PORT answers 200, else 1 with one line saying why. It runs
every few seconds in every container, so it imports next to nothing.
"""

import os
import socket
import sys

_TIMEOUT_SECONDS = 8.0


def problem(port: str) -> str:
    """Return why the service at this port of the loopback is not healthy; empty when it is."""
    if not port.isdecimal():
        return f"METRICS_PORT was {port!r}, so there is no /health to ask; set it to a port"
    try:
        status, body = _get("/health", int(port))
    except OSError as error:
        return f"http://127.0.0.1:{port}/health did not answer: {error}"
    return "" if status == "200" else f"status {status}: {body}"


def _get(path: str, port: int) -> tuple[str, str]:
    with socket.create_connection(("127.0.0.1", port), timeout=_TIMEOUT_SECONDS) as connection:
        connection.sendall(f"GET {path} HTTP/1.0\r\n\r\n".encode())
        answer = b"".join(iter(lambda: connection.recv(65_536), b"")).decode(errors="replace")
    head, _, body = answer.partition("\r\n\r\n")
    words = head.split()
    return (words[1] if len(words) > 1 else "none"), body


def main() -> int:
    """Return the exit code, and say on stderr what is wrong."""
    why = problem(os.environ.get("METRICS_PORT", ""))
    if why:
        sys.stderr.write(why + "\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

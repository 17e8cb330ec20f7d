"""Free loopback ports for servers that must be able to come back on the same one."""

import random
import socket

# Below the kernel's ephemeral range: a client that keeps knocking at a stopped server's port could
# otherwise be given that very port for its own end, and keep the server from coming back.
_LOWEST, _HIGHEST = 20_000, 32_000

# Whoever asked for a port may not listen on it yet, so this process gives each only once.
_given: set[int] = set()


def is_free(port: int, host: str = "127.0.0.1") -> bool:
    """Return whether a server could listen on the port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def free_port() -> int:
    """Return a loopback port that nothing listens on, outside the ephemeral range.

    No port is returned twice to the same process.

    Raises:
        RuntimeError: no port is free.
    """
    numbers = random.SystemRandom()
    for _ in range(1_000):
        port = numbers.randrange(_LOWEST, _HIGHEST)
        if port not in _given and is_free(port):
            _given.add(port)
            return port
    raise RuntimeError(f"no free port between {_LOWEST} and {_HIGHEST} on 127.0.0.1")

"""Servers that are started together get different ports."""

from unittest.mock import patch

from local_stack import ports


def test_no_port_is_given_twice() -> None:
    with patch.object(ports, "_LOWEST", 30_000), patch.object(ports, "_HIGHEST", 30_040):
        shown = [ports.free_port() for _ in range(15)]
    assert len(set(shown)) == len(shown)

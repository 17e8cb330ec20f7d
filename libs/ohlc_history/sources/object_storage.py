"""Object storage in queries, by fsspec's clients: no extension of DuckDB's to download.

Addresses and keys are the client's own settings, such as ``AWS_ACCESS_KEY_ID`` and
``AWS_ENDPOINT_URL``.
"""

import re
from typing import TYPE_CHECKING

from ohlc_core.errors import SettingsError

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_ADDRESS = re.compile(r"['\"](s3|gs|abfs)://")
_CLIENTS = {"s3": "s3fs", "gs": "gcsfs", "abfs": "adlfs"}
# Whoever loads the extension means its own client.
_EXTENSION = re.compile(r"\b(load|install)\s+(httpfs|azure|aws)\b", re.IGNORECASE)


def connect_object_storage(connection: "DuckDBPyConnection", query: str) -> None:
    """Let the connection read the object storage that a query names.

    Raises:
        SettingsError: the client for it is not installed.
    """
    if _EXTENSION.search(query):
        return
    for protocol in sorted(set(_ADDRESS.findall(query))):
        try:
            import fsspec

            client = fsspec.filesystem(protocol, skip_instance_cache=True)
        except ImportError:
            raise SettingsError(
                f"REPLAY_QUERY reads {protocol}://, which needs {_CLIENTS[protocol]}; pip install "
                f"{_CLIENTS[protocol]}, or begin the query with INSTALL httpfs; LOAD httpfs"
            ) from None
        connection.register_filesystem(client)

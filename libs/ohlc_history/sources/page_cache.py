"""REST pages on disk, so that running a replay again costs no calls.

A response is kept only when it cannot change any more, which its exchange's adapter judges
(`PageState`). The newest, unfinished page never is, nor is any answer to a request without a
cursor.
"""

import hashlib
import os
import tempfile
from pathlib import Path
from typing import NamedTuple

import msgspec
from loguru import logger

from ohlc_exchanges.base import (
    ExchangeAdapter,
    ExchangeError,
    Fetch,
    PageState,
    Request,
    Response,
)

_decoder = msgspec.json.Decoder()


class _Fetched(NamedTuple):
    path: Path
    body: bytes
    state: PageState


class CachedFetch:
    """A ``Fetch`` that looks on disk first.

    Args:
        fetch: performs the requests that are not there.
        adapter: judges which responses are final, and whether a stored one is broken.
        folder: where pages are kept; None: nowhere.
        address: the exchange's REST address; pages of another one are other pages.
    """

    def __init__(
        self,
        fetch: Fetch,
        adapter: ExchangeAdapter,
        folder: Path | None,
        address: str,
    ) -> None:
        self.fetch = fetch
        self.hits = 0
        self.calls = 0
        self._adapter = adapter
        self._folder = folder
        self._address = address
        self._newest: _Fetched | None = None
        self._unfinished: _Fetched | None = None

    def __call__(self, request: Request) -> Response:
        """Return the page from disk, or from the exchange."""
        path = self._path(request)
        stored = None if path is None else self._read(path)
        if stored is not None:
            self.hits += 1
            self._newest = None
            return stored
        response = self.fetch(request)
        self.calls += 1
        self._newest = None
        if path is not None:
            self._keep(request, path, response.body)
        return response

    def page_came(self, *, has_trades: bool) -> None:
        """Note that the newest response was a page; keep what is now known to be finished."""
        if has_trades and self._unfinished is not None:
            _write(self._unfinished)
        self._unfinished = None
        newest, self._newest = self._newest, None
        if newest is None or not has_trades:
            return
        if newest.state == "full":
            _write(newest)
        else:
            self._unfinished = newest

    def _keep(self, request: Request, path: Path, body: bytes) -> None:
        try:
            fetched = _Fetched(path, body, self._adapter.page_state(request, body))
        except (msgspec.MsgspecError, ValueError, LookupError):
            return  # no page; whoever reads it says so
        if fetched.state == "final":
            _write(fetched)
        elif fetched.state != "volatile":
            self._newest = fetched

    def _path(self, request: Request) -> Path | None:
        cursors = self._adapter.cursor_params
        if self._folder is None or not any(name in request.params for name in cursors):
            return None
        params = sorted(request.params.items())
        key = msgspec.json.encode([self._address, request.path, params])
        digest = hashlib.sha256(key).hexdigest()
        return self._folder / digest[:2] / f"{digest}.json"

    def _read(self, path: Path) -> Response | None:
        try:
            response = Response(200, {}, path.read_bytes())
        except FileNotFoundError:
            return None
        try:
            self._adapter.check(response)
            _decoder.decode(response.body)
        except (ExchangeError, msgspec.MsgspecError):
            logger.warning("fetching {} again: the stored page is broken", path)
            return None
        return response


def _write(page: _Fetched) -> None:
    """Write the page whole or not at all."""
    page.path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=page.path.parent, prefix=".page-")
    with os.fdopen(handle, "wb") as file:
        file.write(page.body)
    os.replace(name, page.path)

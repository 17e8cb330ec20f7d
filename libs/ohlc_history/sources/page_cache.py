"""REST pages on disk, so that running a replay again costs no calls.

A response is kept only when it can not change any more:

- what has been told by an ascending cursor (``since``, ``fromId``): when the page was full, or a
  later page followed it;
- what lies below an id (Coinbase's ``after``): when it begins with the very next id below;
- the first trade of a time (``startTime``): when there is one.

The newest, unfinished page never is, nor is any answer to a request without a cursor.
"""

import hashlib
import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import msgspec
from loguru import logger

from ohlc_exchanges.base import ExchangeError, Fetch, Request, Response

_CURSORS = ("since", "after", "fromId", "startTime")
_LIMITS = ("count", "limit")
_decoder = msgspec.json.Decoder()


class _Fetched(NamedTuple):
    path: Path
    body: bytes
    is_full: bool


class CachedFetch:
    """A ``Fetch`` that looks on disk first.

    Args:
        fetch: performs the requests that are not there.
        check: raises an ExchangeError when a stored response is broken.
        folder: where pages are kept; None: nowhere.
        address: the exchange's REST address; pages of another one are other pages.
    """

    def __init__(
        self,
        fetch: Fetch,
        check: Callable[[Response], None],
        folder: Path | None,
        address: str,
    ) -> None:
        self.fetch = fetch
        self.hits = 0
        self.calls = 0
        self._check = check
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
            is_full = _is_full(request.params, response.body)
            fetched = _Fetched(path, response.body, is_full)
            if _is_final(request.params, response.body, is_full=is_full):
                _write(fetched)
            elif "after" not in request.params:
                self._newest = fetched
        return response

    def page_came(self, *, has_trades: bool) -> None:
        """Note that the newest response was a page; keep what is now known to be finished."""
        if has_trades and self._unfinished is not None:
            _write(self._unfinished)
        self._unfinished = None
        newest, self._newest = self._newest, None
        if newest is None or not has_trades:
            return
        if newest.is_full:
            _write(newest)
        else:
            self._unfinished = newest

    def _path(self, request: Request) -> Path | None:
        if self._folder is None or not any(name in request.params for name in _CURSORS):
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
            self._check(response)
            _decoder.decode(response.body)
        except (ExchangeError, msgspec.MsgspecError):
            logger.warning("fetching {} again: the stored page is broken", path)
            return None
        return response


def _is_final(params: Mapping[str, str], body: bytes, *, is_full: bool) -> bool:
    """Whether the answer alone tells that it can not change."""
    if "after" in params:
        rows = _decoder.decode(body)
        return bool(rows) and int(rows[0]["trade_id"]) == int(params["after"]) - 1
    return "startTime" in params and is_full


def _is_full(params: Mapping[str, str], body: bytes) -> bool:
    limit = next((int(params[name]) for name in _LIMITS if name in params), 0)
    return 0 < limit <= _rows(_decoder.decode(body))


def _rows(body: object) -> int:
    """Return how many rows an exchange's answer has: a list, or the longest one inside."""
    if isinstance(body, list):
        return len(body)
    if isinstance(body, dict):
        return max((_rows(value) for value in body.values()), default=0)
    return 0


def _write(page: _Fetched) -> None:
    """Write the page whole or not at all."""
    page.path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=page.path.parent, prefix=".page-")
    with os.fdopen(handle, "wb") as file:
        file.write(page.body)
    os.replace(name, page.path)

"""The HTTP side: the page, its data as JSON, and one event stream per open page.

Only GET. Nothing is written anywhere, no cookie is set, no other site may read an answer.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import (
    FileResponse,
    JSONResponse,
    PlainTextResponse,
    Response,
    StreamingResponse,
)
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from dashboard.chart import chart
from dashboard.market import Market
from dashboard.services import Services
from dashboard.snapshot import Snapshots
from dashboard.store import NoGroupError, Store, StoreAwayError, Wanted
from dashboard.tail import Tails
from ohlc_core.domain.trade import ProductKey

STATIC = Path(__file__).with_name("static")
_MAX_STREAMS = 64
_MAX_CANDLES = 5_000
_MAX_ROWS = 1_000
_QUICK_SECONDS = 0.25
_STORE_LOOK_SECONDS = 2.0
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_MEDIA = {
    "csv": "text/csv; charset=utf-8",
    "jsonl": "application/x-ndjson",
    "parquet": "application/vnd.apache.parquet",
}

Asgi = Callable[..., Awaitable[None]]


class SecurityHeaders:
    """Adds the headers to every answer, and refuses whatever is not a GET."""

    def __init__(self, app: Asgi) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401 - ASGI
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def with_headers(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                extra = [(k.lower().encode(), v.encode()) for k, v in _HEADERS.items()]
                message["headers"] = [*message["headers"], *extra]
            await send(message)

        if scope["method"] not in ("GET", "HEAD"):
            await PlainTextResponse("only GET\n", 405)(scope, receive, with_headers)
            return
        await self._app(scope, receive, with_headers)


class WrongRequestError(ValueError):
    """A parameter is missing or wrong."""


class Dashboard:
    """The application and what it shows.

    Args:
        market, tails, services, store: what it reads.
        allowed_hosts: of the Host header.
    """

    def __init__(
        self,
        market: Market,
        tails: Tails,
        services: Services,
        store: Store,
        allowed_hosts: list[str],
    ) -> None:
        self.closing = asyncio.Event()
        self._market = market
        self._tails = tails
        self._services = services
        self._store = store
        self._snapshots = Snapshots(services, tails, store.name)
        self._latest: dict[str, Any] = {}
        self._streams = 0
        self.app = Starlette(
            routes=[
                Route("/", self._page),
                Route("/licenses", _licenses),
                Route("/api/now", self._now),
                Route("/api/stream", self._stream),
                Route("/api/candles", self._candles),
                Route("/api/rows", self._rows),
                Route("/api/groups", self._groups),
                Route("/api/predictions", self._predictions),
                Route("/api/export", self._export),
                Route("/api/dead-letters", self._dead_letters),
                Route("/api/reports", self._reports),
                Mount("/static", StaticFiles(directory=STATIC)),
            ],
            middleware=[
                Middleware(SecurityHeaders),
                Middleware(TrustedHostMiddleware, allowed_hosts=allowed_hosts),
            ],
            lifespan=self._lifespan,
            exception_handlers={
                WrongRequestError: _wrong_request,
                NoGroupError: _wrong_request,
                StoreAwayError: _store_away,
            },
        )

    @asynccontextmanager
    async def _lifespan(self, _app: Starlette) -> AsyncIterator[None]:
        tasks = [
            asyncio.create_task(self._services.watch()),
            asyncio.create_task(self._look_at_store()),
            asyncio.create_task(self._take_snapshots()),
        ]
        yield
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _take_snapshots(self) -> None:
        while True:
            self._latest = self._snapshots.take()
            await asyncio.sleep(1)

    async def _look_at_store(self) -> None:
        while True:
            try:
                await asyncio.to_thread(self._store.catalogue)
                self._snapshots.store_problem = ""
            except StoreAwayError as error:
                self._snapshots.store_problem = str(error)
            await asyncio.sleep(_STORE_LOOK_SECONDS)

    # --- pages ------------------------------------------------------------------------------

    async def _page(self, _request: Request) -> Response:
        return FileResponse(STATIC / "index.html", media_type="text/html; charset=utf-8")

    async def _now(self, _request: Request) -> Response:
        catalogue: list[dict[str, Any]] = []
        problem = ""
        try:
            catalogue = await asyncio.to_thread(self._store.catalogue)
        except StoreAwayError as error:
            problem = str(error)
        names = ("exchange", "product_id", "candle_interval", "window_end", "close", "stored_at")
        rows = [{name: row.get(name) for name in names} for row in catalogue]
        return JSONResponse(self._latest | {"stored": rows, "stored_problem": problem})

    async def _candles(self, request: Request) -> Response:
        limit = _number(request, "limit", 300, 1, _MAX_CANDLES)
        found = await asyncio.to_thread(chart, self._market, self._store, _wanted(request), limit)
        return JSONResponse(found)

    async def _rows(self, request: Request) -> Response:
        wanted = _wanted(request)
        limit = _number(request, "limit", 100, 1, _MAX_ROWS)
        rows = await asyncio.to_thread(self._store.page, wanted, limit)
        if request.query_params.get("span") == "no":
            return JSONResponse({"rows": rows})
        span = await asyncio.to_thread(self._store.span, wanted._replace(before_ms=None))
        return JSONResponse({"rows": rows, "span": span})

    async def _groups(self, _request: Request) -> Response:
        found = await self._or_problem(self._store.groups)
        return JSONResponse({"groups": found[0], "store_problem": found[1]})

    async def _predictions(self, request: Request) -> Response:
        limit = _number(request, "limit", 300, 1, _MAX_ROWS)
        found = await self._or_problem(self._store.predictions, _wanted(request), limit)
        return JSONResponse({"predictions": found[0], "store_problem": found[1]})

    async def _or_problem(
        self, read: Callable[..., list[dict[str, Any]]], *arguments: object
    ) -> tuple[list[dict[str, Any]], str]:
        """Return rows that the chart does without, and why there are none."""
        try:
            return await asyncio.to_thread(read, *arguments), ""
        except StoreAwayError as error:
            return [], str(error)

    async def _export(self, request: Request) -> Response:
        wanted = _wanted(request)
        kind = request.query_params.get("format", "csv")
        if kind not in _MEDIA:
            raise WrongRequestError("format: csv, jsonl or parquet")
        safe = "".join(c if c.isalnum() or c in "-_" else "-" for c in wanted.product)
        parts = (wanted.group, wanted.exchange, safe, wanted.interval)
        name = f"{'-'.join(part for part in parts if part)}.{kind}"
        headers = {"Content-Disposition": f'attachment; filename="{_ascii(name)}"'}
        if kind == "parquet":
            body = await asyncio.to_thread(self._store.parquet, wanted)
            return Response(body, headers=headers, media_type=_MEDIA[kind])
        await asyncio.to_thread(self._store.page, wanted, 1)  # fails before the answer begins
        rows = self._store.export(wanted, kind)
        return StreamingResponse(rows, headers=headers, media_type=_MEDIA[kind])

    async def _dead_letters(self, _request: Request) -> Response:
        letters = sorted(self._tails.dead_letters, key=lambda each: each["at"], reverse=True)
        return JSONResponse({"letters": letters[:50]})

    async def _reports(self, _request: Request) -> Response:
        return JSONResponse(
            {
                "reports": await asyncio.to_thread(_parity_reports),
                "runs": await asyncio.to_thread(self._services.recorded_runs),
            }
        )

    # --- the stream -------------------------------------------------------------------------

    async def _stream(self, request: Request) -> Response:
        if self._streams >= _MAX_STREAMS:
            return PlainTextResponse("too many open pages\n", 503)
        key = interval = None
        if "product" in request.query_params:
            wanted = _wanted(request)
            key, interval = ProductKey(wanted.exchange, wanted.product), wanted.interval
        return StreamingResponse(self._events(key, interval), media_type="text/event-stream")

    async def _events(self, key: ProductKey | None, interval: str | None) -> AsyncIterator[bytes]:
        self._streams += 1
        shown: dict[int, tuple[int, bool]] = {}
        sent_now = 0
        last: Any = None
        is_first = True
        try:
            while not self.closing.is_set():
                if self._latest and self._latest["now"] != sent_now:
                    sent_now = self._latest["now"]
                    yield _event("now", self._latest)
                if key is not None and interval is not None:
                    candles = self._market.recent(key, interval)[-300:]
                    fresh = _changed(candles, shown)
                    if fresh and not is_first:
                        yield _event("candles", fresh)
                    is_first = False
                    current = self._market.open_candle(key, interval)
                    if current != last:
                        last = current
                        at = int(time.time() * 1000)
                        yield _event("provisional", {"candle": current, "at": at})
                try:
                    await asyncio.wait_for(self.closing.wait(), _QUICK_SECONDS)
                except TimeoutError:
                    continue
        finally:
            self._streams -= 1


async def _licenses(_request: Request) -> Response:
    folder = STATIC / "vendor"
    texts = [f"{path.name}\n\n{path.read_text('utf-8')}" for path in sorted(folder.glob("*.txt"))]
    return PlainTextResponse("\n\n".join(texts))


def _changed(
    candles: list[dict[str, Any]], shown: dict[int, tuple[int, bool]]
) -> list[dict[str, Any]]:
    fresh = []
    for row in candles:
        word = (row["revision"], row["complete"])
        if shown.get(row["start"]) != word:
            shown[row["start"]] = word
            fresh.append(row)
    return fresh


def _event(name: str, value: object) -> bytes:
    return f"event: {name}\ndata: {json.dumps(value, separators=(',', ':'))}\n\n".encode()


def _wanted(request: Request) -> Wanted:
    names = ("exchange", "product", "interval")
    values = [request.query_params.get(name, "") for name in names]
    if not all(values):
        raise WrongRequestError("exchange, product and interval are needed")
    before = _number(request, "before", 0, 0, 1 << 53) or None
    begin = _number(request, "from", 0, 0, 1 << 53) or None
    group = request.query_params.get("group", "")
    return Wanted(values[0], values[1], values[2], before, begin, group)


def _number(request: Request, name: str, default: int, low: int, high: int) -> int:
    text = request.query_params.get(name, str(default))
    if not text.isascii() or not text.isdecimal() or not low <= int(text) <= high:
        raise WrongRequestError(f"{name}: a whole number from {low} to {high}")
    return int(text)


def _ascii(name: str) -> str:
    return name.encode("ascii", "replace").decode().replace("?", "-").replace('"', "-")


async def _wrong_request(_request: Request, error: Exception) -> Response:
    return JSONResponse({"error": str(error)}, 400)


async def _store_away(_request: Request, error: Exception) -> Response:
    return JSONResponse({"error": str(error)}, 503)


def _parity_reports() -> list[dict[str, Any]]:
    found = []
    for path in sorted(Path("data/reports").glob("verify-*.json"), reverse=True)[:20]:
        try:
            found.append({"name": path.name, "report": json.loads(path.read_text("utf-8"))})
        except (OSError, ValueError):
            continue  # being written
    return found

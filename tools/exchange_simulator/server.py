"""The simulator's server: one port for websocket, REST and control."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import NamedTuple

from aiohttp import WSMsgType, web

from exchange_simulator.connection import Connection
from exchange_simulator.control import Control
from exchange_simulator.faults.board import FaultBoard
from exchange_simulator.faults.hostile import hostile_answer, with_bad_row
from exchange_simulator.faults.model import Rest
from exchange_simulator.feed import Feed
from exchange_simulator.protocols.protocol import (
    Protocol,
    RestAnswer,
    RestCall,
    RestHandler,
    Session,
)
from ohlc_core.errors import FatalError

_Route = Callable[[web.Request], Awaitable[web.StreamResponse]]

_CURSORS = {"no_last": "missing", "bad_last": "malformed"}


class Addresses(NamedTuple):
    """Where a running simulator listens."""

    websocket: str
    rest: str
    control: str | None


class SimulatorServer:
    """Serves one protocol over one market until its context ends.

    Args:
        with_control: whether ``/control`` exists.
    """

    def __init__(
        self, protocol: Protocol, feed: Feed, board: FaultBoard, *, with_control: bool
    ) -> None:
        self._protocol = protocol
        self._feed = feed
        self._board = board
        self._with_control = with_control
        self._tasks: set[asyncio.Task[None]] = set()
        self._market: asyncio.Task[None] | None = None

    def check(self) -> None:
        """Raise what ended the market, if anything did."""
        if self._market is not None and self._market.done():
            self._market.result()

    @contextlib.asynccontextmanager
    async def listen(self, host: str, port: int) -> AsyncIterator[Addresses]:
        """Listen, and let the market run, while the context lasts.

        Raises:
            FatalError: the port cannot be opened.
        """
        runner = web.AppRunner(self._application(), access_log=None, shutdown_timeout=0.5)
        await runner.setup()
        try:
            listener = socket.create_server((host, port))
        except OSError as error:
            await runner.cleanup()
            raise FatalError(
                f"cannot listen on {host}:{port} ({error.strerror}); set SIMULATOR_PORT to a "
                "free port, or 0 for any"
            ) from None
        self._market = asyncio.create_task(self._feed.run())
        try:
            await web.SockSite(runner, listener).start()
            address = f"{host}:{listener.getsockname()[1]}"
            yield Addresses(
                f"ws://{address}{self._protocol.websocket_paths[0]}",
                f"http://{address}",
                f"http://{address}/control" if self._with_control else None,
            )
        finally:
            await _cancel(self._market, *self._tasks)
            await runner.cleanup()

    def _application(self) -> web.Application:
        application = web.Application()
        for path in dict.fromkeys((*self._protocol.websocket_paths, "/")):
            application.router.add_get(path, self._websocket)
        for path, handler in self._protocol.rest_routes.items():
            application.router.add_get(path, self._rest(handler))
        if self._with_control:
            application.add_routes(Control(self._feed, self._board).routes)
        # A websocket at any other path too, so that one address serves every protocol.
        application.router.add_get("/{anything:.*}", self._elsewhere)
        return application

    async def _elsewhere(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("Upgrade", "").lower() == "websocket":
            return await self._websocket(request)
        raise web.HTTPNotFound

    # --- websocket -----------------------------------------------------------------------

    async def _websocket(self, request: web.Request) -> web.StreamResponse:
        status = self._board.refused_handshake()
        if status is not None:
            return web.Response(status=status, text=f"{status}", headers={"Retry-After": "1"})
        ws = web.WebSocketResponse(
            autoping=False, compress=False, max_msg_size=self._protocol.max_client_bytes
        )
        await ws.prepare(request)
        transport = request.transport
        if not isinstance(transport, asyncio.Transport):
            return ws
        self._feed.connections_ever += 1
        session = Session(self._feed.connections_ever, request.path, request.query)
        connection = Connection(session, ws, transport)
        sender = asyncio.create_task(connection.run())
        self._tasks.add(sender)
        self._feed.connections.add(connection)
        try:
            self._answer(connection, None)
            async for message in ws:
                if message.type is WSMsgType.TEXT:
                    self._answer(connection, message.data)
                elif message.type is WSMsgType.PING:
                    connection.pong(message.data)
        finally:
            self._feed.connections.discard(connection)
            self._tasks.discard(sender)
            await _cancel(sender)
        return ws

    def _answer(self, connection: Connection, text: str | None) -> None:
        protocol, session = self._protocol, connection.session
        replies = protocol.opened(session) if text is None else protocol.received(session, text)
        if replies.subscribed and (drop := self._board.drop("before_ack")) is not None:
            session.products.clear()
            connection.drop(drop)
            return
        for frame in replies.frames:
            connection.send(frame)
        if replies.subscribed:
            self._feed.subscribed()

    # --- REST ----------------------------------------------------------------------------

    def _rest(self, handler: RestHandler) -> _Route:
        async def answer(request: web.Request) -> web.StreamResponse:
            self._feed.rest_calls += 1
            path = request.path
            fault = self._board.rest(path, is_trades=self._protocol.trades_path in path)
            product = request.match_info.get("product", "")
            call = RestCall(path, request.query, request.headers, product)
            if fault is None:
                return _response(handler(call))
            spoiled = self._spoiled(fault)
            if spoiled is not None:
                return _response(spoiled)
            if fault.kind == "slow":
                await asyncio.sleep(fault.seconds)
            if fault.kind == "drip":
                return await _drip(request, fault.seconds)
            page = handler(
                call._replace(
                    hide_newest=fault.trades if fault.kind == "stale" else 0,
                    exclusive=fault.kind == "exclusive",
                    cursor=_CURSORS.get(fault.kind, ""),
                )
            )
            return _response(with_bad_row(page) if fault.kind == "bad_row" else page)

        return answer

    def _spoiled(self, fault: Rest) -> RestAnswer | None:
        """Return the answer of a fault that needs no look at the market."""
        match fault.kind:
            case "too_many_requests":
                return self._protocol.too_many_requests()
            case "unavailable":
                return self._protocol.unavailable()
            case "garbage":
                return RestAnswer(200, b"<html><body>cloudy</body></html>")
            case "empty":
                return RestAnswer(200, b"")
            case "429" | "503" | "500":
                headers = {"Retry-After": "1"} if fault.kind == "429" else {}
                body = f"<html><body>{fault.kind}</body></html>".encode()
                return RestAnswer(int(fault.kind), body, headers)
            case _:
                return hostile_answer(fault.kind)


async def _drip(request: web.Request, seconds: float) -> web.StreamResponse:
    answer = web.StreamResponse()
    await answer.prepare(request)
    end = asyncio.get_running_loop().time() + seconds
    while asyncio.get_running_loop().time() < end:
        await answer.write(b" ")
        await asyncio.sleep(0.05)
    return answer


def _response(answer: RestAnswer) -> web.Response:
    headers: Mapping[str, str] = {"Content-Type": "text/html", **answer.headers}
    return web.Response(status=answer.status, body=answer.body, headers=headers)


async def _cancel(*tasks: asyncio.Task[None]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)

"""The REST client against servers that drip, flood, redirect and lie, through real sockets."""

import gzip
import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from ohlc_core.errors import StoppedError
from ohlc_exchanges.base import ExchangeUnavailableError, Request
from ohlc_exchanges.bounded_client import BoundedClient
from ohlc_exchanges.http import RestFetcher, RetryPolicy
from ohlc_exchanges.kraken.adapter import Kraken

pytestmark = pytest.mark.service

Answer = Callable[[socket.socket], None]


class Server:
    """Answers each connection as the test says, in threads."""

    def __init__(self) -> None:
        self.answer: Answer = lambda _peer: None
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._done = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._done.set()
        self._listener.close()

    def _accept(self) -> None:
        while not self._done.is_set():
            try:
                peer, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(peer,), daemon=True).start()

    def _serve(self, peer: socket.socket) -> None:
        with peer:
            try:
                peer.recv(65_536)
                self.answer(peer)
            except OSError:
                return

    def drip(self, head: bytes) -> Answer:
        def answer(peer: socket.socket) -> None:
            peer.sendall(head)
            while not self._done.wait(0.02):
                peer.sendall(b"x")

        return answer


@pytest.fixture
def server() -> Iterator[Server]:
    started = Server()
    yield started
    started.close()


@pytest.fixture
def stop() -> threading.Event:
    return threading.Event()


def sends(status: str, body: bytes = b"", *headers: str) -> Answer:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers]
    head = "\r\n".join(lines) + "\r\n\r\n"
    return lambda peer: peer.sendall(head.encode() + body)


@pytest.mark.parametrize("head", [b"HTTP/1.1 200 OK\r\nX: ", b"HTTP/1.1 200 OK\r\n\r\n"])
def test_answer_that_drips_ends_at_the_bound(
    server: Server, stop: threading.Event, head: bytes
) -> None:
    server.answer = server.drip(head)
    client = BoundedClient(stop, total_seconds=0.5)
    began = time.monotonic()
    with pytest.raises(ExchangeUnavailableError, match=r"did not finish its answer within 0\.5 s"):
        client.get(server.url, {})
    assert time.monotonic() - began < 3
    server.answer = sends("200 OK", b"{}")
    assert client.get(server.url, {}).body == b"{}"
    client.close()


def test_stop_ends_a_request_at_once(server: Server, stop: threading.Event) -> None:
    server.answer = server.drip(b"HTTP/1.1 200 OK\r\n\r\n")
    client = BoundedClient(stop, total_seconds=30)
    threading.Timer(0.2, stop.set).start()
    began = time.monotonic()
    with pytest.raises(StoppedError):
        client.get(server.url, {})
    assert time.monotonic() - began < 3
    client.close()


@pytest.mark.parametrize("compressed", [False, True])
def test_body_beyond_the_bound_is_not_read(
    server: Server, stop: threading.Event, compressed: bool
) -> None:
    body = bytes(5_000_000)
    if compressed:
        server.answer = sends("200 OK", gzip.compress(body), "Content-Encoding: gzip")
    else:
        server.answer = sends("200 OK", body)
    client = BoundedClient(stop, max_body_bytes=1_000_000)
    with pytest.raises(ExchangeUnavailableError, match="more than 1000000 bytes"):
        client.get(server.url, {})
    client.close()


@pytest.mark.parametrize(
    "location",
    ["http://elsewhere.example/", "//elsewhere.example/", "file:///etc/passwd", "http://["],
)
def test_redirect_to_another_host_is_not_followed(
    server: Server, stop: threading.Event, location: str
) -> None:
    server.answer = sends("302 Found", b"", f"Location: {location}")
    client = BoundedClient(stop)
    with pytest.raises(ExchangeUnavailableError):
        client.get(server.url, {})
    client.close()


def test_redirects_without_end_are_not_followed(server: Server, stop: threading.Event) -> None:
    server.answer = sends("302 Found", b"", "Location: /again")
    client = BoundedClient(stop)
    with pytest.raises(ExchangeUnavailableError, match="redirects more than 3 times"):
        client.get(server.url, {})
    client.close()


def test_web_pages_are_retried_and_reported_in_their_words(
    server: Server, stop: threading.Event
) -> None:
    page = b"<!DOCTYPE html><title>Just a moment...</title>"
    answers = [
        sends("403 Forbidden", page),
        sends("200 OK", page),
        sends("200 OK", b'{"error":["EGeneral:Internal error"]}'),
        sends("200 OK", b'{"error":["WGeneral:Soon"],"result":{"X":[],"last":"1"}}'),
    ]

    def one_after_the_other(peer: socket.socket) -> None:
        answers.pop(0)(peer)

    server.answer = one_after_the_other
    waits: list[str] = []
    fetch = RestFetcher(
        Kraken(),
        server.url,
        stop=stop,
        policy=RetryPolicy(first_seconds=0.01),
        interval_seconds=0.0,
        on_wait=lambda why, _seconds: waits.append(why),
    )
    assert fetch(Request("/0/public/Trades", {"pair": "X"})).status == 200
    fetch.close()
    assert ["Just a moment" in waits[0], "Just a moment" in waits[1]] == [True, True]
    assert waits[2] == "EGeneral:Internal error"

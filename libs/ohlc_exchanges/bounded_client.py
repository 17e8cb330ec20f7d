"""HTTP with bounds: of time, of size before and after decompression, of redirects."""

import threading
import time
from collections.abc import Mapping
from typing import NamedTuple

import httpx

from ohlc_core.errors import StoppedError
from ohlc_exchanges.base import ExchangeUnavailableError, Response

#: Longer bodies are not read. The longest known ones, a day of Bitstamp, have some 10 MB.
MAX_BODY_BYTES = 64 << 20

_MAX_REDIRECTS = 3
_LOOK_SECONDS = 0.05
_HTTP_ERRORS = (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, ValueError)


class _Outcome(NamedTuple):
    response: Response | None
    error: BaseException | None


class BoundedClient:
    """Performs GETs, each in a thread of its own, so that none outlasts its bound or the stop.

    Args:
        stop: ends a request at once.
        total_seconds: the bound of one request, from connecting to the last byte.
        read_seconds: for connecting, and between two reads.
        max_body_bytes: of a body, on the wire and decompressed.
    """

    def __init__(
        self,
        stop: threading.Event,
        *,
        total_seconds: float = 60.0,
        read_seconds: float = 10.0,
        max_body_bytes: int = MAX_BODY_BYTES,
    ) -> None:
        self._stop = stop
        self._total = total_seconds
        self._read = read_seconds
        self._max_bytes = max_body_bytes
        self._client = self._new_client()

    def get(self, url: str, params: Mapping[str, str]) -> Response:
        """Return the answer, whatever its status.

        Raises:
            ExchangeUnavailableError: none came within the bounds.
            StoppedError: the stop event was set.
        """
        client = self._client
        outcomes: list[_Outcome] = []
        done = threading.Event()

        def run() -> None:
            try:
                outcomes.append(_Outcome(self._get(client, url, params), None))
            except BaseException as error:  # raised below, in the caller's thread
                outcomes.append(_Outcome(None, error))
            done.set()

        threading.Thread(target=run, name="rest-call", daemon=True).start()
        deadline = time.monotonic() + self._total
        while not done.wait(_LOOK_SECONDS):
            if self._stop.is_set():
                self._abandon(client)
                raise StoppedError("stopped while waiting for the exchange")
            if time.monotonic() > deadline:
                self._abandon(client)
                raise ExchangeUnavailableError(
                    f"{_place(url)} did not finish its answer within {self._total:g} s"
                )
        (outcome,) = outcomes
        if isinstance(outcome.error, _HTTP_ERRORS):
            raise ExchangeUnavailableError(f"{_place(url)} did not answer: {outcome.error!r:.300}")
        if outcome.error is not None:
            raise outcome.error
        assert outcome.response is not None
        return outcome.response

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _new_client(self) -> httpx.Client:
        return httpx.Client(
            timeout=self._read, headers={"User-Agent": "ohlc-pipeline"}, follow_redirects=False
        )

    def _abandon(self, client: httpx.Client) -> None:
        """Close the client under its request, whose thread then ends with its next read."""
        if self._client is client:
            self._client = self._new_client()
        threading.Thread(target=client.close, name="rest-close", daemon=True).start()

    def _get(self, client: httpx.Client, url: str, params: Mapping[str, str]) -> Response:
        target = httpx.URL(url, params=dict(params))
        for _ in range(_MAX_REDIRECTS + 1):
            with client.stream("GET", target) as answer:
                if not answer.is_redirect:
                    return Response(answer.status_code, dict(answer.headers), self._body(answer))
                target = _redirected(target, answer.headers.get("location", ""))
        raise ExchangeUnavailableError(f"{_place(url)} redirects more than {_MAX_REDIRECTS} times")

    def _body(self, answer: httpx.Response) -> bytes:
        body = bytearray()
        for chunk in answer.iter_bytes():
            body += chunk
            if max(len(body), answer.num_bytes_downloaded) > self._max_bytes:
                raise ExchangeUnavailableError(
                    f"{_place(str(answer.url))} answered with more than {self._max_bytes} bytes"
                )
        return bytes(body)


def _redirected(source: httpx.URL, location: str) -> httpx.URL:
    """Return where a redirect leads: the same host, and never from TLS to plain.

    Raises:
        ExchangeUnavailableError: elsewhere.
    """
    target = source.join(location)
    is_weaker = source.scheme == "https" and target.scheme != "https"
    if target.host != source.host or is_weaker or target.scheme not in ("http", "https"):
        raise ExchangeUnavailableError(
            f"{source.scheme}://{source.host} redirects to {location[:200]!r}, which is not "
            "followed; set EXCHANGE_REST_URL to where the exchange's API is"
        )
    return target


def _place(url: str) -> str:
    """Return the address without credentials, path and query."""
    try:
        parsed = httpx.URL(url)
    except (httpx.InvalidURL, ValueError):
        return "EXCHANGE_REST_URL"
    port = f":{parsed.port}" if parsed.port else ""
    return f"{parsed.scheme}://{parsed.host}{port}"

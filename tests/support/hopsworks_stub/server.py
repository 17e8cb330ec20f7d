"""The stub as a TLS server in a thread."""

import asyncio
import ssl
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

from aiohttp import web

from support.hopsworks_stub.backend import Backend
from support.hopsworks_stub.credentials import issue, new_authority, project_credentials
from support.hopsworks_stub.faults import Fault, Faults
from support.hopsworks_stub.routes import Routes


class HopsworksStub:
    """A running stub.

    Args:
        folder: for certificates.
        broker: address of a real Kafka, whose topics are the ingestion topics.
        project: the only project there is.
        api_key: the only key that is let in.

    Attributes:
        backend: what was created and written, to be looked at.
        ca_path: the CA bundle to trust.
    """

    def __init__(
        self, folder: Path, broker: str, project: str = "demo", api_key: str = "right-key"
    ) -> None:
        self.backend = Backend(project, api_key, broker)
        self._faults = Faults()
        self.ca_path = folder / "ca.pem"
        self._identity_path = folder / "server.pem"
        authority = new_authority()
        server = issue(authority, "localhost")
        self.ca_path.write_bytes(authority.certificate_pem)
        self._identity_path.write_bytes(server.key_pem + server.certificate_pem)
        self._routes = Routes(self.backend, self._faults, project_credentials(authority))
        self._loop = asyncio.new_event_loop()
        self._started = threading.Event()
        self._runner: web.AppRunner | None = None
        self.port = 0

    @property
    def calls(self) -> list[str]:
        """``METHOD path`` of every request so far."""
        return list(self._routes.calls)

    @property
    def unknown(self) -> list[str]:
        """The requests the stub has no answer for."""
        return list(self._routes.unknown)

    @property
    def host(self) -> str:
        """HOPSWORKS_HOST."""
        return f"localhost:{self.port}"

    def fail(self, fault: Fault) -> None:
        """Order a fault."""
        self._faults.order(fault)

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._run, name="hopsworks-stub", daemon=True)
        self._thread.start()
        assert self._started.wait(10), "the stub did not start"
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._start())
        self._started.set()
        self._loop.run_forever()
        assert self._runner is not None
        self._loop.run_until_complete(self._runner.cleanup())
        self._loop.close()

    async def _start(self) -> None:
        self._runner = web.AppRunner(self._routes.application(), shutdown_timeout=0.1)
        await self._runner.setup()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self._identity_path)
        site = web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=context)
        await site.start()
        (socket_name,) = {each for each in self._runner.addresses}
        self.port = socket_name[1]

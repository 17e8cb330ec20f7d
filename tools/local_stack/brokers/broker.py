"""A broker process that other processes can reach, stop, kill, pause and start again."""

import time
from typing import Literal, Self

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from local_stack.processes import ManagedProcess, ProcessDiedError
from ohlc_core.errors import PipelineError

_START_SECONDS = 60.0
_STOP_SECONDS = 30.0


class BrokerStartError(PipelineError):
    """The broker did not come up; the text says why, with the end of its log."""


class LocalBroker:
    """One broker node on the loopback interface.

    Use it as a context manager, or call `stop`. Stopping twice is no error.

    Attributes:
        kind: ``kafka`` or ``noida``.
        address: for KAFKA_BROKER_ADDRESS; the same after every restart.
        why: one line on why this kind was taken.
        process: the process behind it, with its log file.
    """

    def __init__(
        self, kind: Literal["kafka", "noida"], port: int, process: ManagedProcess, why: str
    ) -> None:
        self.kind = kind
        self.address = f"127.0.0.1:{port}"
        self.process = process
        self.why = why

    def start(self) -> None:
        """Start it and wait until it answers.

        Raises:
            BrokerStartError: it ended, or did not answer in time.
        """
        self.launch()
        self.wait_until_ready()

    def launch(self) -> None:
        """Start the process without waiting for it to answer.

        Raises:
            BrokerStartError: the program is not there.
        """
        try:
            self.process.start()
        except OSError as error:
            raise BrokerStartError(f"could not start the {self.kind} broker: {error}") from None

    def wait_until_ready(self, timeout: float = _START_SECONDS) -> None:
        """Wait until it answers.

        Raises:
            BrokerStartError: it ended, or did not answer in time; it is stopped.
        """
        admin = AdminClient({"bootstrap.servers": self.address, "log_level": 0})
        deadline = time.monotonic() + timeout
        while not self._answers(admin):
            try:
                self.process.check_running()
            except ProcessDiedError as error:
                raise BrokerStartError(str(error)) from None
            if time.monotonic() > deadline:
                self.process.kill()
                raise BrokerStartError(
                    f"the {self.kind} broker did not answer at {self.address} within "
                    f"{timeout:g} s; see {self.process.log_file}"
                )

    def stop(self) -> None:
        """Stop it in an orderly way; its data stays."""
        if self.process.is_running:
            self.process.stop(_STOP_SECONDS)

    def kill(self) -> None:
        """End it at once (SIGKILL)."""
        if self.process.is_running:
            self.process.kill()

    def restart(self) -> None:
        """Start it again on the same port with the same data, stopping it first if it runs.

        Raises:
            BrokerStartError: it did not come up.
        """
        self.stop()
        self.start()

    def pause(self) -> None:
        """Freeze it (SIGSTOP): connections stay open and nothing answers."""
        self.process.pause()

    def resume(self) -> None:
        """Let it go on after `pause`."""
        self.process.resume()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.stop()

    @staticmethod
    def _answers(admin: AdminClient) -> bool:
        try:
            return bool(admin.list_topics(timeout=0.5).brokers)
        except KafkaException:
            return False

"""One run: a broker and the services around it, started, watched and stopped in order."""

import contextlib
from collections.abc import Callable, Iterator

from local_stack.brokers import (
    BrokerStartError,
    LocalBroker,
    UnavailableBrokerError,
    noida,
    start_broker,
)
from local_stack.errors import StackError
from local_stack.local_topics import create_small_topics
from local_stack.log_rotation import rotate
from local_stack.ports import free_port
from local_stack.processes import GaveUpError, SupervisedProcess
from local_stack.run_folder import RunFolder
from local_stack.services import Service
from local_stack.settings import StackSettings
from ohlc_core.messages.topics import TopicNames
from ohlc_core.service.setting_groups import KafkaSettings

# A service that cannot finish its work within this is stuck; the next start repeats its last.
_STOP_SECONDS = 20.0


class Pipeline:
    """Starts what a run needs and ends it, whatever happens.

    Use it in `running`, which stops it in order.

    Args:
        say: called with one line about what happens.
    """

    def __init__(
        self, folder: RunFolder, settings: StackSettings, say: Callable[[str], None]
    ) -> None:
        self.folder = folder
        self.settings = settings
        self.broker: LocalBroker | None = None
        self.services: list[Service] = []
        self._shared_broker = ""
        self._say = say
        self._supervised: list[SupervisedProcess] = []
        self._beside: list[Service] = []

    @property
    def broker_address(self) -> str:
        """Where the run's broker is: its own, another run's, or the user's."""
        if self.broker is not None:
            return self.broker.address
        return self._shared_broker or self.settings.kafka_broker_address

    @property
    def broker_words(self) -> str:
        """Which broker it is, and why that one."""
        if self.broker is not None:
            return f"{self.broker.kind}: {self.broker.why}"
        return (
            "shared with the live run" if self._shared_broker else "KAFKA_BROKER_ADDRESS names it"
        )

    @property
    def kafka(self) -> KafkaSettings:
        """How the stack itself reaches the broker."""
        changed = {"kafka_group_instance_id": ""}
        if self._is_on_this_machine:
            changed |= {
                "kafka_broker_address": self.broker_address,
                "kafka_security_protocol": "PLAINTEXT",
            }
        return self.settings.model_copy(update=changed)

    def settings_for(self, script: str) -> dict[str, str]:
        """Return the settings with which a service reaches the broker and keeps its state."""
        settings = {"STATE_DIR": str(self.folder.state)}
        if self._is_on_this_machine:
            # The user's other settings may be those of a managed cluster.
            settings |= {
                "KAFKA_BROKER_ADDRESS": self.broker_address,
                "KAFKA_SECURITY_PROTOCOL": "PLAINTEXT",
                "TOPIC_REPLICATION": "1",
            }
        if self.broker is not None and self.broker.kind == "noida":
            # It never notices that a member died: only a member of the same name takes its place.
            settings["KAFKA_GROUP_INSTANCE_ID"] = script
        return settings

    @property
    def _is_on_this_machine(self) -> bool:
        return self.broker is not None or bool(self._shared_broker)

    @property
    def published_services(self) -> dict[str, dict[str, str | int]]:
        """What others may know of the services: process ids and addresses."""
        return {
            each.name: {"pid": each.process.pid, "metrics": each.metrics_url}
            for each in self.services
        }

    def share_broker(self, address: str) -> None:
        """Use the broker that another run on this machine has started."""
        self._shared_broker = address

    def start_broker(self, topics: TopicNames) -> None:
        """Start a broker of the run's own over its folder.

        Raises:
            StackError: there is none for this machine, or it did not come up.
        """
        try:
            self.broker = start_broker(self.settings.local_broker, self.folder.broker)
        except UnavailableBrokerError as error:
            raise StackError(str(error), exit_code=2) from None
        except BrokerStartError as error:
            raise StackError(str(error)) from None
        self._supervised.append(SupervisedProcess(self.broker.process, self._say))
        if self.broker.kind == "noida":
            self._say(f"note: {noida.LIMITS}")
            create_small_topics(self.broker.address, topics, self.settings.topic_partitions)

    def metrics_port(self) -> int:
        """Return the next service's port: METRICS_PORT and those behind it, or any free one."""
        first = self.settings.metrics_port
        return first + len(self.services) if first else free_port()

    def start(self, service: Service, supervised: bool = True) -> None:
        """Start a service; ``supervised`` starts it again when it dies."""
        self.services.append(service)
        service.process.start()
        if supervised:
            self._supervised.append(SupervisedProcess(service.process, self._say))

    def start_beside(self, service: Service) -> None:
        """Start a service that the run goes on without; its end is said once."""
        self.start(service, supervised=False)
        self._beside.append(service)

    def check(self) -> None:
        """Start again what has died; call it often.

        Raises:
            StackError: a service or the broker cannot be kept running.
        """
        rotate(each.process.log_file for each in self._supervised)
        for service in [each for each in self._beside if not each.process.is_running]:
            self._beside.remove(service)
            self._say(
                f"{service.name} ended with exit code {service.process.exit_code()}; the run goes "
                f"on without it. Log: {service.process.log_file}"
            )
        for process in self._supervised:
            try:
                process.check()
            except GaveUpError as error:
                code = 2 if error.exit_code == 2 else 1
                raise StackError(str(error), exit_code=code) from None

    def stop(self) -> None:
        """Stop the services and the broker."""
        self.stop_services()
        if self.broker is not None:
            self.broker.stop()

    def stop_services(self) -> None:
        """Stop the services in the order of the data, then what they talk to."""
        for service in self._in_stopping_order():
            if service.process.is_running:
                code = service.process.stop(_STOP_SECONDS)
                if code != 0:
                    self._say(f"{service.name} did not stop cleanly (exit code {code})")

    def kill(self) -> None:
        """End everything at once."""
        for service in self.services:
            service.process.kill()
        if self.broker is not None:
            self.broker.kill()

    def _in_stopping_order(self) -> list[Service]:
        upstream = [each for each in self.services if each.name != "exchange-simulator"]
        return upstream + [each for each in self.services if each.name == "exchange-simulator"]


@contextlib.contextmanager
def running(pipeline: Pipeline) -> Iterator[Pipeline]:
    """Stop the pipeline in order at the end; at once when even that is interrupted."""
    try:
        yield pipeline
    finally:
        try:
            pipeline.stop()
        except BaseException:
            pipeline.kill()
            raise
        finally:
            pipeline.folder.withdraw()

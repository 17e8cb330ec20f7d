"""A real Apache Kafka (KRaft, no ZooKeeper) as a local process, tuned to start and react fast."""

import base64
import subprocess
import tempfile
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from local_stack.brokers import kafka_jars
from local_stack.brokers.broker import BrokerStartError, LocalBroker
from local_stack.brokers.class_archive import archive_path, flags_to_use, flags_to_write
from local_stack.ports import free_port
from local_stack.processes import ManagedProcess

_FORMAT_SECONDS = 60
_JVM_ENDED_BY_SIGTERM = 143
_ARCHIVING_SECONDS = 180

# A quick start matters more than peak speed: the client compiler only, and the simplest collector.
_JVM_FLAGS = (
    "-Xms64m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-Djava.awt.headless=true",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dorg.slf4j.simpleLogger.log.kafka.server.KafkaRaftServer=info",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSX",
)


class _Node(NamedTuple):
    number: int
    port: int
    controller_port: int


class _Cluster(NamedTuple):
    cluster_id: str
    members: Sequence[_Node]
    heap_mb: int
    why: str
    archive: Path | None = None


def kafka_broker(data_dir: Path, port: int, why: str, heap_mb: int = 512) -> LocalBroker:
    """Prepare a one-node Kafka over ``data_dir``, keeping the data that is already there.

    Raises:
        BrokerStartError: the jars could not be retrieved, or the data folder not prepared.
    """
    node = _Node(1, port, free_port())
    return _prepare(data_dir, node, _Cluster(_new_cluster_id(), [node], heap_mb, why))


def start_kafka_cluster(data_dir: Path, nodes: int = 3, heap_mb: int = 384) -> list[LocalBroker]:
    """Start a Kafka of several nodes, for what only replication shows; each can be killed.

    Raises:
        BrokerStartError: a node did not come up; none is left running.
    """
    members = [_Node(number, free_port(), free_port()) for number in range(1, nodes + 1)]
    cluster = _Cluster(_new_cluster_id(), members, heap_mb, f"node of a cluster of {nodes}")
    brokers = [_prepare(data_dir / f"node-{node.number}", node, cluster) for node in members]
    try:
        for broker in brokers:
            broker.launch()
        for broker in brokers:
            broker.wait_until_ready()
    except BaseException:
        for broker in brokers:
            broker.kill()
        raise
    return brokers


def archive_classes() -> None:
    """Make every later start of Kafka cheaper, by starting one once; does nothing the second time.

    Worth some seconds where many are started. Safe to call from several processes at once.

    Raises:
        BrokerStartError: the jars could not be retrieved, or Kafka did not come up.
    """
    archive = archive_path(_jars())
    if archive.exists():
        return
    with (
        kafka_jars.locked(archive.with_suffix(".lock")),
        tempfile.TemporaryDirectory(dir=archive.parent, prefix=archive.stem) as folder,
    ):
        if archive.exists():
            return
        written = Path(folder) / archive.name
        node = _Node(1, free_port(), free_port())
        cluster = _Cluster(_new_cluster_id(), [node], 512, "archives its classes", written)
        broker = _prepare(Path(folder), node, cluster)
        broker.start()
        if broker.process.stop(_ARCHIVING_SECONDS) == _JVM_ENDED_BY_SIGTERM and written.exists():
            written.replace(archive)


def _jars() -> Path:
    try:
        return kafka_jars.ensure_jars()
    except kafka_jars.KafkaJarsError as error:
        raise BrokerStartError(str(error)) from None


def _prepare(data_dir: Path, node: _Node, cluster: _Cluster) -> LocalBroker:
    jars = _jars()
    data_dir.mkdir(parents=True, exist_ok=True)
    properties = data_dir / "server.properties"
    properties.write_text(_properties(data_dir / "log", node, cluster.members), encoding="utf-8")
    java = ["java", f"-Xmx{cluster.heap_mb}m", *_JVM_FLAGS, "-cp", f"{jars}/*"]
    reading = [*java, *flags_to_use(jars)]
    if not (data_dir / "log" / "meta.properties").exists():
        _format(reading, properties, cluster.cluster_id)
    running = reading if cluster.archive is None else [*java, *flags_to_write(cluster.archive)]
    process = ManagedProcess(
        "kafka", [*running, "kafka.Kafka", properties], data_dir / "broker.log", cwd=data_dir
    )
    return LocalBroker("kafka", node.port, process, cluster.why)


def _new_cluster_id() -> str:
    return base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")


def _format(java: list[str], properties: Path, cluster_id: str) -> None:
    # In one word: an id may begin with a dash.
    identity = f"--cluster-id={cluster_id}"
    command = [*java, "kafka.tools.StorageTool", "format", identity, "-c", str(properties)]
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_FORMAT_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BrokerStartError(f"could not prepare Kafka's data folder: {error}") from None
    if done.returncode != 0:
        raise BrokerStartError(f"could not prepare Kafka's data folder: {done.stderr.strip()}")


def _properties(log_dir: Path, node: _Node, members: Sequence[_Node]) -> str:
    replicas = min(3, len(members))
    voters = ",".join(f"{each.number}@127.0.0.1:{each.controller_port}" for each in members)
    settings = {
        "process.roles": "broker,controller",
        "node.id": node.number,
        "controller.quorum.voters": voters,
        "controller.listener.names": "CONTROLLER",
        "inter.broker.listener.name": "PLAINTEXT",
        "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
        "listeners": (
            f"PLAINTEXT://127.0.0.1:{node.port},CONTROLLER://127.0.0.1:{node.controller_port}"
        ),
        "advertised.listeners": f"PLAINTEXT://127.0.0.1:{node.port}",
        "log.dirs": log_dir,
        # The services create their topics; a topic made by accident would hide a defect.
        "auto.create.topics.enable": "false",
        "default.replication.factor": replicas,
        "min.insync.replicas": max(1, replicas - 1),
        "offsets.topic.replication.factor": replicas,
        "offsets.topic.num.partitions": 4,
        "transaction.state.log.replication.factor": replicas,
        "transaction.state.log.min.isr": max(1, replicas - 1),
        "transaction.state.log.num.partitions": 4,
        "share.coordinator.state.topic.replication.factor": replicas,
        "share.coordinator.state.topic.min.isr": max(1, replicas - 1),
        # Groups form, and dead members and transactions are noticed, within a test's patience.
        "group.initial.rebalance.delay.ms": 0,
        "group.min.session.timeout.ms": 1_000,
        "transaction.abort.timed.out.transaction.cleanup.interval.ms": 1_000,
        # A killed broker may come back only once its old session is over, 9 s by default.
        "broker.session.timeout.ms": 3_000,
        "broker.heartbeat.interval.ms": 500,
        # The cleaner's buffer is taken from the heap at start, 128 MB by default.
        "log.cleaner.dedupe.buffer.size": 8 * 1024 * 1024,
        "log.index.size.max.bytes": 1024 * 1024,
        "num.network.threads": 2,
        "num.io.threads": 4,
    }
    return "".join(f"{name}={value}\n" for name, value in settings.items())

"""The local brokers keep what a broker promises: its data, its address, its end with its owner."""

import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from local_stack.brokers import LocalBroker, kafka_jars, noida, start_broker
from local_stack.brokers.kafka import start_kafka_cluster
from support.kafka import OwnBroker, create_topics, produce, read_topic
from support.wait import wait_until

pytestmark = pytest.mark.service


@pytest.fixture
def noida_broker(tmp_path: Path) -> LocalBroker:
    if lacking := noida.missing():
        pytest.skip(lacking)
    return start_broker("noida", tmp_path)


def test_records_of_a_topic_come_back_whole(broker: LocalBroker, unique_run_id: str) -> None:
    records = [(f"key-{number % 7}", b"%d" % number) for number in range(100)]
    create_topics(broker.address, unique_run_id)
    produce(broker.address, unique_run_id, records)
    assert sorted((r.key, r.value) for r in read_topic(broker.address, unique_run_id)) == sorted(
        (key.encode(), value) for key, value in records
    )


def test_kafka_keeps_acknowledged_records_when_killed(own_broker: OwnBroker) -> None:
    broker = own_broker()
    create_topics(broker.address, "kept")
    produce(broker.address, "kept", [("k", b"v")])
    address = broker.address
    broker.kill()
    broker.restart()
    assert broker.address == address
    assert [record.value for record in read_topic(address, "kept")] == [b"v"]


def test_three_nodes_go_on_when_one_is_killed(tmp_path: Path) -> None:
    if lacking := kafka_jars.missing():
        pytest.skip(lacking)
    nodes = start_kafka_cluster(tmp_path)
    try:
        addresses = ",".join(node.address for node in nodes)
        create_topics(addresses, "replicated", replication=3)
        produce(addresses, "replicated", [("before", b"1")])
        nodes[0].kill()
        # Acknowledged by both that are left: each partition had copies on all three.
        produce(addresses, "replicated", [(f"after-{number}", b"2") for number in range(20)])
        assert len(read_topic(addresses, "replicated")) == 21
    finally:
        for node in nodes:
            node.kill()


def test_noida_keeps_records_over_a_restart(noida_broker: LocalBroker) -> None:
    with noida_broker as broker:
        create_topics(broker.address, "kept", partitions=1)
        produce(broker.address, "kept", [("k", b"v")])
        broker.restart()
        assert [record.value for record in read_topic(broker.address, "kept")] == [b"v"]


_OWNER = """
import sys, time
from pathlib import Path
from local_stack.brokers import start_broker
broker = start_broker("noida", Path(sys.argv[1]))
if len(sys.argv) > 2:
    broker.pause()
print(broker.process.pid, flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("paused", [False, True], ids=["running", "paused"])
def test_broker_ends_when_its_owner_is_killed(tmp_path: Path, paused: bool) -> None:
    command = [sys.executable, "-c", _OWNER, str(tmp_path), *(["paused"] if paused else [])]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        broker = psutil.Process(int(owner.stdout.readline()))
        owner.send_signal(signal.SIGKILL)
    wait_until(lambda: not _runs(broker), 20, "the broker ends after its owner")


def _runs(process: psutil.Process) -> bool:
    return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)

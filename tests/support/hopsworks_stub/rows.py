"""What reached the ingestion topic, decoded as the cluster's own consumers do."""

import io
import json
from typing import Any, NamedTuple

import fastavro
from confluent_kafka import Consumer, KafkaError, TopicPartition

from support.hopsworks_stub.backend import Backend


class IngestedRow(NamedTuple):
    """One record of the ingestion topic.

    Attributes:
        key: the record's key: the values of the primary key, in the order of its names.
        storage: ``online`` or ``offline`` when only that store takes it, else empty.
        upsert_if_newer: whether an older row must not replace a newer one online.
        group: id of the feature group.
        values: the row.
    """

    key: str
    storage: str
    upsert_if_newer: bool
    group: int
    values: dict[str, Any]


def ingested_rows(backend: Backend, timeout: float = 30) -> list[IngestedRow]:
    """Return every row on the project's ingestion topic, in the order of each key."""
    config = {
        "bootstrap.servers": backend.broker,
        "group.id": "onlinefs",
        "enable.auto.commit": False,
        "auto.offset.reset": "earliest",
        "enable.partition.eof": True,
    }
    consumer = Consumer(config)
    try:
        partitions = (
            consumer.list_topics(backend.topic, timeout=timeout).topics[backend.topic].partitions
        )
        consumer.assign([TopicPartition(backend.topic, each, 0) for each in partitions])
        unread, rows = set(partitions), []
        while unread:
            message = consumer.poll(timeout)
            assert message is not None, "the ingestion topic could not be read"
            if message.error() is None:
                rows.append(_row(backend, message))
            elif message.error().code() == KafkaError._PARTITION_EOF:
                unread.discard(message.partition())
        return rows
    finally:
        consumer.close()


def _row(backend: Backend, message: Any) -> IngestedRow:
    headers = {name: value.decode() for name, value in message.headers()}
    group = backend.group_by_id(int(headers["featureGroupId"]))
    subject = backend.subject(f"{group['name']}_{group['version']}")
    assert subject is not None
    schema = fastavro.parse_schema(json.loads(subject["schema"]))
    values = fastavro.schemaless_reader(io.BytesIO(message.value()), schema, None)
    assert isinstance(values, dict)
    return IngestedRow(
        message.key().decode(),
        headers.get("storage", ""),
        headers.get("upsertIfNewer") == "1",
        int(headers["featureGroupId"]),
        values,
    )

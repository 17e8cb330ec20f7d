"""What reached the ingestion topic, decoded as the cluster's own consumers do."""

import io
import json
from typing import Any, NamedTuple

import fastavro

from ohlc_core.kafka.reader import TopicReader
from ohlc_core.service.setting_groups import KafkaSettings
from ohlc_core.service.settings import load
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
    settings = load(KafkaSettings, kafka_broker_address=backend.broker)
    with TopicReader(settings, backend.topic, patience_seconds=timeout) as reader:
        return [_row(backend, message) for message in reader.read(reader.bounds())]


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

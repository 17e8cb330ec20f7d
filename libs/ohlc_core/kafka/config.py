"""Client configurations."""

from ohlc_core.service.setting_groups import KafkaSettings

ClientConfig = dict[str, str | int | float | bool]


def connection_config(settings: KafkaSettings) -> ClientConfig:
    """Return what every client needs to reach the broker."""
    config: ClientConfig = {
        "bootstrap.servers": settings.kafka_broker_address,
        "security.protocol": settings.kafka_security_protocol,
        # A broker that restarts should be found again quickly.
        "reconnect.backoff.max.ms": 2_000,
    }
    if settings.kafka_security_protocol.startswith("SASL"):
        config["sasl.mechanism"] = settings.kafka_sasl_mechanism
        config["sasl.username"] = settings.kafka_sasl_username
        config["sasl.password"] = settings.kafka_sasl_password.get_secret_value()
    if settings.kafka_ssl_ca_location:
        config["ssl.ca.location"] = settings.kafka_ssl_ca_location
    return config


def producer_config(settings: KafkaSettings) -> ClientConfig:
    """Return an idempotent producer's configuration.

    The partitioner is Java's murmur2, which quixstreams uses too: every writer must send a
    product to the same partition.
    """
    return connection_config(settings) | {
        "enable.idempotence": True,
        "acks": "all",
        "partitioner": "murmur2_random",
        "compression.type": "lz4",
        "linger.ms": 5,
    }


def consumer_config(settings: KafkaSettings, group: str) -> ClientConfig:
    """Return a consumer's configuration: from the earliest record, offsets committed by hand."""
    config = connection_config(settings) | {
        "group.id": group,
        "auto.offset.reset": "earliest",
        "enable.auto.commit": False,
        "isolation.level": "read_committed",
        "session.timeout.ms": 10_000,
        "heartbeat.interval.ms": 1_000,
        # A small broker may answer a fetch with its whole backlog, whatever size was asked for.
        "receive.message.max.bytes": 2_147_483_647,
    }
    if settings.kafka_group_instance_id:
        config["group.instance.id"] = settings.kafka_group_instance_id
    return config


def reader_config(settings: KafkaSettings) -> ClientConfig:
    """Return the configuration of a consumer that joins no group and never commits."""
    config = consumer_config(settings, "reader-without-a-group")
    config.pop("group.instance.id", None)
    return config | {
        "enable.partition.eof": True,
        "enable.auto.offset.store": False,
        "queued.max.messages.kbytes": 32 * 1_024,
        "log_level": 0,
    }

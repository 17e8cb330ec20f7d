"""The name under which a process is a member of its consumer group, kept over restarts.

A member that comes back under its name takes its partitions back at once; one without waits until
the broker gives its dead predecessor up. The default name is the host's name and the lowest number
no other process of this machine holds: a restarted process or container has its old name again,
and instances beside each other have different ones.
"""

import fcntl
import hashlib
import os
import socket
import tempfile
from pathlib import Path
from typing import IO

from loguru import logger

from ohlc_core.service.setting_groups import KafkaSettings

_MAX_INSTANCES = 256

# Held until the process ends; the operating system frees them even then when it is killed.
_held: list[IO[str]] = []


def static_name(settings: KafkaSettings, group: str) -> str:
    """Return KAFKA_GROUP_INSTANCE_ID, or a name no other process of this machine has.

    Empty where no name can be kept: the member is then an ordinary one.
    """
    if settings.kafka_group_instance_id:
        return settings.kafka_group_instance_id
    key = hashlib.sha256(f"{settings.kafka_broker_address} {group}".encode()).hexdigest()[:16]
    try:
        user = os.getuid()
        folder = Path(tempfile.gettempdir()) / f"ohlc-members-{user}"
        folder.mkdir(mode=0o700, exist_ok=True)
        for number in range(_MAX_INSTANCES):
            if _hold(folder / f"{key}-{number}"):
                return f"{socket.gethostname()}-{user}-{number}"
    except OSError as error:
        logger.debug("no name of this group member can be kept: {}", error)
    return ""


def _hold(path: Path) -> bool:
    file = path.open("a")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return False
    _held.append(file)
    return True

"""The name of a replay, when RUN_ID gives none: the same job has the same name."""

import hashlib
from pathlib import Path

import msgspec

from trade_replayer.settings import ReplayerSettings


def run_id(settings: ReplayerSettings) -> str:
    """Return RUN_ID, or a name made of what is replayed.

    The same command gives the same name, which is what lets a killed replay go on; another
    period, source, path or product gives another one, so that their topics do not mix.
    """
    if settings.run_id:
        return settings.run_id
    days = [str(day) if day else "" for day in (settings.from_day, settings.to_day)]
    path = str(Path(settings.replay_path).absolute()) if settings.replay_path else ""
    job = [
        settings.exchange,
        settings.exchange_rest_url,
        sorted(settings.product_ids),
        settings.replay_source,
        path,
        settings.replay_query,
        *days,
    ]
    digest = hashlib.sha256(msgspec.json.encode(job)).hexdigest()[:8]
    period = f"{days[0] or 'first'}-to-{days[1] or 'now'}".replace("-", "")
    return f"{settings.exchange}-{period}-{digest}"

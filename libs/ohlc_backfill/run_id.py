"""The name of a backfill, when RUN_ID gives none: the same job has the same name."""

import hashlib

import msgspec

from ohlc_backfill.settings import BackfillSettings


def run_id(settings: BackfillSettings) -> str:
    """Return RUN_ID, or a name made of what is replayed.

    The same command gives the same name, so that a killed run is resumed; another period,
    source, path or product gives another one, so that their topics do not mix.
    """
    if settings.run_id:
        return settings.run_id
    days = [str(day) if day else "" for day in (settings.from_day, settings.to_day)]
    job = [
        settings.exchange,
        settings.exchange_rest_url,
        sorted(settings.product_ids),
        settings.replay_source,
        settings.absolute_replay_path,
        settings.replay_query,
        *days,
    ]
    digest = hashlib.sha256(msgspec.json.encode(job)).hexdigest()[:8]
    period = f"{days[0] or 'first'}-to-{days[1] or 'now'}".replace("-", "")
    return f"{settings.exchange}-{period}-{digest}"

"""Backfills as a Prefect flow: a sub-flow a day and product, retried, resumable, on a schedule.

    make prefect-client
    .venv-prefect/bin/python examples/prefect_backfill.py --from-day 2026-01-01 --to-day 2026-01-08
    .venv-prefect/bin/python examples/prefect_backfill.py --serve    # yesterday, every morning

Prefect 3 runs it without an account: a server of its own starts with the flow, or ``prefect server
start`` keeps one with its pages at 127.0.0.1:4200. With PREFECT_API_URL and PREFECT_API_KEY set it
reports to those instead. It lives in an environment of its own and calls what `make backfill`
calls; all other settings (EXCHANGE, FEATURE_STORE_URL, REPLAY_SOURCE, ...) are passed on.
"""

import argparse
import json
import os
import subprocess
import tempfile
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from prefect import flow, get_run_logger, task
from prefect.artifacts import (
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)
from prefect.cache_policies import INPUTS
from prefect.client.schemas.objects import TaskRun
from prefect.states import State

ROOT = Path(__file__).resolve().parents[1]
#: What a day is given to; it exits with 0 only when every candle is stored and proven.
BACKFILL = os.environ.get("BACKFILL_COMMAND", f"{ROOT}/.venv/bin/local-stack backfill").split()
VERIFY = [f"{ROOT}/.venv/bin/python", "-m", "ohlc_backfill.verify"]
RETRY_SECONDS = float(os.environ.get("BACKFILL_RETRY_SECONDS", "60"))
_WRONG_SETTING = 2


class CommandError(Exception):
    """A command failed; the text is its last line."""

    def __init__(self, code: int, line: str) -> None:
        super().__init__(f"exit code {code}: {line}")
        self.code = code


class Day(NamedTuple):
    """What became of a product's day."""

    product: str
    day: str
    state: str
    said: str


def _may_help(_task: object, _run: TaskRun, state: State[Any]) -> bool:
    """Return whether trying again may help: never where a setting is wrong."""
    error = state.result(raise_on_failure=False)
    return not (isinstance(error, CommandError) and error.code == _WRONG_SETTING)


def run_command(command: list[str], **settings: str) -> str:
    """Run a command with settings, its lines into Prefect's log; return the last one.

    Raises:
        CommandError: it failed.
    """
    logger = get_run_logger()
    last = ""
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env=os.environ | settings,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    with process:
        for line in process.stdout or ():
            if text := line.strip():
                last = text
                logger.info(text)
    if process.returncode:
        raise CommandError(process.returncode, last)
    return last


# A day that is done is not replayed again while its result is kept: that makes a flow resumable.
@task(
    retries=3,
    retry_delay_seconds=RETRY_SECONDS,
    retry_condition_fn=_may_help,
    persist_result=True,
    cache_policy=INPUTS,
    task_run_name="replay {product} {day}",
)
def replay(product: str, day: str) -> str:
    """Put one day of one product into the feature store, proven; return the last line said."""
    next_day = date.fromisoformat(day) + timedelta(days=1)
    return run_command(BACKFILL, PRODUCT_IDS=product, FROM_DAY=day, TO_DAY=str(next_day))


@flow(name="candles-of-a-day", flow_run_name="{product} {day}")
def candles_of_day(product: str, day: str) -> str:
    """Run one day of one product, with its retries."""
    return replay(product, day)


@task(task_run_name="verify {from_day} to {to_day}")
def verify(products: list[str], from_day: str, to_day: str) -> list[dict[str, Any]]:
    """Compare the store with candles computed again; return the parity report's rows."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "parity.json"
        settings = {"FROM_DAY": from_day, "TO_DAY": to_day, "PRODUCT_IDS": ",".join(products)}
        try:
            run_command(VERIFY, VERIFY_REPORT=str(report), **settings)
        finally:
            rows = json.loads(report.read_text())["store"] if report.exists() else []
            if rows:
                create_table_artifact(key="parity", table=rows, description="store against trades")
    return rows


@flow(name="backfill")
def backfill(products: list[str], from_day: str, to_day: str, *, verified: bool = False) -> None:
    """Put days into the feature store, one after the other; a failed one stops no other.

    Args:
        products: in the exchange's spelling.
        from_day, to_day: ``YYYY-MM-DD``, UTC; to_day is exclusive.
        verified: whether `make verify` follows, with the parity table as an artifact.

    Raises:
        RuntimeError: days failed; the same flow goes on with them.
    """
    days = _days(from_day, to_day)
    wanted = [(product, day) for day in days for product in products]
    progress = create_progress_artifact(progress=0.0, key="backfill-progress")
    done: list[Day] = []
    for product, day in wanted:
        state = candles_of_day(product, day, return_state=True)
        if state.is_completed():
            done.append(Day(product, day, "complete", str(state.result())))
        else:
            done.append(Day(product, day, "failed", str(state.message)))
        update_progress_artifact(artifact_id=progress, progress=100.0 * len(done) / len(wanted))
    table = [each._asdict() for each in done]
    create_table_artifact(key="backfill-days", table=table, description="each product's days")
    failed = [f"{each.product} {each.day}" for each in done if each.state != "complete"]
    if failed:
        raise RuntimeError(f"{len(failed)} of {len(wanted)} failed: {', '.join(failed[:5])}")
    if verified:
        verify(products, from_day, to_day)


@flow(name="yesterday")
def yesterday(products: list[str]) -> None:
    """Backfill and verify the day that ended last, UTC."""
    today = datetime.now(UTC).date()
    backfill(products, str(today - timedelta(days=1)), str(today), verified=True)


def _days(from_day: str, to_day: str) -> list[str]:
    first, end = date.fromisoformat(from_day), date.fromisoformat(to_day)
    return [str(first + timedelta(days=number)) for number in range((end - first).days)]


def main() -> None:
    """Run a backfill, or serve the daily one."""
    parser = argparse.ArgumentParser(description="Backfills as a Prefect flow.")
    parser.add_argument("--from-day")
    parser.add_argument("--to-day", help="exclusive")
    parser.add_argument("--products", default=os.environ.get("PRODUCT_IDS", "BTC/USD,ETH/USD"))
    parser.add_argument("--verify", action="store_true", help="make verify behind it")
    parser.add_argument(
        "--serve", action="store_true", help="yesterday, every morning at 02:15 UTC"
    )
    options = parser.parse_args()
    products = options.products.split(",")
    if options.serve:
        yesterday.serve(name="every-morning", cron="15 2 * * *", parameters={"products": products})
    elif options.from_day and options.to_day:
        backfill(products, options.from_day, options.to_day, verified=options.verify)
    else:
        parser.error("--from-day and --to-day, or --serve")


if __name__ == "__main__":
    main()

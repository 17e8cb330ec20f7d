"""What a backfill leaves for who looks at it later."""

import os
from pathlib import Path

from local_stack.backfill import resume_command
from local_stack.run_folder import RunFolder
from ohlc_backfill.settings import BackfillSettings
from ohlc_core.service.local_runs import recorded_runs
from ohlc_core.service.settings import load


def test_resume_command_repeats_what_was_given_and_no_addresses() -> None:
    replay = load(
        BackfillSettings,
        _env_file=None,
        from_day="2026-01-01",
        to_day="2026-01-03",
        product_ids="BTC/USD,A B",
        exchange_rest_url="http://user:secret@127.0.0.1:1",
    )
    assert resume_command(replay) == (
        "FROM_DAY=2026-01-01 TO_DAY=2026-01-03 PRODUCT_IDS='BTC/USD,A B' make backfill"
    )


def test_run_that_ended_without_a_word_was_killed(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path, "backfill-a")
    folder.logs.mkdir(parents=True)
    folder.record(state="running", run_id="a", command="make backfill")
    (run,) = recorded_runs(tmp_path)
    assert (run["state"], run["pid"]) == ("running", os.getpid())
    folder.record(state="running", run_id="a", command="make backfill", pid=999_999_999)
    (run,) = recorded_runs(tmp_path)
    assert run["state"] == "killed"

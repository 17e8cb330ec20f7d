"""Runs the Prefect flow in Prefect's own test harness, and prints what it left as JSON."""

import asyncio
import json
import sys
from pathlib import Path

from prefect.client.orchestration import get_client
from prefect.testing.utilities import prefect_test_harness

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "examples"))

from prefect_backfill import backfill


async def left() -> dict[str, object]:
    async with get_client() as client:
        runs = await client.read_task_runs()
        artifacts = await client.read_artifacts()
        flows = await client.read_flow_runs()
    return {
        "tries": {run.name: run.run_count for run in runs},
        "artifacts": {each.key: each.data for each in artifacts},
        "flows": sorted(run.name for run in flows if run.parent_task_run_id),
    }


with prefect_test_harness():
    ends = []
    for verified in (False, True):
        state = backfill(
            ["BTC/USD"], "2023-01-01", "2023-01-04", verified=verified, return_state=True
        )
        ends.append(state.name)
    left_behind = {"ends": ends, **asyncio.run(left())}
    sys.stdout.write(json.dumps(left_behind, default=str) + "\n")

"""The Prefect flow, in Prefect's own test harness: a day that fails twice, and a second run."""

import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from local_stack.brokers import LocalBroker

ROOT = Path(__file__).resolve().parents[3]
PREFECT = ROOT / ".venv-prefect" / "bin" / "python"
T0 = 1_672_531_200  # 2023-01-01
DAYS = ("2023-01-01", "2023-01-02", "2023-01-03")
#: Fails the second day's first two tries, then gives way to the real command.
FLAKY = """
import os, sys
from pathlib import Path
tries = Path(sys.argv[1])
with tries.open("a") as file:
    file.write(os.environ["FROM_DAY"] + "\\n")
if tries.read_text().split().count("2023-01-02") <= 2 and os.environ["FROM_DAY"] == "2023-01-02":
    sys.exit("local-stack: the broker did not answer")
os.execv(sys.argv[2], sys.argv[2:])
"""

pytestmark = [
    pytest.mark.service,
    pytest.mark.timeout(400),
    pytest.mark.skipif(
        not PREFECT.exists(), reason="Prefect is not installed: make prefect-client"
    ),
]


def test_day_that_failed_twice_is_tried_again_and_done_days_are_not(
    broker: LocalBroker, tmp_path: Path
) -> None:
    history = tmp_path / "XBTUSD.csv"
    lines = [f"{90 + n % 7}.5,0.1,{T0 + n * 60},b,m,,{n + 1}" for n in range(3 * 1_440)]
    history.write_text("\n".join(lines) + "\n", encoding="ascii")
    (tmp_path / "flaky.py").write_text(FLAKY, encoding="utf-8")
    tries = tmp_path / "tries"
    stack = Path(sys.executable).with_name("local-stack")
    env = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "BACKFILL_COMMAND": f"{sys.executable} {tmp_path}/flaky.py {tries} {stack} backfill",
        "BACKFILL_RETRY_SECONDS": "0.1",
        "KAFKA_BROKER_ADDRESS": broker.address,
        "LOCAL_STACK_FOLDER": str(tmp_path / "run"),
        "REPLAY_SOURCE": "files",
        "REPLAY_PATH": str(history),
        "OHLC_INTERVALS": "1m",
        "FEATURE_STORE_URL": f"sqlite:///{tmp_path / 'features.db'}",
        "DASHBOARD_PORT": "0",
    }
    ran = subprocess.run(
        [PREFECT, Path(__file__).with_name("prefect_check.py")],
        env=env,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=380,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr[-4_000:]
    left = json.loads(ran.stdout.splitlines()[-1])
    assert left["ends"] == ["Completed", "Completed"], ran.stderr[-4_000:]
    # Each day once, the second three times; the second run replays none of them.
    assert tries.read_text().split() == [DAYS[0], DAYS[1], DAYS[1], DAYS[1], DAYS[2]]
    assert left["tries"]["replay BTC/USD 2023-01-02"] in (1, 3)
    assert set(left["flows"]) >= {f"BTC/USD {day}" for day in DAYS}
    days = json.loads(left["artifacts"]["backfill-days"])
    assert [(each["day"], each["state"]) for each in days] == [(day, "complete") for day in DAYS]
    parity = json.loads(left["artifacts"]["parity"])
    assert [(each["interval"], each["matching"]) for each in parity] == [("1m", 4_320)]
    with closing(sqlite3.connect(tmp_path / "features.db")) as database:
        (rows,) = database.execute("SELECT count(*) FROM ohlc_1 WHERE complete").fetchone()
    assert rows == 3 * 1_440

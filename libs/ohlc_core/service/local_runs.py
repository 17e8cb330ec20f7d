"""The runs of the local stack that go on now, as commands find them.

A run publishes where things are in `<LOCAL_STACK_FOLDER>/<name>/stack.json`. A command that was
given no store of its own reads that of the newest run.
"""

import json
import os
from collections.abc import Collection, MutableMapping
from pathlib import Path
from typing import Any

_FOLDER = "LOCAL_STACK_FOLDER"
#: In a run's folder: what the run is and how it stands; like the logs, it stays after the end.
RUN_RECORD = "logs/run.json"


def running_stacks(root: Path) -> list[dict[str, Any]]:
    """Return what the runs going on now have published, the newest first."""
    stacks = [_published(path) for path in sorted(root.glob("*/stack.json"), key=_age)]
    return [stack for stack in stacks if _is_alive(stack.get("pid"))]


def recorded_runs(root: Path) -> list[dict[str, Any]]:
    """Return the runs that left a record, the newest first.

    Their ``state`` is ``running``, how they ended, or ``killed`` where nothing said so.
    """
    runs = []
    for path in sorted(root.glob(f"*/{RUN_RECORD}"), key=_age):
        run = _published(path)
        if run.get("state") == "running" and not _is_alive(run.get("pid")):
            run["state"] = "killed"
        if run:
            runs.append(run)
    return runs


def use_running_store(
    given: Collection[str], environment: MutableMapping[str, str] = os.environ
) -> str:
    """Set the environment to the store of the newest local run, unless the user named one.

    Args:
        given: names of the fields the user set, in the environment or in ``.env``.
        environment: changed in place; what is set in it already stays.

    Returns:
        one line that says which run it is; "" where there is none or a store was named.
    """
    if "feature_store" in given or "feature_store_url" in given:
        return ""
    for stack in running_stacks(Path(environment.get(_FOLDER) or "run")):
        settings = stack.get("settings")
        if isinstance(settings, dict) and "FEATURE_STORE_URL" in settings:
            for name, value in settings.items():
                environment.setdefault(str(name), str(value))
            return f"reading the store of the running {stack.get('mode')}: {stack.get('store')}"
    return ""


def _age(path: Path) -> float:
    try:
        return -path.stat().st_mtime
    except OSError:  # withdrawn meanwhile
        return 0.0


def _published(path: Path) -> dict[str, Any]:
    try:
        stack = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return stack if isinstance(stack, dict) else {}


def _is_alive(pid: object) -> bool:
    if not isinstance(pid, int) or pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True

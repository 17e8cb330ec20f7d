"""Every alert fires for its cause and resolves, by Prometheus' own rules."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

_FOLDER = Path(__file__).resolve().parents[3] / "docker/prometheus"
_PROMTOOL = shutil.which("promtool")

needs_promtool = pytest.mark.skipif(
    _PROMTOOL is None,
    reason="promtool is not installed (Debian and Ubuntu: apt-get install prometheus)",
)


def _alerts() -> set[str]:
    return set(re.findall(r"- alert: (\w+)", (_FOLDER / "alerts.yml").read_text("utf-8")))


def _promtool(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(_PROMTOOL), *arguments],
        cwd=_FOLDER,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@needs_promtool
def test_rules_are_valid() -> None:
    done = _promtool("check", "rules", "alerts.yml")
    assert done.returncode == 0, done.stderr


@needs_promtool
def test_every_alert_fires_and_resolves() -> None:
    done = _promtool("test", "rules", "alerts.test.yml")
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_has_a_case_in_which_it_fires_and_one_in_which_it_does_not() -> None:
    tested = (_FOLDER / "alerts.test.yml").read_text("utf-8")
    blocks = re.split(r"- eval_time:", tested)[1:]
    fires = {_name(block) for block in blocks if "exp_labels" in block}
    rests = {_name(block) for block in blocks if "exp_alerts: []" in block}
    assert fires == _alerts()
    # ServiceMissing resolves for the service that came back; the one that never came stays.
    assert rests | {"ServiceMissing"} == _alerts()


def _name(block: str) -> str:
    found = re.search(r"alertname: (\w+)", block)
    assert found is not None
    return found.group(1)


def test_every_alert_is_explained() -> None:
    text = (_FOLDER.parents[1] / "docs/operations.md").read_text("utf-8")
    missing = {alert for alert in _alerts() if f"`{alert}`" not in text}
    assert not missing, f"docs/operations.md does not explain {sorted(missing)}"

import re
from pathlib import Path

WORKFLOWS = Path(__file__).resolve().parents[3] / ".github" / "workflows"
PINNED = re.compile(r"actions/[a-z-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")


def test_every_action_is_pinned_by_commit_with_its_version_beside_it() -> None:
    used = [
        line.split("uses: ", 1)[1].strip()
        for path in WORKFLOWS.glob("*.yml")
        for line in path.read_text().splitlines()
        if "uses: " in line
    ]
    assert used
    assert [each for each in used if not PINNED.fullmatch(each)] == []

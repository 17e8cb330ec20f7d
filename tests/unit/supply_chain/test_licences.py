import runpy
from importlib.metadata import distributions
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
LOCKED = runpy.run_path(str(ROOT / "requirements" / "licences.py"))["locked"]()


def test_third_party_page_names_what_is_locked_and_installed() -> None:
    text = (ROOT / "THIRD_PARTY.md").read_text()
    installed = {
        (each.metadata["Name"] or "").lower().replace("_", "-") for each in distributions()
    }
    wanted = [f"| {name} | {version} |" for name, version in LOCKED.items() if name in installed]
    assert [row for row in wanted if row not in text] == [], "run `make licences`"


def test_broker_from_pip_is_in_no_image() -> None:
    locks = sorted((ROOT / "requirements").glob("*.txt"))
    assert [path.name for path in locks if "noida-db==" in path.read_text()] == [
        "dev.txt",
        "run.txt",
    ]

"""What is shipped: the product without tools, locked without addresses of an index."""

import re
import tomllib
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[3]


def test_product_wheel_holds_no_tools() -> None:
    project = tomllib.loads((_ROOT / "pyproject.toml").read_text("utf-8"))
    packages = project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    assert {each.split("/")[0] for each in packages} == {"libs", "services"}
    assert not {"exchange-simulator", "local-stack"} & set(project["project"]["scripts"])


def test_every_locked_package_has_hashes_and_no_address() -> None:
    for path in (_ROOT / "requirements").glob("*.txt"):
        text = path.read_text("utf-8")
        assert not re.search(r"https?://|--(extra-)?index-url|--find-links", text), path.name
        pinned = re.findall(r"^[a-z0-9][^\n]*==[^\n]*$", text, re.MULTILINE)
        assert pinned, path.name
        assert all(line.rstrip().endswith("\\") for line in pinned), path.name

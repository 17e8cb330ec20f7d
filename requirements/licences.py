"""``make licences``: THIRD_PARTY.md, what running this product installs, and under which licence.

Taken from the metadata of the installed distributions that requirements/run.txt names.
"""

import re
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).resolve().parents[1]
PAGE = _ROOT / "THIRD_PARTY.md"
_LOCK = _ROOT / "requirements" / "run.txt"
_LONGEST = 60

_HEAD = """# Third-party software

What `requirements/run.txt` installs on Linux, and its licence as the distribution declares it.
Written by `make licences`; none of it is part of this repository. Apache Kafka, which tests and the
local stack may run, comes from Maven Central (Apache-2.0); container images are under the licences
of their makers.

| distribution | version | licence |
|---|---|---|
"""


def locked() -> dict[str, str]:
    """Return the names and versions that are locked for running."""
    return dict(
        re.findall(r"^([A-Za-z0-9_.-]+)(?:\[[^]]*\])?==([^ ;\\]+)", _LOCK.read_text(), re.M)
    )


def page() -> str:
    """Return the page's text."""
    rows = []
    for name, version in sorted(locked().items()):
        try:
            found = metadata(name)
        except PackageNotFoundError:
            continue  # of another system
        rows.append(f"| {name} | {version} | {licence(found.json)} |\n")
    return _HEAD + "".join(rows)


def licence(found: Mapping[str, Any]) -> str:
    """Return what a distribution's metadata says of its licence."""
    expression = str(found.get("license_expression") or "")
    if not expression:
        kinds = [c for c in found.get("classifier") or [] if c.startswith("License ::")]
        expression = ", ".join(kind.rpartition(" :: ")[2] for kind in kinds)
    if not expression or expression == "OSI Approved":
        expression = str(found.get("license") or "").strip().partition("\n")[0]
    return expression[:_LONGEST].replace("|", "/") or "not declared: see the distribution"


def main() -> None:
    """Write the page."""
    PAGE.write_text(page())


if __name__ == "__main__":
    main()

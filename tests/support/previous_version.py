"""An earlier version of this product, as it was: its tree out of git, its own commands.

Run as a program, it upgrades from a version for real:

    python tests/support/previous_version.py            # from the newest release, else from HEAD
    python tests/support/previous_version.py v0.2.0     # from this one, and from 0.1
"""

import io
import os
import subprocess
import sys
import tarfile
import tomllib
import venv
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

from packaging.requirements import Requirement
from packaging.version import InvalidVersion, Version

ROOT = Path(__file__).resolve().parents[2]

#: 0.1, which has no tag: trades as one object each, a store without ``origin`` and ``stored_at``.
FIRST_VERSION = "80dcb79706235df789ba96f8083e2b0b85c25543"

#: Names the ref to upgrade from; empty: the newest release whose store this version goes on with.
REF_VARIABLE = "UPGRADE_FROM"

_OURS = "ohlc-pipeline"
_SOURCES = ("libs", "services", "tools")
#: Of the services that tests run; what other parts need may differ.
_EXTRAS = ("producer", "aggregator", "writer", "simulator")
_COMMAND = """#!{python}
import sys
from {module} import {function}
sys.exit({function}())
"""


class UnavailableVersionError(Exception):
    """A version cannot be run here; the text says why."""


class EarlierVersion(NamedTuple):
    """A version's tree and an environment of its own to run it in.

    Attributes:
        ref: as it was asked for.
        commit: what that is.
        folder: the tree.
        bin_folder: its console scripts and its interpreter.
    """

    ref: str
    commit: str
    folder: Path
    bin_folder: Path

    def value(self, module: str, name: str) -> str:
        """Return what a name of one of its modules stands for, as text."""
        code = f"import {module}; print({module}.{name})"
        python = self.bin_folder / "python"
        return subprocess.run(
            [python, "-c", code], check=True, capture_output=True, text=True
        ).stdout.strip()


def previous_ref() -> str:
    """Return the ref to upgrade from: as asked for, the newest release behind HEAD, or HEAD.

    0.1 is left out: its store is refused, see `FIRST_VERSION`.

    Raises:
        UnavailableVersionError: there is no git, or no history here.
    """
    if asked := os.environ.get(REF_VARIABLE, ""):
        return asked
    tags = _git("tag", "--list", "v*", "--merged", "HEAD", "--no-contains", "HEAD").split()
    numbers = {number: tag for tag in tags if (number := _number(tag)) is not None}
    return numbers[max(numbers)] if numbers else "HEAD"


def check_out(ref: str, folder: Path) -> EarlierVersion:
    """Put the version's tree into the folder and make its commands beside it.

    It runs on the packages of this environment, where these are what it asks for.

    Raises:
        UnavailableVersionError: it is not in this clone, or needs other packages.
    """
    commit = _commit(ref)
    tree, environment = folder / "tree", folder / "environment"
    with tarfile.open(fileobj=io.BytesIO(_archive(commit))) as archive:
        archive.extractall(tree, filter="data")
    projects = [_project(path) for path in (tree / "pyproject.toml", tree / "tools/pyproject.toml")]
    for project in projects:
        _check_packages(ref, project)
    venv.create(environment, symlinks=True, with_pip=False)
    packages = metadata.distribution("msgspec").locate_file("")
    paths = [*(tree / each for each in _SOURCES), packages]
    # Paths behind a .pth file are searched in this order, and .pth files in them are not read: so
    # nothing of the present version is found.
    (_site_packages(environment) / "earlier.pth").write_text("\n".join(map(str, paths)) + "\n")
    bin_folder = environment / "bin"
    for project in projects:
        for name, target in project.get("scripts", {}).items():
            module, _, function = target.partition(":")
            script = bin_folder / name
            script.write_text(
                _COMMAND.format(python=bin_folder / "python", module=module, function=function)
            )
            script.chmod(0o755)
    return EarlierVersion(ref, commit, tree, bin_folder)


def _number(tag: str) -> Version | None:
    """Return a release's number; None: it is none, or one before 0.2."""
    try:
        version = Version(tag.removeprefix("v"))
    except InvalidVersion:
        return None
    return version if version >= Version("0.2") else None


def _commit(ref: str) -> str:
    try:
        return _git("rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}").strip()
    except subprocess.CalledProcessError:
        raise UnavailableVersionError(
            f"this clone does not hold {ref}; git fetch --unshallow --tags gets all history"
        ) from None


def _archive(commit: str) -> bytes:
    return subprocess.run(
        ["git", "-C", ROOT, "archive", "--format=tar", commit], check=True, capture_output=True
    ).stdout


def _git(*arguments: str) -> str:
    if not (ROOT / ".git").exists():
        raise UnavailableVersionError(f"{ROOT} is no git clone: it holds no earlier version")
    try:
        return subprocess.run(
            ["git", "-C", ROOT, *arguments], check=True, capture_output=True, text=True
        ).stdout
    except FileNotFoundError:
        raise UnavailableVersionError("git is not installed") from None


def _project(path: Path) -> dict[str, Any]:
    if not path.exists():
        return {}
    project: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))["project"]
    return project


def _check_packages(ref: str, project: dict[str, Any]) -> None:
    """Refuse a version that does not run on the packages of this environment."""
    extras: dict[str, list[str]] = project.get("optional-dependencies", {})
    left = [*project.get("dependencies", [])]
    left += [each for extra in _EXTRAS for each in extras.get(extra, [])]
    while left:
        required = Requirement(left.pop())
        if required.name.startswith(_OURS):
            left += [each for extra in required.extras for each in extras.get(extra, [])]
            continue
        installed = _installed(required.name)
        if installed is None or not required.specifier.contains(installed, prereleases=True):
            raise UnavailableVersionError(f"{ref} needs {required}; {installed} is installed here")


@cache
def _installed(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _site_packages(environment: Path) -> Path:
    return next((environment / "lib").glob("python*/site-packages"))


def main() -> int:
    """Run the upgrade tests; the first argument is the ref to upgrade from."""
    import pytest

    if len(sys.argv) > 1:
        os.environ[REF_VARIABLE] = sys.argv[1]
    return int(pytest.main(["-v", "--rootdir", str(ROOT), str(ROOT / "tests/e2e/upgrades")]))


if __name__ == "__main__":
    sys.exit(main())

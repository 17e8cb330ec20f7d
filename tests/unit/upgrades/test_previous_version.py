"""Which version an upgrade is tested from, and why it cannot be."""

import shutil
import subprocess
from pathlib import Path

import pytest

from support import previous_version
from support.previous_version import (
    FIRST_VERSION,
    UnavailableVersionError,
    check_out,
    previous_ref,
)

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")


def git(folder: Path, *arguments: str) -> str:
    who = ("-c", "user.name=Somebody", "-c", "user.email=somebody@example.org")
    done = subprocess.run(
        ["git", *who, "-C", folder, *arguments], check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository of three commits in place of this one."""
    folder = tmp_path / "clone"
    git(tmp_path, "init", "--quiet", "clone")
    for number in range(3):
        git(folder, "commit", "--quiet", "--allow-empty", "-m", f"Commit {number}")
    monkeypatch.setattr(previous_version, "ROOT", folder)
    monkeypatch.delenv(previous_version.REF_VARIABLE, raising=False)
    return folder


def test_newest_release_behind_head_is_the_previous_version(clone: Path) -> None:
    git(clone, "tag", "v0.2.0", "HEAD~2")
    git(clone, "tag", "v0.10.0", "HEAD~1")
    git(clone, "tag", "v0.9.0", "HEAD~1")
    git(clone, "tag", "very-good")
    git(clone, "tag", "v0.11.0")  # HEAD itself is this version
    git(clone, "checkout", "--quiet", "-b", "other", "HEAD~1")
    git(clone, "commit", "--quiet", "--allow-empty", "-m", "Elsewhere")
    git(clone, "tag", "v3.0.0")
    git(clone, "checkout", "--quiet", "-")
    assert previous_ref() == "v0.10.0"


def test_without_a_release_whose_store_is_read_it_is_the_last_commit(clone: Path) -> None:
    git(clone, "tag", "v0.1.0", "HEAD~1")
    assert previous_ref() == "HEAD"


def test_environment_names_another(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(previous_version.REF_VARIABLE, "HEAD~1")
    assert previous_ref() == "HEAD~1"


def test_shallow_clone_says_what_it_lacks(
    clone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git(tmp_path, "clone", "--quiet", "--depth", "1", clone.as_uri(), "shallow")
    monkeypatch.setattr(previous_version, "ROOT", tmp_path / "shallow")
    assert previous_ref() == "HEAD"
    with pytest.raises(UnavailableVersionError, match=r"does not hold 80dcb79.*--unshallow"):
        check_out(FIRST_VERSION, tmp_path / "first")


def test_folder_without_git_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(previous_version, "ROOT", tmp_path)
    monkeypatch.delenv(previous_version.REF_VARIABLE, raising=False)
    with pytest.raises(UnavailableVersionError, match="is no git clone"):
        previous_ref()


@pytest.mark.parametrize(
    ("required", "reason"),
    [
        ("msgspec<0.1", "HEAD needs msgspec<0.1; 0"),
        ("no-such-package-of-anybody>=1", "no-such-package-of-anybody>=1; None is installed"),
    ],
)
def test_version_that_needs_other_packages_says_which(
    clone: Path, tmp_path: Path, required: str, reason: str
) -> None:
    (clone / "pyproject.toml").write_text(
        "[project]\ndependencies = []\n[project.optional-dependencies]\n"
        f'producer = ["ohlc-pipeline[service]"]\nservice = ["{required}"]\n'
    )
    git(clone, "add", ".")
    git(clone, "commit", "--quiet", "-m", "Need something else")
    with pytest.raises(UnavailableVersionError, match=reason):
        check_out("HEAD", tmp_path / "head")


def test_checked_out_version_runs_its_own_code(tmp_path: Path) -> None:
    try:
        head = check_out("HEAD", tmp_path)
    except UnavailableVersionError as error:
        pytest.skip(f"needs a git clone: {error}")
    for module in ("ohlc_core", "feature_writer", "exchange_simulator"):
        assert head.value(module, "__file__").startswith(str(head.folder))
    command = head.bin_folder / "ohlc-aggregator"
    done = subprocess.run([command, "--version"], check=True, capture_output=True, text=True)
    assert done.stdout.split()[0] == "ohlc-aggregator"
    assert len(head.commit) == 40

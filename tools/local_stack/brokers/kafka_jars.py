"""The jars of Apache Kafka, copied once from Maven Central into the user's cache folder."""

import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from ohlc_core.errors import PipelineError

_POM = Path(__file__).resolve().parents[1] / "kafka" / "pom.xml"
#: Of each jar, as sha512sum writes it: `sha512sum *.jar` in a folder that is known to be good.
_CHECKSUMS = _POM.with_name("jars.sha512")
_DOWNLOAD_SECONDS = 600


class KafkaJarsError(PipelineError):
    """The jars are not there and could not be retrieved; one line with the reason."""


def missing() -> str:
    """Return why a real Kafka cannot be run on this machine, or "" when it can."""
    if shutil.which("java") is None:
        return "java is not installed"
    if not jars_folder().is_dir() and shutil.which("mvn") is None:
        return "Kafka's jars are not in the cache and mvn, which gets them, is not installed"
    return ""


def jars_folder() -> Path:
    """Return where the jars are kept; its name changes with the pinned versions."""
    try:
        caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    except RuntimeError:  # a user without a home
        caches = Path(tempfile.gettempdir())
    version = hashlib.sha256(_POM.read_bytes()).hexdigest()[:12]
    return caches / "ohlc-pipeline" / f"kafka-{version}"


def ensure_jars() -> Path:
    """Return the folder with the jars, getting them first where they are missing.

    Safe to call from several processes at once; the folder appears whole or not at all.

    Raises:
        KafkaJarsError: Maven is missing or failed, or what it got is not what was pinned.
    """
    folder = jars_folder()
    if folder.is_dir():
        return folder
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with locked(folder.with_suffix(".lock")):
            if not folder.is_dir():
                _download(folder)
    except OSError as error:
        raise KafkaJarsError(
            f"{folder.parent} cannot be written ({error.strerror or error}); "
            "set XDG_CACHE_HOME to a folder that can be"
        ) from None
    return folder


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock file, waiting for whoever holds it."""
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _download(folder: Path) -> None:
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f"{folder.name}-") as partial:
        jars = Path(partial) / "jars"
        command = ["mvn", "-B", "-q", "--strict-checksums", "-f", str(_POM)]
        command += ["dependency:copy-dependencies", f"-DoutputDirectory={jars}"]
        try:
            done = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=_DOWNLOAD_SECONDS,
                check=False,
            )
        except FileNotFoundError:
            raise KafkaJarsError("mvn, which gets Kafka's jars, is not installed") from None
        except subprocess.TimeoutExpired:
            raise KafkaJarsError(
                f"mvn did not get Kafka's jars within {_DOWNLOAD_SECONDS} s"
            ) from None
        if done.returncode != 0:
            lines = (done.stdout + done.stderr).strip().splitlines()
            reason = next((line for line in lines if "ERROR" in line), "no reason given")
            raise KafkaJarsError(f"mvn could not get Kafka's jars: {reason}")
        check_jars(jars)
        jars.rename(folder)


def check_jars(folder: Path) -> None:
    """Check that the folder holds the jars that were pinned, and nothing else.

    Raises:
        KafkaJarsError: one is missing, more than wanted, or not the one that was pinned.
    """
    lines = _CHECKSUMS.read_text().splitlines()
    wanted = {name: digest for digest, _, name in (line.partition("  ") for line in lines)}
    found = {path.name: hashlib.sha512(path.read_bytes()).hexdigest() for path in folder.iterdir()}
    wrong = sorted(
        name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name)
    )
    if wrong:
        raise KafkaJarsError(
            f"Kafka's jars are not those of {_CHECKSUMS.name}: {', '.join(wrong[:5])}; where the "
            "versions in pom.xml were changed on purpose, renew it (docs/supply-chain.md)"
        )

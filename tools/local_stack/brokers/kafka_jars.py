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
        KafkaJarsError: Maven is missing or failed.
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
        jars.rename(folder)

"""The JVM's archive of Kafka's loaded classes, which halves the work of starting it.

It stands beside the jars and fits one Java and one set of jars only. A JVM does without one that
does not fit.
"""

import hashlib
import os
import shutil
from pathlib import Path

_QUIET = ("-Xshare:auto", "-Xlog:cds=off", "-Xlog:cds+dynamic=off")


def archive_path(jars: Path) -> Path:
    """Return where the archive of the jars for this machine's Java is, or would be."""
    java = Path(shutil.which("java") or "java").resolve()
    changed = java.stat().st_mtime_ns if java.exists() else 0
    fits = hashlib.sha256(f"{java} {changed} {os.uname().machine}".encode()).hexdigest()[:8]
    return jars.with_name(f"{jars.name}-{fits}.jsa")


def flags_to_use(jars: Path) -> list[str]:
    """Return the flags of a JVM that uses the archive, if there is one."""
    archive = archive_path(jars)
    return [*_QUIET, f"-XX:SharedArchiveFile={archive}"] if archive.exists() else ["-Xshare:auto"]


def flags_to_write(archive: Path) -> list[str]:
    """Return the flags of a JVM that writes an archive of what it has loaded when it ends."""
    return [*_QUIET, f"-XX:ArchiveClassesAtExit={archive}"]

"""A network and file systems of the run's own, so that it can cut and fill them.

The run starts itself again inside new Linux namespaces: its loopback interface carries nothing
but its own processes, and its small file systems are seen by nobody else. Root needs no user
namespace; others get one, where the kernel lets them.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from chaos.plan import KINDS, Kind

_INSIDE: Final = "CHAOS_ISOLATED"
_CUTS: tuple[Kind, ...] = ("cut_exchange", "cut_broker")


def isolate(module: str) -> None:
    """Start the program again in namespaces of its own, if there can be; else return."""
    if os.environ.get(_INSIDE):
        return
    command = ["unshare", "--mount", "--net"]
    if os.getuid() != 0:
        command.append("--map-root-user")
    if not _works([*command, "true"]):
        return
    environment = {**os.environ, _INSIDE: "1"}
    os.execvpe(command[0], [*command, sys.executable, "-m", module, *sys.argv[1:]], environment)


def is_isolated() -> bool:
    """Return whether this program has a network of its own."""
    return bool(os.environ.get(_INSIDE))


def raise_loopback() -> None:
    """Switch on the loopback interface of this program's own network."""
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)


def possible_kinds() -> tuple[tuple[Kind, ...], dict[Kind, str]]:
    """Return the blows that can be dealt here, and why others cannot."""
    lacking: dict[Kind, str] = {}
    if not is_isolated():
        lacking = dict.fromkeys((*_CUTS, "disk_full"), "no namespaces could be made")
    elif not _works(["iptables", "-w", "-L", "INPUT", "-n"]):
        lacking = dict.fromkeys(_CUTS, "iptables is missing or refused")
    return tuple(kind for kind in KINDS if kind not in lacking), lacking


def _works(command: list[str]) -> bool:
    if shutil.which(command[0]) is None:
        return False
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


class SmallDisk:
    """A folder with a file system of its own, which can be filled.

    Args:
        folder: where it is mounted; an ordinary folder where nothing can be mounted.
        megabytes: its size.
    """

    def __init__(self, folder: Path, megabytes: int = 96) -> None:
        self.folder = folder
        folder.mkdir(parents=True)
        self._is_mounted = is_isolated() and _works(
            ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "chaos", str(folder)]
        )
        self._ballast = folder / "ballast"

    def fill(self) -> None:
        """Take all that is left."""
        with self._ballast.open("wb", buffering=0) as file:
            for size in (1 << 20, 1 << 12):
                try:
                    while True:
                        file.write(b"\0" * size)
                except OSError:
                    continue

    def free(self) -> None:
        """Give it back."""
        self._ballast.unlink(missing_ok=True)

    def remove(self) -> None:
        """Unmount it."""
        if self._is_mounted:
            subprocess.run(["umount", "--lazy", str(self.folder)], check=False)


class Network:
    """Cuts this program's own network, one server at a time.

    A cut drops every packet from and to the server's port: connections stay open on both sides
    and nothing arrives, as on a broken line. `RUNNER` is never cut off.
    """

    #: Where the run itself connects from, to look at the exchange.
    RUNNER = "127.0.0.2"

    def __init__(self) -> None:
        self._rules: set[int] = set()

    def cut(self, port: int) -> None:
        """Cut a server off."""
        if port in self._rules:
            return
        self._rules.add(port)
        for rule in self._drops(port):
            _iptables("--append", *rule)

    def heal(self, port: int) -> None:
        """Connect a server again."""
        if port not in self._rules:
            return
        self._rules.discard(port)
        for rule in self._drops(port):
            _iptables("--delete", *rule)

    def heal_all(self) -> None:
        """Connect everything again."""
        for port in list(self._rules):
            self.heal(port)

    def _drops(self, port: int) -> tuple[tuple[str, ...], ...]:
        to = ("INPUT", "-p", "tcp", "--dport", str(port), "!", "-s", self.RUNNER, "-j", "DROP")
        back = ("INPUT", "-p", "tcp", "--sport", str(port), "!", "-d", self.RUNNER, "-j", "DROP")
        return to, back


def _iptables(*arguments: str) -> None:
    subprocess.run(["iptables", "-w", *arguments], check=True, capture_output=True)

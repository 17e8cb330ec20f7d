"""What a result says of where it comes from."""

import shlex
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from itertools import pairwise

import msgspec

from benchmarks.claims.machine import Machine, this_commit, this_machine


class Origin(msgspec.Struct, frozen=True):
    """Where and when a result was measured.

    Attributes:
        date: the day, UTC.
        command: what was run.
    """

    machine: Machine
    commit: str
    date: str
    command: str


def origin(target: str, arguments: Sequence[str], unnamed: Collection[str] = ()) -> Origin:
    """Return this machine, its commit, this day and the command.

    Args:
        target: of the Makefile.
        arguments: what it was given as ARGS.
        unnamed: options, each with one value, that say nothing about the result.
    """
    shown = [
        each
        for before, each in pairwise(["", *arguments])
        if each not in unnamed and before not in unnamed
    ]
    given = f' ARGS="{shlex.join(shown)}"' if shown else ""
    day = datetime.now(UTC).date().isoformat()
    return Origin(this_machine(), this_commit(), day, target + given)

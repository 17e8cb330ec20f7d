"""``make fuzz``: every target for its share of FUZZ_SECONDS; prints inputs per target.

With atheris, whose wheels are for Linux and CPython up to 3.13, inputs follow the coverage of our
code; without it, or for files and settings, they are our own mutation. An input that fails is kept
in tests/fuzz/failed/<target>-<hash> and run again by every later run and by `make test`.
"""

import argparse
import hashlib
import os
import random
import resource
import subprocess
import sys
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fuzz.targets import Target

HERE = Path(__file__).parent
FAILED = HERE / "failed"
MAX_SECONDS = 1.0
MAX_MEGABYTES = 100
_LONGEST = 20_000
_OURS = ("files", "settings")


class TooMuchError(Exception):
    """An input took more time or memory than any may."""


def resident_mb() -> float:
    """Return the most memory this process ever had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1_024


def run_one(target: "Target", data: bytes) -> None:
    """Run one input.

    Raises:
        TooMuchError: it took over a second of CPU, or 100 MB.
    """
    before, begin = resident_mb(), time.process_time()
    target.run(data)
    if time.process_time() - begin > MAX_SECONDS:
        raise TooMuchError(f"took {time.process_time() - begin:.1f} s")
    if resident_mb() - before > MAX_MEGABYTES:
        raise TooMuchError(f"took {resident_mb() - before:.0f} MB")


def mutate(name: str, target: "Target", seconds: float, seed: int, runs: int = 1 << 60) -> int:
    """Run our own mutation of the target's seeds for that long; return how many inputs."""
    from fuzz.mutation import mutated

    source = random.Random(f"{name}-{seed}")
    for seed_input in target.seeds:
        run_one(target, seed_input)
    pool = list(target.seeds)
    count, end = 0, time.monotonic() + seconds
    while time.monotonic() < end and count < runs:
        data = mutated(source.choice(pool), source, target.seeds)[:_LONGEST]
        try:
            run_one(target, data)
        except Exception:
            keep(name, data)
            raise
        count += 1
        if len(pool) < 500 and source.random() < 0.01:
            pool.append(data)
    return count


def keep(name: str, data: bytes) -> None:
    """Keep an input that failed."""
    FAILED.mkdir(exist_ok=True)
    (FAILED / f"{name}-{hashlib.sha256(data).hexdigest()[:12]}").write_bytes(data)


def failed_before(name: str) -> list[bytes]:
    """Return the inputs of the target that once failed."""
    return [path.read_bytes() for path in sorted(FAILED.glob(f"{name}-*"))]


def _with_atheris(name: str, seconds: float, corpus: Path) -> None:
    """Run one target under atheris; does not return."""
    import atheris

    with atheris.instrument_imports(include=["ohlc_core", "ohlc_exchanges"]):
        from fuzz import targets
    target = targets.every()[name]
    corpus.mkdir(parents=True, exist_ok=True)
    for seed in (*target.seeds, *failed_before(name)):
        (corpus / hashlib.sha256(seed).hexdigest()[:16]).write_bytes(seed)

    def one(data: bytes) -> None:
        try:
            run_one(target, data)
        except Exception:
            keep(name, data)
            traceback.print_exc()
            os._exit(77)

    atheris.Setup(
        [
            sys.argv[0],
            f"-max_total_time={max(1, int(seconds))}",
            f"-max_len={_LONGEST}",
            "-print_final_stats=1",
            "-rss_limit_mb=2048",
            str(corpus),
        ],
        one,
    )
    atheris.Fuzz()


def _in_process(name: str, seconds: float, corpus: Path) -> tuple[int, bool]:
    """Run one target under atheris in a process of its own; return inputs, and whether all held."""
    command = [sys.executable, "-m", "fuzz.run", "--target", name, "--seconds", str(seconds)]
    done = subprocess.run(
        [*command, "--corpus", str(corpus)],
        cwd=HERE.parent,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    lines = done.stderr.splitlines()
    counts = [line.split()[-1] for line in lines if "number_of_executed_units" in line]
    if done.returncode:
        print("\n".join(lines[-25:]), file=sys.stderr)
    return int(counts[-1]) if counts else 0, done.returncode == 0


def main() -> None:
    """Run the targets; exit 1 where one failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--target", default="")
    parser.add_argument(
        "--seconds", type=float, default=float(os.environ.get("FUZZ_SECONDS") or 60)
    )
    parser.add_argument("--corpus", type=Path, default=Path("/tmp") / f"fuzz-{os.getuid()}")
    parser.add_argument("names", nargs="*")
    given = parser.parse_args()
    sys.path.insert(0, str(HERE.parent))
    if given.target:
        _with_atheris(given.target, given.seconds, given.corpus)
    from fuzz import targets

    every = targets.every()
    names = given.names or list(every)
    try:
        import atheris  # noqa: F401

        has_atheris = True
    except ImportError:
        has_atheris = False
        print("atheris is not installed here: all inputs are our own mutation")
    total, bad = 0, []
    share = given.seconds / len(names)
    for name in names:
        begin, held = time.monotonic(), True
        count = 0
        for data in failed_before(name):
            run_one(every[name], data)
        if has_atheris and name not in _OURS:
            count, held = _in_process(name, share / 2, given.corpus / name)
        try:
            left = max(1.0, share - (time.monotonic() - begin))
            count += mutate(name, every[name], left, int(time.time()))
        except Exception:
            traceback.print_exc()
            held = False
        total += count
        bad += [] if held else [name]
        print(f"{name:18} {count:10,} inputs {'' if held else 'FAILED'}", flush=True)
    print(f"{'all':18} {total:10,} inputs; at most {resident_mb():.0f} MB")
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()

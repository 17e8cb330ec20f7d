"""The local store against the bare libraries under it, and its newest rows read meanwhile.

    python benchmarks/feature_store/run.py [--rows 1000000] [--repeat 3] [--feast PYTHON]

Rivals take turns, each in a process and a file of its own; the median of the repeats counts.
Making the candles is not timed. Ours gets candles and applies its rules to them; "ready rows" is
the bare library without even turning candles into rows. On a busy machine the CPU column counts.
Feast runs with the interpreter given, in an environment of its own.
"""

import argparse
import json
import multiprocessing
import statistics
import subprocess
import sys
import tempfile
import time
from multiprocessing.connection import Connection
from pathlib import Path

import rivals
from adbc_driver_sqlite import dbapi
from rows import batches

from ohlc_features.reading import FeatureReader

RIVALS: dict[str, rivals.Rival] = {
    "sqlite3, ready rows": rivals.bare_sqlite3,
    "sqlite3, candles": rivals.bare_sqlite3_from_candles,
    "SQLAlchemy Core": rivals.bare_sqlalchemy,
    "local store": rivals.ours,
}


def timed(name: str, rows: int, path: str, answer: Connection) -> None:
    """Write the rows by one rival; send what it took."""
    answer.send(RIVALS[name](Path(path), batches(rows)))


def newest_row_latencies(path: str, stop: Connection, answer: Connection) -> None:
    """Read one product's newest row again and again until asked to stop; send the milliseconds."""
    latencies: list[float] = []
    with FeatureReader.open(f"sqlite:///{path}") as reader:
        while not stop.poll():
            begin = time.perf_counter()
            reader.latest("kraken", "P000/USD", "1m")
            latencies.append((time.perf_counter() - begin) * 1_000)
            time.sleep(0.002)
    answer.send(latencies)


def write(name: str, rows: int, path: Path) -> rivals.Spent:
    """Return what one rival took, in a process of its own."""
    here, there = multiprocessing.Pipe()
    process = multiprocessing.Process(target=timed, args=(name, rows, str(path), there))
    process.start()
    spent: rivals.Spent = here.recv()
    process.join()
    return spent


def latencies_while_writing(rows: int, path: Path) -> list[float]:
    """Return the newest row's read latencies in ms, in another process than the writing one."""
    rivals.ours(path, batches(1_000))
    told, tell = multiprocessing.Pipe(duplex=False)
    here, there = multiprocessing.Pipe()
    reader = multiprocessing.Process(target=newest_row_latencies, args=(str(path), told, there))
    reader.start()
    write("local store", rows, path)
    tell.send(True)
    latencies: list[float] = here.recv()
    reader.join()
    return latencies


def history_seconds(path: Path, repeat: int) -> dict[str, float]:
    """Return the seconds that all of a store's history takes to be read: bare ADBC, and ours."""
    bare: list[float] = []
    ours: list[float] = []
    for _ in range(repeat + 1):  # the first warms the file's pages up
        begin = time.perf_counter()
        with dbapi.connect(f"file:{path}?mode=ro") as connection, connection.cursor() as cursor:
            cursor.execute("select * from ohlc_1")
            cursor.fetch_polars()
        bare.append(time.perf_counter() - begin)
        begin = time.perf_counter()
        with FeatureReader.open(f"sqlite:///{path}") as reader:
            reader.candles("kraken", None, "1m")
        ours.append(time.perf_counter() - begin)
    return {"bare ADBC": statistics.median(bare[1:]), "reader": statistics.median(ours[1:])}


def feast(python: str, rows: int, folder: Path) -> dict[str, float]:
    """Return Feast's figures; it writes to its default local provider."""
    script = Path(__file__).with_name("run_feast.py")
    done = subprocess.run(
        [python, str(script), str(rows), str(folder)], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise SystemExit(f"Feast failed:\n{done.stderr[-3000:]}")
    figures: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    return figures


def ratio(seconds: dict[str, float], name: str) -> str:
    """Return how fast ours is, relative to a rival."""
    return f"{seconds[name] / seconds['local store']:.2f}"


def main() -> None:
    """Run everything and print a table."""
    parser = argparse.ArgumentParser(description="The local store against bare libraries.")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--feast", default="", help="interpreter of an environment with Feast")
    parser.add_argument("--feast-rows", type=int, default=100_000)
    parser.add_argument("--json", type=Path, help="where to write the figures")
    options = parser.parse_args()
    spent: dict[str, list[rivals.Spent]] = {name: [] for name in RIVALS}
    with tempfile.TemporaryDirectory() as folder:
        for turn in range(options.repeat):
            for number, name in enumerate(RIVALS):
                path = Path(folder) / f"{number}-{turn}.db"
                spent[name].append(write(name, options.rows, path))
                path.unlink()
        latencies = latencies_while_writing(options.rows, Path(folder) / "read.db")
        history = history_seconds(Path(folder) / "read.db", options.repeat)
        # Each push rewrites Feast's whole history, so its time grows with the square of the rows.
        fewer = min(options.rows, options.feast_rows)
        others = feast(options.feast, fewer, Path(folder)) if options.feast else {}
    wall = {name: statistics.median(each.wall for each in spent[name]) for name in RIVALS}
    cpu = {name: statistics.median(each.cpu for each in spent[name]) for name in RIVALS}
    print(f"{options.rows} rows, median of {options.repeat}; ours relative to each by wall and CPU")
    for name in RIVALS:
        print(
            f"  {name:20} {options.rows / wall[name]:10,.0f} rows/s  ours {ratio(wall, name)}"
            f"   CPU {cpu[name] / options.rows * 1e6:5.1f} us/row  ours {ratio(cpu, name)}"
        )
    cuts = statistics.quantiles(latencies, n=100)
    print(
        f"newest row read while writing: p50 {cuts[49]:.2f} ms, p99 {cuts[98]:.2f} ms, "
        f"max {max(latencies):.2f} ms ({len(latencies)} reads)"
    )
    ratio_of_history = history["reader"] / history["bare ADBC"]
    print(
        f"history of {options.rows} rows: reader {history['reader']:.2f} s, bare ADBC "
        f"{history['bare ADBC']:.2f} s, ratio {ratio_of_history:.2f}"
    )
    for name, value in others.items():
        print(f"Feast {name}: {value:,.2f}")
    if options.json:
        figures = {
            name: {
                "rows/s": options.rows / wall[name],
                "CPU us": cpu[name] / options.rows * 1e6,
                "ours by clock": wall[name] / wall["local store"],
                "ours by CPU": cpu[name] / cpu["local store"],
            }
            for name in RIVALS
        }
        figures["history"] = {"ratio": ratio_of_history}
        options.json.write_text(json.dumps(figures))


if __name__ == "__main__":
    multiprocessing.set_start_method("spawn")
    sys.exit(main())

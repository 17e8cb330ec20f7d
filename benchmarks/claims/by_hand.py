"""Figures that no command gives again; each says why."""

from benchmarks.claims.model import Claim

_PROFILE = "taken with a profiler, in process"
_BROWSER = "taken by hand in a browser, on a loaded machine"
_IMAGES = "needs Docker: `docker image ls` after `make up`"


def _hand(file: str, why: str, quote: str, *figures: tuple[str, str, str, str]) -> list[Claim]:
    """Return claims: name, statement, figure, unit."""
    return [
        Claim(name, statement, file, quote, figure, unit, why_not=why)
        for name, statement, figure, unit in figures
    ]


def _image(row: str, image: str, megabytes: str) -> list[Claim]:
    says = f"image of {image}"
    return _hand("docs/docker.md", _IMAGES, row, (f"image-{image}", says, megabytes, "MB"))


def _dashboard(row: str, *figures: tuple[str, str, str, str]) -> list[Claim]:
    return _hand("docs/dashboard.md", _BROWSER, row, *figures)


def _aggregator(quote: str, *figures: tuple[str, str, str, str]) -> list[Claim]:
    return _hand("docs/aggregator.md", _PROFILE, quote, *figures)


CLAIMS = [
    *_aggregator(
        "cutting the columns out of the JSON 14 ns per trade, reading them 141 ns, sums and all "
        "candle rules of three intervals 240 ns, encoding candles 20 ns: 415 ns",
        ("profile-cut", "cutting columns out of the JSON, a trade", "14", "ns"),
        ("profile-read", "reading them, a trade", "141", "ns"),
        ("profile-rules", "sums and candle rules of three intervals, a trade", "240", "ns"),
        ("profile-encode", "encoding candles, a trade", "20", "ns"),
        ("profile-all", "all of these, a trade", "415", "ns"),
    ),
    *_aggregator(
        "2.4 KB per product (its own 1.5 KB, of that the open windows' exact sums most), some 90 us",
        ("profile-save-size", "a save, a product", "2.4", "KB"),
        ("profile-save-own", "of that its own state", "1.5", "KB"),
        ("profile-save", "CPU of a save", "90", "us"),
    ),
    *_aggregator(
        "10 us for 500 numbers; of unequal ones through doubles, 30 us",
        ("profile-digits", "500 numbers as a table of digits", "10", "us"),
        ("profile-doubles", "500 numbers through doubles", "30", "us"),
    ),
    *_hand("docs/aggregator.md", "the earlier format is gone", "as an object it took 108.7",
           ("object-bytes", "a trade as an object", "108.7", "bytes")),
    *_hand("docs/aggregator.md", "one run on a shared machine",
           "gave 4.5 x bytewax and 1.06 x the first row",
           ("shared-bytewax", "ours by bytewax, shared machine", "4.5", "x"),
           ("shared-decode", "ours by decoding objects, shared machine", "1.06", "x")),
    *_hand("docs/aggregator.md", "the test prints candles on the topic, not repetitions",
           "1,525 of them there twice with identical bytes",
           ("kills-twice", "at-least-once, 100 kills, candles there twice", "1,525", "")),
    *_dashboard("shows as stalled after | 2.8 s |",
                ("dashboard-stalled", "a frozen producer shows as stalled", "2.8", "s")),
    *_dashboard("its recovery shows after | 1.0 s |",
                ("dashboard-recovered", "its recovery shows", "1.0", "s")),
    *_dashboard("one open page | 2.7 % of a core, 85 MB |",
                ("dashboard-core", "200 products, one page, of a core", "2.7", "%"),
                ("dashboard-memory", "the same, memory", "85", "MB")),
    *_dashboard("their clients in the process | 10.5 % of a core, 133 MB |",
                ("dashboard-50-core", "50 open streams, of a core", "10.5", "%"),
                ("dashboard-50-memory", "the same, memory", "133", "MB")),
    *_dashboard("process gone after | 0.34 to 0.5 s |",
                ("dashboard-end", "end by Ctrl-C with three streams, at most", "0.5", "s")),
    *_dashboard("on the open page (100 trades) | p50 0.15 s, p99 0.46 s |",
                ("dashboard-trade-p50", "a trade on the open page, p50", "0.15", "s"),
                ("dashboard-trade-p99", "the same, p99", "0.46", "s")),
    *_dashboard("a closed candle given to it, on the open page | p50 0.14 s, p99 0.25 s |",
                ("dashboard-candle-p50", "a closed candle on the open page, p50", "0.14", "s"),
                ("dashboard-candle-p99", "the same, p99", "0.25", "s")),
    *_dashboard("first paint; its candles | 0.19 to 0.27 s; 0.75 to 1.4 s |",
                ("dashboard-paint", "first paint, at most", "0.27", "s"),
                ("dashboard-candles", "its candles, at most", "1.4", "s")),
    *_dashboard("300 of 2,000 stored candles | p50 0.09 s, longest 0.15 s |",
                ("dashboard-switch-p50", "switch of product, p50", "0.09", "s"),
                ("dashboard-switch-max", "the same, longest", "0.15", "s")),
    *_dashboard("all of them in view (quiet, five times) | 0.64 to 1.00 s; 0.14 to 0.29 s |",
                ("dashboard-many", "100,000 candles painted, at most", "1.00", "s"),
                ("dashboard-many-view", "all of them in view, at most", "0.29", "s")),
    *_hand("docs/docker.md", _IMAGES, "the test machine's 124 MB base",
           ("image-base", "the images' base", "124", "MB")),
    *_image("| trade-producer | 153 MB |", "trade-producer", "153"),
    *_image("| exchange-simulator | 165 MB |", "exchange-simulator", "165"),
    *_image("| feature-writer | 272 MB |", "feature-writer", "272"),
    *_image("| ohlc-aggregator | 291 MB |", "ohlc-aggregator", "291"),
    *_image("| dashboard | 482 MB", "dashboard", "482"),
    *_image("| trade-replayer | 726 MB", "trade-replayer", "726"),
    *_image("`WRITER_REQUIREMENTS=hopsworks` | about 800 MB |", "feature-writer-hopsworks", "800"),
    *_hand("docs/producer.md", "timed by hand; `make bench-restart` measures to the store",
           "median 1.71 s, maximum 1.85 s of 5",
           ("producer-append", "from the start after SIGKILL to an append, median", "1.71", "s"),
           ("producer-append-max", "the same, maximum", "1.85", "s")),
    *_hand("docs/producer.md", "three ranges of seeds: `make fault-matrix FAULT_SEED=...`",
           "56 runs of the fault matrix (seeds 1000 to 1023, 2000 to 2015, 3000 to 3015), all "
           "exact: 91,923 trades, 50 SIGKILLs, 14 gap records",
           ("fault-matrix-later", "later runs, all exact", "56", "runs"),
           ("fault-matrix-later-trades", "their trades", "91,923", "")),
    *_hand("docs/simulator.md", "timed by hand on a shared machine",
           "took 0.2 (Kraken) to 0.45 (one frame a trade) of one core",
           ("simulator-kraken", "20,000 trades/s as Kraken, of a core", "0.2", ""),
           ("simulator-frames", "20,000 trades/s of one frame each, of a core", "0.45", "")),
    *_hand("docs/simulator.md", "counted by hand", "costs about 33 bytes, for ever",
           ("simulator-bytes", "a trade that has happened, memory", "33", "bytes")),
    *_hand("docs/feature-store.md", "seen in a running pipeline",
           "were there 15 to 1,732 ms after their window's end",
           ("store-soonest", "rows after their window's end, soonest", "15", "ms"),
           ("store-latest", "the same, latest", "1,732", "ms")),
    *_hand("docs/feature-store.md", "a file's size, by hand", "some 130 MB per million rows",
           ("store-size", "the local store, a million rows", "130", "MB")),
    *_hand("docs/feature-store.md", _PROFILE, "building its frame takes 0.1 ms of CPU",
           ("store-frame", "building the frame of a newest row, CPU", "0.1", "ms")),
    *_hand("docs/feature-store.md", "needs a Python with Feast: `--feast PYTHON`",
           "6,541 rows/s up to 50,000 rows",
           ("feast-push", "Feast's pushes", "6,541", "rows/s")),
    *_hand("docs/feature-store.md", "needs a Python with Feast: `--feast PYTHON`",
           "its newest row took 0.14 ms (p50)",
           ("feast-newest", "Feast's newest row, p50", "0.14", "ms")),
    *_hand("docs/feature-store.md", "size of an installation, by hand", "weighs 900 MB",
           ("hopsworks-size", "the Hopsworks client", "900", "MB")),
    *_hand("docs/backfill.md", "the test does not print memory", "at 524 and 666 MB",
           ("postgres-2m-memory", "2 million rows of PostgreSQL, memory", "524", "MB"),
           ("postgres-10m-memory", "10 million rows of PostgreSQL, memory", "666", "MB")),
    *_hand("docs/backfill.md", "passes or fails, without a figure: `PARITY_TRADES`, `PARITY_RATE`",
           "with 10.2 million generated trades and 76 faults",
           ("parity-trades", "trades, live equal to backfill", "10.2", "million"),
           ("parity-faults", "faults of that run", "76", "")),
    *_hand("README.md", "passes or fails, without a figure: `tests/e2e/test_recorded_market.py`",
           "139 one-minute candles of Kraken, equal on both paths",
           ("recorded-candles", "recorded candles, equal on both paths", "139", "candles")),
    *_hand("README.md", "one run of `make demo`",
           "99 % of live candles stored within 1.5 s of their window's end",
           ("demo-share", "candles of the demo stored soon enough", "99", "%"),
           ("demo-soon", "soon enough", "1.5", "s")),
    *_hand("docs/development.md", "timed by hand", "starts in about 3 s with a heap of 512 MB",
           ("kafka-start", "start of the local Kafka", "3", "s")),
    *_hand("docs/development.md", "a folder's size, by hand", "43 MB, some seconds",
           ("kafka-jars", "its jars", "43", "MB")),
]  # fmt: skip

"""Claims about the live path: freshness, standstill, latency, the producer."""

from benchmarks.claims.model import Claim, Column, Command, row_of

_OPERATIONS, _PRODUCER, _AGGREGATOR = "docs/operations.md", "docs/producer.md", "docs/aggregator.md"
_QUIET = "26 November 2026, two cores, nothing else running"
_NOVEMBER = "November 2026, two cores"

COMMANDS = [
    Command("freshness", "bench-freshness", _QUIET, quick="--seconds 3 --rates 10 1000 5000"),
    Command(
        "freshness-withheld",
        "bench-freshness",
        _QUIET,
        "--withhold --rates 1000 --seconds 60",
        quick="--withhold --rates 1000 --seconds 10",
    ),
    Command("restart", "bench-restart", _QUIET, quick="10 100 1"),
    Command("latency", "bench-latency", "two cores, quiet", quick="--seconds 7 --warm-up 1"),
    Command("producer", "bench-producer", _NOVEMBER, "6000 5 60", quick="600 5 6"),
    Command(
        "fault-matrix",
        "fault-matrix",
        _NOVEMBER,
        variables={"FAULT_RUNS": "210", "FAULT_SEED": "100"},
        quick_variables={"FAULT_RUNS": "2", "FAULT_SEED": "100"},
        runs=1,
        writes_json=False,
    ),
    Command(
        "kills",
        "tests/e2e/ohlc_aggregator",
        "November 2026, two cores, 18 minutes",
        variables={"CHAOS_KILLS": "100", "CHAOS_SEED": "7"},
        quick_variables={"CHAOS_KILLS": "2", "CHAOS_SEED": "7"},
        runs=1,
        writes_json=False,
    ),
]

_OTHERS = "the other products' rows beyond grace while one waits"
_SHARES = {"10": ("p50", "p99")} | dict.fromkeys(("1000", "5000"), ("p50", "p90", "p99", "max"))


def _freshness(stage: str, row: str) -> list[Claim]:
    columns = [
        Column(f"{rate}-{share}", f"{int(rate):,} trades/s, {share}", (rate, stage, share), "ms")
        for rate, shares in _SHARES.items()
        for share in shares
    ]
    name = f"freshness-{stage.replace(' + ', '-').replace(' ', '-')}"
    return row_of(name, stage, _OPERATIONS, row, columns, command="freshness")


def _withheld(name: str, row: str, statement: str, figure: str, quote: str) -> Claim:
    share = name.rpartition("-")[2]
    return Claim(
        f"freshness-withheld-{name}",
        f"{statement}, {share}",
        _OPERATIONS,
        quote,
        figure,
        "ms",
        "freshness-withheld",
        ("1000", row, share),
    )


def _restart(service: str, quote: str, median: str, most: str) -> list[Claim]:
    return [
        Claim(
            f"restart-{service}-{what}",
            f"{service}, from SIGKILL to the next candle in the store, {what} of five",
            _OPERATIONS,
            quote,
            figure,
            "s",
            "restart",
            (service, what),
        )
        for what, figure in (("median", median), ("max", most))
    ]


def _latency(guarantee: str, commit: str, row: str) -> list[Claim]:
    shares: list[Column | None] = [
        Column(share, share, (f"{guarantee} {commit}", share), "ms")
        for share in ("p50", "p90", "p99", "max")
    ]
    says = f"{guarantee}, a commit every {commit} s"
    name = f"latency-{guarantee}-{commit}"
    return row_of(name, says, _AGGREGATOR, row, [None, *shares], command="latency")


_MATRIX = "210 of 210 runs exact; 333,419 trades, 170 SIGKILLs, 11 broker outages, 64 gap records"
_STEADY = "took 12 % of a core; memory 59 MB after 20 s and 59 MB at the end"
_COMPARED = "46,820 trades/s (9,364 frames/s) from frames to acknowledged records; 0.84 of bare"
_RECEIVE = "0.17 of bare websocket-client receive"


def _matrix(name: str, says: str, figure: str, pattern: str, bound: float | None = None) -> Claim:
    where = f"fault-matrix-{name}"
    return Claim(where, says, _PRODUCER, _MATRIX, figure, "", "fault-matrix", pattern, "higher",
                 bound=bound)  # fmt: skip


def _produced(key: str, says: str, quote: str, figure: str, unit: str) -> Claim:
    name = f"producer-{key.replace(' ', '-').replace('/s', '')}"
    place = ("compared", key)
    return Claim(name, says, _PRODUCER, quote, figure, unit, "producer", place, "higher")


def _steady(key: str, says: str, figure: str, unit: str, factor: float = 1.0) -> Claim:
    name, place = f"producer-steady-{key.replace(' ', '-')}", ("steady", key)
    return Claim(name, says, _PRODUCER, _STEADY, figure, unit, "producer", place, factor=factor)


_KILLED = (
    "at-least-once, 108,573 records, all 65,862 candles and revisions right, 1,525 of them there "
    "twice with identical bytes; exactly-once, 109,292 records, 66,306 candles and revisions"
)


def _kills(guarantee: str, what: str, figure: str, pattern: str) -> Claim:
    return Claim(
        f"kills-{guarantee}-{what.partition(' ')[0]}",
        f"{guarantee}, 100 kills, all right: {what}",
        _AGGREGATOR,
        _KILLED,
        figure,
        "",
        "kills",
        rf"{guarantee}: \d+ kills, {pattern}",
        "higher",
    )


CLAIMS = [
    *_freshness("socket", "| socket | 6.3 | 13.4 | 6.6 | 10.9 | 12.7 | 18.9 | 10.6 | 16.1 | 20.7 | 30.8 |"),
    *_freshness("producer + topic", "| producer + topic | 6.5 | 19.5 | 4.2 | 5.8 | 9.6 | 130.4 | 4.0 | 5.9 | 10.8 | 74.7 |"),
    *_freshness("aggregator + topic", "| aggregator + topic | 11.7 | 26.7 | 8.4 | 11.6 | 12.5 | 13.1 | 8.3 | 11.0 | 14.1 | 14.9 |"),
    *_freshness("writer + store", "| writer + store | 7.6 | 19.0 | 8.3 | 20.4 | 61.9 | 164.9 | 8.7 | 19.1 | 24.9 | 25.0 |"),
    *_freshness("beyond grace", "| beyond grace | 29.0 | 52.6 | 23.8 | 35.6 | 83.9 | 183.3 | 25.3 | 38.1 | 44.7 | 44.7 |"),
    _withheld("p50", "others' beyond grace", _OTHERS, "19.4", "19.4 ms (p50)"),
    _withheld("p99", "others' beyond grace", _OTHERS, "39.0", "39.0 ms (p99)"),
    _withheld("own-max", "its own, in ohlc", "a waiting product's candle beyond grace", "8002.1", "the oldest 8002.1 ms beyond grace"),
    *_restart("producer", "producer median 1.98 s, max 1.99 s", "1.98", "1.99"),
    *_restart("aggregator", "aggregator 1.27 s, 1.61 s", "1.27", "1.61"),
    *_restart("writer", "writer 0.96 s, 1.30 s", "0.96", "1.30"),
    *_latency("at-least-once", "1", "| at-least-once | 1 (default) | 8.9 ms | 9.6 ms | 12.7 ms | 18.9 ms |"),
    *_latency("at-least-once", "5", "| at-least-once | 5 | 8.9 ms | 9.6 ms | 12.5 ms | 22.8 ms |"),
    *_latency("exactly-once", "0.1", "| exactly-once | 0.1 | 69.5 ms | 113 ms | 128 ms | 234 ms |"),
    *_latency("exactly-once", "1", "| exactly-once | 1 | 488 ms | 925 ms | 1,018 ms | 1,033 ms |"),
    _produced("trades/s", "frames to acknowledged records", _COMPARED, "46,820", "trades/s"),
    _produced("frames/s", "the same in frames", _COMPARED, "9,364", "frames/s"),
    _produced("of bare produce", "of bare librdkafka produce", _COMPARED, "0.84", "x"),
    _produced("of bare receive", "of bare receive and decode", _RECEIVE, "0.17", "x"),
    _steady("core", "5,000 trades/s for a minute, of a core", "12", "%", 100),
    _steady("MB after a third", "the same, memory after a third", "59", "MB"),
    _steady("MB at the end", "the same, memory at the end", "59", "MB"),
    _matrix("exact", "runs of 210 that were exact", "210", r"(\d+) runs, 0 wrong", 210),
    _matrix("trades", "trades of the 210 runs", "333,419", r"wrong, (\d+) trades"),
    _matrix("gaps", "gap records, each right", "64", r"trades, (\d+) gap records"),
    _matrix("kills", "SIGKILLs of the producer", "170", r"gap records, (\d+) SIGKILLs"),
    _kills("at-least-once", "records", "108,573", r"(\d+) records"),
    _kills("at-least-once", "candles and revisions", "65,862", r"\d+ records, (\d+) candles"),
    _kills("exactly-once", "records", "109,292", r"(\d+) records"),
    _kills("exactly-once", "candles and revisions", "66,306", r"\d+ records, (\d+) candles"),
]  # fmt: skip

"""Our own mutation of good inputs: bytes cut, doubled, replaced, and pieces that broke things."""

import random
from collections.abc import Sequence

PIECES = (
    b"_", b" ", b"+", b"-", b"e9", b"E999999", b"0", b"1", b"9" * 19, b"9" * 20, b"9" * 400, b".",
    b'"', b"[", b"{", b"]", b"}", b"\xff", "\u0661".encode(), "\uff11".encode(), b"null", b"true",
    b"\\u0031", b"\\ud800", b"\n", b",", b":", b"NaN", b"1e5", b"1.0", b"-0", b"\x00", b"\x1b[2J",
    "\u2028".encode(), b"1_000", b"0x1", b"\xef\xbb\xbf", b"=", b"\r", b";", b"/*", b"--", b"%s",
    b"[" * 1_100, b'{"a":' * 1_100, b"1" * 5_000, b"18446744073709551616", b"9223372036854775808",
    b"4611686018427387904", b"1790035200000000", b"221845392000000000",
)  # fmt: skip


def mutated(data: bytes, source: random.Random, others: Sequence[bytes]) -> bytes:
    """Return the input with one to five changes."""
    for _ in range(source.choice((1, 1, 1, 2, 2, 3, 5))):
        start = source.randint(0, len(data))
        stop = min(len(data), start + source.choice((0, 0, 1, 1, 2, 4, 8, 30)))
        kind = source.randrange(6)
        if kind == 0:
            piece = source.choice(PIECES)
        elif kind == 1:
            piece = source.randbytes(source.randint(0, 3))
        elif kind == 2:
            piece = data[start : start + source.choice((2, 8, 40))] * 2
        elif kind == 3:
            other = source.choice(others)
            at = source.randint(0, len(other))
            piece = other[at : at + source.choice((4, 16, 64))]
        elif kind == 4:
            piece = b"%d" % source.choice((0, 1, -1, 10**18, 2**53, 2**63, 2**64, 10**19))
        else:
            piece = bytes([data[start] ^ 1 << source.randrange(8)]) if start < len(data) else b""
            stop = start + 1
        data = data[:start] + piece + data[stop:]
    return data

"""What no exchange should send: frames and REST answers of the hostile kinds."""

import functools
import re
import zlib

from exchange_simulator.protocols.protocol import RestAnswer

# In each protocol a row's first number with decimals, or Coinbase's size before it.
_FIRST_DECIMAL = re.compile(rb'"[0-9]+\.[0-9]+"')

DEEP = "[" * 20_000 + "]" * 20_000
HUGE = '{"rain":"' + "x" * (3 << 20) + '"}'


def hostile_answer(kind: str) -> RestAnswer | None:
    """Return the answer of a hostile kind; None for any other."""
    if kind == "bomb":
        return RestAnswer(200, _bomb(), {"Content-Encoding": "gzip"})
    return _ANSWERS.get(kind)


_ANSWERS = {
    "web_page": RestAnswer(403, b"<!DOCTYPE html><title>Just a moment...</title>"),
    "redirect": RestAnswer(302, b"", {"Location": "http://elsewhere.invalid/"}),
    "deep": RestAnswer(200, DEEP.encode()),
}


def with_bad_row(answer: RestAnswer) -> RestAnswer:
    """Return a page of trades whose first row has a negative price."""
    return answer._replace(body=_FIRST_DECIMAL.sub(b'"-1"', answer.body, count=1))


@functools.cache
def _bomb() -> bytes:
    """Return 100 MB of nothing, compressed."""
    packer = zlib.compressobj(level=1, wbits=31)
    block = bytes(1 << 20)
    return b"".join(packer.compress(block) for _ in range(100)) + packer.flush()

"""Dead letters fit whatever limit there is, and hold the beginning of what was rejected."""

from hypothesis import given
from hypothesis import strategies as st

from ohlc_core.messages.codec import decode_dead_letter
from ohlc_core.messages.dead_letters import dead_letter_key, encode_dead_letter
from ohlc_core.messages.records import DeadLetter


@given(
    st.text(st.characters(codec="utf-8"), max_size=3_000),
    st.integers(min_value=400, max_value=8_000),
)
def test_dead_letter_is_never_larger_than_the_limit(payload: str, limit: int) -> None:
    letter = DeadLetter("malformed", "why", "ohlc", 3, 123_456_789, payload)
    value = encode_dead_letter(letter, limit)
    assert len(value) <= limit
    read = decode_dead_letter(value)
    assert payload.startswith(read.payload)
    assert (read.payload == payload) == (read.detail == "why")


@given(st.binary(max_size=5_000) | st.none())
def test_key_of_a_dead_letter_is_bounded(key: bytes | None) -> None:
    kept = dead_letter_key(key)
    assert kept is None or len(kept) <= 1_000
    assert kept == key or (key is not None and len(key) > 1_000)

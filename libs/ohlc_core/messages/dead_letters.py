"""Dead letters that fit into a record, whatever was rejected.

JSON writes one byte as up to six, so a record that fitted into its topic may not fit into its dead
letter. What is measured is therefore the letter as it is sent.
"""

import msgspec

from ohlc_core.messages.records import DeadLetter

#: Below the default limit of a record, a million bytes, with room for its key and headers.
MAX_BYTES = 900_000

_MAX_KEY_BYTES = 1_000
_MAX_DETAIL_CHARACTERS = 2_000

_encoder = msgspec.json.Encoder()


def encode_dead_letter(letter: DeadLetter, max_bytes: int = MAX_BYTES) -> bytes:
    """Return the letter's bytes, at most ``max_bytes``; its payload is cut to fit.

    What was cut is said in ``detail``.
    """
    if len(letter.detail) > _MAX_DETAIL_CHARACTERS:
        letter = msgspec.structs.replace(letter, detail=letter.detail[:_MAX_DETAIL_CHARACTERS])
    value = _encoder.encode(letter)
    kept = len(letter.payload)
    while len(value) > max_bytes and kept > 0:
        # Characters take different numbers of bytes, so that a cut in proportion may take several.
        kept = min(kept - 1, kept * max_bytes // len(value))
        detail = f"{letter.detail}; payload cut to {kept:,} of {len(letter.payload):,} characters"
        cut = msgspec.structs.replace(letter, detail=detail, payload=letter.payload[:kept])
        value = _encoder.encode(cut)
    return value


def dead_letter_key(key: bytes | None) -> bytes | None:
    """Return the key of a dead letter: that of the rejected record, where it is of a sane length.

    A longer one is no product's key, and would leave no room for the letter.
    """
    return key if key is None or len(key) <= _MAX_KEY_BYTES else key[:_MAX_KEY_BYTES]

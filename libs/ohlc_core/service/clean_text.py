"""Text from outside, made safe to show: no control characters, no secrets.

Everything that goes to a log, a terminal or a page passes `clean`; a table's cells pass
`printable`, in a type that reads no markup.
"""

import re
import unicodedata

from pydantic import BaseModel, SecretStr

HIDDEN = "***"
#: Control, format (bidirectional overrides among them), surrogate, line and paragraph separator.
_UNSAFE_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_MIN_SECRET_LENGTH = 4

_USER_INFO = re.compile(r"(?<=://)([^\s:/@'\"]*):([^\s'\"]+)@")
_NAMED = re.compile(
    r"(?i)(?<![A-Za-z])((?:ssl|sasl|db)?_?password|passwd|pwd|secret|token|api[_-]?key)"
    r"(\s*[=:]\s*|\s+(?='))('[^']*'|\"[^\"]*\"|[^\s&;,)'\"]+)"
)

_secrets: set[str] = set()


def printable(text: str) -> str:
    r"""Return the text in one line, with every control character as ``\uXXXX``.

    The escape is that of JSON, so a JSON document stays one and means the same.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(_escaped(each) for each in text)


def hide_secrets(text: str) -> str:
    """Return the text with passwords of URLs and queries, and all remembered secrets, as ***."""
    text = _USER_INFO.sub(rf"\1:{HIDDEN}@", text)
    text = _NAMED.sub(rf"\1\2{HIDDEN}", text)
    for secret in _secrets:
        text = text.replace(secret, HIDDEN)
    return text


def clean(text: str) -> str:
    """Return the text without secrets and control characters."""
    return printable(hide_secrets(text))


def remember_secrets(settings: BaseModel) -> None:
    """Hide the values of secret settings, and passwords in settings, wherever they turn up."""
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        if isinstance(value, SecretStr):
            _remember(value.get_secret_value())
        elif isinstance(value, str):
            for match in (*_USER_INFO.finditer(value), *_NAMED.finditer(value)):
                _remember(match.group(match.re.groups).strip("'\""))


def _remember(secret: str) -> None:
    if len(secret) >= _MIN_SECRET_LENGTH:
        _secrets.add(secret)


def _escaped(character: str) -> str:
    if unicodedata.category(character) not in _UNSAFE_CATEGORIES:
        return character
    number = ord(character)
    if number <= 0xFFFF:
        return f"\\u{number:04x}"
    number -= 0x10000
    return f"\\u{0xD800 + (number >> 10):04x}\\u{0xDC00 + (number & 0x3FF):04x}"

"""The base of every service's settings, and one-line errors for wrong ones.

Each field's ``description`` says what is allowed; the error for a wrong value quotes it.
"""

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from pydantic import SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, SettingsConfigDict

from ohlc_core.errors import SettingsError as SettingsError  # noqa: PLC0414

S = TypeVar("S", bound=BaseSettings)


class EnvSettings(BaseSettings):
    """Reads upper-case environment variables, then ``.env``; an empty value counts as unset."""

    model_config = SettingsConfigDict(
        env_file=".env",
        env_file_encoding="utf-8",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
    )


def split_list(value: object) -> object:
    """Turn ``"a, b"`` into ``("a", "b")``; leave anything that is no string alone."""
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


def _is_secret(field: FieldInfo) -> bool:
    return "SecretStr" in str(field.annotation) or field.annotation is SecretStr


def _problem(settings: type[BaseSettings], error: Mapping[str, Any]) -> str:
    name = str(error["loc"][0]) if error["loc"] else ""
    field = settings.model_fields.get(name)
    if field is None:
        return str(error["msg"]).removeprefix("Value error, ")
    allowed = f"; allowed: {field.description}" if field.description else ""
    if error["type"] == "missing":
        return f"{name.upper()} is not set{allowed}"
    given = "" if _is_secret(field) else f" was {str(error.get('input'))!r}"
    why = str(error["msg"]).removeprefix("Value error, ")
    return f"{name.upper()}{given} ({why}){allowed}"


def load(settings: type[S], **overrides: Any) -> S:  # noqa: ANN401 - values of any field
    """Read and validate ``settings``.

    Raises:
        SettingsError: one line naming every wrong setting, what was given, what is allowed.
    """
    try:
        return settings(**overrides)
    except ValidationError as error:
        problems = [_problem(settings, item) for item in error.errors(include_url=False)]
    raise SettingsError(" | ".join(problems).replace("\n", " "))


def documented(settings: Iterable[type[BaseSettings]]) -> dict[str, FieldInfo]:
    """Return every setting's name and field, for the README's table and its test."""
    return {name.upper(): field for each in settings for name, field in each.model_fields.items()}

"""The base of every service's settings, and one-line errors for wrong ones.

Each field's ``description`` says what is allowed; the error for a wrong value quotes it.
"""

import difflib
import io
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from dotenv import dotenv_values
from dotenv.parser import parse_stream
from pydantic import SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, SettingsConfigDict
from pydantic_settings import SettingsError as CliError

from ohlc_core.errors import SettingsError as SettingsError  # noqa: PLC0414
from ohlc_core.service.clean_text import clean, remember_secrets
from ohlc_core.service.known_settings import KNOWN_SETTINGS

S = TypeVar("S", bound=BaseSettings)

ENV_FILE = ".env"
#: Where Docker Compose and Swarm mount secrets: a file per setting, of the setting's name.
SECRETS_FOLDER = Path("/run/secrets")
#: A wrong value is shown up to so many characters.
_MAX_SHOWN = 1_000
_LOOKS_LIKE = 0.85
#: Settings of earlier releases, and what to do about them.
_FORMER = {
    "MAX_PARKED_TRADES": "it is called MAX_BUFFERED_TRADES",
    "WRITE_BATCH_SECONDS": "the writer waits for no timer; take it out",
}


class EnvSettings(BaseSettings):
    """Reads environment variables, ``.env``, files of secrets; an empty value counts as unset."""

    #: A command line, for ``--help``.
    example: ClassVar[str] = ""

    model_config = SettingsConfigDict(
        env_file=ENV_FILE,
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
        return _shortened(str(error["msg"]).removeprefix("Value error, "))
    allowed = f"; allowed: {field.description}" if field.description else ""
    if error["type"] == "missing":
        return f"{name.upper()} is not set{allowed}"
    given = "" if _is_secret(field) else f" was {_shortened(str(error.get('input')))!r}"
    why = _shortened(str(error["msg"]).removeprefix("Value error, "))
    return f"{name.upper()}{given} ({why}){allowed}"


def _is_text(name: str) -> bool:
    given = (os.environ.get(each, "") for each in (name, name.upper()))
    return all(each.isascii() or each == each.encode(errors="replace").decode() for each in given)


def _shortened(text: str) -> str:
    return text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}..."


def load(
    settings: type[S],
    arguments: Sequence[str] | None = None,
    **overrides: Any,  # noqa: ANN401 - values of any field
) -> S:
    """Read and validate ``settings``.

    Args:
        settings: the class.
        arguments: options of the command line, which win over the environment.
        overrides: values of fields, which win over all.

    Raises:
        SettingsError: one line naming every wrong setting, what was given, what is allowed.
    """
    env_file_text()
    if SECRETS_FOLDER.is_dir():
        overrides["_secrets_dir"] = SECRETS_FOLDER
    if arguments is not None:
        overrides |= {
            "_cli_parse_args": list(arguments),
            "_cli_kebab_case": True,
            "_cli_avoid_json": True,
            "_cli_exit_on_error": False,
        }
    try:
        loaded = settings(**overrides)
    except ValidationError as error:
        problems = [_problem(settings, item) for item in error.errors(include_url=False)]
    except CliError as error:
        if isinstance(error.__cause__, OSError | UnicodeDecodeError):
            raise SettingsError(
                f"a secret in {SECRETS_FOLDER} cannot be read ({error.__cause__}); correct it"
            ) from None
        why = str(error).removeprefix("error parsing CLI: ")
        raise SettingsError(f"{clean(why)}; --help lists the settings") from None
    except UnicodeEncodeError as error:
        # What is no UTF-8 in the environment or an option, Python shows as halves of pairs.
        names = [name.upper() for name in settings.model_fields if not _is_text(name)]
        where = ", ".join(names) or clean(_shortened(str(error.object)))
        raise SettingsError(f"{where} is no UTF-8 text; correct it") from None
    else:
        remember_secrets(loaded)
        return loaded
    raise SettingsError(clean(" | ".join(problems).replace("\n", " ")))


def env_file_text() -> str:
    """Return the text of ``.env``; "" where there is none.

    Raises:
        SettingsError: it cannot be read, is no UTF-8 text, or has a line that sets nothing.
    """
    try:
        text = Path(ENV_FILE).read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise SettingsError(
            f"the file {ENV_FILE} cannot be read ({error.strerror}); correct or remove it"
        ) from None
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise SettingsError(f"the file {ENV_FILE} is no UTF-8 text; save it as UTF-8")
    for binding in parse_stream(io.StringIO(text)):
        if binding.error:
            # The line may hold a secret: its number is enough.
            raise SettingsError(
                f"line {binding.original.line} of the file {ENV_FILE} sets nothing; write "
                "NAME=value, with quotes closed, or # before a comment"
            )
    return text


def misspelt() -> list[str]:
    """Return a line for each name that nothing reads but that looks like a setting, or was one.

    Looked through are ``.env`` and the environment: in a container ``.env`` is part of that.
    """
    places = {name.upper(): "the environment" for name in os.environ}
    places |= dict.fromkeys(
        (name.upper() for name in dotenv_values(stream=io.StringIO(env_file_text()))), ENV_FILE
    )
    lines = []
    for name in sorted(places.keys() - KNOWN_SETTINGS):
        if name in _FORMER:
            lines.append(
                f"{places[name]} sets {name}, which nothing reads any more: {_FORMER[name]}"
            )
        elif near := difflib.get_close_matches(name, KNOWN_SETTINGS, 1, _LOOKS_LIKE):
            lines.append(
                f"{places[name]} sets {clean(name)}, which nothing reads; {near[0]} is meant?"
            )
    return lines


def documented(settings: Iterable[type[BaseSettings]]) -> dict[str, FieldInfo]:
    """Return every setting's name and field, for the README's table and its test."""
    return {name.upper(): field for each in settings for name, field in each.model_fields.items()}

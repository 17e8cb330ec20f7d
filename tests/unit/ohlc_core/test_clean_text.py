"""Text from outside is shown without control characters, markup and secrets."""

import json
import sys

import pytest
from loguru import logger
from pydantic import BaseModel, SecretStr

from ohlc_core.service.clean_text import clean, hide_secrets, printable, remember_secrets
from ohlc_core.service.logs import configure_logs
from ohlc_core.service.setting_groups import ObservabilitySettings


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("BTC/USD \u20ac \u4e2d", "BTC/USD \u20ac \u4e2d"),
        ("a\x1b[2Jb", "a\\u001b[2Jb"),
        ("a\nERROR b\r", "a\\u000aERROR b\\u000d"),
        ("a\u2028b\u202ec\x9bd", "a\\u2028b\\u202ec\\u009bd"),
        ("\U000e0001", "\\udb40\\udc01"),
    ],
)
def test_control_characters_are_escaped(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_escaped_json_means_the_same() -> None:
    record = json.dumps({"product_id": "a\x9b\u2028\U000e0001"}, ensure_ascii=False)
    assert json.loads(printable(record)) == json.loads(record)


@pytest.mark.parametrize(
    "text",
    [
        "postgresql://me:s3cr3t@host/db",
        "postgresql://me:p@s3cr3t@host/db",
        "postgresql://host/db?user=me&password=s3cr3t",
        "postgresql://host/db?sslpassword=s3cr3t&sslmode=require",
        "wss://me:s3cr3t@proxy/v2",
        "ATTACH 'host=h password=s3cr3t dbname=d'",
        "CREATE SECRET (TYPE s3, KEY_ID 'a', SECRET 's3cr3t')",
        "https://x/v1?api_key=s3cr3t",
    ],
)
def test_secrets_of_urls_and_queries_are_hidden(text: str) -> None:
    assert "s3cr3t" not in hide_secrets(text)
    assert "***" in hide_secrets(text)


def test_texts_about_secrets_stay_readable() -> None:
    text = "KAFKA_SECURITY_PROTOCOL was 'SASL_SSL', which needs KAFKA_SASL_PASSWORD"
    assert hide_secrets(text) == text


def test_secret_of_loaded_settings_is_hidden_anywhere() -> None:
    class Settings(BaseModel):
        key: SecretStr
        url: str

    remember_secrets(Settings(key=SecretStr("k3y-of-mine"), url="postgresql://u:pass4me@h/d"))
    assert clean("refused: k3y-of-mine, pass4me") == "refused: ***, ***"


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_logs_forge_no_lines(capsys: pytest.CaptureFixture[str], log_format: str) -> None:
    forged = "x\n2026-01-01T00:00:00.000Z ERROR   writer: forged \x1b[2J \u2028 <red>{}</red>"
    configure_logs("service", ObservabilitySettings(log_format=log_format))
    try:
        logger.warning("{}", forged)
        try:
            raise RuntimeError(forged)
        except RuntimeError:
            logger.exception("failed on {}", "postgresql://u:s3cr3t@h/d")
    finally:
        logger.remove()
        logger.configure(patcher=lambda record: None)
        logger.add(sys.stderr)
    shown = capsys.readouterr().err
    assert not any(each in shown for each in ("\x1b", "\u2028", "s3cr3t"))
    # Two records; the lines of the traceback are indented.
    assert len([line for line in shown.splitlines() if line[0] != " "]) == 2
    assert "RuntimeError" in shown

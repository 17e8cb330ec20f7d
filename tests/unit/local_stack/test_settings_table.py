"""The documents of settings are those of the code."""

from local_stack.settings_table import DOCUMENT, KNOWN, known_settings, settings_document

_REMEDY = "run `make settings`"


def test_document_of_settings_is_current() -> None:
    assert DOCUMENT.read_text("utf-8") == settings_document(), _REMEDY


def test_list_of_known_settings_is_current() -> None:
    assert KNOWN.read_text("utf-8") == known_settings(), _REMEDY

"""`.env.example` names every setting with its default, so nobody has to read code to find one."""

import ast
import re
from pathlib import Path

from local_stack.env_example import settings_classes
from ohlc_core.service.command_line import default_text
from ohlc_core.service.settings import documented

_ROOT = Path(__file__).resolve().parents[3]
_LINE = re.compile(r"^#?([A-Z][A-Z0-9_]+)=(.*)$", re.MULTILINE)
_REMEDY = "; run `make settings`"


def _written() -> dict[str, str]:
    text = (_ROOT / ".env.example").read_text("utf-8").partition("# --- Docker")[0]
    return dict(_LINE.findall(text))


def test_every_setting_is_in_the_example() -> None:
    missing = documented(settings_classes()).keys() - _written().keys()
    assert not missing, f".env.example lacks {sorted(missing)}{_REMEDY}"


def test_the_example_names_no_setting_that_does_not_exist() -> None:
    unknown = _written().keys() - documented(settings_classes()).keys()
    assert not unknown, f".env.example holds {sorted(unknown)}, which nothing reads{_REMEDY}"


def test_the_example_gives_the_defaults() -> None:
    written = _written()
    # The first class that has a setting is the one that stands in the file.
    defaults = documented(reversed(settings_classes()))
    wrong = {
        name: (written[name], default_text(field))
        for name, field in defaults.items()
        if name in written and written[name] != default_text(field)
    }
    assert not wrong, f".env.example differs from the defaults (was, is): {wrong}{_REMEDY}"


def test_every_class_that_adds_settings_is_looked_at() -> None:
    found = {
        name
        for root in ("libs", "services", "tools")
        for path in (_ROOT / root).rglob("*.py")
        for name in _classes_with_settings(ast.parse(path.read_text("utf-8")))
    }
    missing = found - {settings.__name__ for settings in settings_classes()}
    assert not missing, f"add the modules of {sorted(missing)} to local_stack.env_example"


def _classes_with_settings(tree: ast.Module) -> list[str]:
    return [
        node.name
        for node in tree.body
        if isinstance(node, ast.ClassDef)
        and any(ast.unparse(base).endswith("Settings") for base in node.bases)
        and any(_is_setting(statement) for statement in node.body)
    ]


def _is_setting(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.AnnAssign) and "ClassVar" not in ast.unparse(statement)

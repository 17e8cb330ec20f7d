"""Reading a file of feature definitions, and the hash that says whether its code changed."""

import ast
import hashlib
import importlib.util
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from ohlc_features.define.group import DefinitionError, FeatureGroup


class DefinedGroup(NamedTuple):
    """A group of a file.

    Attributes:
        group: its features.
        source: the file's text.
        code_hash: of the syntax tree of all that the group's features may use: comments, layout
            and docstrings do not count, and neither do other groups' features.
    """

    group: FeatureGroup
    source: str
    code_hash: str


def load_definitions(path: Path | str) -> list[DefinedGroup]:
    """Run a file of definitions and return its groups, in the order of their names.

    Raises:
        DefinitionError: the file cannot be read or run, or defines no group; one line.
    """
    path = Path(path)
    try:
        source = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise DefinitionError(f"feature definitions {path} cannot be read ({reason})") from None
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise DefinitionError(f"feature definitions {path} are not valid Python: {error}") from None
    groups = _groups(path, _run(path))
    return [
        DefinedGroup(group, source, code_hash(tree, group, groups.values()))
        for _, group in sorted(groups.items())
    ]


def _run(path: Path) -> dict[str, object]:
    name = f"_feature_definitions_{hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:12]}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise DefinitionError(f"feature definitions {path} are no Python file (*.py)")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except DefinitionError as error:
        raise DefinitionError(f"{path}: {error}") from None
    except (Exception, SystemExit) as error:
        text = " ".join(str(error).split())
        raise DefinitionError(
            f"feature definitions {path} failed when run: {type(error).__name__}: {text}"
        ) from None
    return vars(module)


def _groups(path: Path, names: dict[str, object]) -> dict[str, FeatureGroup]:
    groups: dict[str, FeatureGroup] = {}
    for value in names.values():
        if not isinstance(value, FeatureGroup):
            continue
        if groups.setdefault(value.table, value) is not value:
            raise DefinitionError(f"{path}: group {value.table} is defined twice")
        if not value.features:
            raise DefinitionError(f"{path}: group {value.name} has no features")
    if not groups:
        raise DefinitionError(
            f"{path} defines no group; e.g. group = FeatureGroup('momentum', intervals=['1m'])"
        )
    return groups


def code_hash(tree: ast.Module, group: FeatureGroup, groups: Iterable[FeatureGroup]) -> str:
    """Return the hash of the syntax tree without the features of other groups."""
    others = {name for other in groups if other is not group for name in other.features}
    kept = [
        node
        for node in tree.body
        if not (isinstance(node, ast.FunctionDef) and node.name in others - set(group.features))
    ]
    text = f"{group.table}\n" + "\n".join(_dump(node) for node in _without_docstrings(kept))
    return hashlib.sha256(text.encode()).hexdigest()


def _without_docstrings(body: list[ast.stmt]) -> list[ast.stmt]:
    def is_text(node: ast.stmt) -> bool:
        return (
            isinstance(node, ast.Expr)
            and isinstance(node.value, ast.Constant)
            and isinstance(node.value.value, str)
        )

    return [node for node in body if not is_text(node)]


def _dump(node: object) -> str:
    """Return a syntax tree as text that is the same for every version of Python.

    `ast.dump` changed between versions; fields that are empty are left out here, because newer
    versions add such fields.
    """
    if isinstance(node, ast.AST):
        fields = []
        for name, given in ast.iter_fields(node):
            is_body = name == "body" and isinstance(given, list)
            value = _without_docstrings(given) if is_body else given
            if value is not None and value != []:
                fields.append(f"{name}={_dump(value)}")
        return f"{type(node).__name__}({', '.join(fields)})"
    if isinstance(node, list):
        return f"[{', '.join(map(_dump, node))}]"
    return repr(node)

"""What can be seen in the text of a definition: clocks, files, randomness, order, built-in sums."""

import ast
from collections.abc import Iterator
from typing import NamedTuple

_BANNED_MODULES = {
    "time": "a clock",
    "random": "randomness",
    "secrets": "randomness",
    "uuid": "randomness",
    "os": "the machine it runs on",
    "platform": "the machine it runs on",
    "socket": "the network",
    "urllib": "the network",
    "http": "the network",
    "requests": "the network",
    "httpx": "the network",
    "subprocess": "other processes",
    "threading": "the order of threads",
    "sqlite3": "a database",
    "sqlalchemy": "a database",
}
_BANNED_CALLS = {
    "open": "reads or writes a file; a feature is a function of its candles alone",
    "input": "reads from the terminal; a feature is a function of its candles alone",
    "eval": "runs text as code, which the hash of the definition does not cover",
    "exec": "runs text as code, which the hash of the definition does not cover",
    "hash": "depends on the hash seed of the process",
    "id": "depends on where objects lie in memory",
    "sum": "adds differently in different versions of Python; use ta.total",
    "fsum": "is not what an evaluation of many rows at once computes; use ta.total",
}
_LOOPS = (ast.For, ast.While, ast.comprehension)
_CLOCKS = frozenset(("now", "utcnow", "today"))
_NATIVE_MODULES = frozenset(("math", "cmath", "numpy", "talib", "scipy", "pandas", "polars"))


class Finding(NamedTuple):
    """One reason to refuse a definition.

    Attributes:
        rule: a short name, e.g. ``clock``.
        line: in the file, from 1.
        text: what was found and what to do instead.
    """

    rule: str
    line: int
    text: str


def findings(tree: ast.Module) -> list[Finding]:
    """Return what in a file of definitions could make one feature two numbers."""
    found = [finding for node in ast.walk(tree) for finding in _of_node(node)]
    return sorted(set(found), key=lambda each: (each.line, each.text))


def native_names(tree: ast.Module) -> frozenset[str]:
    """Return the names of modules whose numerics may differ between machines."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {
                (each.asname or each.name.partition(".")[0])
                for each in node.names
                if each.name.partition(".")[0] in _NATIVE_MODULES
            }
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] in (
            _NATIVE_MODULES
        ):
            names |= {each.asname or each.name for each in node.names}
    return frozenset(names)


def functions_using(tree: ast.Module, names: frozenset[str]) -> frozenset[str]:
    """Return the functions of the file that mention one of ``names``, directly or by a helper."""
    bodies = {
        node.name: {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef)
    }
    using = {name for name, mentioned in bodies.items() if mentioned & names}
    while more := {name for name, mentioned in bodies.items() if mentioned & using} - using:
        using |= more
    return frozenset(using)


def functions_with_loops(tree: ast.Module) -> frozenset[str]:
    """Return the functions of the file that go over candles by hand."""
    return frozenset(
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef)
        and any(
            isinstance(each, ast.For | ast.While | ast.comprehension) for each in ast.walk(node)
        )
    )


def _of_node(node: ast.AST) -> Iterator[Finding]:
    match node:
        case ast.Import(names=names):
            for each in names:
                yield from _of_import(node, each.name)
        case ast.ImportFrom(module=str() as module):
            yield from _of_import(node, module)
        case ast.Global() | ast.Nonlocal():
            yield Finding(
                "state",
                node.lineno,
                "keeps state between calls; a feature is a function of its candles alone",
            )
        case ast.Call():
            yield from _of_call(node)
        case ast.For(iter=iterated) | ast.comprehension(iter=iterated) if _is_set(iterated):
            yield Finding(
                "set order",
                iterated.lineno,
                "goes over a set, whose order depends on the hash seed; use a tuple or sorted()",
            )


def _of_import(node: ast.Import | ast.ImportFrom, module: str) -> Iterator[Finding]:
    what = _BANNED_MODULES.get(module.partition(".")[0])
    if what is not None:
        rule = "clock" if what == "a clock" else "random" if what == "randomness" else "outside"
        yield Finding(
            rule,
            node.lineno,
            f"imports {module}: {what} is no input of a feature; "
            "candles are (c.window_end is the row's time)",
        )


def _of_call(node: ast.Call) -> Iterator[Finding]:
    name, on = _called(node.func)
    if name in _CLOCKS and on is not None:
        yield Finding(
            "clock", node.lineno, f"{on}.{name}() is a clock; c.window_end[-1] is the row's time"
        )
    elif on is not None and on.endswith("random"):
        yield Finding("random", node.lineno, f"{on}.{name}() is randomness, no function of candles")
    elif name in _BANNED_CALLS and (on is None or name == "fsum"):
        rule = "sum" if name in ("sum", "fsum") else "file" if name == "open" else "outside"
        yield Finding(rule, node.lineno, f"{name}() {_BANNED_CALLS[name]}")
    elif name == "lag" and _has_negative_number(node):
        yield Finding(
            "look-ahead", node.lineno, "ta.lag with a negative count is a candle after the row's"
        )
    elif name == "shift" and _has_negative_number(node):
        yield Finding("look-ahead", node.lineno, "shift with a negative count is the future")
    elif name in ("list", "tuple", "enumerate") and node.args and _is_set(node.args[0]):
        yield Finding(
            "set order",
            node.lineno,
            "makes a sequence of a set, whose order depends on the hash seed; use sorted()",
        )


def _called(function: ast.expr) -> tuple[str, str | None]:
    if isinstance(function, ast.Name):
        return function.id, None
    if isinstance(function, ast.Attribute):
        return function.attr, ast.unparse(function.value)
    return "", None


def _has_negative_number(node: ast.Call) -> bool:
    given = [*node.args, *(each.value for each in node.keywords)]
    return any(
        isinstance(each, ast.UnaryOp)
        and isinstance(each.op, ast.USub)
        and isinstance(each.operand, ast.Constant)
        for each in given
    )


def _is_set(node: ast.expr) -> bool:
    if isinstance(node, ast.Set | ast.SetComp):
        return True
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in ("set", "frozenset")
    )

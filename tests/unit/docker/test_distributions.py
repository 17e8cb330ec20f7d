"""What is shipped: the product without tools, images of one service, locks without addresses."""

import ast
import re
import tomllib
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[3]


def test_product_wheel_holds_no_tools() -> None:
    project = tomllib.loads((_ROOT / "pyproject.toml").read_text("utf-8"))
    packages = project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    assert {each.split("/")[0] for each in packages} == {"libs", "services"}
    assert not {"exchange-simulator", "local-stack"} & set(project["project"]["scripts"])


def _packages() -> dict[str, Path]:
    folders = (each for room in ("libs", "services", "tools") for each in (_ROOT / room).iterdir())
    return {folder.name: folder for folder in folders if (folder / "__init__.py").exists()}


def _imported(package: str, packages: dict[str, Path]) -> set[str]:
    """Return the project's packages that this one imports, itself included, at any depth."""
    found, new = set[str](), {package}
    while new:
        found |= new
        trees = (
            ast.parse(path.read_text("utf-8"))
            for name in new
            for path in packages[name].rglob("*.py")
        )
        names = (name for tree in trees for node in ast.walk(tree) for name in _names(node))
        new = {name.partition(".")[0] for name in names} & packages.keys() - found
    return found


def _names(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [node.module or ""] if isinstance(node, ast.ImportFrom) else []


def test_image_holds_what_its_service_imports_and_nothing_else() -> None:
    given = {}
    for file in (
        "docker-compose.yml",
        "docker-compose.simulator.yml",
        "docker-compose.replayer.yml",
    ):
        text = (_ROOT / file).read_text("utf-8")
        given |= dict(re.findall(r"SERVICE: (\S+)\n(?:(?!SERVICE).*\n)*? *PACKAGES: (.*)", text))
    assert given.keys() == {
        *("trade-producer", "ohlc-aggregator", "feature-writer", "dashboard", "trade-replayer"),
        "exchange-simulator",
    }
    packages = _packages()
    for service, listed in given.items():
        assert set(listed.split()) == _imported(service.replace("-", "_"), packages), service


def test_every_locked_package_has_hashes_and_no_address() -> None:
    for path in (_ROOT / "requirements").glob("*.txt"):
        text = path.read_text("utf-8")
        assert not re.search(r"https?://|--(extra-)?index-url|--find-links", text), path.name
        pinned = re.findall(r"^[a-z0-9][^\n]*==[^\n]*$", text, re.MULTILINE)
        assert pinned, path.name
        assert all(line.rstrip().endswith("\\") for line in pinned), path.name

"""The site's contents and links, without MkDocs: `make docs` builds it."""

import re
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml
from markdown_it import MarkdownIt

from docs_site.repository_links import links, with_repository_links

ROOT = Path(__file__).resolve().parents[3]
PAGES = sorted(ROOT.glob("docs/*.md"))
AROUND = [ROOT / f"{name}.md" for name in ("README", "CONTRIBUTING", "CHANGELOG", "SECURITY")]
URL = "https://example.com/a/b"


class _Configuration(yaml.SafeLoader):
    """Reads mkdocs.yml without what its tags name."""


_Configuration.add_multi_constructor("", lambda loader, suffix, node: None)


def _named(contents: Any) -> Iterator[str]:
    if isinstance(contents, str):
        yield contents
    else:
        for each in contents.values() if isinstance(contents, dict) else contents:
            yield from _named(each)


def _anchors(page: Path) -> set[str]:
    """The names GitHub and the site give to a page's headings."""
    tokens = MarkdownIt().parse(page.read_text())
    names: Counter[str] = Counter()
    found = set()
    for before, token in pairwise(tokens):
        if before.type == "heading_open":
            plain = re.sub(r"[^\w\- ]", "", token.content.lower()).replace(" ", "-")
            found.add(f"{plain}_{names[plain]}" if names[plain] else plain)
            names[plain] += 1
    return found


def test_contents_list_every_page_once() -> None:
    nav = yaml.load((ROOT / "mkdocs.yml").read_text(), _Configuration)["nav"]
    assert sorted(_named(nav)) == [page.name for page in PAGES]


def test_first_page_leads_to_every_other_page() -> None:
    reached = {link.path for link in links((ROOT / "docs/index.md").read_text(), "docs/index.md")}
    assert {f"docs/{page.name}" for page in PAGES} - reached == {"docs/index.md"}


@pytest.mark.parametrize("page", PAGES + AROUND, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for link in links(page.read_text(), page.relative_to(ROOT).as_posix()):
        target = ROOT / link.path
        assert target.exists(), f"{page.name}: {link.path}"
        assert target.resolve().is_relative_to(ROOT), f"{page.name}: {link.path}"
        if link.anchor:
            assert link.anchor in _anchors(target), f"{page.name}: {link.path}#{link.anchor}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_pages_have_one_title_and_blocks_that_both_readers_see(page: Path) -> None:
    tokens = MarkdownIt().parse(page.read_text())
    assert [token.tag for token in tokens if token.type == "heading_open"].count("h1") == 1
    lines = page.read_text().splitlines()
    for token in tokens:
        # Python-Markdown sees a list only behind an empty line.
        if token.type in {"bullet_list_open", "ordered_list_open"} and token.level == 0:
            assert token.map
            assert token.map[0] == 0 or not lines[token.map[0] - 1], lines[token.map[0]]


def test_link_out_of_the_site_becomes_one_to_the_repository() -> None:
    page = "[its](../pyproject.toml#x) `[code](../no)` [site](docker.md) [tests](../tests)\n"
    shown, missing = with_repository_links(page, "docs/a.md", ROOT, "docs", URL)
    assert shown == (
        f"[its]({URL}/blob/HEAD/pyproject.toml#x) `[code](../no)` [site](docker.md)"
        f" [tests]({URL}/tree/HEAD/tests)\n"
    )
    assert missing == []


def test_link_out_of_the_site_is_bare_without_a_repository() -> None:
    shown, _ = with_repository_links("see [it](../Makefile).", "docs/a.md", ROOT, "docs", "")
    assert shown == "see it."


def test_link_to_a_missing_file_is_named() -> None:
    page = "[a](../nowhere.py) [b](../../outside)\n\n```\n[c](../code.py)\n```\n"
    shown, missing = with_repository_links(page, "docs/a.md", ROOT, "docs", URL)
    assert shown == page
    assert missing == ["nowhere.py", "../outside"]

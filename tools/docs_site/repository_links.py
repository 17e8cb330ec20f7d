"""A hook of MkDocs: links to what the repository has and the site has not.

On GitHub a page's ``../Makefile`` works as it is. On the site it becomes a link to the repository,
or its bare text where ``REPOSITORY_URL`` names none. A link to what does not exist is a warning,
with which ``make docs`` fails.
"""

import logging
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from posixpath import normpath
from typing import Any, Protocol

_FENCE = re.compile(r"^(```|~~~).*?^\1[ \t]*$", re.MULTILINE | re.DOTALL)
_SPAN = re.compile(r"(`+)(?!`).+?(?<!`)\1(?!`)", re.DOTALL)
_LINK = re.compile(
    r"(?P<image>!?)\[(?P<text>(?:[^\[\]]|\[[^\]]*\])*)\]\((?P<target>[^()\s]+)(?:\s+\"[^\"]*\")?\)"
)
_ELSEWHERE = re.compile(r"[a-z][a-z0-9+.-]*:|//", re.IGNORECASE)
#: Logged under this name, a warning counts for MkDocs' --strict.
_LOG = logging.getLogger("mkdocs.hooks.repository_links")


@dataclass(frozen=True)
class Link:
    """A relative link of a page: the path from the repository's root, and the anchor or ''."""

    text: str
    path: str
    anchor: str


def links(markdown: str, page: str) -> Iterator[Link]:
    """The relative links of a page, which is given by its path from the repository's root."""
    found: list[Link] = []
    _replace(markdown, page, found.append)
    yield from found


def with_repository_links(
    markdown: str, page: str, root: Path, docs: str, url: str
) -> tuple[str, list[str]]:
    """The page for the site, and the paths of its links that do not exist."""
    missing: list[str] = []

    def replaced(link: Link) -> str | None:
        full = root / link.path
        if link.path.startswith(f"{docs}/") and not full.is_dir():
            return None  # the site's own, which MkDocs checks
        if link.path.startswith("../") or not full.exists():
            missing.append(link.path)
            return None
        if not url:
            return link.text
        kind = "tree" if full.is_dir() else "blob"
        anchor = f"#{link.anchor}" if link.anchor else ""
        return f"[{link.text}]({url.rstrip('/')}/{kind}/HEAD/{link.path}{anchor})"

    return _replace(markdown, page, replaced), missing


class _File(Protocol):
    src_uri: str


class _Page(Protocol):
    file: _File


def on_page_markdown(markdown: str, page: _Page, config: Mapping[str, Any], files: object) -> str:
    """What MkDocs calls for each page."""
    root = Path(config["config_file_path"]).parent
    docs = Path(config["docs_dir"]).relative_to(root).as_posix()
    source = f"{docs}/{page.file.src_uri}"
    text, missing = with_repository_links(markdown, source, root, docs, config["repo_url"] or "")
    for path in missing:
        _LOG.warning("%s links to %s, which does not exist", source, path)
    return text


def _replace(markdown: str, page: str, new: Callable[[Link], str | None]) -> str:
    """Each relative link outside code as ``new`` gives it; None leaves it."""
    # Code keeps its length, so that places in the one text are places in the other.
    bare = _FENCE.sub(lambda code: " " * len(code[0]), markdown)
    bare = _SPAN.sub(lambda code: "`" * len(code[0]), bare)
    pieces: list[str] = []
    done = 0
    for match in _LINK.finditer(bare):
        target = match["target"]
        if _ELSEWHERE.match(target):
            continue
        path, _, anchor = target.partition("#")
        full = normpath(f"{page.rpartition('/')[0]}/{path}") if path else page
        text = markdown[match.start("text") : match.end("text")]
        replacement = new(Link(text, full.lstrip("/"), anchor))
        if replacement is not None:
            pieces += [markdown[done : match.start()], replacement]
            done = match.end()
    return "".join(pieces) + markdown[done:]

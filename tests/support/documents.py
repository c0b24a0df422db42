"""Read the documents and the code as texts: what is defined where, what is cited, what a table says."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from functools import cache
from pathlib import Path

__all__ = [
    "DOCS",
    "ROOT",
    "cited_texts",
    "code_files",
    "defined_ids",
    "headings",
    "in_code",
    "markdown_files",
    "section",
    "table",
]

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
_CODE = ("operator", "tests")
_FAMILIES = "AR|IP|DO|SAR|[TAVKCFIDHPMBUWR]"
_DEFINED = re.compile(rf"^(?:\| |- (?:\*\*)?)({_FAMILIES})([1-9]\d*)\b", re.MULTILINE)
_PROPERTY = re.compile(r"\*\*(P)([1-9]\d*)\*\*")


def markdown_files() -> Iterator[Path]:
    """Yield every document of the repository."""
    yield from sorted(ROOT.glob("*.md"))
    yield from sorted(DOCS.rglob("*.md"))


def code_files() -> Iterator[Path]:
    """Yield every file of code: Python and YAML that people write."""
    for folder in _CODE:
        for suffix in ("*.py", "*.yaml"):
            yield from sorted((ROOT / folder).rglob(suffix))


@cache
def defined_ids() -> frozenset[str]:
    """Return every id that a document defines: a row of a table or an item of a list that begins with it."""
    found = set()
    for path in DOCS.glob("*.md"):
        text = path.read_text(encoding="utf-8")
        found |= {family + number for family, number in _DEFINED.findall(text) + _PROPERTY.findall(text)}
    return frozenset(found)


@cache
def headings(document: str) -> frozenset[str]:
    """Return the numbers of a document's sections: ``1``, ``1.4``."""
    text = (DOCS / document).read_text(encoding="utf-8")
    return frozenset(re.findall(r"^#{2,4} (\d+(?:\.\d+)?)\.? ", text, re.MULTILINE))


def section(document: str, number: str) -> str:
    """Return the text of one numbered section, its subsections included."""
    text = (DOCS / document).read_text(encoding="utf-8")
    start = re.search(rf"^(#+) {re.escape(number)}\.? ", text, re.MULTILINE)
    assert start is not None, f"{document} has no section {number}"
    level = len(start[1])
    end = re.compile(rf"^#{{1,{level}}} ", re.MULTILINE).search(text, start.end())
    return text[start.start() : end.start() if end else len(text)]


def table(text: str, *, head: str) -> list[list[str]]:
    """Return the rows of the table whose first head cell is ``head``, each as a list of cells."""
    lines = text.splitlines()
    begin = next(number for number, line in enumerate(lines) if line.startswith(f"| {head} |"))
    rows = []
    for line in lines[begin + 2 :]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]])
    return rows


def in_code(text: str) -> list[str]:
    """Return what stands between backticks."""
    return re.findall(r"`([^`]+)`", text)


@cache
def cited_texts(path: Path) -> tuple[str, ...]:
    """Return what people wrote into a file of code: comments, and strings that are sentences.

    Keys, digests and other data are no sentences: they have no space, or begin like a PEM file.
    """
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".yaml":
        return tuple(line.partition("#")[2] for line in text.splitlines())
    comments = [
        token.string
        for token in tokenize.generate_tokens(io.StringIO(text).readline)
        if token.type == tokenize.COMMENT
    ]
    strings = [
        node.value
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    return (*comments, *(words for words in strings if " " in words.strip() and "-----BEGIN" not in words))

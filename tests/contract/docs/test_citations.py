"""What code cites by number is in the documents: ids, sections, decisions."""

from __future__ import annotations

import re

import pytest
from tests.support.documents import DOCS, ROOT, cited_texts, code_files, defined_ids, headings, markdown_files

CITED_ID = re.compile(r"(?<![\w/+=#.])(?:AR|[TAVKCFIDH])[1-9]\d*(?![\w/+=])")
CITED_SECTION = re.compile(r"\b([A-Za-z][a-z-]*\.md)`?,? §(\d+(?:\.\d+)?)")
CITED_DOCUMENT = re.compile(r"(?<![\w/.-])((?:adr/)?[a-z0-9][a-z0-9-]*\.md)\b")
INVENTED = frozenset({"some-page.md"})
"""Pages of examples in tests."""
CITED_DECISION = re.compile(r"\bADR[ -](\d{4})\b")

COMPLETE = {
    "steps of verification": [f"V{number}" for number in range(1, 28)],
    "attacks": [f"A{number}" for number in range(1, 54)],
    "threats": [f"T{number}" for number in range(1, 26)],
    "calls of the webhook": [f"C{number}" for number in range(1, 23)],
    "forms of a review": [f"AR{number}" for number in range(1, 40)],
    "facts behind the table": [f"F{number}" for number in range(1, 6)],
    "facts about identity": [f"I{number}" for number in range(1, 9)],
    "facts about kopf, checks of keys": [f"K{number}" for number in range(1, 24)],
    "facts about holding": [f"H{number}" for number in range(1, 11)],
    "requirements of a deployment": [f"D{number}" for number in range(1, 10)],
    "properties": [f"P{number}" for number in range(1, 12)],
    "worked digests": [f"W{number}" for number in range(1, 8)],
    "destructive fields": [f"U{number}" for number in range(1, 20)],
    "reviews of access": [f"SAR{number}" for number in range(1, 20)],
}


def places(pattern):
    """Yield every match of a pattern in what people wrote into code, with its file."""
    for path in code_files():
        for text in cited_texts(path):
            for found in pattern.finditer(text):
                yield path.relative_to(ROOT), found


def is_section(found):
    """Tell whether a match of ``CITED_SECTION`` leads somewhere; a sentence may begin with it."""
    page = found[1][0].lower() + found[1][1:]
    return (DOCS / page).exists() and found[2] in headings(page)


def test_every_cited_id_is_defined():
    unknown = {f"{path}: {found[0]}" for path, found in places(CITED_ID) if found[0] not in defined_ids()}
    assert unknown == set()


def test_every_cited_section_exists():
    unknown = {
        f"{path}: {found[0]}"
        for path, found in places(CITED_SECTION)
        if found[1] not in INVENTED and not is_section(found)
    }
    assert unknown == set()


def test_every_cited_document_exists():
    names = {path.name for path in markdown_files()} | INVENTED
    unknown = {
        f"{path}: {found[0]}"
        for path, found in places(CITED_DOCUMENT)
        if found[1].rpartition("/")[2] not in names
    }
    assert unknown == set()


def test_every_cited_decision_exists():
    unknown = {
        f"{path}: {found[0]}"
        for path, found in places(CITED_DECISION)
        if not list((DOCS / "adr").glob(f"{found[1]}-*.md"))
    }
    assert unknown == set()


def test_documents_cite_sections_that_exist():
    unknown = {
        f"{path.name}: {found[0]}"
        for path in markdown_files()
        for found in CITED_SECTION.finditer(re.sub(r"\]\([^)]*\)", "", path.read_text(encoding="utf-8")))
        if not is_section(found)
    }
    assert unknown == set()


@pytest.mark.parametrize("family", COMPLETE)
def test_no_id_is_missing(family):
    assert [one for one in COMPLETE[family] if one not in defined_ids()] == []

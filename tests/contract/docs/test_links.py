"""Every link inside the repository leads somewhere."""

from __future__ import annotations

import re

import pytest
from tests.support.documents import ROOT, markdown_files

LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
FILES = [str(path.relative_to(ROOT)) for path in markdown_files()]


def anchor(heading):
    """Return the anchor that a heading gets."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


@pytest.mark.parametrize("name", FILES)
def test_relative_links_resolve(name):
    path = ROOT / name
    broken = []
    for target in LINK.findall(FENCED.sub("", path.read_text(encoding="utf-8"))):
        if re.match(r"[a-z]+:", target):
            continue
        file, _, fragment = target.partition("#")
        there = path if not file else (path.parent / file).resolve()
        if not there.exists() or not there.is_relative_to(ROOT):
            broken.append(target)
        elif fragment and there.suffix == ".md":
            text = FENCED.sub("", there.read_text(encoding="utf-8"))
            anchors = {anchor(heading) for heading in re.findall(r"^#+ (.+)$", text, re.MULTILINE)}
            if fragment not in anchors:
                broken.append(target)
    assert broken == []


def test_every_page_is_on_the_map():
    text = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    pages = [
        path for path in markdown_files() if path.is_relative_to(ROOT / "docs") and path.name != "README.md"
    ]
    assert [path.name for path in pages if path.name not in text] == []


def test_files_that_the_architecture_names_are_there():
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    named = set(re.findall(r"[`\[]((?:[a-z]+/)+[a-z_]+\.(?:py|yaml))\b", text))
    assert len(named) > 20
    roots = (ROOT, ROOT / "operator" / "peergate")
    assert [name for name in sorted(named) if not any((root / name).exists() for root in roots)] == []

"""Nothing unfinished, and nothing that only makes sense on one machine, is in the repository."""

from __future__ import annotations

import re

import pytest
from tests.support.documents import ROOT, code_files, markdown_files

UNFINISHED = re.compile("|".join(("TO" + "DO", "FIX" + "ME", "XX" + "X")))
ELSEWHERE = re.compile("|".join(("/wo" + "rk/", r"\.\./sha" + "red", "/ro" + "ot/")))
PATTERNS = {"unfinished": UNFINISHED, "of another place": ELSEWHERE}


@pytest.mark.parametrize("what", PATTERNS)
def test_no_file_has_words_that_do_not_belong(what):
    found = [
        f"{path.relative_to(ROOT)}: {match[0]}"
        for path in (*markdown_files(), *code_files())
        for match in PATTERNS[what].finditer(path.read_text(encoding="utf-8"))
    ]
    assert found == []

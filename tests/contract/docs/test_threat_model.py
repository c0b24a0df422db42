"""The threat model tells the truth: each test it names is there, each threat has a row."""

from __future__ import annotations

import ast
import re
from functools import cache

import pytest
from tests.bypass.catalogue import CASES, ids_of
from tests.support.documents import DOCS, ROOT, table

TEXT = (DOCS / "threat-model.md").read_text(encoding="utf-8")
AVAILABILITY = (DOCS / "availability.md").read_text(encoding="utf-8")
NAMED = sorted(set(re.findall(r"`(tests/[\w/.-]+\.py(?:::[^`]+)?)`", TEXT + AVAILABILITY)))
SUITE = "tests/bypass/test_suite.py"
LIVE = re.compile(r"`tests/(?:bypass|integration|fault|e2e)/")
TABLES = {
    "id": ("T", 25),
    "attack": ("A", 53),
}


@cache
def names_in(path):
    """Return the functions and classes of a test file, and every string in it."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    functions = {
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
    }
    strings = {
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    return functions, strings


def test_it_names_tests():
    assert len(NAMED) > 10


@pytest.mark.parametrize("name", NAMED)
def test_a_named_test_exists(name):
    file, _, rest = name.partition("::")
    path = ROOT / file
    assert path.exists()
    if not rest:
        return
    found = re.fullmatch(r"(\w+)(?:\[(.+)\])?", rest)
    assert found is not None
    functions, strings = names_in(path)
    if file == SUITE:  # its cases are data in the modules beside it
        strings = CASES.keys()
    assert found[1] in functions
    assert found[2] is None or found[2] in strings


@pytest.mark.parametrize("head", TABLES)
def test_every_threat_has_one_row(head):
    family, count = TABLES[head]
    rows = [re.match(r"\w+", row[0])[0] for row in table(TEXT, head=head)]
    assert sorted(rows) == sorted(f"{family}{number}" for number in range(1, count + 1))


@pytest.mark.parametrize("head", TABLES)
def test_every_row_names_a_test_or_is_marked_as_a_gap(head):
    silent = [
        row[0] for row in table(TEXT, head=head) if not re.search(r"`tests/|\*\*(?:gap|outside)\*\*", row[2])
    ]
    assert silent == []


def test_every_threat_names_a_test_on_a_live_api_server():
    without = [row[0] for row in table(TEXT, head="id") if not LIVE.search(row[2])]
    assert without == []


def test_an_attack_is_named_at_a_threat_that_it_is_about():
    for row in table(TEXT, head="id"):
        for name in re.findall(rf"`{SUITE}::\w+\[(.+?)\]`", row[2]):
            assert row[0] in ids_of(CASES[name]), name

"""The catalogue is whole: each id of the facts has a case, or a reason why it has none."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from tests.bypass.catalogue import CASES, OUTSIDE, ids_of
from tests.bypass.model import Answer, Case, refused_by
from tests.bypass.report import as_json, exit_code, show
from tests.bypass.running import Outcome, Verdict

FAMILIES = {"T": 25, "DO": 20, "U": 19}
WANTED = {f"{family}{number}" for family, count in FAMILIES.items() for number in range(1, count + 1)}


def test_every_id_has_a_case_or_a_reason():
    attacked = {name for case in CASES.values() if not case.harmless for name in ids_of(case)}
    assert attacked | OUTSIDE.keys() == WANTED


def test_there_is_ordinary_work_too():
    assert len([case for case in CASES.values() if case.harmless]) > 20


def _case(*, harmless: bool = False) -> Case:
    return Case("T10", "scales", lambda _: None, lambda _: (), harmless=harmless)


ENDINGS: dict[str, tuple[list[Verdict], int]] = {
    "all doors are closed": ([Verdict.CLOSED, Verdict.FREE, Verdict.SKIPPED], 0),
    "one is open": ([Verdict.CLOSED, Verdict.OPEN, Verdict.VOID], 1),
    "ordinary work was refused": ([Verdict.CLOSED, Verdict.REFUSED], 1),
    "a case showed nothing": ([Verdict.CLOSED, Verdict.VOID], 3),
}


@pytest.mark.parametrize(("verdicts", "code"), ENDINGS.values(), ids=ENDINGS.keys())
def test_the_exit_code_when(verdicts: list[Verdict], code: int):
    assert exit_code([Outcome(_case(), verdict, "x") for verdict in verdicts]) == code


def test_elsewhere_than_on_a_terminal_the_table_is_plain():
    file = io.StringIO()
    show([Outcome(_case(), Verdict.OPEN, "changed: /x")], {"T20": "beyond"}, file=file)
    assert file.getvalue().splitlines() == [
        "id\tattack\texpected\tseen",
        "T10\tscales\tclosed\tOPEN: changed: /x",
        "T20\tbeyond\toutside\tnot tried",
        "1 OPEN",
    ]


def test_as_json_it_says_everything():
    found: Any = json.loads(
        as_json([Outcome(_case(), Verdict.CLOSED, "unchanged", ("no",))], {"T20": "beyond"})
    )
    assert found == {
        "cases": [
            {
                "ids": ["T10"],
                "name": "scales",
                "expected": "closed",
                "verdict": "closed",
                "seen": "unchanged",
                "answers": ["no"],
            }
        ],
        "outside": {"T20": "beyond"},
    }


ANSWERS = {
    'admission webhook "a.b" denied the request: no': "webhook a.b",
    'failed calling webhook "a.b": refused': "webhook that did not answer a.b",
    "ValidatingAdmissionPolicy 'p' with binding 'q' denied request: no": "policy p",
    'pods "x" is forbidden: User "me" cannot delete resource': "RBAC",
    'pods "x" not found': "",
}


@pytest.mark.parametrize(("text", "by"), ANSWERS.items())
def test_who_refused(text: str, by: str):
    assert refused_by([Answer(ok=False, text=text)]) == by

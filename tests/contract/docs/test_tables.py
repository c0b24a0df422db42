"""Tables and lists of the documents say what the code says."""

from __future__ import annotations

import re

from prometheus_client.parser import text_string_to_metric_families
from tests.support.documents import DOCS, ROOT, in_code, section, table

from peergate.approval.binding import STEPS
from peergate.cli.app import COMMANDS
from peergate.gate.messages import BOUNDARY
from peergate.gate.wording import BANNED
from peergate.model.decision import STATE_OF, STATUS_REASON_OF, Code, State
from peergate.observe.logs import DECISION_FIELDS
from peergate.observe.metrics import Metrics


def test_codes_are_those_of_the_specification_in_its_order():
    rows = table(section("approval-format.md", "7"), head="Code")
    assert [in_code(row[0])[0] for row in rows] == [str(code) for code in Code]


def test_every_refusal_of_a_step_is_a_code():
    rows = table(section("approval-format.md", "7"), head="Step")
    named = {name for row in rows for name in in_code(row[2]) if name[0].isupper()}
    assert named <= {str(code) for code in Code}


def test_binding_runs_the_steps_of_the_specification_in_their_order():
    rows = table(section("approval-format.md", "7"), head="Step")
    numbers = [int(row[0].removeprefix("V")) for row in rows]
    assert numbers == list(range(1, 28))
    assert [number for number, _ in STEPS] == sorted(number for number, _ in STEPS)
    assert {number for number, _ in STEPS} == set(range(14, 25))


def test_states_are_those_of_the_experience():
    rows = table(section("experience.md", "1.4"), head="state")
    states = [in_code(row[0])[0] for row in rows]
    assert sorted(states) == sorted(str(state) for state in State)
    documented = {in_code(row[0])[0]: in_code(row[2])[0] for row in rows}
    assert documented == {str(state): reason for state, reason in STATUS_REASON_OF.items()}


def test_each_code_has_the_state_that_the_experience_says():
    rows = table(section("experience.md", "1.4"), head="state")
    known = {str(code) for code in Code}
    documented = {name: in_code(row[0])[0] for row in rows for name in in_code(row[4]) if name in known}
    assert documented == {str(code): str(STATE_OF[code]) for code in Code}


def test_banned_words_are_those_of_the_experience():
    line = re.search(
        r"\*\*Banned substrings\*\*, in any case, in every denial: ([^.]+)\.", section("experience.md", "1.4")
    )
    assert line is not None
    assert in_code(line[1]) == list(BANNED)


def test_the_second_line_is_the_documented_one():
    assert BOUNDARY in section("experience.md", "1.4")


def test_log_fields_are_those_of_the_experience():
    line = re.search(r"\*\*Logs\*\*: one JSON line per decision: `([^`]+)`", section("experience.md", "3.6"))
    assert line is not None
    assert line[1].split() == list(DECISION_FIELDS)


def test_every_metric_is_documented():
    rows = table(section("experience.md", "3.5"), head="name")
    documented = {name for row in rows for name in in_code(row[0])}
    served = {
        family.name + ("_total" if family.type == "counter" else "")
        for family in text_string_to_metric_families(Metrics().render().decode())
        if not family.name.endswith("_created")
    }
    assert served <= documented


def test_every_command_is_documented():
    text = section("design.md", "6")
    assert [name for name in COMMANDS if f"`{name}" not in text] == []


def test_generated_codes_are_linked_where_programs_look():
    assert "codes.md" in (DOCS / "README.md").read_text(encoding="utf-8")
    assert (ROOT / "docs" / "codes.md").exists()

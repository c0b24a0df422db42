"""Lists are read from the server's own table, and say whose decision a request is."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.support.approvals import make_key

from peergate.approval.keyring import RegisteredApprover, build_keyring
from peergate.cli.columns import Columns
from peergate.cli.mine import Me, gravest_first, left_to_me
from peergate.cli.rows import Row, rows_of
from peergate.cli.spans import span
from peergate.gate.policies import BUILT_IN, CompiledRule
from peergate.model.approver import ApproverSpec
from peergate.model.policy import Rule

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
NAMES = (
    "Name", "Operation", "Kind", "Target", "Requester", "State", "Approvals", "Expires", "Age", "Effect",
    "Subresource", "Owner", "Missing", "Group", "Rules", "Signed-By",
)  # fmt: skip
CELLS = (
    "cr-hbzkqvmtwxcdfgjnprst", "DELETE", "statefulsets", "db", "system:serviceaccount:agents:bot", "Pending",
    "1/2", "2026-11-24T11:30:00Z", "30m", "Delete", "", "team-platform", "1 more (human)", "apps",
    '["prod/0","built-in"]', '["alice@example.com"]',
)  # fmt: skip
METADATA = {
    "namespace": "shop",
    "name": "cr-hbzkqvmtwxcdfgjnprst",
    "uid": "u1",
    "creationTimestamp": "2026-11-23T11:30:00Z",
}


def _table(names: Any = NAMES, cells: Any = CELLS, metadata: Any = METADATA) -> dict[str, Any]:
    return {
        "kind": "Table",
        "columnDefinitions": [{"name": name} for name in names],
        "rows": [{"cells": list(cells), "object": {"metadata": dict(metadata)}}],
    }


def _row(**members: Any) -> Row:
    return dataclasses.replace(next(rows_of(_table())), **members)


def test_a_row_is_read_by_the_names_of_its_columns():
    assert next(rows_of(_table(tuple(reversed(NAMES)), tuple(reversed(CELLS))))) == Row(
        namespace="shop",
        name="cr-hbzkqvmtwxcdfgjnprst",
        uid="u1",
        created=datetime(2026, 11, 23, 11, 30, tzinfo=UTC),
        operation="DELETE",
        group="apps",
        resource="statefulsets",
        subresource="",
        target="db",
        requester="system:serviceaccount:agents:bot",
        owner="team-platform",
        effect="Delete",
        expires=datetime(2026, 11, 24, 11, 30, tzinfo=UTC),
        progress="1/2",
        missing="1 more (human)",
        rules=("prod/0", "built-in"),
        signed=("alice@example.com",),
        stated="Pending",
    )


def test_a_column_that_an_older_definition_lacks_is_empty():
    row = next(rows_of(_table(NAMES[:9], CELLS[:9])))
    assert (row.rules, row.signed, row.group, row.effect) == ((), (), "", "")


@pytest.mark.parametrize("cell", [None, "", "<none>", "[", "{}", "7", '[1, {"a": 2}]'])
def test_a_list_that_is_none_is_empty(cell):
    assert next(rows_of(_table(cells=(*CELLS[:-1], cell)))).signed == ()


@pytest.mark.parametrize("cell", [None, "", "soon", "2026-11-24T11:30:00"])
def test_a_date_that_is_none_lies_far_back_so_the_request_is_over(cell):
    row = next(rows_of(_table(cells=(*CELLS[:7], cell, *CELLS[8:]))))
    assert row.state(now=NOW) == "Expired"


STATES = {
    "nothing written yet": (_row(stated=""), NOW, "Pending", True),
    "pending": (_row(), NOW, "Pending", True),
    "over by the clock": (_row(), NOW + timedelta(days=1), "Expired", False),
    "approved": (_row(stated="Approved"), NOW, "Approved", False),
    "rejected stays rejected": (_row(stated="Rejected"), NOW + timedelta(days=1), "Rejected", False),
}


@pytest.mark.parametrize("sentence", STATES)
def test_states(sentence):
    row, now, state, is_open = STATES[sentence]
    assert (row.state(now=now), row.is_open(now=now)) == (state, is_open)


def _approver(**members: Any) -> RegisteredApprover:
    spec = ApproverSpec.model_validate(
        {
            "identity": "carol@example.com",
            "class": "human",
            "owner": "team-carol",
            "kubernetesUsernames": ["oidc:carol"],
            "keys": [{"type": "ssh", "publicKey": make_key("ssh-ed25519", "carol").public_text}],
            **members,
        }
    )
    return build_keyring({"carol": spec}).approvers["carol@example.com"]


def _rule(**approvals: Any) -> CompiledRule:
    return CompiledRule(name="prod/0", mode="Enforce", rule=Rule.model_validate({"approvals": approvals}))


CAROL = Me(username="oidc:carol", approver=_approver(), rules={"built-in": BUILT_IN})
ROBOT = Me(
    username="system:serviceaccount:agents:robot",
    approver=_approver(**{
        "class": "agent",
        "owner": "team-robots",
        "kubernetesUsernames": ["system:serviceaccount:agents:robot"],
    }),
    rules={"built-in": BUILT_IN},
)  # fmt: skip


def _with(me: Me, *rules: CompiledRule, **members: Any) -> Me:
    return dataclasses.replace(me, rules={rule.name: rule for rule in rules}, **members)


ONE = _row(rules=("prod/0",))
MINE = {
    "open, not mine, not signed by me": (_row(), CAROL, True),
    "of nobody in particular": (_row(rules=()), CAROL, True),
    "under a rule that is not there any more": (ONE, _with(CAROL), True),
    "asked for by my own account": (_row(requester="oidc:carol"), CAROL, False),
    "asked for by another account of mine": (_row(requester="oidc:carol"), dataclasses.replace(CAROL, username="c"), False),
    "signed by me": (_row(signed=("carol@example.com",)), CAROL, False),
    "approved already": (_row(stated="Approved"), CAROL, False),
    "I am registered nowhere": (_row(), dataclasses.replace(CAROL, approver=None), False),
    "I am disabled": (_row(), dataclasses.replace(CAROL, approver=_approver(disabled=True)), False),
    "the rule counts another group": (ONE, _with(CAROL, _rule(fromGroups=["sre"])), False),
    "the rule counts my group": (
        ONE, _with(CAROL, _rule(fromGroups=["sre"]), approver=_approver(groups=["sre"])), True
    ),
    "one of two rules counts me": (
        _row(rules=("prod/0", "built-in")), _with(CAROL, _rule(fromGroups=["sre"]), BUILT_IN), True
    ),
    "an agent where a human is asked": (_row(rules=("built-in",)), ROBOT, False),
    "an agent where one more is asked": (ONE, _with(ROBOT, _rule(required=2, minHumans=1)), True),
    "an agent of the same owner": (
        _row(rules=("prod/0",), owner="team-robots"), _with(ROBOT, _rule(required=2, minHumans=1)), False
    ),
    "an agent where nobody answers for the requester": (
        _row(rules=("prod/0",), owner=""), _with(ROBOT, _rule(required=2, minHumans=1)), False
    ),
}  # fmt: skip


@pytest.mark.parametrize("sentence", MINE)
def test_what_is_left_to_me(sentence):
    row, me, expected = MINE[sentence]
    assert left_to_me(row, me=me, now=NOW) is expected


def test_what_can_not_be_undone_comes_first_then_what_waits_longest():
    older = NOW - timedelta(hours=3)
    rows = {
        "an old update": _row(operation="UPDATE", effect="Replace", created=older),
        "a Deployment": _row(resource="deployments"),
        "an older Deployment": _row(resource="deployments", created=older),
        "scaled to 0": _row(operation="UPDATE", effect="Delete", resource="deployments"),
        "a claim": _row(group="", resource="persistentvolumeclaims"),
        "an update of a Secret": _row(operation="UPDATE", effect="Replace", group="", resource="secrets", name="cr-z"),
        "something unknown": _row(group="db.example.com", resource="databases", created=older),
    }  # fmt: skip
    assert sorted(rows, key=lambda name: gravest_first(rows[name])) == [
        "something unknown",
        "a claim",
        "an update of a Secret",
        "an older Deployment",
        "a Deployment",
        "scaled to 0",
        "an old update",
    ]


def test_lines_stand_below_each_other_and_nothing_in_them_is_active():
    columns = Columns(everywhere=True, wide=False)
    rows = [_row(), _row(target="a\x1b[31m", resource="deployments", subresource="scale", progress="")]
    assert columns.table(rows, now=NOW) == [
        "NAMESPACE   NAME                      OPERATION   KIND                TARGET      REQUESTER    STATE     APPROVALS   EXPIRES   AGE",
        "shop        cr-hbzkqvmtwxcdfgjnprst   DELETE      statefulsets        db          agents/bot   Pending   1/2         23h       30m",
        "shop        cr-hbzkqvmtwxcdfgjnprst   DELETE      deployments/scale   a\\x1b[31m   agents/bot   Pending   -           23h       30m",
    ]
    assert columns.line(_row(), now=NOW, state="Gone").split()[6] == "Gone"


def test_wide_lines_have_more():
    header, line = Columns(everywhere=False, wide=True).table([_row()], now=NOW)
    assert header.split()[-5:] == ["EFFECT", "OWNER", "MISSING", "RULES", "SIGNED-BY"]
    assert line.split()[-2:] == ["prod/0,built-in", "alice@example.com"]


SPANS = {"0s": -5, "45s": 45, "119s": 119, "2m": 120, "179m": 179 * 60, "3h": 3 * 3600, "5h30m": 5 * 3600 + 1800,
         "9h": 9 * 3600 + 1800, "47h": 47 * 3600, "2d": 48 * 3600}  # fmt: skip


@pytest.mark.parametrize("text", SPANS)
def test_spans(text):
    assert span(timedelta(seconds=SPANS[text])) == text

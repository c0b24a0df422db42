"""What is said about the rights that agents hold."""

from __future__ import annotations

from tests.support.doctor import account, cluster_binding, cluster_role

from peergate.cli.doctor.agents import Known
from peergate.cli.doctor.finding import Finding, Level, Theme
from peergate.cli.doctor.rbac import Rbac
from peergate.cli.doctor.rights import closable, judge_rights
from peergate.cli.doctor.survey import Survey
from peergate.gate.access import Right, account_subject
from peergate.gate.doors import DOORS, EVERYTHING

_READ = Right("get", "", "secrets")
_RBAC = Rbac(
    cluster_roles=[cluster_role("reader", [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}])],
    cluster_bindings=[cluster_binding("readers", "reader", account("ops", "bot"))],
)


def _known(name):
    return Known(display=f"ops/{name}", subject=account_subject("ops", name, uid=name), tag="label")


def _judged(held, *, rbac=None, unasked=0):
    survey = Survey(held={_known(name): frozenset(rights) for name, rights in held.items()})
    return [one for one in judge_rights(survey, rbac=rbac, unasked=unasked) if one.check != "rights"]


def test_a_right_is_told_with_what_it_allows_where_it_comes_from_and_what_mends_it():
    assert _judged({"bot": [_READ]}, rbac=_RBAC) == [
        Finding(
            level=Level.FAIL,
            theme=Theme.RIGHTS,
            check="SAR7",
            what="ops/bot may read Secrets in the whole cluster: get secrets.",
            allows="It can read tokens and keys of others and become them; no admission ever sees a read.",
            mend=(
                (
                    "take it out of ClusterRoleBinding readers -> ClusterRole reader;"
                    " peergate doctor --fix prints how"
                ),
            ),
            threats=("T2",),
            subjects=("ops/bot",),
            given=("ClusterRoleBinding readers -> ClusterRole reader",),
        )
    ]


def test_a_right_that_no_binding_gives_comes_from_elsewhere():
    [finding] = _judged({"other": [_READ]}, rbac=_RBAC)
    assert finding.given == ("no binding: another authorizer, or the group system:masters",)
    assert finding.mend == ("take it away where it is given: no binding of RBAC does",)


def test_without_rbac_the_cause_is_to_be_found():
    [finding] = _judged({"bot": [_READ]})
    assert finding.mend[0].startswith("find the binding that gives it: kubectl get")


def test_equal_rights_of_many_agents_are_one_line():
    [finding] = _judged({f"bot{number}": [_READ] for number in range(5)})
    assert finding.what.startswith("ops/bot0, ops/bot1, ops/bot2 and 2 more may read Secrets")
    assert len(finding.subjects) == 5


def test_different_rights_are_lines_of_their_own():
    found = _judged({"a": [_READ], "b": [Right("list", "", "secrets")]})
    assert [finding.subjects for finding in found] == [("ops/a",), ("ops/b",)]


def test_a_right_in_namespaces_names_them():
    found = _judged({"a": [Right("get", "", "secrets", name) for name in ("b", "a", "d", "c")]})
    assert [finding.what for finding in found] == [
        "ops/a may read Secrets in a, b, c and 1 more: get secrets."
    ]


def test_who_may_do_everything_is_told_once():
    [finding] = _judged({"a": [EVERYTHING], "b": [EVERYTHING]})
    assert (finding.level, finding.check, finding.subjects) == (
        Level.FAIL,
        "everything",
        ("ops/a", "ops/b"),
    )


LEVELS = {
    "what no admission sees fails": (Right("impersonate", "", "users"), Level.FAIL),
    "what the gate refuses warns": (Right("create", "", "serviceaccounts/token"), Level.WARN),
    "ordinary work is fine": (Right("create", "", "pods"), Level.OK),
}


def test_how_grave_a_right_is():
    for sentence, (right, level) in LEVELS.items():
        [finding] = _judged({"a": [right]})
        assert finding.level is level, sentence


def test_questions_that_were_not_asked_fail_and_nothing_is_said_to_be_well():
    survey = Survey(held={_known("a"): frozenset()})
    [finding] = judge_rights(survey, rbac=None, unasked=7)
    assert (finding.level, finding.check) == (Level.FAIL, "partial")
    assert finding.what == "7 questions about rights were not asked: number or time ran out."


def test_what_nobody_holds_is_one_line():
    [finding] = judge_rights(Survey(held={_known("a"): frozenset()}), rbac=None)
    assert finding.level is Level.OK
    assert finding.what == f"Held by none of 1 agent: {', '.join(door.id for door in DOORS)}."


def test_without_agents_there_is_nothing_to_say():
    assert judge_rights(Survey(held={}), rbac=None) == []


def test_only_what_is_more_than_work_is_closed():
    survey = Survey(
        held={
            _known("open"): frozenset({_READ}),
            _known("all"): frozenset({EVERYTHING}),
            _known("work"): frozenset({Right("create", "", "pods")}),
            _known("none"): frozenset(),
        }
    )
    assert [one.display for one in closable(survey)] == ["ops/open", "ops/all"]

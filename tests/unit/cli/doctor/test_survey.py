"""Who is asked what: the same answers with few questions, never one too few where RBAC can't be read."""

from __future__ import annotations

from tests.support.doctor import account, binding, cluster_binding, cluster_role

from peergate.cli.doctor.agents import Known
from peergate.cli.doctor.rbac import Rbac
from peergate.cli.doctor.survey import survey
from peergate.gate.access import Right, account_subject
from peergate.gate.doors import DOORS, EVERYTHING, rights_asked

_SPACES = ("shop", "bank", "mail")


class Authorizer:
    """Says yes to some rights, and remembers what it was asked."""

    def __init__(self, *yes: Right) -> None:
        self._yes = frozenset(yes)
        self.asked = []

    def ask(self, questions):
        wanted = list(questions)
        self.asked += wanted
        return {one for one in wanted if one.right in self._yes}

    def spaces(self, name):
        return {one.right.namespace for one in self.asked if one.subject.username.endswith(f":{name}")} - {""}


def _known(name, **rest):
    return Known(display=f"ops/{name}", subject=account_subject("ops", name, uid=name), tag="label", **rest)


_RULES = [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]


def _rbac(*names, spaces=()):
    return Rbac(
        cluster_roles=[cluster_role("bots", _RULES)],
        cluster_bindings=[cluster_binding(name, "bots", account("ops", name)) for name in names],
        bindings=[binding(space, "b", "ClusterRole/bots", account("ops", "a")) for space in spaces],
    )


def test_without_rbac_everything_is_asked_everywhere():
    authorizer = Authorizer()
    found = survey([_known("a"), _known("b")], namespaces=_SPACES, rbac=None, every=False, ask=authorizer.ask)
    wide = sum(len(rights_asked(door)) for door in DOORS)
    narrow = sum(len(rights_asked(door, namespace="x")) for door in DOORS)
    assert len(authorizer.asked) == 2 * (1 + wide + len(_SPACES) * narrow)
    assert (found.alike, found.spared) == (0, 0)


def test_who_may_do_everything_is_not_asked_further():
    authorizer = Authorizer(EVERYTHING)
    found = survey([_known("a")], namespaces=_SPACES, rbac=None, every=False, ask=authorizer.ask)
    assert [one.right for one in authorizer.asked] == [EVERYTHING]
    assert found.held[_known("a")] == {EVERYTHING}


def test_agents_with_equal_rights_are_asked_about_once():
    authorizer = Authorizer(Right("list", "", "secrets"))
    agents = [_known("a"), _known("b"), _known("c")]
    found = survey(agents, namespaces=(), rbac=_rbac("a", "b"), every=False, ask=authorizer.ask)
    assert {one.subject.username[-1] for one in authorizer.asked} == {"a", "c"}
    assert found.held[agents[1]] == found.held[agents[0]] == {Right("list", "", "secrets")}
    assert found.alike == 1


def test_every_means_every():
    authorizer = Authorizer()
    found = survey(
        [_known("a"), _known("b")], namespaces=_SPACES, rbac=_rbac("a", "b"), every=True, ask=authorizer.ask
    )
    assert authorizer.spaces("a") == authorizer.spaces("b") == set(_SPACES)
    assert (found.alike, found.spared) == (0, 0)


def test_namespaces_without_a_binding_stand_for_each_other():
    authorizer = Authorizer()
    found = survey(
        [_known("a")], namespaces=_SPACES, rbac=_rbac(spaces=["bank"]), every=False, ask=authorizer.ask
    )
    assert authorizer.spaces("a") == {"bank", "shop"}
    assert found.spared == 1


def test_bindings_in_other_namespaces_are_looked_at_too():
    authorizer = Authorizer()
    survey([_known("a")], namespaces=("shop",), rbac=_rbac(spaces=["dev"]), every=False, ask=authorizer.ask)
    assert authorizer.spaces("a") == {"dev", "shop"}


def test_what_is_held_everywhere_is_not_asked_again_in_a_namespace():
    authorizer = Authorizer(Right("list", "", "secrets"))
    survey([_known("a")], namespaces=("shop",), rbac=None, every=False, ask=authorizer.ask)
    rights = [one.right for one in authorizer.asked]
    assert Right("get", "", "secrets", "shop") in rights
    assert Right("list", "", "secrets", "shop") not in rights


def test_a_right_on_one_object_is_asked_about_by_its_name():
    rule = {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"], "resourceNames": ["db", "api"]}
    rbac = Rbac(
        cluster_roles=[cluster_role("one", [rule])],
        bindings=[binding("shop", "b", "ClusterRole/one", account("ops", "a"))],
    )
    wanted = Right("get", "", "secrets", "shop", "db")
    authorizer = Authorizer(wanted)
    found = survey([_known("a")], namespaces=("shop",), rbac=rbac, every=False, ask=authorizer.ask)
    assert found.held[_known("a")] == {wanted}
    assert Right("get", "", "secrets", "shop", "api") in [one.right for one in authorizer.asked]


def test_what_is_named_anyway_is_asked_without_rbac_too():
    gate = Right("delete", "admissionregistration.k8s.io", "validatingwebhookconfigurations", "", "peergate")
    authorizer = Authorizer(gate)
    found = survey([_known("a")], namespaces=(), rbac=None, every=False, ask=authorizer.ask, named=(gate,))
    assert found.held[_known("a")] == {gate}


def test_the_gravest_questions_come_first():
    authorizer = Authorizer()
    survey([_known("a")], namespaces=(), rbac=None, every=False, ask=authorizer.ask)
    rights = [one.right for one in authorizer.asked]
    assert rights.index(Right("escalate", "rbac.authorization.k8s.io", "clusterroles")) < rights.index(
        Right("create", "", "serviceaccounts/token")
    )


def test_two_thousand_agents_of_one_role_take_as_many_questions_as_one():
    names = [f"bot{number}" for number in range(2000)]
    authorizer, single = Authorizer(), Authorizer()
    agents = [_known(name) for name in names]
    rbac = _rbac(*names)
    found = survey(agents, namespaces=_SPACES, rbac=rbac, every=False, ask=authorizer.ask)
    survey(agents[:1], namespaces=_SPACES, rbac=rbac, every=False, ask=single.ask)
    assert len(authorizer.asked) == len(single.asked)
    assert len(found.held) == 2000

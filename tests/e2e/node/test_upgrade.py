"""One version follows the other, and goes back to it, under callers who never pause.

The previous version is made from this source (``tests/harness/node/previous.py``). What it wrote counts for
this one, and what this one wrote counts for it; for a while both serve.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from tests.e2e.node.conftest import inhabited
from tests.harness.binaries import find_helm
from tests.harness.node.previous import FIELD, RULE, VERSION
from tests.harness.node.release import NAMESPACE
from tests.harness.versions import HELM_3
from tests.harness.waiting import wait_until
from tests.support.changes import Peer, guarded
from tests.support.load import under_load
from tests.support.papers import Papers, put, reject
from tests.support.replicas import answer_of, answers, images, recorded_reviews, versions
from tests.support.requests_of import request_path, wait_filed
from tests.support.reviews import review_of
from tests.support.world import CONFIGURATION, World, victim

from peergate import __version__
from peergate.model.change import Change
from peergate.shipped.listed import listed_in, live_conditions

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(420)]

DEFINITION = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/changerequests.peergate.dev"
ROLE = "/apis/rbac.authorization.k8s.io/v1/clusterroles/peergate-operator"
STRICT = {"rules": [{"approvals": {"required": 2}}]}
CANARY = "system:serviceaccount:peergate-test-open:canary"
"""The self-test's account, an agent for as long as it runs."""


@contextlib.contextmanager
def the_gate_stays_narrow(town: World) -> Iterator[None]:
    """Look afterwards at every state that the webhook configuration went through meanwhile."""
    before = town.configuration()
    listed = {name: listed_in(text) for name, text in live_conditions(before).items() if text is not None}
    assert len(listed) == 4
    yield
    seen = states_since(town, before["metadata"]["resourceVersion"])
    assert seen, "it was changed"
    for state in seen:
        conditions = live_conditions(state)
        assert {name for name, text in conditions.items() if text is not None} == {*listed}
        for name, found in listed.items():
            now = listed_in(conditions[name] or "")
            assert now.namespaces == found.namespaces
            assert now.accounts - {CANARY} == found.accounts - {CANARY}
        bundles = {entry["clientConfig"].get("caBundle") for entry in state["webhooks"]}
        assert bundles == {entry["clientConfig"]["caBundle"] for entry in before["webhooks"]}


def states_since(town: World, version: str) -> list[dict[str, Any]]:
    """Return all states of the webhook configuration after that one; it must not have been deleted."""
    collection, _, name = CONFIGURATION.rpartition("/")
    query = {
        "watch": "1",
        "resourceVersion": version,
        "timeoutSeconds": "1",
        "fieldSelector": f"metadata.name={name}",
    }
    body = town.admin.request("GET", collection, query=query).body
    events = [body] if isinstance(body, dict) else [json.loads(line) for line in body.splitlines()]
    assert {event["type"] for event in events} == {"MODIFIED"}, events
    return [event["object"] for event in events]


@dataclass(frozen=True, slots=True)
class People:
    """Who uses a release, and who approves and rejects there."""

    town: World
    alice: Peer
    bob: Peer
    """He rejects by a user name that is that of his object."""
    strict: str
    """A namespace where two have to sign."""

    def leave(self) -> Papers:
        """Have the version that serves write what the next one is to honour."""
        return Papers(self.town, alice=self.alice, bob=self.bob, strict=self.strict)


@contextlib.contextmanager
def lived_in(release) -> Iterator[People]:
    """Let people use a release."""
    with inhabited(release) as town, guarded(town.desk, STRICT) as (strict, _):
        alice, bob = town.crew.register("anna"), town.crew.register("bob")
        town.crew.change(bob, {"kubernetesUsernames": [bob.name]})
        yield People(town, alice=alice, bob=bob, strict=strict)


def is_this_version(release) -> bool:
    """Tell whether the cluster has this version's objects, all of them, and no other; or the previous one's.

    Errors: AssertionError, for a mixture.
    """
    admin = release.cluster.admin
    schema = admin.request("GET", DEFINITION).body["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    configuration = admin.request("GET", CONFIGURATION).body
    signs = {
        FIELD in schema["properties"]["spec"]["properties"],
        RULE in json.dumps(configuration),
        "not-kube-system" in json.dumps(configuration),
        '"nodes"' not in json.dumps(admin.request("GET", ROLE).body["rules"]),
        {*images(release).values()} == {__version__},
    }
    assert len(signs) == 1, signs
    return signs.pop()


def test_an_upgrade_and_the_way_back_fail_no_review_and_honour_what_was_written(old_release):
    """By Helm 4, with the install gate, which fails where an entry is not as this version ships it."""
    release = old_release()
    with lived_in(release) as people:
        assert not is_this_version(release)
        papers = people.leave()
        with under_load(people.town, updates=True):
            with the_gate_stays_narrow(people.town):
                release.upgrade(values={"hooks": {"selfTest": {"enabled": True}}})
                release.wait_ready()
            assert is_this_version(release)
            papers.are_honoured()
            papers = people.leave()
            with the_gate_stays_narrow(people.town):
                release.roll_back()
                release.wait_ready()
            assert not is_this_version(release)
            papers.are_honoured()


@contextlib.contextmanager
def halfway(release) -> Iterator[None]:
    """Upgrade until one replica of this version serves beside those of before; let it go on afterwards."""
    admin = release.cluster.admin
    deployment = ("-n", NAMESPACE, "deployment/peergate")
    admin.kubectl("rollout", "pause", *deployment).must()
    release.upgrade(wait=False)
    admin.kubectl("rollout", "resume", *deployment).must()
    tags = [VERSION, VERSION, __version__]
    wait_until("a Pod of this version is there", lambda: all_tags(release) == tags)
    admin.kubectl("rollout", "pause", *deployment).must()
    try:
        wait_until("it serves beside the others", lambda: versions(release) == tags)
        yield
    finally:
        admin.kubectl("rollout", "resume", *deployment).must()
    release.wait_ready()


def all_tags(release) -> list[str]:
    """Return the versions of all Pods, whether they serve or not."""
    found = (pod["spec"]["containers"][0]["image"].rpartition(":")[2] for pod in release.pods())
    return sorted(found)


def ask(town: World, pod: str, path: str) -> None:
    """Have one replica refuse the agent's deletion of an object, and file it."""
    review = review_of(town.desk.requester, town.desk.get(path))
    assert not answer_of(town.admin, pod, review)["allowed"]


def wait_one_answer(release, town: World, path: str, *, code: str) -> None:
    """Return once every replica gives the same answer to the agent's deletion, a dry run, with this code.

    ``200`` is the code of an admission.
    """
    review = review_of(town.desk.requester, town.desk.get(path), dryRun=True)

    def codes() -> set[str]:
        return {
            "200" if answer["allowed"] else answer["auditAnnotations"]["code"]
            for answer in answers(release, review)
        }

    wait_until(f"all say {code}", lambda: codes() == {code})
    found = answers(release, review)
    assert len(found) == 1, found


def test_two_versions_that_serve_at_once_are_of_one_mind(old_release):
    """By Helm 3, which merges where Helm 4 applies."""
    release = old_release(helm=find_helm(suite=HELM_3))
    with lived_in(release) as people:
        town, papers = people.town, people.leave()
        with under_load(town, updates=True):
            with the_gate_stays_narrow(town), halfway(release):
                [new] = [pod for pod, tag in images(release).items() if tag == __version__]
                old, other = [pod for pod, tag in images(release).items() if tag == VERSION]
                say_the_same_of_what_was_recorded(release, town)
                for pod in (new, old):
                    are_open_to_what_it_files(release, people, pod)
                keep_what_was_signed_so_far(release, people, new, old)
                papers.are_honoured()
                # A replica of before starts anew, as where a node is drained: with its own settings.
                town.admin.kubectl("-n", NAMESPACE, "delete", "pod", other).must()
                wait_until("it serves again", lambda: versions(release) == [VERSION, VERSION, __version__])
                assert other not in images(release)
                say_the_same_of_what_was_recorded(release, town)
            assert is_this_version(release)
            papers = people.leave()
            with the_gate_stays_narrow(town):
                release.roll_back()
                release.wait_ready()
            assert not is_this_version(release)
            papers.are_honoured()


def say_the_same_of_what_was_recorded(release, town: World) -> None:
    """The same review, the same answer, to the letter: code, text, id of the change."""
    for gate, review in recorded_reviews(town.desk.requester):
        assert len(answers(release, review, gate=gate)) == 1, review["request"]


def are_open_to_what_it_files(release, people: People, pod: str) -> None:
    """An approval on a request of either version counts for both, and a rejection is heard by both."""
    town = people.town
    for decide, code in ((put, "200"), (reject, "ChangeRejected")):
        path = town.victim()
        change = town.desk.deletion(path)
        ask(town, pod, path)
        wait_filed(town.desk, change)
        wait_one_answer(release, town, path, code="ApprovalMissing")
        decide(town, change, by=people.alice if decide is put else people.bob)
        wait_one_answer(release, town, path, code=code)


def keep_what_was_signed_so_far(release, people: People, new: str, old: str) -> None:
    """Each version words a request in its own way, and so replaces the other's; what is signed goes along."""
    town = people.town
    path = victim(town.admin, people.strict)
    change = town.desk.deletion(path)
    ask(town, old, path)
    first = wait_filed(town.desk, change)
    put(town, change, by=people.alice)
    wait_one_answer(release, town, path, code="QuorumNotMet")
    uids = {first["metadata"]["uid"]}
    for pod in (new, old, new):
        ask(town, pod, path)
        wait_until("it is worded anew", lambda: uid_of(town, change) not in {"", *uids})
        uids.add(uid_of(town, change))
        wait_one_answer(release, town, path, code="QuorumNotMet")
    put(town, change, by=people.bob)
    wait_one_answer(release, town, path, code="200")


def uid_of(town: World, change: Change) -> str:
    """Return the uid of a change's request; empty where there is none now."""
    reply = town.admin.request("GET", request_path(change))
    return str(reply.body["metadata"]["uid"]) if reply.code == 200 else ""

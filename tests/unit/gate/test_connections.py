"""Connections and evictions: what they are, which Pod must be looked at, what is told of them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.support.gate import (
    PERSON,
    agent_user,
    connection,
    eviction,
    found,
    review,
    snapshot,
    thing,
)

from peergate.gate.connections import command_line, wanted_pod
from peergate.gate.findings import Finding
from peergate.model.change import Effect
from peergate.model.review import Gate, Resource


def pod(account="default", **spec):
    return thing("Pod", "web-0", spec={"containers": [{"name": "c"}], "serviceAccountName": account, **spec})


ANOTHERS, BARE = pod("builder"), pod("builder", automountServiceAccountToken=False)
KIN = snapshot().accounts | {("shop", "kin"): replace(snapshot().accounts["agents", "sibling"])}
OWN = pod("kin")
HARD, CLOSED = (Effect.FORBIDDEN, False), (Effect.FORBIDDEN, True)

CASES = {
    "into a Pod of somebody else is Forbidden (T14)": (connection("pods/exec"), ANOTHERS, HARD),
    "into one that runs as default too (T14)": (connection("pods/attach"), pod(), HARD),
    "into a Pod that is not there is Forbidden": (connection("pods/exec"), None, HARD),
    "into an agent's own Pod is closed, for a policy to open (T14)": (connection("pods/exec"), OWN, CLOSED),
    "into a Pod without a token is closed too (T14)": (connection("pods/portforward"), BARE, CLOSED),
    "through a Pod's proxy as well (T14)": (connection("pods/proxy"), OWN, CLOSED),
    "through a Service is closed (T14)": (connection("services/proxy"), None, CLOSED),
    "through a node is Forbidden (T14)": (connection("nodes/proxy", gate=Gate.CLUSTER), None, HARD),
    "of a kind that nobody knows is Forbidden": (connection("pods/tunnel"), OWN, HARD),
    "in an open namespace, into a Pod of somebody else is Forbidden (T14)": (
        connection("pods/exec", gate=Gate.IDENTITY),
        ANOTHERS,
        HARD,
    ),
    "in an open namespace, into its own is free": (
        connection("pods/exec", gate=Gate.IDENTITY),
        OWN,
        (Effect.HARMLESS, False),
    ),
}


@pytest.mark.parametrize(("subject", "there", "want"), CASES.values(), ids=CASES.keys())
def test_a_connection(subject, there, want):
    finding = found(subject, pod=there, accounts=KIN)
    assert (finding.effect, finding.closed) == want


def test_a_connection_of_another_group_is_forbidden():
    subject = replace(connection("pods/exec"), resource=Resource("example.com", "v1", "pods"))
    assert found(subject, pod=OWN, accounts=KIN).closed is False


def test_a_connection_whose_pod_could_not_be_looked_up_is_left_to_the_policies():
    assert found(connection("pods/exec"), lookup_failed=True).closed is True


def test_an_eviction_is_the_deletion_of_its_pod():
    assert found(eviction(), pod=pod()) == Finding(Effect.DELETE)
    assert found(eviction(), lookup_failed=True) == Finding(Effect.DELETE)


def test_an_eviction_of_a_pod_that_is_not_there_is_forbidden():
    assert found(eviction()).why == "would evict a Pod that is not there"


OTHER = replace(eviction(), resource=Resource(group="example.com", version="v1", resource="pods"))
WANTED = {
    "an eviction": (eviction(), ("shop", "web-0")),
    "an exec": (connection("pods/exec"), ("shop", "web-0")),
    "a port of a Pod": (connection("pods/proxy", "web-0:8080"), ("shop", "web-0")),
    "a port of a Pod by its scheme": (connection("pods/proxy", "https:web-0:443"), ("shop", "web-0")),
    "in an open namespace": (connection("pods/exec", gate=Gate.IDENTITY), ("shop", "web-0")),
    "of the operator's namespace, none": (connection("pods/exec", gate=Gate.OWN), None),
    "a connection that nobody knows, none": (connection("pods/tunnel"), None),
    "a Service, none": (connection("services/proxy"), None),
    "a deletion, none": (review("DELETE", old=pod()), None),
    "a kind of another group, none": (OTHER, None),
    "without a name, none": (eviction(""), None),
    "a person's, none": (eviction(user=PERSON), None),
    "of who can't be verified, the Pod": (eviction(user=agent_user(uid="")), ("shop", "web-0")),
}


@pytest.mark.parametrize(("subject", "want"), WANTED.values(), ids=WANTED.keys())
def test_the_pod_to_look_at(subject, want):
    assert wanted_pod(subject, snapshot=snapshot()) == want


SHOWN = {
    "a command": (connection("pods/exec", command=["sh", "-c", "rm -rf /data"]), "sh -c rm -rf /data"),
    "ports": (connection("pods/portforward", ports=[5432, "x"]), "port 5432"),
    "a path": (connection("pods/proxy", path="admin/drop"), "admin/drop"),
    "nothing that was asked": (connection("pods/attach"), ""),
    "what is no text is left out": (connection("pods/exec", command=["a", 7, None]), "a"),
    "unprintable": (connection("pods/exec", command=["\x1b[2J\n", '"']), "?[2J? ?"),
    "at most 512 characters": (connection("pods/exec", command=["x" * 600]), "x" * 512),
    "of a deletion nothing": (review("DELETE", old=pod()), ""),
}


@pytest.mark.parametrize(("subject", "want"), SHOWN.values(), ids=SHOWN.keys())
def test_command_line(subject, want):
    assert command_line(subject) == want

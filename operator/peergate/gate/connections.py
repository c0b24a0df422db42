"""Connections into Pods, Services and Nodes, and evictions: judged by looking at the Pod (T7, T14).

A CONNECT shows neither what is sent nor where to; an eviction does not show its Pod. The edge fetches the Pod
before deciding (``wanted_pod``); without it nothing here is admitted.
"""

from __future__ import annotations

from typing import Final

from peergate.gate.findings import Entry, Finding, Situation
from peergate.gate.identities import is_same_kind
from peergate.gate.podspecs import account_of
from peergate.gate.principal import NotAgent, identify
from peergate.gate.shape import mapping, sequence, text
from peergate.gate.snapshot import Snapshot
from peergate.gate.wording import tidy
from peergate.model.change import Effect
from peergate.model.review import Gate, Review

__all__ = ["ENTRIES", "command_line", "connection", "eviction", "wanted_pod"]

_OPAQUE: Final = "would open a connection whose content no review can show"
_MAY_BE_OPENED: Final = "a policy may open this to agents (allowConnect); else a person does it."
_INTO_PODS: Final = frozenset({"exec", "attach", "portforward", "proxy"})
_COMMAND_CHARACTERS: Final = 512
_LOOKED_AT: Final = frozenset({Gate.NAMESPACED, Gate.IDENTITY})


def connection(situation: Situation) -> Finding:
    """T14: what happens inside exec, attach, portforward or proxy is invisible; no v1 approval admits it."""
    match situation.resource_text, situation.review.resource.group:
        case "nodes/proxy", "":
            return Finding(Effect.FORBIDDEN, why="would reach every Pod of a node, past all accounts")
        case "services/proxy", "":
            return Finding(Effect.FORBIDDEN, why=_OPAQUE, allowed=_MAY_BE_OPENED, closed=True)
        case (("pods/exec" | "pods/attach" | "pods/portforward" | "pods/proxy"), ""):
            return _into_pod(situation)
        case _:
            return Finding(Effect.FORBIDDEN, why="would open a connection of a kind that is not known")


def _into_pod(situation: Situation) -> Finding:
    """Judge by whose Pod it is: who is inside acts as its account (T2), unless no credentials are there."""
    snapshot = situation.snapshot
    if snapshot.pod is not None:
        account, mounts = account_of(mapping(snapshot.pod.get("spec")))
        if mounts and not is_same_kind(situation, situation.namespace, account):
            return Finding(
                Effect.FORBIDDEN,
                why="would act inside a Pod whose account is not its own kind",
                allowed="a Pod of an agent of the same owner, or one that mounts no token.",
            )
    elif not snapshot.lookup_failed:
        return Finding(Effect.FORBIDDEN, why="would connect to a Pod that is not there")
    return Finding(Effect.FORBIDDEN, why=_OPAQUE, allowed=_MAY_BE_OPENED, closed=True)


def eviction(situation: Situation) -> Finding | None:
    """T7: an eviction is the deletion of its Pod, and no DELETE review follows (AR15)."""
    if not situation.is_eviction:
        return None
    if situation.snapshot.pod is None and not situation.snapshot.lookup_failed:
        return Finding(Effect.FORBIDDEN, why="would evict a Pod that is not there")
    return Finding(Effect.DELETE)


def wanted_pod(review: Review, *, snapshot: Snapshot) -> tuple[str, str] | None:
    """Return the Pod, as (namespace, name), that must be fetched before this can be decided.

    Only for agents: nobody else's request is judged by it.
    """
    if review.resource.resource != "pods" or review.resource.group or review.gate not in _LOOKED_AT:
        return None
    if review.operation == "CONNECT" and review.subresource in _INTO_PODS:
        name = _pod_name(review.name)
    elif review.is_eviction:
        name = review.name
    else:
        return None
    if not (name and review.namespace) or isinstance(identify(review.user, snapshot=snapshot), NotAgent):
        return None
    return review.namespace, name


def command_line(review: Review) -> str:
    """Return what a CONNECT asks for, for people: the command, the ports or the path; printable, bounded."""
    if review.operation != "CONNECT":
        return ""
    asked = review.object or {}
    words = [text(word) for word in sequence(asked.get("command"))]
    words += [f"port {port}" for port in sequence(asked.get("ports")) if type(port) is int]
    words += [text(asked.get("path"))]
    return tidy(" ".join(word for word in words if word))[:_COMMAND_CHARACTERS]


def _pod_name(name: str) -> str:
    """Return the Pod in ``name``, ``name:port`` or ``scheme:name:port`` (AR28)."""
    parts = name.split(":")
    return parts[1] if len(parts) == 3 else parts[0]  # noqa: PLR2004 - a scheme, a name, a port


ENTRIES: Final = (
    Entry(connection, ("CONNECT",), everywhere=True),
    Entry(eviction, ("CREATE",), (("", "pods"),), everywhere=True),
)

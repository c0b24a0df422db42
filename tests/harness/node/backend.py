"""What end-to-end tests ask of a cluster with nodes, and which of the two kinds they get.

``PEERGATE_E2E`` says ``kind`` or ``node``. Where it says nothing it is kind, if kind and a Docker or Podman
that answers are there, else a node of our own (``localnode.py``).
"""

from __future__ import annotations

import os
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from tests.harness.clients import Client
from tests.harness.node import isolation, kind
from tests.harness.node.localnode import LocalNode
from tests.harness.users import Users

__all__ = ["Nodes", "chosen", "start", "what_is_missing"]

_VARIABLE = "PEERGATE_E2E"


class Nodes(Protocol):
    """A cluster with nodes on which Pods run."""

    @property
    def cluster(self) -> Users:
        """Return who uses it."""

    @property
    def admin(self) -> Client:
        """Return a user whom RBAC does not hold."""

    def load(self, image: Path) -> None:
        """Give every node an image, a file of the kind that ``docker save`` writes."""

    def wait_ready(self) -> None:
        """Return once every node takes Pods."""

    def processes(self, program: str, *, pod: str = "") -> tuple[int, ...]:
        """Return the pids of what runs by that program name; with the uid of a Pod only what runs in it."""

    def kill(self, program: str, *, pod: str = "") -> None:
        """End all of these at once (SIGKILL)."""

    def reaches(self, address: str, *, port: int) -> bool:
        """Tell whether a TCP connection from where the API server runs is taken."""

    def cut_power(self) -> None:
        """End every machine at once; what is on their disks stays."""

    def restore_power(self) -> None:
        """Start them again; returns when every node is ready, Pods may not be yet."""


def chosen() -> str:
    """Return ``kind`` or ``node``. Errors: ValueError, with what else the variable says."""
    wanted = os.environ.get(_VARIABLE, "")
    if wanted not in {"", "kind", "node"}:
        raise ValueError(f"{_VARIABLE}={wanted} is neither kind nor node")
    return wanted or ("node" if kind.what_is_missing() else "kind")


def start(*, nodes: int = 1) -> AbstractContextManager[Nodes]:
    """Return a cluster of the chosen kind, which runs while it is entered; kind's has two nodes for Pods.

    Errors: ValueError.
    """
    return kind.KindNodes() if chosen() == "kind" else LocalNode(nodes=nodes)


def what_is_missing() -> str:
    """Return in one line what keeps the chosen kind from running here; empty if nothing does."""
    try:
        if chosen() == "node":
            return isolation.what_is_missing()
        kind.node_image()
        return kind.what_is_missing()
    except ValueError as error:
        return str(error)

"""What these tests share: a cluster that has our resources."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from tests.harness.cluster import Cluster

from peergate.control.crds import custom_resource_definitions


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A cluster of its own: in front of the shared one stands Peergate, which checks more than a schema."""
    with Cluster() as running:
        yield running


@pytest.fixture(scope="session")
def installed(cluster: Cluster) -> Cluster:
    for definition in custom_resource_definitions().values():
        done = cluster.kubectl(
            "apply", "--server-side", "--validate=strict", "-f", "-", input=json.dumps(definition)
        ).must()
        assert done.err == "", "the API server warns about a definition"
    cluster.kubectl(
        "wait",
        "--for=condition=Established",
        "--timeout=30s",
        *(f"crd/{plural}.peergate.dev" for plural in custom_resource_definitions()),
    ).must()
    return cluster

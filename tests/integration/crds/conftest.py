"""What these tests share: a cluster that has our resources."""

from __future__ import annotations

import json

import pytest
from tests.harness.cluster import Cluster

from peergate.control.crds import custom_resource_definitions


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

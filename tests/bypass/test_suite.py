"""The published suite against Peergate: no attack works, no ordinary work is refused."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.bypass.catalogue import CASES
from tests.bypass.running import Suite, suite
from tests.harness.clients import Client
from tests.harness.cluster import Cluster

ATTACKS = {name: case for name, case in CASES.items() if not case.harmless}
ORDINARY = {name: case for name, case in CASES.items() if case.harmless}


@pytest.fixture(scope="session")
def published(cluster: Cluster, _agent: Client) -> Iterator[Suite]:
    with suite(cluster.admin, _agent) as running:
        yield running


@pytest.mark.parametrize("case", ATTACKS.values(), ids=ATTACKS.keys())
def test_no_way_around(case, published):
    outcome = published.run(case)
    assert outcome.verdict == outcome.expected, (outcome.seen, outcome.answers)


@pytest.mark.parametrize("case", ORDINARY.values(), ids=ORDINARY.keys())
def test_ordinary_work_is_free(case, published):
    outcome = published.run(case)
    assert outcome.verdict == outcome.expected, (outcome.seen, outcome.answers)

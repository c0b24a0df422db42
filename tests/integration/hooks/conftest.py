"""A cluster of their own: the hooks take the gate away, and strict mode would bind everybody."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.harness.cluster import Cluster
from tests.harness.peergate import Installation
from tests.support.chart_hooks import Hook


@pytest.fixture(scope="session")
def place() -> Iterator[Cluster]:
    with Cluster() as running:
        running.kubectl("create", "namespace", "peergate-system").must()
        yield running


@pytest.fixture(scope="session")
def _stage(place: Cluster) -> Hook:
    return Hook(place, "test")


@pytest.fixture
def stage(_stage: Hook) -> Hook:
    """What ``helm test`` brings along; again as it should be, whatever the test before did."""
    _stage.make()
    return _stage


@pytest.fixture(scope="module")
def running_once(place: Cluster) -> Iterator[Installation]:
    """An installation where agents are known by the tag alone."""
    with Installation(place) as installation:
        yield installation

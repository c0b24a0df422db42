"""One node for all tests here, with the operator's image on it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.harness.node.localnode import LocalNode
from tests.harness.node.prepare import operator_image


@pytest.fixture(scope="session")
def node() -> Iterator[LocalNode]:
    """A cluster of one node, on which Pods run."""
    with LocalNode() as running:
        running.load(operator_image())
        yield running

"""Who else takes part in a change."""

from __future__ import annotations

import pytest
from tests.support.doctor import levels, seen

from peergate.cli.doctor.others import aggregated_findings, mutating_findings


def _service(group, *, by="x"):
    return {"spec": {"group": group, "service": {"name": by} if by else None}}


GROUPS = {
    "built-in groups": ([_service("apps", by="")], [("ok", "aggregated")]),
    "metrics are read only": ([_service("metrics.k8s.io")], [("ok", "aggregated")]),
    "an extension server": ([_service("pod.example.com")], [("warn", "aggregated")]),
    "what can't be read is not judged": (None, []),
}


@pytest.mark.parametrize(("services", "expected"), GROUPS.values(), ids=GROUPS)
def test_aggregated(services, expected):
    assert levels(aggregated_findings(seen(api_services=services))) == expected


def _mutating(*operations):
    return {"metadata": {"name": "inject"}, "webhooks": [{"rules": [{"operations": list(operations)}]}]}


MUTATING = {
    "only creations": ([_mutating("CREATE")], [], [("ok", "mutating")]),
    "updates": ([_mutating("CREATE", "UPDATE")], [], [("warn", "mutating")]),
    "everything": ([_mutating("*")], [], [("warn", "mutating")]),
    "a policy": ([], [{"metadata": {"name": "p"}}], [("warn", "mutating")]),
    "none": ([], None, [("ok", "mutating")]),
    "what can't be read is not judged": (None, None, []),
}


@pytest.mark.parametrize(("webhooks", "policies", "expected"), MUTATING.values(), ids=MUTATING)
def test_mutating(webhooks, policies, expected):
    cluster = seen(mutating=webhooks, mutating_policies=policies)
    assert levels(mutating_findings(cluster)) == expected

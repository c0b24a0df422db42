"""The install gate passes however an installation knows its agents. Each has an operator of its own."""

from __future__ import annotations

from typing import Any

import pytest
from tests.harness.peergate import Installation
from tests.support.chart_hooks import UNSENT, passed, settings_file

from peergate.settings import Settings
from peergate.shipped.companions import stricter_policies

pytestmark = pytest.mark.cluster

AGENTS = "a tagged account is refused, and an untagged one, which the settings make an agent too"

MODES: dict[str, tuple[dict[str, Any], str]] = {
    "by namespace, group and user name": (
        {
            "namespaces": ["bots"],
            "groups": ["peergate.dev:ai-agents"],
            "usernames": ["oidc:*@agents.example.com"],
        },
        UNSENT,
    ),
    "by a group that every account has": ({"groups": ["system:serviceaccounts"]}, AGENTS),
    "strict": ({"strict": True}, AGENTS),
}


@pytest.mark.parametrize(
    ("agents", "said"),
    [
        pytest.param(*mode, id=sentence, marks=() if sentence == "strict" else pytest.mark.slow)
        for sentence, mode in MODES.items()
    ],
)
def test_it_passes_however_agents_are_known(place, stage, agents, said):
    with Installation(place, settings={"agents": agents}) as installation:
        done = stage.run(within="30s", settings=settings_file(installation))
    assert (done.status, done.out.splitlines()) == (0, passed(said)), done.err


@pytest.mark.slow
def test_beside_the_stricter_policies_in_strict_mode_it_passes_where_its_account_is_trusted(place, stage):
    """They refuse every token to every agent, and there the account that asks for the two is one."""
    agents = {"strict": True, "trusted": ["system:serviceaccount:peergate-system:peergate-self-test"]}
    policies = stricter_policies(Settings.model_validate({"agents": agents}))
    place.admin.apply(*policies)
    try:
        with Installation(place, settings={"agents": agents}) as installation:
            done = stage.run(within="30s", settings=settings_file(installation))
    finally:
        place.admin.kubectl(
            "delete", "validatingadmissionpolicy,validatingadmissionpolicybinding", "--all"
        ).must()
    assert (done.status, done.out.splitlines()) == (0, passed(AGENTS)), done.err

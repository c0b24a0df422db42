"""Every agent that can be named."""

from __future__ import annotations

from tests.support.gate import snapshot

from peergate.gate.roster import roster
from peergate.gate.snapshot import Account
from peergate.settings import Settings


def test_accounts_by_tag_and_groups_by_the_settings():
    settings = Settings.model_validate({"agents": {"groups": ["ai"], "namespaces": ["bots"]}})
    known = snapshot(
        settings=settings,
        accounts={
            ("ops", "bot"): Account(uid="1", tagged=True, owner="team-a"),
            ("ops", "person"): Account(uid="2", tagged=False, owner=""),
            ("bots", "any"): Account(uid="3", tagged=False, owner=""),
            ("kube-system", "bot"): Account(uid="4", tagged=True, owner=""),
        },
    )
    assert [(one.display, one.tag, one.owner, one.subject.uid) for one in roster(known)] == [
        ("bots/any", "namespace", "", "3"),
        ("ops/bot", "label", "team-a", "1"),
        ("group ai", "group", "", ""),
    ]

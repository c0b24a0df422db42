"""The pages on policies and approvers name every field there is, and what they show can be read."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml
from pydantic import BaseModel
from tests.support.documents import DOCS

from peergate.gate.policies import compile_policy
from peergate.model.approver import ApproverSpec, KeyRecord, KeyRequirements
from peergate.model.policy import Approvals, ProtectionPolicySpec, Rule

PAGES: dict[str, tuple[type[BaseModel], ...]] = {
    "policies.md": (ProtectionPolicySpec, Rule, Approvals),
    "approvers.md": (ApproverSpec, KeyRecord, KeyRequirements),
}


@pytest.mark.parametrize("page", PAGES)
def test_every_field_is_on_its_page(page):
    text = (DOCS / page).read_text(encoding="utf-8")
    words = {
        word for code in re.findall(r"`([^`\n]+)`|^ *(?:- )?(\w+):", text, re.MULTILINE) for word in code
    }
    words = {name for word in words for name in re.findall(r"[A-Za-z]+", word)}
    fields = {field.alias for model in PAGES[page] for field in model.model_fields.values()}
    assert fields - words == set()


def test_policies_that_the_page_shows_are_policies():
    shown = re.findall(r"```yaml\n(.*?)```", (DOCS / "policies.md").read_text(encoding="utf-8"), re.DOTALL)
    assert len(shown) == 2
    for text in shown:
        document: dict[str, Any] = yaml.safe_load(text)
        document.setdefault("metadata", {"name": "shown"})
        document["spec"].setdefault("rules", [{}])
        assert compile_policy(document).problem == ""

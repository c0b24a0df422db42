"""Whether the companion policies stand, as the operator sees it."""

from __future__ import annotations

import pytest

from peergate.control.companions import CompanionLook
from peergate.settings import Settings
from peergate.shipped.companions import companion_policies

_SETTINGS = Settings.model_validate({"agents": {"groups": ["ai"]}})
_ALL = companion_policies(_SETTINGS)


class Api:
    """A cluster with these policies and bindings, one on a page."""

    def __init__(self, documents):
        self._documents = documents

    async def list_pages(self, endpoint):
        wanted = "policyName" if endpoint.resource.endswith("bindings") else "validations"
        for document in self._documents:
            if wanted in document["spec"]:
                yield [document], "1"


CASES = {
    "all are bound": (_SETTINGS, _ALL, True),
    "one is missing": (_SETTINGS, _ALL[1:], False),
    "a binding is missing": (_SETTINGS, _ALL[:-1], False),
    "none is meant to be": (Settings(), (), None),
}


@pytest.mark.parametrize(("settings", "documents", "expected"), CASES.values(), ids=CASES)
async def test_companions(settings, documents, expected):
    assert await CompanionLook(Api(documents), settings).stand() is expected

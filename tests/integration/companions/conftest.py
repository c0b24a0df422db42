"""One cluster for all tests of the companion policies."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.support.companions import Company, company_with_policies


@pytest.fixture(scope="session")
def company(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Company]:
    with company_with_policies(tmp_path_factory.mktemp("static-admission")) as made:
        yield made

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.sandbox.arena import Outside, Who, users


@pytest.fixture(params=users())
def who(request: pytest.FixtureRequest) -> Who:
    """As whom the worker runs."""
    found: Who = request.param
    return found


@pytest.fixture
def outside() -> Iterator[Outside]:
    """Canaries, and whoever watches them."""
    made = Outside()
    yield made
    made.close()

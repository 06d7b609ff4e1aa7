from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.defining import Definitions


@pytest.fixture
def defining(tmp_path: Path) -> Definitions:
    """A folder into which definitions are written and imported."""
    return Definitions(tmp_path)

"""Both verifiers: that of Gatework, and the one in docs/spec, which knows nothing of it."""

from __future__ import annotations

import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

from gatework.signing.roster import People
from gatework.verify.refusal import Refused
from gatework.verify.whole import check, read

SPEC = Path(__file__).parents[2] / "docs" / "spec"


def _loaded() -> Any:
    spec = spec_from_file_location("second_verifier", SPEC / "verifier.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


SECOND: Any = _loaded()


def first(data: bytes, people: str = "") -> str:
    """The code with which Gatework refuses a certificate; empty where it holds."""
    try:
        check(read(data), People.of(people.encode(), "people.toml") if people else None)
    except Refused as refused:
        return refused.why
    return ""


def second(data: bytes, people: str = "") -> str:
    """The same of the second verifier."""
    try:
        SECOND.verify(data, people)
    except SECOND.Refused as refused:
        return str(refused)
    return ""

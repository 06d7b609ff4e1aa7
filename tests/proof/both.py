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

ONLY_FIRST = {"contract", "rule", "limits", "budget", "distinct", "turn", "faults"}
"""What a verifier may leave unchecked, and the second one does: section 8 of the specification. A file that Gatework
refuses with one of these, the second may accept, or refuse for what comes behind."""

PLACE = {"order", "guards", "evidence", "identity", "quorum", "effects", "child", *ONLY_FIRST}
"""Of several rules that an entry breaks in its place, a verifier may name any."""

FORM = {"json", "canonical", "format"}
"""So it is with the form of the file."""

OF_PLANS = frozenset({"format", "plan", "faults"})
"""With these Gatework refuses a plan that has another digest, is none, or breaks a rule of all plans; the second
verifier, which looks at the digests alone, takes it where that is the right one."""


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


def agreed(data: bytes, people: str = "", *, unread: frozenset[str] = frozenset()) -> str:
    """The code of Gatework, with which the second verifier agrees; empty where both accept.

    What is not of the form, one may find at the form and the other at its place. `unread`: more codes that only
    Gatework need give.
    """
    one, other = first(data, people), second(data, people)
    alike = (
        one == other
        or one in ONLY_FIRST | unread
        or {one, other} <= PLACE
        or (one in PLACE and other == "signature")  # which it finds before what breaks the rule comes
        or {one, other} <= FORM
        or ("" not in (one, other) and not {one, other}.isdisjoint(OF_PLANS))
    )
    assert alike, f"Gatework says {one or 'accepted'}, the second verifier {other or 'accepted'}"
    return one

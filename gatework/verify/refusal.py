"""Why a certificate is refused: a code, a place in it, one sentence of our own words."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Literal

from gatework.errors import GateworkError

Code = Literal[
    "json",
    "canonical",
    "format",
    "plan",
    "faults",
    "value",
    "chain",
    "order",
    "turn",
    "guards",
    "evidence",
    "identity",
    "distinct",
    "quorum",
    "effects",
    "limits",
    "budget",
    "rule",
    "contract",
    "signature",
    "child",
    "superseded",
    "stray",
    "policy",
]
"""As section 9 of docs/spec/ledger.md lists them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where in a certificate something was found."""

    run: int = -1
    """Counts the runs of the certificate from 0; -1 for the certificate as a whole."""
    leg: int = 0
    """Counts the superseded parts of the run from 1; 0 for its ledger."""
    entry: int = 0
    """The sequence number of the entry; 0 for the run as a whole."""
    node: str = ""
    """A name of the plan, and so never one from outside."""


class Refused(GateworkError):
    """A certificate, or something in it, that does not hold."""

    code: ClassVar[str] = "refused"

    def __init__(self, why: Code, sentence: str, place: Place | None = None) -> None:
        super().__init__(sentence)
        self.why: Code = why
        self.place = place or Place()

    def at(self, place: Place) -> Refused:
        """The same refusal with the place at which it was found, where it does not say that itself."""
        return Refused(self.why, self.message, replace(place, node=self.place.node or place.node))


def must(holds: bool, why: Code, sentence: str) -> None:
    """Raise `Refused` unless something holds."""
    if not holds:
        raise Refused(why, sentence)

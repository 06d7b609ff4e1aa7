"""One change of a plan, and how it bears on what the plan holds."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import get_args

from gatework.plan.plan import By, Identity


class Bearing(StrEnum):
    """What a change does to a plan.

    A change weakens a plan where a run may get past something that would have stopped it, bounded it, or asked a
    person before. Every limit that grows weakens, every one that shrinks strengthens.
    """

    WEAKENS = "weakens"
    STRENGTHENS = "strengthens"
    NEITHER = "neither"
    UNCLEAR = "unclear"
    """The data does not tell; taken for weaker."""

    @property
    def turned(self) -> Bearing:
        """What the change back would do."""
        swap = {Bearing.WEAKENS: Bearing.STRENGTHENS, Bearing.STRENGTHENS: Bearing.WEAKENS}
        return swap.get(self, self)


@dataclass(frozen=True, kw_only=True)
class Change:
    """One difference between two plans, in words."""

    where: str
    """Node of the newer plan, or of the older where the newer has it no more; empty for the plan as a whole."""
    what: str
    """A sentence without its stop. Names and values in it are data, free of control characters."""
    bearing: Bearing

    @property
    def weakens(self) -> bool:
        """Whether it counts as weakening: it does, or that cannot be told."""
        return self.bearing in (Bearing.WEAKENS, Bearing.UNCLEAR)


def grown(old: float, new: float) -> Bearing:
    """How a limit bears that was `old` and is `new`."""
    return Bearing.NEITHER if old == new else Bearing.WEAKENS if new > old else Bearing.STRENGTHENS


def people(old: By, new: By) -> Bearing:
    """How it bears that others answer: the same role, of whom more must agree, or be known more surely, is stricter."""
    known = get_args(Identity)
    was, now = ((by.quorum, known.index(by.identity)) for by in (old, new))
    if old.role != new.role:
        return Bearing.UNCLEAR
    if any(ours > theirs for ours, theirs in zip(was, now, strict=True)):
        return Bearing.WEAKENS
    return Bearing.STRENGTHENS if was != now else Bearing.NEITHER

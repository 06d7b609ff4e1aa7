"""Values that hold a receipt, with what is known of where they come from."""

from __future__ import annotations

from dataclasses import dataclass

from gatework.plan.labels import Label
from gatework.values.canonical import Sealed


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A value that holds a receipt."""

    sealed: Sealed
    label: Label
    by_hand: bool = False
    """Whether a person put it there, or it was made of what a person had put into another run, or round."""
    private: bool = False
    """Whether something that must not leave had a hand in it."""
    by: tuple[str, ...] = ()
    """Who approved it, where somebody said."""
    editor: tuple[str, ...] = ()
    """Who put it there by hand, where somebody said; of what comes from another run, or round, whoever edited there."""

    @property
    def hands(self) -> tuple[str, ...]:
        """Whoever had a hand in it; `UNNAMED` for somebody who did not say who they are."""
        return self.editor or ((UNNAMED,) if self.by_hand else ())


UNNAMED = ""
"""Stands among people for somebody of whom it is not known who they are."""

"""Values that hold a receipt, with what is known of where they come from."""

from __future__ import annotations

from dataclasses import dataclass

from gatework.canonical import Sealed
from gatework.labels import Label


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A value that holds a receipt."""

    sealed: Sealed
    label: Label
    by_hand: bool = False
    """Whether a person put it there."""
    private: bool = False
    """Whether something that must not leave had a hand in it."""
    by: tuple[str, ...] = ()
    """Who approved it, where somebody said."""
    editor: tuple[str, ...] = ()
    """Who put it there by hand, where somebody said."""

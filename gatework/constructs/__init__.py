"""What a plan may say besides calling stages."""

from gatework.constructs.branching import Case, case, choose, when
from gatework.constructs.conditions import all_of, any_of, not_, present
from gatework.constructs.looping import pause, repeat
from gatework.constructs.vouching import approve, ask_person, endorse

__all__ = [
    "Case",
    "all_of",
    "any_of",
    "approve",
    "ask_person",
    "case",
    "choose",
    "endorse",
    "not_",
    "pause",
    "present",
    "repeat",
    "when",
]

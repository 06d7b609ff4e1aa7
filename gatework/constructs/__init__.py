"""What a plan may say besides calling stages."""

from gatework.constructs.branching import Case, case, choose, when
from gatework.constructs.calling import Startable, called
from gatework.constructs.conditions import all_of, any_of, not_, present
from gatework.constructs.looping import pause, repeat
from gatework.constructs.starting import Collected, Failure, each, parallel
from gatework.constructs.vouching import approve, ask_person, endorse

__all__ = [
    "Case",
    "Collected",
    "Failure",
    "Startable",
    "all_of",
    "any_of",
    "approve",
    "ask_person",
    "called",
    "case",
    "choose",
    "each",
    "endorse",
    "not_",
    "parallel",
    "pause",
    "present",
    "repeat",
    "when",
]

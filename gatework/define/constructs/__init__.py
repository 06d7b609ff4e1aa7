"""What a plan may say besides calling stages."""

from gatework.define.constructs.branching import Case, case, choose, when
from gatework.define.constructs.calling import Startable, called
from gatework.define.constructs.conditions import all_of, any_of, not_, present
from gatework.define.constructs.looping import pause, repeat
from gatework.define.constructs.starting import Collected, Failure, each, parallel
from gatework.define.constructs.vouching import approve, ask_person, endorse

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

"""For tests of workflows: run one in memory, script its model, and make plans and events of the machine.

rehearsal = await rehearse(refund, RawMail(eml=...), model=ScriptedModel(Claim(order="A-1", ...)))
assert rehearsal.gate.node == "agreed"
await rehearsal.approve(by="Ada")
assert rehearsal.result.payment == "p-1"
"""

from gatework.testing import factories
from gatework.testing.driver import Driver
from gatework.testing.greedy import GREEDY, GreedyModel
from gatework.testing.models import HOSTILE, HostileModel, ObedientModel, ScriptedModel, answer_of, tool_call
from gatework.testing.rehearsal import Rehearsal, rehearse

__all__ = [
    "GREEDY",
    "HOSTILE",
    "Driver",
    "GreedyModel",
    "HostileModel",
    "ObedientModel",
    "Rehearsal",
    "ScriptedModel",
    "answer_of",
    "factories",
    "rehearse",
    "tool_call",
]

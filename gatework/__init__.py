"""Gatework: agent tasks as explicit staged workflows on Temporal."""

from gatework.define.adopted import labelled
from gatework.define.constructs import (
    Collected,
    Failure,
    all_of,
    any_of,
    approve,
    ask_person,
    case,
    choose,
    each,
    endorse,
    not_,
    parallel,
    pause,
    present,
    repeat,
    when,
)
from gatework.define.guard import guard
from gatework.define.limit import at_least, at_most, between, matches, one_of
from gatework.define.roles import role
from gatework.define.secret import Secret, secret
from gatework.define.stage import Stage, stage
from gatework.define.tool import IdempotencyKey, effect, tool
from gatework.define.workflow import Workflow, workflow
from gatework.errors import GateworkError, NotDone, PlanError
from gatework.perform.ask import ask
from gatework.plan.labels import Approved, Endorsed, Untrusted
from gatework.plan.plan import Budget
from gatework.values.document import Document
from gatework.values.verdict import Block, Escalate, Pass, Retry, Verdict

__all__ = [
    "Approved",
    "Block",
    "Budget",
    "Collected",
    "Document",
    "Endorsed",
    "Escalate",
    "Failure",
    "GateworkError",
    "IdempotencyKey",
    "NotDone",
    "Pass",
    "PlanError",
    "Retry",
    "Secret",
    "Stage",
    "Untrusted",
    "Verdict",
    "Workflow",
    "all_of",
    "any_of",
    "approve",
    "ask",
    "ask_person",
    "at_least",
    "at_most",
    "between",
    "case",
    "choose",
    "each",
    "effect",
    "endorse",
    "guard",
    "labelled",
    "matches",
    "not_",
    "one_of",
    "parallel",
    "pause",
    "present",
    "repeat",
    "role",
    "secret",
    "stage",
    "tool",
    "when",
    "workflow",
]

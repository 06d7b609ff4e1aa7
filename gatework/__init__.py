"""Gatework: agent tasks as explicit staged workflows on Temporal."""

from gatework.adopted import labelled
from gatework.ask import ask
from gatework.constructs import (
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
from gatework.document import Document
from gatework.errors import GateworkError, NotDone, PlanError
from gatework.guard import guard
from gatework.labels import Approved, Endorsed, Untrusted
from gatework.limit import at_least, at_most, between, matches, one_of
from gatework.plan import Budget
from gatework.roles import role
from gatework.secret import Secret, secret
from gatework.stage import Stage, stage
from gatework.tool import IdempotencyKey, effect, tool
from gatework.verdict import Block, Escalate, Pass, Retry, Verdict
from gatework.workflow import Workflow, workflow

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

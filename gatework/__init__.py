"""Gatework: agent tasks as explicit staged workflows on Temporal."""

from gatework.adopted import labelled
from gatework.ask import ask
from gatework.constructs import all_of, any_of, approve, endorse, not_, present
from gatework.errors import GateworkError, PlanError
from gatework.guard import guard
from gatework.labels import Approved, Endorsed, Untrusted
from gatework.plan import Budget
from gatework.stage import Stage, role, stage
from gatework.tool import IdempotencyKey, effect
from gatework.verdict import Block, Escalate, Pass, Retry, Verdict
from gatework.workflow import Workflow, workflow

__all__ = [
    "Approved",
    "Block",
    "Budget",
    "Endorsed",
    "Escalate",
    "GateworkError",
    "IdempotencyKey",
    "Pass",
    "PlanError",
    "Retry",
    "Stage",
    "Untrusted",
    "Verdict",
    "Workflow",
    "all_of",
    "any_of",
    "approve",
    "ask",
    "effect",
    "endorse",
    "guard",
    "labelled",
    "not_",
    "present",
    "role",
    "stage",
    "workflow",
]

"""The journal of an attempt: what its stage was answered so far, so that it can be run again from its start.

A stage that waits for something outside of its activity ends there and is run again later, with its journal: model
answers and results of tools that are in it are handed out once more, nothing is asked or done twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from gatework.canonical import Json, Sealed


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A call of a tool that an attempt waits for."""

    id: str
    """64 hex digits: of the node, the tool, the arguments and how many such calls the attempt made before."""
    tool: str
    arguments: Json
    """As one object that keeps to the contract in the plan."""
    key: str = ""
    """The idempotency key of an effect: of the lineage of the run, the node, the tool and the business key."""
    by_model: bool = False
    """Whether a model chose it; a call of the stage's own code that is refused blocks the stage."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One answer that an attempt was given."""

    kind: Literal["model", "tool"]
    id: str
    """What was asked: `Call.id`, or the digest of the question and how many such questions were asked before."""
    outcome: Literal["answered", "done", "found", "refused"]
    """Of a model: `answered`. Of a tool: `done`, `found` (an effect that had happened already), or `refused`."""
    data: Sealed | None = None
    """The answer of the model as JSON (text, calls, tokens), or the result of the tool; None where it was refused."""
    reason: str = ""
    """Why it was refused, in our words: what a model is told."""
    tool: str = ""

"""What a run shows of itself: the answer of the query `state`, for programs; `panel` renders it for people."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from gatework.canonical import Json
from gatework.events import Action
from gatework.plan import Plan
from gatework.state import ALLOWED, Gate, GateKind, State

NodeStatus = Literal["done", "running", "waiting", "ahead"]


@dataclass(frozen=True, kw_only=True)
class NodeProgress:
    """Where one node of the plan stands."""

    name: str
    kind: str
    """`stage`, `endorse` or `approve`."""
    status: NodeStatus
    attempts: int
    label: str
    by_hand: bool = False
    calling: str = ""
    """The tool whose call it waits for."""


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """What a person is asked."""

    gate: int
    kind: GateKind
    node: str
    role: str
    number: str
    """What `approve` takes."""
    evidence: str
    reasons: tuple[str, ...]
    allowed: tuple[Action, ...]
    """The updates that answer."""
    place: str
    """What an edit replaces unless it names another place."""
    expires: str
    """UTC, ISO 8601."""
    shown: Mapping[str, Json]
    """The values to decide on, by name; what is approved, or stands in question, comes first.

    The arguments of a call stand under the tool's name and `()`, so `grant_voucher()`.
    """
    left_out: tuple[str, ...] = ()
    """Names of values that are too large to show here; the history has them."""
    before: bool = False
    """Whether a guard asks about the inputs, before the node runs."""
    tool: str = ""
    """The tool that the node wants to call, where a person is asked about the call."""


_ASKS: Mapping[GateKind, str] = {
    "approval": "approve {node}",
    "call": "let {node} call {tool}",
    "escalated": "a guard asks about {node}",
    "blocked": "{node} is blocked",
    "exhausted": "{node} has used up its attempts",
    "failed": "{node} has failed",
    "unknown": "the effect of {node} is in doubt",
}
_ASKS_BEFORE: Mapping[GateKind, str] = {
    "escalated": "a guard asks before {node} runs",
    "blocked": "a guard blocks {node} before it runs",
    "unknown": "a guard blocks {node}, whose effect is in doubt",
}
"""Where a guard looked at the inputs, and the stage has not worked on this attempt."""


def called(tool: str) -> str:
    """The name under which the arguments of a call are shown."""
    return f"{tool}()"


def asked(waiting: Waiting, shown: Callable[[str], str] = str) -> str:
    """What a person is asked, in a few words; `shown` makes a name fit for where it stands."""
    words = _ASKS_BEFORE[waiting.kind] if waiting.before else _ASKS[waiting.kind]
    node = waiting.place if waiting.kind == "approval" else waiting.node
    return words.format(node=shown(node), tool=shown(waiting.tool))


@dataclass(frozen=True, kw_only=True)
class Progress:
    """Where a run stands."""

    workflow: str
    plan: str
    """Digest; empty for a run that has not begun."""
    status: Literal["running", "waiting", "completed", "rejected", "aborted", "expired", "cancelled"]
    nodes: tuple[NodeProgress, ...]
    waiting: Waiting | None
    reason: str
    """Of an end other than completion."""
    receipts: int
    head: str
    """Digest of the ledger's last entry."""
    note: str = ""
    """What else there is to know, in a sentence: that no worker takes a stage, that an effect may have happened."""
    lineage: str = ""
    """What names the run in signed decisions, and in the keys of its effects. Its like has no other run."""


NOT_BEGUN = "The run has not begun yet; try again in a moment."
"""What a decision is told that comes with the first task of a run."""

MAX_SHOWN_BYTES = 1_000_000
"""How much a query answers with; Temporal takes 2 MiB."""


def fitting(values: Mapping[str, Json], first: str = "") -> dict[str, Json]:
    """The values that fit into an answer: the first one, then smaller ones first where not all do."""
    sizes = {name: len(json.dumps(value)) for name, value in values.items()}
    left, kept = MAX_SHOWN_BYTES, set()
    for name in sorted(sizes, key=lambda name: (name != first, sizes[name])):
        left -= sizes[name]
        if left >= 0:
            kept.add(name)
    return {name: value for name, value in values.items() if name in kept}


def progress(plan: Plan, state: State, *, receipts: int, head: str, expires: datetime | None) -> Progress:
    """The progress of a run, from its state alone."""
    outcome, gate = state.outcome, state.gate
    return Progress(
        workflow=plan.name,
        plan=plan.digest,
        status=outcome.kind if outcome else "waiting" if gate else "running",
        nodes=tuple(
            NodeProgress(
                name=node.name,
                kind=node.kind,
                status=_status(state, node.name, position),
                attempts=state.attempts.get(node.name, 0),
                label=node.label,
                by_hand=node.name in state.values and state.values[node.name].by_hand,
                calling=state.pending[0].tool if state.pending and position == state.at else "",
            )
            for position, node in enumerate(plan.nodes)
        ),
        waiting=_waiting(state, gate, expires) if gate else None,
        reason=outcome.reason if outcome else "",
        receipts=receipts,
        head=head,
        note=_doubt(state) if outcome and outcome.kind != "completed" else "",
    )


def _doubt(state: State) -> str:
    """What has happened, or may have, of which nothing else is known."""
    left = [done for done in state.acts.values() if done.happened and done.node not in state.values]
    said = {
        f"{done.tool} of {done.node} {'may have' if done.result is None else 'has'} happened": None for done in left
    }
    return f"{'; '.join(said)}: look there before it is done again." if said else ""


def not_begun(workflow: str) -> Progress:
    """The progress of a run whose first task is under way, or that looks up its plan."""
    return Progress(
        workflow=workflow, plan="", status="running", nodes=(), waiting=None, reason="", receipts=0, head=""
    )


def _status(state: State, name: str, position: int) -> NodeStatus:
    if name in state.values:
        return "done"
    if state.outcome is not None or position != state.at:
        return "ahead"
    return "waiting" if state.gate else "running"


def _waiting(state: State, gate: Gate, expires: datetime | None) -> Waiting:
    shown = {name: state.values[name].sealed.data for name in gate.shown if name in state.values}
    if gate.candidate is not None:
        shown = {gate.node: gate.candidate.data, **shown}
    if gate.call is not None:
        # As at the gate: a name that no node has, so that no value takes the place of what is approved.
        shown = {called(gate.call.tool): gate.call.arguments, **shown}
    fits = fitting(shown, called(gate.call.tool) if gate.call else "")
    return Waiting(
        gate=gate.id,
        kind=gate.kind,
        node=gate.node,
        role=gate.role,
        number=gate.number,
        evidence=gate.evidence,
        reasons=gate.reasons,
        allowed=ALLOWED[gate.kind],
        place=gate.place,
        expires=expires.isoformat(timespec="seconds") if expires else "",
        shown=fits,
        left_out=tuple(name for name in shown if name not in fits),
        before=gate.before,
        tool=gate.call.tool if gate.call else "",
    )

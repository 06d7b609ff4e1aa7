"""What a run shows of itself: the answer of the query `state`, for programs; `panel` renders it for people."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from gatework.machine.identity import held_off
from gatework.plan.plan import Approval, Identity, Plan, Question
from gatework.proof.ledger import Entry, length
from gatework.run import course
from gatework.run.events import Action, Given, OutcomeKind, Overridden
from gatework.run.state import Gate, GateKind, State, Vote
from gatework.temporal.page.inbrief import title
from gatework.temporal.page.standing import NodeProgress, NodeStatus, Undoing, node_progress, stage_of, undoing
from gatework.values import form
from gatework.values.canonical import Json
from gatework.values.verdict import Word


@dataclass(frozen=True, kw_only=True)
class Said:
    """What a guard said of a value that is shown, or of the inputs of the node that waits."""

    of: str
    """Name of the value, as in `Waiting.shown`; that of the node, of its inputs."""
    guard: str
    verdict: Word
    reason: str


@dataclass(frozen=True, kw_only=True)
class Ruled:
    """An approval that the plan's own rule gave, so that no person was asked."""

    node: str
    rule: str


@dataclass(frozen=True, kw_only=True)
class Override:
    """Who may override what stopped a node, and what that does."""

    role: str
    identity: Identity
    quorum: int
    lets: Literal["output", "inputs", "value"]
    """What is let on: the output past its guards, the inputs past theirs; or only a value that is given instead."""


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """What a person is asked."""

    gate: int
    kind: GateKind
    node: str
    role: str
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
    """Names of values that are too large to show here; the query `evidence` has each."""
    before: bool = False
    """Whether a guard asks about the inputs, before the node runs."""
    tool: str = ""
    """The tool that the node wants to call, where a person is asked about the call."""
    title: str = ""
    """What is asked, in a sentence of the plan with fields of the value; empty where the plan has none."""
    guards: tuple[Said, ...] = ()
    """What the guards said of what is shown."""
    identity: Identity = "none"
    """How surely it must be known who approves."""
    quorum: int = 1
    """How many people must approve."""
    votes: tuple[Vote, ...] = ()
    """Who has approved so far, or overridden, where one is not enough."""
    override: Override | None = None
    """Who may override what stopped the node; None where nobody may."""
    not_by: tuple[str, ...] = ()
    """Who may not approve, or override, by name."""
    handed_on: bool = False
    """Whether those who were asked first did not answer in time."""
    otherwise: str = ""
    """The role that is asked once the time is up; empty where that counts as a no."""
    click: bool = False
    """Whether `approve` may be sent without the number."""
    cut: bool = False
    """Whether not all of this fits on the panel, which then shows no number."""
    example: Json = None
    """What an answer looks like, where a person is asked for a value."""
    fields: Mapping[str, str] = field(default_factory=dict)
    """What each field of the answer takes."""
    stage: str = ""
    """Where the run stands, as people count: `stage 5 of 8`."""
    number: str
    """What `approve` takes from those who have seen all of the above."""


_ASKS: Mapping[GateKind, str] = {
    "approval": "approve {node}",
    "question": "answer {node}",
    "spent": "the rounds of {node} are spent",
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
    """What a person is asked, in a few words; `shown` makes a name or a title fit for where it stands."""
    words = _ASKS_BEFORE[waiting.kind] if waiting.before else _ASKS[waiting.kind]
    node = waiting.place if waiting.kind == "approval" else waiting.node
    title = f": {shown(waiting.title)}" if waiting.title else ""
    return words.format(node=shown(node), tool=shown(waiting.tool)) + title


@dataclass(frozen=True, kw_only=True)
class Progress:
    """Where a run stands."""

    workflow: str
    plan: str
    """Digest; empty for a run that has not begun."""
    status: Literal["running", "waiting"] | OutcomeKind
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
    automatic: tuple[Ruled, ...] = ()
    """Approvals that hold and that no person gave."""
    overrides: tuple[Overridden, ...] = ()
    """What people let past what had stopped it. Every report shows it first."""
    link: str = ""
    """Where the UI lists what else there is to do, from any of its pages; empty where that is not known."""
    linked: str = ""
    """What is listed there."""
    undoing: Undoing | None = None
    """Set while the run takes back what it did, before it ends."""
    until: str = ""
    """When the pause is over in which the run stands, as UTC in ISO 8601; empty where that is not known."""
    stage: str = ""
    """How far it is, as people count: `stage 5 of 8`; of an end, the stage at which it came."""
    children_link: str = ""
    """Where the UI lists the child runs, from any of its pages; empty where that is not known."""

    @property
    def statuses(self) -> Mapping[str, NodeStatus]:
        """Where each node stands, by its name."""
        return {node.name: node.status for node in self.nodes}

    @property
    def children_started(self) -> bool:
        """Whether the run has child runs now, or had some."""
        kinds = ("call", "parallel", "each")
        return any(node.kind in kinds and node.status in ("done", "running", "waiting") for node in self.nodes)

    @property
    def shown(self) -> tuple[NodeProgress, ...]:
        """What a person is shown of the way: without what was passed over, and what only gives on."""
        return tuple(node for node in self.nodes if node.status != "skipped" and not node.quiet)


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


def progress(
    plan: Plan,
    state: State,
    ledger: Sequence[Entry] = (),
    *,
    expires: datetime | None = None,
    until: datetime | None = None,
) -> Progress:
    """The progress of a run, from its state; who said what of it is in the ledger.

    `expires`: when the gate does that waits. `until`: when the pause is over in which the run stands.
    """
    outcome, gate = state.outcome, state.gate
    automatic = tuple(_ruled(plan, state, ledger))
    by_rule = {ruled.node for ruled in automatic}
    depth = course.depths(plan)
    return Progress(
        workflow=plan.name,
        plan=plan.digest,
        status=outcome.kind if outcome else "waiting" if gate else "running",
        nodes=tuple(node_progress(plan, state, position, by_rule, depth) for position in range(len(plan.steps))),
        waiting=_waiting(plan, state, gate, ledger, expires) if gate else None,
        reason=outcome.reason if outcome else "",
        receipts=length(ledger),
        head=ledger[-1].digest if ledger else "",
        note=_doubt(state) if outcome and outcome.kind != "completed" else "",
        automatic=automatic,
        overrides=state.overrides,
        undoing=undoing(state),
        stage=stage_of(plan, plan.steps[min(state.at, len(plan.nodes) - 1)].name, state),
        until=until.isoformat(timespec="seconds") if until else "",
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


def _waiting(plan: Plan, state: State, gate: Gate, ledger: Sequence[Entry], expires: datetime | None) -> Waiting:
    shown = evidence_of(state, gate)
    fits = fitting(shown, next(iter(shown), ""))
    node = plan.node(gate.node)
    contract = plan.contracts.get(node.contract) if isinstance(node, Question) and gate.kind == "question" else None
    otherwise = node.otherwise if isinstance(node, Approval | Question) and not gate.handed_on else None
    return Waiting(
        gate=gate.id,
        kind=gate.kind,
        node=gate.node,
        role=gate.role,
        evidence=gate.evidence,
        reasons=gate.reasons,
        allowed=gate.allowed,
        override=_override(gate),
        place=gate.place,
        expires=expires.isoformat(timespec="seconds") if expires else "",
        shown=fits,
        left_out=tuple(name for name in shown if name not in fits),
        before=gate.before,
        tool=gate.call.tool if gate.call else "",
        title=title(node, state) if gate.kind in ("approval", "question") else "",
        guards=tuple(_guards(plan, gate, ledger)),
        identity=gate.by.identity,
        quorum=gate.by.quorum,
        votes=gate.votes,
        not_by=held_off(gate),
        handed_on=gate.handed_on,
        otherwise=otherwise.role if otherwise else "",
        click=gate.click,
        example=form.example(contract) if contract is not None else None,
        fields=dict(form.legend(contract)) if contract is not None else {},
        stage=stage_of(plan, gate.node, state),
        number=gate.number,
    )


def _override(gate: Gate) -> Override | None:
    by = gate.override
    if by is None:
        return None
    lets: Literal["output", "inputs", "value"] = "inputs" if gate.before else "value"
    lets = "output" if gate.candidate is not None else lets
    return Override(role=by.role, identity=by.identity, quorum=by.quorum, lets=lets)


def evidence_of(state: State, gate: Gate) -> dict[str, Json]:
    """The values to decide on at a gate, by name, whatever their size; what is decided on comes first."""
    shown = {name: state.values[name].sealed.data for name in gate.shown if name in state.values}
    if gate.candidate is not None:
        shown = {gate.node: gate.candidate.data, **shown}
    if gate.call is not None:
        # As at the gate: a name that no node has, so that no value takes the place of what is approved.
        shown = {called(gate.call.tool): gate.call.arguments, **shown}
    return shown


# -- from the ledger -------------------------------------------------------------------------------


def _ruled(plan: Plan, state: State, ledger: Sequence[Entry]) -> Iterator[Ruled]:
    """The approvals that hold, where the last word on each was the rule's."""
    last = {entry.receipt.node: entry.receipt for entry in ledger if entry.receipt.kind in ("approved", "decided")}
    for node in plan.nodes:
        if isinstance(node, Approval) and node.name in state.values:
            receipt = last.get(node.name)
            if receipt is not None and receipt.kind == "approved":
                yield Ruled(node=node.name, rule=receipt.reason)


def _guards(plan: Plan, gate: Gate, ledger: Sequence[Entry]) -> Iterator[Said]:
    """What was said of each value that is shown when it was accepted, or refused for the last time."""
    given: dict[tuple[str, str], tuple[Given, ...]] = {}
    stopped: tuple[Given, ...] = ()
    for entry in ledger:
        receipt = entry.receipt
        if receipt.kind == "output":
            given[receipt.node, receipt.output] = receipt.verdicts
        elif receipt.kind == "stopped" and receipt.node == gate.node:
            stopped = receipt.verdicts
    said: dict[str, tuple[Given, ...]] = {gate.node: stopped} if gate.before else {}
    for name, digest in gate.shown.items():
        node = plan.node(name) if name in plan.index else None
        source = node.value.node if isinstance(node, Approval) else name
        said.setdefault(source, given.get((source, digest), ()))
    for name, verdicts in said.items():
        yield from (Said(of=name, guard=one.guard, verdict=one.verdict, reason=one.reason) for one in verdicts)

"""Whether a run that was disturbed ended as if nothing had happened, by its ledger, its history and the records."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from temporalio.api.enums.v1 import EventType, WorkflowTaskFailedCause
from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer

from gatework.plan.plan import Work
from gatework.proof import ledger
from gatework.proof.ledger import Entry
from gatework.temporal import GateworkPlugin
from gatework.values.canonical import Json
from tests.crash import worker
from tests.crash.books import Paid
from tests.crash.scenes import Driven
from workflows.refund import refund

ALLOWED_FAILURES = (
    # The server's word for: something came while the task was under way, so it is done again.
    WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_UNHANDLED_COMMAND,
)

_DIED = ("error", "timeout")
"""Failures of an attempt that tell of a dead worker; without kills no scene has one."""
_MOVED = ("done", "found", "unknown")
"""What may have become of a call that moved money."""


@dataclass(frozen=True, kw_only=True)
class Ended:
    """All that is known of a run that has ended."""

    driven: Driven
    ledger: Sequence[Entry]
    values: Mapping[str, Json]
    histories: Sequence[WorkflowHistory]
    """One for each time that it continued as new, and the last."""
    paid: Sequence[Paid]
    replies: Sequence[str]

    @property
    def outcome(self) -> str:
        return self.ledger[-1].receipt.action if self.ledger else "nothing"

    @property
    def story(self) -> list[str]:
        """What happened, in order, without what only tells of dead workers."""
        told: list[str] = []
        dropped: set[int] = set()
        for entry in self.ledger:
            receipt = entry.receipt
            verdicts = "".join(f" {given.guard} {given.verdict}" for given in receipt.verdicts)
            if receipt.kind == "failed" and receipt.action in _DIED:
                continue
            if receipt.kind in ("suspended", "acting", "acted"):
                continue  # how often a call was made, and a stage run for it, is what kills change; books tell the rest
            if receipt.kind == "asked" and (
                receipt.action in ("unknown", "failed") or "died or went silent" in receipt.reason
            ):
                dropped.add(receipt.gate)
                continue
            if receipt.kind == "decided" and receipt.gate in dropped:
                # The record that a person found stands where the stage's own would have stood.
                told += [f"output {receipt.node}"] if receipt.action == "edit" else []
                continue
            action = receipt.action if receipt.kind != "output" else ""
            told.append(f"{receipt.kind} {receipt.node} {action}{verdicts}".strip())
        return [" ".join(line.split()) for line in told]

    @property
    def held(self) -> Mapping[str, str]:
        """The value that each node held last, without what names this run among others."""
        found: dict[str, str] = {}
        for entry in self.ledger:
            receipt = entry.receipt
            if receipt.output in self.values and receipt.kind in ("output", "approved", "decided", "begun"):
                found[receipt.node] = self._masked(self.values[receipt.output])
        return {node: value for node, value in found.items() if node not in ("mail", "ask", "input")}

    def _masked(self, value: Json) -> str:
        if isinstance(value, dict):
            value = {name: "…" if name in ("payment", "message_id", "slip") else item for name, item in value.items()}
        order = self.driven.order
        text = json.dumps(value, sort_keys=True)
        return (
            text.replace(order.number, "ORDER").replace(order.address, "CUSTOMER").replace(order.number[3:], "NUMBER")
        )


def violations(ended: Ended, undisturbed: Ended | None) -> list[str]:
    """What is not as it must be, a sentence each; nothing where all is well."""
    return [
        *_of_ledger(ended),
        *_of_order(ended),
        *_of_decisions(ended),
        *_of_records(ended),
        *_of_history(ended),
        *(_of_likeness(ended, undisturbed) if undisturbed else ()),
    ]


def _of_ledger(ended: Ended) -> list[str]:
    entries = ended.ledger
    found = []
    if (at := ledger.broken_at(entries)) is not None:
        found.append(f"the chain of the ledger is broken at entry {at}")
    kinds = [entry.receipt.kind for entry in entries]
    if kinds[:1] != ["begun"] or kinds.count("begun") != 1:
        found.append("the ledger does not begin once")
    if kinds[-1:] != ["ended"] or kinds.count("ended") != 1:
        found.append("the ledger does not end once")
    if ended.outcome != ended.driven.scene.ends:
        found.append(f"it ended as {ended.outcome}, not as {ended.driven.scene.ends}")
    found += [f"it waited at {gate} without a reason" for gate in ended.driven.unsaid]
    return found


def _of_order(ended: Ended) -> list[str]:
    """Values in the order of the plan, each once unless a person's edit or a guard has set it aside."""
    plan = ended.driven.scene.workflow.plan
    found, at, attempts = [], 0, set()
    for entry in ended.ledger:
        receipt = entry.receipt
        if receipt.kind == "decided" and receipt.action == "edit":
            at = plan.index[receipt.node]
            if isinstance(node := plan.nodes[at], Work) and not node.guards:
                at += 1  # it is held as it is
            continue
        if receipt.kind in ("output", "refused", "failed"):
            if (key := (receipt.node, receipt.attempt)) in attempts:
                found.append(f"attempt {receipt.attempt} of {receipt.node} has two receipts")
            attempts.add(key)
        approved = receipt.kind == "decided" and receipt.action == "approve"
        passed = receipt.kind == "output" and all(given.verdict == "pass" for given in receipt.verdicts)
        if passed or receipt.kind == "approved" or approved:
            if at >= len(plan.nodes) or plan.nodes[at].name != receipt.node:
                found.append(f"{receipt.node} holds a receipt out of the order of the plan")
            at = plan.index[receipt.node] + 1
    if ended.outcome == "completed" and at != len(plan.nodes):
        found.append("it completed before every node of the plan held a receipt")
    return found


def _of_decisions(ended: Ended) -> list[str]:
    """Each gate answered once, and whatever a person was told was taken stands in the ledger."""
    decided = [(entry.receipt.gate, entry.receipt.action) for entry in ended.ledger if entry.receipt.kind == "decided"]
    gates = [gate for gate, _ in decided]
    found = [f"gate {gate} was answered twice" for gate in sorted({gate for gate in gates if gates.count(gate) > 1})]
    lost = [each for each in ended.driven.taken if each not in decided]
    return found + [f"the {action} at gate {gate} was taken, and is not in the ledger" for gate, action in lost]


def _of_records(ended: Ended) -> list[str]:
    driven, paid, replies = ended.driven, ended.paid, ended.replies
    of_refund = driven.scene.workflow is refund
    found = []
    if len(paid) > 1:
        found.append(f"order {driven.order.number} was paid {len(paid)} times")
    if len(replies) > 1:
        found.append(f"{len(replies)} replies went out about one payment")
    if ended.outcome == "completed":
        if not paid:
            found.append(f"it completed, and order {driven.order.number} was not paid")
        if of_refund and not replies:
            found.append("it completed, and no reply went out")
    elif driven.scene.ends in ("rejected", "aborted") and paid:
        found.append("it was turned down, and paid")
    for payment in paid:
        if payment.cents != (int(driven.order.amount * 100) if of_refund else 1250):
            found.append(f"{payment.cents} cents were paid, which nobody owed")
        if of_refund and payment.payee != driven.order.address:
            found.append("somebody else was paid")
        found += [] if _accounted(ended, payment) else ["money moved of which the ledger says nothing"]
    if of_refund and any(to != driven.order.address for to in replies):
        found.append("a reply went to somebody else")
    return found


def _accounted(ended: Ended, payment: Paid) -> bool:
    """Whether the ledger names the effect by its key, as one that happened or is in doubt."""
    calls = [entry.receipt for entry in ended.ledger if entry.receipt.kind == "acted"]
    return any(receipt.how["key"] == payment.key and receipt.action in _MOVED for receipt in calls)


def _of_history(ended: Ended) -> list[str]:
    """No workflow task failed: what a crash leaves behind is a task that timed out."""
    found = []
    for event in (event for history in ended.histories for event in history.events):
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED:
            failed = event.workflow_task_failed_event_attributes
            if failed.cause not in ALLOWED_FAILURES:
                name = WorkflowTaskFailedCause.Name(failed.cause).removeprefix("WORKFLOW_TASK_FAILED_CAUSE_")
                found.append(f"a workflow task failed: {name}, {failed.failure.message}")
    return found


def _of_likeness(ended: Ended, undisturbed: Ended) -> list[str]:
    found = []
    if ended.story != undisturbed.story:
        found.append(f"its story is not that of an undisturbed run: {_difference(ended.story, undisturbed.story)}")
    if ended.held != undisturbed.held:
        differ = [
            node for node in {*ended.held, *undisturbed.held} if ended.held.get(node) != undisturbed.held.get(node)
        ]
        found.append(f"its values are not those of an undisturbed run: {', '.join(sorted(differ))}")
    return found


def _difference(one: Sequence[str], other: Sequence[str]) -> str:
    for place, (mine, theirs) in enumerate(zip(one, other, strict=False), 1):
        if mine != theirs:
            return f"line {place} is “{mine}”, not “{theirs}”"
    return f"{len(one)} lines, not {len(other)}"


async def replayed(ended: Ended) -> list[str]:
    """Whether the histories replay on the engine as it is, as at each start of a worker."""
    plugin = GateworkPlugin(*worker.SERVED, continue_after_events=ended.driven.scene.continue_after_events)
    found = []
    for history in ended.histories:
        result = await Replayer(workflows=[], plugins=[plugin]).replay_workflow(history, raise_on_replay_failure=False)
        found += [f"its history does not replay: {result.replay_failure}"] if result.replay_failure else []
    return found

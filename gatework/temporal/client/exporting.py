"""Exporting runs: the certificate of one, made from the server's history of it and of its child runs, and nothing else.

A ledger is rebuilt over all runs that went on as each other; what a reset cut off is rebuilt, too, and stands beside
it. Nobody's word is taken, a worker's neither: where a history is gone, or a plan is in no lock file, there is no
certificate.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode

from gatework.errors import DecisionError
from gatework.machine.children import under_way
from gatework.machine.returning import name_of
from gatework.plan.plan import Call, Plan
from gatework.proof import certificate
from gatework.proof.certificate import Certificate, Disclosed, RunLedger, Superseded
from gatework.proof.ledger import Entry, broken_at
from gatework.releases.library import Library
from gatework.temporal.client.gathering import Gathering, Seen
from gatework.temporal.client.history import HistoryError, Leg, Rebuilt, legs, rebuilt
from gatework.temporal.client.operate import Operated, find_run
from gatework.temporal.transport.executions import listed, was_reset

AT_ONCE = 8
"""Of how many child runs the histories are read, and replayed, side by side."""

Progress = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True)
class Disclosure:
    """Which values a certificate discloses, besides all digests."""

    values: bool = True
    """Those that are not private."""
    also: Collection[str] = ()
    """Inputs and nodes whose values are disclosed whatever they are."""
    never: Collection[str] = ()
    """Inputs and nodes whose values are not."""


@dataclass(frozen=True, kw_only=True)
class Exported:
    """What an export came to."""

    certificate: Certificate
    ended: str
    """How the run ended; empty for one that has not, or that the server ended."""
    open: bool
    """Whether the run may still go on."""
    withheld: int
    """How many values are named there by their digests alone."""
    left_out: tuple[str, ...] = ()
    """What is not in it, a sentence each."""


class ForgottenError(HistoryError):
    """A run of which the server does not have all any more."""


_FORGOTTEN = (
    "The server has forgotten the beginning of the run, so its ledger is not whole any more; export runs before the "
    "time is over for which the server keeps them."
)


async def exported(
    client: Client,
    library: Library,
    run: Operated | str,
    disclosure: Disclosure | None = None,
    *,
    progress: Progress = lambda _had, _left: None,
) -> Exported:
    """The certificate of a run, given by its id or the beginning of it, with the plans of a library.

    `progress` is told now and then of how many runs there is a ledger, and of how many there is none yet.

    Raises `DecisionError` where there is no such run, or nothing in it, and `HistoryError` where its ledger cannot be
    rebuilt.
    """
    found = run if isinstance(run, Operated) else await find_run(client, run)
    return await _Exporter(client, library, progress).export(found, disclosure or Disclosure())


@dataclass(frozen=True, kw_only=True)
class _Child:
    """A child run that a ledger names."""

    id: str
    run_id: str = ""
    """The server's id of it; empty for one that has not ended, of which no ledger has it."""
    parent: str = ""


@dataclass(frozen=True, kw_only=True)
class _Branch:
    """A ledger as a whole, with the runs from which it was rebuilt."""

    legs: Sequence[Leg]
    entries: Sequence[Entry]


class _Exporter:
    """One export. What was read once is not read again."""

    def __init__(self, client: Client, library: Library, progress: Progress) -> None:
        self._client = client
        self._library = library
        self._progress = progress
        self._values = Gathering()
        self._plans: dict[str, Plan] = {}
        self._legs: dict[str, Leg] = {}
        self._found: dict[str, Rebuilt] = {}
        self._left_out: list[str] = []

    async def export(self, run: Operated, disclosure: Disclosure) -> Exported:
        described = run.described
        top, children = await self._ledger(run.id, described.run_id, siblings=not described.parent_id)
        if top is None:
            raise DecisionError("The run ended before it began, so there is nothing to prove of it.")
        runs, waiting = {top.run_id: top}, deque(children)
        while waiting:
            some = [waiting.popleft() for _ in range(min(AT_ONCE, len(waiting)))]
            some = [child for child in some if child.run_id not in runs]
            for told, more in filter(None, await asyncio.gather(*map(self._child, some))):
                runs.setdefault(told.run_id, told)
                waiting += more
            self._progress(len(runs), len(waiting))
        whole = Certificate(plans=self._plans, runs=tuple(runs.values()))
        chosen = self._disclosed(whole, disclosure)
        last = top.entries[-1].receipt
        return Exported(
            certificate=chosen,
            ended=last.action if last.kind == "ended" else "",
            open=described.status is WorkflowExecutionStatus.RUNNING,
            withheld=len(certificate.named(chosen) - chosen.values.keys()),
            left_out=tuple(self._left_out),
        )

    # -- ledgers -----------------------------------------------------------------------------------

    async def _ledger(self, id: str, run_id: str, *, siblings: bool) -> tuple[RunLedger | None, list[_Child]]:
        """The whole ledger of a run with what resets cut off, and the child runs that it names; None without entries.

        `siblings`: other runs of the id are of its lineage, and no other attempts of a child.
        """
        main = await self._branch(id, run_id)
        if not main.entries:
            return None, []
        cuts = await self._cut_off(id, main, siblings=siblings)
        children = [*self._children(id, main), *(child for branch, _ in cuts for child in self._children(id, branch))]
        children += self._under_way(id, main)
        told = RunLedger(
            run_id=run_id,
            workflow=main.legs[-1].workflow,
            entries=tuple(main.entries),
            superseded=tuple(
                Superseded(run_id=branch.legs[-1].run_id, entries=tuple(branch.entries[kept:])) for branch, kept in cuts
            ),
        )
        return told, children

    async def _branch(self, id: str, run_id: str) -> _Branch:
        """The ledger up to the end of a run, from all runs that led to it. Raises `HistoryError`."""
        chain = await legs(self._client, id, run_id, known=self._legs)
        entries: list[Entry] = []
        for leg in chain:
            self._legs[leg.run_id] = leg
            found = await self._rebuilt(leg)
            if found.new and found.new[0].sequence == 1:
                entries = []  # started again by Temporal, as if nothing had been
            elif leg is chain[0]:
                entries = [*await self._handed_on(id, leg, found)]
            entries += found.new
        if broken_at(entries) is not None:
            raise HistoryError("The histories of the run do not fit together, so it has no ledger.")
        self._know_plans(chain[-1].workflow, entries)
        return _Branch(legs=chain, entries=entries)

    async def _handed_on(self, id: str, first: Leg, found: Rebuilt) -> Sequence[Entry]:
        """What comes before the first run that there is of a chain, of which that run may have been handed a part."""
        if broken_at(found.carried) is None:
            return found.carried
        # A child run that takes back what an earlier one did is not its continuation, and says which it was.
        new = [entry.receipt for entry in found.new]
        before = str(new[0].how.get("run", "")) if new and new[0].kind == "resumed" else ""
        if not before or first.before:
            raise ForgottenError(_FORGOTTEN)
        return (await self._branch(id, before)).entries

    async def _rebuilt(self, leg: Leg) -> Rebuilt:
        if leg.run_id not in self._found:
            converter = self._client.data_converter
            self._found[leg.run_id] = await rebuilt(leg, self._library, converter, values=self._values)
        return self._found[leg.run_id]

    def _know_plans(self, workflow: str, entries: Iterable[Entry]) -> None:
        """Have every plan to which the run was held. Raises `HistoryError` for one that is nowhere."""
        for digest in {digest for entry in entries if (digest := _moved_to(entry))} - self._plans.keys():
            known = self._library.find(workflow, digest) if workflow in self._library.names else None
            if known is None:
                raise HistoryError(
                    f"The plan {digest[:12]} of {workflow} is neither in this project nor in the lock file beside the "
                    "workflow; take that from version control, or export the run with the code that ran it."
                )
            self._plans[digest] = known.plan

    # -- what resets cut off -----------------------------------------------------------------------

    async def _cut_off(self, id: str, main: _Branch, *, siblings: bool) -> list[tuple[_Branch, int]]:
        """Ledgers whose ends are not of the run any more, each with how many of its entries came before those."""
        cuts: list[tuple[_Branch, int]] = []
        known = {entry.digest for entry in main.entries}
        seen = {leg.run_id for leg in main.legs}
        waiting = list(_reset_from(main))
        if siblings:
            ended = [(at, run) async for run, at in listed(self._client, id) if at is not None]
            waiting += [run for _, run in sorted(ended)]
        while waiting:
            run_id = waiting.pop(0)
            if run_id in seen:
                continue
            seen.add(run_id)
            branch = await self._went_on(id, run_id)
            if branch is None or not branch.entries:
                continue
            seen |= {leg.run_id for leg in branch.legs}
            # Whoever started another run under the id, without going on from this one, proves nothing of it.
            if branch.entries[0].receipt.how.get("run") != main.entries[0].receipt.how.get("run"):
                continue
            waiting += _reset_from(branch)
            kept = next((at for at, entry in enumerate(branch.entries) if entry.digest not in known), None)
            if kept is not None:
                cuts.append((branch, kept))
                known |= {entry.digest for entry in branch.entries}
        return cuts

    async def _went_on(self, id: str, run_id: str) -> _Branch | None:
        """The ledger of a run and of those that went on from it; None where the server has forgotten it."""
        try:
            branch = await self._branch(id, run_id)
            while after := _next(branch.legs[-1]):
                branch = await self._branch(id, after)
        except (RPCError, ForgottenError) as error:
            if isinstance(error, RPCError) and error.status is not RPCStatusCode.NOT_FOUND:
                raise
            self._left_out.append(f"What a reset cut off with run {run_id}: the server has forgotten it.")
            return None
        return branch

    # -- child runs --------------------------------------------------------------------------------

    def _children(self, id: str, branch: _Branch) -> Iterator[_Child]:
        """The child runs that a ledger names."""
        plan: Plan | None = None
        for entry in branch.entries:
            plan = self._plans[digest] if (digest := _moved_to(entry)) else plan
            receipt = entry.receipt
            if receipt.kind == "returned" and receipt.how["run"] and plan is not None:
                node = plan.node(receipt.node)
                assert isinstance(node, Call)
                name = name_of(node, int(receipt.how["child"]))
                yield _Child(id=f"{id}/{name}", run_id=str(receipt.how["run"]))

    def _under_way(self, id: str, main: _Branch) -> Iterator[_Child]:
        """The child runs that had not ended where a ledger ends."""
        last = self._found[main.legs[-1].run_id]
        state, plan = last.state, self._plans.get(last.last_plan)
        if state is None or plan is None or state.outcome is not None or state.gate is not None:
            return
        node = plan.steps[state.at] if state.at < len(plan.steps) else None
        if isinstance(node, Call):
            for number in sorted(under_way(state)):
                yield _Child(id=f"{id}/{name_of(node, number)}", parent=id)

    async def _child(self, child: _Child) -> tuple[RunLedger, list[_Child]] | None:
        """The ledger of a child run, and the child runs that it names; None where it cannot be had."""
        try:
            run_id = child.run_id or await self._latest(child)
            if not run_id:
                self._left_out.append(f"The child run {child.id}: it has not begun.")
                return None
            told, more = await self._ledger(child.id, run_id, siblings=False)
        except (RPCError, ForgottenError) as error:
            if isinstance(error, RPCError) and error.status is not RPCStatusCode.NOT_FOUND:
                raise
            self._left_out.append(f"The child run {child.id}: the server has forgotten it.")
            return None
        if told is None:
            self._left_out.append(f"The child run {child.id}: it ended before it began.")
            return None
        # Thousands of histories are not kept: whatever else is asked of them is asked of this child alone.
        for run_id in [run_id for run_id, leg in self._legs.items() if leg.id == child.id]:
            del self._legs[run_id]
            self._found.pop(run_id, None)
        return told, more

    async def _latest(self, child: _Child) -> str:
        """The run of a child that goes on, by the server's id; empty where none was started yet."""
        try:
            described = await self._client.get_workflow_handle(child.id).describe()
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                return ""
            raise
        return described.run_id if described.parent_id == child.parent else ""

    # -- values ------------------------------------------------------------------------------------

    def _disclosed(self, whole: Certificate, disclosure: Disclosure) -> Certificate:
        """The certificate with the values that are to be disclosed. Raises `DecisionError` for a name of none."""
        if unknown := sorted({*disclosure.also, *disclosure.never} - self._values.places):
            there = ", ".join(sorted(self._values.places))
            raise DecisionError(f"There is no value of {', '.join(unknown)} in the run; there are those of {there}.")
        seen = {
            digest: self._values.values[digest]
            for digest in sorted(certificate.named(whole))
            if digest in self._values.values
        }
        values = {digest: Disclosed(data=one.sealed.data, salt=one.sealed.salt) for digest, one in seen.items()}
        hidden = [digest for digest, one in seen.items() if not _shown(one, disclosure)]
        chosen = certificate.without(replace(whole, values=values), hidden)
        kept_back = [one for digest, one in seen.items() if digest not in chosen.values and _shown(one, disclosure)]
        for name in sorted({name for one in kept_back for name in one.places.intersection(disclosure.also)}):
            self._left_out.append(
                f"All values of {name}: others could be guessed from them that are withheld; disclose those, too."
            )
        return chosen


def _shown(seen: Seen, disclosure: Disclosure) -> bool:
    if not seen.places.isdisjoint(disclosure.never):
        return False
    return (disclosure.values and not seen.private) or not seen.places.isdisjoint(disclosure.also)


def _moved_to(entry: Entry) -> str:
    """Digest of the plan to which a run is held from an entry on; empty where that says nothing of it."""
    receipt = entry.receipt
    if receipt.kind == "begun":
        return str(receipt.how["plan"])
    return receipt.shown["to"] if receipt.kind == "migrated" else ""


def _next(leg: Leg) -> str:
    """The run that went on as new where this one ended, by the server's id; empty where none did."""
    return leg.events[-1].workflow_execution_continued_as_new_event_attributes.new_execution_run_id


def _reset_from(branch: _Branch) -> Iterator[str]:
    """The runs of which a ledger's were reset, by the server's ids."""
    for leg in branch.legs:
        for event in leg.events:
            if was_reset(event):
                yield event.workflow_task_failed_event_attributes.base_run_id

"""All of a certificate, checked in the order of section 9 of the specification: plans, values, runs, and their ties."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from gatework.plan.faults import faults
from gatework.plan.plan import Plan
from gatework.proof import certificate as files
from gatework.proof.certificate import Certificate, CertificateError, RunLedger
from gatework.proof.ledger import GENESIS, Entry
from gatework.signing.roster import People
from gatework.verify import across, signatures, ties, values, walk
from gatework.verify.account import spent_in
from gatework.verify.entries import chained
from gatework.verify.refusal import Place, Refused, must
from gatework.verify.state import Overridden, State
from gatework.verify.story import ChildRun, Story
from gatework.verify.values import Disclosed

MAX_RUNS = 50_000
"""Most runs in one certificate."""

Mark = tuple[Entry | None, State]
"""An entry with the state after it, where something that was cut off follows on it."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """A run of a certificate that holds."""

    ledger: RunLedger
    start: Plan
    """The plan on which it began."""
    state: State
    """Where it stands at the end of its ledger."""
    outputs: dict[str, str]
    """What it began with, by the names of the inputs."""


@dataclass(kw_only=True)
class Checked:
    """A certificate that holds, with all that was found in it."""

    certificate: Certificate
    known: Disclosed
    story: Story
    runs: list[Run] = field(default_factory=list)
    children: list[ChildRun] = field(default_factory=list)
    going_on: dict[tuple[int, str, int], int] = field(default_factory=dict)
    """Run, node and number of child runs that are under way → which run of the certificate each is."""
    exporters: tuple[str, ...] = ()
    """Who signed it, by the reader's list."""


def read(data: bytes) -> Certificate:
    """The certificate in a file. Raises `Refused` where it has not exactly the form of one."""
    try:
        return files.read(data)
    except CertificateError as error:
        raise Refused(error.fault, error.message) from None


def check(certificate: Certificate, people: People | None = None) -> Checked:
    """Check all of a certificate. Raises `Refused` with the first thing that does not hold."""
    must(len(certificate.runs) <= MAX_RUNS, "format", f"A certificate holds at most {MAX_RUNS} runs.")
    for digest, plan in certificate.plans.items():
        _plan(digest, plan)
    disclosed = {digest: (value.data, value.salt) for digest, value in certificate.values.items()}
    values.check(disclosed)
    known = Disclosed(plans=certificate.plans, values=disclosed)
    checked = Checked(certificate=certificate, known=known, story=Story(keys=signatures.Keys(people)))
    for number, ledger in enumerate(certificate.runs):
        _Walker(checked, number, ledger).walk()
    _tie(checked)
    if len(checked.runs) > 1 and any(one.action in ("edit", "override") for one in checked.story.decisions):
        across.check(checked.runs, known, checked.going_on)
    values.stray(disclosed, files.named(certificate))
    checked.exporters = signatures.certificate(checked.story.keys, certificate, checked.runs[0].state)
    return checked


def _plan(digest: str, plan: Plan) -> None:
    must(plan.digest == digest, "plan", "A plan does not stand under its own digest.")
    fault = next(faults(plan), None)
    if fault is not None:
        raise Refused("faults", "A plan breaks a rule that every plan keeps, such as those of order and labels.")


class _Walker:
    """The walk through one run: its ledger, then what was cut off of it."""

    def __init__(self, checked: Checked, number: int, run: RunLedger) -> None:
        self._checked, self._number, self._run = checked, number, run
        self._wanted = {cut.entries[0].before for cut in run.superseded}
        self._marks: dict[str, Mark] = {}

    def walk(self) -> None:
        """Raise `Refused` where it does not hold."""
        plan = self._start()
        state = self._through(self._run.entries, None, walk.start(plan), 0)
        begun = {e.receipt.node: e.receipt.output for e in self._run.entries if e.receipt.kind == "begun"}
        self._checked.runs.append(Run(ledger=self._run, start=plan, state=state, outputs=begun))
        self._marks[GENESIS] = None, walk.start(plan)
        self._cut_off(state.lineage)

    def _start(self) -> Plan:
        first = self._run.entries[0].receipt
        plan = self._checked.certificate.plans.get(str(first.how.get("plan", "")))
        place = Place(run=self._number, entry=1)
        try:
            chained(None, self._run.entries[0])
        except Refused as refused:
            raise refused.at(place) from None
        if plan is None:
            why = "The plan on which the run began is not in the certificate."
            raise Refused("plan" if first.kind == "begun" else "order", why, place)
        if plan.name != self._run.workflow:
            raise Refused("plan", "The run is said to be of another workflow than its plan.", place)
        return plan

    def _through(self, entries: Sequence[Entry], last: Entry | None, state: State, leg: int) -> State:
        for entry in entries:
            place = Place(run=self._number, leg=leg, entry=entry.sequence, node=self._node(state, entry))
            try:
                chained(last, entry)
                after = walk.step(self._checked.known, state, entry.receipt)
                self._checked.story.tell(self._number, leg, state, entry)
            except Refused as refused:
                raise refused.at(place) from None
            last, state = entry, after
            if entry.digest in self._wanted:
                self._marks[entry.digest] = entry, state
        return state

    def _node(self, state: State, entry: Entry) -> str:
        """The node of an entry, where the plan has one of that name."""
        name = entry.receipt.node
        return name if name in state.plan.index or name in state.plan.starts else ""

    def _cut_off(self, lineage: str) -> None:
        for leg, cut in enumerate(self._run.superseded, start=1):
            place = Place(run=self._number, leg=leg)
            if cut.entries[0].before not in self._marks:
                raise Refused("superseded", "What was cut off follows on no entry before it.", place)
            before, state = self._marks[cut.entries[0].before]
            if self._through(cut.entries, before, state, leg).lineage != lineage:
                raise Refused("superseded", "What was cut off is of another run.", place)


# -- what ties runs together -----------------------------------------------------------------------


def _tie(checked: Checked) -> None:
    """Raise `Refused` unless every run but the first is one that another started, as that one says."""
    ids: dict[str, int] = {}
    for number, run in enumerate(checked.runs):
        fresh = run.ledger.run_id not in ids
        if not fresh:
            raise Refused("child", "Two runs of the certificate have the same id.", Place(run=number))
        ids[run.ledger.run_id] = number
    reached, waiting, started = {0}, deque([0]), ties.Started(checked.runs)
    ended = {number: _children(checked, number, ids) for number in range(len(checked.runs))}
    named = {0}.union(*ended.values())
    while waiting:
        number = waiting.popleft()
        for child in (*ended[number], *_under_way(checked, number, started, named)):
            if child not in reached:
                reached.add(child)
                waiting.append(child)
    for number in range(len(checked.runs)):
        if number not in reached:
            raise Refused("child", "A run of the certificate was started by none of the others.", Place(run=number))


def _children(checked: Checked, number: int, ids: dict[str, int]) -> list[int]:
    """The runs that a run says it started, as far as the certificate has them."""
    run, found = checked.runs[number], []
    for leg, entries in enumerate((run.ledger.entries, *(cut.entries for cut in run.ledger.superseded))):
        called: dict[tuple[str, object], Entry] = {}
        for entry in entries:
            receipt = entry.receipt
            if receipt.kind == "called":
                called[receipt.node, receipt.how["child"]] = entry
            if receipt.kind != "returned":
                continue
            child, id_ = receipt.how["child"], str(receipt.how.get("run", ""))
            there = ids.get(id_)
            checked.children.append(
                ChildRun(
                    run=number,
                    node=receipt.node,
                    child=child,
                    outcome=receipt.action,
                    id=id_,
                    number=0 if there is None else there + 1,
                    overridden=tuple(map(str, receipt.how.get("overridden", ()))),
                    more=receipt.how.get("more", 0),
                )
            )
            if there is None:
                continue
            try:
                _must_be(checked.runs[there], entry, called.get((receipt.node, child)))
            except Refused as refused:
                raise refused.at(Place(run=number, leg=leg, entry=entry.sequence, node=receipt.node)) from None
            found.append(there)
    return found


def _under_way(checked: Checked, number: int, started: ties.Started, named: set[int]) -> list[int]:
    """The runs that a run had started when its ledger ends, and of which it has not heard."""
    run, found = checked.runs[number], []
    going_on = list(ties.under_way(run.state))
    called = ties.called(run.ledger.entries) if going_on else {}
    for node, child, name in going_on:
        there = started.of(f"{run.state.lineage}/{name}", named)
        id_ = checked.runs[there].ledger.run_id if there is not None else ""
        checked.children.append(
            ChildRun(
                run=number, node=node.name, child=child, outcome="", id=id_, number=0 if there is None else there + 1
            )
        )
        if there is None:
            continue
        try:
            _began(checked.runs[there], called.get((node.name, child)))
        except Refused as refused:
            raise refused.at(Place(run=there)) from None
        checked.going_on[number, node.name, child] = there
        found.append(there)
    return found


def _must_be(child: Run, returned: Entry, called: Entry | None) -> None:
    """Raise `Refused` unless a child run is the one of which another says that it has ended."""
    receipt, entries = returned.receipt, child.ledger.entries
    must(receipt.how.get("ledger") == entries[-1].digest, "child", "A child run ended with another entry than is said.")
    last = entries[-1].receipt
    if last.kind == "ended" and last.action == receipt.action:
        must(last.output == receipt.output, "child", "A child run gave another value than is said.")
        must(last.label == receipt.label, "child", "A child run gave a value with another label than is said.")
        account = child.state.account
        same = (account.whole - account.taken_over - spent_in(receipt.how)).data == {}
        must(same, "budget", "A child run spent something else than is said.")
    else:
        # Its value broke the contract of the plan that called it; or the server ended it, and it could say no more.
        lost = receipt.action == "failed" and last.action == "completed"
        lost = lost or (receipt.action in ("failed", "cancelled") and last.kind != "ended")
        must(lost, "child", "A child run ended otherwise than is said.")
    acted = any(done.happened for done in child.state.acts.values())
    must(not acted or receipt.how.get("acted") is True, "child", "A child run acted, and another says that it did not.")
    undoable = receipt.action == "completed" and bool(child.state.undoable)
    must((receipt.how.get("undoable") is True) is undoable, "child",
         "Whether a child run can be undone is said otherwise than it is.")  # fmt: skip
    told = Overridden(last=tuple(receipt.how.get("overridden", ())), before=receipt.how.get("more", 0))
    must(told == child.state.overridden, "child", "Something else was overridden in a child run than is said.")
    _began(child, called)


def _began(child: Run, called: Entry | None) -> None:
    """Raise `Refused` unless a child run began with what another says."""
    if called is None:  # it was started before what was cut off here, and is held to its own ledger alone
        return
    how = called.receipt.how
    same = (how["workflow"], how["plan"]) == (child.ledger.workflow, child.start.digest)
    must(same, "child", "A child run began on another plan than is said.")
    must(child.outputs == dict(called.receipt.shown), "child", "A child run began with other inputs than is said.")
    given = child.ledger.entries[0].receipt.how.get("given")
    must(given == how.get("given"), "child", "A child run was given something else of a budget than is said.")

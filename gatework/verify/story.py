"""What a walk tells: attempts, approvals, effects, edits and overrides, each with what proves it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from gatework.plan.plan import Work
from gatework.proof.ledger import Entry
from gatework.verify import gates, signatures
from gatework.verify.signatures import Keys
from gatework.verify.state import State

ATTEMPTS = ("output", "stopped", "refused", "failed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What a person decided."""

    run: int
    leg: int
    """Counts what was cut off of the run from 1; 0 for its ledger."""
    entry: int
    at: str
    node: str
    gate: int
    kind: str
    """Of the gate."""
    action: str
    role: str
    """Who was asked."""
    by: str = ""
    identity: str = ""
    signer: str = ""
    """Whose key signed it, by the reader's list; empty where that is not proven."""
    signed: bool = False
    note: str = ""
    guards: tuple[str, ...] = ()
    """With `override`: the guards that were passed over."""
    skipped: bool = False
    """With `override`: whether the value was given in place of the work."""
    approvals: int = 1
    """Counts those who approved or overrode at the gate, up to this one."""
    quorum: int = 1
    """How many it takes."""
    member: bool | None = None
    """Whether the reader's list has that name in that role; None where there is no list."""


@dataclass(slots=True, kw_only=True)
class Stage:
    """What is known of a node that came to something."""

    run: int
    leg: int
    node: str
    kind: str
    attempts: int = 0
    passed: int = 0
    """How many verdicts let it on."""
    against: int = 0
    signers: list[str] = field(default_factory=list)
    """Whose keys signed its attempts, by the reader's list."""
    unsigned: int = 0
    """How many of its attempts nobody signed whom the list has."""
    guards: list[str] = field(default_factory=list)
    """Whose keys signed verdicts."""


@dataclass(slots=True, kw_only=True)
class Effect:
    """A call that changed the outside world, or may have."""

    run: int
    node: str
    tool: str
    key: str
    outcome: str = "asked"
    sent: int = 0
    by_model: bool = False
    let_by: str = ""
    """Who let this call happen, where the plan asks somebody."""
    untrusted: bool = False
    """Whether outside text had a hand in the work that made it."""
    signers: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildRun:
    """A run that another started."""

    run: int
    node: str
    child: int
    outcome: str
    id: str
    number: int = 0
    """Counts the runs of the certificate from 1; 0 where it has not the ledger of this one."""
    overridden: tuple[str, ...] = ()
    """What people overrode in it last, as the run that started it says."""
    more: int = 0
    """How many more they had overridden before."""

    @property
    def there(self) -> bool:
        """Whether the certificate has its ledger."""
        return self.number > 0


@dataclass(kw_only=True)
class Story:
    """All of it, in the order of the certificate."""

    keys: Keys
    decisions: list[Decision] = field(default_factory=list)
    stages: dict[tuple[int, int, str], Stage] = field(default_factory=dict)
    """By run, leg and node."""
    effects: dict[tuple[int, str], Effect] = field(default_factory=dict)
    moves: list[tuple[int, Entry]] = field(default_factory=list)
    """Where runs were moved to another plan, or went on where they had ended."""
    rules: list[tuple[int, str, str]] = field(default_factory=list)
    """Run, node and reason of approvals that the plan's own rule gave."""

    def tell(self, run: int, leg: int, before: State, entry: Entry) -> None:
        """Take in one entry that holds. Raises `Refused` where a signature does not."""
        receipt = entry.receipt
        match receipt.kind:
            case "output" | "stopped" | "refused" | "failed" | "suspended":
                self._attempt(run, leg, before, entry)
            case "acting" | "acted":
                self._effect(run, before, entry)
            case "decided":
                self._decided(run, leg, before, entry)
            case "migrated" | "resumed":
                self.moves.append((run, entry))
            case "approved" if not leg:
                self.rules.append((run, receipt.node, receipt.reason))
            case "waited" | "chose" | "joined" | "round" | "gathered":
                self._stage(run, leg, before, receipt.node)
            case _:
                pass

    def _stage(self, run: int, leg: int, state: State, name: str) -> Stage:
        key = run, leg, name
        if key not in self.stages:
            self.stages[key] = Stage(run=run, leg=leg, node=name, kind=state.plan.node(name).kind)
        return self.stages[key]

    def _attempt(self, run: int, leg: int, state: State, entry: Entry) -> None:
        receipt = entry.receipt
        signer = signatures.attempt(self.keys, state, entry)
        guards = [name for _, name in signatures.verdicts(self.keys, state, entry) if name]
        stage = self._stage(run, leg, state, receipt.node)
        _add(stage.guards, guards)
        if receipt.kind not in ATTEMPTS:
            return
        stage.attempts += 1
        stage.passed += sum(given.verdict == "pass" for given in receipt.verdicts)
        stage.against += sum(given.verdict != "pass" for given in receipt.verdicts)
        _add(stage.signers, [signer] if signer else [])
        stage.unsigned += not signer

    def _effect(self, run: int, state: State, entry: Entry) -> None:
        receipt, how = entry.receipt, entry.receipt.how
        key = str(how.get("key", ""))
        signer = signatures.attempt(self.keys, state, entry) if receipt.kind == "acted" else ""
        if not key:
            return
        node = state.plan.node(receipt.node) if receipt.node in state.plan.index else None
        if (run, key) not in self.effects:
            outside = isinstance(node, Work) and (
                any(param.label == "untrusted" for param in node.params) or any(use.untrusted for use in node.tools)
            )
            self.effects[run, key] = Effect(
                run=run, node=receipt.node, tool=str(how.get("tool", "")), key=key, untrusted=outside
            )
        effect = self.effects[run, key]
        effect.by_model = effect.by_model or how.get("by_model") is True
        if receipt.kind == "acting":
            effect.sent += 1
            effect.let_by = effect.let_by or self._let_by(run, receipt.node, state)
        elif not how.get("recorded") or "run" in how:
            effect.outcome = receipt.action
        _add(effect.signers, [signer] if signer else [])

    def _let_by(self, run: int, node: str, state: State) -> str:
        call = state.pending[0].call if state.pending else ""
        if not call or state.let_call != call:
            return ""
        let = (one for one in reversed(self.decisions) if (one.run, one.node, one.kind) == (run, node, "call"))
        return next((one.by for one in let), "")

    def _decided(self, run: int, leg: int, state: State, entry: Entry) -> None:
        receipt, gate = entry.receipt, state.gate
        assert gate is not None
        by = gates.asked_of(state, gate, receipt.action)
        signer = signatures.decision(self.keys, state, entry, by.role)
        people = self.keys.people
        self.decisions.append(
            Decision(
                run=run,
                leg=leg,
                entry=entry.sequence,
                at=entry.at,
                node=receipt.node,
                gate=gate.id,
                kind=gate.kind,
                action=receipt.action,
                role=by.role,
                by=receipt.by,
                identity=receipt.identity,
                signer=signer,
                signed=receipt.identity == "signed",
                note=receipt.reason,
                guards=tuple(str(one["guard"]) for one in receipt.how.get("guards", ())),
                skipped=receipt.how.get("skipped") is True,
                approvals=receipt.how.get("approvals", 1),
                quorum=receipt.how.get("quorum", 1),
                member=people.member(receipt.by, by.role) if people else None,
            )
        )

    def standing(self, run: int, state: State) -> tuple[Decision, ...]:
        """The approvals and answers that stand at the end of a run: those of the last gate at each node that holds."""
        last: dict[str, list[Decision]] = {}
        for one in self.decisions:
            here = one.run == run and not one.leg
            if here and one.action in ("approve", "answer") and one.node in state.held:
                before = last.get(one.node, [])
                last[one.node] = [*before, one] if before and before[0].gate == one.gate else [one]
        return tuple(one for given in last.values() for one in given)


def _add(names: list[str], more: Iterable[str]) -> None:
    names.extend(name for name in dict.fromkeys(more) if name not in names)

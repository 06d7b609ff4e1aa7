"""Random plans: every construct, nested in every other, with the code that their nodes run.

They are written as plan data and keep to the rules of plans for the most part. Where one does not, the machine refuses,
and both ways of running it have to see that.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import count
from random import Random
from typing import Any, Literal, cast

from gatework.define.ending import Ending
from gatework.define.guard import as_guard
from gatework.define.stage import Stage
from gatework.define.workflow import Workflow
from gatework.plan.expr import Compare, Const, Ref
from gatework.plan.facts import facts_of
from gatework.plan.faults import faults
from gatework.plan.labels import CLASSES, Label, combined
from gatework.plan.plan import (
    Approval,
    Arm,
    Budget,
    By,
    Call,
    Child,
    Choice,
    Input,
    Join,
    Loop,
    Node,
    Param,
    Part,
    Pause,
    Plan,
    Question,
    Until,
    Work,
)
from gatework.values.canonical import Json
from gatework.values.contract import contract
from tests.differential.script import TYPES, b, enough, g, h, pay, work_of

ENOUGH = Ending(as_guard(enough), TYPES["thing"])
Failing = Literal["ask", "collect", "stop"]
FAILING: tuple[Failing, ...] = ("ask", "ask", "collect", "collect", "stop")
TWO = By(role="finance", quorum=2, identity="claimed")


@dataclass(frozen=True)
class Value:
    """A value of the plan, for the nodes behind it."""

    name: str
    label: Label
    type: str

    @property
    def contract(self) -> str:
        return contract(TYPES[self.type]).digest


@dataclass
class Written:
    """A plan with the code of its nodes, and of those of its parts."""

    plan: Plan
    definitions: dict[str, Any]
    calls: dict[str, Workflow[Any, Any]]
    """The workflows that it calls."""

    @property
    def workflow(self) -> Workflow[Any, Any]:
        """A workflow as tracing makes it."""
        made: Any = Workflow.__new__(Workflow)
        made.function, made.name, made.where, made.key = write, self.plan.name, "here", None
        made.plan, made.definitions, made.calls = self.plan, self.definitions, self.calls
        made.__doc__ = None
        return cast("Workflow[Any, Any]", made)


def write(name: str, *, size: int = 5) -> Written:
    """A plan without faults, the same for a name each time."""
    for number in count():
        chance = Random(f"plan {name} {number}")
        start = Value("start", chance.choice([Label.UNTRUSTED, Label.UNTRUSTED, Label.ENDORSED]), "thing")
        alone = chance.random() < 0.5
        written = _Writer(name, chance, [start], depth=0, one_at_a_time=alone, numbers=count(1)).written(size)
        called = [workflow.plan for workflow in written.calls.values()]
        if not any(fault for plan in (written.plan, *called) for fault in faults(plan)):
            return written
    raise AssertionError


class _Writer:
    def __init__(
        self, name: str, chance: Random, inputs: list[Value], *, depth: int, one_at_a_time: bool, numbers: Iterator[int]
    ) -> None:
        self._name = name
        self._chance = chance
        self._inputs = inputs
        self._depth = depth
        self._one_at_a_time = one_at_a_time
        self._nodes: list[Node] = []
        self._undos: list[Work] = []
        self._arm: Arm | None = None
        self._nested = 0
        self._numbers = numbers
        self._definitions: dict[str, Any] = {}
        self._parts: dict[str, Plan] = {}
        self._calls: dict[str, Workflow[Any, Any]] = {}
        self._contracts: dict[str, Json] = {}
        for type_ in TYPES.values():
            self._contracts[contract(type_).digest] = contract(type_).schema
        for boundary in (pay.interface.arguments, pay.interface.result):
            self._contracts[boundary.digest] = boundary.schema

    def written(self, size: int) -> Written:
        scope = self._block(list(self._inputs), size)
        if scope[-1].name in {one.name for one in self._inputs} or scope[-1].type != "thing":
            scope.append(self._stage(scope, type_="thing"))
        pays = any(isinstance(node, Work) and node.effects for node in self._nodes)
        budget = (
            Budget(tool_calls={"pay": self._chance.choice([1, 2, 4])}) if pays and self._chance.random() < 0.3 else None
        )
        plan = Plan(
            name=self._name,
            inputs=tuple(Input(name=one.name, label=one.label, contract=one.contract) for one in self._inputs),
            nodes=tuple(self._nodes),
            result=scope[-1].name,
            undos=tuple(self._undos),
            parts=self._parts,
            contracts=self._contracts,
            budget=budget,
            acknowledged=tuple(node.name for node in self._nodes),
        )
        return Written(plan, self._definitions, self._calls)

    # -- nodes -------------------------------------------------------------------------------------

    def _block(self, scope: list[Value], size: int) -> list[Value]:
        """More nodes; all values that those behind them can read."""
        for _ in range(size):
            scope = self._more(scope)
        return scope

    def _more(self, scope: list[Value]) -> list[Value]:
        kinds = {"stage": 6, "effect": 2, "endorse": 2, "approve": 2, "ask": 1.5, "pause": 0.7}
        if self._nested < 2:
            kinds |= {"choose": 2, "when": 2, "repeat": 2.5}
        if self._depth < 2:
            kinds |= {"call": 1, "parallel": 1.5, "each": 2.5}
        kind = self._chance.choices(list(kinds), list(kinds.values()))[0]
        return [*scope, *getattr(self, f"_{kind}_here")(scope)]

    def _new(self, word: str) -> str:
        return f"{word}{next(self._numbers)}"

    def _add(self, node: Any) -> None:
        self._nodes.append(replace(node, arm=self._arm))

    def _one(self, scope: list[Value], type_: str = "thing", *labels: Label) -> Value | None:
        """A value of the type, rather a late one."""
        fitting = [one for one in scope if one.type == type_ and (not labels or one.label in labels)]
        return fitting[-min(self._chance.choice([1, 1, 2, 3]), len(fitting))] if fitting else None

    def _reads(self, scope: list[Value]) -> list[Value]:
        first = self._one(scope) or scope[-1]
        more = self._chance.choice(scope) if self._chance.random() < 0.4 else first
        return [first] if more == first else [first, more]

    def _stage_here(self, scope: list[Value]) -> list[Value]:
        return [self._stage(scope)]

    def _stage(
        self, scope: list[Value], *, type_: str = "", reads: list[Value] | None = None, undoes: bool = False
    ) -> Value:
        chance = self._chance
        reads = reads or self._reads(scope)
        type_ = type_ or ("list" if chance.random() < 0.25 else "thing")
        name = self._new("undo" if undoes else "stage")
        guards = chance.choice([[], [g], [g, h]]) if type_ == "thing" else []
        before = [b] if reads[0].type == "thing" and chance.random() < 0.2 else []
        work = self._work(name, reads, type_, guards=guards, before=before)
        if undoes:
            self._undos.append(work)
        else:
            self._add(self._undoable(work, reads, Value(name, work.label, type_)))
        return Value(name, work.label, type_)

    def _effect_here(self, scope: list[Value]) -> list[Value]:
        read = self._one(scope, "thing", Label.ENDORSED, Label.APPROVED)
        if read is None:
            return [self._stage(scope)]
        name = self._new("pay")
        work = self._work(name, [read], "thing", guards=self._chance.choice([[], [g]]), effect=True)
        self._add(self._undoable(work, [read], Value(name, work.label, "thing")))
        return [Value(name, work.label, "thing")]

    def _undoable(self, work: Work, reads: list[Value], output: Value) -> Work:
        if self._chance.random() > 0.35:
            return work
        undo = self._stage([], type_="thing", reads=[output, *reads], undoes=True)
        return replace(work, undo=undo.name)

    def _work(
        self,
        name: str,
        reads: list[Value],
        type_: str,
        *,
        guards: list[Any],
        before: list[Any] | None = None,
        effect: bool = False,
    ) -> Work:
        label = combined(read.label for read in reads)
        runs = f"{self._name}_{name}".replace(".", "_")
        function = _signed(
            work_of(self._name, type_, label, effect=effect),
            runs,
            {f"p{i}": _labelled(read.label, TYPES[read.type]) for i, read in enumerate(reads)},
            _labelled(label, TYPES[type_]),
        )
        stage: Stage[..., Any] = Stage(
            function,
            guards=guards,
            before=before or [],
            tools=[pay] if effect else [],
            attempts=self._chance.choice([1, 1, 2, 3]),
        )
        self._definitions[runs] = stage
        params = tuple(
            Param(name=f"p{i}", label=read.label, contract=read.contract, source=Ref(read.name))
            for i, read in enumerate(reads)
        )
        return Work(
            name=name,
            runs=runs,
            params=params,
            label=label,
            contract=contract(TYPES[type_]).digest,
            before=stage.before_uses,
            guards=stage.guard_uses,
            tools=stage.tool_uses,
            attempts=stage.attempts,
        )

    def _endorse_here(self, scope: list[Value]) -> list[Value]:
        read = self._one(scope, "thing", Label.UNTRUSTED)
        if read is None:
            return [self._stage(scope)]
        name = self._new("endorse")
        work = self._work(name, [read], "thing", guards=[])
        function = work_of(self._name, "thing", Label.PLAIN, effect=False)
        plain = _signed(function, work.runs, {"p0": TYPES["thing"]}, TYPES["thing"])
        # Not an `Endorser`, which gives another type than it takes; here there are but three.
        self._definitions[work.runs] = Stage(plain)
        self._add(replace(work, kind="endorse", label=Label.ENDORSED))
        return [Value(name, Label.ENDORSED, "thing")]

    def _approve_here(self, scope: list[Value]) -> list[Value]:
        read = self._one(scope, "thing", Label.UNTRUSTED, Label.ENDORSED)
        if read is None:
            return []
        chance, name = self._chance, self._new("approve")
        rule = Compare("gt", Ref(read.name, ("n",)), Const(50), "number") if chance.random() < 0.5 else None
        self._add(
            Approval(
                name=name,
                value=Ref(read.name),
                contract=read.contract,
                by=chance.choice([By(role="boss"), By(role="boss"), TWO]),
                when=rule if read.label is Label.ENDORSED else None,
                show=tuple({Ref(one.name): None for one in chance.sample(scope, min(2, len(scope)))}),
            )
        )
        return [Value(name, Label.APPROVED, "thing")]

    def _ask_here(self, scope: list[Value]) -> list[Value]:
        name = self._new("ask")
        type_ = self._chance.choice(["thing", "thing", "list"])
        show = tuple(Ref(one.name) for one in scope[-1:])
        digest = contract(TYPES[type_]).digest
        self._add(Question(name=name, prompt="What now?", contract=digest, by=By(role="editor"), show=show))
        return [Value(name, Label.APPROVED, type_)]

    def _pause_here(self, scope: list[Value]) -> list[Value]:
        self._add(Pause(name=self._new("pause"), seconds=0.01))
        return []

    # -- ways and loops ----------------------------------------------------------------------------

    def _choose_here(self, scope: list[Value]) -> list[Value]:
        on = self._one(scope)
        if on is None:
            return []
        name = self._new("choose")
        # A tag that leads nowhere is a fault in a plan; here it is one of what may go wrong.
        ways = self._chance.choice(
            [(("a",), ("b",), ("c",)), (("a", "b"), ("c",)), (("a",), ("b", "c")), (("a",), ("b",))]
        )
        self._add(Choice(name=name, on=Ref(on.name), tag="kind", ways=ways))
        return self._ways(name, scope, len(ways), on.label, joined=self._chance.random() < 0.8)

    def _when_here(self, scope: list[Value]) -> list[Value]:
        on = self._one(scope)
        if on is None:
            return []
        name = self._new("when")
        self._add(Choice(name=name, when=Compare("gt", Ref(on.name, ("n",)), Const(50), "number"), kind="when"))
        ways = self._chance.choice([1, 2, 2])
        return self._ways(name, scope, ways, on.label, joined=ways == 2)

    def _ways(self, name: str, scope: list[Value], ways: int, decided: Label, *, joined: bool) -> list[Value]:
        around, given = self._arm, []
        self._nested += 1
        for way in range(ways):
            self._arm = Arm(choice=name, way=way)
            inside = self._block(list(scope), self._chance.choice([1, 1, 2]))
            last = inside[-1] if len(inside) > len(scope) else None
            if joined and (last is None or last.type != "thing"):
                last = self._stage(inside, type_="thing")
            if joined and last is not None:
                given.append(last)
        self._arm = around
        self._nested -= 1
        if not joined:
            return []
        labels = {one.label for one in given}
        approved = labels == {Label.APPROVED} and decided is not Label.UNTRUSTED
        label = Label.APPROVED if approved else combined([*labels, decided])
        join = Value(self._new("join"), label, "thing")
        options = tuple(Ref(one.name) for one in given)
        self._add(Join(name=join.name, choice=name, options=options, label=label, contract=join.contract))
        return [join]

    def _repeat_here(self, scope: list[Value]) -> list[Value]:
        start = self._one(scope)
        if start is None:
            return []
        chance, name = self._chance, self._new("loop")
        label = combined([start.label])
        round_ = Value(name, label, "thing")
        self._add(Loop(name=name, start=Ref(start.name), label=label, contract=round_.contract))
        self._nested += 1
        inside = self._block([round_], chance.choice([0, 1]))
        # What a round gives is what the next one starts from: of the same label.
        fits = inside[-1].type == "thing" and combined([inside[-1].label]) is label
        last = self._stage(inside, type_="thing", reads=[inside[-1] if fits else round_])
        self._nested -= 1
        end = Value(self._new("until"), label, "thing")
        self._definitions[ENOUGH.name] = ENOUGH
        guard = ENOUGH.guard.use(ENOUGH.declared)
        self._add(
            Work(
                name=end.name,
                runs=ENOUGH.name,
                params=(Param(name="value", label=label, contract=last.contract, source=Ref(last.name)),),
                label=label,
                contract=end.contract,
                guards=(guard,),
                until=Until(loop=name, rounds=chance.choice([1, 2, 3]), spent=chance.choice(["ask", "accept"])),
                kind="until",
            )
        )
        return [end]

    # -- child runs --------------------------------------------------------------------------------

    def _part(self, name: str, item: Value, captured: list[Value], *, called: bool = False) -> tuple[Child, Written]:
        inputs = [item, *captured]
        root = self._name.partition(".")[0].partition("_")[0]
        writer = _Writer(
            f"{root}_{name}" if called else f"{self._name}.{name}",
            self._chance,
            inputs,
            depth=self._depth + 1,
            one_at_a_time=self._one_at_a_time,
            numbers=self._numbers,
        )
        written = writer.written(self._chance.choice([1, 2, 2, 3]))
        plan = written.plan
        if called:
            self._calls |= {plan.name: written.workflow}
        else:
            self._parts[plan.name] = plan
            self._definitions |= written.definitions
            self._calls |= written.calls
        params = tuple(
            Param(name=one.name, label=one.label, contract=one.contract, source=Ref(one.name)) for one in inputs
        )
        facts = facts_of(plan)
        child = Child(
            workflow=plan.name,
            plan=plan.digest,
            params=params,
            effects=facts.effects,
            private=facts.private,
            identity=facts.identity,
        )
        return child, written

    def _captured(self, scope: list[Value], *but: Value) -> list[Value]:
        others = [one for one in scope if one not in but]
        return [self._chance.choice(others)] if others and self._chance.random() < 0.4 else []

    def _call_here(self, scope: list[Value]) -> list[Value]:
        read = self._one(scope)
        if read is None:
            return []
        name = self._new("call")
        child, written = self._part(name, read, [], called=True)
        label = _result(written)
        value = Value(name, label, "thing")
        self._add(
            Call(
                name=name,
                children=(child,),
                failed=self._chance.choice(["ask", "stop"]),
                label=label,
                contract=value.contract,
            )
        )
        return [value]

    def _parallel_here(self, scope: list[Value]) -> list[Value]:
        read = self._one(scope)
        if read is None:
            return []
        name = self._new("parallel")
        found = [
            self._part(f"{name}_{i}", read, self._captured(scope, read)) for i in range(self._chance.choice([2, 2, 3]))
        ]
        self._add(
            Call(
                name=name,
                children=tuple(child for child, _ in found),
                at_most=1 if self._one_at_a_time else len(found),
                failed="stop" if self._one_at_a_time and self._chance.random() < 0.5 else "ask",
                kind="parallel",
            )
        )
        parts = []
        for i, (_, written) in enumerate(found):
            part = Value(self._new("part"), _result(written), "thing")
            self._add(Part(name=part.name, call=name, child=i, label=part.label, contract=part.contract))
            parts.append(part)
        return parts

    def _each_here(self, scope: list[Value]) -> list[Value]:
        made: list[Value] = []
        items = self._one(scope, "list")
        if items is None:
            items = self._stage(scope, type_="list")
            made.append(items)
        name = self._new("each")
        item = Value(self._new("item"), items.label, "thing")
        child, written = self._part(name, item, self._captured(scope, items))
        params = tuple(
            replace(param, source=Ref(items.name)) if param.name == item.name else param for param in child.params
        )
        failed: Failing = self._chance.choice(FAILING)
        label = combined([_result(written)])
        value = Value(name, label, "found" if failed == "collect" else "list")
        self._add(
            Call(
                name=name,
                children=(replace(child, params=params),),
                items=Ref(items.name),
                item=item.name,
                # Where one that fails cuts others short, what they came to hangs on the clock.
                at_most=1 if self._one_at_a_time or failed == "stop" else self._chance.choice([1, 2, 3]),
                failed=failed,
                label=label,
                contract=value.contract,
                kind="each",
            )
        )
        return [*made, value]


def _result(written: Written) -> Label:
    return written.plan.label(written.plan.result)


def _labelled(label: Label, type_: Any) -> Any:
    return type_ if label is Label.PLAIN else CLASSES[label][type_]  # type: ignore[index]


def _signed(function: Any, name: str, params: Mapping[str, Any], result: Any) -> Any:
    """The function with a name and a signature, as if it had been written so."""
    function.__name__ = function.__qualname__ = name
    function.__annotations__ = {**params, "return": result}
    function.__signature__ = inspect.Signature(
        [inspect.Parameter(one, inspect.Parameter.KEYWORD_ONLY, annotation=type_) for one, type_ in params.items()],
        return_annotation=result,
    )
    return function

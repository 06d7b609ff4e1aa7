"""Random plans: nothing from outside reaches an effect unendorsed, nothing private leaves where it could be steered.

What is right is worked out here a second time, in the simplest form there is: who can reach whom. It knows no labels
and no rules of the engine, only where values come from. `faults` and tracing must refuse exactly what it calls wrong.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gatework import PlanError
from gatework.plan.expr import Const, Ref
from gatework.plan.faults import faults
from gatework.plan.flow import private_nodes
from gatework.plan.labels import Label
from gatework.plan.plan import Limit, Plan, ToolUse, Work
from gatework.testing.factories import START, Draft, approve, endorse, plan_of, stage, tool
from tests.unit.defining import Definitions

# -- what a random plan is -------------------------------------------------------------------------


@dataclass(frozen=True)
class Kit:
    """A tool that stages may hold."""

    effect: bool = False
    untrusted: bool = False
    private: bool = False
    egress: bool = False


TOOLS: Mapping[str, Kit] = {
    "clock": Kit(),
    "web": Kit(untrusted=True),
    "diary": Kit(private=True),
    "inbox": Kit(untrusted=True, private=True),
    "post": Kit(egress=True),
    "search": Kit(untrusted=True, egress=True),
    "pay": Kit(effect=True),
    "tell": Kit(effect=True, egress=True),
    "swap": Kit(effect=True, private=True, egress=True),
}

Pin = str | int
"""A limit on an argument: `constant` and a position of a value pin it, `most` bounds it."""


@dataclass(frozen=True)
class Step:
    """A node of a random plan. Position 0 is what a run starts from, 1 the first node."""

    kind: str
    reads: tuple[int, ...] = ()
    """Nothing for a stage on a constant."""
    says: Label = Label.PLAIN
    """What a stage that reads a constant says of its output."""
    tools: Mapping[str, Mapping[str, Pin]] = field(default_factory=dict)
    """Tool → argument → its limit."""


@dataclass(frozen=True)
class Sketch:
    """A random plan."""

    outside: bool
    """Whether a run starts from outside text; else from our own records."""
    steps: tuple[Step, ...]


@st.composite
def sketches(draw: st.DrawFn, most: int = 6) -> Sketch:
    steps = []
    for position in range(1, draw(st.integers(1, most)) + 1):
        earlier = st.integers(0, position - 1)
        kind = draw(st.sampled_from(["stage", "stage", "stage", "endorse", "approve"]))
        if kind != "stage":
            steps.append(Step(kind, (draw(earlier),)))
            continue
        reads = tuple(draw(st.lists(earlier, max_size=2, unique=True)))
        pins = st.one_of(st.sampled_from(["constant", "constant", "most"]), earlier)
        held = draw(st.lists(st.sampled_from(sorted(TOOLS)), max_size=3, unique=True))
        limits = {name: draw(st.dictionaries(st.sampled_from(["order", "amount"]), pins, max_size=2)) for name in held}
        says = draw(st.sampled_from([Label.PLAIN, Label.UNTRUSTED, Label.ENDORSED]))
        steps.append(Step("stage", reads, says if not reads else Label.PLAIN, limits))
    return Sketch(draw(st.booleans()), tuple(steps))


# -- what is right ---------------------------------------------------------------------------------


class Reach:
    """Where the values of a sketch come from, step by step; and what is wrong with it."""

    def __init__(self, sketch: Sketch) -> None:
        self.tainted = [sketch.outside]
        """Whether outside text can reach a value, past no endorsement and no approval."""
        self.vouched = [not sketch.outside]
        self.private = [False]
        self.approved = [False]
        self.wrong: list[str] = []
        for position, step in enumerate(sketch.steps, start=1):
            self._take(position, step)

    def _take(self, position: int, step: Step) -> None:
        read = step.reads
        if step.kind != "stage":
            (value,) = read
            if step.kind == "endorse" and not self.tainted[value]:
                self.wrong.append(f"{position} endorses what is not from outside")
            if step.kind == "approve" and (self.approved[value] or not (self.tainted[value] or self.vouched[value])):
                self.wrong.append(f"{position} approves what cannot be approved")
            self._add(tainted=False, vouched=True, private=self.private[value], approved=step.kind == "approve")
            return
        kits = [TOOLS[name] for name in step.tools]
        pins = [pin for limits in step.tools.values() for pin in limits.values() if isinstance(pin, int)]
        outside = any(self.tainted[value] for value in read) or any(kit.untrusted for kit in kits)
        private = any(self.private[value] for value in (*read, *pins)) or any(kit.private for kit in kits)
        if any(self.tainted[value] for value in pins):
            self.wrong.append(f"{position} is limited by outside text")
        if any(kit.effect for kit in kits):
            if outside:
                self.wrong.append(f"outside text reaches the effect at {position}")
            if not any(self.vouched[value] for value in read):
                self.wrong.append(f"nothing that was vouched for reaches the effect at {position}")
        for name, limits in step.tools.items():
            held = [limits.get(argument, "most") != "most" for argument in ("order", "amount")]
            if TOOLS[name].egress and outside and private and not all(held):
                self.wrong.append(f"outside text at {position} can steer what is private into {name}")
        says = step.says if not read else Label.PLAIN
        if outside and not read and says is not Label.UNTRUSTED:
            self.wrong.append(f"{position} says of outside text that it is {says}")
        self._add(
            tainted=outside or says is Label.UNTRUSTED,
            vouched=not outside and (says is Label.ENDORSED or any(self.vouched[value] for value in read)),
            private=private,
            approved=False,
        )

    def _add(self, *, tainted: bool, vouched: bool, private: bool, approved: bool) -> None:
        self.tainted.append(tainted)
        self.vouched.append(vouched)
        self.private.append(private)
        self.approved.append(approved)


# -- as data ---------------------------------------------------------------------------------------


def _name(position: int) -> str:
    return f"n{position}" if position else START


def _use(name: str, limits: Mapping[str, Pin]) -> ToolUse:
    kit = TOOLS[name]
    made = []
    for argument, pin in limits.items():
        kind, data = ("text", "A-1") if argument == "order" else ("number", 3)
        if isinstance(pin, int):
            made.append(Limit(argument=argument, rule="is", value=Ref(_name(pin), (argument,)), kind=kind))  # type: ignore[arg-type]
        elif pin == "constant":
            made.append(Limit(argument=argument, rule="is", value=Const(data), kind=kind))  # type: ignore[arg-type]
        elif argument == "amount":
            made.append(Limit(argument=argument, rule="at_most", value=Const(3), kind="number"))
        else:
            made.append(Limit(argument=argument, rule="matches", value=Const("[A-Z]-[0-9]"), kind="text"))
    return tool(
        name,
        kind="effect" if kit.effect else "tool",
        untrusted=kit.untrusted,
        private=kit.private,
        egress=kit.egress,
        limits=made,
    )


def _draft(position: int, step: Step) -> Draft:
    name = _name(position)
    if step.kind == "endorse":
        return endorse(name, _name(step.reads[0]))
    if step.kind == "approve":
        return approve(name, _name(step.reads[0]))
    uses = [_use(held, limits) for held, limits in step.tools.items()]
    made = stage(name, *(map(_name, step.reads) if step.reads else [Const("a")]), tools=uses)
    if step.reads:
        return made
    return lambda known: replace(made(known), label=step.says)


def as_data(sketch: Sketch) -> Plan:
    drafts = [_draft(position, step) for position, step in enumerate(sketch.steps, start=1)]
    return plan_of(*drafts, start=Label.UNTRUSTED if sketch.outside else Label.ENDORSED)


@settings(max_examples=300, deadline=None)
@given(sketch=sketches())
def test_plan_is_refused_exactly_where_outside_text_or_what_is_private_gets_through(sketch: Sketch) -> None:
    """No path from outside to an effect without an endorsement or approval, and no private value to an argument that
    outside text can steer, is ever accepted; and what is fine is."""
    found = [f"{said} {fix}" for _node, said, fix in faults(as_data(sketch))]
    assert bool(found) == bool(Reach(sketch).wrong), (found, Reach(sketch).wrong)


@settings(max_examples=100, deadline=None)
@given(sketch=sketches())
def test_private_is_whatever_something_private_had_a_hand_in(sketch: Sketch) -> None:
    """The mark follows every value; endorsements and approvals keep it."""
    private = private_nodes(as_data(sketch))
    assert {_name(p) for p, is_private in enumerate(Reach(sketch).private) if is_private} == private


@settings(max_examples=300, deadline=None)
@given(sketch=sketches(), data=st.data())
def test_plan_that_lies_about_labels_is_refused(sketch: Sketch, data: st.DataObject) -> None:
    """A plan made by hand, whose labels say what its author likes: the path from outside counts, not what it says."""
    plan = as_data(sketch)
    at = data.draw(st.integers(0, len(plan.nodes) - 1))
    node = plan.nodes[at]
    label = data.draw(st.sampled_from(list(Label)))
    asks_less = False
    if isinstance(node, Work) and node.params and data.draw(st.booleans()):
        which = data.draw(st.integers(0, len(node.params) - 1))
        # What is approved may be passed as endorsed: that is no lie.
        asks_less = node.params[which].label.meets(label)
        lying = replace(node.params[which], label=label)
        node = replace(node, params=(*node.params[:which], lying, *node.params[which + 1 :]))
    elif isinstance(node, Work) and sketch.steps[at].reads:
        # Of what it reads from constants alone a stage itself says what it is.
        node = replace(node, label=label)
    lied = replace(plan, nodes=(*plan.nodes[:at], node, *plan.nodes[at + 1 :]))
    if Reach(sketch).wrong or (lied.data != plan.data and not asks_less):
        assert any(faults(lied))


# -- as a function ---------------------------------------------------------------------------------

MODELS = """\
class N{n}(BaseModel):
    order: str
    amount: int
"""

STEM = """\
@{decorator}
async def {name}({key}order: str, amount: int) -> str: ...
"""

_case = itertools.count()


def as_source(sketch: Sketch) -> str:
    reach = Reach(sketch)
    lines = [MODELS.format(n=n) for n in range(len(sketch.steps) + 1)]
    for name, kit in TOOLS.items():
        flags = [f"{flag}=True" for flag in ("untrusted", "private", "egress") if getattr(kit, flag)]
        said = ", ".join(["once='order'", *flags] if kit.effect else flags)
        decorator = f"{'effect' if kit.effect else 'tool'}({said})"
        lines.append(STEM.format(decorator=decorator, name=name, key="key: IdempotencyKey, " if kit.effect else ""))
    body = []
    for n, step in enumerate(sketch.steps, start=1):
        if step.kind == "endorse":
            lines.append(f"async def by{n}(claim: N{step.reads[0]}) -> N{n}: ...")
            body.append(f"n{n} = endorse(n{step.reads[0]}, by=by{n})")
        elif step.kind == "approve":
            lines.append(f"N{n} = N{step.reads[0]}")
            body.append(f"n{n} = approve(n{step.reads[0]}, by=role('f'))")
        else:
            fixed, given = [], []
            for name, limits in step.tools.items():
                constants = {a: pin for a, pin in limits.items() if not isinstance(pin, int)}
                values = {a: pin for a, pin in limits.items() if isinstance(pin, int)}
                fixed.append(name + (f".only({_written(constants)})" if constants else ""))
                given += [f"{name}.only({_written(values)})"] if values else []
            params = [f"a{i}: {_typed(reach, value)}" for i, value in enumerate(step.reads)] or ["text: str"]
            made = _labelled(reach, n, step.says if not step.reads else None)
            lines.append(f"@stage(tools=[{', '.join(fixed)}])\nasync def s{n}({', '.join(params)}) -> {made}: ...")
            narrowed = f".limited({', '.join(given)})" if given else ""
            body.append(f"n{n} = s{n}{narrowed}({', '.join(f'n{value}' for value in step.reads) or repr('a')})")
    every = range(len(sketch.steps) + 1)
    ends = [f"a{n}: {_typed(reach, n)}" for n in every]
    made = _ending(reach)
    lines.append(f"@stage()\nasync def end({', '.join(ends)}) -> {made}: ...")
    start = f"n0: {'Untrusted' if sketch.outside else 'Endorsed'}[N0]"
    body.append(f"return end({', '.join(f'n{n}' for n in every)})")
    lines.append(f"@workflow\ndef plan({start}) -> {made}:\n" + "\n".join(f"    {line}" for line in body))
    return "\n".join(lines)


def _written(limits: Mapping[str, Pin]) -> str:
    said = []
    for argument, pin in limits.items():
        constant = "'A-1'" if argument == "order" else "3"
        bound = "matches('[A-Z]-[0-9]')" if argument == "order" else "at_most(3)"
        value = f"n{pin}.value.{argument}" if isinstance(pin, int) else constant if pin == "constant" else bound
        said.append(f"{argument}={value}")
    return ", ".join(said)


def _typed(reach: Reach, position: int) -> str:
    label = (
        "Approved" if reach.approved[position]
        else "Untrusted" if reach.tainted[position]
        else "Endorsed" if reach.vouched[position]
        else ""
    )  # fmt: skip
    return f"{label}[N{position}]" if label else f"N{position}"


def _labelled(reach: Reach, position: int, says: Label | None) -> str:
    label = says or (
        Label.UNTRUSTED if reach.tainted[position] else Label.ENDORSED if reach.vouched[position] else Label.PLAIN
    )
    return f"N{position}" if label is Label.PLAIN else f"{label.capitalize()}[N{position}]"


def _ending(reach: Reach) -> str:
    return "Untrusted[str]" if any(reach.tainted) else "Endorsed[str]" if any(reach.vouched) else "str"


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sketch=sketches(most=4))
def test_function_is_refused_exactly_where_the_plan_that_it_says_would_be(sketch: Sketch, tmp_path: Path) -> None:
    """Declared and traced, the same plans are refused: at the stage, at the call or as a whole, with line and fix."""
    if any(step.kind == "stage" and not step.reads and step.says is Label.PLAIN for step in sketch.steps):
        # What is plain has no `.value`, and may be read as it is: written otherwise, it is the same.
        return
    folder = tmp_path / str(next(_case))
    folder.mkdir()
    wrong = Reach(sketch).wrong
    if wrong:
        with pytest.raises(PlanError) as caught:
            Definitions(folder).load(as_source(sketch))
        assert caught.value.where
        assert caught.value.fix
        return
    plan: Plan = Definitions(folder).load(as_source(sketch)).plan.plan
    assert not any(faults(plan))
    private = {_name(p) for p, is_private in enumerate(Reach(sketch).private) if is_private}
    assert private_nodes(plan) - {plan.result} == private


def test_sketches_are_of_every_sort() -> None:
    """The search above has both plans that are right, with effects and private values, and each way to be wrong."""
    seen: set[str] = set()

    @settings(max_examples=400, deadline=None, database=None)
    @given(sketch=sketches())
    def look(sketch: Sketch) -> None:
        reach = Reach(sketch)
        for said in reach.wrong:
            seen.add(" ".join(word for word in said.split() if not word.isdigit()).split(" into ")[0])
        if not reach.wrong:
            kits = [TOOLS[name] for step in sketch.steps for name in step.tools]
            seen.update(["right, with an effect"] if any(kit.effect for kit in kits) else [])
            seen.update(["right, sends what is private"] if any(reach.private) and any(k.egress for k in kits) else [])

    look()
    for sort in (
        "right, with an effect",
        "right, sends what is private",
        "outside text reaches the effect at",
        "nothing that was vouched for reaches the effect at",
        "is limited by outside text",
        "outside text at can steer what is private",
        "endorses what is not from outside",
        "approves what cannot be approved",
    ):
        assert any(sort in said for said in seen), (sort, seen)


@pytest.mark.parametrize("argument", ["order", "amount"])
@pytest.mark.parametrize("pin", ["most", None])
def test_one_argument_that_is_left_open_is_enough(argument: str, pin: str | None) -> None:
    """Every argument of a tool that reaches out is pinned, or the stage is refused."""
    limits: dict[str, Pin] = {"order": "constant", "amount": "constant"}
    held = {"post": limits, "diary": {}}
    right = Sketch(True, (Step("stage", (0,), tools=held),))
    assert not any(faults(as_data(right)))
    if pin is None:
        del limits[argument]
    else:
        limits[argument] = pin
    (fault,) = faults(as_data(right))
    assert fault[1] == "outside text could make do_n1 send what is private (diary) through post."
    assert fault[2].startswith(f"Pin {argument} with post.only(…)")

"""Nothing in a plan can change unseen, and nothing that holds it up can go without being called weaker."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Iterator, Mapping
from dataclasses import replace
from enum import Enum
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatework.plan.changes import _INPUT, _PLAN, _RULES, Bearing, changes, control, inputs, tools, weakens, work
from gatework.plan.expr import Compare, Const, Ref
from gatework.plan.faults import faults
from gatework.plan.labels import Label
from gatework.plan.plan import (
    Approval,
    Arm,
    Budget,
    By,
    Call,
    Child,
    Choice,
    GuardUse,
    Input,
    Join,
    Limit,
    Loop,
    Node,
    Param,
    Part,
    Pause,
    Plan,
    Question,
    ToolUse,
    Until,
    Work,
)
from gatework.testing.factories import Draft, approve, effect, endorse, plan_of, stage
from tests.explorer.shapes import KINDS, draft
from tests.unit.defining import Definitions

# -- every field of every piece of plan data -------------------------------------------------------


EMPTY = {
    "budget": Budget(model_calls=9, tokens=9),
    "before": GuardUse(name="more", binds={}, timeout_seconds=1.0),
    "guards": GuardUse(name="more", binds={}, timeout_seconds=1.0),
    "tools": ToolUse(name="more", kind="effect", once="order"),
    "limits": Limit(argument="amount", rule="at_most", value=Const("9"), kind="number"),
    "model_calls": 9,
    "tokens": 9,
    "money": "0.5",
    "seconds": 9.0,
    "output_bytes": 9,
    "show": Ref("owed"),
    "when": Compare("gt", Ref("owed", ("amount",)), Const(9), "number"),
    "not_by": Ref("owed", ("order",)),
    "otherwise": By(role="board"),
    "approver": By(role="board"),
    "override": By(role="board", identity="signed"),
    "arm": Arm(choice="large", way=0),
    "until": Until(loop="text", rounds=3),
    "on": Ref("owed"),
    "items": Ref("owed"),
    "undos": Work(name="more", runs="more", params=(), label=Label.PLAIN, contract=""),
}
"""What may stand where nothing stands."""
MORE = {"tool_calls": 9, "parts": plan_of(stage("more"), name="refund.more")}


def mutants(data: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """The same data with one thing in it changed, added, taken away or moved; with the path to it."""
    if dataclasses.is_dataclass(data) and not isinstance(data, type):
        hints = typing.get_type_hints(type(data))
        for f in dataclasses.fields(data):
            now = getattr(data, f.name)
            closed = typing.get_origin(hints[f.name]) is typing.Literal
            others = [("", choice) for choice in typing.get_args(hints[f.name]) if choice != now]
            for path, mutant in others if closed else mutants(now, f.name):
                yield f"{type(data).__name__}.{f.name}{path}", _with(data, f.name, mutant)
    elif isinstance(data, tuple):
        for i, item in enumerate(data):
            yield f"[-{i}]", data[:i] + data[i + 1 :]
            for path, mutant in mutants(item):
                yield f"[{i}]{path}", (*data[:i], mutant, *data[i + 1 :])
        if len(data) > 1:
            yield "[turned]", tuple(reversed(data))
        yield "[+]", (*data, data[0] if data else EMPTY.get(name, "more"))
    elif isinstance(data, Mapping):
        yield "{+}", {**data, "more": MORE.get(name, "more")}
        for key in data:
            yield f"{{-{key[:8]}}}", {name: value for name, value in data.items() if name != key}
            if isinstance(data[key], str):
                yield f"{{{key}}}", {**data, key: data[key] + "x"}
            elif isinstance(data[key], int):
                yield f"{{{key}}}", {**data, key: data[key] + 1}
            elif isinstance(data[key], Plan):
                for path, mutant in mutants(data[key].nodes, "nodes"):
                    yield f"{{{key}}}{path}", {**data, key: replace(data[key], nodes=mutant)}
    elif isinstance(data, Enum):
        yield from (("", other) for other in type(data) if other is not data)
    elif isinstance(data, bool):
        yield "", not data
    elif isinstance(data, int | float):
        yield from (("", data + 1), ("", data / 2))
    elif isinstance(data, str):
        yield "", data + "x"
    elif data is None:
        yield "", EMPTY[name]


def _with(data: Any, name: str, value: Any) -> Any:
    """Also where a type says that it cannot be: a field that has one value now may have more in a later format."""
    made = replace(data)
    object.__setattr__(made, name, value)
    return made


PLAIN = Work(name="", runs="", params=(), label=Label.PLAIN, contract="")
NO_CALL = Call(name="", children=())

BODY = """
claim = extract(mail)
owed = endorse(claim, by=look_up)
letter = draft(owed)
agreed = approve(owed, by=role("finance"), when=any_of(owed.value.amount > 100, owed.value.gift), show=[claim, letter])
receipt = pay(agreed)
return send(letter, receipt)
"""


@pytest.fixture
def traced(defining: Definitions) -> Plan:
    plan: Plan = defining.plan(BODY).plan
    budget = Budget(model_calls=2, tokens=100, money="0.25", tool_calls={"look": 3}, seconds=9.5, output_bytes=100)
    claim, *rest = plan.nodes
    assert isinstance(claim, Work)
    head = By(role="head", identity="claimed")
    nodes = [replace(claim, budget=budget, override=head), *rest]
    at = plan.index["receipt"]
    receipt = nodes[at]
    assert isinstance(receipt, Work)
    limits = (
        Limit(argument="order", rule="is", value=Ref("agreed", ("order",)), kind="text"),
        Limit(argument="amount", rule="at_most", value=Const("100"), kind="number"),
        Limit(argument="amount", rule="one_of", value=Const(["50", "60"]), kind="number"),
    )
    nodes[at] = replace(receipt, tools=(replace(receipt.tools[0], limits=limits),), undo="unpay")
    undo = replace(receipt, name="unpay", runs="unpay", tools=())
    return replace(with_control(plan, nodes), undos=(undo,), acknowledged=("letter",), budget=budget)


def with_control(plan: Plan, nodes: list[Node]) -> Plan:
    """The plan with every construct of control flow behind its nodes."""
    letter = nodes[plan.index["letter"]]
    assert isinstance(letter, Work)
    any_ = letter.contract
    ended, large = Label.ENDORSED, Compare("gt", Ref("owed", ("amount",)), Const("100"), "number")
    text = Param(name="text", label=ended, contract=any_, source=Ref("text"))
    more: list[Node] = [
        Choice(name="large", when=large, kind="when"),
        replace(letter, name="long", arm=Arm(choice="large", way=0), undo="unlong"),
        replace(letter, name="short", arm=Arm(choice="large", way=1)),
        Join(name="written", choice="large", options=(Ref("long"), Ref("short")), label=ended, contract=any_),
        Choice(name="which", on=Ref("owed"), tag="level", ways=(("low",), ("middle", "high"))),
        Pause(name="cooled", seconds=60.0, arm=Arm(choice="which", way=1)),
        Loop(name="text", start=Ref("written"), label=ended, contract=any_),
        Work(name="better", runs="revise", params=(text,), label=ended, contract=any_),
        Work(
            name="good",
            runs="reads_well",
            params=(replace(text, source=Ref("better")),),
            label=ended,
            contract=any_,
            guards=(GuardUse(name="reads_well", binds={}, timeout_seconds=1.0),),
            until=Until(loop="text", rounds=3),
            kind="until",
        ),
        Question(name="publish", prompt="Publish this?", contract=any_, by=By(role="editor"), show=(Ref("good"),)),
        Call(
            name="both",
            kind="parallel",
            at_most=2,
            children=tuple(
                Child(workflow=name, plan=part.digest, params=(text,), effects=True) for name, part in PARTS.items()
            ),
        ),
        Part(name="one", call="both", child=0, label=ended, contract=any_),
        Part(name="two", call="both", child=1, label=ended, contract=any_),
        Call(
            name="each",
            kind="each",
            at_most=4,
            items=Ref("owed", ("items",)),
            item="document",
            children=(Child(workflow="other", plan="0" * 64, params=(replace(text, name="document"),)),),
            failed="collect",
            label=ended,
            contract=any_,
        ),
    ]
    return replace(plan, nodes=(*nodes, *more), parts=PARTS)


PARTS = {
    f"refund.{name}": plan_of(stage("draft", guards=["short"]), name=f"refund.{name}", start=Label.ENDORSED)
    for name in ("one", "two")
}


def test_change_of_any_field_is_never_silent(traced: Plan) -> None:
    """Whatever is changed, in whatever piece of plan data, something is said of it."""
    seen = set()
    for path, mutant in mutants(traced):
        if mutant.data == traced.data:
            continue
        seen.add(path.partition("[")[0])
        assert changes(traced, mutant), path
        assert changes(mutant, traced), path
    assert {"Plan.name", "Plan.nodes", "Plan.contracts{+}", "Plan.acknowledged"} <= seen
    assert len(seen) > 10


def pieces(data: Any) -> Iterator[type]:
    """Every kind of plan data that a plan can hold, by its annotations."""
    pending, seen = [data], set()
    while pending:
        kind = pending.pop()
        pending += typing.get_args(kind)
        if dataclasses.is_dataclass(kind) and kind not in seen:
            seen.add(kind)
            pending += typing.get_type_hints(kind).values()
            yield typing.cast(type, kind)


def test_change_of_any_field_is_tried_above(traced: Plan) -> None:
    """The plan that is mutated holds every kind of plan data, save what conditions are made of."""
    held = {type(item).__name__ for item in _inside(traced)}
    wanted = {kind.__name__ for kind in pieces(Plan)} - {"All", "Not", "Present"}
    assert wanted <= held, wanted - held


def test_every_field_of_plan_data_has_words_of_its_own() -> None:
    """A field that is added is given a rule in gatework/changes, rather than said in general words."""
    for kind, rules in {
        Plan: _PLAN,
        Input: _INPUT,
        **_RULES,
        Param: inputs.param_rules(PLAIN),
        GuardUse: work.GUARD,
        ToolUse: tools.RULES,
        Until: work.until_rules(PLAIN),
        Child: control.child_rules(NO_CALL, NO_CALL, ""),
    }.items():
        assert {f.name for f in dataclasses.fields(kind)} == set(rules), kind.__name__


def _inside(data: Any) -> Iterator[Any]:
    yield data
    if dataclasses.is_dataclass(data) and not isinstance(data, type):
        for f in dataclasses.fields(data):
            yield from _inside(getattr(data, f.name))
    elif isinstance(data, tuple):
        for item in data:
            yield from _inside(item)


def test_change_of_a_field_that_nobody_knows_is_unclear(traced: Plan) -> None:
    """A field that is added later is said in general words, and counts as weaker, until it has words of its own."""
    later = dataclasses.make_dataclass("Work", [("zeal", int, 3)], bases=(Work,), frozen=True, kw_only=True)

    def with_zeal(zeal: int) -> Plan:
        first, *rest = traced.nodes
        fields = {f.name: getattr(first, f.name) for f in dataclasses.fields(first)}
        return replace(traced, nodes=(later(**fields, zeal=zeal), *rest))

    (change,) = changes(with_zeal(3), with_zeal(4))
    assert (change.where, change.what, change.bearing) == ("claim", "zeal of claim is 4, it was 3", Bearing.UNCLEAR)


# -- whole plans -----------------------------------------------------------------------------------


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    """A plan without faults of three to seven nodes, each reading any earlier value."""
    start = draw(st.sampled_from([Label.UNTRUSTED, Label.ENDORSED]))
    drafts: list[Draft] = []
    size = draw(st.integers(3, 7))
    while len(drafts) < size:
        read = draw(st.integers(max(0, len(drafts) - 3), len(drafts)))
        fitting = [
            letter
            for letter in KINDS
            if not any(faults(plan_of(*drafts, draft(letter, len(drafts), read), start=start)))
        ]
        drafts.append(draft(draw(st.sampled_from(fitting)), len(drafts), read))
    return plan_of(*drafts, start=start)


@settings(max_examples=80, deadline=None)
@given(old=plans(), new=plans())
def test_change_between_any_two_plans_is_said(old: Plan, new: Plan) -> None:
    """Plans of two digests differ in something, and in words of its own; plans of one digest in nothing."""
    found = changes(old, new)
    assert bool(found) == (old.digest != new.digest)
    assert not any("no words here" in change.what for change in found)
    if found and not weakens(found):
        assert weakens(changes(new, old)) or all(change.bearing is Bearing.NEITHER for change in found)


def weakened(plan: Plan) -> Iterator[tuple[str, Plan]]:
    """The plan with one thing less that holds it up, or one limit wider."""
    for i, node in enumerate(plan.nodes):

        def put(made: Node, i: int = i) -> Plan:
            return replace(plan, nodes=(*plan.nodes[:i], made, *plan.nodes[i + 1 :]))

        assert isinstance(node, Work | Approval)
        yield f"{node.name} waits longer", put(replace(node, expires_seconds=node.expires_seconds * 2))
        for label in (Label.PLAIN, Label.UNTRUSTED):
            if label is not node.label and node.label is not Label.PLAIN:
                yield f"label of {node.name} is {label}", put(replace(node, label=label))
        if isinstance(node, Approval):
            yield f"{node.name} is gone", replace(_without(plan, node.name, node.value.node), acknowledged=())
            yield f"{node.name} by a click", put(replace(node, click=True)) if not node.click else plan
            for shown in node.show:
                less = put(replace(node, show=tuple(ref for ref in node.show if ref != shown)))
                yield f"{node.name} does not show {shown}", less if shown.node not in _reads(less, i) else plan
        if isinstance(node, Work):
            for use in node.guards:
                yield f"{node.name} without {use.name}", put(replace(node, guards=_less(node.guards, use)))
                longer = tuple(replace(u, timeout_seconds=99.0) if u == use else u for u in node.guards)
                yield f"{use.name} of {node.name} has longer", put(replace(node, guards=longer))
            for tool in node.tools:
                asked = tuple(replace(t, probe=False) if t == tool else t for t in node.tools)
                yield f"{tool.name} without its probe", put(replace(node, tools=asked))
                for limits, how in ((), "any"), (tool.limits[:1], "fewer"):
                    if limits != tool.limits:
                        looser = tuple(replace(t, limits=limits) if t == tool else t for t in node.tools)
                        yield f"{tool.name} with {how} limits", put(replace(node, tools=looser))
                more = replace(tool, name="another")
                yield f"{node.name} may do more", put(replace(node, tools=(*node.tools, more)))
            yield f"{node.name} may be overridden", put(replace(node, override=By(role="board", identity="signed")))
            yield f"{node.name} tries more often", put(replace(node, attempts=node.attempts + 1))
            yield f"{node.name} takes longer", put(replace(node, timeout_seconds=node.timeout_seconds + 1))
            for budget in (
                Budget(model_calls=36, tokens=1),
                Budget(model_calls=1, tokens=360_000),
                Budget(model_calls=1),
            ):
                yield f"{node.name} spends more", put(replace(node, budget=budget))
            if node.kind == "endorse":
                yield f"{node.name} by nobody's records", put(replace(node, kind="stage"))
                yield f"{node.name} is gone", _without(plan, node.name, node.reads[0].node)
            for p, param in enumerate(node.params):
                if param.label in (Label.ENDORSED, Label.APPROVED):
                    lower = replace(param, label=Label.UNTRUSTED)
                    params = (*node.params[:p], lower, *node.params[p + 1 :])
                    yield f"{node.name} asks for less", put(replace(node, params=params))
    if plan.input.label is Label.UNTRUSTED:
        for label in (Label.PLAIN, Label.ENDORSED):
            yield f"the input counts as {label}", replace(plan, inputs=(replace(plan.input, label=label),))


def _reads(plan: Plan, i: int) -> set[str]:
    return {ref.node for ref in plan.nodes[i].reads}


def _less(items: tuple[Any, ...], item: Any) -> tuple[Any, ...]:
    return tuple(other for other in items if other != item)


def _without(plan: Plan, name: str, instead: str) -> Plan:
    """The plan without a node, whose readers read another."""
    from gatework.plan.changes.pair import renamed

    nodes = tuple(renamed(node, {name: instead}) for node in plan.nodes if node.name != name)
    result = instead if plan.result == name else plan.result
    return replace(plan, nodes=nodes, result=result, acknowledged=tuple(n for n in plan.acknowledged if n != name))


@settings(max_examples=10, deadline=None)
@given(plan=plans())
def test_change_that_takes_a_guard_an_approval_a_label_or_a_limit_away_weakens(plan: Plan) -> None:
    """Whatever else is said, one change says that it weakens; and nothing of it is said to strengthen."""
    for what, weaker in weakened(plan):
        if weaker.data == plan.data:
            continue
        found = changes(plan, weaker)
        assert any(change.bearing is Bearing.WEAKENS for change in found), (what, found)
        # A renamed node hides nothing of it.
        assert weakens(changes(plan, _all_renamed(weaker))), what


def _all_renamed(plan: Plan) -> Plan:
    from gatework.plan.changes.pair import renamed

    names = {name: f"{name}_now" for name in (plan.input.name, *plan.index)}
    nodes = tuple(replace(renamed(node, names), name=names[node.name]) for node in plan.nodes)
    return replace(
        plan,
        inputs=(replace(plan.input, name=names[plan.input.name]),),
        nodes=nodes,
        result=names.get(plan.result, plan.result),
        acknowledged=tuple(names.get(name, name) for name in plan.acknowledged),
    )


@settings(max_examples=25, deadline=None)
@given(plan=plans())
def test_change_of_names_alone_is_no_change_of_strength(plan: Plan) -> None:
    """Every node is found again under its new name; only the keys of effects depend on one."""
    found = changes(plan, _all_renamed(plan))
    effects = {f"{node.name}_now" for node in plan.nodes if isinstance(node, Work) and node.tools}
    assert {change.where for change in found if change.weakens} <= effects
    assert {change.bearing for change in found} <= {Bearing.NEITHER, Bearing.UNCLEAR}


def test_change_past_an_approval_that_stays_is_seen() -> None:
    """An approval that is still asked, and that nothing waits for, is no approval."""

    def plan(read: str) -> Plan:
        return plan_of(
            stage("claim"), endorse("owed", "claim"), approve("agreed", "owed"), effect("paid", read), result="paid"
        )

    found = changes(plan("agreed"), plan("owed"))
    said = [(change.what, change.bearing) for change in found]
    assert ("paid reads owed instead of agreed, past the approval by finance", Bearing.WEAKENS) in said


def test_change_to_another_approval_is_not_called_stronger() -> None:
    """An approval of something else, by somebody else, is no step up."""

    def plan(*, shortcut: bool) -> Plan:
        side = [approve("waved", "claim", role="intern")] if shortcut else []
        return plan_of(
            stage("claim"),
            endorse("owed", "claim"),
            *side,
            approve("agreed", "owed"),
            effect("paid", "waved" if shortcut else "agreed"),
        )

    found = changes(plan(shortcut=False), plan(shortcut=True))
    assert any(change.where == "paid" and change.weakens for change in found), found


def test_change_of_a_constant_into_a_value_is_unclear() -> None:
    """What a stage is told from outside its plan may be anything."""
    one = plan_of(stage("claim"), stage("letter", "claim", Const("warm")))
    other = plan_of(stage("claim"), stage("letter", "claim", Ref("start")))
    assert weakens(changes(one, other))
    assert weakens(changes(other, one))

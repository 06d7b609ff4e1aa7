"""Random plans, honest and not: whatever a plan says of itself, what is true of its values decides."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gatework.plan.expr import Compare, Const, Ref
from gatework.plan.labels import Label
from gatework.plan.plan import Approval, Node, Plan, ToolUse, Work
from gatework.run.state import Gate, Run
from gatework.testing import Driver
from gatework.testing.factories import Draft, Known, approve, endorse, limit, plan_of, sealed, stage, tool


@st.composite
def uses(draw: st.DrawFn, known: list[str]) -> ToolUse:
    """A tool with any flags, and limits by constants and any earlier value."""
    values = st.sampled_from([1, *(Ref(name) for name in known)])
    limits = [
        limit(argument, draw(st.sampled_from(["is", "is", "at_most"])), draw(values))
        for argument in draw(st.sampled_from([(), ("order",), ("order", "amount"), ("order", "amount")]))
    ]
    kind: Any = draw(st.sampled_from(["tool", "tool", "effect"]))
    number = draw(st.integers(0, 10**9))
    flag = st.booleans()
    return tool(f"tool{number}", kind=kind, limits=limits, untrusted=draw(flag), private=draw(flag), egress=draw(flag))


@st.composite
def any_plans(draw: st.DrawFn) -> Plan:
    """A plan of two to six nodes, of which some may carry labels that they have no right to."""
    drafts: list[Draft] = []
    names = ["start"]
    for position in range(draw(st.integers(2, 6))):
        name = f"n{position}"
        reads = draw(st.lists(st.sampled_from(names), min_size=1, max_size=2, unique=True))
        kind = draw(st.sampled_from(["stage", "stage", "stage", "endorse", "approve"]))
        if kind == "approve":
            when = Compare("gt", Ref(reads[-1]), Const(100), "number") if draw(st.booleans()) else None
            drafts.append(approve(name, reads[0], when=when))
        elif kind == "endorse":
            drafts.append(endorse(name, reads[0]))
        else:
            tools = [draw(uses(names)) for _ in range(draw(st.integers(0, 2)))]
            lies = draw(st.none() | st.sampled_from(list(Label)))
            drafts.append(_lying(stage(name, *reads, tools=tools), lies))
        names.append(name)
    return plan_of(*drafts, start=draw(st.sampled_from([Label.UNTRUSTED, Label.ENDORSED, Label.PLAIN])))


def _lying(draft: Draft, label: Label | None) -> Draft:
    def drafted(known: Known) -> Node:
        node = draft(known)
        return node if label is None or not isinstance(node, Work) else replace(node, label=label)

    return drafted


class Origin:
    """What is true of every value, worked out anew: outside text has a hand in it, something private has."""

    def __init__(self, plan: Plan) -> None:
        self.outside = {"start"} if plan.input.label is Label.UNTRUSTED else set()
        self.private: set[str] = set()

    def steered(self, node: Work) -> bool:
        return any(use.untrusted for use in node.tools) or bool({ref.node for ref in _inputs(node)} & self.outside)

    def add(self, node: Node, by_hand: bool) -> None:
        assert isinstance(node, Work | Approval)
        read = {ref.node for ref in node.reads} if isinstance(node, Work) else {node.value.node}
        if read & self.private or (isinstance(node, Work) and any(use.private for use in node.tools)):
            self.private.add(node.name)
        if isinstance(node, Work) and node.kind == "stage" and not by_hand and self.steered(node):
            self.outside.add(node.name)


def _inputs(node: Work) -> list[Ref]:
    return [param.source for param in node.params if isinstance(param.source, Ref)]


def _judge(plan: Plan, origin: Origin, run: Run) -> None:
    node = plan.nodes[plan.index[run.node]]
    assert isinstance(node, Work)
    steered = origin.steered(node)
    if any(use.kind == "effect" for use in node.tools):
        assert not steered, "outside text reaches an effect"
    secret = {ref.node for ref in node.reads} & origin.private or any(use.private for use in node.tools)
    for use in node.tools:
        refs = [one.value.node for one in use.limits if isinstance(one.value, Ref)]
        assert not set(refs) & origin.outside, "outside text sets a limit"
        if use.egress and steered and secret:
            assert {one.argument for one in use.limits if one.rule == "is"} == {"order", "amount"}, "it could leave"


@given(plan=any_plans(), hands=st.lists(st.booleans(), min_size=12, max_size=12))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_nothing_runs_that_outside_text_could_steer_into_harm(plan: Plan, hands: list[bool]) -> None:
    """Whatever a plan says of itself: what is true of its values decides, and is held value by value."""
    driver, origin, seen = Driver(plan).begin(50), Origin(plan), {"start"}
    for hand in hands:
        due = driver.due
        if isinstance(due, Run):
            _judge(plan, origin, due)
            driver.finish(50)
        elif isinstance(due, Gate):
            if due.kind == "approval":
                driver.decide("approve")
            elif not hand:
                return
            else:
                driver.edit(50, due.node)
        else:
            break
        for name, held in driver.state.values.items():
            node = plan.nodes[plan.index[name]] if name in plan.index else None
            if node is not None and name not in seen:
                if isinstance(node, Approval) and node.when is not None and isinstance(due, Run):
                    assert node.value.node not in origin.outside, "outside text approved itself"
                origin.add(node, held.by_hand)
            seen.add(name)
            assert held.private is (name in origin.private)
            assert held.label is Label.UNTRUSTED or name not in origin.outside
    assert sealed(50) in [held.sealed for held in driver.state.values.values()]

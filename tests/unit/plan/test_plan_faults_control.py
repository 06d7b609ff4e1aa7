"""What is said of plans with control flow that no tracing has seen: a lock file that somebody wrote by hand."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from gatework.errors import OrderError
from gatework.machine import machine
from gatework.plan.faults import faults
from gatework.plan.plan import Plan
from gatework.testing import factories
from gatework.values import canonical, wire
from tests.unit.define.test_definitions_control import KIT
from tests.unit.defining import Definitions

BODY = """\
@stage()
async def take_back(letter: Endorsed[Letter], owed: Endorsed[Owed]) -> Endorsed[Letter]: ...
@stage(undo=take_back)
async def keep(owed: Endorsed[Owed]) -> Endorsed[Letter]: ...

@workflow
def plan(mail: Untrusted[Mail]) -> Untrusted[Letter]:
    request = sort(mail)
    owed = endorse(extract(mail), by=look_up)
    reply = choose(request, case(Refund, lambda it: refuse(it)), case(Inquiry, lambda it: answer(it)))
    when(owed.value.gift, lambda: draft(owed))
    good = repeat(lambda text: mend(text, mail), reply, until=fine, rounds=3)
    pause(timedelta(days=1))
    letters = open_all(mail)
    found = each(lambda letter: file.as_("better")(letter, good), letters)
    one, two = parallel(lambda: pick(found), lambda: polish(draft.as_("other")(owed)))
    said = ask_person(Answer, "Go on?", by=role("editor"), show=[good, two])
    theirs = inner(one)
    _ = keep(owed)
    return when(said.value.yes, lambda: file(theirs, one), lambda: file.as_("b")(theirs, theirs))
"""

Change = Callable[[dict[str, Any], Any], object]
"""Something done to a plan's JSON, given its nodes by name."""


def put(node: str, *path: str | int, to: object) -> Change:
    def change(nodes: dict[str, Any], _: Any) -> None:
        *inner, last = path
        data = nodes[node]
        for step in inner:
            data = data[step]
        data[last] = to

    return change


def ref(node: str, *path: str) -> dict[str, Any]:
    return {"node": node, "path": list(path), "op": "ref"}


def move(name: str, before: str) -> Change:
    def change(nodes: dict[str, Any], data: Any) -> None:
        data["nodes"].remove(nodes[name])
        data["nodes"].insert(data["nodes"].index(nodes[before]), nodes[name])

    return change


def drop(name: str) -> Change:
    return lambda nodes, data: data["nodes"].remove(nodes[name])


def in_part(name: str, *path: str | int, to: object) -> Change:
    def change(_: Any, data: Any) -> None:
        *inner, last = path
        found = data["parts"][name]
        for step in inner:
            found = found[step]
        found[last] = to

    return change


BROKEN: dict[str, tuple[Change, str]] = {
    # Ways.
    "a value read outside of its way": (
        put("file", "params", 1, "source", to=ref("answer")),
        "answer, which stands in",
    ),
    "a value read in another way": (put("answer", "params", 0, "source", to=ref("refuse")), "refuse, which stands in"),
    "a value that is a choice": (put("said", "show", to=[ref("choose_reply")]), "choose_reply, which gives no value"),
    "a value that is a pause": (put("good", "params", 0, "source", to=ref("pause")), "pause"),
    "a way that its choice lacks": (put("answer", "arm", "way", to=7), "a way that its choice does not have"),
    "a way before the first": (put("refuse", "arm", "way", to=-1), "a way that its choice does not have"),
    "a way of no choice": (put("answer", "arm", "choice", to="owed"), "owed, which is no choice"),
    "a way of a later choice": (put("answer", "arm", "choice", to="when_owed"), "when_owed, which is no choice"),
    "a way that goes on later": (put("said", "arm", to={"choice": "choose_reply", "way": 1}), "a way that has ended"),
    "ways out of order": (move("answer", "refuse"), "a way that has ended"),
    "a join elsewhere": (move("reply", "said"), "does not stand right behind|before it"),
    "a join of another choice": (put("reply", "choice", to="when_owed"), "does not stand right behind"),
    "a join that gives the other way": (
        put("reply", "options", to=[ref("answer"), ref("refuse")]),
        "answer, which stands in",
    ),
    "a join that lacks a way": (put("reply", "options", to=[ref("refuse")]), "a whole value for each way"),
    "a join with a better label": (put("reply", "label", to="endorsed"), "endorsed data, and is untrusted"),
    "a choice without ways": (put("choose_reply", "ways", to=[]), "a way that its choice does not have"),
    "a choice with one tag in two ways": (
        put("choose_reply", "ways", to=[["refund"], ["refund"]]),
        "are not told apart",
    ),
    "a choice by no tag": (put("choose_reply", "tag", to=""), "one of several models"),
    "a condition that is a constant": (put("when_owed", "when", to={"parts": [], "op": "all"}), "is a constant"),
    "a result in a way": (lambda _, data: data.update(result="refuse"), "refuse is not there where its way"),
    # Loops.
    "a loop without an end": (drop("good"), "has no end|does not come before"),
    "an end of another loop": (put("good", "until", "loop", to="reply"), "a loop that has not begun"),
    "a loop whose variable is read outside": (
        put("said", "show", to=[ref("good_so_far")]),
        "good_so_far, which stands in a way or a loop",
    ),
    "a round that does nothing": (
        put("good", "params", 0, "source", to=ref("good_so_far")),
        "a round of good_so_far does nothing",
    ),
    "a round with a better label": (put("good", "label", to="endorsed"), "takes untrusted data"),
    "a loop with a better label": (put("good_so_far", "label", to="endorsed"), "is endorsed and starts from untrusted"),
    "no rounds": (put("good", "until", "rounds", to=0), "ends after no round"),
    "an end without its guard": (put("good", "guards", to=[]), "more than one guard|a guard"),
    # People.
    "an answer of several": (put("said", "by", "quorum", to=2), "asks several|tells people"),
    "an answer called endorsed": (put("said", "label", to="endorsed"), "calls an answer endorsed"),
    "a question of nothing": (put("said", "prompt", to=" "), "asks nothing"),
    "a question of nobody": (put("said", "by", "role", to=""), "does not say who answers"),
    # Time.
    "a pause of no time": (put("pause", "seconds", to=0), "a limit that is none"),
    # Child runs.
    "runs of another plan": (put("found", "children", 0, "plan", to="0" * 64), "another plan than plan.found"),
    "runs of no plan": (put("theirs", "children", 0, "plan", to="latest"), "to which plan its runs are held"),
    "runs of itself": (put("theirs", "children", 0, "workflow", to="plan"), "plan calls itself"),
    "runs of what is no workflow": (put("theirs", "children", 0, "workflow", to="../etc"), "which is no workflow"),
    "runs that start from less": (put("found", "children", 0, "params", to=[]), "what it starts from"),
    "an input with a better label": (
        put("found", "children", 0, "params", 1, "label", to="endorsed"),
        "starts from endorsed good and gets untrusted",
    ),
    "an item that is the whole list": (put("found", "item", to="good"), "does not hand its runs one item each"),
    "a list with a better label": (put("found", "label", to="endorsed"), "endorsed data, and is untrusted"),
    "no run at once": (put("found", "at_most", to=0), "a limit that is none"),
    "a part that takes its input for better": (
        in_part("plan.found", "inputs", 0, "label", to="endorsed"),
        "breaks|another plan|asks for",
    ),
    "a part that breaks a rule": (
        in_part("plan.two", "nodes", 0, "label", to="approved"),
        "makes approved of endorsed",
    ),
    "a part under another name": (in_part("plan.two", "name", to="plan.three"), "no name of a part"),
    "a part with a better result": (put("one", "label", to="endorsed"), "another value than its branch"),
    "parts out of order": (move("two", "one"), "among its parts"),
    "a part too few": (drop("two"), "lacks a part"),
    "a part of no call": (put("one", "call", to="found"), "among its parts"),
    "effects that are not told": (
        put("found", "children", 0, "effects", to=True),
        "says of plan.found what does not hold",
    ),
    "a mark of what is private that is not told": (
        put("found", "children", 0, "private", to=True),
        "says of plan.found what does not hold",
    ),
    # Undos.
    "an undo that is not there": (put("keep", "undo", to="gone"), "no undo of the plan"),
    "an undo of nothing": (put("keep", "undo", to=""), "undo_keep undoes nothing"),
    "an undo of something else": (
        lambda _, data: data["undos"][0]["params"][0].update(source=ref("owed")),
        "does not take what keep gave",
    ),
    "an undo that reads what comes later": (
        lambda _, data: data["undos"][0]["params"][1].update(source=ref("file")),
        "uses file, which",
    ),
    "an undo that is undone": (lambda _, data: data["undos"][0].update(undo="undo_keep"), "is no undo"),
    "one undo of two": (put("draft", "undo", to="undo_keep"), "undoes more than one|does not take"),
}

ORDER = {
    case for case in BROKEN if case.startswith(("a value read", "a way", "ways", "a join elsewhere", "a loop whose"))
}


@pytest.fixture(scope="module")
def traced(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    plan: Plan = Definitions(tmp_path_factory.mktemp("plans")).load(KIT + BODY).plan.plan
    return plan


def changed(plan: Plan, change: Change) -> Plan:
    data = copy.deepcopy(json.loads(canonical.dumps(plan.data)))
    change({node["name"]: node for node in data["nodes"]}, data)
    read: Plan = wire.decode(Plan, json.dumps(data).encode(), what="plan")
    return read


def test_traced_plan_keeps_every_rule(traced: Plan) -> None:
    """What the others break is whole, and the same on the wire."""
    assert list(faults(traced)) == []
    assert changed(traced, lambda *_: None).digest == traced.digest


@pytest.mark.parametrize("case", BROKEN)
def test_plan_made_by_hand_is_held_to_every_rule(case: str, traced: Plan) -> None:
    """The rules are stated over the data, not over the way in which it came to be."""
    change, problem = BROKEN[case]
    plan = changed(traced, change)
    found = [f"{node}: {said} {fix}" for node, said, fix in faults(plan)]
    assert any(re.search(problem, said) for said in found), found


@pytest.mark.parametrize("case", sorted(ORDER))
def test_run_does_not_begin_on_a_plan_out_of_order(case: str, traced: Plan) -> None:
    """What is read where it may not be there is found when a run begins, whoever let the plan in."""
    plan = changed(traced, BROKEN[case][0])
    with pytest.raises(OrderError, match="out of order"):
        machine.step(plan, machine.new(plan), factories.begun(plan))

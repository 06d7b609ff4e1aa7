"""What `plan.faults` says of plan data that no tracing has seen: a lock file that somebody wrote by hand."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gatework.errors import ContractError
from gatework.plan.faults import faults
from gatework.plan.plan import Plan
from gatework.values import canonical, wire
from tests.unit.defining import Definitions

BODY = """
claim = extract(mail)
owed = endorse(claim, by=look_up)
letter = draft(owed)
agreed = approve(owed, by=role("finance"), when=any_of(owed.value.amount > 100, owed.value.gift), show=[claim])
receipt = pay(agreed)
return send(letter, receipt)
"""
CLAIM, OWED, LETTER, AGREED, RECEIPT, SENT = range(6)

Change = Callable[[Any], object]
"""Something done to a plan's JSON."""


def put(*path: str | int, to: object) -> Change:
    """Set one place in the plan's JSON."""

    def change(data: Any) -> None:
        *inner, last = path
        for step in inner:
            data = data[step]
        data[last] = to

    return change


def ref(node: str, *path: str) -> dict[str, Any]:
    return {"node": node, "path": list(path), "op": "ref"}


def const(data: object) -> dict[str, Any]:
    return {"data": data, "op": "const"}


def compare(left: object, right: object) -> dict[str, Any]:
    return {"sign": "gt", "left": left, "right": right, "kind": "number", "op": "compare"}


def people(quorum: int, identity: str = "claimed", role: str = "finance") -> dict[str, Any]:
    return {"role": role, "quorum": quorum, "identity": identity}


def swap(one: int, other: int) -> Change:
    def change(data: Any) -> None:
        nodes = data["nodes"]
        nodes[one], nodes[other] = nodes[other], nodes[one]

    return change


LARGE = compare(ref("owed", "amount"), const("100"))
EMPTY = {"parts": [], "op": "all"}

BROKEN: dict[str, tuple[Change, str]] = {
    "a name that is none": (put("nodes", CLAIM, "name", to="the claim"), "'the claim' is no name"),
    "a plan's name that is none": (put("name", to="../etc"), "'../etc' is no name"),
    "an empty name": (put("inputs", 0, "name", to=""), "'' is no name"),
    "two nodes of one name": (put("nodes", LETTER, "name", to="claim"), "two nodes are named claim"),
    "a node named as the input": (put("nodes", LETTER, "name", to="mail"), "two nodes are named mail"),
    "an input that is approved": (put("inputs", 0, "label", to="approved"), "nobody has approved"),
    "a value from later": (swap(LETTER, SENT), "send uses letter, which does not come before it"),
    "a value from nowhere": (put("nodes", SENT, "params", 0, "source", to=ref("gone")), "send uses gone"),
    "an approval after its use": (swap(AGREED, RECEIPT), "receipt uses agreed"),
    "a condition on what comes later": (
        put("nodes", AGREED, "when", to=compare(ref("receipt", "payment"), const("1"))),
        "agreed uses receipt",
    ),
    "evidence from later": (put("nodes", AGREED, "show", to=[ref("receipt")]), "agreed uses receipt"),
    "an unused node": (
        put("nodes", SENT, "params", 0, "source", to=ref("receipt")),
        "nothing uses the output of letter",
    ),
    "the input as result": (put("result", to="mail"), "the result is not the output"),
    "nothing as result": (put("result", to="gone"), "the result is not the output"),
    "an approval skipped": (
        put("nodes", RECEIPT, "params", 0, "source", to=ref("owed")),
        "pay asks for approved owed and gets endorsed",
    ),
    "a demand lowered": (
        put("nodes", RECEIPT, "params", 0, "label", to="untrusted"),
        "pay asks for untrusted owed and gets approved",
    ),
    "an effect on a claim": (
        lambda data: (
            put("nodes", RECEIPT, "params", 0, "source", to=ref("claim"))(data),
            put("nodes", RECEIPT, "params", 0, "label", to="untrusted")(data),
            put("nodes", RECEIPT, "label", to="untrusted")(data),
        ),
        "holds an effect and reads untrusted",
    ),
    "an effect on a constant": (
        lambda data: (
            put("nodes", RECEIPT, "params", 0, "source", to=const("x"))(data),
            put("nodes", RECEIPT, "params", 0, "label", to="plain")(data),
        ),
        "without any labelled input",
    ),
    "a label washed off": (put("nodes", CLAIM, "label", to="endorsed"), "extract makes endorsed of untrusted"),
    "a label dropped": (put("nodes", LETTER, "label", to="plain"), "draft makes plain of endorsed"),
    "a stage that approves": (put("nodes", LETTER, "label", to="approved"), "draft makes approved of endorsed"),
    "a stage that approves from nothing": (
        lambda data: (put("nodes", LETTER, "label", to="approved")(data), data["nodes"][LETTER]["params"].pop(0)),
        "draft approves by itself",
    ),
    "a stripped field for plain": (
        put("nodes", LETTER, "params", 1, "source", to=ref("owed", "order")),
        "draft asks for plain tone and gets endorsed",
    ),
    "a claim endorsed by a stage": (put("nodes", OWED, "kind", to="stage"), "look_up makes endorsed of untrusted"),
    "an endorsement of the endorsed": (
        lambda data: (
            put("nodes", LETTER, "kind", to="endorse")(data),
            data["nodes"][LETTER].update(params=data["nodes"][LETTER]["params"][:1]),
        ),
        "endorses what is not untrusted",
    ),
    "an endorsement into another label": (put("nodes", OWED, "label", to="approved"), "endorses what is not untrusted"),
    "an endorsement of two": (
        lambda data: data["nodes"][OWED]["params"].append({**data["nodes"][OWED]["params"][0], "name": "b"}),
        "endorses what is not untrusted",
    ),
    "an approval of something else": (
        put("nodes", AGREED, "value", to=ref("letter")),
        "does not approve what it gives on",
    ),
    "an approval of a part": (put("nodes", AGREED, "value", to=ref("owed", "amount")), "about a part of a value"),
    "evidence in part": (put("nodes", AGREED, "show", to=[ref("claim", "order")]), "about a part of a value"),
    "an approval that labels nothing": (
        put("nodes", AGREED, "label", to="endorsed"),
        "does not approve what it gives on",
    ),
    "an approval by nobody": (put("nodes", AGREED, "by", "role", to=""), "agreed does not say who decides"),
    "an approval otherwise by nobody": (
        put("nodes", AGREED, "otherwise", to={"role": "the board"}),
        "agreed does not say who decides otherwise",
    ),
    "a stage that nobody answers for": (
        put("nodes", CLAIM, "operator", "role", to=""),
        "claim does not say who answers when it waits",
    ),
    "a tool that nobody approves": (
        put("nodes", RECEIPT, "tools", 0, "approver", to={"role": ""}),
        "receipt does not say who approves calls of refund_order",
    ),
    "a quorum of nobody": (put("nodes", AGREED, "by", to=people(0)), "the quorum of finance at agreed is 0"),
    "a quorum of fewer": (put("nodes", AGREED, "by", to=people(-3)), "the quorum of finance at agreed is -3"),
    "a quorum of too many": (put("nodes", AGREED, "by", to=people(10)), "the quorum of finance at agreed is 10"),
    "a quorum of nobody otherwise": (
        put("nodes", AGREED, "otherwise", to=people(0)),
        "the quorum of finance at agreed is 0",
    ),
    "a quorum of too many for a stage": (
        put("nodes", CLAIM, "operator", to=people(10)),
        "the quorum of finance at claim is 10",
    ),
    "a quorum of too many for a call": (
        put("nodes", RECEIPT, "tools", 0, "approver", to=people(10)),
        "the quorum of finance at receipt is 10",
    ),
    "a quorum of nobody in particular": (
        put("nodes", AGREED, "by", to=people(2, "none")),
        "agreed tells people of finance from each other, and nobody has to say",
    ),
    "a stage's quorum of nobody in particular": (
        put("nodes", CLAIM, "operator", to=people(2, "none")),
        "claim tells people of finance from each other",
    ),
    "a call's quorum of nobody in particular": (
        put("nodes", RECEIPT, "tools", 0, "approver", to=people(2, "none")),
        "receipt tells people of finance from each other",
    ),
    "nobody in particular before a quorum": (
        put("nodes", AGREED, "otherwise", to=people(2, role="board")),
        "agreed tells people of finance from each other",
    ),
    "nobody in particular after a quorum": (
        lambda data: (
            put("nodes", AGREED, "by", to=people(2))(data),
            put("nodes", AGREED, "otherwise", to=people(1, "none", role="board"))(data),
        ),
        "agreed tells people of board from each other",
    ),
    "nobody in particular who is another": (
        put("nodes", AGREED, "not_by", to=[ref("owed", "order")]),
        "agreed tells people of finance from each other",
    ),
    "the untrusted who may not approve": (
        lambda data: (
            put("nodes", AGREED, "by", to=people(1))(data),
            put("nodes", AGREED, "not_by", to=[ref("claim", "order")])(data),
        ),
        r"the untrusted claim\.order says who may not approve",
    ),
    "a model that may not approve": (
        lambda data: (
            put("nodes", AGREED, "by", to=people(1))(data),
            put("nodes", AGREED, "not_by", to=[ref("owed")])(data),
        ),
        "owed names nobody",
    ),
    "somebody from later who may not approve": (
        put("nodes", AGREED, "not_by", to=[ref("receipt", "payment")]),
        "agreed uses receipt, which does not come before it",
    ),
    "a title without its pair": (put("nodes", AGREED, "title", to="pay {amount"), "the title of agreed has a brace"),
    "a title that looks around": (
        put("nodes", AGREED, "title", to="{amount.__class__}"),
        "the title of agreed formats what stands in braces",
    ),
    "a title of another value": (
        put("nodes", AGREED, "title", to="pay {price}"),
        "the title of agreed names price, which the value lacks",
    ),
    "a title in control of the terminal": (
        put("nodes", AGREED, "title", to="pay \x1b[2J"),
        "the title of agreed is not printable",
    ),
    "a claim that approves itself": (
        put("nodes", AGREED, "value", to=ref("claim")),
        "untrusted value decides on its own approval",
    ),
    "an untrusted condition": (
        put("nodes", AGREED, "when", to=compare(ref("claim", "amount"), const("1"))),
        r"untrusted claim\.amount decides",
    ),
    "an untrusted input as condition": (
        put("nodes", AGREED, "when", to={"ref": ref("mail", "text"), "op": "present"}),
        r"untrusted mail\.text decides",
    ),
    "a constant condition": (
        put("nodes", AGREED, "when", to=compare(const(1), const(2))),
        "condition 1 > 2 is a constant",
    ),
    "an empty condition": (put("nodes", AGREED, "when", to=EMPTY), "is a constant"),
    "an empty part": (put("nodes", AGREED, "when", to={"parts": [LARGE, EMPTY], "op": "any"}), "is a constant"),
    "an empty part turned round": (
        put("nodes", AGREED, "when", to={"parts": [LARGE, {"part": EMPTY, "op": "not"}], "op": "all"}),
        "is a constant",
    ),
    "a constant part": (
        put("nodes", AGREED, "when", to={"parts": [LARGE, compare(const(1), const(2))], "op": "all"}),
        "is a constant",
    ),
    "a value against itself": (
        put("nodes", AGREED, "when", to=compare(ref("owed", "amount"), ref("owed", "amount"))),
        "is a constant",
    ),
    "no attempts": (put("nodes", CLAIM, "attempts", to=0), "claim has a limit that is none"),
    "no time": (put("nodes", CLAIM, "timeout_seconds", to=0.0), "claim has a limit that is none"),
    "time run backwards": (put("nodes", CLAIM, "expires_seconds", to=-1.0), "claim has a limit that is none"),
    "an approval that waits no time": (
        put("nodes", AGREED, "expires_seconds", to=0.0),
        "agreed has a limit that is none",
    ),
    "no budget": (
        put("nodes", CLAIM, "budget", to={"model_calls": 0, "tokens": 9}),
        "the budget of extract has model_calls that are not",
    ),
    "a guard without time": (
        put("nodes", CLAIM, "guards", 0, "timeout_seconds", to=0.0),
        "claim has a limit that is none",
    ),
    "a guard of what is not there": (
        put("nodes", CLAIM, "guards", 0, "binds", to={"mail": "letter"}),
        "quotes asks for letter",
    ),
    "a guard on inputs without time": (
        put("nodes", RECEIPT, "before", to=[{"name": "fits", "binds": {"it": "owed"}, "timeout_seconds": 0.0}]),
        "receipt has a limit that is none",
    ),
    "a guard on an input that is not there": (
        put("nodes", RECEIPT, "before", to=[{"name": "fits", "binds": {"it": "mail"}, "timeout_seconds": 1.0}]),
        "fits asks for mail, which pay lacks",
    ),
    "a guard on no input": (
        put("nodes", RECEIPT, "before", to=[{"name": "fits", "binds": {}, "timeout_seconds": 1.0}]),
        "fits looks at no input of pay",
    ),
    "a guard on inputs twice": (
        put("nodes", RECEIPT, "before", to=[{"name": "fits", "binds": {"it": "owed"}, "timeout_seconds": 1.0}] * 2),
        "names fits twice",
    ),
    "a task queue that is none": (put("nodes", RECEIPT, "queue", to="/_sys/pay"), "task queue without a usable name"),
    "a guard twice": (
        lambda data: data["nodes"][CLAIM]["guards"].append(data["nodes"][CLAIM]["guards"][0]),
        "names quotes twice",
    ),
    "a tool twice": (
        lambda data: data["nodes"][RECEIPT]["tools"].append(data["nodes"][RECEIPT]["tools"][0]),
        "names refund_order twice",
    ),
    "a parameter twice": (
        lambda data: data["nodes"][SENT]["params"].append(data["nodes"][SENT]["params"][0]),
        "names letter twice",
    ),
    "a contract that is missing": (
        lambda data: data["contracts"].pop(data["nodes"][SENT]["contract"]),
        "is not in the plan",
    ),
    "a parameter's contract that is missing": (
        put("nodes", SENT, "params", 0, "contract", to="0" * 64),
        "is not in the plan",
    ),
    "a contract that was changed": (
        lambda data: put("contracts", data["nodes"][SENT]["contract"], to={"type": "object"})(data),
        "has another digest",
    ),
}


@pytest.fixture
def traced(defining: Definitions) -> Plan:
    plan: Plan = defining.plan(BODY).plan
    return plan


def changed(plan: Plan, change: Change) -> Plan:
    data = json.loads(wire.encode(plan))
    change(data)
    found: Plan = wire.decode(Plan, json.dumps(data).encode(), what="plan")
    return found


def test_plan_as_traced_has_no_faults(traced: Plan) -> None:
    """What tracing makes keeps every rule."""
    assert list(faults(changed(traced, lambda data: None))) == []


@pytest.mark.parametrize("case", BROKEN)
def test_plan_made_by_hand_is_held_to_every_rule(case: str, traced: Plan) -> None:
    """The rules are stated over the data, not over the way in which it came to be."""
    change, problem = BROKEN[case]
    found = [f"{node}: {said} {fix}" for node, said, fix in faults(changed(traced, change))]

    assert any(re.search(problem, said) for said in found), found


@pytest.mark.parametrize(
    "change",
    [
        put("more", to=1),
        put("nodes", CLAIM, "more", to=1),
        put("nodes", CLAIM, "kind", to="shell"),
        put("nodes", CLAIM, "label", to="trusted"),
        put("nodes", CLAIM, "attempts", to="3"),
        put("nodes", CLAIM, "attempts", to=True),
        put("nodes", AGREED, "when", to={"op": "eval", "code": "1"}),
        put("nodes", AGREED, "when", "parts", 0, "sign", to="almost"),
        put("nodes", AGREED, "click", to="no"),
        put("nodes", AGREED, "by", to="finance"),
        put("nodes", AGREED, "by", to={}),
        put("nodes", AGREED, "by", to=people(2, "trusted")),
        put("nodes", AGREED, "by", "quorum", to=True),
        put("nodes", AGREED, "by", "quorum", to=2.5),
        put("nodes", AGREED, "by", "quorum", to="2"),
        put("nodes", AGREED, "by", "quorum", to=None),
        put("nodes", AGREED, "by", "most", to=3),
        put("nodes", AGREED, "otherwise", to="board"),
        put("nodes", AGREED, "not_by", to="Ana"),
        put("nodes", AGREED, "not_by", to=["Ana"]),
        put("nodes", AGREED, "title", to=None),
        put("nodes", CLAIM, "operator", to=None),
        put("format", to=2),
    ],
)
def test_plan_of_another_form_is_not_read(change: Change, traced: Plan) -> None:
    """What is no plan is refused before any rule is asked."""
    with pytest.raises(ContractError, match=r"^plan"):
        changed(traced, change)


def test_digest_names_the_plan_as_it_is_stored(traced: Plan, tmp_path: Path) -> None:
    """Whatever is changed in a plan, its digest is another."""
    digests = {traced.digest}
    for change, _problem in BROKEN.values():
        digests.add(changed(traced, change).digest)
    assert len(digests) == len(BROKEN) + 1
    assert traced.digest == canonical.digest("plan", traced.data)

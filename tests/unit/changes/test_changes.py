"""What differs between two plans, in words, and whether it weakens: one change after the other, on a traced plan."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from typing import Any

import pytest

from gatework.plan.changes import Bearing, Change, changes, weakens
from gatework.plan.plan import Plan
from gatework.values import canonical, wire
from tests.unit.defining import Definitions

BODY = """
claim = extract(mail)
owed = endorse(claim, by=look_up)
letter = draft(owed)
agreed = approve(owed, by=role("finance"), when=any_of(owed.value.amount > 100, owed.value.gift), show=[claim, letter])
receipt = pay(agreed)
return send(letter, receipt)
"""
CLAIM, OWED, LETTER, AGREED, RECEIPT, SENT = range(6)
WEAKENS, STRENGTHENS, NEITHER, UNCLEAR = Bearing

Edit = Callable[[Any], object]
"""Something done to a plan's JSON."""


def put(*path: str | int, to: object) -> Edit:
    def edit(data: Any) -> None:
        *inner, last = path
        for step in inner:
            data = data[step]
        data[last] = to

    return edit


def ref(node: str, *path: str) -> dict[str, Any]:
    return {"node": node, "path": list(path), "op": "ref"}


def const(data: object) -> dict[str, Any]:
    return {"data": data, "op": "const"}


def over(limit: object, sign: str = "gt") -> dict[str, Any]:
    left = ref("owed", "amount")
    return {"sign": sign, "left": left, "right": const(limit), "kind": "number", "op": "compare"}


GIFT = {"sign": "eq", "left": ref("owed", "gift"), "right": const(True), "kind": "flag", "op": "compare"}


def use(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "binds": {}, "timeout_seconds": 10.0, **more}


def tool(name: str, once: str = "order", probe: bool = False) -> dict[str, Any]:
    return {"name": name, "once": once, "probe": probe}


def many(*edits: Edit) -> Edit:
    return lambda data: [edit(data) for edit in edits]


def append(*path: str | int, item: object) -> Edit:
    def edit(data: Any) -> None:
        for step in path:
            data = data[step]
        data.append(item)

    return edit


def removed(node: int) -> Edit:
    return lambda data: data["nodes"].pop(node)


def moved(node: int, to: int) -> Edit:
    return lambda data: data["nodes"].insert(to, data["nodes"].pop(node))


def renamed(old: str, new: str) -> Edit:
    """Rename a node and every reference to it."""

    def edit(data: Any) -> None:
        def inside(item: Any) -> Any:
            if isinstance(item, dict):
                found = {key: inside(value) for key, value in item.items()}
                if found.get("op") == "ref" and found["node"] == old:
                    found["node"] = new
                return found
            return [inside(part) for part in item] if isinstance(item, list) else item

        data["nodes"] = inside(data["nodes"])
        for node in data["nodes"]:
            node["name"] = new if node["name"] == old else node["name"]
        for start in data["inputs"]:
            start["name"] = new if start["name"] == old else start["name"]
        data["result"] = new if data["result"] == old else data["result"]

    return edit


def contract_of(node: int, change: Callable[[Any], object]) -> Edit:
    """Change the contract of a node's output wherever it is asked for."""

    def edit(data: Any) -> None:
        old = data["nodes"][node]["contract"]
        schema = json.loads(json.dumps(data["contracts"][old]))
        change(schema)
        new = canonical.digest("contract", schema)
        for other in data["nodes"]:
            for holder in (other, *other.get("params", ())):
                holder["contract"] = new if holder["contract"] == old else holder["contract"]
        data["contracts"][new] = schema
        if not any(old in (n["contract"], *(p["contract"] for p in n.get("params", ()))) for n in data["nodes"]):
            del data["contracts"][old]

    return edit


NEW_APPROVAL: dict[str, Any] = {
    "name": "seen",
    "value": ref("letter"),
    "contract": "",
    "by": {"role": "editor"},
    "when": None,
    "show": [],
    "expires_seconds": 3600.0,
    "click": False,
    "label": "approved",
    "kind": "approve",
}


def with_approval(data: Any) -> None:
    """An approval of the letter, before it is sent."""
    data["nodes"].insert(SENT, {**NEW_APPROVAL, "contract": data["nodes"][LETTER]["contract"]})
    data["nodes"][SENT + 1]["params"][0]["source"] = ref("seen")


def with_stage(data: Any, **more: Any) -> None:
    """A second letter, which nothing reads."""
    data["nodes"].append({**data["nodes"][LETTER], "name": "other", **more})
    data["acknowledged"].append("other")


EDITS: dict[str, tuple[Edit, list[tuple[str, str, Bearing]]]] = {
    "guard removed": (
        put("nodes", CLAIM, "guards", to=[]),
        [("claim", "guard quotes of claim removed", WEAKENS)],
    ),
    "guard added": (
        append("nodes", CLAIM, "guards", item=use("is_short")),
        [("claim", "guard is_short of claim added", STRENGTHENS)],
    ),
    "guard rebound": (
        put("nodes", CLAIM, "guards", 0, "binds", to={}),
        [("claim", "guard quotes of claim looks at the output, it looked at the output and mail", UNCLEAR)],
    ),
    "guard given more time": (
        put("nodes", CLAIM, "guards", 0, "timeout_seconds", to=90.0),
        [("claim", "guard quotes of claim has 90 seconds for its verdict, it had 10 seconds", WEAKENS)],
    ),
    "guard on inputs added": (
        append("nodes", CLAIM, "before", item=use("is_short")),
        [("claim", "guard on inputs is_short of claim added", STRENGTHENS)],
    ),
    "task queue given": (
        put("nodes", CLAIM, "queue", to="inbox"),
        [("claim", "claim runs on task queue inbox, it ran on that of the run", UNCLEAR)],
    ),
    "guard replaced": (
        put("nodes", CLAIM, "guards", to=[use("is_short")]),
        [("claim", "guard quotes of claim removed", WEAKENS), ("claim", "guard is_short of claim added", STRENGTHENS)],
    ),
    "attempts raised": (
        put("nodes", CLAIM, "attempts", to=6),
        [("claim", "claim gets 6 attempts, it had 1", WEAKENS)],
    ),
    "timeout lowered": (
        put("nodes", CLAIM, "timeout_seconds", to=30.0),
        [("claim", "an attempt of claim may take 30 seconds, it might take 1 minute", STRENGTHENS)],
    ),
    "expiry of a stage raised": (
        put("nodes", CLAIM, "expires_seconds", to=8 * 86400.0),
        [("claim", "claim waits 8 days for a person, it waited 7 days", WEAKENS)],
    ),
    "operator changed": (
        put("nodes", CLAIM, "operator", "role", to="ops"),
        [("claim", "operator is no longer asked where claim waits, ops is", UNCLEAR)],
    ),
    "budget given": (
        put("nodes", CLAIM, "budget", to={"model_calls": 8, "tokens": 8000}),
        [
            (
                "claim",
                "budget of claim widened from 4 model calls and 64,000 tokens to 8 model calls and 8,000 tokens",
                WEAKENS,
            )
        ],
    ),
    "budget narrowed": (
        put("nodes", CLAIM, "budget", to={"model_calls": 1, "tokens": 8000}),
        [
            (
                "claim",
                "budget of claim narrowed from 4 model calls and 64,000 tokens to 1 model call and 8,000 tokens",
                STRENGTHENS,
            )
        ],
    ),
    "budget written out": (
        put("nodes", CLAIM, "budget", to={"model_calls": 4, "tokens": 64000}),
        [("claim", "budget of claim is written otherwise and is the same", NEITHER)],
    ),
    "another function": (
        put("nodes", CLAIM, "runs", to="extract_fast"),
        [("claim", "claim runs extract_fast, it ran extract", UNCLEAR)],
    ),
    "effect granted": (
        append("nodes", RECEIPT, "tools", item=tool("send_mail")),
        [("receipt", "grant of receipt widened: it may now call send_mail", WEAKENS)],
    ),
    "effect taken away": (
        put("nodes", RECEIPT, "tools", to=[]),
        [("receipt", "grant of receipt narrowed: it may no longer call refund_order", STRENGTHENS)],
    ),
    "business key changed": (
        put("nodes", RECEIPT, "tools", 0, "once", to="customer"),
        [("receipt", "refund_order happens once for each customer, it was once for each order", UNCLEAR)],
    ),
    "probe given": (
        put("nodes", RECEIPT, "tools", 0, "probe", to=True),
        [("receipt", "refund_order can now be asked what became of a key", STRENGTHENS)],
    ),
    "constant changed": (
        put("nodes", LETTER, "params", 1, "source", "data", to="cold"),
        [("letter", 'tone of letter is "cold", it was "warm"', UNCLEAR)],
    ),
    "approval removed": (
        many(
            removed(AGREED),
            put("nodes", AGREED, "params", 0, "source", to=ref("owed")),
            put("nodes", AGREED, "params", 0, "label", to="endorsed"),
        ),
        [
            ("agreed", "approval agreed by finance before receipt removed", WEAKENS),
            ("receipt", "receipt asks for endorsed owed, it asked for approved", WEAKENS),
            ("receipt", "receipt reads owed instead of agreed, past the approval by finance", WEAKENS),
        ],
    ),
    "approval added": (
        with_approval,
        [
            ("seen", "approval seen by editor before send added", STRENGTHENS),
            ("send", "send reads seen instead of letter, which editor approves", STRENGTHENS),
        ],
    ),
    "threshold raised": (
        put("nodes", AGREED, "when", to={"parts": [over("500"), GIFT], "op": "any"}),
        [
            (
                "agreed",
                "agreed asks when owed.amount > 500 instead of owed.amount > 100, in fewer cases",
                WEAKENS,
            )
        ],
    ),
    "simple threshold raised": (
        many(put("nodes", AGREED, "when", to=over("500"))),
        [
            (
                "agreed",
                "agreed asks only when owed.amount > 500, in fewer cases; "
                "it was when owed.amount > 100 or owed.gift == True",
                WEAKENS,
            )
        ],
    ),
    "part of the rule dropped": (
        put("nodes", AGREED, "when", to=over(100)),
        [("agreed", "agreed no longer asks when owed.gift == True", WEAKENS)],
    ),
    "rule dropped": (
        put("nodes", AGREED, "when", to=None),
        [
            (
                "agreed",
                "agreed always asks, it asked only when owed.amount > 100 or owed.gift == True",
                STRENGTHENS,
            )
        ],
    ),
    "rule about something else": (
        put("nodes", AGREED, "when", to={**GIFT, "left": ref("owed", "customer", "vip")}),
        [
            (
                "agreed",
                "agreed asks only when owed.customer.vip == True, and whether that is in fewer cases cannot be told; "
                "it was when owed.amount > 100 or owed.gift == True",
                UNCLEAR,
            )
        ],
    ),
    "click enough": (
        put("nodes", AGREED, "click", to=True),
        [("agreed", "agreed may now be given by a click, without the number", WEAKENS)],
    ),
    "another role": (
        put("nodes", AGREED, "by", "role", to="ops"),
        [("agreed", "finance no longer decides at agreed, ops does", UNCLEAR)],
    ),
    "two instead of one": (
        put("nodes", AGREED, "by", "quorum", to=2),
        [("agreed", "it takes two of finance to decide at agreed, it took finance", STRENGTHENS)],
    ),
    "a name that is asked": (
        put("nodes", AGREED, "by", "identity", to="claimed"),
        [("agreed", "it takes finance (claimed) to decide at agreed, it took finance", STRENGTHENS)],
    ),
    "more people, who are known better": (
        put("nodes", AGREED, "by", to={"role": "finance", "quorum": 5, "identity": "signed"}),
        [("agreed", "it takes 5 of finance (signed) to decide at agreed, it took finance", STRENGTHENS)],
    ),
    "more people of another role": (
        put("nodes", AGREED, "by", to={"role": "ops", "quorum": 5, "identity": "signed"}),
        [("agreed", "finance no longer decides at agreed, 5 of ops (signed) does", UNCLEAR)],
    ),
    "an operator who is known": (
        put("nodes", CLAIM, "operator", "identity", to="signed"),
        [("claim", "it takes operator (signed) to answer where claim waits, it took operator", STRENGTHENS)],
    ),
    "a quorum for what waits": (
        put("nodes", CLAIM, "operator", to={"role": "operator", "quorum": 2, "identity": "claimed"}),
        [("claim", "it takes two of operator (claimed) to answer where claim waits, it took operator", STRENGTHENS)],
    ),
    "an override": (
        put("nodes", CLAIM, "override", to={"role": "head", "quorum": 1, "identity": "signed"}),
        [("claim", "head (signed) may override claim: let it past its guards, or skip it", WEAKENS)],
    ),
    "somebody who may not": (
        put("nodes", AGREED, "not_by", to=[ref("owed", "order")]),
        [("agreed", "whoever owed.order names may no longer approve at agreed", STRENGTHENS)],
    ),
    "somebody who may not, shown by that": (
        put("nodes", AGREED, "not_by", to=[ref("mail", "text")]),
        [
            ("agreed", "whoever mail.text names may no longer approve at agreed", STRENGTHENS),
            ("agreed", "mail is now shown at agreed", STRENGTHENS),
        ],
    ),
    "somebody else asked in the end": (
        put("nodes", AGREED, "otherwise", to={"role": "board", "quorum": 3, "identity": "claimed"}),
        [("agreed", "once the time at agreed is up the question goes on to three of board (claimed)", WEAKENS)],
    ),
    "a title": (
        put("nodes", AGREED, "title", to="pay {amount}"),
        [("agreed", 'agreed is headed "pay {amount}", it was ""', UNCLEAR)],
    ),
    "less shown": (
        put("nodes", AGREED, "show", to=[ref("letter")]),
        [("agreed", "claim is no longer shown at agreed", WEAKENS)],
    ),
    "shown in another order": (
        put("nodes", AGREED, "show", to=[ref("letter"), ref("claim")]),
        [("agreed", "what is shown at agreed is listed otherwise", NEITHER)],
    ),
    "longer wait": (
        put("nodes", AGREED, "expires_seconds", to=86400.0 * 30),
        [("agreed", "agreed waits 30 days for a person, it waited 7 days", WEAKENS)],
    ),
    "not endorsed any more": (
        many(put("nodes", OWED, "kind", to="stage")),
        [("owed", "owed is not endorsed by our records any more", WEAKENS)],
    ),
    "label of the input raised": (
        put("inputs", 0, "label", to="endorsed"),
        [("mail", "what a run starts from counts as endorsed, it counted as untrusted", WEAKENS)],
    ),
    "label of the input dropped": (
        put("inputs", 0, "label", to="plain"),
        [("mail", "what a run starts from counts as plain, it counted as untrusted", WEAKENS)],
    ),
    "label raised": (
        put("nodes", CLAIM, "label", to="endorsed"),
        [("claim", "label of claim raised from untrusted to endorsed", UNCLEAR)],
    ),
    "label lowered": (
        put("nodes", LETTER, "label", to="untrusted"),
        [("letter", "label of letter lowered from endorsed to untrusted", WEAKENS)],
    ),
    "demand lowered": (
        put("nodes", RECEIPT, "params", 0, "label", to="endorsed"),
        [("receipt", "receipt asks for endorsed owed, it asked for approved", WEAKENS)],
    ),
    "renamed": (renamed("claim", "demand"), [("demand", "claim is now named demand", NEITHER)]),
    "input renamed": (
        renamed("mail", "post"),
        [("post", "what a run starts from is named post, it was mail", NEITHER)],
    ),
    "two renamed": (
        many(renamed("owed", "due"), renamed("agreed", "settled")),
        [
            ("due", "owed is now named due", NEITHER),
            ("settled", "agreed is now named settled", NEITHER),
        ],
    ),
    "effect renamed": (
        renamed("receipt", "payment"),
        [
            (
                "payment",
                "receipt is now named payment, and the keys of its effects with it: "
                "a run that is moved here may do them again",
                UNCLEAR,
            )
        ],
    ),
    "effect before its stop": (
        moved(RECEIPT, LETTER),
        [("receipt", "receipt runs before letter and agreed, which could have stopped refund_order", WEAKENS)],
    ),
    "stages reordered": (
        moved(LETTER, AGREED),
        [
            (
                "",
                "nodes reordered: claim, owed, agreed, letter, receipt and send; "
                "it was claim, owed, letter, agreed, receipt and send",
                NEITHER,
            )
        ],
    ),
    "stage removed": (
        many(
            put("nodes", AGREED, "show", to=[ref("claim")]),
            removed(LETTER),
            lambda data: data["nodes"][SENT - 1]["params"].pop(0),
        ),
        [
            ("letter", "stage letter removed", UNCLEAR),
            ("agreed", "letter is no longer shown at agreed", WEAKENS),
            ("send", "send no longer reads letter", UNCLEAR),
            ("", "contracts that nothing refers to have come or gone", NEITHER),
        ],
    ),
    "stage with guards removed": (
        removed(CLAIM),
        [("claim", "stage claim removed, with its guards quotes", WEAKENS)],
    ),
    "endorser removed": (
        removed(OWED),
        [("owed", "owed is not endorsed by our records any more: look_up removed", WEAKENS)],
    ),
    "endorser added": (
        lambda data: with_stage(data, kind="endorse"),
        [
            ("", "the output of other is left unused on purpose", NEITHER),
            ("other", "other is now endorsed by draft", WEAKENS),
        ],
    ),
    "stage endorses": (
        put("nodes", LETTER, "kind", to="endorse"),
        [("letter", "letter is now endorsed by draft", WEAKENS)],
    ),
    "lower result": (
        put("result", to="claim"),
        [("", "a run gives claim instead of send", WEAKENS)],
    ),
    "spending before a person is asked": (
        many(put("nodes", LETTER, "budget", to={"model_calls": 4, "tokens": 64000}), moved(LETTER, OWED)),
        [
            ("letter", "budget of letter is written otherwise and is the same", NEITHER),
            (
                "",
                "nodes reordered: claim, letter, owed, agreed, receipt and send; "
                "it was claim, owed, letter, agreed, receipt and send",
                NEITHER,
            ),
        ],
    ),
    "stage added": (
        with_stage,
        [("", "the output of other is left unused on purpose", NEITHER), ("other", "stage other added", NEITHER)],
    ),
    "stage with an effect added": (
        lambda data: with_stage(data, tools=[tool("send_mail")], budget={"model_calls": 2, "tokens": 100}),
        [
            ("", "the output of other is left unused on purpose", NEITHER),
            (
                "other",
                "stage other added, which may call send_mail and spend 2 model calls and 100 tokens",
                WEAKENS,
            ),
        ],
    ),
    "another result": (
        many(put("result", to="letter"), put("acknowledged", to=["send"])),
        [
            ("", "a run gives letter instead of send", UNCLEAR),
            ("", "the output of send is left unused on purpose", NEITHER),
        ],
    ),
    "another name": (put("name", to="other"), [("", "the workflow is named other, it was plan", NEITHER)]),
    "contract widened": (
        contract_of(CLAIM, lambda schema: schema["properties"].update(order={"type": ["string", "integer"]})),
        [
            (
                "claim",
                "contract of the output of claim: the field order may be a whole number or text, it was text",
                WEAKENS,
            )
        ],
    ),
    "contract narrowed": (
        contract_of(CLAIM, lambda schema: schema["properties"]["order"].update(maxLength=9)),
        [
            (
                "claim",
                "contract of the output of claim: the field order must be at most 9 characters long, "
                "it had no such limit",
                STRENGTHENS,
            )
        ],
    ),
    "contract in another order": (
        contract_of(CLAIM, lambda schema: schema["required"].reverse()),
        [("claim", "contract of the output of claim is written otherwise and accepts the same", NEITHER)],
    ),
}


@pytest.fixture
def traced(defining: Definitions) -> Plan:
    plan: Plan = defining.plan(BODY).plan
    return plan


def edited(plan: Plan, edit: Edit) -> Plan:
    data = json.loads(wire.encode(plan))
    edit(data)
    found: Plan = wire.decode(Plan, json.dumps(data).encode(), what="plan")
    return found


def told(found: tuple[Change, ...]) -> list[tuple[str, str, Bearing]]:
    return [(change.where, change.what, change.bearing) for change in found]


@pytest.mark.parametrize("case", EDITS)
def test_change_is_said_in_words_with_its_bearing(case: str, traced: Plan) -> None:
    """Where, what it is now and what it was, and whether a run can get past more than before."""
    edit, expected = EDITS[case]
    assert told(changes(traced, edited(traced, edit))) == expected


@pytest.mark.parametrize("case", EDITS)
def test_change_back_is_said_too_and_is_no_mirror_of_weakness(case: str, traced: Plan) -> None:
    """What weakens in one direction and only strengthens in the other is told apart; nothing is silent."""
    edit, expected = EDITS[case]
    back = changes(edited(traced, edit), traced)
    assert back
    if {bearing for _, _, bearing in expected} == {STRENGTHENS}:
        assert weakens(back)


PEOPLE = {
    "by": {"role": "finance", "quorum": 3, "identity": "authenticated"},
    "not_by": [ref("owed", "order"), ref("owed", "level")],
    "otherwise": {"role": "board", "quorum": 2, "identity": "authenticated"},
    "title": "pay {amount}",
}
TOLD_APART: dict[str, tuple[dict[str, Any], list[tuple[str, Bearing]]]] = {
    "fewer": (
        {"by": {**PEOPLE["by"], "quorum": 2}},  # type: ignore[dict-item]
        [("it takes two of finance (authenticated) to decide at agreed, it took three of finance (authenticated)",
          WEAKENS)],
    ),
    "known by their word": (
        {"by": {**PEOPLE["by"], "identity": "claimed"}},  # type: ignore[dict-item]
        [("it takes three of finance (claimed) to decide at agreed, it took three of finance (authenticated)",
          WEAKENS)],
    ),
    "more, who are known less": (
        {"by": {**PEOPLE["by"], "quorum": 9, "identity": "claimed"}},  # type: ignore[dict-item]
        [("it takes 9 of finance (claimed) to decide at agreed, it took three of finance (authenticated)", WEAKENS)],
    ),
    "one may after all": (
        {"not_by": PEOPLE["not_by"][:1]},  # type: ignore[index]
        [("whoever owed.level names may now approve at agreed", WEAKENS)],
    ),
    "another may not": (
        {"not_by": [ref("owed", "order"), ref("owed", "kind")]},
        [("whoever owed.level names may now approve at agreed", WEAKENS),
         ("whoever owed.kind names may no longer approve at agreed", STRENGTHENS)],
    ),
    "in another order": (
        {"not_by": PEOPLE["not_by"][::-1]},  # type: ignore[index]
        [("those who may not approve at agreed are listed otherwise", NEITHER)],
    ),
    "nobody else in the end": (
        {"otherwise": None},
        [("nobody else is asked any more once the time at agreed is up", STRENGTHENS)],
    ),
    "fewer in the end": (
        {"otherwise": {**PEOPLE["otherwise"], "quorum": 1}},  # type: ignore[dict-item]
        [("once the time at agreed is up the question goes on to board (authenticated), "
          "it went to two of board (authenticated)", WEAKENS)],
    ),
    "better known in the end": (
        {"otherwise": {**PEOPLE["otherwise"], "identity": "signed"}},  # type: ignore[dict-item]
        [("once the time at agreed is up the question goes on to two of board (signed), "
          "it went to two of board (authenticated)", STRENGTHENS)],
    ),
    "others in the end": (
        {"otherwise": {**PEOPLE["otherwise"], "role": "ops"}},  # type: ignore[dict-item]
        [("once the time at agreed is up the question goes on to two of ops (authenticated), "
          "it went to two of board (authenticated)", UNCLEAR)],
    ),
    "another title": (
        {"title": "reply"},
        [('agreed is headed "reply", it was "pay {amount}"', UNCLEAR)],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", TOLD_APART)
def test_change_of_who_may_approve_is_said_with_its_bearing(case: str, traced: Plan) -> None:
    """Fewer people, people known less surely, one more who may, one asked otherwise: each weakens, and is said."""
    old = edited(traced, many(*(put("nodes", AGREED, name, to=value) for name, value in PEOPLE.items())))
    change, expected = TOLD_APART[case]
    new = edited(old, many(*(put("nodes", AGREED, name, to=value) for name, value in change.items())))
    assert told(changes(old, new)) == [("agreed", said, bearing) for said, bearing in expected]


def test_change_of_a_threshold_is_said_in_short(traced: Plan) -> None:
    """One comparison, with what it was."""
    one, other = (edited(traced, put("nodes", AGREED, "when", to=over(limit))) for limit in ("100", "500"))
    assert told(changes(one, other)) == [("agreed", "agreed asks only when owed.amount > 500, it was > 100", WEAKENS)]
    assert told(changes(other, one)) == [
        ("agreed", "agreed asks only when owed.amount > 100, it was > 500", STRENGTHENS)
    ]


def test_change_of_nothing_is_none(traced: Plan) -> None:
    """The same plan differs from itself in nothing."""
    assert changes(traced, edited(traced, lambda data: None)) == ()


def test_change_of_order_that_spends_before_a_person_is_asked_weakens(traced: Plan) -> None:
    """A stage with a budget of its own that waited for an approval, and does not any more."""
    spending = edited(traced, put("nodes", LETTER, "budget", to={"model_calls": 2, "tokens": 100}))
    late = edited(spending, many(moved(LETTER, AGREED), put("nodes", LETTER, "show", to=[ref("claim")])))
    early = edited(late, moved(AGREED, LETTER))
    (change,) = changes(late, early)
    assert change.what.startswith("nodes reordered: ")
    assert change.bearing is WEAKENS
    assert [change.bearing for change in changes(early, late)] == [NEITHER]


def test_change_of_an_input_that_may_come_from_outside_is_unclear(traced: Plan) -> None:
    """Less trust is no gain where a run may now start from text that it could not start from before."""
    vouched = edited(traced, put("inputs", 0, "label", to="endorsed"))
    assert told(changes(vouched, traced)) == [
        ("mail", "what a run starts from counts as untrusted, it counted as endorsed", UNCLEAR)
    ]


def test_change_of_what_is_left_unused_says_so_and_weighs_nothing(traced: Plan) -> None:
    """A remark of the plan's author, there or not, in whatever order."""
    none, one = traced, edited(traced, put("acknowledged", to=["claim"]))
    two, turned = (edited(traced, put("acknowledged", to=names)) for names in (["claim", "owed"], ["owed", "claim"]))
    for old, new in ((none, one), (one, none), (two, turned)):
        (change,) = changes(old, new)
        assert "left unused on purpose" in change.what
        assert change.bearing is NEITHER


def test_change_that_has_no_words_is_unclear(traced: Plan) -> None:
    """A plan that breaks the rules, here a guard twice, is still another plan."""
    twice = edited(traced, lambda data: data["nodes"][CLAIM]["guards"].append(data["nodes"][CLAIM]["guards"][0]))
    assert told(changes(traced, twice)) == [("", "the plans differ in what has no words here", UNCLEAR)]


def test_change_of_shape_keeps_a_node_of_the_same_name_apart(traced: Plan) -> None:
    """A stage that takes the name of an approval does not take its place."""
    stage = dataclasses.replace(traced.nodes[LETTER], name="agreed")
    nodes = tuple(stage if node.name == "agreed" else node for node in traced.nodes)
    found = told(changes(traced, dataclasses.replace(traced, nodes=nodes)))
    assert ("agreed", "approval agreed by finance before receipt removed", WEAKENS) in found
    assert ("agreed", "stage agreed added", NEITHER) in found


EVIL = "finance decides\nnothing changed \x1b[2J\u202e\u2028 and all is well"


@pytest.mark.parametrize(
    "edit",
    [
        put("nodes", AGREED, "by", "role", to=EVIL),
        put("nodes", AGREED, "otherwise", to={"role": EVIL}),
        put("nodes", AGREED, "not_by", to=[ref(EVIL, EVIL)]),
        put("nodes", AGREED, "title", to=EVIL),
        put("nodes", CLAIM, "operator", "role", to=EVIL),
        put("nodes", CLAIM, "runs", to=EVIL),
        append("nodes", CLAIM, "guards", item=use(EVIL)),
        put("nodes", CLAIM, "guards", 0, "binds", to={EVIL: "mail"}),
        append("nodes", RECEIPT, "tools", item=tool(EVIL, once=EVIL)),
        put("nodes", LETTER, "params", 1, "source", "data", to=EVIL),
        put("nodes", LETTER, "params", 1, "name", to=EVIL),
        put("nodes", RECEIPT, "params", 0, "source", to=ref("owed", EVIL)),
        put("nodes", AGREED, "when", to={**GIFT, "left": ref("owed", EVIL)}),
        put("nodes", AGREED, "when", to={"ref": ref("owed", EVIL), "op": "present"}),
        put("nodes", AGREED, "when", to={**GIFT, "kind": "text", "right": const(EVIL)}),
        put("nodes", AGREED, "when", to=over(EVIL)),
        put("name", to=EVIL),
        append("acknowledged", item=EVIL),
        put("result", to="letter"),
        contract_of(CLAIM, lambda schema: schema["properties"].update({EVIL: {"type": EVIL, "enum": [EVIL]}})),
        contract_of(CLAIM, lambda schema: schema["properties"].update({EVIL: {"type": "string", "pattern": EVIL}})),
    ],
)
def test_change_with_hostile_names_stays_one_sentence(edit: Edit, traced: Plan) -> None:
    """A plan that somebody wrote by hand cannot forge a line, hide one, or pass for other words."""
    other = edited(traced, edit)
    for found in (changes(traced, other), changes(other, traced)):
        assert found
        for change in found:
            assert not {"\n", "\x1b", "\u202e", "\u2028"} & set(change.what)
            assert len(change.what) < 700
            if "finance decides" in change.what:
                assert change.what.split("finance decides")[0][-1] in "\"'", change.what

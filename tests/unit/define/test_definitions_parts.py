"""Stages, guards, effects and endorsers are checked where they are declared."""

from __future__ import annotations

from typing import Any

import pytest

from gatework import PlanError
from gatework.plan.plan import By
from tests.unit import parts
from tests.unit.defining import Definitions

STAGES = {
    "not async": ("@stage()  # here\ndef work(text: str) -> Letter: ...", "work is not async", "async def"),
    "without brackets": ("@stage  # here\nasync def work(text: str) -> Letter: ...", "gives Letter", r"@stage\(\)"),
    "input without a type": ("@stage()  # here\nasync def work(text) -> Letter: ...", "text has no type", "Annotate"),
    "no result": ("@stage()  # here\nasync def work(text: str): ...", "does not say what it returns", "Annotate"),
    "unknown type": ("@stage()  # here\nasync def work(text: Nowhere) -> Letter: ...", "Nowhere", "Import"),
    "star arguments": ("@stage()  # here\nasync def work(*text: str) -> Letter: ...", r"takes \*text", "Name each"),
    "keywords": ("@stage()  # here\nasync def work(**text: str) -> Letter: ...", r"takes \*\*text", "Name each"),
    "positional only": (
        "@stage()  # here\nasync def work(text: str, /) -> Letter: ...",
        "text has no name",
        "Drop the /",
    ),
    "private name": ("@stage()  # here\nasync def _work(text: str) -> Letter: ...", "no usable name", "public name"),
    "bound method": (
        "class A:\n    async def work(self, text: str) -> Letter: ...  # here\nstage()(A().work)",
        "not a plain function",
        "top of a module",
    ),
    "effect on untrusted data": (
        "@stage(tools=[refund_order])  # here\nasync def work(mail: Untrusted[Mail]) -> Untrusted[Letter]: ...",
        "holds an effect and takes untrusted",
        "Endorsed or Approved",
    ),
    "effect on one untrusted of two": (
        "@stage(tools=[refund_order])  # here\n"
        "async def work(owed: Approved[Owed], mail: Untrusted[Mail]) -> Untrusted[Letter]: ...",
        "holds an effect and takes untrusted",
        "Endorsed or Approved",
    ),
    "effect without labelled input": (
        "@stage(tools=[refund_order])  # here\nasync def work(text: str) -> Letter: ...",
        "without any labelled input",
        "Endorsed or Approved",
    ),
    "tool that is none": (
        "@stage(tools=[print])  # here\nasync def work(owed: Approved[Owed]) -> Endorsed[Letter]: ...",
        "a tool that is none",
        "@effect",
    ),
    "one tool twice": (
        "@stage(tools=[refund_order] * 2)  # here\nasync def work(owed: Approved[Owed]) -> Endorsed[Letter]: ...",
        "names refund_order twice",
        "once",
    ),
    "one guard twice": (
        "@stage(quotes, quotes)  # here\nasync def work(mail: Untrusted[Mail]) -> Untrusted[Claim]: ...",
        "names quotes twice",
        "once",
    ),
    "no attempts": ("@stage(attempts=0)  # here\nasync def work(text: str) -> Letter: ...", "at least one", "Correct"),
    "no time": (
        "@stage(timeout=timedelta())  # here\nasync def work(text: str) -> Letter: ...",
        "longer than nothing",
        "Correct",
    ),
    "no patience": (
        "@stage(expires=timedelta(-1))  # here\nasync def work(text: str) -> Letter: ...",
        "longer than",
        "Correct",
    ),
    "no budget": (
        "@stage(budget=Budget(model_calls=0, tokens=5))  # here\nasync def work(text: str) -> Letter: ...",
        "work: its budget has model_calls that are not a whole number above zero",
        "Correct",
    ),
    "no name of a role": ("role('the boss')  # here", "no name of a role", "Use letters"),
    "no name of a node": ("extract.as_('a b')  # here", "no name of a node", "Use letters"),
    "called outside of a plan": ("extract(Untrusted(Mail(text='')))  # here", "outside of a plan", "@workflow"),
    "endorse outside of a plan": ("endorse(Untrusted(3), by=look_up)  # here", "outside of a plan", "@workflow"),
    "approve outside of a plan": ("approve(Endorsed(3), by=role('f'))  # here", "outside of a plan", "@workflow"),
}

GUARDS = {
    "names an input that the stage lacks": (
        "def check(claim: Claim, letter: Letter) -> Verdict: ...\n@stage(check)  # here\n"
        "async def work(mail: Untrusted[Mail]) -> Untrusted[Claim]: ...",
        "check asks for letter, and work has no such input",
        r"check\.on\(letter='…'\)",
    ),
    "names an input of another type": (
        "def check(claim: Claim, mail: Letter) -> Verdict: ...\n@stage(check)  # here\n"
        "async def work(mail: Untrusted[Mail]) -> Untrusted[Claim]: ...",
        "check asks for mail as Letter, and work has Mail",
        "same type",
    ),
    "looks at another type": (
        "def check(letter: Letter) -> Verdict: ...\n@stage(check)  # here\n"
        "async def work(mail: Untrusted[Mail]) -> Untrusted[Claim]: ...",
        "check looks at Letter, and work makes Claim",
        "guard of that type",
    ),
    "rebinds to an input that the stage lacks": (
        "other = guard(quotes).on(mail='letter')\n@stage(other)  # here\n"
        "async def work(mail: Untrusted[Mail]) -> Untrusted[Claim]: ...",
        "asks for mail, and work has no such input",
        "on",
    ),
    "rebinds what it has not": (
        "@guard  # here\ndef check(claim: Claim) -> Verdict: ...\ncheck.on(mail='letter')",
        "no parameter mail",
        "Bind one",
    ),
    "takes nothing": ("@guard  # here\ndef check() -> Verdict: ...", "takes nothing", "what it looks at"),
    "takes a label": (
        "@guard  # here\ndef check(claim: Untrusted[Claim]) -> Verdict: ...",
        "with a label",
        "drop the label",
    ),
    "takes a labelled input": (
        "@guard  # here\ndef check(claim: Claim, mail: Untrusted[Mail]) -> Verdict: ...",
        "takes mail with a label",
        "drop the label",
    ),
    "gives no verdict": ("@guard  # here\ndef check(claim: Claim) -> bool: ...", "gives bool", "Return a Verdict"),
    "gives nothing": (
        "@guard  # here\nasync def check(claim: Claim) -> None: ...",
        "gives NoneType",
        "Return a Verdict",
    ),
    "gives a verdict at times": (
        "@guard  # here\ndef check(claim: Claim) -> Verdict | None: ...",
        "gives",
        "Return a Verdict",
    ),
    "does not say what it gives": (
        "@guard  # here\ndef check(claim: Claim): ...",
        "does not say what it returns",
        "Annotate",
    ),
    "has no time": (
        "@guard(timeout=timedelta())  # here\ndef check(claim: Claim) -> Verdict: ...",
        "has no time",
        "longer",
    ),
    "is a lambda": ("stage(lambda claim: Pass())  # here", "no usable name", "def"),
}

BEFORE = {
    "asks for what the stage lacks": (
        "def check(letter: Letter) -> Verdict: ...\n@stage(before=[check])  # here\n"
        "async def work(mail: Untrusted[Mail]) -> Untrusted[Claim]: ...",
        "check asks for letter, and work has no such input",
        r"check\.on\(letter='…'\)",
    ),
    "asks for an input of another type": (
        "def check(mail: Letter) -> Verdict: ...\n@stage(before=[check])  # here\n"
        "async def work(mail: Untrusted[Mail]) -> Untrusted[Claim]: ...",
        "check asks for mail as Letter, and work has Mail",
        "same type",
    ),
    "looks at the output": (
        "@stage(before=[quotes])  # here\nasync def work(mail: Untrusted[Mail]) -> Untrusted[Claim]: ...",
        "quotes asks for claim, and work has no such input",
        "Name an input",
    ),
    "looks at nothing": (
        "def check(limit: int = 3) -> Verdict: ...\n@stage(before=[check])  # here\n"
        "async def work(mail: Untrusted[Mail]) -> Untrusted[Claim]: ...",
        "check in before= looks at no input of work",
        "by its name",
    ),
    "is given twice": (
        "def check(mail: Mail) -> Verdict: ...\n@stage(before=[check, check])  # here\n"
        "async def work(mail: Untrusted[Mail]) -> Untrusted[Claim]: ...",
        "names check twice",
        "once",
    ),
    "takes a label": (
        "def check(mail: Untrusted[Mail]) -> Verdict: ...  # here\n@stage(before=[check])\n"
        "async def work(mail: Untrusted[Mail]) -> Untrusted[Claim]: ...",
        "takes mail with a label",
        "drop the label",
    ),
    "gives no verdict": (
        "def check(mail: Mail) -> bool: ...  # here\n@stage(before=[check])\n"
        "async def work(mail: Untrusted[Mail]) -> Untrusted[Claim]: ...",
        "gives bool",
        "Return a Verdict",
    ),
    "binds the output of a guard of outputs": (
        "@guard\ndef check(claim: Claim) -> Verdict: ...\n@stage(check.on(claim='mail'))  # here\n"
        "async def work(mail: Untrusted[Mail]) -> Untrusted[Claim]: ...",
        "looks at the output as claim, and it is bound",
        "before",
    ),
}

QUEUES = ["pay ments", "-pay", "", "zahlungen\u2011eu", "a" * 101, "_sys", "pay/ments", "pay\n"]

EFFECTS = {
    "without a key": (
        "@effect(once='order')  # here\nasync def act(order: str) -> Receipt: ...",
        "does not take its key",
        "IdempotencyKey",
    ),
    "with its key second": (
        "@effect(once='order')  # here\nasync def act(order: str, key: IdempotencyKey) -> Receipt: ...",
        "does not take its key",
        "first",
    ),
    "with a plain key": (
        "@effect(once='order')  # here\nasync def act(key: str, order: str) -> Receipt: ...",
        "does not take its key",
        "IdempotencyKey",
    ),
    "without its business key": (
        "@effect(once='order')  # here\nasync def act(key: IdempotencyKey, amount: int) -> Receipt: ...",
        "no argument 'order'",
        "once=",
    ),
    "with the key as business key": (
        "@effect(once='key')  # here\nasync def act(key: IdempotencyKey, amount: int) -> Receipt: ...",
        "no argument 'key'",
        "once=",
    ),
    "with a decimal as business key": (
        "@effect(once='amount')  # here\nasync def act(key: IdempotencyKey, amount: Decimal) -> Receipt: ...",
        "a Decimal",
        "str, int or UUID",
    ),
    "with a model as business key": (
        "@effect(once='owed')  # here\nasync def act(key: IdempotencyKey, owed: Owed) -> Receipt: ...",
        "a Owed",
        "str, int or UUID",
    ),
    "not async": (
        "@effect(once='order')  # here\ndef act(key: IdempotencyKey, order: str) -> Receipt: ...",
        "not async",
        "async def",
    ),
    "with a label": (
        "@effect(once='order')  # here\n"
        "async def act(key: IdempotencyKey, order: str, owed: Endorsed[Owed]) -> Receipt: ...",
        "takes or gives labels",
        "plain values",
    ),
    "with a labelled result": (
        "@effect(once='order')  # here\nasync def act(key: IdempotencyKey, order: str) -> Endorsed[Receipt]: ...",
        "takes or gives labels",
        "plain values",
    ),
    "with a probe of another type": (
        "async def find(key: IdempotencyKey) -> Letter | None: ...  # here\n"
        "@effect(once='order', probe=find)\nasync def act(key: IdempotencyKey, order: str) -> Receipt: ...",
        "find cannot answer for act",
        "Result | None",
    ),
    "with a probe of the order": (
        "async def find(order: str) -> Receipt | None: ...  # here\n"
        "@effect(once='order', probe=find)\nasync def act(key: IdempotencyKey, order: str) -> Receipt: ...",
        "find cannot answer for act",
        "key: IdempotencyKey",
    ),
    "with a probe that is not async": (
        "def find(key: IdempotencyKey) -> Receipt | None: ...  # here\n"
        "@effect(once='order', probe=find)\nasync def act(key: IdempotencyKey, order: str) -> Receipt: ...",
        "find is not async",
        "async def",
    ),
    "with an argument that is no contract": (
        "@effect(once='order')  # here\nasync def act(key: IdempotencyKey, order: str, data: bytes) -> Receipt: ...",
        "data is no contract: bytes",
        "JSON",
    ),
}


@pytest.mark.parametrize("case", STAGES)
def test_stage_that_breaks_a_rule_is_refused(case: str, defining: Definitions) -> None:
    """Where it is declared, naming the fix."""
    defining.refused(*STAGES[case])


@pytest.mark.parametrize("case", GUARDS)
def test_guard_that_does_not_fit_is_refused(case: str, defining: Definitions) -> None:
    """A guard that would be skipped, or handed something else, is no guard."""
    defining.refused(*GUARDS[case])


@pytest.mark.parametrize("case", BEFORE)
def test_guard_on_inputs_that_does_not_fit_is_refused(case: str, defining: Definitions) -> None:
    """A guard on inputs takes at least one of the stage's, by its name and with its type."""
    defining.refused(*BEFORE[case])


def test_guards_on_inputs_are_bound_by_name(defining: Definitions) -> None:
    """Each parameter reads the input of its name or the one it is bound to; a guard may serve twice under `.on`."""
    module = defining.load(
        """\
def any_model(mail: BaseModel) -> Verdict: ...
async def lenient(mail: object, limit: int = 3) -> Verdict: ...
@guard(timeout=timedelta(seconds=2))
def compares(one: Mail, other: Mail) -> Pass | Block: ...

@stage(quotes, before=[any_model, lenient, compares.on(one="mail", other="second")], on="inbox.eu-1")
async def work(mail: Untrusted[Mail], second: Untrusted[Mail]) -> Untrusted[Claim]: ...

@workflow
def plan(mail: Untrusted[Mail]) -> Untrusted[Claim]:
    _ = work.as_("one")(mail, mail)
    return work.as_("again")(mail, mail)
"""
    )
    node = module.plan.plan.nodes[1]
    assert [(use.name, dict(use.binds), use.timeout_seconds) for use in node.before] == [
        ("any_model", {"mail": "mail"}, 10),
        ("lenient", {"mail": "mail"}, 10),
        ("compares", {"one": "mail", "other": "second"}, 2),
    ]
    assert [use.name for use in node.guards] == ["quotes"]
    assert node.queue == "inbox.eu-1"


@pytest.mark.parametrize("name", [name for name in QUEUES if name])
def test_task_queue_without_a_usable_name_is_refused(name: str, defining: Definitions) -> None:
    """A name that looks the same in a log, a shell and a URL."""
    stage = f"@stage(on={name!r})  # here\nasync def work(mail: Untrusted[Mail]) -> Untrusted[Claim]: ..."
    defining.refused(stage, "no name of a task queue", "letters, digits")


def test_endorsement_has_the_limits_of_a_stage(defining: Definitions) -> None:
    """Attempts, timeout, operator, expiry and task queue are sealed in its node."""
    plan = defining.plan(
        "claim = extract(mail)\n"
        "return endorse(claim, by=look_up, attempts=3, timeout=timedelta(seconds=5), operator=role('records'),\n"
        "    expires=timedelta(hours=1), on='records')",
        gives="Endorsed[Owed]",
    ).plan
    node: Any = plan.nodes[1]
    limits = (node.attempts, node.timeout_seconds, node.operator, node.expires_seconds, node.queue)
    assert limits == (3, 5, By(role="records"), 3600, "records")


@pytest.mark.parametrize("limit", ["attempts=0", "timeout=timedelta()", "expires=timedelta(-1)"])
def test_endorsement_without_limits_is_refused(limit: str, defining: Definitions) -> None:
    """An endorser that may run or wait for no time does nothing."""
    source = f"claim = extract(mail)\n    return endorse(claim, by=look_up, {limit})"
    defining.refused(
        f"@workflow\ndef plan(mail: Untrusted[Mail]) -> Endorsed[Owed]:\n    {source}  # here",
        "attempts are at least one",
        "Correct",
    )


@pytest.mark.parametrize("case", EFFECTS)
def test_effect_that_breaks_a_rule_is_refused(case: str, defining: Definitions) -> None:
    """An effect has a key of its own, a business key that names one thing, and plain arguments."""
    defining.refused(*EFFECTS[case])


def test_parts_that_keep_the_rules_are_accepted(defining: Definitions) -> None:
    """Guards of base classes, rebound and with defaults; effects keyed by every kind of name; all options."""
    module = defining.load(
        """\
from uuid import UUID

def any_model(value: BaseModel) -> Verdict: ...
def anything(value: object, mail: BaseModel) -> Pass | Retry: ...
async def lenient(claim: Claim, limit: int = 3) -> Verdict: ...
def deferred(claim: Claim) -> Awaitable[Verdict]: ...

@guard(timeout=timedelta(seconds=2))
def timed(claim: Claim, mail: Mail) -> Pass | Block | Escalate: ...

@stage(quotes, any_model, anything.__call__ and anything, lenient, deferred, timed.on(mail="second"), attempts=3,
       timeout=timedelta(minutes=2), budget=Budget(model_calls=1, tokens=10), operator=role("on-call_2"),
       expires=timedelta(days=1))
async def work(mail: Untrusted[Mail], second: Untrusted[Mail]) -> Untrusted[Claim]: ...

class Desk(Enum):
    FRONT = "front"

@effect(once="desk")
async def by_enum(key: IdempotencyKey, desk: Desk) -> Receipt: ...
@effect(once="order")
async def by_new_type(key: IdempotencyKey, order: OrderId) -> Receipt: ...
@effect(once="number")
async def by_number(key: IdempotencyKey, number: Annotated[int, Field(gt=0)]) -> str: ...
async def find(key: IdempotencyKey) -> Receipt | None: ...
@effect(once="id", probe=find)
async def by_uuid(key: IdempotencyKey, id: UUID) -> Receipt | Block: ...

@stage(tools=[by_enum, by_new_type, by_number, by_uuid])
async def act(owed: Approved[Owed], tone: str) -> Endorsed[Receipt] | Block: ...
"""
    )
    uses = {use.name: dict(use.binds) for use in module.work.guard_uses}
    assert uses["timed"] == {"mail": "second"}
    assert uses["quotes"] == {"mail": "mail"}
    assert uses["lenient"] == {}
    assert [tool.use.probe for tool in module.act.tools] == [False, False, False, True]


ENDORSERS = {
    "gives back the claim": (
        "async def by(claim: Claim) -> Claim | Block: ...  # here",
        "gives back the type",
        "model of its own",
    ),
    "gives back the claim inside": (
        "class Kept(BaseModel):\n    claims: list[Claim]\nasync def by(claim: Claim) -> Kept: ...  # here",
        "gives back the type",
        "own",
    ),
    "gives back the claim perhaps": (
        "async def by(claim: Claim) -> Claim | Owed: ...  # here",
        "gives back the type",
        "own",
    ),
    "takes two values": (
        "async def by(claim: Claim, other: str) -> Owed: ...  # here",
        "more than the claim",
        "one value",
    ),
    "takes another type": (
        "async def by(claim: Letter) -> Owed: ...",
        "is a Letter and gets claim, a Claim",
        "of that type",
    ),
    "takes a label": (
        "async def by(claim: Untrusted[Claim]) -> Owed: ...  # here",
        "takes or gives a label",
        "plain values",
    ),
    "gives a label": (
        "async def by(claim: Claim) -> Endorsed[Owed]: ...  # here",
        "takes or gives a label",
        "plain values",
    ),
    "is not async": ("def by(claim: Claim) -> Owed: ...  # here", "not async", "async def"),
    "gives anything": ("async def by(claim: Claim) -> Any: ...  # here", "output is no contract: Any", "JSON"),
    "is a lambda": ("by = lambda claim: claim  # here", "no usable name", "def"),
}


@pytest.mark.parametrize("case", ENDORSERS)
def test_endorser_that_endorses_nothing_is_refused(case: str, defining: Definitions) -> None:
    """What comes out is ours: nothing of the claim passes through as it came."""
    definition, problem, fix = ENDORSERS[case]
    mark = "" if "# here" in definition else "  # here"
    defining.refused(
        f"{definition}\n@workflow\ndef plan(mail: Untrusted[Mail]) -> Endorsed[Owed]:\n"
        f"    claim = extract(mail)\n    return endorse(claim, by=by){mark}\n",
        problem,
        fix,
    )


def test_stage_function_is_at_hand_for_tests() -> None:
    """A stage is called in plans; its function, in tests."""
    function: Any = parts.extract.function
    assert function.__name__ == "extract"
    with pytest.raises(PlanError, match="outside of a plan"):
        parts.extract(parts.Mail(text=""))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]

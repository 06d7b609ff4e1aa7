"""A plan's body is a small language: what would need a value's content is refused where it stands, with the fix."""

from __future__ import annotations

import pytest

from gatework import PlanError, workflow
from gatework.plan.plan import Approval
from tests.unit.defining import Definitions, in_plan

OWED = "claim = extract(mail)\nowed = endorse(claim, by=look_up)\n"
END = "agreed = approve(owed, by=role('finance'))\nreturn send(draft(owed), pay(agreed))\n"

REFUSED = {
    "if": ("if claim.value.amount > 3:  # here\n    pass", "an `if`", "when"),
    "if of a constant": ("if True:  # here\n    pass", "an `if`", "when"),
    "conditional expression": ("x = claim if claim.value.amount > 3 else owed  # here", "conditional", "when"),
    "for": ("for item in owed.value.tags:  # here\n    pass", "a `for` loop", "each"),
    "while": ("while owed.value.gift:  # here\n    pass", "a `while` loop", "repeat"),
    "match": ("match claim:  # here\n    case _:\n        pass", "a `match`", "choose"),
    "is": ("x = owed.value.friend is None  # here", "`is`", "present"),
    "is not": ("x = owed.value.friend is not None  # here", "`is`", "present"),
    "in": ("x = owed.value.level in ('low', 'high')  # here", "`in`", "any_of"),
    "not in": ("x = 'a' not in owed.value.tags  # here", "`in`", "any_of"),
    "and": ("x = owed.value.gift and owed.value.items > 3  # here", "`and` or `or`", "all_of"),
    "or": ("x = owed.value.gift or owed.value.items > 3  # here", "`and` or `or`", "any_of"),
    "not": ("x = not owed.value.gift  # here", "`not`", "not_"),
    "chained comparison": ("x = 1 < owed.value.items < 3  # here", "chained", "all_of"),
    "addition": ("x = owed.value.amount + 1  # here", "arithmetic", "stage"),
    "multiplication from the right": ("x = 2 * owed.value.amount  # here", "arithmetic", "stage"),
    "negation": ("x = -owed.value.amount  # here", "arithmetic", "stage"),
    "inversion": ("x = ~(owed.value.gift == True)  # here", "arithmetic", "stage"),
    "bitwise or": ("x = (owed.value.items > 3) | owed.value.gift  # here", "arithmetic", "stage"),
    "f-string": ("x = f'{owed.value.order}'  # here", "f-string", "stage"),
    "percent": ("x = 'order %s' % owed.value.order  # here", "arithmetic", "stage"),
    "format": ("x = 'order {}'.format(owed.value.order)  # here", "called with a value", "make it a stage"),
    "method": ("x = owed.value.order.upper()  # here", "called with a value", "make it a stage"),
    "model method": ("x = owed.value.model_dump()  # here", "called with a value", "make it a stage"),
    "helper": ("x = copy.copy(claim)  # here", "`copy.copy` is called", "make it a stage"),
    "helper by keyword": ("x = dict(claim=claim)  # here", "`dict` is called", "make it a stage"),
    "isinstance": ("x = isinstance(claim, Claim)  # here", "`isinstance`", "make it a stage"),
    "len": ("x = len(owed.value.tags)  # here", "`len`", "make it a stage"),
    "str": ("x = str(owed.value.order)  # here", "`str`", "make it a stage"),
    "bool": ("x = bool(owed.value.gift)  # here", "`bool`", "make it a stage"),
    "print": ("print(claim)  # here", "`print`", "make it a stage"),
    "list comprehension": ("x = [extract(m) for m in (mail,)]  # here", "comprehension", "one stage"),
    "set comprehension": ("x = {c for c in (claim,)}  # here", "comprehension", "one stage"),
    "dict comprehension": ("x = {c: c for c in (claim,)}  # here", "comprehension", "one stage"),
    "generator": ("x = (c for c in (claim,))  # here", "generator", "one stage"),
    "lambda": ("x = lambda: claim  # here", "lambda", "stage"),
    "walrus": ("x = approve((y := owed), by=role('finance'))  # here", "assignment expression", "line of its own"),
    "starred": ("x = merge(*[claim, claim])  # here", "starred", "Name each"),
    "double starred": ("x = draft(**{'owed': owed})  # here", "starred", "Name each"),
    "dict": ("x = {'claim': claim}  # here", "dict", "one by one"),
    "set": ("x = {claim}  # here", "set", "one by one"),
    "await": ("x = await claim  # here", "", ""),
    "yield": ("yield claim", "`yield`", "Return"),
    "yield of nothing": ("x = yield", "`yield`", "Return"),
    "tuple unpacking": ("x, y = claim, owed  # here", "unpacked", "name its fields"),
    "list unpacking": ("[x, y] = [claim, owed]  # here", "unpacked", "name its fields"),
    "two names": ("x = y = extract(mail)  # here", "more than one name", "one name"),
    "augmented assignment": ("x = []\nx += [claim]  # here", "augmented", "stage"),
    "attribute": ("parts.leak = claim  # here", "else than a name", "Assign to a name"),
    "annotated attribute": ("parts.leak: Claim = claim  # here", "else than a name", "Assign to a name"),
    "annotation alone": ("x: Claim  # here", "else than a name", "Assign to a name"),
    "item": ("globals()['leak'] = claim  # here", "else than a name", "Assign to a name"),
    "subscript": ("x = owed.value.tags[0]  # here", "subscript", "fields of models"),
    "del": ("del claim  # here", "`del`", "Leave"),
    "global": ("global leak  # here", "`global`", "inputs of stages"),
    "nested class": ("class Inner:  # here\n    pass", "a definition", "top of the module"),
    "try": ("try:  # here\n    pass\nexcept ValueError:\n    pass", "a `try`", "Block"),
    "with": ("with open('x') as f:  # here\n    pass", "a `with`", "in the stage"),
    "assert": ("assert claim  # here", "an `assert`", "guard"),
    "raise": ("raise ValueError  # here", "a `raise`", "Block"),
    "import": ("import os  # here", "an import", "top of the module"),
    "from import": ("from os import path  # here", "an import", "top of the module"),
    "bare name": ("claim  # here", "does nothing", "Remove"),
    "bare comparison": ("owed.value.items > 3  # here", "does nothing", "Remove"),
    "ellipsis": ("...  # here", "does nothing", "Remove"),
    "private attribute": ("x = claim._label  # here", "`_label` of a value", "fields of models"),
    "class of a value": ("x = claim.__class__  # here", "`__class__` of a value", "fields of models"),
}


@pytest.mark.parametrize("case", [name for name in REFUSED if "yield" not in name and name != "await"])
def test_syntax_outside_of_the_language_is_refused(case: str, defining: Definitions) -> None:
    """Each names its line, what is wrong and what to write instead."""
    body, problem, fix = REFUSED[case]
    defining.refused_in_plan(f"{OWED}{body}\n{END}", problem, fix)


@pytest.mark.parametrize("case", ["yield", "yield of nothing"])
def test_generator_is_refused(case: str, defining: Definitions) -> None:
    """A generator would give nothing before it is iterated."""
    body, problem, fix = REFUSED[case]
    source = f"@workflow\ndef plan(mail: Untrusted[Mail]) -> Endorsed[Sent]:  # here\n    {body}\n    return mail\n"
    defining.refused(source, problem, fix)


def test_async_plan_is_refused(defining: Definitions) -> None:
    """A plan is read once; there is nothing to await."""
    source = "@workflow\nasync def plan(mail: Untrusted[Mail]) -> Untrusted[Claim]:  # here\n    return mail\n"
    defining.refused(source, "async", "Write `def`")


def test_whole_language_is_accepted(defining: Definitions) -> None:
    """What the language has, in one plan."""
    plan = defining.plan(
        """
        "A docstring."
        claim: Untrusted[Claim] = extract(mail)
        limit = Decimal(100)
        again = extract.as_("second")(mail=mail)
        both = parts.merge(claim, other=again)
        owed = endorse(both, by=look_up)
        pass
        shown = [claim, owed]
        amount = owed.value.amount
        large = any_of(amount > limit, all_of(1 < owed.value.items, not_(present(owed.value.friend))))
        agreed = approve(owed, by=role("finance"), when=large, show=shown, within=timedelta(hours=len("ab")))
        _ = audit(owed, note("seen"), [1, 2], note=None)
        letter = (
            parts
            .draft(
                agreed,
                "cool",
            )
        )
        return send(letter, pay(agreed))
        """
    )
    names = ["claim", "second", "both", "owed", "agreed", "note", "audit", "letter", "pay", "send"]
    assert [node.name for node in plan.plan.nodes] == names
    assert plan.plan.acknowledged == ("audit",)
    approval = plan.plan.nodes[4]
    assert isinstance(approval, Approval)
    assert [ref.node for ref in approval.show] == ["claim", "owed"]


def test_variable_may_be_assigned_again(defining: Definitions) -> None:
    """Names are Python's; what a variable holds counts where it is used."""
    plan = defining.plan(
        """
        claim = extract(mail)
        owed = endorse(claim, by=look_up)
        claim = "warm".upper() + "er"
        letter = draft(owed, claim)
        _ = endorse(merge(extract.as_("other")(mail), extract.as_("third")(mail)), by=look_up_customer)
        return letter
        """,
        gives="Endorsed[Letter]",
    )
    assert [node.name for node in plan.plan.nodes] == [
        "claim",
        "owed",
        "letter",
        "other",
        "third",
        "merge",
        "look_up_customer",
    ]
    defining.refused_in_plan(
        "claim = extract(mail)\nclaim = merge(claim, claim)  # here\nreturn claim", "two nodes are named claim", "as_"
    )


def test_call_takes_the_name_of_its_variable_only(defining: Definitions) -> None:
    """An inner call is not the one that is assigned."""
    plan = defining.plan("letter = draft(endorse(extract(mail), by=look_up))\nreturn letter", gives="Endorsed[Letter]")
    assert [node.name for node in plan.plan.nodes] == ["extract", "look_up", "letter"]


def test_text_in_other_scripts_does_not_move_names(defining: Definitions) -> None:
    """Columns are counted in bytes, on both sides."""
    plan = defining.plan("größe = 'ü'; claim = extract(mail)\nreturn claim", gives="Untrusted[Claim]")
    assert [node.name for node in plan.plan.nodes] == ["claim"]


def test_plan_without_return_is_refused(defining: Definitions) -> None:
    """A run gives something."""
    source = "@workflow\ndef plan(mail: Untrusted[Mail]) -> Endorsed[Sent]:  # here\n    _ = extract(mail)\n"
    defining.refused(source, "returns nothing", "Return")
    defining.refused_in_plan("_ = extract(mail)\nreturn  # here", "returns nothing", "Return")


def test_plan_without_source_is_refused() -> None:
    """What cannot be read cannot be checked."""
    scope: dict[str, object] = {"workflow": workflow}
    with pytest.raises(PlanError, match=r"cannot be read\. Define plans in a file") as caught:
        exec("@workflow\ndef plan(mail: int) -> int:\n    return mail\n", scope)
    assert caught.value.where == "<string>"


def test_lambda_and_class_are_no_plans(defining: Definitions) -> None:
    """A plan has a body with statements."""
    defining.refused("workflow(lambda mail: mail)  # here", "plain function", "def")
    defining.refused("workflow(functools.partial(print))  # here", "plain function", "def")
    defining.refused("workflow(Mail)  # here", "plain function", "def")


def test_plan_under_another_decorator_is_refused(defining: Definitions) -> None:
    """A wrapper would run when the plan is traced, and never again."""
    source = """\
def logged(function):
    @functools.wraps(function)  # here
    def wrapper(*args):
        return function(*args)
    return wrapper

@workflow
@logged
def plan(mail: Untrusted[Mail]) -> Untrusted[Claim]:
    return extract(mail)
"""
    defining.refused(source, "wrapped", "only one")


def test_two_plans_of_one_name_in_a_file_are_told_apart(defining: Definitions) -> None:
    """Each is checked on its own lines."""
    one, two = (
        in_plan(f"{name} = extract(mail)\nreturn {name}", "mail: Untrusted[Mail]", "Untrusted[Claim]")
        for name in ("one", "two")
    )
    module = defining.load(f"{one}first = plan\n{two}")
    assert [module.first.plan.result, module.plan.plan.result] == ["one", "two"]


def test_plan_in_a_function_sees_its_surroundings(defining: Definitions) -> None:
    """Constants and stages may come from an enclosing function, as long as they are there."""
    module = defining.load(
        """\
def make(limit, stage_):
    @workflow
    def plan(mail: Untrusted[Mail]) -> Untrusted[Claim]:
        claim = stage_(mail)
        owed = endorse(claim, by=look_up)
        _ = approve(owed, by=role("finance"), when=owed.value.amount > limit)
        return claim
    return plan

plan = make(Decimal(7), extract)
"""
    )
    assert "7" in str(module.plan.plan.data)
    defining.refused(
        """\
def make():
    @workflow
    def plan(mail: Untrusted[Mail]) -> Untrusted[Claim]:
        return later(mail)  # here
    later = extract
    return plan

make()
""",
        "`later` is called",
        "stage",
    )


def test_wrong_plan_is_found_without_positions_too(defining: Definitions) -> None:
    """Nodes are named by where their calls stand; without positions the digest would be another."""
    import subprocess
    import sys

    module = defining.load(
        "@workflow\ndef plan(mail: Untrusted[Mail]) -> Untrusted[Claim]:\n    return extract(mail)\n"
    )
    done = subprocess.run(
        [sys.executable, "-X", "no_debug_ranges", "-B", module.__file__ or ""],
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": ".", "PATH": ""},
    )
    assert "Run Python without -X no_debug_ranges" in done.stderr

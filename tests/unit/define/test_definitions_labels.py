"""Labels are not a matter of goodwill: whatever Python offers to get rid of one is refused at import."""

from __future__ import annotations

import pytest

from tests.unit.defining import Definitions

OWED = "claim = extract(mail)\nowed = endorse(claim, by=look_up)\n"
END = "agreed = approve(owed, by=role('finance'))\nreturn send(draft(owed), pay(agreed))\n"

MISUSED = {
    "approval skipped": (
        "return send(draft(owed), pay(owed))  # here",
        "pay asks for approved owed and gets endorsed",
        r"Use approve\(…",
    ),
    "untrusted for endorsed of its type": (
        "sure = revise(again(claim))  # here\nreturn sure",
        "revise asks for endorsed claim and gets untrusted",
        r"Use endorse\(…",
    ),
    "untrusted for endorsed of another type": (
        "x = draft(claim)  # here",
        "is a Owed and gets claim, a Claim",
        "of that type",
    ),
    "swapped inputs": (
        "x = send(pay(approve(owed, by=role('f'))), draft(owed))  # here",
        "letter of send is a Letter",
        "type",
    ),
    "label stripped by value": (
        "x = draft(owed.value)  # here",
        "without its label: it is still endorsed",
        "owed itself",
    ),
    "untrusted stripped by value": ("x = merge(claim.value, claim)  # here", "still untrusted", "claim itself"),
    "field for plain": (
        "x = note(claim.value.order)  # here",
        "without its label: it is still untrusted",
        "claim itself",
    ),
    "endorsed field for plain": ("x = note(owed.value.order)  # here", "still endorsed", "owed itself"),
    "field for labelled": ("x = greet(owed.value.customer)  # here", "without its label", "owed itself"),
    "field without value": (
        "x = approve(owed, by=role('f'), when=owed.gift)  # here",
        "owed is labelled",
        r"owed\.value\.gift",
    ),
    "labelled compared": (
        "x = approve(owed, by=role('f'), when=owed == 3)  # here",
        "owed is labelled",
        r"owed\.value",
    ),
    "compared with labelled": (
        "x = approve(owed, by=role('f'), when=owed.value.items > owed)  # here",
        "owed is labelled",
        r"owed\.value",
    ),
    "constant for labelled": ("x = draft(Owed)  # here", "endorsed and gets a constant", "value of the plan"),
    "labelled constant for labelled": ("x = note(Endorsed('a'))  # here", "breaks its contract", "Correct"),
    "plain for labelled": ("x = seal(note('a'))  # here", "asks for endorsed letter and gets plain", r"endorse\(…"),
    "endorsing the endorsed": (
        "x = endorse(sure(owed), by=look_up)  # here\nreturn x",
        "asks for untrusted claim and gets endorsed",
        "untrusted value",
    ),
    "endorsing a field": ("x = endorse(claim.value, by=look_up)  # here", "without the label", "claim itself"),
    "endorsing a constant": ("x = endorse(3, by=look_up)  # here", "not a value of the plan", "Pass"),
    "approving a field": ("x = approve(owed.value, by=role('f'))  # here", "without the label", "owed itself"),
    "approving the approved": (
        "agreed = approve(owed, by=role('f'))\ntwice = approve(agreed, by=role('g'))  # here\nreturn twice",
        "approved already",
        "Pass the approved",
    ),
    "approving the plain": (
        "x = approve(note('a'), by=role('f'))  # here\nreturn x",
        "no label to approve",
        "Approve an",
    ),
    "untrusted decides": (
        "x = approve(claim, by=role('f'), when=claim.value.amount > 3)  # here\nreturn x",
        "decides on its own approval",
        "Endorse it first",
    ),
    "untrusted decides for another": (
        "x = approve(owed, by=role('f'), when=claim.value.amount > 3)  # here\nreturn x",
        r"untrusted claim\.amount decides",
        "endorsed values",
    ),
    "untrusted decides inside": (
        "x = approve(owed, by=role('f'), when=not_(any_of(owed.value.gift, claim.value.amount > 3)))  # here\nreturn x",
        r"untrusted claim\.amount decides",
        "endorsed values",
    ),
    "untrusted presence decides": (
        "x = approve(owed, by=role('f'), when=present(claim.value.order))  # here\nreturn x",
        r"untrusted claim\.order decides",
        "endorsed values",
    ),
    "untrusted on the right decides": (
        "x = approve(owed, by=role('f'), when=owed.value.amount > claim.value.amount)  # here\nreturn x",
        r"untrusted claim\.amount decides",
        "endorsed values",
    ),
    "showing a field": (
        "x = approve(owed, by=role('f'), show=[claim.value])  # here",
        "without the label",
        "claim itself",
    ),
    "showing a constant": ("x = approve(owed, by=role('f'), show=['all is well'])  # here", "not a value", "Pass"),
    "no role": ("x = approve(owed, by='finance')  # here", "does not say who decides", "role"),
    "no time": ("x = approve(owed, by=role('f'), within=timedelta())  # here", "waits no time", "within="),
}

STAGES = """\
@stage()
async def again(claim: Untrusted[Claim]) -> Untrusted[Claim]: ...

@stage()
async def sure(owed: Endorsed[Owed]) -> Endorsed[Claim]: ...

@stage()
async def revise(claim: Endorsed[Claim]) -> Endorsed[Claim]: ...

@stage()
async def seal(letter: Endorsed[Letter]) -> Endorsed[Letter]: ...

@stage()
async def greet(customer: Endorsed[Customer]) -> Endorsed[Letter]: ...

"""


@pytest.mark.parametrize("case", MISUSED)
def test_value_without_the_label_that_is_asked_is_refused(case: str, defining: Definitions) -> None:
    """A label holds from the stage that made a value to the last that reads it."""
    body, problem, fix = MISUSED[case]
    end = "" if "return" in body else END
    source = f"{STAGES}@workflow\ndef plan(mail: Untrusted[Mail]) -> Endorsed[Sent]:\n" + "".join(
        f"    {line}\n" for line in f"{OWED}{body}\n{end}".splitlines()
    )
    defining.refused(source, problem, fix)


def test_what_the_labels_ask_for_is_accepted(defining: Definitions) -> None:
    """Endorsed values go where endorsed is asked, and approved ones too; conditions read endorsed fields."""
    plan = defining.plan(
        f"{OWED}agreed = approve(owed, by=role('f'), when=owed.value.gift, show=[mail, claim])\n"
        "seen = approve(claim, by=role('f'), show=[mail])\n_ = audit(agreed, note('a'), [])\n"
        "_ = approve(extract.as_('second')(mail), by=role('f'), show=[seen])\nreturn send(draft(agreed), pay(agreed))"
    )
    assert plan.plan.result == "send"


LAUNDERED = {
    "wrapped in a label": "owed = Endorsed(claim)  # here",
    "wrapped under another name": "owed = parts.Endorsed(claim)  # here",
    "cast": "owed = cast('Endorsed[Owed]', claim)  # here",
    "wrapped in a subclass": "owed = Fake(claim)  # here",
    "wrapped by a variable": "wrap = Endorsed\nowed = wrap(claim)  # here",
    "wrapped by a variable named as a stage": "draft = Endorsed\nowed = draft(claim)  # here",
    "given to a helper": "owed = forge(claim)  # here",
    "given to a partial": "owed = functools.partial(forge)(claim)  # here",
    "given to a lambda": "owed = (lambda c: forge(c))(claim)  # here",
    "default of a lambda": "owed = (lambda c=claim: c)()  # here",
    "closure of a lambda": "owed = (lambda: claim)()  # here",
    "walrus": "owed = approve((claim := forge), by=role('f'), show=(claim,))  # here",
    "getattr": "owed = getattr(claim, 'value')  # here",
    "vars": "owed = vars(claim)  # here",
    "setattr": "setattr(claim, '_label', Label.ENDORSED)  # here",
    "object.__setattr__": "object.__setattr__(claim, '_label', Label.ENDORSED)  # here",
    "assigned to": "claim._label = Label.ENDORSED  # here",
    "copied": "owed = copy.copy(claim)  # here",
    "deeply copied": "owed = copy.deepcopy(claim)  # here",
    "pickled": "owed = pickle.loads(pickle.dumps(claim))  # here",
    "kept in a global": "globals().update(kept=claim)  # here",
    "kept in a list": "KEPT.append(claim)  # here",
    "kept in an attribute": "parts.kept = claim  # here",
    "its class": "owed = type(claim)(claim)  # here",
    "its insides": "owed = claim._type  # here",
    "its dunder": "owed = claim.__class__  # here",
    "its method": "owed = claim.__copy__()  # here",
    "in an exception": "raise ValueError(claim)  # here",
    "in a conditional": "owed = claim if True else claim  # here",
    "in an or": "owed = None or claim  # here",
    "as a key": "owed = {claim: 1}  # here",
    "in a string": "owed = f'{claim}'  # here",
    "iterated": "owed = [c for c in claim]  # here",
    "unpacked": "(owed,) = claim  # here",
    "awaited by a stage's function": "owed = extract.function(claim)  # here",
    "given to the guard": "owed = quotes(claim, mail)  # here",
    "given to the endorser": "owed = look_up(claim)  # here",
    "given to a stage made on the spot": "owed = stage()(forge)(claim)  # here",
    "given to a method of a stage": "owed = extract.__call__(mail)  # here",
    "given to another plan": "owed = other(claim)  # here",
    "given through a starred list": "owed = merge(*(claim, claim))  # here",
    "given to a stage in a container": "owed = Holder.extract(mail)  # here",
    "traced anew": "owed = trace.Traced(claim._ref, Label.ENDORSED, Owed, stripped=False)  # here",
    "given to a stage that is a subclass": "owed = sly(claim)  # here",
}

AROUND = """\
from gatework.define import trace
from gatework.plan.expr import Ref

class Fake(Endorsed):
    pass

class Sly(Stage):
    def __call__(self, value):
        return forge(value)

sly = Sly(look_nowhere := extract.function)

class Holder:
    extract = extract

KEPT = []

def forge(value=None):
    return trace.Traced(Ref("claim"), Label.APPROVED, Owed, stripped=False)

def hidden():
    return extract.as_("hidden")(trace.Traced(Ref("mail"), Label.UNTRUSTED, Mail, stripped=False))

@workflow
def other(mail: Untrusted[Mail]) -> Untrusted[Claim]:
    return extract(mail)

"""


@pytest.mark.parametrize("case", LAUNDERED)
def test_way_around_a_label_is_refused(case: str, defining: Definitions) -> None:
    """Nothing but a stage, endorse and approve takes a value of a plan."""
    body = f"claim = extract(mail)\n{LAUNDERED[case]}\n_ = claim\nreturn pay(approve(owed, by=role('f')))\n"
    source = f"{AROUND}@workflow\ndef plan(mail: Untrusted[Mail]) -> Endorsed[Receipt]:\n"
    defining.refused(source + "".join(f"    {line}\n" for line in body.splitlines()), "", "")


def test_forged_value_carries_the_label_of_its_node(defining: Definitions) -> None:
    """A stand-in made by a helper names a node, and the node's own label is what counts."""
    body = "claim = extract(mail)\nreceipt = pay(forge())  # here\nreturn receipt\n"
    source = f"{AROUND}@workflow\ndef plan(mail: Untrusted[Mail]) -> Endorsed[Receipt]:\n"
    defining.refused(
        source + "".join(f"    {line}\n" for line in body.splitlines()),
        "asks for approved owed and gets untrusted",
        "approve",
    )


def test_stage_called_by_a_helper_is_refused(defining: Definitions) -> None:
    """What a plan does stands in its body."""
    body = "claim = hidden()  # here\nreturn claim\n"
    source = f"{AROUND}@workflow\ndef plan(mail: Untrusted[Mail]) -> Untrusted[Claim]:\n"
    defining.refused(
        source + "".join(f"    {line}\n" for line in body.splitlines()),
        "extract is not called by the plan itself",
        "body",
    )


def test_stage_replaced_while_the_plan_is_read_is_refused(defining: Definitions) -> None:
    """The stage that the check found is the one that is called, or the labels of the nodes tell."""
    source = f"""{AROUND}
def swap():
    globals()["draft"] = forge

@workflow
def plan(mail: Untrusted[Mail]) -> Endorsed[Receipt]:
    claim = extract(mail)
    swapped = swap()
    owed = draft(claim)
    return pay(owed)  # here
"""
    defining.refused(source, "asks for approved owed and gets untrusted", "approve")


STRIPPED_BY_STAGES = {
    "label for none": (
        "(mail: Untrusted[Mail]) -> Letter",
        "takes untrusted data and returns plain",
        r"Return Untrusted\[",
    ),
    "untrusted for endorsed": (
        "(mail: Untrusted[Mail]) -> Endorsed[Letter]",
        "returns endorsed",
        r"Return Untrusted\[",
    ),
    "endorsed for plain": (
        "(owed: Endorsed[Owed]) -> Letter",
        "takes endorsed data and returns plain",
        r"Return Endorsed\[",
    ),
    "approved for plain": ("(owed: Approved[Owed]) -> Letter", "takes endorsed data", r"Return Endorsed\["),
    "approval inherited": ("(owed: Approved[Owed]) -> Approved[Owed]", "returns Approved", r"approve\(…\)"),
    "approval from nothing": ("(text: str) -> Approved[Letter]", "returns Approved", r"approve\(…\)"),
    "one of two untrusted": (
        "(owed: Endorsed[Owed], mail: Untrusted[Mail]) -> Endorsed[Letter]",
        "takes untrusted data",
        r"Return Untrusted\[",
    ),
    "label on one of two outputs": (
        "(mail: Untrusted[Mail]) -> Untrusted[Letter] | Owed",
        "returns",
        "labelled as a whole",
    ),
    "two labels": ("(mail: Untrusted[Mail]) -> Untrusted[Letter] | Endorsed[Owed]", "returns", "labelled as a whole"),
    "nothing but a block": ("(mail: Untrusted[Mail]) -> Block", "returns Block", "one type"),
    "label inside a list": ("(mails: list[Untrusted[Mail]]) -> Letter", "mails is no contract", "type that JSON"),
    "label inside an optional": ("(mail: Untrusted[Mail] | None) -> Letter", "mail is no contract", "type that JSON"),
    "label inside an annotation": (
        "(mail: Annotated[Untrusted[Mail], 1]) -> Letter",
        "mail is no contract",
        "type that JSON",
    ),
    "label inside a label": (
        "(mail: Endorsed[Untrusted[Mail]]) -> Endorsed[Letter]",
        "mail is no contract",
        "type that JSON",
    ),
    "label of a subclass": ("(mail: Fake[Mail]) -> Letter", "mail is no contract", "type that JSON"),
    "label without a type": ("(mail: Untrusted) -> Untrusted[Letter]", "mail is no contract", "type that JSON"),
    "label in a model": ("(mail: Holding) -> Letter", "mail is no contract", "type that JSON"),
    "label as a default": ("(text: str, mail: Untrusted[Mail] = None) -> Untrusted[Letter]", "has a default", "Remove"),
}


@pytest.mark.parametrize("case", STRIPPED_BY_STAGES)
def test_stage_that_strips_a_label_is_refused(case: str, defining: Definitions) -> None:
    """Labels are contagious, and stand outside of a type only."""
    declared, problem, fix = STRIPPED_BY_STAGES[case]
    source = f"""
T = TypeVar("T")

class Fake(Endorsed[T]):
    pass

class Holding(BaseModel):
    model_config = ConfigDict(arbitrary_types_allowed=True)
    mail: Untrusted[Mail]

@stage()  # here
async def work{declared}: ...
"""
    defining.refused(source, problem, fix)


KEPT_BY_STAGES = [
    "(mail: Untrusted[Mail]) -> Untrusted[Letter]",
    "(mail: Untrusted[Mail]) -> Untrusted[Letter] | Block",
    "(owed: Endorsed[Owed]) -> Endorsed[Letter]",
    "(owed: Approved[Owed], tone: str = 'warm') -> Endorsed[Letter | None]",
    "(owed: Approved[Owed], mail: Untrusted[Mail]) -> Untrusted[Letter] | Block",
    "(text: str) -> Letter | Receipt | Block",
    "(text: str) -> Endorsed[Letter]",
    "(text: str) -> Untrusted[Letter]",
    "() -> Untrusted[Mail]",
]


@pytest.mark.parametrize("declared", KEPT_BY_STAGES)
def test_stage_that_keeps_labels_is_accepted(declared: str, defining: Definitions) -> None:
    """Plain inputs may give a labelled output: our own records, or mail fetched from outside."""
    assert defining.load(f"@stage()\nasync def work{declared}: ...\n").work.name == "work"

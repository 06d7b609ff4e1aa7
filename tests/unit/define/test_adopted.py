"""Functions that know no labels, made stages: a label is neither lost nor won on the way."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from gatework import Approved, Block, Endorsed, PlanError, Untrusted, labelled, stage
from gatework.define.adopted import awaitable
from tests.unit.attempts import Claim, Mail, failed, finished
from tests.unit.defining import Definitions
from tests.unit.hostile import MARK


async def summarise(mail: Mail, limit: int = 10) -> Claim:
    return Claim(order=mail.text[:limit], amount=3)


def reckon(mail: Mail) -> Claim | Block:
    if mail.text == "no":
        return Block("Not that one.")
    return Claim(order=threading.current_thread().name, amount=3)


async def test_function_takes_and_gives_values_of_one_label() -> None:
    """Its inputs are unwrapped for it, and its output is wrapped as they were."""
    for label in (Untrusted, Endorsed):
        lifted: Any = labelled(summarise, label)
        assert await lifted(label(Mail(text="7"))) == label(Claim(order="7", amount=3))


async def test_function_that_is_not_async_runs_on_a_thread() -> None:
    """It must not hold up the worker."""
    lifted = labelled(reckon, Endorsed)
    made: Any = await lifted(Endorsed(Mail(text="7")))
    assert made.value.order != threading.current_thread().name
    assert await lifted(Endorsed(Mail(text="no"))) == Block("Not that one.")


async def test_value_of_another_label_is_not_unwrapped() -> None:
    """Called outside of a plan, too, it takes no untrusted value for an endorsed one."""
    lifted: Any = labelled(summarise, Endorsed)
    for wrong in (Untrusted(Mail(text="7")), Mail(text="7")):
        with pytest.raises(TypeError, match=r"mail of summarise must be Endorsed\(…\)"):
            await lifted(wrong)
    assert await lifted(Approved(Mail(text="7"))) == Endorsed(Claim(order="7", amount=3))


async def test_stage_of_it_runs_like_any_other() -> None:
    """Contract, name and place are the function's."""
    made = stage()(labelled(summarise, Untrusted))
    assert (made.name, made.declared.where.split(":")[0]) == ("summarise", "tests/unit/define/test_adopted.py")
    event = await finished(made, inputs={"mail": {"text": "order 7"}, "limit": 5})
    assert event.output.data == {"order": "order", "amount": 3}
    blocked = await failed(stage()(labelled(reckon, Endorsed)), inputs={"mail": {"text": "no"}})
    assert (blocked.failure, blocked.reason) == ("block", "Not that one.")


def breaks(mail: Mail) -> Claim:
    raise ValueError(MARK)


async def test_failure_of_it_is_that_of_a_stage() -> None:
    """Its words are not repeated."""
    event = await failed(stage()(labelled(breaks, Endorsed)))
    assert (event.failure, event.reason.split(" ")[0]) == ("error", "ValueError")


def test_async_function_is_taken_as_it_is() -> None:
    """Only an activity of Temporal's may be not async."""
    assert awaitable(summarise) is summarise
    with pytest.raises(PlanError, match="not async"):
        stage()(reckon)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportCallIssue]


WRONG = {
    "approved": (
        "async def f(mail: Mail) -> Claim: ...\nlabelled(f, Approved)  # here",
        "labelled with Approved",
        "only approve",
    ),
    "no label": ("async def f(mail: Mail) -> Claim: ...\nlabelled(f, Mail)  # here", "labelled with Mail", "Untrusted"),
    "labels of its own": (
        "async def f(mail: Untrusted[Mail]) -> Untrusted[Claim]: ...\nlabelled(f, Untrusted)  # here",
        "has labels of its own",
        "as it is",
    ),
    "a label among its results": (
        "async def f(mail: Mail) -> Claim | Approved[Claim]: ...\nlabelled(f, Untrusted)  # here",
        "has labels of its own",
        "as it is",
    ),
    "labelled twice": (
        "async def f(mail: Mail) -> Claim: ...\nlabelled(labelled(f, Untrusted), Endorsed)  # here",
        "has labels of its own",
        "as it is",
    ),
    "without types": ("async def f(mail): ...  # here\nlabelled(f, Untrusted)", "mail has no type", "Annotate"),
    "an effect on untrusted data": (
        "async def f(mail: Mail) -> Claim: ...  # here\nstage(tools=[refund_order])(labelled(f, Untrusted))",
        "holds an effect and takes untrusted",
        "Endorsed or Approved",
    ),
    "untrusted data for endorsed": (
        "async def f(claim: Claim) -> Owed: ...\nlifted = stage()(labelled(f, Endorsed))\n"
        "@workflow\ndef plan(mail: Untrusted[Mail]) -> Endorsed[Owed]:\n"
        "    claim = extract(mail)\n    return lifted(claim)  # here",
        "asks for endorsed claim and gets untrusted",
        "endorse",
    ),
    "the value without its label": (
        "async def f(order: str) -> Owed: ...\nlifted = stage()(labelled(f, Endorsed))\n"
        "@workflow\ndef plan(mail: Untrusted[Mail]) -> Endorsed[Owed]:\n"
        "    claim = extract(mail)\n    return lifted(claim.value.order)  # here",
        "without its label",
        "labelled",
    ),
    "the value through what stays plain": (
        "async def f(owed: Owed, note: str = '') -> Letter: ...\nlifted = stage()(labelled(f, Endorsed))\n"
        "@workflow\ndef plan(mail: Untrusted[Mail]) -> Endorsed[Letter]:\n"
        "    claim = extract(mail)\n    owed = endorse(claim, by=look_up)\n"
        "    return lifted(owed, claim.value.order)  # here",
        "without its label",
        "labelled",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_no_label_is_lost_or_won(case: str, defining: Definitions) -> None:
    """Whatever is tried with it, it is refused at import like any other stage."""
    defining.refused(*WRONG[case])

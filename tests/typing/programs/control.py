"""Ways, loops, lists, branches and calls are typed: what each gives is known where it is used."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal, assert_type

from domain import Claim, Letter, Mail, Owed, Sent, draft, extract, owed_by_our_records, pay
from pydantic import BaseModel

from gatework import (
    Approved,
    Collected,
    Endorsed,
    Pass,
    Untrusted,
    Verdict,
    approve,
    ask_person,
    case,
    choose,
    each,
    endorse,
    parallel,
    pause,
    repeat,
    role,
    stage,
    when,
    workflow,
)


class Refund(BaseModel):
    kind: Literal["refund"] = "refund"
    order: str


class Inquiry(BaseModel):
    kind: Literal["inquiry"] = "inquiry"
    about: str


class Praise(BaseModel):
    kind: Literal["praise"] = "praise"


class Publish(BaseModel):
    yes: bool


Two = Refund | Inquiry
Three = Refund | Inquiry | Praise


def fine(letter: Letter) -> Verdict:
    return Pass()


def paid(owed: Owed) -> Verdict:
    return Pass()


async def look_up(refund: Refund) -> Owed:
    raise NotImplementedError


@stage()
async def sort(mail: Untrusted[Mail]) -> Untrusted[Two]:
    raise NotImplementedError


@stage()
async def sort_finely(mail: Untrusted[Mail]) -> Untrusted[Three]:
    raise NotImplementedError


@stage()
async def answer(inquiry: Untrusted[Inquiry]) -> Untrusted[Letter]:
    raise NotImplementedError


@stage()
async def thank(praise: Untrusted[Praise]) -> Untrusted[Letter]:
    raise NotImplementedError


@stage()
async def refuse(refund: Untrusted[Refund]) -> Untrusted[Letter]:
    raise NotImplementedError


@stage()
async def revise(letter: Untrusted[Letter]) -> Untrusted[Letter]:
    raise NotImplementedError


@stage()
async def polish(letter: Endorsed[Letter]) -> Endorsed[Letter]:
    raise NotImplementedError


@stage()
async def mails(mail: Untrusted[Mail]) -> Untrusted[list[Mail]]:
    raise NotImplementedError


@stage()
async def known(owed: Endorsed[Owed]) -> Endorsed[Two]:
    raise NotImplementedError


@stage()
async def settle(refund: Endorsed[Refund]) -> Endorsed[Letter]:
    raise NotImplementedError


@stage()
async def reply(inquiry: Endorsed[Inquiry]) -> Endorsed[Letter]:
    raise NotImplementedError


@workflow
def claims(mail: Untrusted[Mail]) -> Endorsed[Owed]:
    return endorse(extract(mail), by=owed_by_our_records)


@workflow
def letters(owed: Endorsed[Owed]) -> Endorsed[Letter]:
    return draft(owed)


def ways_by_type(mail: Untrusted[Mail]) -> None:
    request = sort(mail)

    def settled(refund: Untrusted[Refund]) -> Endorsed[Letter]:
        return letters(claims(mail))

    one = choose(request, case(Refund, settled), case(Inquiry, lambda inquiry: answer(inquiry)))
    assert_type(one, Untrusted[Letter])
    other = choose(request, case(Inquiry, answer), case(Refund, lambda refund: refuse(refund)))
    assert_type(other, Untrusted[Letter])
    third = choose(
        sort_finely(mail),
        case(Praise, lambda praise: thank(praise)),
        case(Inquiry, lambda inquiry: answer(inquiry)),
        case(Refund, lambda refund: refuse(refund)),
    )
    assert_type(third, Untrusted[Letter])


def ways_of_what_we_know(owed: Endorsed[Owed]) -> None:
    request = known(owed)
    one = choose(request, case(Refund, lambda refund: settle(refund)), case(Inquiry, lambda inquiry: reply(inquiry)))
    assert_type(one, Endorsed[Letter])


def a_case_is_missing(mail: Untrusted[Mail]) -> None:
    choose(sort_finely(mail), case(Refund, refuse), case(Inquiry, answer))  # rejected


def a_case_is_there_twice(mail: Untrusted[Mail]) -> None:
    choose(sort(mail), case(Refund, refuse), case(Refund, refuse))  # rejected


def a_case_is_never_taken(mail: Untrusted[Mail]) -> None:
    choose(sort(mail), case(Refund, refuse), case(Praise, thank))  # rejected


def a_case_takes_another_type(mail: Untrusted[Mail]) -> None:
    choose(sort(mail), case(Refund, refuse), case(Inquiry, thank))  # rejected


def a_case_hands_its_value_to_the_wrong_stage(mail: Untrusted[Mail]) -> None:
    choose(sort(mail), case(Refund, lambda it: refuse(it)), case(Inquiry, lambda it: thank(it)))  # rejected


def a_way_calls_its_value_endorsed(mail: Untrusted[Mail]) -> None:
    choose(sort(mail), case(Refund, lambda it: settle(it)), case(Inquiry, lambda it: answer(it)))  # rejected


def what_outside_text_picked_is_called_endorsed(mail: Untrusted[Mail], owed: Endorsed[Owed]) -> Endorsed[Letter]:
    request = sort(mail)
    picked = choose(request, case(Refund, lambda _: draft(owed)), case(Inquiry, lambda _: letters(owed)))
    return polish(picked)  # rejected


def ways_by_a_condition(owed: Endorsed[Owed], mail: Untrusted[Mail]) -> None:
    large = owed.value.amount > 500
    assert_type(when(large, lambda: draft(owed), lambda: letters(owed)), Endorsed[Letter])
    assert_type(when(large, lambda: draft(owed), lambda: answer_of(mail)), Untrusted[Letter])
    agreed = when(large, lambda: approve(owed, by=role("f")), lambda: approve(owed, by=role("g")))
    assert_type(agreed, Approved[Owed])
    when(large, lambda: draft(owed))
    pay(agreed)
    pay(when(large, lambda: approve(owed, by=role("f")), lambda: owed))  # rejected
    when(owed, lambda: draft(owed))  # rejected
    when(large, draft(owed))  # rejected
    draft(when(large, lambda: owed))  # rejected


def answer_of(mail: Untrusted[Mail]) -> Untrusted[Letter]:
    raise NotImplementedError


def rounds(mail: Untrusted[Mail], owed: Endorsed[Owed]) -> None:
    text = answer_of(mail)
    assert_type(repeat(lambda letter: revise(letter), text, until=fine, rounds=3), Untrusted[Letter])
    assert_type(repeat(polish, draft(owed), until=fine, rounds=3, spent="accept"), Endorsed[Letter])
    repeat(revise, text, until=paid, rounds=3)  # rejected
    repeat(extract, mail, until=fine, rounds=3)  # rejected
    repeat(polish, text, until=fine, rounds=3)  # rejected
    repeat(revise, text, until=fine, rounds=3, spent="drop")  # rejected
    repeat(revise, text, until=fine)  # rejected


def lists(mail: Untrusted[Mail], owed: Endorsed[Owed]) -> None:
    many = mails(mail)
    assert_type(each(extract, many, at_most=4), Untrusted[list[Claim]])
    assert_type(each(lambda one: extract(one), many, failed="stop"), Untrusted[list[Claim]])
    assert_type(each(claims, many), Endorsed[list[Owed]])
    assert_type(each(extract, many, failed="collect"), Untrusted[Collected[Claim]])
    each(answer, many)  # rejected
    each(draft, many)  # rejected
    each(extract, mail)  # rejected
    each(extract, [mail, mail])  # rejected
    each(extract, many, failed="ignore")  # rejected
    draft(each(claims, many))  # rejected


def branches(mail: Untrusted[Mail], owed: Endorsed[Owed]) -> None:
    letter, claim = parallel(lambda: draft(owed), lambda: extract(mail))
    assert_type(letter, Endorsed[Letter])
    assert_type(claim, Untrusted[Claim])
    polish(letter)
    polish(claim)  # rejected
    _one, _two, _three = parallel(lambda: draft(owed), lambda: extract(mail))  # rejected
    parallel(lambda: draft(owed))  # rejected
    parallel(draft(owed), extract(mail))  # rejected


def calls(mail: Untrusted[Mail], owed: Endorsed[Owed]) -> None:
    assert_type(claims(mail), Endorsed[Owed])
    assert_type(letters(claims(mail)), Endorsed[Letter])
    claims(owed)  # rejected
    letters(extract(mail))  # rejected
    pay(claims(mail))  # rejected
    claims()  # rejected


def people_and_time(owed: Endorsed[Owed]) -> None:
    said = ask_person(Publish, "Publish this?", by=role("editor"), show=[owed], within=timedelta(days=2))
    assert_type(said, Approved[Publish])
    when(said.value.yes, lambda: draft(owed))
    pause(timedelta(days=3))
    pause(3)  # rejected
    draft(said)  # rejected
    ask_person(Publish, by=role("editor"))  # rejected
    ask_person(Publish, "Publish this?")  # rejected


@stage()
async def cancel(sent: Endorsed[Sent]) -> Endorsed[Sent]:
    raise NotImplementedError


@stage(undo=cancel)
async def post(letter: Endorsed[Letter]) -> Endorsed[Sent]:
    raise NotImplementedError


@stage(undo="cancel")  # rejected
async def mail_out(letter: Endorsed[Letter]) -> Endorsed[Sent]:
    raise NotImplementedError


def endorsed_by_a_way(mail: Untrusted[Mail]) -> None:
    request = sort(mail)
    choose(
        request,
        case(Refund, lambda refund: endorse(refund, by=look_up)),
        case(Inquiry, lambda inquiry: endorse(inquiry, by=look_up)),  # rejected
    )

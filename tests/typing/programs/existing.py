"""Functions that were there before their stage, guards on inputs, task queues and keys keep their types."""

from __future__ import annotations

from datetime import timedelta
from typing import assert_type

from domain import Claim, Letter, Mail, Owed, quotes

from gatework import Approved, Block, Endorsed, Pass, Untrusted, Verdict, endorse, labelled, role, stage, workflow


async def summarise(mail: Mail) -> Claim:
    raise NotImplementedError


async def look_up(claim: Claim) -> Owed | Block:
    raise NotImplementedError


def print_letter(owed: Owed, claim: Claim) -> Letter:
    raise NotImplementedError


async def compare(one: Owed, two: Owed, three: Claim) -> Letter:
    raise NotImplementedError


def fits(owed: Owed) -> Verdict:
    return Pass()


async def fits_too(owed: Owed) -> Pass | Block:
    return Pass()


summary = stage(quotes, attempts=3)(labelled(summarise, Untrusted))
found = stage(before=[fits, fits_too], on="records")(labelled(look_up, Endorsed))
printed = stage()(labelled(print_letter, Endorsed))
compared = stage()(labelled(compare, Endorsed))
plain = stage()(summarise)


def outputs(mail: Untrusted[Mail], claim: Endorsed[Claim], owed: Endorsed[Owed], agreed: Approved[Owed]) -> None:
    assert_type(summary(mail), Untrusted[Claim])
    assert_type(printed(owed, claim), Endorsed[Letter])
    assert_type(printed(agreed, claim), Endorsed[Letter])
    assert_type(compared(owed, agreed, claim), Endorsed[Letter])
    assert_type(found(claim), Endorsed[Owed])


def labels_are_kept(mail: Untrusted[Mail], claim: Untrusted[Claim], owed: Endorsed[Owed], bare: Mail) -> None:
    summary(bare)  # rejected
    summary(owed)  # rejected
    found(claim)  # rejected
    printed(owed, claim)  # rejected
    printed(owed)  # rejected
    compared(owed, owed, claim)  # rejected
    plain(mail)  # rejected


labelled(summarise, Mail)  # rejected
labelled(summarise)  # rejected
labelled(7, Untrusted)  # rejected


def truthy(owed: Owed) -> bool:
    return True


@stage(before=[truthy])  # rejected
async def checked_by_a_truth(owed: Endorsed[Owed]) -> Endorsed[Letter]:
    raise NotImplementedError


@stage(before=fits)  # rejected
async def checked_by_what_is_no_list(owed: Endorsed[Owed]) -> Endorsed[Letter]:
    raise NotImplementedError


@stage(on=7)  # rejected
async def on_a_number(owed: Endorsed[Owed]) -> Endorsed[Letter]:
    raise NotImplementedError


def text_of(mail: Mail) -> str:
    return mail.text


def length_of(mail: Mail) -> int:
    return len(mail.text)


def order_of(claim: Claim) -> str:
    return claim.order


@workflow(key=text_of)
def keyed(mail: Untrusted[Mail]) -> Endorsed[Owed]:
    claim = summary(mail)
    return endorse(claim, by=look_up, attempts=2, timeout=timedelta(seconds=3), operator=role("a"), on="records")


assert_type(keyed.id_of(Mail(text="")), str)
keyed.id_of(Letter(body=""))  # rejected


@workflow(key=order_of)  # rejected
def keyed_by_another_type(mail: Untrusted[Mail]) -> Untrusted[Claim]:
    return summary(mail)


@workflow(key=length_of)  # rejected
def keyed_by_a_number(mail: Untrusted[Mail]) -> Untrusted[Claim]:
    return summary(mail)


def limits(claim: Untrusted[Claim]) -> None:
    endorse(claim, by=look_up, attempts="3")  # rejected
    endorse(claim, by=look_up, timeout=3)  # rejected

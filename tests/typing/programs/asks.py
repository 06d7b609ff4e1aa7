"""What a model answers is labelled by what it was asked about, and is never plain."""

from __future__ import annotations

from typing import assert_type

from domain import Claim, Letter, Mail, Owed

from gatework import Approved, Endorsed, Untrusted, ask, stage


async def answers(mail: Untrusted[Mail], owed: Endorsed[Owed], agreed: Approved[Owed]) -> None:
    assert_type(await ask(Claim, instructions="Read.", about=mail), Untrusted[Claim])
    assert_type(await ask(Claim, instructions="Read.", about=owed), Endorsed[Claim])
    assert_type(await ask(Claim, instructions="Read.", about=agreed), Endorsed[Claim])
    assert_type(await ask(Claim, instructions="Read."), Endorsed[Claim])
    assert_type(await ask(Claim, instructions="Read.", about=[mail, mail]), Untrusted[Claim])
    assert_type(await ask(Claim, instructions="Read.", about=[owed, agreed]), Endorsed[Claim])
    assert_type(await ask(Claim, instructions="Read.", about=(mail, owed)), Untrusted[Claim])
    assert_type(await ask(Claim, instructions="Read.", about=[mail, owed]), Untrusted[Claim])
    assert_type(await ask(str, instructions="Read.", about=mail, max_output_tokens=9, temperature=0.2), Untrusted[str])
    assert_type(await ask(Claim, instructions="Read.", about=mail, one_of={"order": ["7", "8"]}), Untrusted[Claim])
    await ask(Claim, instructions="Read.", about=Mail(text=""))  # rejected
    await ask(Claim, about=mail)  # rejected
    await ask(Claim, "Read.", about=mail)  # rejected
    await ask(Claim.model_validate({}), instructions="Read.", about=mail)  # rejected
    await ask(Claim, instructions="Read.", about=mail, one_of={"order": 7})  # rejected


@stage()
async def extract(mail: Untrusted[Mail]) -> Untrusted[Claim]:
    return await ask(Claim, instructions="Read.", about=mail)


@stage()
async def draft(owed: Endorsed[Owed], mail: Untrusted[Mail]) -> Untrusted[Letter]:
    return await ask(Letter, instructions="Write.", about=[owed, mail])


@stage()
async def trusted_too_much(mail: Untrusted[Mail]) -> Endorsed[Claim]:
    return await ask(Claim, instructions="Read.", about=mail)  # rejected


@stage()
async def taken_for_plain(mail: Untrusted[Mail]) -> Claim:
    return await ask(Claim, instructions="Read.", about=mail)  # rejected


@stage()
async def mixed_and_trusted(owed: Endorsed[Owed], mail: Untrusted[Mail]) -> Endorsed[Letter]:
    return await ask(Letter, instructions="Write.", about=[owed, mail])  # rejected


@stage()
async def another_type(mail: Untrusted[Mail]) -> Untrusted[Letter]:
    return await ask(Claim, instructions="Read.", about=mail)  # rejected

"""What a model answers is labelled by what it was asked about, and is never plain."""

from __future__ import annotations

from typing import assert_type

from domain import Claim, Letter, Mail, Owed, refund_order

from gatework import Approved, Endorsed, Untrusted, ask, stage, tool


@tool(untrusted=True)
async def search(query: str) -> list[str]:
    return [query]


@tool
async def look_up(order: str) -> Owed:
    raise NotImplementedError


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


async def agents(mail: Untrusted[Mail], owed: Endorsed[Owed]) -> None:
    assert_type(await ask(Claim, instructions="Read.", about=owed, tools=[look_up, refund_order]), Endorsed[Claim])
    assert_type(await ask(Claim, instructions="Read.", about=owed, tools=[look_up.only(order="7")]), Endorsed[Claim])
    assert_type(await ask(Claim, instructions="Read.", about=mail, tools=[look_up]), Untrusted[Claim])
    assert_type(await ask(Claim, instructions="Read.", about=owed, tools=[look_up, search]), Untrusted[Claim])
    assert_type(await ask(Claim, instructions="Read.", tools=[search.only(query="7")]), Untrusted[Claim])
    assert_type(await ask(Claim, instructions="Read.", about=Untrusted("a text"), name="page"), Untrusted[Claim])
    await ask(Claim, instructions="Read.", about=mail, tools=["search"])  # rejected
    await ask(Claim, instructions="Read.", about=mail, tools=search)  # rejected


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


@stage()
async def searched_and_trusted(owed: Endorsed[Owed]) -> Endorsed[Claim]:
    return await ask(Claim, instructions="Read.", about=owed, tools=[search])  # rejected

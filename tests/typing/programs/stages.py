"""A stage keeps its function's inputs, and gives its output without the `Block` that a refusal would be."""

from __future__ import annotations

from datetime import timedelta
from typing import assert_type

from domain import Claim, Letter, Mail, Owed, draft, extract, pay, polite, quotes, refund_order

from gatework import Block, Budget, Endorsed, Stage, Untrusted, role, stage


@stage(timeout=timedelta(seconds=5), operator=role("support"), expires=timedelta(days=1))
async def refusing_untrusted(mail: Untrusted[Mail]) -> Untrusted[Claim] | Block:
    return Block("Not a mail.")


@stage(budget=Budget(model_calls=2, tokens=900))
async def refusing_endorsed(owed: Endorsed[Owed]) -> Endorsed[Letter] | Block:
    return Block("Nothing is owed.")


@stage()
async def refusing_plain(mail: Mail) -> Letter | Block:
    return Block("Nothing is in it.")


@stage()
async def plain(mail: Mail) -> Letter:
    return Letter(body=mail.text)


@stage()
async def optional(mail: Untrusted[Mail]) -> Untrusted[Claim | None]:
    return Untrusted(None)


@stage(quotes)
async def guarded_and_refusing(mail: Untrusted[Mail]) -> Untrusted[Claim] | Block:
    return Block("Not a mail.")


@stage(polite)
async def guarded_and_plain(mail: Mail) -> Letter | Block:
    return Block("Not a mail.")


def outputs(mail: Untrusted[Mail], owed: Endorsed[Owed], bare: Mail) -> None:
    assert_type(refusing_untrusted(mail), Untrusted[Claim])
    assert_type(refusing_endorsed(owed), Endorsed[Letter])
    assert_type(refusing_plain(bare), Letter)
    assert_type(plain(bare), Letter)
    assert_type(optional(mail), Untrusted[Claim | None])
    assert_type(guarded_and_refusing(mail), Untrusted[Claim])
    assert_type(guarded_and_plain(bare), Letter)
    assert_type(draft.as_("second")(owed, tone="cool"), Endorsed[Letter])
    same_stage: Stage[[Untrusted[Mail]], Untrusted[Claim]] = extract.as_("again")
    assert_type(same_stage(mail), Untrusted[Claim])


def inputs_are_kept(mail: Untrusted[Mail], owed: Endorsed[Owed]) -> None:
    refusing_untrusted(owed)  # rejected
    extract.as_("again")(owed)  # rejected
    draft.as_("second")(owed, "warm", "cool")  # rejected
    pay.as_("now")(owed)  # rejected


@stage  # rejected
async def without_brackets(mail: Untrusted[Mail]) -> Untrusted[Claim]:
    raise NotImplementedError


@stage()  # rejected
def not_async(mail: Untrusted[Mail]) -> Untrusted[Claim]:
    raise NotImplementedError


@stage(attempts="3")  # rejected
async def text_for_attempts(mail: Untrusted[Mail]) -> Untrusted[Claim]:
    raise NotImplementedError


@stage(timeout=30)  # rejected
async def seconds_for_timeout(mail: Untrusted[Mail]) -> Untrusted[Claim]:
    raise NotImplementedError


async def no_effect(order: str) -> None:
    return None


@stage(tools=[no_effect])  # rejected
async def a_tool_that_is_no_effect(owed: Endorsed[Owed]) -> Endorsed[Letter]:
    raise NotImplementedError


@stage(tools=refund_order)  # rejected
async def a_tool_that_is_no_list(owed: Endorsed[Owed]) -> Endorsed[Letter]:
    raise NotImplementedError

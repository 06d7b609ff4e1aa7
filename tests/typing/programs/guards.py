"""A guard's first parameter is the output that it looks at; a guard of another type does not fit the stage."""

from __future__ import annotations

from datetime import timedelta

from domain import Claim, Letter, Mail, Owed, polite, quotes
from pydantic import BaseModel

from gatework import Block, Endorsed, Pass, Retry, Untrusted, Verdict, guard, stage


def holds_no_secret(value: BaseModel) -> Verdict:
    return Pass()


def anything(value: object) -> Pass | Retry:
    return Pass()


@guard
def whole(claim: Claim, mail: Mail) -> Verdict:
    return Pass()


@guard(timeout=timedelta(seconds=1))
async def quick(claim: Claim, mail: Mail) -> Pass | Block:
    return Pass()


@stage(quotes, whole, quick, holds_no_secret, anything, whole.on(mail="letter"), guard(quotes))
async def extract(mail: Untrusted[Mail], letter: Untrusted[Mail]) -> Untrusted[Claim]:
    raise NotImplementedError


@stage(polite, holds_no_secret)
async def draft(owed: Endorsed[Owed]) -> Endorsed[Letter]:
    raise NotImplementedError


@stage(anything)
async def choose(owed: Endorsed[Owed]) -> Endorsed[Letter | Claim]:
    raise NotImplementedError


whole(Letter(body=""), Mail(text=""))  # rejected
whole.on(mail=Mail(text=""))  # rejected


@stage(polite)  # rejected
async def guarded_by_a_guard_of_letters(mail: Untrusted[Mail]) -> Untrusted[Claim]:
    raise NotImplementedError


@stage(whole)  # rejected
async def guarded_by_a_guard_of_claims(owed: Endorsed[Owed]) -> Endorsed[Letter]:
    raise NotImplementedError


@stage(quick)  # rejected
async def plainly_guarded_by_a_guard_of_claims(mail: Mail) -> Letter:
    raise NotImplementedError


def truthy(claim: Claim) -> bool:
    return True


async def silent(claim: Claim) -> None:
    return None


@stage(truthy)  # rejected
async def guarded_by_a_truth(mail: Untrusted[Mail]) -> Untrusted[Claim]:
    raise NotImplementedError


@stage(quotes, silent)  # rejected
async def guarded_by_silence(mail: Untrusted[Mail]) -> Untrusted[Claim]:
    raise NotImplementedError


guard(truthy)  # rejected
guard(timeout=5)  # rejected


def judged(verdict: Verdict) -> str:
    Retry()  # rejected
    return verdict.reason

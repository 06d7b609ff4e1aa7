"""An endorser takes the claim as it is, unwrapped, and gives what our records say, or a `Block`."""

from __future__ import annotations

from typing import assert_type

from domain import Claim, Letter, Mail, Owed, extract, owed_by_our_records

from gatework import Block, Endorsed, Untrusted, endorse


async def never_refusing(claim: Claim) -> Owed:
    raise NotImplementedError


async def of_letters(letter: Letter) -> Owed | Block:
    return Block("No.")


async def of_labels(claim: Untrusted[Claim]) -> Owed | Block:
    return Block("No.")


def not_async(claim: Claim) -> Owed | Block:
    return Block("No.")


def plan(mail: Untrusted[Mail]) -> None:
    claim = extract(mail)
    assert_type(endorse(claim, by=owed_by_our_records), Endorsed[Owed])
    assert_type(endorse(claim, by=never_refusing), Endorsed[Owed])
    endorse(claim, by=of_letters)  # rejected
    endorse(claim, by=of_labels)  # rejected
    endorse(claim, by=not_async)  # rejected
    endorse(claim)  # rejected
    endorse(claim.value, by=owed_by_our_records)  # rejected

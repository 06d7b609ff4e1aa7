"""What a worker has proven of a value once, it does not prove again; and nothing else is let in by it."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel, field_validator

from gatework import Untrusted, stage
from gatework.perform.perform import Code, perform
from gatework.plan.plan import DEFAULT_BUDGET
from gatework.run.events import Failed, Finished, Result
from gatework.run.state import Run
from gatework.values.canonical import Json, Sealed
from gatework.values.contract import Contract, Proven, contract
from tests.unit.attempts import SALT, Claim, plan_of

REFUSED: list[str] = []
"""Texts that `Fussy` refuses by now."""


class Fussy(BaseModel):
    text: str

    @field_validator("text")
    @classmethod
    def _is_not_refused(cls, text: str) -> str:
        assert text not in REFUSED
        return text


@stage()
async def passed_on(note: Untrusted[Fussy]) -> Untrusted[Fussy]:
    return note


@stage()
async def claimed(note: Untrusted[Claim]) -> Untrusted[Claim]:
    return note


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """What contracts read strictly."""
    found: list[bytes] = []
    strictly = Contract.read

    def read(self: Contract[Any], data: bytes, **options: Any) -> object:
        found.append(data)
        return strictly(self, data, **options)

    monkeypatch.setattr(Contract, "read", read)
    return found


async def once(definition: Any, value: Json | Sealed, proven: Proven) -> Result:
    plan = plan_of(definition)
    sealed = value if isinstance(value, Sealed) else Sealed.of(value, SALT)
    run = Run(plan=plan.digest, node=definition.name, attempt=1, inputs={"note": sealed}, allowance=DEFAULT_BUDGET)
    return await perform(run, plan, Code(definition=definition, guards={}, tools={}), lineage="lineage", proven=proven)


async def test_value_is_read_strictly_once(reads: list[bytes]) -> None:
    """Also what the worker itself wrote: the next stage finds it known."""
    proven = Proven()
    first = await once(passed_on, {"text": "a"}, proven)
    assert isinstance(first, Finished)
    assert isinstance(await once(passed_on, {"text": "a"}, proven), Finished)
    assert isinstance(await once(passed_on, first.output, proven), Finished)
    assert reads == [b'{"text":"a"}']
    assert isinstance(await once(passed_on, {"text": "a"}, Proven()), Finished)
    assert len(reads) == 2


async def test_other_value_under_a_digest_that_is_known_is_refused() -> None:
    """A digest that is not that of its data proves nothing."""
    proven = Proven()
    known = Sealed.of({"text": "a"}, SALT)
    assert isinstance(await once(passed_on, known, proven), Finished)
    for data in ({"text": "b"}, {"text": 1}, {"text": "a", "more": 1}):
        event = await once(passed_on, Sealed(data=data, salt=known.salt, digest=known.digest), proven)
        assert isinstance(event, Failed)
        assert event.failure == "contract"


async def test_value_that_is_known_under_one_contract_is_read_under_another(reads: list[bytes]) -> None:
    """What one type takes is nothing to another."""
    proven = Proven()
    sealed = Sealed.of({"text": "a"}, SALT)
    assert isinstance(await once(passed_on, sealed, proven), Finished)
    assert isinstance(await once(claimed, sealed, proven), Failed)
    assert len(reads) == 2


async def test_type_that_refuses_a_value_now_is_heard() -> None:
    """Its own checks see each copy, whatever was proven before."""
    proven = Proven()
    assert isinstance(await once(passed_on, {"text": "late"}, proven), Finished)
    REFUSED.append("late")
    try:
        event = await once(passed_on, {"text": "late"}, proven)
    finally:
        REFUSED.clear()
    assert isinstance(event, Failed)
    assert event.failure == "contract"


def test_what_was_proven_longest_ago_is_forgotten_first() -> None:
    """A worker that runs for weeks holds no more for it."""
    proven, of = Proven(most=2), contract(Claim)
    for digest in "abc":
        proven.add(of, digest)
    assert [proven.knows(of, digest) for digest in "abc"] == [False, True, True]

"""The one call of a tool: whatever it is handed, does or gives back, an outcome says what became of it."""

from __future__ import annotations

import asyncio
import base64
import dataclasses
import json
import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import quote, quote_plus
from uuid import UUID

import pytest
from pydantic import BaseModel

from gatework.define.secret import Secret, masked, secret, shows
from gatework.define.tool import Effect, IdempotencyKey, Tool, effect, tool
from gatework.errors import NotDone
from gatework.logs import emit
from gatework.perform.acting import act
from gatework.run.events import Acted
from gatework.run.journal import Call, key_of
from gatework.run.state import Act
from gatework.values.verdict import Block
from tests.unit.hostile import MARK

TOKEN = f"tok-{MARK}-1234567890"


class Paid(BaseModel):
    order: str
    amount: Decimal


DONE = Paid(order="7", amount=Decimal("3"))
ARGUMENTS = {"order": "7", "amount": "3"}


class Bank:
    """An outside system: what it was asked to do, and what it says."""

    def __init__(self, answer: Any = DONE, found: Any = None) -> None:
        self.answer = answer
        self.found = found
        self.asked: list[tuple[str, ...]] = []

    def effect(self, *, probe: bool = False, seconds: float = 5.0) -> Effect[[str, Decimal], Paid]:
        async def find(key: IdempotencyKey) -> Paid | None:
            self.asked.append(("probe", key))
            return await said(self.found)  # type: ignore[no-any-return]

        @effect(once="order", probe=find if probe else None, timeout=timedelta(seconds=seconds))
        async def pay_out(
            key: IdempotencyKey,
            order: str,
            amount: Decimal,
            *,
            token: Secret = secret("BANK_TOKEN"),  # noqa: B008
        ) -> Paid | Block:
            self.asked.append(("pay", key))
            return await said(self.answer, token)  # type: ignore[no-any-return]

        return pay_out

    def tool(self, *, seconds: float = 5.0) -> Tool[[str, Decimal], Paid]:
        @tool(timeout=timedelta(seconds=seconds))
        async def look_up(
            order: str,
            amount: Decimal,
            *,
            token: Secret = secret("BANK_TOKEN"),  # noqa: B008
        ) -> Paid | Block:
            self.asked.append(("look", order))
            return await said(self.answer, token)  # type: ignore[no-any-return]

        return look_up

    @property
    def sent(self) -> int:
        return sum(what == "pay" for what, *_ in self.asked)


async def said(what: Any, *given: Any) -> Any:
    found = what(*given) if callable(what) else what
    if isinstance(found, Awaitable):
        found = await found
    if isinstance(found, BaseException):
        raise found
    return found


async def made(tool: Tool[..., Any], arguments: Any = ARGUMENTS, *, again: bool = False, **use: Any) -> Acted:
    used = dataclasses.replace(tool.use, **use)
    key = key_of(used, ARGUMENTS, node="pay", lineage="lineage")
    call = Call(id="0" * 64, tool=tool.name, arguments=arguments, key=key)
    acted = await act(used, tool, Act(plan="p", node="pay", attempt=2, call=call, again=again))
    assert (acted.plan, acted.node, acted.attempt, acted.call) == ("p", "pay", 2, "0" * 64)
    assert MARK not in repr(acted)
    assert (acted.result is not None) == (acted.outcome in ("done", "found"))
    assert bool(acted.reason) == (acted.outcome not in ("done", "found"))
    return acted


@pytest.fixture(autouse=True)
def token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BANK_TOKEN", TOKEN)


async def test_result_is_sealed_json_of_the_contract() -> None:
    """What a tool gives is kept as JSON, under a salt of its own."""
    for found in (await made(Bank().tool()), await made(Bank().effect())):
        assert found.outcome == "done"
        assert found.result is not None
        assert found.result.data == {"order": "7", "amount": "3"}
        assert found.result.intact
        assert found.ended_ms > 0


async def test_effect_is_called_with_its_key_and_its_secret() -> None:
    """The key is that of the call; the secret is read where the call is made."""
    bank, given = Bank(), list[str]()

    def look(token: Secret) -> Paid:
        given.append(token.reveal())
        return DONE

    bank.answer = look
    acted = await made(bank.effect())
    assert acted.outcome == "done"
    assert bank.asked[0][1] == key_of(bank.effect().use, ARGUMENTS, node="pay", lineage="lineage")
    assert given == [TOKEN]


# -- what is not called ----------------------------------------------------------------------------

WRONG: dict[str, Any] = {
    "no object": [MARK],
    "nothing": None,
    "text": MARK,
    "a missing argument": {"order": "7"},
    "one too many": {"order": "7", "amount": "3", MARK: MARK},
    "a number for a decimal": {"order": "7", "amount": 3},
    "a number for text": {"order": 7, "amount": "3"},
    "no decimal": {"order": "7", "amount": MARK},
    "not finite": {"order": "7", "amount": "NaN"},
    "the secret": {"order": "7", "amount": "3", "token": MARK},
    "the key": {"order": "7", "amount": "3", "key": MARK},
}


async def test_arguments_come_as_the_contract_writes_them() -> None:
    """One identity written in two ways would be two keys, and two effects; limits and people saw what was written."""
    sent: list[UUID] = []

    @effect(once="order")
    async def pay_out(key: IdempotencyKey, order: UUID) -> str:
        sent.append(order)
        return "paid"

    order = "c0ffee00-0000-4000-8000-000000000000"
    for written, outcome in ((order.upper(), "failed"), (order, "done")):
        call = Call(id="0" * 64, tool="pay_out", arguments={"order": written}, key="0" * 64)
        acted = await act(pay_out.use, pay_out, Act(plan="p", node="pay", attempt=1, call=call))
        assert acted.outcome == outcome
    assert sent == [UUID(order)]


@pytest.mark.parametrize("case", WRONG)
async def test_wrong_arguments_never_leave(case: str) -> None:
    """Whoever made the call, arguments keep to their contract before anything is sent."""
    for one in (bank := Bank()).tool(), bank.effect(), bank.effect(probe=True):
        acted = await made(one, WRONG[case])
        assert acted.outcome == "failed"
        assert acted.reason.startswith(f"arguments of {one.name}")
    assert bank.asked == []


async def test_missing_secret_fails_before_anything_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker without the credentials names them, and asks nobody."""
    monkeypatch.delenv("BANK_TOKEN")
    bank = Bank()
    for one in (bank.tool(), bank.effect(), bank.effect(probe=True)):
        acted = await made(one)
        assert acted.outcome == "failed"
        assert "BANK_TOKEN is not set" in acted.reason
    assert bank.asked == []
    assert (await made(bank.effect(probe=True), again=True)).outcome == "unknown"


async def test_tool_of_another_kind_than_in_the_plan_is_not_called() -> None:
    """An effect that was sealed as a tool, or the other way round, is not what the plan grants."""
    bank = Bank()
    assert (await made(bank.effect(), kind="tool")).outcome == "failed"
    assert (await made(bank.tool(), kind="effect", once="order")).outcome == "failed"
    lost = await made(bank.effect(), probe=True)
    assert lost.outcome == "failed"
    assert "this worker has none" in lost.reason
    assert bank.asked == []


# -- the probe -------------------------------------------------------------------------------------


async def test_effect_that_is_found_is_not_done_again() -> None:
    """A probe that knows the key gives the recorded result, asked again or for the first time."""
    for again in (False, True):
        bank = Bank(answer=AssertionError("sent"), found=DONE)
        acted = await made(bank.effect(probe=True), again=again)
        assert acted.outcome == "found"
        assert acted.result is not None
        assert acted.result.data == {"order": "7", "amount": "3"}
        assert bank.sent == 0


async def test_effect_that_is_not_found_is_done() -> None:
    """Known not to have happened is a go-ahead."""
    bank = Bank()
    acted = await made(bank.effect(probe=True), again=True)
    assert acted.outcome == "done"
    assert [what for what, _ in bank.asked] == ["probe", "pay"]
    assert len({key for _, key in bank.asked}) == 1


FOUND: dict[str, Any] = {
    "an error": ValueError(MARK),
    "a refusal": Block(MARK),
    "true": True,
    "false": False,
    "a dictionary": {"order": MARK},
    "text": MARK,
    "a timeout": TimeoutError(MARK),
    "an exit": SystemExit(MARK),
    "its own cancellation": asyncio.CancelledError(MARK),
    "a secret": Paid(order=TOKEN, amount=Decimal(3)),
}


@pytest.mark.parametrize("case", FOUND)
async def test_effect_is_not_done_where_its_probe_cannot_say(case: str) -> None:
    """An outside system that does not answer, or answers something else, is not asked to pay."""
    bank = Bank(found=FOUND[case])
    assert (await made(bank.effect(probe=True))).outcome == "failed"
    assert (await made(bank.effect(probe=True), again=True)).outcome == "unknown"
    assert bank.sent == 0


async def test_probe_that_is_late_cannot_say() -> None:
    """The probe has the time of a call."""
    bank = Bank(found=lambda: asyncio.sleep(30))
    acted = await made(bank.effect(probe=True, seconds=0.05), again=True)
    assert (acted.outcome, acted.reason) == ("unknown", "the probe of pay_out took longer than 0.05 s")
    assert bank.sent == 0


async def test_recorded_result_with_another_argument_is_refused() -> None:
    """The key was used for something else; one amount spelled in two ways is the same."""
    other = Bank(found=Paid(order="7", amount=Decimal("5")))
    acted = await made(other.effect(probe=True))
    assert (acted.outcome, acted.reason) == (
        "refused",
        "pay_out was done before with another amount for the same order",
    )
    alike = Bank(found=Paid(order="7", amount=Decimal("3.00")))
    assert (await made(alike.effect(probe=True))).outcome == "found"
    assert other.sent == alike.sent == 0


# -- what became of it -----------------------------------------------------------------------------


class MuteError(Exception):
    """Cannot say what it is."""

    def __str__(self) -> str:
        raise RuntimeError(MARK)


BROKEN: dict[str, Any] = {
    "an error": ValueError(MARK),
    "an error that cannot be said": MuteError(),
    "a timeout of its own": TimeoutError(MARK),
    "its own cancellation": lambda _: asyncio.CancelledError(MARK),
    "an exit": SystemExit(MARK),
    "a group": ExceptionGroup(MARK, [OSError(MARK)]),
    "the end of an iteration": StopAsyncIteration(MARK),
    "nothing": None,
    "another type": Block,
    "a dictionary": {"order": MARK},
    "text": MARK,
    "built around its checks": Paid.model_construct(order="7", amount=MARK),
    "not finite": Paid.model_construct(order="7", amount=Decimal("NaN")),
    "two megabytes": Paid(order=MARK * 200_000, amount=Decimal(3)),
}


@pytest.mark.parametrize("case", BROKEN)
async def test_effect_that_breaks_is_in_doubt_and_a_tool_has_failed(case: str) -> None:
    """An effect was sent, and nobody knows what became of it. A tool that only looks may be asked again."""
    bank = Bank(BROKEN[case])
    assert (await made(bank.effect())).outcome == "unknown"
    assert (await made(bank.tool())).outcome == "failed"


async def test_call_that_takes_too_long_is_left() -> None:
    """A call has its own time, also one that waves its cancellation off."""

    async def stubborn(_: Any) -> Paid:
        for _ in range(20):
            try:
                await asyncio.sleep(0.2)
            except asyncio.CancelledError:
                continue
        return DONE

    for answer in (lambda _: asyncio.sleep(30), stubborn):
        bank = Bank(answer)
        acted = await made(bank.effect(seconds=0.05))
        assert (acted.outcome, acted.reason) == ("unknown", "pay_out took longer than 0.05 s")
        assert (await made(bank.tool(seconds=0.05))).outcome == "failed"


async def test_result_that_comes_while_it_is_told_to_stop_is_kept() -> None:
    """What is known to have happened is not called unknown."""

    async def late(_: Any) -> Paid:
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            await asyncio.sleep(0.05)
        return DONE

    assert (await made(Bank(late).effect(seconds=0.05))).outcome == "done"


async def test_effect_that_says_so_has_not_happened() -> None:
    """`NotDone` is the one way in which an effect says that it may be tried again."""
    for one in (Bank(NotDone("The bank is closed.")).effect(), Bank(NotDone("The bank is closed.")).tool()):
        acted = await made(one)
        assert (acted.outcome, acted.reason) == ("failed", "The bank is closed.")


async def test_refusal_of_a_tool_is_an_outcome() -> None:
    """A refusal is a value outside and inside, cut to a sentence."""
    for one in (Bank(Block("No such order.\x00" * 500)).effect(), Bank(Block("No such order.\x00" * 500)).tool()):
        acted = await made(one)
        assert acted.outcome == "refused"
        assert acted.reason.startswith("No such order. ")
        assert len(acted.reason) == 500
        assert acted.reason.isprintable()


@pytest.mark.parametrize("moment", ["before", "after"])
async def test_cancelled_effect_says_what_became_of_it(moment: str) -> None:
    """A run that is cancelled must know of what it sent; before that there is nothing to know."""
    reached = asyncio.Event()

    async def waiting(*_: Any) -> Paid:
        reached.set()
        await asyncio.sleep(30)
        return DONE

    bank = Bank(waiting, found=waiting if moment == "before" else None)
    task = asyncio.create_task(made(bank.effect(probe=True)))
    await reached.wait()
    task.cancel()
    if moment == "before":
        with pytest.raises(asyncio.CancelledError):
            await task
        assert bank.sent == 0
    else:
        assert (await task).outcome == "unknown"


async def test_effect_that_is_cancelled_while_it_is_told_to_stop_says_what_became_of_it() -> None:
    """Its time is up, it does not stop at once, and then the run is cancelled: still it is known that it was sent."""

    async def stubborn(_: Any) -> Paid:
        for _ in range(2):
            try:
                await asyncio.sleep(30)
            except asyncio.CancelledError:
                continue
        await asyncio.sleep(5)
        return DONE

    task = asyncio.create_task(made(Bank(stubborn).effect(seconds=0.05)))
    await asyncio.sleep(0.2)
    task.cancel()
    assert (await task).outcome == "unknown"


async def test_cancelled_tool_is_cancelled() -> None:
    """A tool that only looks leaves nothing that must be known."""
    task = asyncio.create_task(made(Bank(lambda _: asyncio.sleep(30)).tool()))
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


# -- secrets ---------------------------------------------------------------------------------------

SHOWN: dict[str, Callable[[Secret], Any]] = {
    "in a result": lambda token: Paid(order=token.reveal(), amount=Decimal(3)),
    "inside a result": lambda token: Paid(order=f"paid with {token.reveal()}!", amount=Decimal(3)),
    "in a refusal": lambda token: Block(f"The token {token.reveal()} is not valid."),
    "in an error": lambda token: ValueError(f"https://user:{token.reveal()}@bank"),
    "in an error of ours": lambda token: NotDone(f"The token {token.reveal()} is not valid."),
}


@pytest.mark.parametrize("case", SHOWN)
async def test_secret_never_leaves_the_call(case: str, caplog: pytest.LogCaptureFixture) -> None:
    """Neither a result nor an error text carries it into history, logs or prompts."""
    caplog.set_level(logging.DEBUG, "gatework")
    level = emit.VALUES.level
    emit.VALUES.setLevel(logging.DEBUG)
    try:
        assert (await made(Bank(MuteError()).tool())).outcome == "failed"
        for one in (Bank(SHOWN[case]).effect(), Bank(SHOWN[case]).tool()):
            await made(one)  # which looks for the mark
    finally:
        emit.VALUES.setLevel(level)
    assert MARK not in caplog.text
    assert all(MARK not in str(record.__dict__) for record in caplog.records)


ENCODED: dict[str, Callable[[str], str]] = {
    "as it is": lambda text: text,
    "as JSON": lambda text: json.dumps({"token": text}),
    "in a URL": lambda text: f"https://bank/?token={quote(text, safe='')}&x=1",
    "in a form": lambda text: f"token={quote_plus(text)}",
    "in base64": lambda text: base64.b64encode(text.encode()).decode(),
    "in base64 of a URL": lambda text: base64.urlsafe_b64encode(text.encode()).decode(),
    "as basic credentials": lambda text: base64.b64encode(f"user:{text}".encode()).decode(),
    "as other credentials": lambda text: base64.b64encode(f"us:{text}".encode()).decode(),
    "as longer credentials": lambda text: base64.b64encode(f"u:{text}:more".encode()).decode(),
    "in hexadecimal digits": lambda text: text.encode().hex(),
    "in capitals": lambda text: text.encode().hex().upper(),
}


@pytest.mark.parametrize("case", ENCODED)
@pytest.mark.parametrize("text", [TOKEN, "p/ss w+rd=?&é\n~~~", "12345678"])
def test_secret_is_found_however_it_is_written(case: str, text: str) -> None:
    """What a system echoes is rarely the letters that it was given."""
    held = (Secret("BANK_TOKEN", text),)
    written = ENCODED[case](text)
    assert shows({"a": ["b", {"c": written}]}, held)
    assert shows({written: 1}, held)
    assert not shows(masked(written, held), held)
    assert not shows("nothing of the kind, 1234567, tok-", held)


async def test_probe_has_secrets_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """To ask the outside system takes credentials, too; without them nothing is sent."""
    given: list[str] = []

    async def find(key: IdempotencyKey, *, reader: Secret = secret("BANK_READER")) -> Paid | None:  # noqa: B008
        given.append(reader.reveal())
        return None if len(given) == 1 else Paid(order=reader.reveal(), amount=Decimal(3))

    @effect(once="order", probe=find)
    async def pay_out(key: IdempotencyKey, order: str, amount: Decimal) -> Paid:
        return DONE

    assert (await made(pay_out)).outcome == "failed"
    monkeypatch.setenv("BANK_READER", f"reader-{MARK}")
    assert (await made(pay_out)).outcome == "done"
    assert given == [f"reader-{MARK}"]
    assert (await made(pay_out)).outcome == "failed"

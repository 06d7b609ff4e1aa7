"""The one call of a tool: read strictly, made in its time, its result held to the contract.

Whatever goes wrong is an outcome that says so. An effect of which it is not known what became is `unknown`, and only
an effect that was asked about, or that says so itself by `NotDone`, is known not to have happened.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from gatework.define.secret import Secret, masked, resolved, shows
from gatework.errors import GateworkError, NotDone, PinError
from gatework.logs.emit import Fields, say, say_broke
from gatework.logs.onward import short_digest
from gatework.logs.text import place_of
from gatework.plan.plan import ToolUse
from gatework.run.events import Acted, ActedOutcome
from gatework.run.state import Act
from gatework.values import canonical
from gatework.values.canonical import Json, Sealed
from gatework.values.document import Desk, named_in
from gatework.values.verdict import Block, short

if TYPE_CHECKING:
    from gatework.define.interface import Interface
    from gatework.define.tool import Tool
    from gatework.values.store import Store

LINGER = 1.0
"""Seconds that a function which is told to stop may take to do so."""


async def act(use: ToolUse, tool: Tool[..., Any], due: Act, *, store: Callable[[], Store] | None = None) -> Acted:
    """Make one call that the plan grants, and say what became of it.

    Cancelled before anything was sent, it raises `CancelledError`. Once an effect was sent it does not: what became of
    it must be known, also of a run that ends now. `store` gives where documents lie.
    """
    desk = Desk(use.name, store)
    desk.add(*named_in(due.call.arguments))
    try:
        with desk.used():
            ended = await _Call(use, tool, due, desk).ended()
    finally:
        desk.close()
    return Acted(
        plan=due.plan,
        node=due.node,
        attempt=due.attempt,
        call=due.call.id,
        outcome=ended.outcome,
        result=ended.result,
        reason=short(ended.reason),
        ended_ms=time.time_ns() // 1_000_000,
    )


@dataclass(frozen=True)
class _Ended:
    outcome: ActedOutcome
    reason: str = ""
    result: Sealed | None = None


@dataclass(frozen=True)
class _Raised:
    """What stands in the place of a value: a function raised, or was late, which is a `TimeoutError` of ours."""

    error: BaseException
    late: bool = False


class _Call:
    def __init__(self, use: ToolUse, tool: Tool[..., Any], due: Act, desk: Desk) -> None:
        self._use = use
        self._tool = tool
        self._due = due
        self._desk = desk
        self._effect = use.kind == "effect"
        self._secrets: tuple[Secret, ...] = ()

    async def ended(self) -> _Ended:
        # Until its probe has answered, nobody knows what became of an effect that was sent before.
        before: ActedOutcome = "unknown" if self._due.again and self._use.probe else "failed"
        key = (self._due.call.key,) if self._effect else ()
        try:
            if self._effect != (self._tool.kind == "effect"):
                raise GateworkError(f"{self._use.name} is another kind of tool here than in the plan")
            data = self._tool.interface.admitted(self._due.call.arguments)
            if not canonical.alike(data, self._due.call.arguments):
                # Limits, the key and whoever approved the call looked at what was written, not at what it comes to.
                raise GateworkError(f"the arguments of {self._use.name} are not written as its contract writes them")
            arguments = self._tool.interface.values(data)
            passed = _resolved(self._tool.interface)
            asking: Interface | None = getattr(self._tool, "asking", None) if self._use.probe else None
            shown = {} if asking is None else _resolved(asking)
        except GateworkError as error:
            return _Ended(before, str(error))
        self._secrets = (*passed.values(), *shown.values())
        if self._effect:
            self._say("intended")
        if self._use.probe:
            if asking is None:
                return _Ended(before, f"the plan has a probe of {self._use.name}, and this worker has none")
            asked = await bounded(partial(asking.function, *key, **shown), self._use.timeout_seconds)
            found = self._found(asked, data, arguments, before)
            if found is not None:
                return found
        work = partial(self._tool.interface.function, *key, **arguments, **passed)
        answer = await bounded(work, self._use.timeout_seconds, shielded=self._effect)
        ended = self._became(answer)
        if self._effect:
            self._say(ended.outcome)
        return ended

    # -- what happened before ----------------------------------------------------------------------

    def _found(self, answer: object, data: Json, arguments: Mapping[str, Any], before: ActedOutcome) -> _Ended | None:
        """What the answer of the probe says; None where the effect is known not to have happened."""
        if answer is None:
            return None
        if isinstance(answer, _Raised):
            return _Ended(before, self._broke(answer, f"the probe of {self._use.name}"))
        ended = self._sealed(answer, "found", before, f"the probe of {self._use.name}")
        if ended.result is not None and (other := _other(arguments, data, answer, ended.result.data)):
            # The key was used for something else.
            reason = f"{self._use.name} was done before with another {other} for the same {self._use.once}"
            ended = _Ended("refused", reason)
        self._say(ended.outcome)
        return ended

    # -- what became of it -------------------------------------------------------------------------

    def _became(self, answer: object) -> _Ended:
        doubt: ActedOutcome = "unknown" if self._effect else "failed"
        if isinstance(answer, Block):
            return _Ended("refused", self._clean(answer.reason, "its reason"))
        if isinstance(answer, _Raised):
            if isinstance(answer.error, PinError) and not self._use.apart:
                # No other call mends this: the stage blocks. One that runs apart has an answer, that it failed.
                raise answer.error
            outcome: ActedOutcome = "failed" if isinstance(answer.error, NotDone) else doubt
            return _Ended(outcome, self._broke(answer, self._use.name))
        return self._sealed(answer, "done", doubt, self._use.name)

    def _sealed(self, value: object, outcome: ActedOutcome, otherwise: ActedOutcome, what: str) -> _Ended:
        """A result that keeps to the contract and shows no secret."""
        try:
            result = self._tool.interface.written(value)
        except GateworkError as error:
            return _Ended(otherwise, str(error))
        except Exception as error:  # noqa: BLE001  # a value of any type may break in any way
            return _Ended(otherwise, self._broke(_Raised(error), what))
        if shows(result, self._secrets):
            return _Ended(otherwise, f"the result of {self._use.name} holds one of its secrets, so it is not kept")
        if (self._use.untrusted or self._use.descriptor) and self._desk.strange(result):
            # Our own records may name any document; what comes from outside may not.
            return _Ended(otherwise, f"the result of {self._use.name} names a document that it did not store")
        return _Ended(outcome, "", Sealed.of(result, os.urandom(16)))

    def _broke(self, raised: _Raised, what: str) -> str:
        """Why there is no result. What the code of others says may carry outside text, so it goes nowhere."""
        error = raised.error
        if raised.late:
            return f"{what} took longer than {self._use.timeout_seconds:g} s"
        if isinstance(error, GateworkError):
            return self._clean(error.message, "what it said")
        about: Fields = {"stage": self._due.node, "attempt": self._due.attempt, "tool": self._use.name}
        say_broke("tool.broke", error, about, clean=lambda said: masked(said, self._secrets))
        if isinstance(error, asyncio.CancelledError):
            return f"{what} was cancelled"
        return f"{what} broke: {type(error).__name__} at {place_of(error)}; the worker's log says more"

    def _clean(self, text: str, what: str) -> str:
        if shows(text, self._secrets):
            return f"{self._use.name} says no; {what} holds one of its secrets, so it is not kept"
        return text

    def _say(self, outcome: str) -> None:
        """Log what becomes of an effect at once: should the worker die, nothing else will know."""
        call = self._due.call
        digests = {"key": short_digest(call.key), "digest": short_digest(canonical.digest("arguments", call.arguments))}
        say(
            f"effect.{outcome}",
            {"stage": self._due.node, "attempt": self._due.attempt, "tool": self._use.name, **digests},
        )


def _resolved(interface: Interface) -> Mapping[str, Secret]:
    return {name: resolved(one.name) for name, one in interface.secrets.items()}


async def bounded(work: Callable[[], Awaitable[Any]], seconds: float, *, shielded: bool = False) -> Any:
    """What a function gives in its time; a `_Raised` where it gives nothing.

    One that does not stop when told so is left behind. Cancelled while it runs, a `shielded` one is told to stop, and
    what it then gives, or does not, is returned instead of raised.
    """
    task = asyncio.ensure_future(_contained(work))
    late = False
    cancelled = await _waited(task, seconds)
    if not task.done():
        late = not cancelled
        task.cancel()
        cancelled = await _waited(task, LINGER) or cancelled
    if cancelled and not shielded:
        raise asyncio.CancelledError
    if not task.done():
        return _Raised(TimeoutError() if late else asyncio.CancelledError(), late)
    answer = task.result()
    if late and isinstance(answer, _Raised):
        return _Raised(answer.error, late=True)
    return answer


async def _waited(task: asyncio.Future[object], seconds: float) -> bool:
    """Wait for a task, for so long at most; whether the wait was cancelled."""
    try:
        await asyncio.wait({task}, timeout=seconds)
    except asyncio.CancelledError:
        return True
    return False


async def _contained(work: Callable[[], Awaitable[Any]]) -> object:
    try:
        return await work()
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001  # also an exit and a cancellation of its own, which say nothing
        return _Raised(error)


def _other(arguments: Mapping[str, Any], data: Json, found: object, known: Json) -> str:
    """The argument that a recorded result names with another value; empty where it names none."""
    for name, value in arguments.items():
        if not (isinstance(known, dict) and name in known) or canonical.alike(known[name], data[name]):
            continue
        # The same may be written in two ways: 12.5 and 12.50.
        if (found[name] if isinstance(found, dict) else getattr(found, name, None)) != value:
            return name
    return ""

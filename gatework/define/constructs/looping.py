"""Loops, and waiting for a time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any, Concatenate, Literal, TypeVar, overload

from gatework.define import trace
from gatework.define.constructs.ways import given, written
from gatework.define.declared import EXPIRY, TIMEOUT
from gatework.define.ending import Ending
from gatework.define.guard import as_guard
from gatework.define.roles import Role, sealed_override
from gatework.errors import PlanError
from gatework.plan.labels import Endorsed, Label, Untrusted
from gatework.plan.plan import Loop, Param, Pause, Until, Work
from gatework.values.contract import contract
from gatework.values.verdict import Verdict

T = TypeVar("T")


_Check = Callable[Concatenate[T, ...], Verdict | Awaitable[Verdict]]


@overload
def repeat(
    body: Callable[[Untrusted[T]], Untrusted[T]],
    start: Untrusted[T],
    *,
    until: _Check[T],
    rounds: int,
    spent: Literal["ask", "accept"] = "ask",
    operator: Role | None = None,
    override: Role | None = None,
    expires: timedelta = EXPIRY,
) -> Untrusted[T]: ...
@overload
def repeat(
    body: Callable[[Endorsed[T]], Endorsed[T]],
    start: Endorsed[T],
    *,
    until: _Check[T],
    rounds: int,
    spent: Literal["ask", "accept"] = "ask",
    operator: Role | None = None,
    override: Role | None = None,
    expires: timedelta = EXPIRY,
) -> Endorsed[T]: ...
def repeat(
    body: Any,
    start: Any,
    *,
    until: Any,
    rounds: int,
    spent: Literal["ask", "accept"] = "ask",
    operator: Role | None = None,
    override: Role | None = None,
    expires: timedelta = EXPIRY,
) -> Any:
    """Go round a body, from a value to a better one, until a guard passes what a round gave.

    `until` looks at the value: `Pass` ends the loop, `Retry` starts the next round, whose first stage is told why;
    `Block` and `Escalate` ask a person as at a stage. After `rounds` rounds a person of `operator` is asked, for at
    most `expires`; or, with `spent="accept"`, the last value is taken as it is, and the receipt says so. `override` is
    who may let on a value that `until` blocked.
    Raises `PlanError`.
    """
    builder = trace.required("repeat")
    place = builder.here()[0]
    first = trace.traced(start, "what repeat starts from")
    if type(rounds) is not int or rounds < 1:
        raise PlanError(f"repeat goes {rounds!r} rounds.", fix="Give rounds= a number from 1.", where=place)
    if spent not in ("ask", "accept"):
        raise PlanError(
            f"{spent!r} does not say what follows the last round.", fix="Use 'ask' or 'accept'.", where=place
        )
    if expires <= timedelta():
        raise PlanError("repeat waits no time.", fix="Give expires= a timedelta longer than nothing.", where=place)
    guard = as_guard(until)
    type_ = trace.type_of(first)
    # Nobody has approved what a round makes of an approved value.
    label = Label.ENDORSED if trace.label_of(first) is Label.APPROVED else trace.label_of(first)
    name = builder.name(f"repeat_{trace.ref_of(first).node}")
    loop = Loop(
        name=builder.free(f"{name}_so_far"),
        start=trace.ref_of(first),
        label=label,
        contract=builder.contract_of(trace.ref_of(first).node),
    )
    if loop.contract != contract(type_).digest:
        raise PlanError(
            "repeat starts from one case of a value.", fix="Start from what a stage made of it.", where=place
        )
    builder.write(loop)
    variable = trace.stand_in(loop.name, label, type_)
    result = given(builder, written(builder, body, 1, "what repeat goes round")(variable), "a round")
    if trace.type_of(result) != type_ or trace.label_of(result) is not label:
        raise PlanError(
            f"a round takes {trace.describe(variable)} and gives {trace.describe(result)}.",
            fix="Let it give what it takes.",
            where=place,
        )
    if trace.ref_of(result).node == loop.name:
        raise PlanError(
            "a round does nothing.", fix="Let a stage make a new value of the one it is given.", where=place
        )
    ending = Ending(guard, type_)
    builder.define(ending)
    node = Work(
        kind="until",
        name=name,
        runs=ending.name,
        params=(Param(name=ending.value.name, label=label, contract=loop.contract, source=trace.ref_of(result)),),
        label=label,
        contract=loop.contract,
        guards=(guard.use(replace(ending.declared, name="a round", where=place)),),
        timeout_seconds=(max(TIMEOUT, guard.timeout + TIMEOUT)).total_seconds(),
        operator=(operator or Role("operator")).sealed(),
        override=sealed_override(override),
        expires_seconds=expires.total_seconds(),
        until=Until(loop=loop.name, rounds=rounds, spent=spent),
    )
    return builder.add(node, type_)


def pause(time: timedelta) -> None:
    """Wait for a time: minutes, or weeks. The worker may be restarted meanwhile. Raises `PlanError`."""
    builder = trace.required("pause")
    if time <= timedelta():
        raise PlanError("pause waits no time.", fix="Give it a timedelta longer than nothing.", where=builder.here()[0])
    builder.called("pause")
    builder.write(Pause(name=builder.free("pause"), seconds=time.total_seconds()))

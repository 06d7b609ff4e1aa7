"""One attempt of a stage or an endorser, run as workers would, without a server.

Where it stands still, its calls are made, and it is run again with its journal, until it ends.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Awaitable, Callable, Mapping
from decimal import Decimal
from typing import Any

from pydantic import BaseModel

from gatework.define.endorser import Endorser
from gatework.define.stage import Stage
from gatework.models.question import Model
from gatework.perform.acting import act
from gatework.perform.perform import Code, perform
from gatework.plan.expr import Ref
from gatework.plan.labels import Label
from gatework.plan.plan import DEFAULT_BUDGET, Budget, Input, Param, Plan, Work
from gatework.run.budget import Spent
from gatework.run.events import Failed, Finished, Result, Stopped, Suspended
from gatework.run.journal import Call, Entry
from gatework.run.state import Act, Run
from gatework.values import wire
from gatework.values.canonical import Json, Sealed
from gatework.values.store import Store
from tests.unit.hostile import MARK

SALT = bytes(16)


class Mail(BaseModel):
    text: str


class Claim(BaseModel):
    order: str
    amount: int


class Owed(BaseModel):
    order: str
    amount: int


class Receipt(BaseModel):
    payment: str


def sealed(data: Json) -> Sealed:
    return Sealed.of(data, SALT)


async def attempt(
    definition: Stage[Any, Any] | Endorser,
    *,
    inputs: Mapping[str, Json | Sealed] | None = None,
    model: Model | None = None,
    number: int = 1,
    edited: Json | Sealed | None = None,
    feedback: tuple[str, ...] = (),
    let_in: bool = False,
    limits: Mapping[str, Json] | None = None,
    allowance: Budget | None = None,
    tries: int = 1,
    waited: float = 0.0,
    lineage: str = "lineage",
    journal: tuple[Entry, ...] = (),
    stands: list[Suspended] | None = None,
    acted: Acting | None = None,
    store: Store | None = None,
    **changes: Any,
) -> Result:
    """Run one attempt to its end; `changes` are made to the node, such as a shorter `timeout_seconds`.

    `stands` collects where it stood still; `acted` answers its calls instead of the tools.
    """
    plan = plan_of(definition, **changes)
    run = Run(
        plan=plan.digest,
        node=definition.name,
        attempt=number,
        inputs={name: _sealed(data) for name, data in (inputs or {"mail": {"text": f"hello {MARK}"}}).items()},
        feedback=feedback,
        edited=None if edited is None else _sealed(edited),
        let_in=let_in,
        limits={name: _sealed(data) for name, data in (limits or {}).items()},
        journal=journal,
        allowance=allowance or (isinstance(definition, Stage) and definition.budget) or DEFAULT_BUDGET,
    )
    stands = [] if stands is None else stands
    while True:
        event = await once(run, plan, definition, model=model, tries=tries, waited=waited, lineage=lineage, store=store)
        if not isinstance(event, Suspended):
            return event
        assert event.turn == len(run.journal)
        assert event.entries or event.calls
        stands.append(event)
        assert len(stands) < 50, "it stands still again and again"
        answered = [await (acted or act_of(definition, store))(call) for call in event.calls]
        run = dataclasses.replace(
            run,
            journal=(*run.journal, *event.entries, *answered),
            allowance=less(run.allowance, event.spent),
        )


Acting = Callable[[Call], Awaitable[Entry]]
"""Answers a call that an attempt waits for."""


async def once(
    run: Run,
    plan: Plan,
    definition: Stage[Any, Any] | Endorser,
    *,
    model: Model | None = None,
    tries: int = 1,
    waited: float = 0.0,
    lineage: str = "lineage",
    store: Store | None = None,
) -> Result:
    """What one activity makes of an attempt."""
    code = Code(
        definition=definition,
        guards={guard.name: guard for guard in definition.checks},
        tools={tool.name: tool for tool in definition.tools},
    )
    reach = None if model is None else lambda: model
    event = await perform(
        run,
        plan,
        code,
        lineage=lineage,
        tries=tries,
        waited=waited,
        model=reach,
        store=None if store is None else lambda: store,
    )
    found = (event.plan, event.node, event.attempt, event.inputs)
    assert found == (plan.digest, run.node, run.attempt, run.inputs_digest)
    if isinstance(event, Failed):
        assert MARK not in json.dumps(dataclasses.asdict(event))
    return wire.decode(type(event), wire.encode(event), what="event")  # type: ignore[no-any-return]


def act_of(definition: Stage[Any, Any] | Endorser, store: Store | None = None) -> Acting:
    """Makes the calls of a stage as the activities of its tools do."""

    stored: Callable[[], Store] | None = None if store is None else lambda kept=store: kept

    async def acted(call: Call) -> Entry:
        [granted] = [one for one in definition.grants if one.tool.name == call.tool]
        due = Act(plan="", node=definition.name, attempt=1, call=call)
        event = await act(granted.use, granted.tool, due, store=stored)
        assert event.outcome != "unknown", event.reason
        return Entry(
            kind="tool", id=call.id, outcome=event.outcome, data=event.result, reason=event.reason, tool=call.tool
        )

    return acted


def less(allowance: Budget, spent: Spent) -> Budget:
    """What is left of a budget, as the machine works it out."""
    return dataclasses.replace(
        allowance,
        model_calls=None if allowance.model_calls is None else allowance.model_calls - spent.model_calls,
        tokens=None if allowance.tokens is None else allowance.tokens - spent.tokens,
        money=None if allowance.money is None else str(Decimal(allowance.money) - Decimal(spent.money)),
        tool_calls={name: most - spent.tool_calls.get(name, 0) for name, most in allowance.tool_calls.items()},
        seconds=None if allowance.seconds is None else allowance.seconds - spent.seconds,
    )


async def finished(definition: Stage[Any, Any] | Endorser, **options: Any) -> Finished:
    event = await attempt(definition, **options)
    assert isinstance(event, Finished), event
    return event


async def stopped(definition: Stage[Any, Any], **options: Any) -> Stopped:
    event = await attempt(definition, **options)
    assert isinstance(event, Stopped), event
    return event


async def failed(definition: Stage[Any, Any] | Endorser, **options: Any) -> Failed:
    event = await attempt(definition, **options)
    assert isinstance(event, Failed), event
    return event


def plan_of(definition: Stage[Any, Any] | Endorser, **changes: Any) -> Plan:
    declared = definition.declared
    guards = definition.guard_uses if isinstance(definition, Stage) else ()
    node = Work(
        kind="stage" if isinstance(definition, Stage) else "endorse",
        name=definition.name,
        runs=definition.name,
        params=tuple(
            Param(name=param.name, label=param.label, contract=param.contract.digest, source=Ref("start"))
            for param in declared.params.values()
        ),
        label=declared.result.label if isinstance(definition, Stage) else Label.ENDORSED,
        contract=declared.result.contract.digest,
        before=definition.before_uses if isinstance(definition, Stage) else (),
        guards=guards,
        tools=tuple(granted.use for granted in definition.grants),
        budget=definition.budget if isinstance(definition, Stage) else None,
        timeout_seconds=5.0,
    )
    start = Input(name="start", label=Label.PLAIN, contract="")
    return Plan(name="plan", inputs=(start,), nodes=(dataclasses.replace(node, **changes),), result=node.name)


def _sealed(data: Json | Sealed) -> Sealed:
    return data if isinstance(data, Sealed) else sealed(data)

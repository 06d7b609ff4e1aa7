"""One attempt of a stage or an endorser, run as a worker would, without a server."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from gatework.canonical import Json, Sealed
from gatework.events import Failed, Finished, Result, Stopped
from gatework.expr import Ref
from gatework.labels import Label
from gatework.models.question import Model
from gatework.perform import Code, perform
from gatework.plan import Input, Param, Plan, Work
from gatework.stage import Endorser, Stage
from gatework.state import Run
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
    **changes: Any,
) -> Result:
    """Run one attempt; `changes` are made to the node, such as a shorter `timeout_seconds`."""
    plan = plan_of(definition, **changes)
    run = Run(
        plan=plan.digest,
        node=definition.name,
        attempt=number,
        inputs={name: _sealed(data) for name, data in (inputs or {"mail": {"text": f"hello {MARK}"}}).items()},
        feedback=feedback,
        edited=None if edited is None else _sealed(edited),
        let_in=let_in,
    )
    code = Code(
        definition=definition,
        guards={guard.name: guard for guard in definition.checks},
        tools={tool.name: tool for tool in definition.tools},
    )
    event = await perform(run, plan, code, lineage="lineage", model=None if model is None else lambda: model)
    assert (event.plan, event.node, event.attempt, event.inputs) == (plan.digest, run.node, number, run.inputs_digest)
    if isinstance(event, Failed):
        assert MARK not in json.dumps(dataclasses.asdict(event))
    return event


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
        tools=tuple(tool.use for tool in definition.tools),
        budget=definition.budget if isinstance(definition, Stage) else None,
        timeout_seconds=5.0,
    )
    start = Input(name="start", label=Label.PLAIN, contract="")
    return Plan(name="plan", input=start, nodes=(dataclasses.replace(node, **changes),), result=node.name)


def _sealed(data: Json | Sealed) -> Sealed:
    return data if isinstance(data, Sealed) else sealed(data)

"""Workflows whose runs start others: plans put together by hand, around workflows that are traced."""

from __future__ import annotations

import copy
import uuid
from contextlib import suppress
from dataclasses import replace
from typing import Any, Literal

from temporalio.common import RawValue
from temporalio.service import RPCError

from gatework.define.workflow import Workflow
from gatework.plan.expr import Ref
from gatework.plan.plan import Approval, Budget, Call, Child, Input, Node, Param, Pause, Plan, Work
from gatework.temporal import Execution
from gatework.values import canonical
from gatework.values.canonical import Json
from tests.workflow.deployment import Deployed, payload, until

ANY: Json = {"$comment": "any JSON"}
ANY_DIGEST = canonical.digest("contract", ANY)


def part(of: Workflow[Any, Any], name: str) -> Workflow[Any, Any]:
    """A workflow's plan under the name of a part of another."""
    return _like(of, name, replace(of.plan, name=name))


def _like(of: Workflow[Any, Any], name: str, plan: Plan) -> Workflow[Any, Any]:
    made = copy.copy(of)
    made.name, made.plan = name, plan
    return made


def calls(
    inner: Workflow[Any, Any],
    *,
    name: str = "outer",
    kind: Literal["call", "each"] = "each",
    at_most: int = 8,
    failed: Literal["ask", "collect", "stop"] = "ask",
    contract: Json = ANY,
    effects: bool = False,
    budget: Budget | None = None,
    pause: float | None = None,
) -> Workflow[Any, Any]:
    """A workflow that starts runs of another: of what it starts from itself, or of each item of that."""
    start, of = inner.plan.input, ANY_DIGEST if kind == "each" else inner.plan.input.contract
    given = Param(name=start.name, label=start.label, contract=start.contract, source=Ref("start"))
    digest = canonical.digest("contract", contract)
    call = Call(
        name="found",
        kind=kind,
        children=(Child(workflow=inner.name, plan=inner.plan.digest, params=(given,), effects=effects),),
        items=Ref("start") if kind == "each" else None,
        item=start.name if kind == "each" else "",
        at_most=at_most,
        failed=failed,
        label=inner.plan.label(inner.plan.result),
        contract=digest,
    )
    waits = (Pause(name="rest", seconds=pause),) if pause is not None else ()
    plan = Plan(
        name=name,
        inputs=(Input(name="start", label=start.label, contract=of),),
        nodes=(call, *waits),
        result="found",
        contracts={ANY_DIGEST: ANY, digest: contract, **inner.plan.contracts},
        budget=budget,
    )
    return _like(inner, name, plan)


def undone(traced: Workflow[Any, Any], undoes: str, undo: str, name: str = "") -> Workflow[Any, Any]:
    """A workflow of which one node undoes another: it stands among the nodes of the traced plan, and shows itself."""
    plan, by = traced.plan, traced.plan.node(undo)
    assert isinstance(by, Work)
    nodes: list[Node] = []
    for node in plan.nodes:
        if node.name == undoes and isinstance(node, Work):
            nodes.append(replace(node, undo=undo))
        elif isinstance(node, Approval):
            nodes.append(replace(node, show=()))
        elif node.name != undo:
            nodes.append(node)
    name = name or traced.name
    return _like(traced, name, replace(plan, name=name, nodes=tuple(nodes), undos=(by,)))


async def started(deployed: Deployed, outer: Workflow[Any, Any], data: Json, id: str = "") -> Execution[Any]:
    """Start a run of a plan that was put together by hand."""
    id = await deployed.start_raw(outer.name, payload(canonical.dumps(data)), id=id or f"{outer.name}-{uuid.uuid4()}")
    return Execution(deployed.client.get_workflow_handle(id, result_type=RawValue), outer)


async def child(run: Execution[Any], name: str, of: Workflow[Any, Any]) -> Execution[Any]:
    """A child run, by its name: `found/1`, once it has begun."""
    found = Execution(run.handle._client.get_workflow_handle(f"{run.id}/{name}", result_type=RawValue), of)

    async def begun() -> bool:
        with suppress(RPCError):
            return bool((await found.state()).plan)
        return False

    await until(begun, f"the run {name}")
    return found


async def result(run: Execution[Any]) -> Any:
    """What a run gave, as JSON."""
    answer = await run.handle.result()
    assert isinstance(answer, RawValue)
    return canonical.loads(answer.payload.data)


__all__ = ["ANY", "calls", "child", "part", "result", "started", "undone"]

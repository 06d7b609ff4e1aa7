"""What runs side by side, or elsewhere: child runs, each with a ledger, panel and gates of its own."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Generic, Literal, TypeVar, get_args, get_origin, overload

from pydantic import BaseModel

from gatework.define import trace
from gatework.define.builder import Builder
from gatework.define.constructs.calling import Startable, child, child_of
from gatework.define.constructs.ways import given, written
from gatework.define.declared import EXPIRY
from gatework.define.roles import Role
from gatework.define.signature import Declared
from gatework.define.stage import Stage
from gatework.define.trace import Traced
from gatework.errors import PlanError
from gatework.plan.expr import Ref
from gatework.plan.flow import label_of_items, sees_outside
from gatework.plan.labels import Approved, Endorsed, Label, Labelled, Untrusted
from gatework.plan.plan import Call, Child, Param, Part, Plan
from gatework.values.contract import contract

A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
D = TypeVar("D")
F = TypeVar("F")
G = TypeVar("G")
T = TypeVar("T")


class Failure(BaseModel):
    """An item for which a child run gave nothing."""

    index: int
    """Counts from 0."""
    reason: str


class Collected(BaseModel, Generic[T]):
    """What child runs gave, in the order of the items, without those that failed."""

    values: list[T]
    failed: list[Failure]


@overload
def parallel(
    one: Callable[[], A], two: Callable[[], B], /, *, failed: Literal["ask", "stop"] = "ask"
) -> tuple[A, B]: ...
@overload
def parallel(
    one: Callable[[], A], two: Callable[[], B], three: Callable[[], C], /, *, failed: Literal["ask", "stop"] = "ask"
) -> tuple[A, B, C]: ...
@overload
def parallel(
    one: Callable[[], A],
    two: Callable[[], B],
    three: Callable[[], C],
    four: Callable[[], D],
    /,
    *,
    failed: Literal["ask", "stop"] = "ask",
) -> tuple[A, B, C, D]: ...
@overload
def parallel(
    one: Callable[[], A],
    two: Callable[[], B],
    three: Callable[[], C],
    four: Callable[[], D],
    five: Callable[[], F],
    /,
    *,
    failed: Literal["ask", "stop"] = "ask",
) -> tuple[A, B, C, D, F]: ...
@overload
def parallel(
    one: Callable[[], A],
    two: Callable[[], B],
    three: Callable[[], C],
    four: Callable[[], D],
    five: Callable[[], F],
    six: Callable[[], G],
    /,
    *,
    failed: Literal["ask", "stop"] = "ask",
) -> tuple[A, B, C, D, F, G]: ...
def parallel(*branches: Callable[[], Any], failed: Literal["ask", "stop"] = "ask") -> Any:
    """Have branches run side by side, each a child run, and go on with what all gave: `a, b = parallel(…, …)`.

    Where one ends without a value, all others go on before a person is asked; with `failed="stop"` they are cancelled.
    Raises `PlanError`.
    """
    builder = trace.required("parallel")
    place, position = builder.called("parallel")
    if len(branches) < 2:
        raise PlanError("parallel has nothing side by side.", fix="Give it two branches or more.", where=place)
    if failed not in ("ask", "stop"):
        raise PlanError(f"{failed!r} does not say what a failure does.", fix="Use 'ask' or 'stop'.", where=place)
    unused = position in builder.written.acknowledged
    names = builder.written.unpacked.get(position, ("_",) * len(branches) if unused else ())
    if len(names) != len(branches):
        raise PlanError(
            f"parallel gives {len(branches)} values, which are assigned to {len(names)} names.",
            fix="Write `one, other = parallel(…, …)`, with a name for each.",
            where=place,
        )
    name = builder.free(next((f"parallel_{name}" for name in names if name != "_"), "parallel"))
    found = [
        _part(builder, f"{name}_{number}" if part == "_" else part, branch, f"branch {number} of parallel")
        for number, (part, branch) in enumerate(zip(names, branches, strict=True), start=1)
    ]
    children = tuple(started for started, _, _ in found)
    builder.write(Call(name=name, kind="parallel", children=children, at_most=len(children), failed=failed))
    values = []
    for number, (part, (started, plan, type_)) in enumerate(zip(names, found, strict=True)):
        node = Part(
            name=started.workflow.rpartition(".")[2],
            call=name,
            child=number,
            label=plan.label(plan.result),
            contract=plan.contract(plan.result),
        )
        builder.contracts[node.contract] = plan.contracts[node.contract]
        values.append(builder.add(node, type_))
        if part == "_":
            builder.unused(node.name)
    return tuple(values)


@overload
def each(
    body: Callable[[Untrusted[A]], Untrusted[B]],
    items: Untrusted[list[A]],
    *,
    at_most: int = 8,
    failed: Literal["ask", "stop"] = "ask",
    operator: Role | None = None,
    expires: timedelta = EXPIRY,
) -> Untrusted[list[B]]: ...
@overload
def each(
    body: Callable[[Untrusted[A]], Endorsed[B]],
    items: Untrusted[list[A]],
    *,
    at_most: int = 8,
    failed: Literal["ask", "stop"] = "ask",
    operator: Role | None = None,
    expires: timedelta = EXPIRY,
) -> Endorsed[list[B]]: ...
@overload
def each(
    body: Callable[[Approved[A]], Untrusted[B]],
    items: Approved[list[A]],
    *,
    at_most: int = 8,
    failed: Literal["ask", "stop"] = "ask",
    operator: Role | None = None,
    expires: timedelta = EXPIRY,
) -> Untrusted[list[B]]: ...
@overload
def each(
    body: Callable[[Approved[A]], Endorsed[B]],
    items: Approved[list[A]],
    *,
    at_most: int = 8,
    failed: Literal["ask", "stop"] = "ask",
    operator: Role | None = None,
    expires: timedelta = EXPIRY,
) -> Endorsed[list[B]]: ...
@overload
def each(
    body: Callable[[Endorsed[A]], Untrusted[B]],
    items: Endorsed[list[A]],
    *,
    at_most: int = 8,
    failed: Literal["ask", "stop"] = "ask",
    operator: Role | None = None,
    expires: timedelta = EXPIRY,
) -> Untrusted[list[B]]: ...
@overload
def each(
    body: Callable[[Endorsed[A]], Endorsed[B]],
    items: Endorsed[list[A]],
    *,
    at_most: int = 8,
    failed: Literal["ask", "stop"] = "ask",
    operator: Role | None = None,
    expires: timedelta = EXPIRY,
) -> Endorsed[list[B]]: ...
@overload
def each(
    body: Callable[[Untrusted[A]], Labelled[B]],
    items: Untrusted[list[A]],
    *,
    at_most: int = 8,
    failed: Literal["collect"],
    operator: Role | None = None,
    expires: timedelta = EXPIRY,
) -> Untrusted[Collected[B]]: ...
@overload
def each(
    body: Callable[[Approved[A]], Untrusted[B]],
    items: Approved[list[A]],
    *,
    at_most: int = 8,
    failed: Literal["collect"],
    operator: Role | None = None,
    expires: timedelta = EXPIRY,
) -> Untrusted[Collected[B]]: ...
@overload
def each(
    body: Callable[[Approved[A]], Endorsed[B]],
    items: Approved[list[A]],
    *,
    at_most: int = 8,
    failed: Literal["collect"],
    operator: Role | None = None,
    expires: timedelta = EXPIRY,
) -> Endorsed[Collected[B]]: ...
@overload
def each(
    body: Callable[[Endorsed[A]], Untrusted[B]],
    items: Endorsed[list[A]],
    *,
    at_most: int = 8,
    failed: Literal["collect"],
    operator: Role | None = None,
    expires: timedelta = EXPIRY,
) -> Untrusted[Collected[B]]: ...
@overload
def each(
    body: Callable[[Endorsed[A]], Endorsed[B]],
    items: Endorsed[list[A]],
    *,
    at_most: int = 8,
    failed: Literal["collect"],
    operator: Role | None = None,
    expires: timedelta = EXPIRY,
) -> Endorsed[Collected[B]]: ...
def each(
    body: Any,
    items: Any,
    *,
    at_most: int = 8,
    failed: Literal["ask", "collect", "stop"] = "ask",
    operator: Role | None = None,
    expires: timedelta = EXPIRY,
) -> Any:
    """Run a stage, a workflow, or a function of the plan over a list: a child run for each item, and a list of what
    they gave, in the order of the items.

    `at_most` is how many are under way at once. Where one ends without a value, all others go on, and then a person of
    `operator` is asked, for at most `expires`; with `failed="stop"` they are cancelled; with `failed="collect"` nobody
    is asked, neither here nor there, and what is given is `Collected`: the values, and which items failed and why.
    Raises `PlanError`.
    """
    builder = trace.required("each")
    place, _ = builder.called("each")
    over = trace.traced(items, "what each goes over")
    label, type_ = trace.label_of(over), trace.type_of(over)
    if get_origin(type_) is not list or label is Label.PLAIN:
        problem = f"each goes over {trace.describe(over)}."
        raise PlanError(problem, fix="Give it a labelled list: Untrusted[list[…]].", where=place)
    if type(at_most) is not int or at_most < 1:
        raise PlanError(f"each has {at_most!r} under way.", fix="Give at_most= a number from 1.", where=place)
    if failed not in ("ask", "collect", "stop"):
        fix = "Use 'ask', 'collect' or 'stop'."
        raise PlanError(f"{failed!r} does not say what a failure does.", fix=fix, where=place)
    if expires <= timedelta():
        raise PlanError("each waits no time.", fix="Give expires= a timedelta longer than nothing.", where=place)
    name = builder.name(f"each_{trace.ref_of(over).node}")
    inner: Any = get_args(type_)[0]
    ref = trace.ref_of(over)
    if isinstance(body, Startable):
        started, plan, made = child_of(builder, body, ref, label, inner)
        outside = True  # of another workflow nothing is known here
    else:
        declared = Declared(_first(body), label, inner)
        started, plan, made = _part(builder, name, body, "what each runs", over=ref, item=declared)
        outside = sees_outside(plan)
    result = label_of_items(plan.label(plan.result), label, collected=failed == "collect", outside=outside)
    if result is None:
        raise PlanError("each gives plain data.", fix="Let what it runs give labelled data.", where=place)
    gives: Any = Collected[made] if failed == "collect" else list[made]  # type: ignore[valid-type]
    node = Call(
        name=name,
        kind="each",
        children=(started,),
        items=ref,
        item=started.params[0].name,
        at_most=at_most,
        failed=failed,
        label=result,
        contract=builder.seal(contract(gives)),
        operator=(operator or Role("operator")).sealed(),
        expires_seconds=expires.total_seconds(),
    )
    return builder.add(node, gives)


# -- children --------------------------------------------------------------------------------------


def _part(
    builder: Builder, name: str, body: object, what: str, *, over: Ref | None = None, item: Declared | None = None
) -> tuple[Child, Plan, Any]:
    """A child that is written in the plan, with its plan as it is known so far and the type of what it gives."""
    part = builder.part(name)
    taken: list[Traced] = []
    sources: dict[str, Ref] = {}
    if item is not None and over is not None:
        free = part.free(item.name)
        taken.append(part.start(Declared(free, item.label, item.type)))
        sources[free] = over
    with trace.tracing(part):
        result = given(part, written(part, body, len(taken), what)(*taken), what)
    ref = trace.ref_of(result)
    if ref.node not in part.lines:
        raise PlanError(f"{what} gives back what it was handed.", fix="Let a stage make it.", where=builder.here()[0])
    part.end(result)
    plan = part.sealed()
    params = tuple(
        Param(
            name=start.name,
            label=start.label,
            contract=start.contract,
            source=sources.get(start.name) or Ref(start.name),
        )
        for start in plan.inputs
    )
    for start in plan.inputs:
        builder.contracts[start.contract] = plan.contracts[start.contract]
    return child(plan, params), plan, trace.type_of(result)


def _first(body: Any) -> str:
    """What a body calls the item that it is handed."""
    names = body.declared.params if isinstance(body, Stage) else _parameters(body)
    return next(iter(names), "item")


def _parameters(body: Any) -> list[str]:
    try:
        return list(inspect.signature(body).parameters)
    except (TypeError, ValueError):
        return []

"""Choices: one of several ways, by the type of a value or by a condition."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Generic, Literal, TypeVar, get_args, get_origin, overload

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from gatework.define import trace
from gatework.define.builder import Builder
from gatework.define.constructs.ways import given, written
from gatework.define.trace import Traced
from gatework.errors import PlanError
from gatework.plan.expr import render
from gatework.plan.flow import label_joined
from gatework.plan.labels import Approved, Endorsed, Label, Labelled, Untrusted, members
from gatework.plan.plan import Arm, Choice, Join
from gatework.values.contract import contract, name_of

A = TypeVar("A")
B = TypeVar("B")
L_contra = TypeVar("L_contra", contravariant=True)
R_co = TypeVar("R_co", covariant=True)
C = TypeVar("C")
D = TypeVar("D")
E = TypeVar("E", bound=Endorsed[Any])
F = TypeVar("F")
G = TypeVar("G")
R = TypeVar("R")
L = TypeVar("L")
T = TypeVar("T")


class _Other:
    """Stands in no union. Beside it pyright reads the models of a value from the cases, in whatever order they are."""


@dataclass(frozen=True)
class Case(Generic[A, L_contra, R_co]):
    """A way for the values of one model."""

    type: type[A]
    then: Callable[[L_contra], R_co]


def case(type_: type[A], then: Callable[[L], R]) -> Case[A, L, R]:
    """A way of `choose`: what follows where the value is of this model. It is handed the value as one of it."""
    trace.required("case")
    return Case(type_, then)


# Up to six ways, each by the label of the value and by those of what the ways give.
@overload
def choose(
    value: Untrusted[A | B | _Other],
    one: Case[A, Untrusted[A], Labelled[T]],
    two: Case[B, Untrusted[B], Labelled[T]],
    /,
) -> Untrusted[T]: ...
@overload
def choose(  # type: ignore[overload-overlap]
    value: Approved[A | B | _Other],
    one: Case[A, Approved[A], E],
    two: Case[B, Approved[B], E],
    /,
) -> E: ...
@overload
def choose(  # type: ignore[overload-overlap]
    value: Endorsed[A | B | _Other],
    one: Case[A, Endorsed[A], E],
    two: Case[B, Endorsed[B], E],
    /,
) -> E: ...
@overload
def choose(
    value: Endorsed[A | B | _Other],
    one: Case[A, Endorsed[A], Labelled[T]],
    two: Case[B, Endorsed[B], Labelled[T]],
    /,
) -> Untrusted[T]: ...
@overload
def choose(
    value: Untrusted[A | B | C | _Other],
    one: Case[A, Untrusted[A], Labelled[T]],
    two: Case[B, Untrusted[B], Labelled[T]],
    three: Case[C, Untrusted[C], Labelled[T]],
    /,
) -> Untrusted[T]: ...
@overload
def choose(  # type: ignore[overload-overlap]
    value: Approved[A | B | C | _Other],
    one: Case[A, Approved[A], E],
    two: Case[B, Approved[B], E],
    three: Case[C, Approved[C], E],
    /,
) -> E: ...
@overload
def choose(  # type: ignore[overload-overlap]
    value: Endorsed[A | B | C | _Other],
    one: Case[A, Endorsed[A], E],
    two: Case[B, Endorsed[B], E],
    three: Case[C, Endorsed[C], E],
    /,
) -> E: ...
@overload
def choose(
    value: Endorsed[A | B | C | _Other],
    one: Case[A, Endorsed[A], Labelled[T]],
    two: Case[B, Endorsed[B], Labelled[T]],
    three: Case[C, Endorsed[C], Labelled[T]],
    /,
) -> Untrusted[T]: ...
@overload
def choose(
    value: Untrusted[A | B | C | D | _Other],
    one: Case[A, Untrusted[A], Labelled[T]],
    two: Case[B, Untrusted[B], Labelled[T]],
    three: Case[C, Untrusted[C], Labelled[T]],
    four: Case[D, Untrusted[D], Labelled[T]],
    /,
) -> Untrusted[T]: ...
@overload
def choose(  # type: ignore[overload-overlap]
    value: Approved[A | B | C | D | _Other],
    one: Case[A, Approved[A], E],
    two: Case[B, Approved[B], E],
    three: Case[C, Approved[C], E],
    four: Case[D, Approved[D], E],
    /,
) -> E: ...
@overload
def choose(  # type: ignore[overload-overlap]
    value: Endorsed[A | B | C | D | _Other],
    one: Case[A, Endorsed[A], E],
    two: Case[B, Endorsed[B], E],
    three: Case[C, Endorsed[C], E],
    four: Case[D, Endorsed[D], E],
    /,
) -> E: ...
@overload
def choose(
    value: Endorsed[A | B | C | D | _Other],
    one: Case[A, Endorsed[A], Labelled[T]],
    two: Case[B, Endorsed[B], Labelled[T]],
    three: Case[C, Endorsed[C], Labelled[T]],
    four: Case[D, Endorsed[D], Labelled[T]],
    /,
) -> Untrusted[T]: ...
@overload
def choose(
    value: Untrusted[A | B | C | D | F | _Other],
    one: Case[A, Untrusted[A], Labelled[T]],
    two: Case[B, Untrusted[B], Labelled[T]],
    three: Case[C, Untrusted[C], Labelled[T]],
    four: Case[D, Untrusted[D], Labelled[T]],
    five: Case[F, Untrusted[F], Labelled[T]],
    /,
) -> Untrusted[T]: ...
@overload
def choose(  # type: ignore[overload-overlap]
    value: Approved[A | B | C | D | F | _Other],
    one: Case[A, Approved[A], E],
    two: Case[B, Approved[B], E],
    three: Case[C, Approved[C], E],
    four: Case[D, Approved[D], E],
    five: Case[F, Approved[F], E],
    /,
) -> E: ...
@overload
def choose(  # type: ignore[overload-overlap]
    value: Endorsed[A | B | C | D | F | _Other],
    one: Case[A, Endorsed[A], E],
    two: Case[B, Endorsed[B], E],
    three: Case[C, Endorsed[C], E],
    four: Case[D, Endorsed[D], E],
    five: Case[F, Endorsed[F], E],
    /,
) -> E: ...
@overload
def choose(
    value: Endorsed[A | B | C | D | F | _Other],
    one: Case[A, Endorsed[A], Labelled[T]],
    two: Case[B, Endorsed[B], Labelled[T]],
    three: Case[C, Endorsed[C], Labelled[T]],
    four: Case[D, Endorsed[D], Labelled[T]],
    five: Case[F, Endorsed[F], Labelled[T]],
    /,
) -> Untrusted[T]: ...
@overload
def choose(
    value: Untrusted[A | B | C | D | F | G | _Other],
    one: Case[A, Untrusted[A], Labelled[T]],
    two: Case[B, Untrusted[B], Labelled[T]],
    three: Case[C, Untrusted[C], Labelled[T]],
    four: Case[D, Untrusted[D], Labelled[T]],
    five: Case[F, Untrusted[F], Labelled[T]],
    six: Case[G, Untrusted[G], Labelled[T]],
    /,
) -> Untrusted[T]: ...
@overload
def choose(  # type: ignore[overload-overlap]
    value: Approved[A | B | C | D | F | G | _Other],
    one: Case[A, Approved[A], E],
    two: Case[B, Approved[B], E],
    three: Case[C, Approved[C], E],
    four: Case[D, Approved[D], E],
    five: Case[F, Approved[F], E],
    six: Case[G, Approved[G], E],
    /,
) -> E: ...
@overload
def choose(  # type: ignore[overload-overlap]
    value: Endorsed[A | B | C | D | F | G | _Other],
    one: Case[A, Endorsed[A], E],
    two: Case[B, Endorsed[B], E],
    three: Case[C, Endorsed[C], E],
    four: Case[D, Endorsed[D], E],
    five: Case[F, Endorsed[F], E],
    six: Case[G, Endorsed[G], E],
    /,
) -> E: ...
@overload
def choose(
    value: Endorsed[A | B | C | D | F | G | _Other],
    one: Case[A, Endorsed[A], Labelled[T]],
    two: Case[B, Endorsed[B], Labelled[T]],
    three: Case[C, Endorsed[C], Labelled[T]],
    four: Case[D, Endorsed[D], Labelled[T]],
    five: Case[F, Endorsed[F], Labelled[T]],
    six: Case[G, Endorsed[G], Labelled[T]],
    /,
) -> Untrusted[T]: ...
def choose(value: Any, /, *cases: Any) -> Any:
    """Take the way for the model of which a value is; every model that it may be needs a case.

    The value is one of several models that share a field which tells them apart: a `Literal` of its own in each.
    What the way gives is given on: untrusted where some way gives that, or where the value is. Raises `PlanError`.
    """
    builder = trace.required("choose")
    place = builder.here()[0]
    chosen = trace.traced(value, "what is chosen by")
    tag, tags = _tagged(trace.type_of(chosen), place)
    for one in cases:
        if not isinstance(one, Case):
            raise PlanError("choose is given a way that is no case.", fix="Write case(Type, way).", where=place)
        if one.type not in tags:
            problem = f"{name_of(one.type)} is no model that {render(trace.ref_of(chosen))} may be."
            raise PlanError(problem, fix=f"It is {_or(tags)}.", where=place)
    for model in tags:
        found = sum(one.type is model for one in cases)
        if found != 1:
            raise PlanError(
                f"choose has {'two cases' if found else 'no case'} for {model.__name__}.",
                fix="Give one case for each model.",
                where=place,
            )
    on = trace.ref_of(chosen)
    name = _names(builder, "choose", on.node)
    builder.write(Choice(name=name.choice, kind="choose", on=on, tag=tag, ways=tuple(tags[one.type] for one in cases)))
    ways = [
        _way(builder, name, way, one.then, f"the case of {one.type.__name__}", trace.narrowed(chosen, one.type))
        for way, one in enumerate(cases)
    ]
    return _joined(builder, name, ways, trace.label_of(chosen))


@overload
def when(condition: bool, then: Callable[[], object], otherwise: None = None) -> None: ...
@overload
def when(  # type: ignore[overload-overlap]
    condition: bool, then: Callable[[], Approved[T]], otherwise: Callable[[], Approved[T]]
) -> Approved[T]: ...
@overload
def when(  # type: ignore[overload-overlap]
    condition: bool, then: Callable[[], Endorsed[T]], otherwise: Callable[[], Endorsed[T]]
) -> Endorsed[T]: ...
@overload
def when(condition: bool, then: Callable[[], Labelled[T]], otherwise: Callable[[], Labelled[T]]) -> Untrusted[T]: ...
@overload
def when(condition: bool, then: Callable[[], R], otherwise: Callable[[], R]) -> R: ...
def when(condition: bool, then: Callable[[], Any], otherwise: Callable[[], Any] | None = None) -> Any:
    """Take one way where a condition holds and another where it does not; without `otherwise`, nothing then.

    What the way gives is given on: untrusted where one of the two gives that, or where the condition looks at what is.
    Without `otherwise` nothing is given. Raises `PlanError`.
    """
    builder = trace.required("when")
    sealed = trace.condition(condition, "what when(…) decides by")
    choice = Choice(name="", kind="when", when=sealed)
    decided = [builder.known(ref.node)[0] for ref in choice.reads]
    name = _names(builder, "when", choice.reads[0].node)
    builder.write(Choice(name=name.choice, kind="when", when=sealed))
    first = _way(builder, name, 0, then, "the first way")
    if otherwise is None:
        if first is not None:
            _left(builder, name, first)
        return None
    second = _way(builder, name, 1, otherwise, "the second way")
    label = Label.UNTRUSTED if Label.UNTRUSTED in decided else Label.PLAIN
    return _joined(builder, name, [first, second], label)


@dataclass(frozen=True)
class _Name:
    choice: str
    join: str


def _names(builder: Builder, kind: str, node: str) -> _Name:
    """What a choice is named by, and its value: after the variable, or after what it is about."""
    variable = builder.name("")
    choice = builder.free(f"{kind}_{variable or node}")
    return _Name(choice, variable or f"{choice}_gave")


def _way(builder: Builder, name: _Name, number: int, way: object, what: str, *values: Traced) -> Traced | None:
    """Write a way down; what it gives, None where it gives nothing."""
    call = written(builder, way, len(values), what)
    with builder.inside(Arm(choice=name.choice, way=number)):
        result = call(*values)
    return None if result is None else given(builder, result, what)


def _left(builder: Builder, name: _Name, value: Traced) -> None:
    """The value of a way is not given on."""
    ref = trace.ref_of(value)
    inside = next((node for node in builder.nodes if node.name == ref.node), None)
    if inside is None or inside.arm is None or inside.arm.choice != name.choice:
        raise PlanError(f"the way of {name.choice} does nothing.", fix="Call a stage in it.", where=builder.here()[0])
    builder.unused(ref.node)


def _joined(builder: Builder, name: _Name, ways: list[Traced | None], decides: Label) -> Traced | None:
    values = [value for value in ways if value is not None]
    place = builder.here()[0]
    if not values:
        return None
    if len(values) < len(ways):
        fix = "Let every way return a value, or none."
        raise PlanError(f"some ways of {name.choice} give a value, and others nothing.", fix=fix, where=place)
    types = [trace.type_of(value) for value in values]
    if any(type_ != types[0] for type_ in types):
        told = _or(dict.fromkeys(types, ()))
        raise PlanError(f"the ways of {name.choice} give {told}.", fix="Let all give the same type.", where=place)
    label = label_joined([trace.label_of(value) for value in values], decides)
    if label is None:
        told = " and ".join(sorted({str(trace.label_of(value)) for value in values}))
        raise PlanError(f"the ways of {name.choice} give {told} data.", fix="Let all give labelled data.", where=place)
    options = tuple(trace.ref_of(value) for value in values)
    digest = contract(types[0]).digest
    if any(builder.contract_of(option.node) != digest for option in options):
        problem = f"a way of {name.choice} gives back what it was handed."
        raise PlanError(problem, fix="Let a stage make a value of it.", where=place)
    node = Join(name=name.join, choice=name.choice, options=options, label=label, contract=digest)
    return builder.add(node, types[0])


# -- tagged unions ---------------------------------------------------------------------------------


def _tagged(annotation: Any, place: str) -> tuple[str, dict[Any, tuple[str, ...]]]:
    """The field that tells the models of a union apart, and each model with the values of that field."""
    preferred = None
    if get_origin(annotation) is Annotated:
        annotation, *more = get_args(annotation)
        preferred = next((one.discriminator for one in more if isinstance(one, FieldInfo)), None)
    models = members(annotation)
    if len(models) < 2 or not all(isinstance(model, type) and issubclass(model, BaseModel) for model in models):
        problem = f"a {name_of(annotation)} is not one of several models."
        raise PlanError(problem, fix="Choose by a value whose type is a union of models, or use when(…).", where=place)
    shared = [preferred] if isinstance(preferred, str) else list(models[0].model_fields)
    for name in shared:
        tags = {model: _literals(model, name) for model in models}
        every = [tag for values in tags.values() for tag in values]
        if all(tags.values()) and len(set(every)) == len(every):
            return name, tags
    raise PlanError(
        f"nothing tells {_or(dict.fromkeys(models, ()))} apart.",
        fix="Give each a field of the same name with a Literal text of its own: kind: Literal['refund'].",
        where=place,
    )


def _literals(model: type[BaseModel], name: str) -> tuple[str, ...]:
    annotation = model.model_fields[name].annotation if name in model.model_fields else None
    values = get_args(annotation) if get_origin(annotation) is Literal else ()
    return values if all(isinstance(value, str) for value in values) else ()


def _or(types: dict[Any, Any]) -> str:
    return " or ".join(name_of(type_) for type_ in types)

"""Who vouches for a value: our own records, or a person, who approves it or is asked for it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from types import NoneType
from typing import Any, TypeVar, cast, overload

from gatework.define import trace
from gatework.define.declared import EXPIRY, TIMEOUT
from gatework.define.endorser import Endorser
from gatework.define.roles import Role
from gatework.errors import PlanError
from gatework.plan import expr
from gatework.plan.kinds import kind_of
from gatework.plan.labels import Approved, Endorsed, Label, Labelled, Untrusted, members
from gatework.plan.plan import Approval, Question
from gatework.values.contract import contract, name_of
from gatework.values.verdict import Block

A = TypeVar("A")
B = TypeVar("B")
T = TypeVar("T")

Named = str | Endorsed[str] | Approved[Any]
"""Somebody that a plan names: a text that is their name, or what they approved."""


def endorse(
    value: Untrusted[A],
    *,
    by: Callable[[A], Awaitable[B | Block]],
    attempts: int = 1,
    timeout: timedelta = TIMEOUT,
    operator: Role | None = None,
    override: Role | None = None,
    expires: timedelta = EXPIRY,
    on: str = "",
) -> Endorsed[B]:
    """Look a claim up in our own records: the only way up from untrusted without a person.

    `by` is an async function that takes the claim and returns a new model filled from our records, or `Block`.
    What it does not return does not become endorsed. The limits are those of a stage.
    """
    endorser = Endorser(
        by, attempts=attempts, timeout=timeout, operator=operator, override=override, expires=expires, on=on
    )
    return cast("Endorsed[B]", endorser.node(value))


@overload
def approve(
    value: Endorsed[T],
    *,
    by: Role,
    when: bool,
    not_by: Named | Sequence[Named] = (),
    show: Sequence[object] = (),
    title: str = "",
    within: timedelta = EXPIRY,
    otherwise: Role | None = None,
    click: bool = False,
) -> Approved[T]: ...
@overload
def approve(
    value: Labelled[T],
    *,
    by: Role,
    not_by: Named | Sequence[Named] = (),
    show: Sequence[object] = (),
    title: str = "",
    within: timedelta = EXPIRY,
    otherwise: Role | None = None,
    click: bool = False,
) -> Approved[T]: ...
def approve(
    value: Any,
    *,
    by: Role,
    when: Any = None,
    not_by: Named | Sequence[Named] = (),
    show: Sequence[object] = (),
    title: str = "",
    within: timedelta = EXPIRY,
    otherwise: Role | None = None,
    click: bool = False,
) -> Any:
    """Let people of a role decide on exactly this value, seeing it and what else is in `show`.

    `when` asks only where it holds; allowed on endorsed values over endorsed or plain values.
    `not_by` is who may not approve, one or several: a text of the plan that names somebody (`order.value.entered_by`),
    or an approved value, for whoever approved that. Nobody approves what they have edited themselves either, where
    people are told from each other.
    `title` heads the question, with fields of the value in braces: `"pay {amount} {currency}"`.
    `within` is how long the run waits before the approval counts as refused, or `otherwise` is asked, for as long
    again. `click` lets `approve` be sent without the number on the panel: for a run with one gate, whose evidence
    cannot change. Raises `PlanError`.
    """
    builder = trace.required("approve")
    place = builder.here()[0]
    approved = trace.traced(value, "what is approved")
    if not isinstance(by, Role):
        raise PlanError("approve does not say who decides.", fix="Write by=role('…').", where=place)
    if otherwise is not None and not isinstance(otherwise, Role):
        raise PlanError("approve does not say who decides otherwise.", fix="Write otherwise=role('…').", where=place)
    others = tuple(_named(item, place) for item in (not_by if isinstance(not_by, list | tuple) else (not_by,)))
    if not isinstance(title, str):
        raise PlanError("the title of an approval is no text.", fix="Write it as in 'pay {amount}'.", where=place)
    if within <= timedelta():
        raise PlanError("approve waits no time.", fix="Give within= a timedelta longer than nothing.", where=place)
    ref = trace.ref_of(approved)
    condition = None if when is None else trace.condition(when, "when=")
    # Whoever is asked in place of the others is told apart as they are.
    apart = bool(others) or by.quorum > 1 or (otherwise is not None and otherwise.quorum > 1)
    node = Approval(
        name=builder.name(f"approve_{ref.node}"),
        value=ref,
        contract=builder.contract_of(ref.node),
        by=by.sealed(apart=apart),
        not_by=others,
        when=condition,
        show=tuple(trace.ref_of(trace.traced(item, "what is shown")) for item in show),
        title=title,
        expires_seconds=within.total_seconds(),
        otherwise=otherwise.sealed(apart=apart) if otherwise else None,
        click=click,
    )
    return builder.add(node, trace.type_of(approved))


def _named(item: object, place: str) -> expr.Ref:
    """Who may not approve: a text of the plan, or an approved value."""
    ref = trace.reference(item, "what not_by names")
    assert isinstance(item, trace.Traced)
    approved = not ref.path and trace.label_of(item) is Label.APPROVED
    type_ = trace.type_of(item)
    if not approved and (kind_of(type_) != "text" or NoneType in members(type_)):
        fix = "Give not_by= a text that is always there, or an approved value."
        raise PlanError(f"{expr.render(ref)} names nobody.", fix=fix, where=place)
    return ref


def ask_person(
    model: type[T],
    prompt: str,
    *,
    by: Role,
    show: Sequence[object] = (),
    within: timedelta = EXPIRY,
    otherwise: Role | None = None,
) -> Approved[T]:
    """Ask a person of a role for a value, in a sentence; they send it as JSON, seeing what is in `show`.

    `within` is how long the run waits before it ends, or `otherwise` is asked, for as long again. Raises `PlanError`.
    """
    builder = trace.required("ask_person")
    place = builder.here()[0]
    if not prompt.strip():
        raise PlanError("ask_person asks nothing.", fix="Write the question in a sentence.", where=place)
    asked: tuple[object, ...] = (by,) if otherwise is None else (by, otherwise)
    for who in asked:
        if not isinstance(who, Role):
            raise PlanError("ask_person does not say who answers.", fix="Write by=role('…').", where=place)
        if who.quorum > 1:
            raise PlanError(
                f"ask_person asks {who.quorum} of {who.name} for one answer.",
                fix="Ask one, and let approve(…) ask several.",
                where=place,
            )
    if within <= timedelta():
        raise PlanError("ask_person waits no time.", fix="Give within= a timedelta longer than nothing.", where=place)
    try:
        sealed = contract(model)
    except TypeError as error:
        raise PlanError(f"the answer is no contract: {error}.", fix="Ask for a model.", where=place) from None
    node = Question(
        name=builder.name(f"ask_{name_of(model).lower()}"),
        prompt=prompt.strip(),
        contract=builder.seal(sealed),
        by=by.sealed(),
        show=tuple(trace.ref_of(trace.traced(item, "what is shown")) for item in show),
        expires_seconds=within.total_seconds(),
        otherwise=otherwise.sealed() if otherwise else None,
    )
    return cast("Approved[T]", builder.add(node, model))

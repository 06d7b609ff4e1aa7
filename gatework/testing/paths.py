"""Factories of nodes that say where a plan goes: choices, loops, questions, times, and child runs.

They belong with those of `gatework.testing.factories`: `plan_of(choose("pick", "start", "a", "b"),
*way("pick", 0, stage("left")), *way("pick", 1, stage("right")), join("out", "pick", "left", "right"))`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Literal

from gatework.plan.expr import Condition, Const, Ref
from gatework.plan.labels import Label, combined
from gatework.plan.plan import (
    OPERATOR,
    Arm,
    By,
    Call,
    Child,
    Choice,
    GuardUse,
    Join,
    Loop,
    Node,
    Part,
    Pause,
    Question,
    Until,
    Work,
)
from gatework.testing.factories import START, Draft, Known, by_of, contract_of, param_of
from gatework.values import canonical

# -- ways, loops, questions, times -----------------------------------------------------------------


def choose(name: str, on: str | Ref, *tags: str | tuple[str, ...]) -> Draft:
    """A choice by the `kind` of a value: one way for each tag, or for each group of tags."""
    ref = Ref(on) if isinstance(on, str) else on
    ways = tuple((tag,) if isinstance(tag, str) else tag for tag in tags)
    return lambda known: Choice(name=name, on=ref, tag="kind", ways=ways)


def when(name: str, condition: Condition) -> Draft:
    """A choice by a condition: the first way where it holds, else the second."""
    return lambda known: Choice(name=name, when=condition, kind="when")


def way(choice: str, number: int, *drafts: Draft) -> list[Draft]:
    """Nodes inside a way of a choice; those that stand in a way of their own inside it keep that."""

    def inside(draft: Draft) -> Draft:
        def drafted(known: Known) -> Node:
            node = draft(known)
            return node if node.arm else replace(node, arm=Arm(choice=choice, way=number))

        return drafted

    return [inside(draft) for draft in drafts]


def join(name: str, choice: str, *options: str) -> Draft:
    """What the way gave that was taken: approved where every way gives what is and no outside text decides."""

    def draft(known: Known) -> Join:
        given = [known[option].label for option in options]
        approved = set(given) == {Label.APPROVED} and known[choice].label is not Label.UNTRUSTED
        label = Label.APPROVED if approved else combined([*given, known[choice].label])
        refs = tuple(map(Ref, options))
        return Join(name=name, choice=choice, options=refs, label=label, contract=known[options[0]].contract)

    return draft


def loop(name: str, start: str) -> Draft:
    """The beginning of a loop, which starts from an earlier value."""

    def draft(known: Known) -> Loop:
        value = known[start]
        return Loop(name=name, start=Ref(start), label=combined([value.label]), contract=value.contract)

    return draft


def until(
    name: str,
    loop: str,
    value: str,
    *,
    rounds: int = 3,
    spent: Literal["ask", "accept"] = "ask",
    attempts: int = 1,
    operator: By | str = OPERATOR,
    override: By | None = None,
) -> Draft:
    """The end of a loop: the guard `enough` looks at what a round gave."""

    def draft(known: Known) -> Work:
        return Work(
            name=name,
            runs="enough",
            params=(param_of(0, value, known),),
            label=known[loop].label,
            contract=known[loop].contract,
            guards=(GuardUse(name="enough", binds={}, timeout_seconds=1.0),),
            attempts=attempts,
            operator=by_of(operator),
            override=override,
            until=Until(loop=loop, rounds=rounds, spent=spent),
            kind="until",
        )

    return draft


def question(
    name: str, *show: str, prompt: str = "What now?", role: By | str = "editor", otherwise: By | str | None = None
) -> Draft:
    """A person is asked for a value."""
    return lambda known: Question(
        name=name,
        prompt=prompt,
        contract=contract_of(name),
        by=by_of(role),
        show=tuple(map(Ref, show)),
        otherwise=by_of(otherwise) if otherwise else None,
    )


def pause(name: str, seconds: float = 60.0) -> Draft:
    """The run waits for a time."""
    return lambda known: Pause(name=name, seconds=seconds)


# -- child runs ------------------------------------------------------------------------------------


def child(
    known: Known, workflow: str, *reads: str | Ref | Const, effects: bool = False, private: bool = False
) -> Child:
    """A plan of which there are child runs, with inputs named as those of a stage are."""
    params = tuple(param_of(position, read, known) for position, read in enumerate(reads))
    digest = canonical.digest("plan", workflow)
    return Child(workflow=workflow, plan=digest, params=params, effects=effects, private=private)


def child_run(
    name: str,
    *reads: str | Ref | Const,
    effects: bool = False,
    private: bool = False,
    label: Label | None = None,
    failed: Literal["ask", "stop"] = "ask",
    operator: By | str = OPERATOR,
) -> Draft:
    """One run of another workflow, which gives what a stage would of what it reads, unless told otherwise."""

    def draft(known: Known) -> Call:
        one = child(known, f"run_{name}", *reads or (START,), effects=effects, private=private)
        return Call(
            name=name,
            children=(one,),
            failed=failed,
            label=combined(param.label for param in one.params) if label is None else label,
            contract=contract_of(name),
            operator=by_of(operator),
        )

    return draft


def parallel(
    name: str, *branches: Iterable[str], failed: Literal["ask", "stop"] = "ask", effects: bool = False
) -> Draft:
    """Runs side by side, of which each reads what is named for it. Its values are given on by parts."""

    def draft(known: Known) -> Call:
        children = tuple(child(known, f"{name}_{i}", *reads, effects=effects) for i, reads in enumerate(branches))
        return Call(name=name, children=children, at_most=len(children), failed=failed, kind="parallel")

    return draft


def part(name: str, call: str, child: int, *, label: Label = Label.UNTRUSTED) -> Draft:
    """What one of the runs of a `parallel` gave."""
    return lambda known: Part(name=name, call=call, child=child, label=label, contract=contract_of(name))


def each(
    name: str,
    items: str,
    *reads: str | Ref | Const,
    at_most: int = 2,
    failed: Literal["ask", "collect", "stop"] = "ask",
    effects: bool = False,
    private: bool = False,
    label: Label | None = None,
    operator: By | str = OPERATOR,
) -> Draft:
    """A run for each item of a list, which is given the item as `p0` and whatever else is read behind it."""

    def draft(known: Known) -> Call:
        one = child(known, f"run_{name}", items, *reads, effects=effects, private=private)
        return Call(
            name=name,
            children=(one,),
            items=Ref(items),
            item="p0",
            at_most=at_most,
            failed=failed,
            label=combined(param.label for param in one.params) if label is None else label,
            contract=contract_of(name),
            operator=by_of(operator),
            kind="each",
        )

    return draft

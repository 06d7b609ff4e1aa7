"""What stands in the boxes of a picture: what a reviewer asks of a node, a line each. All of it is data."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import TYPE_CHECKING

from gatework.plan.changes import words
from gatework.plan.expr import Ref
from gatework.plan.plan import Approval, Call, Choice, Join, Loop, Node, Part, Pause, Plan, Question, Work

if TYPE_CHECKING:
    from gatework.picture.scene import Shape

WIDTH = 40
"""Longest line in a box, in letters."""


def shape_of(node: Node) -> Shape:
    """How a node is drawn."""
    match node:
        case Approval() | Question():
            return "person"
        case Choice():
            return "choice"
        case Join() | Loop() | Part():
            return "small"
        case Call():
            return "effect" if node.effects else "frame"
        case Pause():
            return "box"
        case Work():
            return "effect" if node.effects else "records" if node.kind == "endorse" else "box"


def said_of(node: Node, plan: Plan | None = None) -> Iterator[str]:
    """What a node does and what holds it."""
    match node:
        case Work():
            yield from _work(node)
        case Approval():
            yield f"{words.by(node.by)} approves {words.field(node.value)}"
            yield f"asked when {words.condition(node.when)}" if node.when else "always asked"
            if shown := [ref.node for ref in node.show]:
                yield f"shows {words.names(dict.fromkeys(shown))}"
            yield f"within {words.time(node.expires_seconds)}"
        case Question():
            yield f"{words.by(node.by)} answers: {words.plain(node.prompt)}"
            if node.show:
                yield f"shows {words.names(dict.fromkeys(ref.node for ref in node.show))}"
            yield f"within {words.time(node.expires_seconds)}"
        case Pause():
            yield f"pauses {words.time(node.seconds)}"
        case Choice():
            if node.when is not None:
                yield f"when {words.condition(node.when)}"
            elif node.on is not None:
                yield f"by {words.field(node.on)}.{words.name(node.tag)}"
        case Join():
            pass
        case Loop():
            yield f"from {words.field(node.start)}"
        case Call():
            yield from _call(node, plan)
        case Part():
            yield f"from {words.name(node.call)}"


def _work(node: Work) -> Iterator[str]:
    if node.until is not None:
        yield f"until {words.name(node.runs)} of {words.listed([words.field(ref) for ref in node.reads])}"
        yield "then takes the last" if node.until.spent == "accept" else "then asks a person"
        yield from _override(node)
        return
    read = [
        words.field(p.source) if isinstance(p.source, Ref) else f"{words.name(p.name)}={words.value(p.source.data)}"
        for p in node.params
    ]
    by = f", by={words.name(node.runs)}" if node.kind == "endorse" else ""
    yield f"{'endorse' if by else words.name(node.runs)}({', '.join(read)}{by})"
    for use in node.before:
        yield f"guard of inputs {words.name(use.name)}"
    for use in node.guards:
        yield f"guard {words.name(use.name)}" + (f" on {words.name(use.queue)}" if use.queue else "")
    for tool in node.tools:
        shown = [said for said in words.tool(tool) if said not in ("with a probe", "without a probe")]
        yield ", ".join((f"{tool.kind} {words.name(tool.name)}", *shown))
    if node.queue:
        yield f"on the task queue {words.name(node.queue)}"
    if node.budget:
        yield f"at most {words.spending(node.budget)}"
    if node.attempts > 1:
        yield words.count(node.attempts, "attempt")
    yield from _override(node)


def _override(node: Work) -> Iterator[str]:
    if node.override:
        yield f"{words.by(node.override)} may override it"


def _call(node: Call, plan: Plan | None) -> Iterator[str]:
    names = words.names(dict.fromkeys(child.workflow for child in node.children))
    if node.kind == "each" and node.items is not None:
        yield f"for each of {words.field(node.items)}: {names}"
        yield f"at most {node.at_most} at once"
    else:
        yield f"{'child runs of' if len(node.children) > 1 else 'child run of'} {names}"
    if node.failed == "collect":
        yield "what fails is written down"
    elif node.failed == "stop":
        yield "the first that fails stops the others"
    nodes = plan.nodes if plan else ()
    parts = [part.name for part in nodes if isinstance(part, Part) and part.call == node.name]
    if parts:
        yield f"gives {words.names(parts)}"


_LONGEST = 400
"""Longest text of one thing that is said, in letters; what is cut ends in `…`."""


def lines(text: str) -> list[str]:
    """Text in lines that fit into a box."""
    return textwrap.wrap(words.plain(text, _LONGEST), WIDTH, break_on_hyphens=False) or [""]

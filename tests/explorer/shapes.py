"""The plans that are searched: every wiring and every kind of node up to a number of nodes.

A plan is written as a word, one letter a node, after a letter for its input: `Usnwe` reads an untrusted
input in a stage, endorses it, approves it by a rule and pays.

    s  stage                                 n  endorsement
    g  stage with two guards, two attempts   a  approval that asks always, and shows the input
    e  effect without a probe, one guard     w  approval with a rule over the value itself
    p  effect with a probe, one guard        x  approval with a rule over an earlier value
    b  effect without a probe, two guards    c  approval by a click
       on inputs, one on the output          t  stage with a private tool that an approver lets call, and a plain one
    l  effect within a limit, a budget and an approver's leave
    q  approval by two who say who they are, or by another in their place
    o  effect without a probe, one guard, which one may override; v a stage with one guard, which two may; not in KINDS
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from gatework.plan.expr import Compare, Condition, Const, Ref
from gatework.plan.faults import faults
from gatework.plan.labels import Label
from gatework.plan.plan import Budget, By, Plan
from gatework.testing.factories import START, Draft, Known, approve, effect, endorse, limit, plan_of, stage, tool

BUDGET = Budget(model_calls=2, tool_calls={"refund": 2})
INPUTS = {"U": Label.UNTRUSTED, "E": Label.ENDORSED}
TWO, BOARD = By(role="finance", quorum=2, identity="claimed"), By(role="board", identity="claimed")
HEAD = By(role="head", identity="claimed")
KINDS = "sgebpnawxctlq"


def plans(nodes: int, *, wired: bool, inputs: str = "UE", kinds: str = KINDS) -> Iterator[tuple[str, Plan]]:
    """Every plan without faults of exactly so many nodes, with its word.

    Unwired, each node reads the one before it; wired, each reads any earlier value, in every combination.
    """
    for start in inputs:
        for word, reads in _words(start, nodes, wired, kinds):
            yield word + (":" + "".join(map(str, reads)) if wired else ""), _plan(word, reads)


def _words(start: str, nodes: int, wired: bool, kinds: str) -> Iterator[tuple[str, tuple[int, ...]]]:
    if nodes == 0:
        yield start, ()
        return
    for word, reads in _words(start, nodes - 1, wired, kinds):
        for kind in kinds:
            for read in range(nodes) if wired else (nodes - 1,):
                longer, wiring = word + kind, (*reads, read)
                if kind == "x" and _plan(longer, wiring) == _plan(word + "w", wiring):
                    continue  # no earlier value for a rule to look at
                if not any(faults(_plan(longer, wiring))):
                    yield longer, wiring


def plan_named(word: str) -> Plan:
    """The plan that a word stands for."""
    letters, _, wiring = word.partition(":")
    return _plan(letters, tuple(int(digit) for digit in wiring) or tuple(range(len(letters) - 1)))


def _plan(word: str, reads: tuple[int, ...]) -> Plan:
    drafts = [draft(letter, i, read) for i, (letter, read) in enumerate(zip(word[1:], reads, strict=True))]
    return plan_of(*drafts, start=INPUTS[word[0]])


def _name(position: int) -> str:
    """The name of the value at a position: 0 is the input."""
    return START if position == 0 else f"n{position}"


def _above(position: int) -> Condition:
    return Compare("gt", Ref(_name(position), ("n",)), Const(100), "number")


def draft(letter: str, index: int, read: int) -> Draft:
    """The node at an index (from 0) that reads the value at a position."""
    name, value = _name(index + 1), _name(read)
    match letter:
        case "s":
            return stage(name, value)
        case "g":
            return stage(name, value, guards=["g", "h"], attempts=2)
        case "e" | "p":
            return effect(name, value, probe=letter == "p", guards=["g"], attempts=2)
        case "b":
            return effect(name, value, before=["b", "d"], guards=["g"], attempts=2)
        case "l":
            use = tool(approver="ops", limits=[limit("amount", "at_most", Ref(value, ("n",)))])
            return stage(name, value, tools=[use], attempts=2, budget=BUDGET)
        case "t":
            uses = [tool("look", kind="tool", approver="ops", private=True), tool("read", kind="tool")]
            return stage(name, value, tools=uses)
        case "o":
            return stage(name, value, tools=[tool()], guards=["g"], attempts=2, override=HEAD)
        case "v":
            return stage(name, value, guards=["g"], override=replace(HEAD, quorum=2))
        case "n":
            return endorse(name, value)
        case "a":
            return approve(name, value, show=[START])
        case "w":
            return approve(name, value, when=_above(read))
        case "x":
            # The value furthest back that a rule may look at: the input where it is endorsed, else what follows it.
            return lambda known: approve(name, value, when=_above(_oldest(known, read)))(known)
        case "c":
            return approve(name, value, click=True)
        case "q":
            return approve(name, value, role=TWO, otherwise=BOARD)
        case _:
            raise ValueError(f"{letter} is no kind of node")


def _oldest(known: Known, read: int) -> int:
    vouched = [i for i, value in enumerate(known.values()) if value.label is not Label.UNTRUSTED and i != read]
    return vouched[0] if vouched else read

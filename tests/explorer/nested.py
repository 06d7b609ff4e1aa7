"""Plans in which ways, loops, child runs, questions and pauses stand inside each other, as words.

A word is a row of letters; what stands in brackets stands inside: `l(w(u))` is a loop with a choice in it, in one of
whose ways a stage can be undone.

    s  stage                          w()  choice by a condition: this way, or another stage; with a join
    u  stage that can be undone       t()  choice by a condition without another way, which gives nothing
    e  effect on approved data,       k()  choice by a type: this way, or another stage; with a join
       which can be undone by one     l()  loop, up to two rounds, whose end a person is asked about
    a  approval                       m()  loop, up to two rounds, whose last value is taken
    q  question to a person           c    child run         d    child run that may act, and can take itself back
    z  pause                          p    two child runs side by side, with their parts
    i  child runs over a list, one at a time, where a person is asked       j  two at a time, the first failure stops
    o  two at a time, failures are written down

Before what reads something special there is a stage that gives it: a number for a condition, a type, a list.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

from gatework.plan.expr import Compare, Const, Ref
from gatework.plan.labels import Label
from gatework.plan.plan import Budget, Plan
from gatework.testing.factories import START, Draft, Undo, approve, effect, plan_of, stage
from gatework.testing.paths import (
    child_run,
    choose,
    each,
    join,
    loop,
    parallel,
    part,
    pause,
    question,
    until,
    way,
    when,
)

LEAVES = "sueaqzcdpijo"
NESTS = "wtklm"
BUDGET = Budget(model_calls=4)
"""Of every plan as a whole: few enough that child runs have to share it."""


def words() -> Iterator[str]:
    """Every construct alone, every construct in every other, and some in three."""
    yield from LEAVES
    for outer in NESTS:
        yield from (f"{outer}({inner})" for inner in LEAVES)
    for outer in NESTS:
        yield from (f"{outer}({inner}(u))" for inner in NESTS)
    yield from (
        "ul(u)",
        "uw(u)u",
        "l(w(i))",
        "w(l(j))",
        "l(k(q))",
        "k(l(d))",
        "dl(d)",
        "m(uw(c))",
        "uzqa",
        "l(ez)",
        "dd",
    )


def plan_named(word: str) -> Plan:
    """The plan that a word stands for. It ends with an approval, so that all can be undone that it did."""
    return _Maker().plan(word)


class _Maker:
    def __init__(self) -> None:
        self._number = count(1)
        self._undos: list[Undo] = []

    def plan(self, word: str) -> Plan:
        drafts, last = self._row(iter(word), START)
        rows = [*drafts, approve("end", last) if last != START else stage("end")]
        return plan_of(*rows, budget=BUDGET, undos=self._undos)

    def _name(self, letter: str) -> str:
        return f"{letter}{next(self._number)}"

    def _row(self, word: Iterator[str], value: str) -> tuple[list[Draft], str]:
        """The nodes of a row up to its end, with the name of the last value. It is untrusted: stages mix it anew."""
        drafts: list[Draft] = []
        for letter in word:
            if letter == ")":
                break
            if letter in NESTS:
                assert next(word) == "("
                inside = self._row(word, value) if letter not in "lm" else None
                more, value = self._nest(letter, value, inside, word)
            else:
                more, value = self._leaf(letter, value)
            drafts += more
        return drafts, value

    def _mixed(self, value: str, made: str) -> tuple[Draft, str]:
        """A stage that gives untrusted data again, of what was made of a value."""
        name = self._name("x")
        return stage(name, value, made), name

    def _leaf(self, letter: str, value: str) -> tuple[list[Draft], str]:
        name = self._name(letter)
        match letter:
            case "s":
                return [stage(name, value, guards=["g"], attempts=2)], name
            case "u":
                undo = f"un{name}"
                self._undos.append(stage(undo, name, value, guards=["g"]))
                return [stage(name, value, undo=undo)], name
            case "e":
                undo, asked = f"un{name}", self._name("a")
                self._undos.append(effect(undo, name, asked))
                mixed, last = self._mixed(value, name)
                return [approve(asked, value), effect(name, asked, undo=undo), mixed], last
            case "a":
                mixed, last = self._mixed(value, name)
                return [approve(name, value), mixed], last
            case "q":
                mixed, last = self._mixed(value, name)
                return [question(name, value, otherwise="board"), mixed], last
            case "z":
                return [pause(name)], value
            case "c":
                return [child_run(name, value)], name
            case "d":
                # In a way that outside text picks, somebody has to vouch for it.
                asked = self._name("a")
                run = child_run(name, asked, effects=True, label=Label.UNTRUSTED)
                return [approve(asked, value), run], name
            case "p":
                left, right = self._name("y"), self._name("y")
                mixed, last = self._mixed(left, right)
                return [parallel(name, [value], [value]), part(left, name, 0), part(right, name, 1), mixed], last
            case "i":
                items = self._name("n")
                return [stage(items, value), each(name, items, value, at_most=1)], name
            case "j":
                items = self._name("n")
                return [stage(items, value), each(name, items, failed="stop", effects=False)], name
            case "o":
                items = self._name("n")
                return [stage(items, value), each(name, items, failed="collect")], name
            case _:
                raise ValueError(f"{letter} is no kind of node")

    def _nest(
        self, letter: str, value: str, inside: tuple[list[Draft], str] | None, word: Iterator[str]
    ) -> tuple[list[Draft], str]:
        name = self._name(letter)
        if inside is None:
            drafts, last = self._row(word, name)
            end, body = self._name("r"), self._name("x")
            # What a round gives keeps to the contract of what it starts from.
            drafts = [loop(name, value), *drafts, stage(body, last, like=value)]
            return [*drafts, until(end, name, body, rounds=2, spent="ask" if letter == "l" else "accept")], end
        decides, other, joined = self._name("n"), self._name("v"), self._name("y")
        drafts, last = inside
        if letter == "t":
            if not drafts:
                drafts = [stage(other, value)]
            picked = when(name, Compare("gt", Ref(decides, ("n",)), Const(100), "number"))
            return [stage(decides, value), picked, *way(name, 0, *drafts)], value
        gives = self._name("v")
        one = way(name, 0, *drafts, stage(gives, last))
        two = way(name, 1, stage(other, value, like=gives))
        if letter == "w":
            picked = when(name, Compare("gt", Ref(decides, ("n",)), Const(100), "number"))
        else:
            picked = choose(name, decides, "one", "two")
        return [stage(decides, value), picked, *one, *two, join(joined, name, gives, other)], joined

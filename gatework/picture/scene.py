"""What a picture shows: boxes, frames around them, and arrows in the order of the plan. No places yet."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from gatework.picture.captions import lines, said_of, shape_of
from gatework.picture.facts import Fact, Facts, came_of
from gatework.plan.changes import words
from gatework.plan.labels import Label
from gatework.plan.plan import Call, Choice, Loop, Node, Part, Plan, Work

Shape = Literal["pill", "box", "records", "effect", "person", "choice", "small", "frame"]
Kind = Literal["next", "back", "undo"]
Ends = Sequence[tuple[str, str]]
"""Boxes from which the next is reached, each with what stands at the arrow."""

MOST_BOXES = 600
"""More than this nobody can read in one picture."""


@dataclass(frozen=True, kw_only=True)
class Box:
    """One thing that is drawn. All of its texts are data."""

    id: str
    shape: Shape
    label: Label
    title: str
    lines: tuple[str, ...] = ()
    number: int = 0
    """Its place in the order; 0 for what has none."""
    fact: Fact | None = None


@dataclass(frozen=True, kw_only=True)
class Frame:
    """What stands together: a way, the body of a loop, the plan of child runs, what undoes."""

    id: str
    title: str
    boxes: list[str] = field(default_factory=list)
    frames: list[Frame] = field(default_factory=list)
    faded: bool = False


@dataclass(frozen=True, kw_only=True)
class Arrow:
    """From one box to another."""

    start: str
    end: str
    text: str = ""
    kind: Kind = "next"
    taken: bool = True
    """Whether a run went there; always with a plan alone."""


@dataclass(frozen=True, kw_only=True)
class Scene:
    """All that is drawn."""

    title: str
    subtitle: str
    boxes: tuple[Box, ...]
    frame: Frame
    """Around everything; it is not drawn itself."""
    arrows: tuple[Arrow, ...]
    run: bool = False
    loud: str = ""
    """Of a run: what people let past what had stopped it, in words. It stands before all else."""


def scene_of(plan: Plan, facts: Facts | None = None) -> Scene:
    """The picture of a plan, or of a run of it. Raises `ValueError` where there is more than a picture can hold."""
    drawn = _Drawn(facts)
    drawn.whole(plan)
    if len(drawn.boxes) > MOST_BOXES:
        raise ValueError(f"a picture holds {MOST_BOXES} nodes, and the plan has more")
    title = words.plain(plan.name)
    subtitle = f"plan {plan.digest[:12]}"
    if facts:
        subtitle = f"run {words.plain(facts.run, 60)}: {words.plain(facts.outcome, 20)} · {subtitle}"
    return Scene(
        title=title,
        subtitle=subtitle,
        boxes=tuple(drawn.boxes),
        frame=drawn.root,
        arrows=tuple(drawn.arrows),
        run=facts is not None,
        loud=facts.loud if facts else "",
    )


class _Drawn:
    """What has been drawn so far."""

    def __init__(self, facts: Facts | None) -> None:
        self.boxes: list[Box] = []
        self.arrows: list[Arrow] = []
        self.root = Frame(id="f", title="")
        self._facts = facts
        self._frames = 0

    # -- plans

    def whole(self, plan: Plan) -> None:
        """The plan that a picture is of."""
        starts = []
        for start in plan.inputs:
            text = (f"{start.label} input",)
            starts.append((self._box(self.root, "pill", start.label, start.name, text), ""))
        rows = _Rows(plan, self, self._facts)
        ends = rows.row(None, self.root, starts)
        fact = None if self._facts is None or self._facts.outcome == "completed" else Fact()
        out = self._box(self.root, "pill", plan.label(plan.result), f"gives {words.name(plan.result)}", fact=fact)
        self.join(ends, out)
        rows.undos()

    def part(self, plan: Plan, frame: Frame, ends: Ends) -> Ends:
        """The plan of child runs, inside a frame. Nothing is known of any one of them."""
        return _Rows(plan, self, None).row(None, frame, ends)

    # -- what it is made of

    def framed(self, outer: Frame, title: str, *, faded: bool = False) -> Frame:
        """A frame inside another."""
        self._frames += 1
        inner = Frame(id=f"f{self._frames}", title=title, faded=faded)
        outer.frames.append(inner)
        return inner

    def _box(
        self,
        frame: Frame,
        shape: Shape,
        label: Label,
        title: str,
        said: Sequence[str] = (),
        number: int = 0,
        fact: Fact | None = None,
    ) -> str:
        made = Box(
            id=f"n{len(self.boxes)}",
            shape=shape,
            label=label,
            title=words.plain(title, 60),
            lines=tuple(said),
            number=number,
            fact=fact,
        )
        self.boxes.append(made)
        frame.boxes.append(made.id)
        return made.id

    def node(self, plan: Plan, node: Node, frame: Frame, number: int, fact: Fact | None) -> str:
        """The box of a node."""
        said = [line for text in said_of(node, plan) for line in lines(text)]
        if fact is not None:
            said += [line for text in came_of(fact) for line in lines(text)]
        return self._box(frame, shape_of(node), plan.label(node.name), node.name, said, number, fact)

    def join(self, ends: Ends, box: str, *, kind: Kind = "next") -> None:
        """Arrows from what comes before to a box."""
        for start, text in ends:
            self.arrows.append(Arrow(start=start, end=box, text=text, kind=kind, taken=self._taken(start, box, text)))

    def _taken(self, start: str, end: str, text: str) -> bool:
        if self._facts is None:
            return True
        by = {box.id: box for box in self.boxes}
        facts = [by[each].fact for each in (start, end)]
        return all(fact is None or fact.status in ("done", "running", "waiting") for fact in facts)


class _Rows:
    """The nodes of one plan, drawn way by way."""

    def __init__(self, plan: Plan, drawn: _Drawn, facts: Facts | None) -> None:
        self._plan, self._drawn, self._facts = plan, drawn, facts
        self._at: dict[tuple[str, int] | None, list[Node]] = defaultdict(list)
        for node in plan.nodes:
            self._at[(node.arm.choice, node.arm.way) if node.arm else None].append(node)
        self._numbers = {node.name: number for number, node in enumerate(plan.nodes, start=1)}
        self._ids: dict[str, str] = {}

    def row(self, key: tuple[str, int] | None, frame: Frame, ends: Ends) -> Ends:
        """The nodes of one way; what comes after it is reached from what this returns."""
        frames = [frame]
        for node in self._at[key]:
            if isinstance(node, Part):
                continue  # said at the call that gives it
            if isinstance(node, Loop):
                ends_at = [work.until for work in self._work() if work.until]
                most = next((until for until in ends_at if until.loop == node.name), None)
                title = f"repeat, at most {words.count(most.rounds, 'round')}" if most else "repeat"
                frames.append(self._drawn.framed(frames[-1], title))
            here = self._node(node, frames[-1])
            self._drawn.join(ends, here)
            ends = [(here, "")]
            if isinstance(node, Choice):
                ends = self._ways(node, frames[-1], here)
            elif isinstance(node, Call):
                ends = self._children(node, frames[-1], here)
            elif isinstance(node, Work) and node.until is not None:
                if node.until.loop in self._ids:
                    self._drawn.join([(here, "again")], self._ids[node.until.loop], kind="back")
                frames = frames[:-1] if len(frames) > 1 else frames
        return ends

    def _node(self, node: Node, frame: Frame) -> str:
        fact = self._facts.nodes.get(node.name) if self._facts else None
        here = self._drawn.node(self._plan, node, frame, self._numbers.get(node.name, 0), fact)
        self._ids[node.name] = here
        return here

    def _ways(self, node: Choice, frame: Frame, here: str) -> Ends:
        ends: list[tuple[str, str]] = []
        fact = self._facts.nodes.get(node.name) if self._facts else None
        for way in range(len(node.ways) or 2):
            name = words.way(node, way)
            if not self._at.get((node.name, way)):
                ends.append((here, name))
                continue
            faded = fact is not None and fact.way is not None and fact.way != way
            inner = self._drawn.framed(frame, "", faded=faded)  # its name stands at the arrow
            ends += self.row((node.name, way), inner, [(here, name)])
        return ends

    def _children(self, node: Call, frame: Frame, here: str) -> Ends:
        """The plans of child runs that are written in this one; of others only the name is known."""
        ends: list[tuple[str, str]] = []
        for number, child in enumerate(node.children):
            part = self._plan.parts.get(child.workflow)
            if part is None or part.name == self._plan.name:
                continue
            many = f"each item, up to {node.at_most} at once" if node.kind == "each" else f"side by side {number + 1}"
            inner = self._drawn.framed(frame, f"{many}: {words.name(child.workflow)}")
            ends += self._drawn.part(part, inner, [(here, "")])
        return ends or [(here, "")]

    def undos(self) -> None:
        """What undoes, beside what it undoes."""
        if not self._plan.undos:
            return
        frame = self._drawn.framed(self._drawn.root, "undone, the last first, where a run does not complete")
        for undo in self._plan.undos:
            here = self._node(undo, frame)
            done = [(self._ids[work.name], "") for work in self._work() if work.undo == undo.name]
            self._drawn.join(done, here, kind="undo")

    def _work(self) -> Iterator[Work]:
        return (node for node in self._plan.nodes if isinstance(node, Work))

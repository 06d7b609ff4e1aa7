"""A plan as a picture: a Mermaid flowchart, the same for the same plan.

Names, roles and constants are data. Whatever is no letter or digit in them is written as Mermaid's entity code, so
that none can end a label, start another line, or be taken for markup.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping

from gatework.picture.captions import said_of
from gatework.picture.facts import OVERRIDDEN_COLOUR, Facts, came_of
from gatework.plan.changes import words
from gatework.plan.expr import Ref
from gatework.plan.labels import Label
from gatework.plan.plan import Approval, Arm, Call, Choice, Join, Loop, Node, Part, Plan, Question, Work

_SHAPES = {
    "input": ('(["', '"])'),
    "stage": ('["', '"]'),
    "endorse": ('[("', '")]'),
    "effect": ('[["', '"]]'),
    "approve": ('{{"', '"}}'),
    "result": ('(["', '"])'),
    "choice": ('{{"', '"}}'),
    "small": ('("', '")'),
}
_CLASSES = {
    Label.PLAIN: "fill:#f3f4f6,stroke:#6b7280,color:#111827",
    Label.UNTRUSTED: "fill:#fdecea,stroke:#c0392b,color:#111827",
    Label.ENDORSED: "fill:#e8f5ec,stroke:#2e7d4f,color:#111827",
    Label.APPROVED: "fill:#e7effb,stroke:#2b5fa8,color:#111827",
}
_WIDE = {"\\": "\uff3c", "$": "\uff04", ":": "\uff1a", "\ufb02": "fl"}
"""What only looks alike, for what Mermaid looks for once more after it has read its codes: `\\n`, `$$`, `fa:fa-x`,
and a letter that it writes in the place of `#` while it reads."""
_HEAD = '%%{init: {"flowchart": {"wrappingWidth": 420}}}%%'


def mermaid(plan: Plan, facts: Facts | None = None) -> str:
    """The Mermaid flowchart of a plan, or of a run of it: order from top to bottom, values as arrows, evidence as
    dotted ones; what stands in a way or a loop in a frame.
    """
    return "\n".join(_Flowchart(plan, facts).lines()) + "\n"


class _Flowchart:
    """The flowchart of one plan."""

    def __init__(self, plan: Plan, facts: Facts | None) -> None:
        self._plan, self._facts = plan, facts
        starts = {start.name: f"i{i}" if i else "n0" for i, start in enumerate(plan.inputs)}
        self._ids = starts | {node.name: f"n{i}" for i, node in enumerate(plan.steps, start=1)}

    def lines(self) -> Iterator[str]:
        """Every line of it."""
        plan, ids = self._plan, self._ids
        yield _HEAD
        yield "flowchart TD"
        yield f"  %% plan {plan.digest}"
        title = f"A run of {_text(plan.name)}" if self._facts else f"The plan of {_text(plan.name)}"
        yield f"  accTitle: {title}"
        if self._facts and self._facts.loud:
            yield f'  loud(["{_text(self._facts.loud)}"]):::overridden'
        for start in plan.inputs:
            yield _node(ids[start.name], "input", start.label, [_text(start.name), f"{start.label} input"])
        yield from self._nodes()
        yield _node("out", "result", plan.label(plan.result), ["result"])
        yield from self._order()
        before = ids[plan.nodes[-1].name] if plan.nodes else "n0"
        yield f"  {ids.get(plan.result, before)} --> out"
        for label, style in _CLASSES.items():
            yield f"  classDef {label} {style}"
        if holding := [ids[node.name] for node in plan.steps if isinstance(node, Work | Call) and node.effects]:
            yield "  classDef effect stroke-width:4px"
            yield f"  class {','.join(holding)} effect"
        if passed := [ids[name] for name in self._passed()]:
            yield "  classDef passed opacity:0.4"
            yield f"  class {','.join(passed)} passed"
        if self._facts and self._facts.loud:
            yield f"  classDef overridden stroke:{OVERRIDDEN_COLOUR},stroke-width:4px"
            here = [ids[name] for name in self._facts.overridden if name in ids]
            yield from (f"  class {','.join(here)} overridden" for _ in here[:1])

    def _passed(self) -> Iterator[str]:
        """What a run has not come to, or has passed over."""
        for name, fact in self._facts.nodes.items() if self._facts else ():
            if fact.status in ("skipped", "ahead") and not fact.overridden and name in self._ids:
                yield name

    def _nodes(self) -> Iterator[str]:
        """The nodes, with a frame around each way, the body of each loop, and what undoes."""
        frames: list[tuple[str, object]] = []
        arms: dict[str, Arm | None] = {node.name: node.arm for node in self._plan.nodes}
        for position, node in enumerate(self._plan.nodes, start=1):
            inside = list(_arms(node.arm, arms))
            while frames and isinstance(frames[-1][1], Arm) and frames[-1][1] not in inside:
                yield "  end"
                frames.pop()
            open_arms = [frame for _, frame in frames]
            for arm in inside:
                if arm not in open_arms:
                    yield f'  subgraph {self._frame(arm)} [" {_text(self._way(arm))} "]'
                    frames.append(("way", arm))
            if isinstance(node, Loop):
                yield f'  subgraph {self._ids[node.name]}f [" {_text(self._rounds(node))} "]'
                frames.append(("loop", node.name))
            yield self._drawn(node, f"{position} · ")
            if isinstance(node, Work) and node.until and ("loop", node.until.loop) in frames:
                while frames and frames.pop() != ("loop", node.until.loop):
                    yield "  end"
                yield "  end"
        yield from ("  end" for _ in frames)
        if self._plan.undos:
            yield '  subgraph undos [" undone where a run does not complete "]'
            yield from (self._drawn(undo, "") for undo in self._plan.undos)
            yield "  end"

    def _drawn(self, node: Node, number: str) -> str:
        label = self._plan.label(node.name)
        fact = self._facts.nodes.get(node.name) if self._facts else None
        came = [_text(line) for line in came_of(fact)] if fact else []
        return _node(
            self._ids[node.name], _shape(node), label, [f"{number}{_text(node.name)}", *_said(node), label, *came]
        )

    def _frame(self, arm: Arm) -> str:
        return f"{self._ids.get(arm.choice, 'x')}w{arm.way}"

    def _way(self, arm: Arm) -> str:
        return words.inside(self._plan.nodes, arm)

    def _rounds(self, loop: Loop) -> str:
        ends = (work.until for work in self._plan.nodes if isinstance(work, Work) and work.until)
        most = next((until.rounds for until in ends if until.loop == loop.name), 0)
        return f"repeat, at most {words.count(most, 'round')}"

    def _order(self) -> Iterator[str]:
        """The arrows: values, evidence, ways, another round, undos; unseen ones keep the order from top to bottom."""
        ids = self._ids
        before = ids[self._plan.inputs[0].name] if self._plan.inputs else ""
        for node in self._plan.nodes:
            here = ids[node.name]
            drawn = list(dict.fromkeys(_arrows(node, ids, here)))
            yield from (f"  {arrow}" for arrow in drawn)
            if before and not any(arrow.startswith(f"{before} ") for arrow in drawn):
                yield f"  {before} ~~~ {here}"  # unseen: it keeps the order from top to bottom
            before = here
        firsts = dict.fromkeys(node.arm for node in self._plan.nodes if node.arm)
        for arm in firsts:
            if arm.choice in ids:
                first = next(node.name for node in self._plan.nodes if node.arm == arm)
                yield f'  {ids[arm.choice]} ==>|"{_text(self._name(arm))}"| {ids[first]}'
        for node in self._plan.nodes:
            if isinstance(node, Work) and node.until and node.until.loop in ids:
                yield f'  {ids[node.name]} -.->|"again"| {ids[node.until.loop]}'
            if isinstance(node, Work) and node.undo in ids:
                yield f'  {ids[node.name]} -.->|"undo"| {ids[node.undo]}'

    def _name(self, arm: Arm) -> str:
        node = self._plan.node(arm.choice)
        return words.way(node, arm.way) if isinstance(node, Choice) else f"way {arm.way + 1}"


def _arms(arm: Arm | None, arms: Mapping[str, Arm | None]) -> list[Arm]:
    """The ways inside which a node stands, from the outermost."""
    found: list[Arm] = []
    while arm is not None and arm not in found:
        found.append(arm)
        arm = arms.get(arm.choice)
    return list(reversed(found))


def _node(here: str, shape: str, label: Label, lines: list[str]) -> str:
    begin, end = _SHAPES[shape]
    return f"  {here}{begin}{'<br/>'.join(lines)}{end}:::{label}"


def _shape(node: Node) -> str:
    match node:
        case Approval() | Question():
            return "approve"
        case Work():
            return "effect" if node.effects else "endorse" if node.kind == "endorse" else "stage"
        case Call():
            return "effect" if node.effects else "stage"
        case Choice():
            return "choice"
        case Join() | Loop() | Part():
            return "small"
        case _:
            return "stage"


def _arrows(node: Node, ids: dict[str, str], here: str) -> Iterator[str]:
    if isinstance(node, Approval):
        yield f"{ids[node.value.node]} --> {here}"
        yield from (f"{ids[ref.node]} -.-> {here}" for ref in node.reads if ref.node != node.value.node)
        return
    if not isinstance(node, Work):
        shown = "-.->" if isinstance(node, Question) else "-->"
        yield from (f"{ids[ref.node]} {shown} {here}" for ref in node.reads)
        if isinstance(node, Part):
            yield f"{ids[node.call]} --> {here}"
        return
    for param in node.params:
        if isinstance(param.source, Ref):
            path = _text(".".join(map(words.name, param.source.path)))
            part = f'|"{path}"|' if path else ""
            yield f"{ids[param.source.node]} -->{part} {here}"


def _said(node: Node) -> Iterator[str]:
    """What a reviewer asks of a node, a line each."""
    if isinstance(node, Approval):
        yield _text(f"{words.by(node.by)} approves within {words.time(node.expires_seconds)}")
        yield _text(f"when {words.condition(node.when)}") if node.when else "always"
        if node.click:
            yield "a click is enough"
        return
    if not isinstance(node, Work) or node.until is not None:
        yield from map(_text, said_of(node))
        return
    if node.kind == "endorse":
        yield _text(f"looked up by {words.name(node.runs)}")
    elif node.runs != node.name:
        yield _text(words.name(node.runs))
    for use in node.before:
        yield _text(f"guard of inputs {words.name(use.name)}")
    for use in node.guards:
        where = f" on {words.name(use.queue)}" if use.queue else ""
        yield _text(f"guard {words.name(use.name)}{where}")
    for tool in node.tools:
        shown = [said for said in words.tool(tool) if said not in ("with a probe", "without a probe")]
        yield _text(", ".join((f"{tool.kind} {words.name(tool.name)}", *shown)))
    if node.queue:
        yield _text(f"on the task queue {words.name(node.queue)}")
    if node.budget:
        yield _text(f"at most {words.spending(node.budget)}")
    if node.attempts > 1:
        yield words.count(node.attempts, "attempt")
    if node.override:
        yield _text(f"{words.by(node.override)} may override it")


def _text(text: str) -> str:
    """Text that Mermaid takes for text."""
    padded = f" {text} "
    return "".join(
        here if _safe(before, here, after) else _code(here)
        for before, here, after in zip(padded, padded[1:], padded[2:], strict=False)
    )


def _safe(before: str, here: str, after: str) -> bool:
    if here in "._-":
        return before.isalnum() and after.isalnum()
    return here == " " or (here.isalnum() and here not in _WIDE)


def _code(character: str) -> str:
    if character in _WIDE:
        return _WIDE[character]
    return "\ufffd" if unicodedata.category(character)[0] in "CZ" else f"#{ord(character)};"

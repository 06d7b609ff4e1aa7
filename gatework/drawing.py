"""A plan as a picture: a Mermaid flowchart, the same for the same plan.

Names, roles and constants are data. Whatever is no letter or digit in them is written as Mermaid's entity code, so
that none can end a label, start another line, or be taken for markup.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator

from gatework.changes import words
from gatework.expr import Ref
from gatework.labels import Label
from gatework.plan import Approval, Call, Node, Plan, Question, Work

_SHAPES = {
    "input": ('(["', '"])'),
    "stage": ('["', '"]'),
    "endorse": ('[("', '")]'),
    "effect": ('[["', '"]]'),
    "approve": ('{{"', '"}}'),
    "result": ('(["', '"])'),
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


def mermaid(plan: Plan) -> str:
    """The Mermaid flowchart of a plan: order from top to bottom, values as arrows, evidence as dotted ones."""
    return "\n".join(_lines(plan)) + "\n"


def _lines(plan: Plan) -> Iterator[str]:
    ids = {start.name: "n0" for start in plan.inputs} | {
        node.name: f"n{i}" for i, node in enumerate(plan.nodes, start=1)
    }
    yield _HEAD
    yield "flowchart TD"
    yield f"  %% plan {plan.digest}"
    yield f"  accTitle: The plan of {_text(plan.name)}"
    for start in plan.inputs:
        yield _node("n0", "input", start.label, [_text(start.name), f"{start.label} input"])
    for position, node in enumerate(plan.nodes, start=1):
        label = plan.label(node.name)
        lines = [f"{position} · {_text(node.name)}", *_said(node), label]
        yield _node(ids[node.name], _shape(node), label, lines)
    yield _node("out", "result", plan.label(plan.result), ["result"])
    before = "n0"
    for node in plan.nodes:
        here = ids[node.name]
        drawn = list(dict.fromkeys(_arrows(node, ids, here)))
        yield from (f"  {arrow}" for arrow in drawn)
        if not any(arrow.startswith(f"{before} ") for arrow in drawn):
            yield f"  {before} ~~~ {here}"  # unseen: it keeps the order from top to bottom
        before = here
    yield f"  {ids.get(plan.result, before)} --> out"
    for label, style in _CLASSES.items():
        yield f"  classDef {label} {style}"
    holding = [ids[node.name] for node in plan.nodes if isinstance(node, Work) and node.effects]
    if holding:
        yield "  classDef effect stroke-width:4px"
        yield f"  class {','.join(holding)} effect"


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
        case _:
            return "stage"


def _arrows(node: Node, ids: dict[str, str], here: str) -> Iterator[str]:
    if isinstance(node, Approval):
        yield f"{ids[node.value.node]} --> {here}"
        yield from (f"{ids[ref.node]} -.-> {here}" for ref in node.reads if ref.node != node.value.node)
        return
    if not isinstance(node, Work):
        yield from (f"{ids[ref.node]} --> {here}" for ref in node.reads)
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
    if not isinstance(node, Work):
        yield node.kind
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

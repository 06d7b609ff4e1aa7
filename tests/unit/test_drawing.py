"""Plans as Mermaid flowcharts: the same picture for the same plan, and no name that breaks out of it."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatework.drawing import mermaid
from gatework.expr import AnyOf, Compare, Const, Ref
from gatework.labels import Label
from gatework.plan import Approval, By, Plan, Work
from gatework.testing.factories import approve, effect, endorse, plan_of, stage
from workflows.refund import refund

ROOT = Path(__file__).parents[2]

OVER = Compare("gt", Ref("owed", ("amount",)), Const("100"), "number")
PLAN = plan_of(
    stage("claim", guards=["quotes"], attempts=3),
    endorse("owed", "claim"),
    approve("agreed", "owed", when=OVER, show=["claim"]),
    effect("paid", "agreed"),
    stage("note", Const("x")),
    name="refund",
    result="paid",
)

SAFE = r"(?:[^\W_]|(?<=[^\W_])[._-](?=[^\W_])|[ ·]|\ufffd|[＼＄：]|#\d+;)"
LABEL = rf"{SAFE}+(?:<br/>{SAFE}+)*"
KIND = "(?:plain|untrusted|endorsed|approved)"
GRAMMAR = [
    r"%%\{init: \{\"flowchart\": \{\"wrappingWidth\": 420\}\}\}%%",
    r"flowchart TD",
    r"  %% plan [0-9a-f]{64}",
    rf"  accTitle: The plan of {SAFE}+",
    *(
        rf'  (?:n\d+|out){re.escape(begin)}"{LABEL}"{re.escape(end)}:::{KIND}'
        for begin, end in (("([", "])"), ("[", "]"), ("[(", ")]"), ("[[", "]]"), ("{{", "}}"))
    ),
    r"  n\d+ (?:-->|-\.->|~~~) (?:n\d+|out)",
    rf'  n\d+ -->\|"{SAFE}+"\| n\d+',
    rf"  classDef {KIND} fill:#[0-9a-f]{{6}},stroke:#[0-9a-f]{{6}},color:#[0-9a-f]{{6}}",
    r"  classDef effect stroke-width:4px",
    r"  class n\d+(?:,n\d+)* effect",
]
LINE = re.compile("|".join(f"(?:{line})" for line in GRAMMAR))


def test_picture_shows_order_labels_guards_evidence_and_effects() -> None:
    """Everything that a reviewer asks of a plan, node by node."""
    drawn = mermaid(PLAN).splitlines()
    for line in (
        '  n0(["start<br/>untrusted input"]):::untrusted',
        '  n1["1 · claim<br/>do_claim<br/>guard quotes<br/>3 attempts<br/>untrusted"]:::untrusted',
        '  n2[("2 · owed<br/>looked up by do_owed<br/>endorsed")]:::endorsed',
        '  n3{{"3 · agreed<br/>finance approves within 7 days<br/>when owed.amount #62; 100<br/>approved"}}:::approved',
        '  n4[["4 · paid<br/>do_paid<br/>effect refund#44; once for each order<br/>endorsed"]]:::endorsed',
        '  n5["5 · note<br/>do_note<br/>plain"]:::plain',
        '  out(["result"]):::endorsed',
        "  n2 --> n3",
        "  n1 -.-> n3",
        "  n4 ~~~ n5",
        "  n4 --> out",
        "  class n4 effect",
    ):
        assert line in drawn, line


def test_picture_is_the_same_for_the_same_plan() -> None:
    """It can stand in a file and be compared."""
    assert mermaid(PLAN) == mermaid(replace(PLAN))
    assert len(set(mermaid(PLAN).splitlines())) == len(mermaid(PLAN).splitlines())


def test_picture_of_every_line_keeps_to_the_grammar() -> None:
    """The grammar against which hostile names are held does hold of an honest plan."""
    for line in (*mermaid(PLAN).splitlines(), *mermaid(refund.plan).splitlines()):
        assert LINE.fullmatch(line), line


def named(name: str) -> Plan:
    """The plan with this name wherever a lock file that somebody wrote may have one."""
    claim, owed, agreed, paid, note = PLAN.nodes
    assert isinstance(claim, Work)
    assert isinstance(owed, Work)
    assert isinstance(agreed, Approval)
    assert isinstance(paid, Work)
    assert isinstance(note, Work)
    rule = AnyOf((Compare("eq", Ref("owed", ("item", name)), Const(name), "text"), replace(OVER, right=Const(name))))
    use = replace(claim.guards[0], name=name)
    first = replace(use, binds={"p0": "p0"})
    part = replace(paid.params[0], source=Ref("agreed", (name,)))
    return replace(
        PLAN,
        name=name,
        nodes=(
            replace(claim, runs=name, before=(first,), guards=(use,), queue=name),
            replace(owed, runs=name),
            replace(agreed, by=By(role=name), when=rule, click=True),
            replace(paid, params=(part,), tools=(replace(paid.tools[0], name=name, once=name),)),
            replace(note, runs=name, label=Label.PLAIN),
        ),
    )


HOSTILE = [
    '"]; click n1 href "javascript:alert(1)"',
    'a"]\n  n9["x',
    "<img src=x onerror=alert(1)>",
    "#quot;]",
    "`**bold**`",
    "1. list",
    "- item",
    "__init__",
    "%%{init: {}}%%",
    "$$x^2$$",
    "fa:fa-car",
    "[x](http://a.b)",
    "@{ shape: x }",
    "\\n<br/>",
    "ﬂ°°60¶ß",
    "\u202e\x1b[2J\u2028",
    "end",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_picture_with_a_hostile_name_has_no_line_more(name: str) -> None:
    """Nothing ends a label, starts a line, or is taken for markup, a link, an icon or a formula."""
    _holds(name)


@given(name=st.text(min_size=1, max_size=40) | st.text(alphabet="\"'`<>[]{}()|#;:&%$@!~=-_*+^/\\., a1\n", min_size=1))
def test_picture_with_any_name_has_no_line_more(name: str) -> None:
    """Whatever the name is, the picture has the same lines of the same form."""
    _holds(name)


def _holds(name: str) -> None:
    lines = mermaid(named(name)).splitlines()
    assert len(lines) == len(mermaid(named("x")).splitlines())
    for line in lines:
        assert LINE.fullmatch(line), line


def test_picture_in_the_documentation_is_the_one_of_the_plan() -> None:
    """docs/plans.md shows what `gatework plan show --mermaid refund` prints."""
    (shown,) = re.findall(r"```mermaid\n(.*?)```", (ROOT / "docs" / "plans.md").read_text(), re.DOTALL)
    assert shown == mermaid(refund.plan), "run `gatework plan show --mermaid refund` and put it into docs/plans.md"

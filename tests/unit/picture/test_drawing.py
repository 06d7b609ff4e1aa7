"""Plans as Mermaid flowcharts: the same picture for the same plan, and no name that breaks out of it."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatework.picture import facts_of
from gatework.picture.drawing import mermaid
from gatework.plan.expr import AnyOf, Compare, Const, Ref
from gatework.plan.labels import Label
from gatework.plan.plan import Approval, By, Call, Choice, Node, Plan, Work
from gatework.run.events import Overridden
from gatework.temporal.page.progress import progress
from gatework.testing import Driver
from gatework.testing.factories import approve, call, effect, endorse, plan_of, stage
from gatework.testing.paths import choose, each, join, loop, parallel, part, pause, question, until, way, when
from workflows.refund import refund

ROOT = Path(__file__).parents[3]

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
    rf"  accTitle: (?:The plan|A run) of {SAFE}+",
    *(
        rf'  (?:n\d+|out){re.escape(begin)}"{LABEL}"{re.escape(end)}:::{KIND}'
        for begin, end in (("([", "])"), ("[", "]"), ("[(", ")]"), ("[[", "]]"), ("{{", "}}"))
    ),
    r"  n\d+ (?:-->|-\.->|~~~) (?:n\d+|out)",
    rf'  n\d+ ==>\|"{SAFE}+"\| n\d+',
    r'  n\d+ -\.->\|"(?:again|undo)"\| n\d+',
    rf'  subgraph (?:n\d+f|n\d+w\d+|undos) \[" {SAFE}+ "\]',
    r"  end",
    rf'  n\d+\("{LABEL}"\):::{KIND}',
    r"  classDef passed opacity:0\.4",
    r"  class n\d+(?:,n\d+)* passed",
    rf'  n\d+ -->\|"{SAFE}+"\| n\d+',
    rf"  classDef {KIND} fill:#[0-9a-f]{{6}},stroke:#[0-9a-f]{{6}},color:#[0-9a-f]{{6}}",
    r"  classDef effect stroke-width:4px",
    r"  class n\d+(?:,n\d+)* effect",
    rf'  loud\(\["OVERRIDDEN{SAFE}+"\]\):::overridden',
    r"  classDef overridden stroke:#[0-9a-f]{6},stroke-width:4px",
    r"  class n\d+(?:,n\d+)* overridden",
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


def branching(name: str = "name") -> Plan:
    """A plan with every construct, with a name wherever a lock file that somebody wrote may have one."""
    over = replace(OVER, right=Const(name))
    plan = plan_of(
        each("quotes", "start", failed="collect"),
        endorse("owed", "quotes"),
        loop("text", "owed"),
        stage("better", "text", like="text"),
        until("letter", "text", "better"),
        when("large", over),
        *way("large", 0, approve("agreed", "owed"), pause("cooled")),
        choose("which", "owed", name, "other"),
        *way("which", 0, effect("paid", "owed", undo="unpaid")),
        *way("which", 1, stage("told", "owed")),
        join("done", "which", "paid", "told"),
        parallel("both", ["done"], ["done"]),
        part("one", "both", 0),
        part("two", "both", 1),
        question("publish", "one", "two", prompt=name or "?", role=By(role=name)),
        name="refund",
        result="publish",
        undos=[effect("unpaid", "paid")],
    )
    which = plan.node("which")
    assert isinstance(which, Choice)
    both = plan.node("both")
    assert isinstance(both, Call)
    children = tuple(replace(child, workflow=name) for child in both.children)
    made: dict[str, Node] = {"which": replace(which, tag=name), "both": replace(both, children=children)}
    return replace(plan, nodes=tuple(made.get(node.name, node) for node in plan.nodes))


def test_picture_frames_ways_loops_and_undos() -> None:
    """What stands inside something is drawn inside it, and the arrows say when one goes there."""
    drawn = mermaid(branching()).splitlines()
    for line in (
        '  subgraph n3f [" repeat#44; at most 3 rounds "]',
        '  subgraph n6w0 [" in the way then of large "]',
        '  subgraph undos [" undone where a run does not complete "]',
        '  n6 ==>|"then"| n7',
        '  n9 ==>|"other"| n11',
        '  n5 -.->|"again"| n3',
        '  n10 -.->|"undo"| n17',
    ):
        assert line in drawn, line
    assert sum(line.startswith("  subgraph") for line in drawn) == drawn.count("  end") == 5


def test_picture_of_a_run_fades_what_was_passed_over() -> None:
    """What came of each node stands in it."""
    driver = Driver(PLAN).begin().finish({"amount": 1}).finish({"amount": "1"}).suspend(call("paid")).ended()
    state = progress(PLAN, driver.state, driver.ledger)
    facts = facts_of(PLAN, driver.ledger, state.statuses, run="r-1", outcome=state.status, overrides=state.overrides)
    drawn = mermaid(PLAN, facts)
    for line in drawn.splitlines():
        assert LINE.fullmatch(line), line
    assert "accTitle: A run of refund" in drawn
    assert "class n5 passed" in drawn
    assert "under way" in drawn
    assert "overridden" not in drawn.lower()


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


@pytest.mark.parametrize("by", ["Ana", *HOSTILE])
def test_picture_of_a_run_marks_what_was_overridden(by: str) -> None:
    """By a word at the node and before all others, and by a line of its own colour; also where it was passed over."""
    one = Overridden(node="owed", gate=1, lets="value", guards=(), by=(by,), identity="claimed", reason=by)
    inner = replace(one, node="note/3 inner")
    state = progress(PLAN, Driver(PLAN).begin().state)
    facts = facts_of(PLAN, (), state.statuses, run="r-1", outcome="running", overrides=(one, inner))
    drawn = mermaid(PLAN, facts).splitlines()
    assert all(LINE.fullmatch(line) for line in drawn)
    assert drawn[4] == '  loud(["OVERRIDDEN： owed and note"]):::overridden'
    assert "  class n2,n5 overridden" in drawn
    assert "  class n3,n4 passed" in drawn
    [box] = [line for line in drawn if line.startswith("  n2[")]
    assert "OVERRIDDEN by" in box
    if by == "Ana":
        assert "<br/>#9656; OVERRIDDEN by Ana" in box


@pytest.mark.parametrize("name", HOSTILE)
def test_picture_with_a_hostile_name_has_no_line_more(name: str) -> None:
    """Nothing ends a label, starts a line, or is taken for markup, a link, an icon or a formula."""
    _holds(name)


@given(name=st.text(min_size=1, max_size=40) | st.text(alphabet="\"'`<>[]{}()|#;:&%$@!~=-_*+^/\\., a1\n", min_size=1))
def test_picture_with_any_name_has_no_line_more(name: str) -> None:
    """Whatever the name is, the picture has the same lines of the same form."""
    _holds(name)


def _holds(name: str) -> None:
    for plan in (named, branching):
        lines = mermaid(plan(name)).splitlines()
        assert len(lines) == len(mermaid(plan("x")).splitlines())
        for line in lines:
            assert LINE.fullmatch(line), line


def test_picture_in_the_documentation_is_the_one_of_the_plan() -> None:
    """docs/plans.md shows what `gatework plan show --mermaid refund` prints."""
    (shown,) = re.findall(r"```mermaid\n(.*?)```", (ROOT / "docs" / "plans.md").read_text(), re.DOTALL)
    assert shown == mermaid(refund.plan), "run `gatework plan show --mermaid refund` and put it into docs/plans.md"

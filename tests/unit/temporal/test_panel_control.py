"""The panel of runs that choose, go round, wait, ask, start child runs and undo: true to whoever reads it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from markdown_it import MarkdownIt

from gatework.plan.labels import Label
from gatework.plan.plan import By, Plan, Question
from gatework.run.state import ALLOWED
from gatework.temporal.page.panel import panel
from gatework.temporal.page.progress import Progress, progress
from gatework.temporal.page.standing import ChildRuns, NodeProgress, Undoing
from gatework.testing import Driver
from gatework.testing.factories import START, approve, call, effect, plan_of, stage
from gatework.testing.paths import choose, each, join, loop, pause, question, until, way
from gatework.values import canonical
from tests.unit.temporal.page import Page, honest
from tests.unit.temporal.panels import HOSTILE, fits, progress_of, waiting

MARKDOWN = MarkdownIt("commonmark").enable("table")
LATE = datetime(2026, 3, 4, 5, 6, tzinfo=UTC)
DECISION = {
    "type": "object",
    "properties": {"publish": {"type": "boolean"}, "why": {"type": "string"}},
    "required": ["publish"],
    "additionalProperties": False,
}


def asking(prompt: str = "Publish this?", role: By | str = "editor") -> Plan:
    """A plan that asks a person for a decision, between two stages."""
    plan = plan_of(stage("read"), question("publish", "read", prompt=prompt, role=role), stage("send", "publish"))
    digest = canonical.digest("contract", DECISION)
    asked = plan.node("publish")
    assert isinstance(asked, Question)
    nodes = tuple(replace(asked, contract=digest) if node is asked else node for node in plan.nodes)
    return replace(plan, nodes=nodes, contracts={**plan.contracts, digest: DECISION})


def of(driver: Driver, **more: Any) -> Progress:
    return progress(driver.plan, driver.state, driver.ledger, **more)


def read(shown: Progress) -> Page:
    text = panel(shown)
    fits(text)
    return Page(MARKDOWN.render(text))


def rows(page: Page) -> list[str]:
    """The first column of the table of stages."""
    return [row[0].strip("· \u00a0\u2003") for row in page.rows if len(row) == 4][1:]


def test_question_says_what_is_asked_and_what_to_type() -> None:
    """The words of the plan head it; below stand the update, an example that keeps to the contract, and each field."""
    page = read(of(Driver(asking()).begin().finish("a letter")))
    assert page.headings == ["NEEDS YOU (editor): answer stage 2 of 3, Publish this?"]
    assert [codes[0] for codes in page.items] == ["answer", "abort"]
    assert canonical.loads(page.fences[0].encode()) == {"publish": True, "why": "…"}
    assert "publish: true or false; why: text; may be left out. An answer looks like this:" in page.text
    assert "a letter" in page.text


def test_question_to_somebody_who_says_who_they_are_shows_where_the_name_goes() -> None:
    """The example is what to type, name and all."""
    page = read(of(Driver(asking(role=By(role="editor", identity="claimed"))).begin().finish()))
    assert canonical.loads(page.fences[0].encode()) == {"value": {"publish": True, "why": "…"}, "by": "your name"}


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_prompt_is_only_text(text: str) -> None:
    """A prompt is the plan's; a lock file that somebody wrote may hold anything."""
    driver = Driver(asking(prompt=text)).begin().finish(text)
    page = read(of(driver))
    (heading,) = page.headings
    assert heading.startswith("NEEDS YOU (editor): answer ")
    assert [codes[0] for codes in page.items] == ["answer", "abort"]
    assert page.lists == 1
    assert not page.links


WAYS = plan_of(
    stage("read"),
    choose("which", START, "left", "right"),
    *way("which", 0, stage("a"), stage("aa", "a")),
    *way("which", 1, stage("b")),
    join("out", "which", "aa", "b"),
    stage("send", "out"),
)


def test_way_that_was_passed_over_is_left_out_and_not_counted() -> None:
    """What will never run is no stage that somebody waits for."""
    before = read(of(Driver(WAYS).begin({"kind": "right"})))
    assert "0 of at most 4 stages done." in before.text
    assert rows(before) == ["read", "which", "a", "aa", "b", "send"]
    after = read(of(Driver(WAYS).begin({"kind": "right"}).finish().finish()))
    assert "2 of 3 stages done." in after.text
    assert rows(after) == ["read", "which", "b", "send"]
    assert "takes the way right" in after.text


def test_loop_says_its_round() -> None:
    """A person sees that it goes round, and how often it did."""
    plan = plan_of(loop("text", START), stage("better", "text", like="text"), until("good", "text", "better"))
    driver = Driver(plan).begin().finish("x").finish("x", "retry")
    assert "running" in read(of(driver)).text
    assert any("round 2" in cell for row in read(of(driver)).rows for cell in row)
    spent = driver.finish("y").finish("y", "retry").finish("z").finish("z", "retry")
    page = read(of(spent))
    assert page.headings == ["NEEDS YOU (operator): the rounds of good are spent, stage 1 of 1"]
    assert [codes[0] for codes in page.items] == list(ALLOWED["spent"])
    assert "as many rounds again" in page.text


def test_pause_says_until_when() -> None:
    """And for how long, where nobody knows yet when it began."""
    driver = Driver(plan_of(stage("read"), pause("cooled", 3 * 86400), stage("send"))).begin().finish()
    assert "cooled waits until 2026-03-04 05:06 UTC." in read(of(driver, until=LATE)).text
    assert "for 3 days" in read(of(driver)).text


def test_child_runs_are_counted_and_linked() -> None:
    """How many are done, under way, failed and to come, and where the list of them is."""
    plan = plan_of(stage("list"), each("found", "list", at_most=2, failed="collect"), stage("send", "found"))
    driver = Driver(plan).begin().finish([1, 2, 3, 4, 5]).returned(0).returned(1, outcome="failed", reason="no")
    link = "./namespaces/default/workflows?query=ParentWorkflowId%3D%22brief-7%22"
    page = read(replace(of(driver), children_link=link))
    assert "found has 5 child runs: 1 done, 2 under way, 1 failed, 1 to come." in page.text
    assert page.links == [link]
    done = driver.returned(2).returned(3).returned(4)
    assert "5 runs, 1 failed" in read(of(done)).text


UNDONE = plan_of(
    effect("book", undo="unbook"),
    approve("agreed", "book"),
    start=Label.ENDORSED,
    undos=[stage("unbook", "book", attempts=1)],
)


def test_undoing_says_why_and_what_is_left() -> None:
    """A run that takes back what it did looks like none that goes on."""
    driver = Driver(UNDONE).begin().suspend(call("book")).ended().finish().decide("abort", note="too dear", by="Ana")
    page = read(of(driver))
    assert page.headings == ["Undoing"]
    assert "was aborted at agreed by Ana: too dear. Before it ends, this is undone in turn: unbook." in page.text
    assert rows(page)[-1] == "unbook"
    failed = read(of(driver.fail("error")))
    assert failed.headings == ["NEEDS YOU (operator): unbook has failed, undoing"]
    assert "unbook stays undone, and what is left is undone" in failed.text


def test_undo_is_not_shown_while_nothing_is_undone() -> None:
    """It is no stage of the way."""
    assert rows(read(of(Driver(UNDONE).begin()))) == ["book", "agreed"]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_about_child_runs_and_undos_is_only_text(text: str) -> None:
    """Reasons of child runs, names of whoever aborted: all of it is text of others."""
    node = NodeProgress(
        name="found",
        kind="each",
        status="waiting",
        attempts=1,
        label="untrusted",
        result=text,
        depth=9,
        round=3,
        children=ChildRuns(total=9, completed=1, failed=1, running=1),
    )
    undoing = Undoing(outcome="aborted", reason=text, by=text, node="found", left=("one", "two"))
    shown = progress_of(waiting(kind="failed", reasons=(f"run 1 failed: {text}",)), undoing=undoing)
    honest_page = Page(MARKDOWN.render(panel(replace(shown, nodes=(*shown.nodes, node)))))
    fits(panel(replace(shown, nodes=(*shown.nodes, node))))
    honest(honest_page, replace(shown, nodes=(*shown.nodes, node)))

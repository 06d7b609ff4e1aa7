"""Receipts as events: what each decision of a run is called, and that steps tell the same as the whole ledger."""

from __future__ import annotations

import dataclasses
import logging
import random
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, get_args, get_type_hints

import pytest

from gatework.logs.story import told
from gatework.logs.vocabulary import EVENTS, QUIET, LogEvent
from gatework.machine import machine
from gatework.plan.expr import Compare, Const, Ref
from gatework.plan.labels import Label
from gatework.plan.plan import By
from gatework.proof.ledger import Entry, extended
from gatework.run.journal import Call
from gatework.run.state import Outcome, Receipt
from gatework.testing import Driver
from gatework.testing.factories import answered, approve, call, effect, failed, finished, plan_of, stage, tool
from gatework.testing.paths import choose, join, loop, parallel, part, pause, question, until, way
from gatework.values.canonical import Json
from tests.explorer.events import Menu, beginnings
from tests.explorer.shapes import plans

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
GUARDED = plan_of(stage("read", guards=["g"], attempts=2))
CHECKED = plan_of(stage("read", before=["g", "h"]))
GATED = plan_of(stage("read"), approve("agreed", "read"), stage("write", "agreed"))
LARGE = Compare("gt", Ref("owed"), Const(100), "number")
RULED = plan_of(stage("owed"), approve("agreed", "owed", when=LARGE), start=Label.ENDORSED)
PAID = plan_of(effect("pay"), start=Label.ENDORSED)
PICKED = plan_of(
    choose("pick", "start", "left", ("right", "back")),
    *way("pick", 0, stage("a")),
    *way("pick", 1, stage("b")),
    join("out", "pick", "a", "b"),
)
LOOPED = plan_of(loop("text", "start"), stage("better", "text", like="text"), until("good", "text", "better", rounds=2))
ACCEPTED = plan_of(
    loop("text", "start"),
    stage("better", "text", like="text"),
    until("good", "text", "better", rounds=1, spent="accept"),
)
PAUSED = plan_of(stage("read"), pause("cooled"), question("say", "read"))
SIDES = plan_of(parallel("both", ["start"], ["start"]), part("one", "both", 0), part("two", "both", 1))
UNDONE = plan_of(
    effect("book", undo="unbook"), approve("agreed", "book"), start=Label.ENDORSED, undos=[stage("unbook", "book")]
)
LOOKED = plan_of(stage("read", tools=[tool("look", kind="tool", approver="ops")]))


def look() -> Call:
    """A model's call of a tool that an approver lets happen."""
    return call("read", "look", effect=False, by_model=True)


WAIVED = plan_of(stage("first", guards=["g"], override=By(role="head", identity="claimed")))


def names(driver: Driver) -> list[str]:
    return [event.name for event in told(driver.ledger, driver.plan)]


def events(driver: Driver, name: str) -> list[LogEvent]:
    return [event for event in told(driver.ledger, driver.plan) if event.name == name]


STORIES: dict[str, tuple[Callable[[], Driver], list[str]]] = {
    "a guard passes": (
        lambda: Driver(GUARDED).begin().finish(),
        ["run.begun", "verdict.given", "output.accepted", "run.ended"],
    ),
    "a guard sends back": (
        lambda: Driver(GUARDED).begin().finish("x", "retry"),
        ["run.begun", "verdict.given", "output.refused", "stage.retried"],
    ),
    "the attempts are spent": (
        lambda: Driver(GUARDED).begin().finish("x", "retry").finish("x", "retry"),
        [
            "run.begun", "verdict.given", "output.refused", "stage.retried", "verdict.given", "output.refused",
            "gate.opened",
        ],
    ),
    "a guard blocks": (
        lambda: Driver(GUARDED).begin().finish("x", "block"),
        ["run.begun", "verdict.given", "output.refused", "gate.opened"],
    ),
    "a guard is overridden": (
        lambda: Driver(WAIVED).begin().finish("x", "block").decide("override", note="Known"),
        [
            "run.begun", "verdict.given", "output.refused", "gate.opened", "decision.taken", "stage.overridden",
            "run.ended",
        ],
    ),
    "a guard escalates": (
        lambda: Driver(GUARDED).begin().finish("x", "escalate").decide("approve"),
        ["run.begun", "verdict.given", "output.escalated", "gate.opened", "decision.taken", "run.ended"],
    ),
    "a guard stops the stage before it works": (
        lambda: Driver(CHECKED).begin().stop("pass", "escalate").decide("approve").finish(),
        [
            "run.begun", "verdict.given", "verdict.given", "stage.stopped", "gate.opened", "decision.taken",
            "output.accepted", "run.ended",
        ],
    ),
    "the contract is broken": (
        lambda: Driver(GUARDED).begin().fail("contract"),
        ["run.begun", "output.refused", "stage.retried"],
    ),
    "the stage refuses": (
        lambda: Driver(GUARDED).begin().fail("block"),
        ["run.begun", "stage.refused", "gate.opened"],
    ),
    "the stage is late": (
        lambda: Driver(GUARDED).begin().fail("timeout"),
        ["run.begun", "stage.failed", "stage.retried"],
    ),
    "an effect is done": (
        lambda: Driver(PAID).begin().suspend(call("pay")).ended().finish(),
        ["run.begun", "stage.suspended", "call.asked", "effect.done", "output.accepted", "run.ended"],
    ),
    "an effect is in doubt": (
        lambda: Driver(PAID).begin().suspend(call("pay")).ended("unknown"),
        ["run.begun", "stage.suspended", "call.asked", "effect.unknown", "gate.opened"],
    ),
    "an effect did not happen, and is tried again": (
        lambda: Driver(PAID).begin().suspend(call("pay")).ended("failed"),
        ["run.begun", "stage.suspended", "call.asked", "effect.failed", "call.asked"],
    ),
    "an effect is asked for again": (
        lambda: Driver(PAID).begin().suspend(call("pay"), call("pay", number=1)).ended(),
        ["run.begun", "stage.suspended", "call.asked", "effect.done", "effect.found"],
    ),
    "a person lets a call happen": (
        lambda: Driver(LOOKED).begin().suspend(look()).decide("approve").ended(),
        ["run.begun", "stage.suspended", "gate.opened", "decision.taken", "call.asked", "call.done"],
    ),
    "a tool says no to a model": (
        lambda: Driver(LOOKED).begin().suspend(look()).decide("approve").ended("refused"),
        ["run.begun", "stage.suspended", "gate.opened", "decision.taken", "call.asked", "call.refused"],
    ),
    "a tool breaks": (
        lambda: Driver(LOOKED).begin().suspend(look()).decide("approve").ended("unknown"),
        ["run.begun", "stage.suspended", "gate.opened", "decision.taken", "call.asked", "call.failed", "call.asked"],
    ),
    "the rule approves": (
        lambda: Driver(RULED).begin().finish(7),
        ["run.begun", "output.accepted", "approval.by_rule", "run.ended"],
    ),
    "nobody answers": (
        lambda: Driver(GATED).begin().finish().expire(),
        ["run.begun", "output.accepted", "gate.opened", "run.ended"],
    ),
    "a person edits": (
        lambda: Driver(GATED).begin().finish().edit("y"),
        ["run.begun", "output.accepted", "gate.opened", "decision.taken", "gate.opened"],
    ),
    "a choice takes a way": (
        lambda: Driver(PICKED).begin({"kind": "back"}).finish(),
        ["run.begun", "way.taken", "output.accepted", "value.joined", "run.ended"],
    ),
    "a loop goes round, and ends": (
        lambda: Driver(LOOPED).begin().finish("x").finish("x", "retry").finish("y").finish("y"),
        [
            "run.begun", "round.begun", "output.accepted", "verdict.given", "round.begun", "output.accepted",
            "verdict.given", "output.accepted", "run.ended",
        ],
    ),
    "the rounds of a loop are spent": (
        lambda: Driver(LOOPED).begin().finish("x").finish("x", "retry").finish("y").finish("y", "retry"),
        [
            "run.begun", "round.begun", "output.accepted", "verdict.given", "round.begun", "output.accepted",
            "verdict.given", "gate.opened",
        ],
    ),
    "the rounds are spent, and the plan takes the last": (
        lambda: Driver(ACCEPTED).begin().finish("x").finish("x", "retry"),
        ["run.begun", "round.begun", "output.accepted", "verdict.given", "output.accepted", "run.ended"],
    ),
    "a pause ends, and a question is answered": (
        lambda: Driver(PAUSED).begin().finish().elapse().answer({"yes": True}),
        ["run.begun", "output.accepted", "pause.ended", "gate.opened", "decision.taken", "run.ended"],
    ),
    "two child runs end": (
        lambda: Driver(SIDES).begin().returned(1).returned(0),
        [
            "run.begun", "child.started", "child.started", "child.ended", "child.ended", "children.gathered",
            "value.joined", "value.joined", "run.ended",
        ],
    ),
    "a child run fails": (
        lambda: Driver(SIDES).begin().returned(1).returned(0, outcome="aborted", reason="too dear").decide("retry"),
        [
            "run.begun", "child.started", "child.started", "child.ended", "child.ended", "gate.opened",
            "decision.taken", "child.started",
        ],
    ),
    "what was done is undone": (
        lambda: Driver(UNDONE).begin().suspend(call("book")).ended().finish().decide("abort").finish(),
        [
            "run.begun", "stage.suspended", "call.asked", "effect.done", "output.accepted", "gate.opened",
            "decision.taken", "run.undoing", "output.accepted", "run.ended",
        ],
    ),
    "the run is cancelled while it would retry": (
        lambda: Driver(GUARDED).begin().finish("x", "retry").cancel(),
        ["run.begun", "verdict.given", "output.refused", "stage.retried", "run.ended"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("story", STORIES)
def test_story_has_one_event_for_each_decision(story: str) -> None:
    """What happened is named, in order, and nothing else is."""
    make, expected = STORIES[story]
    assert names(make()) == expected


def test_steps_tell_what_the_whole_ledger_tells() -> None:
    """The workflow tells step by step, `gatework logs` all at once: over random runs of a thousand plans, the same."""
    chance = random.Random(7)
    seen: set[str] = set()
    for _, plan in (*plans(2, wired=True), *plans(3, wired=True, kinds="sepnaw")):
        menu = Menu(plan)
        state = machine.new(plan)
        ledger: tuple[Entry, ...] = ()
        said: list[LogEvent] = []
        event: Any = chance.choice(list(beginnings(menu)))
        for _ in range(25):
            step = machine.step(plan, state, event)
            before = len(ledger)
            ledger = extended(ledger, step.receipts, NOON)
            state = step.state
            said += told(ledger[before:], plan)
            due = machine.due(plan, state)
            if isinstance(due, Outcome):
                break
            event = chance.choice(list(menu.honest(state, due)))
        assert said == list(told(ledger, plan))
        seen |= {event.name for event in said}
    for make, _ in STORIES.values():
        driver = make()
        seen |= {event.name for event in told(driver.ledger, driver.plan)}
    told_of = {name for name, kind in EVENTS.items() if "receipt" in kind.sources}
    assert told_of - seen == {"run.continued", "run.migrated", "run.resumed", "notice.given_up"}


def test_quiet_receipts_are_no_warnings() -> None:
    """Where only warnings are wanted, receipts of these kinds are not even looked at."""
    for make, _ in STORIES.values():
        driver = make()
        for entry in driver.ledger:
            loud = [event for event in told([entry], driver.plan) if event.level >= logging.WARNING and not event.live]
            assert not loud or entry.receipt.kind not in QUIET


def test_way_is_told_by_its_name() -> None:
    """The tags that lead there, where the plan is at hand; else its number."""
    driver = Driver(PICKED).begin({"kind": "back"})
    [taken] = events(driver, "way.taken")
    assert (taken.fields["way"], taken.fields["reason"]) == ("right or back", "kind is back")
    assert [event.fields["way"] for event in told(driver.ledger, None) if event.name == "way.taken"] == ["2"]


def test_child_run_is_told_with_what_finds_it() -> None:
    """Its number, which is the end of its id, the server's id of it, and the head of its ledger."""
    driver = Driver(SIDES).begin().returned(1).returned(0, outcome="aborted", reason="too dear")
    started, _ = events(driver, "child.started")
    assert (started.fields["child"], started.fields["child_workflow"]) == (1, "both_0")
    first, second = events(driver, "child.ended")
    assert (first.fields["child"], first.fields["outcome"], first.level) == (2, "completed", logging.INFO)
    assert first.fields["child_run"] == "run-1"
    assert len(str(first.fields["ledger"])) == 12
    assert (second.fields["reason"], second.level) == ("too dear", logging.WARNING)


def test_undoing_says_why_and_what() -> None:
    """How the run is to end, by whom, and what is undone in which order."""
    driver = Driver(UNDONE).begin().suspend(call("book")).ended().finish().decide("abort", note="too dear", by="Ana")
    [undoing] = events(driver, "run.undoing")
    assert undoing.fields["undoes"] == ("unbook",)
    assert (undoing.fields["outcome"], undoing.fields["by"], undoing.fields["note"]) == ("aborted", "Ana", "too dear")


@pytest.mark.parametrize(
    "how",
    [
        {"child": "SECRET", "run": "SECRET\n", "ledger": ["SECRET"], "workflow": "SECRET name", "plan": "SECRET"},
        {"child": True, "run": 7, "round": "SECRET", "undo": "SECRET", "workflow": {"SECRET": 1}},
        {"child": -(2**52), "undo": [{"a": "SECRET"}], "round": [1]},
    ],
)
def test_where_a_run_goes_on_is_told_of_any_shape(how: dict[str, Json]) -> None:
    """A ledger that somebody else wrote may say anything there: nothing breaks, and none of it is repeated."""
    for kind in ("chose", "joined", "round", "waited", "called", "returned", "gathered", "undoing"):
        entry = Entry.after(None, Receipt(kind=kind, node="pick", action="9" * 40, how=how), NOON)
        assert "SECRET" not in repr(list(told([entry], PICKED))), kind


def test_gate_says_who_may_answer_until_when() -> None:
    """The role and the time are the plan's; without the plan they are left out, and nothing else is."""
    driver = Driver(GATED, clock=lambda: NOON).begin().finish()
    [opened] = events(driver, "gate.opened")
    assert opened.fields["role"] == "finance"
    assert opened.fields["until"] == "2026-01-08T12:00:00+00:00"
    assert opened.fields["digest"] == driver.gate.evidence[:12]
    assert opened.level == logging.INFO
    bare = next(event for event in told(driver.ledger, None) if event.name == "gate.opened")
    assert set(opened.fields) - set(bare.fields) == {"role", "until"}


def test_decision_says_by_whom_and_how_surely() -> None:
    """A name is a claim, and no name is none."""
    driver = Driver(GATED).begin().finish().decide("approve", note="seen")
    [taken] = events(driver, "decision.taken")
    assert (taken.fields["by"], taken.fields["identity"], taken.fields["note"]) == ("someone", "claimed", "seen")
    nameless = [
        dataclasses.replace(entry, receipt=dataclasses.replace(entry.receipt, by="", identity="none"))
        for entry in driver.ledger
    ]
    [taken] = [event for event in told(nameless, GATED) if event.name == "decision.taken"]
    assert taken.fields["identity"] == "none"
    assert "by" not in taken.fields


def test_broken_contract_names_the_field() -> None:
    """The field stands alone, beside the reason."""
    driver = Driver(GUARDED).begin()
    event = failed(driver.run, "contract", reason="output of read field amount.currency: must be a string")
    driver.take(event)
    [refused] = events(driver, "output.refused")
    assert (refused.fields["why"], refused.fields["field"]) == ("contract", "amount.currency")


def test_effects_are_told_by_their_outcome() -> None:
    """What became of an effect is marked as told already where the worker that did it must have said so."""
    driver = Driver(PAID).begin().suspend(call("pay"), call("pay", number=1)).ended()
    [paid] = events(driver, "effect.done")
    [found] = events(driver, "effect.found")
    [asked] = events(driver, "call.asked")
    assert (paid.live, found.live, asked.live) == (True, False, False)
    (done,) = driver.state.acts.items()
    assert paid.fields == {**asked.fields, "receipt": 4}
    assert (paid.fields["tool"], paid.fields["key"], paid.fields["digest"]) == (
        "refund", done[0][:12], done[1].arguments[:12],
    )  # fmt: skip
    for outcome in ("failed", "unknown"):
        [told_] = events(Driver(PAID).begin().suspend(call("pay")).ended(outcome), f"effect.{outcome}")
        assert (told_.live, told_.level) == (False, logging.WARNING)


def test_refused_calls_are_told_with_their_reason() -> None:
    """What a model asked for that was not granted: its name only where it can be that of a tool."""
    driver = Driver(PAID).begin()
    refused = [{"tool": "send_money", "reason": "not granted"}, {"tool": "\x1b[2J", "reason": "no such tool"}]
    driver.take(dataclasses.replace(finished(PAID, driver.run), evidence={"refused": refused, "tools": [{}, {}]}))
    one, other = events(driver, "call.refused")
    assert (one.fields["tool"], one.fields["reason"]) == ("send_money", "not granted")
    assert "tool" not in other.fields
    [accepted] = events(driver, "output.accepted")
    assert accepted.fields["tool_calls"] == 2


def test_gate_of_a_call_names_the_approver() -> None:
    """The role of the tool's approver, and not that of the stage's operator; it was planned."""
    driver = Driver(LOOKED).begin().suspend(look())
    [opened] = events(driver, "gate.opened")
    assert (opened.fields["asks"], opened.fields["role"], opened.level) == ("call", "ops", logging.INFO)
    [blocked] = events(driver.decide("approve").ended("failed").ended("failed").ended("failed"), "gate.opened")[1:]
    assert (blocked.fields["asks"], blocked.fields["role"], blocked.level) == ("failed", "operator", logging.WARNING)


def test_suspension_is_for_those_who_look_closely() -> None:
    """It says how many calls are waited for, and is no line in a log of decisions."""
    driver = Driver(LOOKED).begin().suspend(entries=[answered()]).suspend(look())
    first, second = events(driver, "stage.suspended")
    assert (first.fields["calls"], second.fields["calls"], first.level) == (0, 1, logging.DEBUG)


@pytest.mark.parametrize(
    "evidence",
    [
        {"refused": "none"},
        {"refused": ["done", None, 7], "tools": "SECRET"},
        {"refused": [{"tool": ["SECRET"], "reason": {"a": "SECRET"}}]},
        {"refused": [{"tool": "\x1b[2Jpay SECRET"}]},
        {"calls": {"input_tokens": 1}},
        {"calls": [{"input_tokens": "SECRET", "output_tokens": None}]},
    ],
)
def test_evidence_of_any_shape_is_told_without_its_text(evidence: dict[str, Json]) -> None:
    """What a worker says of how it came about may be forged: nothing breaks, and none of it is repeated."""
    driver = Driver(PAID).begin()
    driver.take(dataclasses.replace(finished(PAID, driver.run), evidence=evidence))
    said = repr(list(told(driver.ledger, PAID)))
    assert "SECRET" not in said
    assert "\\x1b" not in said


def test_every_kind_of_receipt_is_told() -> None:
    """A new kind of receipt cannot be added without its event."""
    for kind in get_args(get_type_hints(Receipt)["kind"]):
        entry = Entry.after(None, Receipt(kind=kind, node="read", action="x"), NOON)
        assert list(told([entry], None)), kind

"""What a worker answers, on an operator's terminal: nothing in it moves the cursor, or becomes a command when typed."""

from __future__ import annotations

import dataclasses
import io
import shlex
from typing import Any

import pytest

from gatework.cli import render
from gatework.cli.output import console
from gatework.errors import ContractError
from gatework.run.events import Given, Overridden
from gatework.run.state import Receipt, Vote
from gatework.temporal.page.progress import Progress, Ruled, Said, Waiting
from gatework.temporal.page.standing import NodeProgress
from gatework.values import wire
from tests.unit.logs.test_text import HOSTILE

MARK = "x; touch /evil '"


def waits(text: str) -> Progress:
    """The answer of a worker that has this in every field where any text may stand."""
    return Progress(
        workflow=text,
        plan=text,
        status="waiting",
        nodes=(NodeProgress(name=text, kind=text, status="done", attempts=2, label=text, result=text),),
        waiting=Waiting(
            gate=1,
            kind="unknown",
            node=text,
            role=text,
            number=text,
            evidence=text,
            reasons=(text,),
            allowed=("approve", "retry", "edit", "abort", "reject"),
            place=text,
            expires=text,
            shown={text: {text: text}},
            left_out=(text,),
            title=text,
            guards=(Said(of=text, guard=text, verdict="block", reason=f"{text} "),),
            quorum=2,
            votes=(Vote(by=text, identity="claimed"),),
            not_by=(text,),
            otherwise=text,
        ),
        reason="",
        receipts=1,
        head=text,
        note=text,
        automatic=(Ruled(node=text, rule=text),),
        overrides=(
            Overridden(node=text, gate=1, lets="value", guards=(text,), by=(text,), identity="claimed", reason=text),
        ),
        link=text,
    )


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_of_a_workers_answer_does_anything_to_a_terminal(text: str) -> None:
    """Names and roles are a worker's words, too: only what rich writes by itself can move or colour."""
    screen = console()
    screen.file = stream = io.StringIO()
    answer = waits(text)
    assert answer.waiting is not None
    screen.print(render.standing(text, answer))
    screen.print(render.question(answer.waiting))
    printed = stream.getvalue()
    assert all(line.isprintable() for line in printed.split("\n"))
    assert "\ufffd" in printed or text.isprintable() or text.startswith("a\n")


def test_what_is_shown_to_be_typed_is_one_command() -> None:
    """A person copies it into a shell: neither the run's id, nor a number or place of a worker's making ends a word."""
    answer = waits(MARK)
    assert answer.waiting is not None
    typed = [shlex.split(command) for command in render.commands(MARK, answer.waiting)]
    assert typed == [
        ["gatework", "approve", MARK, MARK],
        ["gatework", "retry", MARK, "--number", MARK],
        ["gatework", "edit", MARK, f"JSON of {MARK}"],
        ["gatework", "abort", MARK, "WHY"],
        ["gatework", "reject", MARK, "WHY"],
    ]


@pytest.mark.parametrize("word", [b'"unknown"', b'"retry"'], ids=["kind", "allowed"])
def test_an_answer_with_words_that_we_do_not_have_is_refused(word: bytes) -> None:
    """A command that shows many runs would else break at the one whose worker answers so."""
    data = wire.encode(waits("x"))
    assert wire.decode(Progress, data, what="state") == waits("x")
    with pytest.raises(ContractError):
        wire.decode(Progress, data.replace(word, b'"other"'), what="state")


def test_what_a_decision_about_a_call_does_is_said() -> None:
    """To reject a call does not end the run, as to reject an approval does."""
    asked = dataclasses.replace(answered_waiting(), kind="call", node="gesture", tool="grant_voucher")
    said = render.meaning(asked)
    assert "grant_voucher is called once, with exactly these arguments" in said
    assert "it is not called, gesture is told so, and the run does not end" in said
    assert render.meaning(answered_waiting()) == ""


def shown(part: object) -> str:
    screen = console()
    screen.file = stream = io.StringIO()
    screen.width = 100
    screen.print(part)
    return stream.getvalue()


def test_question_shows_all_of_the_evidence() -> None:
    """What stands beside a number is cut nowhere: texts, names and reasons are read to their end."""
    long = " ".join(f"word{n}" for n in range(2_000))
    asked = dataclasses.replace(
        answered_waiting(), shown={"owed": {long: long}, "note": long}, reasons=(long,), guards=(), expires=""
    )
    printed = shown(render.question(asked))
    assert printed.count("word1999") == 4
    assert "…" not in printed


def test_question_says_who_said_and_decided_what() -> None:
    """Guards, approvals so far, who may not, and what follows."""
    asked = dataclasses.replace(
        answered_waiting(),
        guards=(
            Said(of="letter", guard="short", verdict="escalate", reason="It is long."),
            Said(of="letter", guard="polite", verdict="pass", reason=""),
        ),
        quorum=2,
        votes=(Vote(by="Ada", identity="signed"), Vote(by="Eve", identity="claimed")),
        not_by=("Mallory",),
        otherwise="board",
        handed_on=True,
        expires="2026-01-01T00:00:00+00:00",
    )
    printed = shown(render.question(asked))
    for line in (
        "guard short of letter: escalate. It is long.",
        "guard polite of letter: pass",
        "Those who were asked first did not answer in time.",
        "2 of 2 have approved: Ada (signed), Eve (as claimed).",
        "Not to be approved by Mallory.",
        "Until 2026-01-01 00:00 UTC, then board is asked.",
    ):
        assert line in printed


@pytest.mark.parametrize(
    ("action", "says"),
    [
        ("approve", "agreed approved by Ruth (as claimed): fits"),
        ("edit", "agreed given another value by Ruth (as claimed): fits"),
        ("abort", "agreed run aborted by Ruth (as claimed): fits"),
    ],
)
def test_decision_is_told_in_words(action: Any, says: str) -> None:
    """What a person did is told as a sentence, as `gatework logs` tells it."""
    receipt = Receipt(kind="decided", node="agreed", action=action, by="Ruth", identity="claimed", reason="fits")
    assert [str(line) for line in render.incident(receipt, {})] == [says]


@pytest.mark.parametrize(("failure", "says"), [("error", "failed"), ("timeout", "was too late"), ("block", "refused")])
def test_failed_attempt_is_told_in_words(failure: Any, says: str) -> None:
    """Nobody has to know what the machine calls it."""
    receipt = Receipt(kind="failed", node="pay", attempt=1, action=failure, reason="no bank")
    assert [str(line) for line in render.incident(receipt, {})] == [f"pay attempt 1 {says}: no bank"]


def test_value_that_is_not_kept_is_said_so() -> None:
    """What a guard stopped in an earlier run, or before a retry, is no empty value."""
    given = Given(guard="fits", on="0" * 64, verdict="block", reason="too long")
    receipt = Receipt(kind="output", node="bill", attempt=1, output="0" * 64, verdicts=(given,))
    assert str(next(iter(render.incident(receipt, {})))) == "bill attempt 1 gave what is not kept any more"


def test_title_says_what_is_asked() -> None:
    """The plan's own sentence, where it has one."""
    asked = dataclasses.replace(answered_waiting(), kind="approval", place="owed", title="pay 5 EUR")
    assert render.asked(asked) == "approve owed: pay 5 EUR?"


def test_standing_shows_results_and_what_a_rule_approved() -> None:
    """What each stage came to, and where no person was asked."""
    progress = dataclasses.replace(
        waits("x"), automatic=(Ruled(node="agreed", rule="no person is asked unless a > 1"),)
    )
    node = dataclasses.replace(progress.nodes[0], result="212.40, EUR")
    printed = shown(render.standing("run", dataclasses.replace(progress, nodes=(node,))))
    assert "212.40, EUR" in printed
    assert "agreed was approved by rule: no person is asked unless a > 1" in printed


def test_number_of_more_than_a_panel_holds_stands_beside_all_of_it_only() -> None:
    """A list and a picture lead to `show`, which has the number."""
    asked = dataclasses.replace(answered_waiting(), kind="approval", allowed=("approve", "reject"), cut=True)
    assert render.commands("run", asked)[0] == "gatework approve run x"
    assert render.commands("run", asked, whole=False) == ["gatework show run", "gatework reject run 'WHY'"]
    doubt = dataclasses.replace(asked, kind="unknown", allowed=("retry", "abort"))
    assert render.commands("run", doubt, whole=False)[0] == "gatework show run"
    assert render.commands("run", dataclasses.replace(asked, cut=False), whole=False)[0] == "gatework approve run x"


@pytest.mark.parametrize("identity", ["authenticated", "signed"])
def test_commands_sign_where_it_must_be_sure_who_decides(identity: Any) -> None:
    """To say no, a name is enough."""
    asked = dataclasses.replace(answered_waiting(), identity=identity, allowed=("approve", "retry", "edit", "reject"))
    typed = render.commands("run", asked)
    assert [command.endswith(" --key FILE") for command in typed] == [True, True, True, False]


def answered_waiting() -> Waiting:
    waiting = waits("x").waiting
    assert waiting is not None
    return waiting

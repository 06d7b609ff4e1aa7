"""What a worker answers, on an operator's terminal: nothing in it moves the cursor, or becomes a command when typed."""

from __future__ import annotations

import dataclasses
import io
import shlex

import pytest

from gatework import wire
from gatework.cli import render
from gatework.cli.output import console
from gatework.errors import ContractError
from gatework.temporal.progress import NodeProgress, Progress, Waiting
from tests.unit.logs.test_text import HOSTILE

MARK = "x; touch /evil '"


def waits(text: str) -> Progress:
    """The answer of a worker that has this in every field where any text may stand."""
    return Progress(
        workflow=text,
        plan=text,
        status="waiting",
        nodes=(NodeProgress(name=text, kind=text, status="done", attempts=2, label=text),),
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
        ),
        reason="",
        receipts=1,
        head=text,
        note=text,
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


def answered_waiting() -> Waiting:
    waiting = waits("x").waiting
    assert waiting is not None
    return waiting

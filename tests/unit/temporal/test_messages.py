"""Messages of an attempt: short, and no less than what was said."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from gatework.errors import ContractError
from gatework.run.budget import Spent
from gatework.run.events import Failed, Finished, Given, Result, Stopped, Suspended
from gatework.run.journal import Call
from gatework.run.state import Run
from gatework.temporal.transport.messages import Task, answered, lineage, result_in
from gatework.testing.factories import sealed
from gatework.values import wire

A, B = "a" * 64, "b" * 64
OUTPUT = sealed({"text": "a"})
HEAD: dict[str, Any] = {"plan": A, "node": "claim", "attempt": 1, "inputs": B}
RUN = Run(plan=A, node="claim", attempt=1, inputs={"mail": OUTPUT})
FINISHED = Finished(
    **HEAD,
    contract=A,
    output=OUTPUT,
    verdicts=(
        Given(guard="one", on=OUTPUT.digest, verdict="pass"),
        Given(guard="other", on=A, verdict="retry", reason="no"),
    ),
    before=(Given(guard="first", on=B, verdict="pass"),),
    spent=Spent(model_calls=1, money="0.25", seconds=0.5),
    ended_ms=1,
)
RESULTS: list[Result] = [
    FINISHED,
    replace(FINISHED, verdicts=(), before=(), spent=Spent(), ended_ms=0),
    Stopped(**HEAD, verdicts=(Given(guard="first", on=B, verdict="block", reason="no"),)),
    Failed(**HEAD, failure="error", reason="broke"),
    Suspended(**HEAD, turn=0, entries=(), calls=(Call(id=A, tool="pay", arguments={}, key="", by_model=False),)),
]


@pytest.mark.parametrize("event", RESULTS, ids=lambda event: event.kind)
def test_result_comes_back_as_it_was(event: Result) -> None:
    """What is left out of a message is what the message says already."""
    assert result_in(answered(event)) == event


def test_digest_that_verdicts_are_on_is_said_once() -> None:
    """A verdict on anything but the output of its result says so itself."""
    written = json.loads(answered(FINISHED))["finished"]
    assert ["on" in given for given in (*written["verdicts"], *written["before"])] == [False, True, False]
    assert answered(FINISHED).count(OUTPUT.digest.encode()) == 1


@pytest.mark.parametrize(
    "message",
    [
        b"{}",
        b"null",
        wire.brief(FINISHED),
        json.dumps({kind: json.loads(answered(FINISHED))["finished"] for kind in ("finished", "failed")}).encode(),
        b'{"finished":null,"stopped":null}',
    ],
)
def test_message_with_no_result_or_with_two_is_refused(message: bytes) -> None:
    """A result is exactly one of the kinds there are."""
    with pytest.raises(ContractError):
        result_in(message)


@pytest.mark.parametrize(
    ("whole", "first"),
    [
        ("default/brief-7/4f0c", "4f0c"),
        ("default/brief-7/4f0c/found/3", ""),
        ("default/brief-6/4f0c", ""),
        ("other/brief-7/4f0c", ""),
        ("default/brief-7/", ""),
        ("4f0c", ""),
    ],
)
def test_lineage_is_sent_by_what_its_worker_does_not_know(whole: str, first: str) -> None:
    """Whichever way it is sent, it is the same when it is read."""
    task = Task.of(RUN, whole, namespace="default", id="brief-7")
    assert (task.first, task.lineage) == (first, "" if first else whole)
    again: Task = wire.decode(Task, wire.brief(task), what="task")
    assert again == task
    assert again.whole(namespace="default", id="brief-7") == whole


@pytest.mark.parametrize("names", [{}, {"first": "4f0c", "lineage": lineage("default", "brief-7", "4f0c")}])
def test_task_of_no_lineage_or_of_two_is_refused(names: dict[str, str]) -> None:
    """The keys of effects follow from it: an effect under another key would happen twice."""
    with pytest.raises(ContractError):
        Task(run=RUN, **names).whole(namespace="default", id="brief-7")

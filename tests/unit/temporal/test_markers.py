"""What a worker decides for a run stands in its history, also where the same is decided twice."""

from __future__ import annotations

from dataclasses import fields
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from gatework.notice import Notice
from gatework.temporal.workflow import beginning, interpreter, notify
from gatework.temporal.workflow.beginning import Carried
from gatework.temporal.workflow.interpreter import Interpreter
from gatework.temporal.workflow.notify import Telling


class History:
    """A run's workflow module: as Temporal's, it answers for a marker as it did at first, and writes it but then."""

    ActivityCancellationType = SimpleNamespace(WAIT_CANCELLATION_COMPLETED=0)

    def __init__(self, written: list[str] | None = None) -> None:
        self.replaying = written is not None
        self.events: list[str] = []
        self._there = set(written or ())
        self._answered: dict[str, bool] = {}
        self.unsafe = SimpleNamespace(is_replaying=lambda: self.replaying)

    def patched(self, marker: str) -> bool:
        if marker not in self._answered:
            self._answered[marker] = not self.replaying or marker in self._there
            if self._answered[marker]:
                self.events.append(marker)
        return self._answered[marker]

    def start_activity(self, *_: Any, **__: Any) -> Any:
        self.events.append("activity")
        return SimpleNamespace(add_done_callback=lambda _: None)

    def all_handlers_finished(self) -> bool:
        return True

    def continue_as_new(self, _: Any) -> None:
        self.events.append("continued")

    def info(self) -> Any:
        return SimpleNamespace(workflow_start_time=datetime(2026, 1, 1, tzinfo=UTC))


NOTICE = Notice(
    plan="0" * 64, gate=1, asks="approval", stage="sign", position=1, stages=2, role="ops", quorum=1,
    identity="none", handed_on=False, opened="", expires="",
)  # fmt: skip


def _tell(monkeypatch: pytest.MonkeyPatch, run: History, *hooks: bool) -> list[str]:
    """What a run writes whose gate opens once, and once more after each move that is refused."""
    monkeypatch.setattr(notify, "workflow", run)
    telling = Telling()
    for wanted in hooks:
        telling.begin(NOTICE, wanted=wanted, left=timedelta(hours=1), about=dict)
    return run.events


@pytest.mark.parametrize("hooks", [(True, False), (False, True), (True, True), (False, False)])
def test_a_gate_that_opens_again_is_told_of_as_the_history_says(
    monkeypatch: pytest.MonkeyPatch, hooks: tuple[bool, bool]
) -> None:
    """Workers with and without a hook replay each other's runs, also where a move was refused at a gate."""
    live = _tell(monkeypatch, History(), *hooks)
    assert live.count("activity") == sum(hooks)
    assert _tell(monkeypatch, History(live), False, False) == live
    assert _tell(monkeypatch, History(live), True, True) == live


def test_hook_that_comes_after_a_replay_is_written_down(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that replayed a gate of which nobody was told writes down that it tells somebody."""
    run = History([])
    monkeypatch.setattr(notify, "workflow", run)
    telling = Telling()
    telling.begin(NOTICE, wanted=True, left=timedelta(hours=1), about=dict)
    run.replaying = False
    telling.begin(NOTICE, wanted=True, left=timedelta(hours=1), about=dict)
    assert run.events[-1] == "activity"
    assert _tell(monkeypatch, History(run.events), True, True) == run.events


class Measured(Interpreter):
    """A run whose history has become long, or has not yet."""

    long = False

    @property
    def _long(self) -> bool:
        return self.long

    @property
    def _now(self) -> Any:
        return SimpleNamespace(plan=None), None

    def _carried(self, state: Any, ledger: Any) -> bytes:
        return b"{}"

    def _about(self, plan: Any) -> Any:
        return {}


def _measured(monkeypatch: pytest.MonkeyPatch, run: History, *long: bool) -> list[str]:
    monkeypatch.setattr(interpreter, "workflow", run)
    monkeypatch.setattr(interpreter, "raw", lambda data: data)
    measured = Measured()
    for measured.long in long:
        measured._continue_as_new_if_long()
    return run.events


def test_run_goes_on_as_new_where_its_history_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that stands still while its history grows goes on as new at a replay where it did, not before."""
    live = _measured(monkeypatch, History(), False, True)
    assert live[-1] == "continued"
    assert len(live) == 2
    replayed = History(live)
    assert _measured(monkeypatch, replayed, True) == []
    assert _measured(monkeypatch, History(live), True, False) == live


def test_gate_that_was_carried_over_counts_as_just_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that goes on as new right after a gate has opened takes no second click for it."""
    run = History()
    monkeypatch.setattr(beginning, "workflow", run)
    monkeypatch.setattr(beginning, "continued", lambda *_: None)
    interpreter_ = object.__new__(Measured)
    interpreter_.library, interpreter_.name = None, "x"  # type: ignore[misc, assignment]
    waits: Any = SimpleNamespace(plan="", gate=object())
    carried = Carried.__new__(Carried)
    given = {"state": waits, "ledger": (), "secret": "", "expires": ""}
    for field in fields(Carried):
        object.__setattr__(carried, field.name, given.get(field.name, field.default))
    interpreter_._carry(carried)
    assert interpreter_._opened == run.info().workflow_start_time

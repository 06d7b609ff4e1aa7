"""The places at which a worker can be killed, and the fuse that kills it there, once.

Nothing of it is in the engine: a worker of the tests is served with interceptors, and its stages, guards and effects
are wrapped. Each place is named where it is passed, so that the list of places is what an undisturbed run has passed.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
import json
import os
import signal
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Literal

from temporalio import activity, workflow
from temporalio.worker import (
    ActivityInboundInterceptor,
    ExecuteActivityInput,
    ExecuteWorkflowInput,
    HandleUpdateInput,
    Interceptor,
    StartActivityInput,
    StartLocalActivityInput,
    WorkflowInboundInterceptor,
    WorkflowInterceptorClassInput,
    WorkflowOutboundInterceptor,
)
from temporalio.worker._workflow_instance import _WorkflowInstanceImpl

from activities import outbox, payments, shop
from gatework.define.interface import Interface
from gatework.define.tool import Effect
from gatework.models.question import Answer, Model, Question
from gatework.plan.plan import Plan, ToolUse, Work
from gatework.releases.library import Library
from gatework.temporal.workflow.interpreter import Interpreter

Victim = Literal["worker", "server", "both"]

RUN = "run"
"""Where a place is in the workflow's own code."""


class Fuse:
    """Kills at one place, once: whoever finds the file that names the place takes it away and does what it says."""

    def __init__(self, folder: Path) -> None:
        self._armed = folder / "armed.json"
        self._fired = folder / "fired.json"
        self._trace = folder / "trace.txt"
        self._passed: dict[str, int] = {}
        self._token = ""
        self.stage = ""
        """The stage at work; one run at a time passes a fuse that is armed."""

    # -- the harness -------------------------------------------------------------------------------

    def arm(self, place: str, number: int, *, token: str, kills: list[int]) -> None:
        """Kill the processes given, 0 being the one that comes by, when a place is passed for the n-th time."""
        self._fired.unlink(missing_ok=True)
        draft = self._armed.with_suffix(".new")
        draft.write_text(json.dumps({"place": place, "number": number, "token": token, "kills": kills}))
        draft.replace(self._armed)

    def disarm(self) -> bool:
        """Whether it has fired; it does not from now on."""
        self._armed.unlink(missing_ok=True)
        return self.fired

    @property
    def fired(self) -> bool:
        return self._fired.exists()

    def follow(self) -> None:
        """Write down the places that are passed from now on."""
        self._trace.write_text("")

    def followed(self) -> list[str]:
        """The places that were passed since."""
        passed = self._trace.read_text().splitlines()
        self._trace.unlink()
        return passed

    # -- the worker --------------------------------------------------------------------------------

    def at(self, place: str) -> None:
        """A worker comes by a place."""
        if self._trace.exists():
            with self._trace.open("a") as trace:
                trace.write(place + "\n")
        with suppress(FileNotFoundError, json.JSONDecodeError):
            armed: Mapping[str, Any] = json.loads(self._armed.read_text())
            if armed["token"] != self._token:
                self._token, self._passed = armed["token"], {}
            self._passed[place] = self._passed.get(place, 0) + 1
            if (place, self._passed[place]) != (armed["place"], armed["number"]):
                return
            self._armed.rename(self._fired)  # one of them alone succeeds
            for pid in sorted(armed["kills"], reverse=True):
                os.kill(pid or os.getpid(), signal.SIGKILL)

    def in_stage(self, moment: str) -> None:
        self.at(f"{self.stage}: {moment}")


class Watching(Interceptor):
    """Sees what Temporal asks of a worker."""

    def __init__(self, fuse: Fuse) -> None:
        self._fuse = fuse

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        return _Activities(next, self._fuse)

    def workflow_interceptor_class(
        self, input: WorkflowInterceptorClassInput
    ) -> type[WorkflowInboundInterceptor] | None:
        fuse = self._fuse

        class Inbound(_Inbound):
            def __init__(self, next: WorkflowInboundInterceptor) -> None:
                super().__init__(next)
                self.fuse = fuse

        return Inbound


class _Activities(ActivityInboundInterceptor):
    def __init__(self, next: ActivityInboundInterceptor, fuse: Fuse) -> None:
        super().__init__(next)
        self._fuse = fuse

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        self._fuse.stage = _stage(activity.info().activity_type)
        self._fuse.in_stage("taken by a worker")
        try:
            return await super().execute_activity(input)
        finally:
            self._fuse.in_stage("ended and not reported")


class _Inbound(WorkflowInboundInterceptor):
    fuse: Fuse

    def init(self, outbound: WorkflowOutboundInterceptor) -> None:
        super().init(_Outbound(outbound, self.fuse))

    async def execute_workflow(self, input: ExecuteWorkflowInput) -> Any:
        _in_run(self.fuse, "first task")
        return await super().execute_workflow(input)

    def handle_update_validator(self, input: HandleUpdateInput) -> None:
        _in_run(self.fuse, f"checking {input.update}")
        super().handle_update_validator(input)

    async def handle_update_handler(self, input: HandleUpdateInput) -> Any:
        _in_run(self.fuse, f"taking {input.update}")
        answer = await super().handle_update_handler(input)
        _in_run(self.fuse, f"{input.update} taken")
        return answer


class _Outbound(WorkflowOutboundInterceptor):
    def __init__(self, next: WorkflowOutboundInterceptor, fuse: Fuse) -> None:
        super().__init__(next)
        self._fuse = fuse

    def start_activity(self, input: StartActivityInput) -> Any:
        _in_run(self._fuse, f"asking for {_stage(input.activity)}")
        return super().start_activity(input)

    def start_local_activity(self, input: StartLocalActivityInput) -> Any:
        _in_run(self._fuse, f"asking for {input.activity}")
        return super().start_local_activity(input)

    def continue_as_new(self, input: Any) -> Any:
        _in_run(self._fuse, "continuing as new")
        super().continue_as_new(input)


def _stage(activity_type: str) -> str:
    """The stage that an activity runs."""
    return activity_type.removeprefix("stage.")


_task_place: dict[int, str] = {}
"""By workflow instance: the last place that its task has passed."""


def _in_run(fuse: Fuse, moment: str) -> None:
    if not workflow.unsafe.is_replaying():
        _task_place[id(workflow.instance())] = moment
        fuse.at(f"{RUN}: {moment}")


def watch_tasks(fuse: Fuse) -> None:
    """Name the places before and after the machine takes an event, and between the end of a task and its report."""
    accept, activate = Interpreter._accept, _WorkflowInstanceImpl.activate

    @functools.wraps(accept)
    def accepting(self: Interpreter, step: Any, *more: Any) -> None:
        first = step.receipts[0]
        what = f"{first.kind} {first.node}".strip()
        _in_run(fuse, f"accepting {what}")
        accept(self, step, *more)
        _in_run(fuse, f"accepted {what}")

    @functools.wraps(activate)
    def activated(self: Any, act: Any) -> Any:
        completion = activate(self, act)
        place = _task_place.pop(id(self._object), "") if not act.is_replaying else ""
        if place:
            fuse.at(f"{RUN}: task done and not reported, after {place}")
        return completion

    Interpreter._accept = accepting  # type: ignore[method-assign, assignment]
    _WorkflowInstanceImpl.activate = activated  # type: ignore[method-assign]


def watch_stages(fuse: Fuse, library: Library) -> None:
    """Name the places in the functions that users write."""
    wrapped: set[int] = set()
    for definition in library.definitions.values():
        owners: list[tuple[Any, str, str]] = [(definition, "work", "worked")]
        owners += [(guard, f"guard {guard.name}", f"{guard.name} has judged") for guard in definition.guards]
        for owner, before, after in owners:
            if id(owner) not in wrapped:
                owner.function = _between(fuse, owner.function, before, after)
            wrapped.add(id(owner))
        for tool in definition.tools:
            if id(tool) in wrapped:
                continue
            wrapped.add(id(tool))
            tool.interface = _watched(fuse, tool.interface, f"effect {tool.name}", f"{tool.name} done")
            if isinstance(tool, Effect) and tool.asking is not None:
                tool.asking = _watched(fuse, tool.asking, f"probe of {tool.name}", f"{tool.name} probed")


def _watched(fuse: Fuse, interface: Interface, before: str, after: str) -> Interface:
    return dataclasses.replace(interface, function=_between(fuse, interface.function, before, after))


def _between(fuse: Fuse, function: Callable[..., Any], before: str, after: str) -> Callable[..., Any]:
    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def awaited(*args: Any, **kwargs: Any) -> Any:
            fuse.in_stage(before)
            answer = await function(*args, **kwargs)
            fuse.in_stage(after)
            return answer

        return awaited

    @functools.wraps(function)
    def called(*args: Any, **kwargs: Any) -> Any:
        fuse.in_stage(before)
        answer = function(*args, **kwargs)
        fuse.in_stage(after)
        return answer

    return called


def watch_records(fuse: Fuse) -> None:
    """Name the places inside the effects: money entered and not committed, a mail in its folder and not synced."""
    writing, sync = shop.writing, outbox._sync

    @contextmanager
    def entered() -> Generator[Any]:
        with writing() as bank:
            yield bank
            fuse.in_stage("inside the bank's transaction")

    def synced(folder: Path) -> None:
        fuse.in_stage("inside the delivery")
        sync(folder)

    payments.writing = entered  # type: ignore[attr-defined]
    outbox._sync = synced


class Watched:
    """A model with a place before and after its answer."""

    def __init__(self, fuse: Fuse, model: Model) -> None:
        self._fuse = fuse
        self._model = model
        self.name = model.name

    async def answer(self, question: Question) -> Answer:
        self._fuse.in_stage("the model is asked")
        answer = await self._model.answer(question)
        self._fuse.in_stage("the model has answered")
        return answer


def of_plan(plan: Plan) -> list[str]:
    """The places that a run of a plan must pass if nobody is asked: every stage, every step of it."""
    places = [f"{RUN}: first task", *_of_task(f"begun {plan.input.name}", taken=True)]
    for node in plan.nodes:
        if not isinstance(node, Work):
            continue
        moments = ["taken by a worker", "work", "worked", "ended and not reported"]
        moments += ["the model is asked", "the model has answered"] if node.budget else []
        for use in node.guards:
            moments += [f"guard {use.name}", f"{use.name} has judged"]
        places += [f"{node.runs}: {moment}" for moment in moments]
        places += _of_task(f"asking for {node.runs}", last=True) + _of_task(f"output {node.name}", taken=True)
        for tool in node.tools:
            places += _of_call(node, tool)
    places += [f"{RUN}: task done and not reported, after accepted output {plan.nodes[-1].name}"]
    return places


def _of_call(node: Work, tool: ToolUse) -> list[str]:
    """The places around a call that a stage waits for."""
    moments = ["taken by a worker", "ended and not reported"]
    moments += [f"probe of {tool.name}", f"{tool.name} probed"] if tool.probe else []
    moments += [f"effect {tool.name}", f"{tool.name} done"]
    asked = _of_task(f"asking for tool.{tool.name}", last=True)
    taken = _of_task(f"suspended {node.name}", taken=True) + _of_task(f"acted {node.name}", taken=True)
    return [*(f"tool.{tool.name}: {moment}" for moment in moments), *asked, *taken]


def of_begin() -> list[str]:
    """The places that a run passes besides where it was started by a client without the plugin, such as the UI."""
    begin = "gatework.begin"
    moments = ["taken by a worker", "ended and not reported"]
    return [*(f"{begin}: {moment}" for moment in moments), *_of_task(f"asking for {begin}", last=True)]


def _of_task(moment: str, *, taken: bool = False, last: bool = False) -> list[str]:
    if taken:
        return [f"{RUN}: accepting {moment}", f"{RUN}: accepted {moment}"]
    return [f"{RUN}: {moment}", *([f"{RUN}: task done and not reported, after {moment}"] if last else [])]

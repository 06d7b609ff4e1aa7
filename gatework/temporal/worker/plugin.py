"""The plugin: one line that makes a Temporal client and its workers speak Gatework, beside what they did before."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from functools import partial
from typing import Any

from temporalio import activity
from temporalio.client import ClientConfig
from temporalio.plugin import SimplePlugin
from temporalio.worker import Worker, WorkerConfig, WorkflowRunner
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner

from gatework import notify
from gatework.define.workflow import Workflow
from gatework.errors import ConfigError
from gatework.logs import emit
from gatework.models.question import Model
from gatework.releases.library import Library
from gatework.signing.keys import Signer
from gatework.signing.roster import Roster
from gatework.signing.signer import Attestor, of_environment
from gatework.temporal.transport.heartbeat import HEARTBEATS
from gatework.temporal.transport.payloads import FailureConverter, data_converter
from gatework.temporal.transport.salting import Salting
from gatework.temporal.transport.search import Namespaces
from gatework.temporal.transport.storing import configured, documents, external, has_store, is_plain
from gatework.temporal.worker.activities import activities
from gatework.temporal.worker.concerned import Concern, concerns, log
from gatework.temporal.worker.rebuilding import ending, rebuilding
from gatework.temporal.workflow import acting, attempt, children, isolated, resuming
from gatework.temporal.workflow.definition import workflow_class
from gatework.temporal.workflow.interpreter import Interpreter
from gatework.temporal.workflow.notify import ACTIVITY as NOTIFY
from gatework.temporal.workflow.notify import Notices
from gatework.temporal.workflow.pin import begin
from gatework.temporal.workflow.principal import principal
from gatework.temporal.workflow.recalling import recall
from gatework.temporal.workflow.showing import Showing


class GateworkPlugin(SimplePlugin):
    """Serves workflows: `Client.connect(…, plugins=[GateworkPlugin(refund)])`, then any `Worker` of that client.

    A worker on a task queue that a stage or a tool names by `on=` serves what is on that queue and no workflow of the
    plugin; every other worker serves the workflows, and the stages and tools that are `on` no queue.
    `model` is what `ask` reaches: a `Model`, or a name such as `openai:gpt-5`; None reads GATEWORK_MODEL.
    `store` is where documents and large values lie: a folder, or a bucket as `s3://bucket/prefix`; GATEWORK_STORE where
    left out.
    `signer` is the key with which its workers sign what they do; what GATEWORK_WORKER_KEY names where left out.
    `heartbeat_timeout` is how soon a dead worker is noticed. A stage whose worker is silent for as long is given to
    another: shorter goes on sooner after a crash, and takes a busy machine for a dead one sooner.
    Raises `PlanError` where two definitions share a name, `ConfigError` where a lock file has been changed.
    """

    def __init__(
        self,
        *workflows: Workflow[Any, Any],
        model: Model | str | None = None,
        seed: int = 0,
        store: str = "",
        signer: Signer | None = None,
        continue_after_events: int = Interpreter.continue_after_events,
        heartbeat_timeout: timedelta = Interpreter.heartbeat_timeout,
    ) -> None:
        if heartbeat_timeout < timedelta(seconds=1):
            raise ConfigError("heartbeat_timeout is at least a second; Temporal counts in seconds.")
        self.library = Library(workflows)
        self._findable_in = Namespaces()
        self._classes = [workflow_class(name, self.library) for name in self.library.names]
        for cls in self._classes:
            cls.continue_after_events = continue_after_events
            cls.heartbeat_timeout = heartbeat_timeout
            cls.findable_in = self._findable_in
        self._heartbeat_interval = heartbeat_timeout / HEARTBEATS
        names = self.library.names
        self._reading = {
            **{resuming.activity_type(name): rebuilding(self.library, name) for name in names},
            **{children.activity_type(name): ending(self.library, name) for name in names},
        }
        place = store or configured()
        lying = partial(documents, place) if place else None
        storage = external(place)
        self._signer = signer
        self._attestor: Attestor | None = None
        served = activities(self.library, model=model, seed=seed, store=lying, attestor=lambda: self._attestor)
        self._activities = {**served, **self._reading}
        self._notices = Notices()
        self.told: Callable[[Concern], object] | None = None
        """Called with each plan of which a worker that starts must say something, once."""
        super().__init__(
            "gatework.GateworkPlugin",
            data_converter=partial(data_converter, storage=storage),
            workflows=self._classes,
            workflow_runner=_passing_through,
        )

    def configure_client(self, config: ClientConfig) -> ClientConfig:
        config = super().configure_client(config)
        assert "data_converter" in config
        salting = Salting(self.library.workflows, config["data_converter"].payload_converter)
        config["interceptors"] = [*config.get("interceptors", ()), salting]
        return config

    def configure_worker(self, config: WorkerConfig) -> WorkerConfig:
        if set(self._classes) & set(config.get("workflows", ())):
            raise ConfigError("GateworkPlugin is given twice; give it to Client.connect only, workers inherit it.")
        assert "client" in config
        converter = config["client"].data_converter
        if not issubclass(converter.failure_converter_class, FailureConverter) and is_plain(converter):
            raise ConfigError("Give GateworkPlugin to Client.connect, not to the Worker; workers inherit it.")
        # A stage hears of a cancellation with its heartbeats; Temporal would hold them back for 16 s.
        config["max_heartbeat_throttle_interval"] = min(
            self._heartbeat_interval, config.get("max_heartbeat_throttle_interval", self._heartbeat_interval)
        )
        self.library.read_code()
        others = config.get("activities", ())
        config = super().configure_worker(config)
        # Here and not before: a client of the same settings needs no key.
        if self._attestor is None and (signer := self._signer or of_environment()) is not None:
            self._attestor = Attestor(signer)
        queue = config.get("task_queue", "")
        types = [attempt.activity_type(name) for name in self.library.served(queue)]
        types += [acting.activity_type(name) for name in self.library.tools_served(queue)]
        types += [isolated.activity_type(name) for name in self.library.guards_served(queue)]
        served = [self._activities[type_] for type_ in types]
        if queue in self.library.queues:
            # Its workers hold what others must not: they do what the plans put there, and no more.
            config["workflows"] = [cls for cls in config.get("workflows", ()) if cls not in self._classes]
        else:
            served += self._reading.values()
            ours: tuple[Callable[..., Any], ...] = (begin, principal, recall)
            served += [own for own in ours if own not in others]
            if NOTIFY not in map(_name, others):
                served = [*served, self._notices.deliver]
            roster = Roster.of_environment()
            tells = notify.hook() is not None
            for cls in self._classes:
                cls.roster = roster
                cls.notifies = tells
                cls.stores = has_store(converter)
        config["activities"] = [*others, *_beside(others, served)]
        config["interceptors"] = [*config.get("interceptors", ()), Showing()]
        return config

    async def run_worker(self, worker: Worker, next: Callable[[Worker], Awaitable[None]]) -> None:
        if self._attestor is None:
            emit.say("worker.unsigned")
        else:
            emit.say("worker.signs", {"signer": self._attestor.signer.public.id})
        if worker.task_queue in self.library.queues:  # it serves no workflow
            return await super().run_worker(worker, next)
        async with self._findable_in.asked(worker.client):
            looking = asyncio.create_task(self._look(worker))
            try:
                await super().run_worker(worker, next)
            finally:
                looking.cancel()

    async def _look(self, worker: Worker) -> None:
        """Say which runs in flight this deploy concerns. Work does not wait for it."""
        for concern in await concerns(worker.client, self.library, worker.task_queue):
            log(concern)
            if self.told is not None:
                self.told(concern)


def _beside(others: Sequence[Callable[..., Any]], served: Sequence[Callable[..., Any]]) -> Sequence[Callable[..., Any]]:
    """What is served beside the other activities of a worker, once no name is that of another."""
    for shared in {_name(other) for other in others} & {_name(ours) for ours in served}:
        what = shared.replace(".", " ", 1)
        raise ConfigError(f"The worker serves the {what} already; give plans that share it to one plugin.")
    return served


def _name(served: Callable[..., Any]) -> str:
    definition = activity._Definition.from_callable(served)
    return (definition and definition.name) or ""


def _passing_through(runner: WorkflowRunner | None) -> WorkflowRunner:
    """The application's runner. A workflow of its own may import us, which would fail inside its sandbox."""
    runner = runner or SandboxedWorkflowRunner()
    if isinstance(runner, SandboxedWorkflowRunner):
        return dataclasses.replace(runner, restrictions=runner.restrictions.with_passthrough_modules("gatework"))
    return runner

"""What a server must have before runs can be trusted to it: looked at, and made where that is ours to make."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from google.protobuf.duration_pb2 import Duration
from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.namespace.v1 import NamespaceConfig
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import (
    DescribeNamespaceRequest,
    DescribeTaskQueueRequest,
    GetSystemInfoRequest,
    RegisterNamespaceRequest,
    UpdateNamespaceRequest,
)
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from gatework import notify
from gatework.temporal.client.operate import MARKER_DIGITS, address, plan_of
from gatework.temporal.transport import search, storing
from gatework.temporal.transport.connection import connect
from gatework.temporal.transport.pages import ui_of
from gatework.values.store import VARIABLE

RETENTION = timedelta(days=30)
"""How long a namespace that is made here keeps ended runs, and their ledgers with them."""
SHORT_RETENTION = timedelta(days=7)
"""What keeps less deserves a word: as long as a person may take to answer, unless the plan says otherwise."""
RPC_TIMEOUT = timedelta(seconds=10)
VISIBLE_SECONDS = 30.0
"""How long a new namespace may take to be known to all of a server."""
POLL_TIMEOUT = timedelta(seconds=90)
"""A worker asks again after a minute at the latest; the server remembers it for minutes after it has gone."""
NAMED = 3
"""How many runs are named where some have a problem."""

Mark = Literal["ok", "done", "note", "missing"]


@dataclass(frozen=True, kw_only=True)
class Found:
    """What a check has found."""

    mark: Mark
    """`done`: it was missing and is there now. `note`: worth knowing, and no failure."""
    said: str
    todo: str = ""
    """What to do, where there is something to do."""


async def server() -> tuple[Client, Found]:
    """The server, and its version. Raises `ConfigError` where none answers."""
    client = await connect()
    info = await client.workflow_service.get_system_info(GetSystemInfoRequest(), timeout=RPC_TIMEOUT)
    return client, Found(mark="ok", said=f"Temporal {info.server_version or 'of unknown version'} at {address(client)}")


async def namespace(client: Client, retention: timedelta | None = None) -> Found:
    """The client's namespace; made where it is missing. `retention` is set where it is given."""
    name = client.namespace
    try:
        described = await client.workflow_service.describe_namespace(
            DescribeNamespaceRequest(namespace=name), timeout=RPC_TIMEOUT
        )
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            return _refused(error, f"look at the namespace {name}")
        return await _registered(client, retention or RETENTION)
    kept = described.config.workflow_execution_retention_ttl.ToTimedelta()
    if retention is not None and retention != kept:
        return await _kept_for(client, retention)
    said = f"{name}, which keeps ended runs for {_days(kept)}"
    if kept < SHORT_RETENTION:
        return Found(mark="note", said=said, todo="`gatework setup --retention DAYS` keeps them longer")
    return Found(mark="ok", said=said)


async def _registered(client: Client, retention: timedelta) -> Found:
    name = client.namespace
    try:
        await client.workflow_service.register_namespace(
            RegisterNamespaceRequest(namespace=name, workflow_execution_retention_period=_duration(retention)),
            timeout=RPC_TIMEOUT,
        )
        async with asyncio.timeout(VISIBLE_SECONDS):
            while not await _visible(client):  # noqa: ASYNC110  # it is another process's
                await asyncio.sleep(0.2)
    except RPCError as error:
        return _refused(error, f"register the namespace {name}, which is missing")
    except TimeoutError:
        return Found(mark="missing", said=f"{name} is registered and not known yet", todo="try again in a moment")
    return Found(mark="done", said=f"{name}, registered now; it keeps ended runs for {_days(retention)}")


async def _visible(client: Client) -> bool:
    try:
        await client.count_workflows("", rpc_timeout=RPC_TIMEOUT)
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return False
        raise
    return True


async def _kept_for(client: Client, retention: timedelta) -> Found:
    config = NamespaceConfig(workflow_execution_retention_ttl=_duration(retention))
    try:
        await client.workflow_service.update_namespace(
            UpdateNamespaceRequest(namespace=client.namespace, config=config), timeout=RPC_TIMEOUT
        )
    except RPCError as error:
        return _refused(error, f"change the retention of {client.namespace}")
    return Found(mark="done", said=f"{client.namespace}, which from now on keeps ended runs for {_days(retention)}")


async def search_attributes(client: Client) -> Found:
    """The search attributes of runs, registered where they are missing. Nothing needs them."""
    before = await search.registered(client)
    if before is search.Registered.YES:
        return Found(mark="ok", said=f"registered: {', '.join(search.NAMES)}")
    try:
        if wrong := await search.others(client):
            todo = "remove what is registered under that name, or use another namespace; runs go on without"
            return Found(mark="note", said=f"{'; '.join(wrong)}, and not keyword", todo=todo)
        after = await search.register(client)
    except RPCError as error:
        refused = _refused(error, "register search attributes, which are missing")
        todo = f"have {', '.join(search.NAMES)} registered as Keyword by whoever may; runs go on without"
        return Found(mark="note", said=refused.said, todo=todo)
    if after is not search.Registered.YES:
        return Found(
            mark="note", said="search attributes are registered and not known yet", todo="try again in a moment"
        )
    todo = "workers give them to runs once they have been started again"
    return Found(mark="done", said=f"registered now: {', '.join(search.NAMES)}", todo=todo)


async def worker(client: Client, queue: str, stages: Collection[str] = ()) -> Found:
    """Whether workers poll the task queue, for workflows and for stages, and those that stages name by `on=`."""
    missing: list[str] = []
    seen: set[str] = set()
    latest = timedelta.max
    for name, kind, what in (
        (queue, TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW, "workflows"),
        (queue, TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY, "stages"),
        *((other, TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY, "stages") for other in sorted(stages)),
    ):
        request = DescribeTaskQueueRequest(
            namespace=client.namespace, task_queue=TaskQueue(name=name), task_queue_type=kind
        )
        described = await client.workflow_service.describe_task_queue(request, timeout=RPC_TIMEOUT)
        now = datetime.now(UTC)
        ages = {poller.identity: now - poller.last_access_time.ToDatetime(UTC) for poller in described.pollers}
        alive = {identity: age for identity, age in ages.items() if age < POLL_TIMEOUT}
        if not alive:
            missing.append(f"{name} for {what}")
        seen |= alive.keys()
        latest = min(latest, *alive.values(), timedelta.max)
    if missing:
        return Found(
            mark="missing",
            said=f"none polls the task queue {', nor '.join(missing)}",
            todo="start one with `gatework worker`, or name another queue with GATEWORK_TASK_QUEUE",
        )
    ago = max(round(latest.total_seconds()), 0)
    queues = ", ".join([queue, *sorted(stages)])
    return Found(mark="ok", said=f"{len(seen)} on the task queue {queues}, heard of {ago} s ago")


async def in_flight(client: Client, queue: str, plans: Mapping[str, Mapping[str, str]]) -> Found:
    """Whether this code can go on with the runs in flight.

    `plans`: by workflow the digests of the plans that it knows, each with why it cannot run it; empty where it can.
    """
    stranded: dict[tuple[str, str], list[str]] = {}
    held = Counter[str]()
    async for run in client.list_workflows(f"TaskQueue = '{queue}' AND ExecutionStatus = 'Running'"):
        plan = plan_of(run)
        if not plan:
            continue
        held[run.workflow_type] += 1
        known = {digest[:MARKER_DIGITS]: why for digest, why in plans.get(run.workflow_type, {}).items()}
        if known.get(plan, "not in this code"):
            stranded.setdefault((run.workflow_type, plan), []).append(run.id)
    if not stranded:
        return Found(mark="ok", said=f"{held.total()}, this code can go on with all of them" if held else "none")
    said = "; ".join(
        f"{len(ids)} of {workflow} held to plan {plan[:12]} ({', '.join(ids[:NAMED])}{', …' if ids[NAMED:] else ''}): "
        + next((why for digest, why in plans.get(workflow, {}).items() if digest.startswith(plan)), "not in this code")
        for (workflow, plan), ids in stranded.items()
    )
    return Found(
        mark="missing",
        said=said,
        todo="bring the plan back with its lock file, or deploy the code that has it beside this",
    )


async def hook(client: Client | None) -> Found:
    """How people are told that a run waits, as far as it can be seen here: the worker's own variables count.

    Nothing is sent. Raises `ConfigError` where the hook cannot be one.
    """
    to = notify.hook()
    if to is None:
        todo = f"set {notify.HOOK} for the workers to a command or an https address"
        return Found(mark="note", said="nobody is told when a run waits, as far as this shell knows", todo=todo)
    said = f"{to.said}{', signed' if to.keys else ''} (nothing was sent)"
    if client is not None and not await ui_of(client):
        todo = "set GATEWORK_UI for the workers, or messages hold no link to the run"
        return Found(mark="note", said=said, todo=todo)
    return Found(mark="ok", said=said)


async def store(passing: Sequence[str]) -> Found:
    """Where documents lie, as far as it can be seen here, for the workflows that pass some on.

    Something is written there, and removed. Raises `ConfigError` where the store cannot be used.
    """
    if not storing.configured():
        if not passing:
            return Found(mark="ok", said=f"no plan passes documents on; {VARIABLE} names no store")
        todo = f"set {VARIABLE} for workers and clients to a folder that they share, or to s3://BUCKET/PREFIX"
        return Found(mark="missing", said=f"{', '.join(passing)} passes documents on, and there is no store", todo=todo)
    documents = storing.documents()
    await documents.ready()
    return Found(mark="ok", said=f"{documents.said} can be written to")


def _refused(error: RPCError, wanted: str) -> Found:
    # The server's own words could quote a name; its kind of refusal says enough.
    kind = error.status.name.lower().replace("_", " ")
    return Found(
        mark="missing",
        said=f"the server did not let us {wanted} ({kind})",
        todo="ask whoever runs the server, or set TEMPORAL_NAMESPACE to another",
    )


def _duration(span: timedelta) -> Duration:
    duration = Duration()
    duration.FromTimedelta(span)
    return duration


def _days(span: timedelta) -> str:
    days = span / timedelta(days=1)
    return "1 day" if days == 1 else f"{days:g} days"

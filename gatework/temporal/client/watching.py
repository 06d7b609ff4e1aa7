"""Runs watched from outside: what is known of each, whenever something has happened, until it has ended.

The server says that something has happened, in a long poll of the run's history; a worker says what, in a query. Where
no worker answers for a while, or the server is being started again, what was known stands until one does.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable
from contextlib import aclosing, suppress
from dataclasses import dataclass, replace
from typing import Any, Literal

from temporalio.client import Client, WorkflowExecutionStatus, WorkflowQueryFailedError
from temporalio.service import RPCError, RPCStatusCode

from gatework.errors import ContractError
from gatework.temporal.client.operate import MOST_LISTED, Operated, ended_as, find_run, plan_of
from gatework.temporal.page.progress import Progress
from gatework.temporal.transport.connection import task_queue

ANSWER_SECONDS = 5.0
"""After this time without an answer it is said that no worker answers."""
AGAIN_SECONDS = 2.0
"""How often it is asked again while nobody answers, and how often new runs are looked for."""
GATHER_SECONDS = 0.05
"""Events come in handfuls; one look is enough for those of one moment."""

Silent = Literal["", "worker", "server"]


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What is known of a run at one moment."""

    id: str
    run_id: str
    workflow: str
    status: str
    """As in `Listed`; `running` where nobody has answered yet."""
    progress: Progress | None = None
    """As a worker last said it; None where none has."""
    silent: Silent = ""
    """Who does not answer at this moment."""
    reason: str = ""
    """Of an end other than completion."""

    @property
    def ended(self) -> bool:
        return self.status not in ("running", "waiting")


async def watched(client: Client, run: Operated) -> AsyncGenerator[Seen]:
    """What is known of a run now, and then after each change; the last says how it ended.

    A run that goes on as a new one, or was reset, is followed there.
    """
    following: Operated | None = run
    while following is not None:
        run, following = following, None
        async with aclosing(_one(client, run)) as moments:
            async for seen in moments:
                if seen.status in ("continued_as_new", "terminated"):
                    latest = await find_run(client, run.id)
                    following = latest if latest.described.run_id != run.described.run_id else None
                if following is None:
                    yield seen


async def _one(client: Client, run: Operated) -> AsyncGenerator[Seen]:
    changed = asyncio.Event()
    changed.set()
    following = asyncio.create_task(_follow(run.handle, changed))
    described = run.described
    seen = Seen(id=run.id, run_id=described.run_id, workflow=described.workflow_type, status="running")
    told: Seen | None = None
    try:
        while not seen.ended:
            with suppress(TimeoutError):
                async with asyncio.timeout(AGAIN_SECONDS if seen.silent else None):
                    await changed.wait()
            await asyncio.sleep(GATHER_SECONDS)
            changed.clear()
            seen = await _look(client, run, seen)
            if seen != told:
                yield seen
                told = seen
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)


async def _follow(handle: Any, changed: asyncio.Event) -> None:
    """Say when the history has grown, as long as it does."""
    while True:
        history = handle.fetch_history_events(wait_new_event=True)
        try:
            while True:
                await history.fetch_next_page()
                if history.current_page or history.next_page_token is None:
                    changed.set()
                if history.next_page_token is None:
                    return
        except RPCError:
            changed.set()
            await asyncio.sleep(AGAIN_SECONDS)


async def _look(client: Client, run: Operated, before: Seen) -> Seen:
    try:
        described = await run.handle.describe()
        ended = described.status is not WorkflowExecutionStatus.RUNNING
        status, reason = await ended_as(client, described)
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return replace(before, status="gone", reason="it is not there any more", silent="")
        return replace(before, silent="server")
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            progress = await run.state()
    except WorkflowQueryFailedError:  # one that could not be begun, or not one of ours
        return replace(before, status=status, reason=reason, silent="")
    except (RPCError, TimeoutError, ContractError):  # nobody answers, or in words of another version
        return replace(before, status=status if ended else before.status, reason=reason, silent="worker")
    # The run itself knows best how it ended, unless it was ended from outside.
    status = status if ended else progress.status if progress.status in ("running", "waiting") else "running"
    return replace(before, status=status, reason=reason or progress.reason, progress=progress, silent="")


async def watched_all(client: Client) -> AsyncGenerator[Seen]:
    """What is known of each run of this deployment's task queue that is running, or starts while one looks."""
    news: asyncio.Queue[Seen | Exception] = asyncio.Queue()
    known: dict[str, asyncio.Task[None]] = {}

    async def tell(run: Operated) -> None:
        async with aclosing(_one(client, run)) as moments:
            async for seen in moments:
                if seen.progress or seen.silent:  # else it is not one of ours
                    await news.put(seen)

    async def find() -> None:
        query = f"TaskQueue = '{task_queue()}' AND ExecutionStatus = 'Running'"
        while True:
            with suppress(RPCError):
                async for run in client.list_workflows(query, limit=MOST_LISTED):
                    if run.run_id not in known and (plan_of(run) or not run.search_attributes):
                        handle = client.get_workflow_handle(run.id, run_id=run.run_id)
                        known[run.run_id] = asyncio.create_task(heard(tell(Operated(handle, run))))
            await asyncio.sleep(AGAIN_SECONDS / 2)

    async def heard(look: Awaitable[None]) -> None:
        try:
            await look
        except Exception as error:  # noqa: BLE001  # a run that is not shown any more must not look like one that waits
            await news.put(error)

    finding = asyncio.create_task(heard(find()))
    try:
        while True:
            seen = await news.get()
            if isinstance(seen, Exception):
                raise seen
            yield seen
    finally:
        for task in (finding, *known.values()):
            task.cancel()
        await asyncio.gather(finding, *known.values(), return_exceptions=True)

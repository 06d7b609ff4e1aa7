"""Activities that are not async, run inside a stage: on a thread, as Temporal itself would run them."""

from __future__ import annotations

import asyncio
import contextvars
import dataclasses
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from temporalio import activity
from temporalio.exceptions import CancelledError
from temporalio.worker._activity import _ThreadExceptionRaiser

from gatework.threads import Threads

LET_END_SECONDS = 5.0
"""How long a function that was told of its cancellation may take to end, before it is left behind."""


async def threaded(call: Callable[[], object]) -> object:
    """Call a function on a thread of its own, in the context of the activity that runs now.

    `activity.info()` and the rest work in it, heartbeats included; a cancellation is raised in it, as Temporal does,
    save inside `activity.shield_thread_cancel_exception()`.
    """
    loop = asyncio.get_running_loop()
    here = activity._Context.current()
    raiser = _ThreadExceptionRaiser()
    beat = here.heartbeat
    assert beat is not None

    async def beating(*details: Any) -> None:
        beat(*details)

    there = dataclasses.replace(
        here,
        heartbeat=lambda *details: asyncio.run_coroutine_threadsafe(beating(*details), loop).result(10),
        shield_thread_cancel_exception=raiser.shielded,
    )

    def run() -> object:
        activity._Context.set(there)
        with raiser.active_thread():
            return call()

    context = contextvars.copy_context()
    done = Threads().call(lambda: context.run(run))
    try:
        return await asyncio.shield(done)
    except asyncio.CancelledError:
        raiser.raise_in_thread(CancelledError)
        with suppress(Exception):
            await asyncio.wait_for(done, LET_END_SECONDS)
        raise

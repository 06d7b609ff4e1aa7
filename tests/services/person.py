"""The person who decides where a run waits: looks at the bank's records first, and at nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from gatework.errors import DecisionError
from gatework.temporal import Execution
from tests.crash.scenes import SILENT

NEVER = 40.0
"""Seconds after which a run counts as stuck."""


async def seen_to_its_end(run: Execution[Any], paid: Callable[[], list[tuple[str, int]]], *, probe: bool) -> list[str]:
    """Decide wherever it waits, until it has ended; what was waited for and what was decided."""
    told: list[str] = []
    async with asyncio.timeout(NEVER):
        while True:
            try:
                progress = await run.state()
                if progress.status not in ("running", "waiting"):
                    return told
                asked = progress.waiting
                if asked is None:
                    await asyncio.sleep(0.05)
                    continue
                if any("the payment service refuses it" in reason for reason in asked.reasons):
                    action = "abort"
                    await run.abort("It is refused.", by="Ada")
                elif asked.kind == "unknown" and not probe and paid():
                    action = "edit"
                    record = {"slip": paid()[0][0][:8], "order": run.id.partition("/")[2], "amount": "12.50"}
                    await run.edit(record, by="Ada", number=asked.number)
                else:
                    action = "retry"
                    await run.retry(by="Ada", number=asked.number)
                told.append(f"{asked.kind}: {action}")
            except DecisionError:
                await asyncio.sleep(0.05)  # an answer that was lost may have been taken
            except SILENT:
                await asyncio.sleep(0.1)

"""One mail's run, followed from outside: through its history as it grows, and the queries that every run answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode

from gatework.errors import ConfigError
from gatework.proof.ledger import Entry
from gatework.temporal import Execution, Progress, find, start
from gatework.temporal.page.progress import Waiting
from gatework.values.canonical import Json
from showcase.cases import Case
from workflows.refund import refund

QUERY_TRIES = 5


@dataclass
class Track:
    """A run and what is known of it."""

    case: Case
    run: Execution[Any]
    run_id: str
    found: bool
    """Whether it was there before this demo was started."""
    progress: Progress | None = None
    ledger: Sequence[Entry] = ()
    values: dict[str, Json] = field(default_factory=dict)
    lost: str = ""
    """How it ended, where that was not by its plan: terminated in the UI, for one."""
    paused: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once it has waited or ended, so that the next mail may start."""

    @property
    def waiting(self) -> Waiting | None:
        return None if self.lost or self.progress is None else self.progress.waiting

    @property
    def status(self) -> str:
        return self.lost or (self.progress.status if self.progress else "running")

    @property
    def ended(self) -> bool:
        return self.status not in ("running", "waiting")

    def named(self, node: str) -> Json:
        """The value that a node holds."""
        for entry in reversed(self.ledger):
            receipt = entry.receipt
            if receipt.node == node and receipt.kind in ("output", "approved", "begun") and not _against(entry):
                return self.values.get(receipt.output)
        return None

    async def changes(self) -> AsyncIterator[Sequence[Entry]]:
        """The receipts that are new, each time something has happened; ends when the run has."""
        history = self.run.handle.fetch_history_events(wait_new_event=True)
        while not self.ended:
            await history.fetch_next_page()
            if history.current_page or history.next_page_token is None:
                yield await self._look()
            if history.next_page_token is None:
                return

    async def _look(self) -> Sequence[Entry]:
        ledger = await self._asked()
        new = ledger[len(self.ledger) :]
        self.ledger = ledger
        if self.progress is not None and self.progress.status in ("running", "waiting"):
            described = await self.run.handle.describe()
            if described.status not in (WorkflowExecutionStatus.RUNNING, WorkflowExecutionStatus.COMPLETED):
                self.lost = described.status.name.lower() if described.status else "lost"
        if self.waiting or self.ended:
            self.paused.set()
        return new

    async def _asked(self) -> Sequence[Entry]:
        """What the run answers; a worker that starts or stops meanwhile is given time."""
        for tries_left in reversed(range(QUERY_TRIES)):
            try:
                # In this order: what comes later may know more, and what a receipt names must be known.
                self.progress = await self.run.state()
                ledger = await self.run.ledger()
                self.values = dict(await self.run.values())
                return ledger
            except RPCError as error:
                if error.status is RPCStatusCode.NOT_FOUND or not tries_left:
                    break
                await asyncio.sleep(1)
        raise ConfigError(f"The run of {self.case.name} cannot be asked where it stands; see the worker's log.")


def _against(entry: Entry) -> bool:
    return any(given.verdict != "pass" for given in entry.receipt.verdicts)


async def track(client: Client, case: Case) -> Track:
    """The run of a mail: the one that is there, or a new one."""
    run, found = find(client, refund, case.key), True
    try:
        described = await run.handle.describe()
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
        run, found = await start(client, refund, case.mail), False
        described = await run.handle.describe()
    return Track(case, run, described.run_id, found)

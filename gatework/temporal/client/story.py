"""The story of a run: what its ledger tells, and what Temporal wrote beside it, in the order in which it happened."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from temporalio.client import Client

from gatework.errors import ConfigError
from gatework.proof.ledger import Entry
from gatework.releases.library import Library
from gatework.temporal.client.history import HistoryError, Leg, Rebuilt, legs, rebuilt
from gatework.temporal.client.operate import Operated, answered, find_run
from gatework.temporal.client.tale import Tale, Told, iso, moment, tasks

FOLLOW_INTERVAL = timedelta(seconds=1)
"""How often a run that is followed is looked at."""


@dataclass(frozen=True, kw_only=True)
class Story:
    """All that is known of a run at one moment."""

    id: str
    workflow: str
    plan: str
    """Digest; empty for a run that has come to none."""
    started: datetime
    ended: bool
    events: Sequence[Told]
    ledger: Sequence[Entry]
    asked: str = ""
    """Why a worker was asked for the ledger; empty where it was rebuilt from the history."""
    forgotten: bool = False
    """Whether the server has forgotten the beginning."""


@dataclass(kw_only=True)
class Teller:
    """Tells the stories of runs. Keeps what it has read of them, so that a run can be followed."""

    client: Client
    library: Library | None
    """The plans of the project; None where it has none."""
    missing: str = ""
    """Why there is no library, in one sentence."""
    _legs: Sequence[Leg] = ()
    _rebuilt: dict[tuple[str, int], Rebuilt] = field(default_factory=dict)

    async def story(self, run: Operated) -> Story:
        """The story so far. Raises `HistoryError` where neither its history nor a worker can tell it."""
        described = await run.handle.describe()
        known = {leg.run_id: leg for leg in self._legs}
        chain = self._legs = await legs(self.client, run.id, described.run_id, known=known)
        why = ""
        try:
            found = [await self._one(leg) for leg in chain]
        except HistoryError as error:
            why = error.message
            found = await self._asked(run, why)
        tales = [
            Tale(leg, parts, await tasks(leg, self.client.data_converter))
            for leg, parts in zip(chain, found, strict=True)
        ]
        plans = [parts.last_plan for parts in found if parts.last_plan]
        return Story(
            id=run.id,
            workflow=chain[0].workflow,
            plan=plans[-1] if plans else "",
            started=moment(chain[0].events[0].event_time),
            ended=chain[-1].closed,
            events=[
                *(told for tale in tales for told in tale.events()),
                *tales[-1].pending(described.raw_description.pending_activities),
            ],
            ledger=found[-1].ledger,
            asked=why,
            forgotten=bool(chain[0].before),
        )

    async def _one(self, leg: Leg) -> Rebuilt:
        if self.library is None:
            raise HistoryError(self.missing)
        key = (leg.run_id, len(leg.events))
        if key not in self._rebuilt:
            self._rebuilt[key] = await rebuilt(leg, self.library, self.client.data_converter)
        return self._rebuilt[key]

    async def _asked(self, run: Operated, why: str) -> list[Rebuilt]:
        """The ledger as a worker answers it, each entry in the leg that was open when it was accepted."""
        try:
            state, entries = await answered(run.state()), list(await answered(run.ledger()))
        except ConfigError:
            raise HistoryError(
                f"{why} Nor does a worker answer; run this inside the project of the run, or start its worker."
            ) from None
        found: list[Rebuilt] = []
        for leg, following in zip(self._legs, [*self._legs[1:], None], strict=True):
            until = iso(moment(following.events[0].event_time)) if following else ""
            here = [entry for entry in entries if not until or entry.at < until]
            carried = found[-1].ledger if found else ()
            found.append(Rebuilt.answered(leg, here, carried=carried, plan=state.plan))
            entries = entries[len(here) :]
        return found

    async def following(self, run: Operated) -> AsyncGenerator[Story]:
        """The story whenever it may have gone on, until the run has ended; the last is the whole of it."""
        while True:
            story = await self.story(run)
            yield story
            latest = await find_run(self.client, run.id)
            # A run that went on as a new one, or was reset, is followed there.
            if story.ended and latest.described.run_id == run.described.run_id:
                return
            if not story.ended:
                await asyncio.sleep(FOLLOW_INTERVAL.total_seconds())
            run = latest

"""A run with child runs: they are started, stopped and heard of as the machine says."""

from __future__ import annotations

from contextlib import suppress
from typing import ClassVar

from temporalio import workflow

from gatework.errors import OrderError
from gatework.machine import machine
from gatework.machine.children import count
from gatework.machine.returning import broken
from gatework.plan.plan import Call
from gatework.releases.library import Known
from gatework.run.events import Cancelled, Returned
from gatework.run.state import Due, Spawn
from gatework.temporal.workflow.beginning import Beginning
from gatework.temporal.workflow.children import Children, Parent, taken

EVENTS_OF_CHILD = 7
"""Events that a child run leaves in the history of the run that starts it."""

MOST_BYTES = 40_000_000
"""As `most_events`, in bytes: servers end a run at 50 MB."""


class Spawning(Beginning):
    """A run that has child runs under way, where its plan wants some."""

    continue_after_events: ClassVar[int] = 4_000
    """Length of history at which the run continues as new."""

    most_events: ClassVar[int] = 40_000
    """Length of history beyond which a run that cannot be handed on begins nothing more: servers end it at 51,200."""

    def __init__(self) -> None:
        super().__init__()
        self._children = Children()
        self._drains = False
        """Whether no more child runs are started before this run continues as new."""
        self._drained = 0
        """How often it was looked whether none are to be started."""
        self._too_large = False
        """Whether what the run holds was too large to be handed on."""

    async def _spawn(self, known: Known, due: Spawn) -> None:
        """Have child runs under way, and take what those came to that have ended."""
        parent = Parent(
            plan=known.plan, lineage=self._lineage, secret=self._secret, again=self._again or self._was_reset
        )
        node = known.plan.node(due.node)
        assert isinstance(node, Call)
        all_started = (
            not self._children.missing(node, due)
            or self._drain(known, due)
            or self._children.start(node, due, parent, stores=self.stores)
        )
        await workflow.wait_condition(
            lambda: (
                bool(self._children.ended)
                or not (all_started or self._children.starting)
                or (self._moving is not None and not self._children.any)
            )
        )
        for event in self._come_in():
            try:
                self._take(event)
            except OrderError as error:
                with suppress(OrderError):  # of one of which nothing is to be heard any more
                    self._take(broken(event, error.message, charged=False))

    def _come_in(self) -> list[Returned]:
        """What child runs came to that have ended since."""
        heard, self._children.ended = self._children.ended, []
        return [taken(self._now[0], one, told) for one, told in heard]

    async def _without_children(self) -> None:
        """Stop child runs that are under way, and wait until they have ended."""
        self._children.only(None)
        if self._children.under_way:
            await workflow.wait_condition(lambda: not self._children.under_way)

    def _drain(self, known: Known, due: Spawn) -> bool:
        """Whether child runs are only waited for: they do not outlive a run that continues as new."""
        if self._moving is not None:
            return True
        if self._drains and self._children.any:
            return True
        self._drained += 1
        marker = f"gatework-drain-{self._drained}"
        replayed = workflow.unsafe.is_replaying()
        wanted = self._long and self._children.under_way > 0 and (not self._too_large or self._is_full(known, due))
        self._drains = (workflow.patched(marker) if replayed else wanted) and workflow.patched(marker)
        return self._drains

    def _acceptable(self, event: Returned) -> Returned | None:
        """What is to be taken of a child run at a cancellation; None for one of which nothing is to be heard."""
        known, state = self._now
        for told in (event, broken(event, "what it says of itself cannot be", charged=False)):
            with suppress(OrderError):
                machine.step(known.plan, state, Cancelled(returned=(told,)))
                return told
        return None

    def _is_full(self, known: Known, due: Due) -> bool:
        """Whether a run that cannot be handed on would come to the end of its history by what is due, or nearly."""
        left = 0
        if isinstance(due, Spawn):
            node, (_, state) = known.plan.node(due.node), self._now
            assert isinstance(node, Call)
            left = len(due.runs) if state.ending is not None else count(node, state) - len(state.branches)
        info = workflow.info()
        events = info.get_current_history_length() + left * EVENTS_OF_CHILD
        return self._too_large and (events > self.most_events or info.get_current_history_size() > MOST_BYTES)

    @property
    def _long(self) -> bool:
        info = workflow.info()
        return info.get_current_history_length() > self.continue_after_events or info.is_continue_as_new_suggested()

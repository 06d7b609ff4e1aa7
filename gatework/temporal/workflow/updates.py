"""What people send to a run: updates, and what they ask by a query. Neither half of an update waits for anything: what
was checked is what is taken.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from temporalio import workflow
from temporalio.common import RawValue

from gatework.run.events import Action
from gatework.temporal.transport.payloads import raw
from gatework.temporal.workflow.decisions import DESCRIPTIONS, MIGRATE
from gatework.values import canonical

Ask = TypeVar("Ask", bound=Callable[..., RawValue])

# `Any`, because Temporal reads these hints while the class is being made, which has no name yet.


def decision(action: Action) -> Any:
    """The update by which a person decides at a gate."""

    async def take(self: Any, *data: RawValue) -> RawValue:
        return raw(canonical.dumps(self.decide(action, data)))

    def check(self: Any, *data: RawValue) -> None:
        self.look(action, data)

    return _update(action, DESCRIPTIONS[action], take, check)


def heard(action: Action) -> Any:
    """The signal of the same name: for decisions whose sender the server vouches for, as it does of signals alone."""

    async def take(self: Any, *data: RawValue) -> None:
        await self.hear(action, data)

    described = f"As the update {action}, where the server names who sends a signal. The panel says what came of it."
    abandoned = workflow.HandlerUnfinishedPolicy.ABANDON
    signal: Any = workflow.signal(name=action, description=described, unfinished_policy=abandoned)(take)
    definition = workflow._SignalDefinition.from_fn(signal)
    object.__setattr__(definition, "arg_types", [RawValue])
    return signal


def migration_update() -> Any:
    """The update that moves a run to another plan."""

    async def take(self: Any, *data: RawValue) -> RawValue:
        return raw(canonical.dumps(self.take_move(data)))

    def check(self: Any, *data: RawValue) -> None:
        self.look_at_move(data)

    return _update("migrate", MIGRATE, take, check)


def _update(name: str, description: str, take: Callable[..., Any], check: Callable[..., None]) -> Any:
    update: Any = workflow.update(name=name, description=description)(take)
    update.validator(check)
    # One raw value, whatever it holds; any other number is decoded loosely, and then refused by us.
    object.__setattr__(update._defn, "arg_types", [RawValue])
    return update


def question(description: str) -> Callable[[Ask], Ask]:
    """A query that takes one JSON value, or nothing, as it was sent."""

    def asked(ask: Ask) -> Ask:
        query = workflow.query(description=description)(ask)
        object.__setattr__(workflow._QueryDefinition.from_fn(query), "arg_types", [RawValue])
        return query

    return asked

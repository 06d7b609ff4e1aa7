"""Asking guards: each on freshly parsed copies, each within its time. One that breaks, or says nothing, blocks.

Those of a stage are asked in the stage's activity, where they share a process with it. One that is isolated is asked
in an activity of its own, on workers that do nothing else, once the stage has ended.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from gatework.define.guard import Guard
from gatework.define.signature import Signature
from gatework.errors import ContractError, StoreError
from gatework.logs.emit import say_broke
from gatework.logs.text import place_of
from gatework.perform.answers import Call, Late, answers
from gatework.plan.plan import GuardUse, Work
from gatework.run.events import Finished, Given
from gatework.run.state import Run
from gatework.threads import Threads
from gatework.values.canonical import MAX_STORED_VALUE_BYTES, Sealed
from gatework.values.document import Desk, named_in_bytes
from gatework.values.store import Store
from gatework.values.verdict import ANSWERS, Block, Verdict, short


class Judges:
    """The guards of one attempt. Those that are not async think on `threads`."""

    def __init__(
        self,
        run: Run,
        node: Work,
        declared: Signature,
        guards: Mapping[str, Guard[Any, Any]],
        threads: Threads,
        store: Callable[[], Store] | None = None,
    ) -> None:
        self._run = run
        self._node = node
        self._declared = declared
        self._guards = guards
        self._threads = threads
        self._store = store

    async def said(
        self, uses: Sequence[GuardUse], inputs: Mapping[str, bytes], digest: str, output: bytes | None = None
    ) -> tuple[Given, ...]:
        """What each guard says of an output, or of inputs alone, which are bytes that kept to their contract."""
        calls = []
        desks = [Desk(use.name, self._store) for use in uses]
        for use, desk in zip(uses, desks, strict=True):
            for data in (*(inputs[source] for source in use.binds.values()), output or b""):
                desk.add(*named_in_bytes(data))
            given = partial(self._copies, use, inputs, output, desk)
            calls.append(Call(self._guards[use.name].function, given, use.timeout_seconds))
        found = await answers(calls, self._threads)
        for desk in desks:
            desk.close()
        return tuple(self._given(use, answer, digest) for use, answer in zip(uses, found, strict=True))

    async def one(self, use: GuardUse, output: Sealed) -> Given:
        """What one guard says of an output, with no more trust in what it is handed than a stage has."""
        try:
            inputs = {name: self._read(name) for name in use.binds.values()}
            data = output.opened()
            self._declared.result.contract.read(data, max_bytes=MAX_STORED_VALUE_BYTES)
        except ContractError as error:
            return blocked(use, output.digest, f"the guard {use.name} was handed what breaks its contract: {error}")
        [given] = await self.said((use,), inputs, output.digest, data)
        return given

    def _read(self, name: str) -> bytes:
        data = self._run.inputs[name].opened()
        self._declared.params[name].contract.read(data, max_bytes=MAX_STORED_VALUE_BYTES)
        return data

    def _copies(
        self, use: GuardUse, inputs: Mapping[str, bytes], output: bytes | None, desk: Desk
    ) -> tuple[Sequence[object], dict[str, object]]:
        """Freshly parsed, so that no guard changes what the next one sees. Called where the guard then runs."""
        desk.sit()
        others = {
            name: self._declared.params[source].contract.copy(inputs[source]) for name, source in use.binds.items()
        }
        return () if output is None else (self._declared.result.contract.copy(output),), others

    def _given(self, use: GuardUse, answer: object, digest: str) -> Given:
        verdict = answer
        if isinstance(answer, Late):
            verdict = Block(f"the guard {use.name} took longer than {use.timeout_seconds:g} s")
        elif isinstance(answer, Exception):
            say_broke(
                "guard.broke", answer, {"stage": self._node.name, "attempt": self._run.attempt, "guard": use.name}
            )
            # What a store says of a document holds nothing from outside.
            why = answer.message if isinstance(answer, StoreError) else ""
            verdict = Block(f"the guard {use.name} broke: {why or f'{type(answer).__name__} at {place_of(answer)}'}")
        if not isinstance(verdict, Verdict) or type(verdict) not in ANSWERS or verdict.word is None:
            verdict = Block(f"the guard {use.name} answered with no verdict")
        assert verdict.word is not None
        return Given(guard=use.name, on=digest, verdict=verdict.word, reason=short(verdict.reason))


def blocked(use: GuardUse, digest: str, reason: str) -> Given:
    """The verdict of a guard that gave none."""
    return Given(guard=use.name, on=digest, verdict="block", reason=short(reason))


def isolated(node: Work) -> tuple[GuardUse, ...]:
    """The guards of a node that are asked elsewhere."""
    return tuple(use for use in node.guards if use.queue)


def joined(node: Work, event: Finished, elsewhere: Sequence[Given]) -> Finished:
    """A result with the verdicts of all guards, in the order of the plan. What does not fit is left for the machine."""
    said = iter(event.verdicts)
    apart = {given.guard: given for given in elsewhere}
    verdicts = [apart[use.name] if use.queue and use.name in apart else next(said, None) for use in node.guards]
    return dataclasses.replace(event, verdicts=tuple(given for given in (*verdicts, *said) if given is not None))

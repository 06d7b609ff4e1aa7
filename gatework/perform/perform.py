"""Running one attempt of a node: inputs in past their guards, the work inside its cell, the output out past its own.

What comes back is the machine's event: also where the stage stands still until calls are answered that run apart.
Whatever goes wrong is a `Failed` that says so; only cancellation and the end of the process leave without one.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from gatework.define.ending import Ending
from gatework.define.guard import Guard
from gatework.define.stage import Definition
from gatework.define.tool import Tool
from gatework.errors import BudgetError, ContractError, GateworkError, GrantError
from gatework.logs.emit import say_broke
from gatework.logs.text import place_of
from gatework.machine.calls import MAX_ENTRIES, MAX_JOURNAL_BYTES
from gatework.models.question import Model
from gatework.perform.acting import LINGER
from gatework.perform.cell import Cell, Refusal
from gatework.perform.judging import Judges
from gatework.plan.labels import CLASSES, Label
from gatework.plan.plan import Plan, Work
from gatework.run.events import Failed, FailureKind, Finished, Given, Result, Stopped, Suspended
from gatework.run.state import Run
from gatework.threads import Threads
from gatework.values import canonical, wire
from gatework.values.canonical import MAX_STORED_VALUE_BYTES, MAX_VALUE_BYTES, Json, Sealed
from gatework.values.contract import Contract, Proven, first_error
from gatework.values.document import named_in_bytes
from gatework.values.store import Store
from gatework.values.verdict import Block, short


@dataclass(frozen=True)
class Code:
    """What a node runs: its function, with the guards and tools that the plan names."""

    definition: Definition
    guards: Mapping[str, Guard[Any, Any]]
    tools: Mapping[str, Tool[..., Any]]


async def perform(
    run: Run,
    plan: Plan,
    code: Code,
    *,
    lineage: str,
    tries: int = 1,
    waited: float = 0.0,
    model: Callable[[], Model] | None = None,
    seed: int = 0,
    store: Callable[[], Store] | None = None,
    max_value_bytes: int = MAX_VALUE_BYTES,
    threads: Threads | None = None,
    proven: Proven | None = None,
    digest: str = "",
) -> Result:
    """Run one attempt, or go on with one. `lineage` names the run across retries and resets.

    `tries` is how often Temporal has run this, this time included, and `waited` how many seconds ago it did so first:
    what earlier tries may have spent counts. `model` gives what `ask` reaches, `store` where documents lie. Guards that
    are not async think on `threads`. `max_value_bytes` is how large an output may be, `proven` what was read before,
    `digest` names the code, where it is to be had.
    """
    node = plan.node(run.node)
    assert isinstance(node, Work)
    cell = Cell(
        run=run,
        node=node,
        lineage=lineage,
        tries=tries,
        model_source=model,
        seed=seed,
        store=store,
        granted={use.name: code.tools[use.name] for use in node.tools},
    )
    attempt = _Attempt(
        run,
        node,
        code,
        cell,
        threads or Threads(),
        proven or Proven(),
        waited if tries > 1 else 0.0,
        max_value_bytes,
        digest,
    )
    try:
        return await attempt.ended()
    finally:
        cell.close()


class _Refused(Exception):
    """The stage or endorser answered with a `Block`."""

    def __init__(self, reason: str) -> None:
        self.reason = reason


class _Still(Exception):
    """The stage stands still."""


class _Attempt:
    def __init__(
        self,
        run: Run,
        node: Work,
        code: Code,
        cell: Cell,
        threads: Threads,
        proven: Proven,
        waited: float,
        max_value_bytes: int,
        digest: str,
    ) -> None:
        self._judges = Judges(run, node, code.definition.declared, code.guards, threads, cell.store)
        self._run = run
        self._node = node
        self._code = code
        self._cell = cell
        self._proven = proven
        self._max_value_bytes = max_value_bytes
        self._digest = digest
        self._began = time.monotonic() - waited
        self._before: tuple[Given, ...] = ()
        self._contract: Contract[Any] = code.definition.declared.result.contract

    async def ended(self) -> Result:
        """What came of it; a `Failed` for whatever goes wrong."""
        node = self._node
        seconds = self._seconds_left()
        if seconds <= 0:
            return self._failed("block", f"{node.name} has no time left of its budget.")
        deadline = asyncio.timeout(seconds)
        late = f"{node.name} took longer than {round(seconds, 3):g} s"
        try:
            async with deadline:
                ended = await self._done()
            # A stage that waved its cancellation off has an output, and no time to have it in.
            return self._failed("timeout", late) if deadline.expired() else ended
        except _Still:
            return self._suspended()
        except _Refused as refused:
            return self._failed("block", refused.reason)
        except (Refusal, BudgetError, GrantError) as error:
            return self._failed("block", error.message)
        except ContractError as error:
            return self._failed("contract", str(error))
        except ValidationError as error:
            return self._failed("contract", str(first_error(error).at(f"a model built in {node.name}")))
        except GateworkError as error:
            return self._failed("error", error.message)
        except (Exception, SystemExit, asyncio.CancelledError) as error:  # the promise of this module
            if isinstance(error, asyncio.CancelledError) and _being_cancelled():
                raise
            if isinstance(error, TimeoutError) and deadline.expired():
                return self._failed("timeout", late)
            # The message may carry outside text, so it goes nowhere.
            say_broke("stage.broke", error, {"stage": node.name, "attempt": self._run.attempt})
            reason = f"{type(error).__name__} at {place_of(error)}; the worker's log says more"
            return self._failed("error", reason)

    def _seconds_left(self) -> float:
        """How long it may take: one attempt's time, or what is left of the budget."""
        allowed = self._run.allowance.seconds
        timeout = self._node.timeout_seconds
        return timeout if allowed is None else min(timeout, allowed - self._seconds())

    def _seconds(self) -> float:
        return time.monotonic() - self._began

    async def _done(self) -> Finished | Stopped:
        run, node = self._run, self._node
        inputs = {param.name: self._bytes(param.name) for param in node.params}
        for data in inputs.values():
            self._cell.desk.add(*named_in_bytes(data))
        self._check_limits()
        if run.edited is None:
            # A person who lets these inputs in has seen what the guards said of them.
            asked = () if run.let_in else node.before
            self._before = await self._judges.said(asked, inputs, run.inputs_digest) if asked else ()
            if any(given.verdict != "pass" for given in self._before):
                return Stopped(
                    plan=run.plan,
                    node=run.node,
                    attempt=run.attempt,
                    inputs=run.inputs_digest,
                    verdicts=self._before,
                    code=self._digest,
                    ended_ms=_now_ms(),
                )
            data = await self._work(inputs)
            output = Sealed.of_bytes(data, os.urandom(16))
            self._proven.add(self._contract, output.digest)
        else:
            # A person's value: the stage does not work, its guards look.
            output = run.edited
            try:
                data = self._contract.accept(canonical.dumps(output.data))
            except ContractError as error:
                raise error.at(f"{'value' if node.until else 'edited output'} of {node.name}") from None
        # Those that are isolated look elsewhere, at what leaves here.
        near = tuple(use for use in node.guards if not use.queue)
        verdicts = await self._judges.said(near, inputs, output.digest, data)
        return Finished(
            plan=run.plan,
            node=run.node,
            attempt=run.attempt,
            inputs=run.inputs_digest,
            contract=self._contract.digest,
            output=output,
            verdicts=verdicts,
            before=self._before,
            evidence=self._evidence,
            spent=self._cell.purse.spent(self._seconds()),
            ended_ms=_now_ms(),
        )

    @property
    def _evidence(self) -> dict[str, Json]:
        return {**self._cell.evidence, **({"code": self._digest} if self._digest else {})}

    def _suspended(self) -> Suspended | Failed:
        run, journal = self._run, self._cell.journal
        # The machine would refuse it; what is larger would not even reach it.
        size = journal.size_bytes + sum(len(canonical.dumps(call.arguments)) for call in self._cell.due)
        if len(journal) + len(self._cell.due) > MAX_ENTRIES or size > MAX_JOURNAL_BYTES:
            return self._failed("block", f"{run.node} was answered too much before it ended; let it ask for less.")
        return Suspended(
            plan=run.plan,
            node=run.node,
            attempt=run.attempt,
            inputs=run.inputs_digest,
            turn=len(run.journal),
            entries=tuple(journal.since),
            calls=tuple(self._cell.due),
            before=self._before,
            spent=self._cell.purse.spent(self._seconds()),
            ended_ms=_now_ms(),
        )

    def _failed(self, kind: FailureKind, reason: str) -> Failed:
        run = self._run
        let_on: dict[str, Json] = {"before": [wire.data(given) for given in self._before]} if self._before else {}
        return Failed(
            plan=run.plan,
            node=run.node,
            attempt=run.attempt,
            inputs=run.inputs_digest,
            failure=kind,
            reason=short(reason),
            evidence={**self._evidence, **let_on},
            spent=self._cell.purse.spent(self._seconds()),
            ended_ms=_now_ms(),
        )

    def _bytes(self, name: str) -> bytes:
        """The canonical bytes of an input, once they are what they should be."""
        sealed, contract = self._run.inputs[name], self._of(name)
        try:
            data = sealed.opened()
            if not self._proven.knows(contract, sealed.digest):
                contract.read(data, max_bytes=MAX_STORED_VALUE_BYTES)
                self._proven.add(contract, sealed.digest)
        except ContractError as error:
            raise error.at(f"input {name} of {self._node.name}") from None
        return data

    def _check_limits(self) -> None:
        """Raise `ContractError` unless the values of the plan that limits refer to are what they should be."""
        for name, sealed in self._run.limits.items():
            try:
                sealed.opened()
            except ContractError as error:
                raise error.at(f"{name}, which limits the tools of {self._node.name},") from None

    def _of(self, name: str) -> Contract[Any]:
        return self._code.definition.declared.params[name].contract

    async def _work(self, inputs: Mapping[str, bytes]) -> bytes:
        """Call the function on freshly parsed inputs; the canonical bytes of its output."""
        declared = self._code.definition.declared
        values = {}
        for param in self._node.params:
            value = self._of(param.name).copy(inputs[param.name])
            wrap = CLASSES.get(declared.params[param.name].label) if self._node.kind == "stage" else None
            values[param.name] = wrap(value) if wrap else value
        self._cell.inputs = values
        output = await self._called(values)
        if isinstance(output, Block):
            raise _Refused(output.reason)
        most = self._run.allowance.output_bytes
        try:
            data = self._contract.write(self._unlabelled(output), max_bytes=self._max_value_bytes)
            if most is not None and len(data) > most:
                raise ContractError(f"takes {len(data)} bytes, and its budget is {most}")
            # An endorser answers from our own records; a model makes up what it likes.
            if self._node.kind == "stage" and self._cell.desk.strange_bytes(data):
                raise ContractError("names a document that the stage was not handed, and did not store")
        except ContractError as error:
            raise error.at(f"output of {self._node.name}") from None
        return data

    async def _called(self, values: Mapping[str, Any]) -> object:
        """What the function gives. Raises what it raises, and `_Still` where it can go no further.

        It runs as a task of its own, since one that stands still may catch whatever it is told, and go on.
        """
        cell = self._cell
        task = asyncio.ensure_future(self._contained(values))
        task.add_done_callback(lambda _: cell.stop())
        try:
            await cell.stopped
            ended = task.done()
        finally:
            cell.close()
            if not task.done():
                task.cancel()
                await asyncio.wait([task], timeout=LINGER)
        if not ended:
            raise _Still
        output, error = task.result()
        if error is not None:
            raise error
        if cell.due:
            # It did not wait for what it asked for. Nothing that was asked for is dropped, so it is run again.
            raise _Still
        return output

    async def _contained(self, values: Mapping[str, Any]) -> tuple[object, BaseException | None]:
        self._cell.enter()
        try:
            definition = self._code.definition
            assert not isinstance(definition, Ending)  # nothing works at the end of a loop: its guard looks
            return await definition.function(**values), None
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001  # asyncio would let an exit end the worker
            return None, error

    def _unlabelled(self, output: Any) -> Any:
        if self._node.kind == "endorse" or self._node.label is Label.PLAIN:
            return output
        if type(output) is not CLASSES[self._node.label]:
            raise ContractError(f"must be {CLASSES[self._node.label].__name__}(…), and is a {type(output).__name__}")
        return output.value


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _being_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0

"""Running one attempt of a node: inputs in past their guards, the work inside its cell, the output out past its own.

What comes back is the machine's event. Whatever goes wrong is a `Failed` that says so; only cancellation
before any effect, and the end of the process, leave without one.
"""

from __future__ import annotations

import asyncio
import os
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

from pydantic import ValidationError

from gatework import canonical
from gatework.answers import Call, Late, answers
from gatework.canonical import Json, Sealed
from gatework.cell import Cell, Refusal
from gatework.contract import Contract, contract, first_error
from gatework.errors import BudgetError, ContractError, GateworkError, GrantError
from gatework.events import Failed, FailureKind, Finished, Given, Result, Stopped
from gatework.guard import Guard
from gatework.labels import CLASSES, Label
from gatework.logs.emit import say_broke
from gatework.models.question import Model
from gatework.plan import GuardUse, Plan, Work
from gatework.signature import shown_path
from gatework.stage import Definition
from gatework.state import Run
from gatework.threads import Threads
from gatework.tool import Tool
from gatework.verdict import ANSWERS, Block, Verdict, short


@dataclass(frozen=True)
class Code:
    """What a node runs: its function, with the guards and tools that the plan names."""

    definition: Definition
    guards: Mapping[str, Guard[Any, Any]]
    tools: Mapping[str, Tool[Any, Any]]


async def perform(
    run: Run,
    plan: Plan,
    code: Code,
    *,
    lineage: str,
    model: Callable[[], Model] | None = None,
    seed: int = 0,
    threads: Threads | None = None,
) -> Result:
    """Run one attempt. `lineage` names the run across retries and resets; `model` gives what `ask` reaches.

    Guards that are not async think on `threads`.
    """
    node = plan.nodes[plan.index[run.node]]
    assert isinstance(node, Work)
    attempt = _Attempt(run, node, code, threads or Threads())
    cell = Cell(
        node=node,
        lineage=lineage,
        attempt=run.attempt,
        feedback=run.feedback,
        model_source=model,
        seed=seed,
        granted={use.name: code.tools[use.name] for use in node.tools},
    )
    deadline = asyncio.timeout(node.timeout_seconds)
    late = f"{node.name} took longer than {node.timeout_seconds:g} s"
    try:
        async with deadline:
            ended = await attempt.ended(cell)
        # A stage that waved its cancellation off has an output, and no time to have it in.
        return attempt.failed(cell, "timeout", late) if deadline.expired() else ended
    except _Refused as refused:
        return attempt.failed(cell, "block", refused.reason)
    except (Refusal, BudgetError, GrantError) as error:
        return attempt.failed(cell, "block", error.message)
    except ContractError as error:
        return attempt.failed(cell, "contract", str(error))
    except ValidationError as error:
        return attempt.failed(cell, "contract", str(first_error(error).at(f"a model built in {node.name}")))
    except GateworkError as error:
        return attempt.failed(cell, "error", error.message)
    except (Exception, SystemExit, asyncio.CancelledError) as error:  # the promise of this module
        if isinstance(error, asyncio.CancelledError) and _being_cancelled():
            if not cell.effects:
                raise
            # What became of its effects must be known, also of a run that ends now.
            return attempt.failed(cell, "error", f"{node.name} was cancelled")
        if isinstance(error, TimeoutError) and deadline.expired():
            return attempt.failed(cell, "timeout", late)
        # The message may carry outside text, so it goes nowhere.
        say_broke("stage.broke", error, {"stage": node.name, "attempt": run.attempt})
        return attempt.failed(cell, "error", f"{type(error).__name__} at {_place(error)}; the worker's log says more")


class _Refused(Exception):
    """The stage or endorser answered with a `Block`."""

    def __init__(self, reason: str) -> None:
        self.reason = reason


class _Attempt:
    def __init__(self, run: Run, node: Work, code: Code, threads: Threads) -> None:
        self._threads = threads
        self._run = run
        self._node = node
        self._code = code
        self._before: tuple[Given, ...] = ()
        self._contract: Contract[Any] = code.definition.declared.result.contract

    async def ended(self, cell: Cell) -> Finished | Stopped:
        run, node = self._run, self._node
        inputs = {param.name: self._bytes(param.name) for param in node.params}
        if run.edited is None:
            # A person who lets these inputs in has seen what the guards said of them.
            asked = () if run.let_in else node.before
            self._before = await self._verdicts(asked, inputs, run.inputs_digest) if asked else ()
            if any(given.verdict != "pass" for given in self._before):
                return Stopped(
                    plan=run.plan,
                    node=run.node,
                    attempt=run.attempt,
                    inputs=run.inputs_digest,
                    verdicts=self._before,
                    ended_ms=_now_ms(),
                )
            data = await self._work(cell, inputs)
            if cell.in_doubt:
                raise GateworkError(f"{node.name} went on after an effect that did not say what became of it")
            output = Sealed.of_bytes(data, os.urandom(16))
        else:
            # A person's value: the stage does not work, its guards look.
            output = run.edited
            try:
                data = self._contract.accept(canonical.dumps(output.data))
            except ContractError as error:
                raise error.at(f"edited output of {node.name}") from None
        verdicts = await self._verdicts(node.guards, inputs, output.digest, data)
        return Finished(
            plan=run.plan,
            node=run.node,
            attempt=run.attempt,
            inputs=run.inputs_digest,
            contract=self._contract.digest,
            output=output,
            verdicts=verdicts,
            before=self._before,
            evidence=cell.evidence,
            ended_ms=_now_ms(),
        )

    def failed(self, cell: Cell, kind: FailureKind, reason: str) -> Failed:
        run = self._run
        let_on: dict[str, Json] = {"before": [asdict(given) for given in self._before]} if self._before else {}
        return Failed(
            plan=run.plan,
            node=run.node,
            attempt=run.attempt,
            inputs=run.inputs_digest,
            failure="unknown" if cell.in_doubt else kind,
            reason=short(reason),
            sent=cell.sent,
            evidence={**cell.evidence, **let_on},
            ended_ms=_now_ms(),
        )

    def _bytes(self, name: str) -> bytes:
        """The canonical bytes of an input, once they are what they should be."""
        try:
            data = self._run.inputs[name].opened()
            self._of(name).read(data)
        except ContractError as error:
            raise error.at(f"input {name} of {self._node.name}") from None
        return data

    def _of(self, name: str) -> Contract[Any]:
        return contract(self._code.definition.declared.params[name].type)

    async def _work(self, cell: Cell, inputs: Mapping[str, bytes]) -> bytes:
        """Call the function on freshly parsed inputs; the canonical bytes of its output."""
        declared = self._code.definition.declared
        values = {}
        for param in self._node.params:
            value = self._of(param.name).copy(inputs[param.name])
            wrap = CLASSES.get(declared.params[param.name].label) if self._node.kind == "stage" else None
            values[param.name] = wrap(value) if wrap else value
        cell.inputs = values
        with cell.entered():
            output = await self._code.definition.function(**values)
        if isinstance(output, Block):
            raise _Refused(output.reason)
        try:
            return self._contract.write(self._unlabelled(output))
        except ContractError as error:
            raise error.at(f"output of {self._node.name}") from None

    def _unlabelled(self, output: Any) -> Any:
        if self._node.kind == "endorse" or self._node.label is Label.PLAIN:
            return output
        if type(output) is not CLASSES[self._node.label]:
            raise ContractError(f"must be {CLASSES[self._node.label].__name__}(…), and is a {type(output).__name__}")
        return output.value

    async def _verdicts(
        self, uses: Sequence[GuardUse], inputs: Mapping[str, bytes], digest: str, output: bytes | None = None
    ) -> tuple[Given, ...]:
        """What each guard says of an output, or of inputs alone. One that breaks, is late or says nothing blocks."""
        calls = [
            Call(self._code.guards[use.name].function, partial(self._copies, use, inputs, output), use.timeout_seconds)
            for use in uses
        ]
        found = await answers(calls, self._threads)
        return tuple(self._given(use, answer, digest) for use, answer in zip(uses, found, strict=True))

    def _copies(
        self, use: GuardUse, inputs: Mapping[str, bytes], output: bytes | None
    ) -> tuple[Sequence[object], dict[str, object]]:
        """Freshly parsed, so that no guard changes what the next one sees."""
        others = {name: self._of(source).copy(inputs[source]) for name, source in use.binds.items()}
        return () if output is None else (self._contract.copy(output),), others

    def _given(self, use: GuardUse, answer: object, digest: str) -> Given:
        verdict = answer
        if isinstance(answer, Late):
            verdict = Block(f"the guard {use.name} took longer than {use.timeout_seconds:g} s")
        elif isinstance(answer, Exception):
            say_broke(
                "guard.broke", answer, {"stage": self._node.name, "attempt": self._run.attempt, "guard": use.name}
            )
            verdict = Block(f"the guard {use.name} broke: {type(answer).__name__} at {_place(answer)}")
        if not isinstance(verdict, Verdict) or type(verdict) not in ANSWERS or verdict.word is None:
            verdict = Block(f"the guard {use.name} answered with no verdict")
        assert verdict.word is not None
        return Given(guard=use.name, on=digest, verdict=verdict.word, reason=short(verdict.reason))


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _being_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _place(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__, limit=-1)
    return f"{shown_path(frames[-1].filename)}:{frames[-1].lineno}" if frames else "an unknown place"

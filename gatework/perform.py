"""Running one attempt of a node: inputs in, the work inside its cell, the output out, past every guard.

What comes back is the machine's event. Whatever goes wrong is a `Failed` that says so; only cancellation,
and the end of the process, leave without one.
"""

from __future__ import annotations

import asyncio
import inspect
import os
import threading
import time
import traceback
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import structlog
from pydantic import ValidationError

from gatework import canonical
from gatework.canonical import Sealed
from gatework.cell import Cell, Refusal
from gatework.contract import Contract, contract, first_error
from gatework.errors import BudgetError, ContractError, GateworkError, GrantError
from gatework.events import Failed, FailureKind, Finished, Given
from gatework.guard import Guard
from gatework.labels import CLASSES, Label
from gatework.models.question import Model
from gatework.plan import GuardUse, Plan, Work
from gatework.signature import shown_path
from gatework.stage import Definition
from gatework.state import Run
from gatework.tool import Effect
from gatework.verdict import Block, Verdict, short

_log = structlog.get_logger("gatework")


@dataclass(frozen=True)
class Code:
    """What a node runs: its function, with the guards and effects that the plan names."""

    definition: Definition
    guards: Mapping[str, Guard[Any, Any]]
    tools: Mapping[str, Effect[Any, Any]]


async def perform(
    run: Run, plan: Plan, code: Code, *, lineage: str, model: Callable[[], Model] | None = None, seed: int = 0
) -> Finished | Failed:
    """Run one attempt. `lineage` names the run across retries and resets; `model` gives what `ask` reaches."""
    node = plan.nodes[plan.index[run.node]]
    assert isinstance(node, Work)
    attempt = _Attempt(run, node, code)
    cell = Cell(
        node=node,
        lineage=lineage,
        attempt=run.attempt,
        feedback=run.feedback,
        model_source=model,
        seed=seed,
        granted={use.name: code.tools[use.name] for use in node.tools},
    )
    try:
        async with asyncio.timeout(node.timeout_seconds):
            return await attempt.finished(cell)
    except TimeoutError:
        return attempt.failed(cell, "timeout", f"{node.name} took longer than {node.timeout_seconds:g} s")
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
    except Exception as error:
        # The message may carry outside text, so it stays in the worker's own log.
        _log.exception("stage broke", stage=node.name, attempt=run.attempt)
        return attempt.failed(cell, "error", f"{type(error).__name__} at {_place(error)}; the worker's log says more")


class _Refused(Exception):
    """The stage or endorser answered with a `Block`."""

    def __init__(self, reason: str) -> None:
        self.reason = reason


class _Attempt:
    def __init__(self, run: Run, node: Work, code: Code) -> None:
        self._run = run
        self._node = node
        self._code = code
        self._contract: Contract[Any] = code.definition.declared.result.contract

    async def finished(self, cell: Cell) -> Finished:
        run, node = self._run, self._node
        inputs = {param.name: self._bytes(param.name) for param in node.params}
        if run.edited is None:
            data = await self._work(cell, inputs)
            output = Sealed.of(canonical.loads(data), os.urandom(16))
        else:
            # A person's value: the stage does not work, its guards look.
            output = run.edited
            data = self._contract.accept(canonical.dumps(output.data))
        verdicts = [await self._verdict(use, data, inputs, output.digest) for use in node.guards]
        return Finished(
            plan=run.plan,
            node=run.node,
            attempt=run.attempt,
            inputs=run.inputs_digest,
            contract=self._contract.digest,
            output=output,
            verdicts=tuple(verdicts),
            evidence=cell.evidence,
        )

    def failed(self, cell: Cell, kind: FailureKind, reason: str) -> Failed:
        run = self._run
        return Failed(
            plan=run.plan,
            node=run.node,
            attempt=run.attempt,
            inputs=run.inputs_digest,
            failure="unknown" if cell.in_doubt else kind,
            reason=short(reason),
            sent=cell.sent,
            evidence=cell.evidence,
        )

    def _bytes(self, name: str) -> bytes:
        sealed = self._run.inputs[name]
        if not sealed.intact:
            raise ContractError("its digest is not that of its data", boundary=f"input {name} of {self._node.name}")
        return canonical.dumps(sealed.data)

    async def _work(self, cell: Cell, inputs: Mapping[str, bytes]) -> bytes:
        """Call the function on freshly parsed inputs; the canonical bytes of its output."""
        declared = self._code.definition.declared
        values = {}
        for param in self._node.params:
            try:
                value = contract(declared.params[param.name].type).read(inputs[param.name])
            except ContractError as error:
                raise error.at(f"input {param.name} of {self._node.name}") from None
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

    async def _verdict(self, use: GuardUse, data: bytes, inputs: Mapping[str, bytes], digest: str) -> Given:
        """One guard's answer on freshly parsed copies. A guard that breaks, is late or says nothing blocks."""
        guard = self._code.guards[use.name]
        declared = self._code.definition.declared
        arguments = {
            name: contract(declared.params[source].type).read(inputs[source]) for name, source in use.binds.items()
        }
        began = time.monotonic()
        try:
            async with asyncio.timeout(use.timeout_seconds):
                verdict: object = await _called(guard.function, self._contract.read(data), arguments)
            if time.monotonic() - began > use.timeout_seconds:
                raise TimeoutError
        except TimeoutError:
            if time.monotonic() - began < use.timeout_seconds:
                verdict = Block(f"the guard {use.name} broke: TimeoutError")
            else:
                verdict = Block(f"the guard {use.name} took longer than {use.timeout_seconds:g} s")
        except Exception as error:
            _log.exception("guard broke", stage=self._node.name, guard=use.name)
            verdict = Block(f"the guard {use.name} broke: {type(error).__name__} at {_place(error)}")
        if not isinstance(verdict, Verdict) or verdict.word is None:
            verdict = Block(f"the guard {use.name} answered with no verdict")
        assert verdict.word is not None
        return Given(guard=use.name, on=digest, verdict=verdict.word, reason=short(verdict.reason))


async def _called(function: Callable[..., Any], output: Any, arguments: Mapping[str, Any]) -> object:
    """Call a guard: async ones here, the others on a thread of their own, so that none holds up the loop."""
    if inspect.iscoroutinefunction(function):
        return await function(output, **arguments)
    loop = asyncio.get_running_loop()
    future: asyncio.Future[object] = loop.create_future()

    def settle(result: object, error: BaseException | None) -> None:
        if not future.done():
            future.set_exception(error) if error else future.set_result(result)

    def call() -> None:
        try:
            result, error = function(output, **arguments), None
        except BaseException as broke:  # noqa: BLE001  # a guard must not take the thread down in silence
            result, error = None, RuntimeError("exit") if isinstance(broke, StopIteration | SystemExit) else broke
        if not loop.is_closed():
            loop.call_soon_threadsafe(settle, result, error)

    # A daemon thread and no pool: a guard that never returns must hold up neither the next nor the exit.
    threading.Thread(target=call, name=f"guard {getattr(function, '__name__', '')}", daemon=True).start()
    result = await future
    return await result if isinstance(result, Awaitable) else result


def _place(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    return f"{shown_path(frames[-1].filename)}:{frames[-1].lineno}" if frames else "an unknown place"

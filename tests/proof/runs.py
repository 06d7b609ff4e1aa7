"""Runs on a real server, each with something for a certificate to hold; together they leave all kinds of receipts."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from temporalio.client import WorkflowFailureError

from gatework import Block, Escalate, Retry
from gatework.define.workflow import Workflow
from gatework.proof.certificate import written
from gatework.releases.library import Library
from gatework.temporal import Execution, find
from gatework.temporal.client.exporting import Disclosure, Exported, exported
from gatework.temporal.client.restarting import look, resumed
from gatework.temporal.page.progress import Waiting
from tests.proof.plans import payout, says
from tests.workflow.deployment import LONG, Deployed, Deployments, task_after, until, waiting
from tests.workflow.errands import errands
from tests.workflow.plans import Note, agent_asked, chain, refund, signed, single, world
from tests.workflow.project import Project
from tests.workflow.test_calls import Agent, call

SERVED: tuple[Workflow[Any, Any], ...] = (payout, errands, signed, single, chain, refund)
PAYING = call("transfer_asked", order="A-1", amount="12.50")


@dataclass
class Stage:
    """Where scenes are played."""

    deployments: Deployments
    deployed: Deployed
    """Serves `SERVED`."""
    folder: Path


Scene = Callable[[Stage], Awaitable[Execution[Any]]]


async def _approved(run: Execution[Any], *names: str) -> None:
    for name in names:
        await run.approve((await waiting(run)).number, by=name)


async def at(run: Execution[Any], kind: str, node: str = "", after: int = 0) -> Waiting:
    """What a run waits for, once it is at a later gate of this kind."""

    async def there() -> Waiting | None:
        waits = (await run.state()).waiting
        here = waits is not None and waits.gate > after and waits.kind == kind and node in ("", waits.node)
        return waits if here else None

    found: Waiting = await until(there, f"a gate of kind {kind}", seconds=LONG.total_seconds())
    return found


async def by_rule(on: Stage) -> Execution[Any]:
    """The plan's own rule approves, and an effect happens."""
    run = await on.deployed.start(payout, Note(text="A-1 50"), "by_rule")
    await run.result()
    return run


async def edited(on: Stage) -> Execution[Any]:
    """Somebody edits what is to be approved, and two others approve it."""
    run, _ = await on.deployed.gate(payout, Note(text="A-2 500"), "edited")
    await run.edit({"order": "A-2", "amount": "300"}, by="Ada", note="Half of it was paid.")
    await _approved(run, "Ben", "Cleo")
    await run.result()
    return run


async def guarded(on: Stage) -> Execution[Any]:
    """Guards stop, send back, block and escalate; people answer each."""
    says.of_inputs = [Block("The sum is odd.")]
    says.of_letters = [Retry("Be polite."), Block("Not like this."), Escalate("Is that so?")]
    run, _ = await on.deployed.gate(payout, Note(text="A-3 70"), "guarded")
    await run.retry("The sum is right.", by="Ada")
    await waiting(run)
    await run.retry("Mind the tone.", by="Ada")
    await _approved(run, "Ada")
    await run.result()
    return run


async def undone(on: Stage) -> Execution[Any]:
    """The last stage refuses, somebody aborts, and the payment is taken back."""
    says.closing = [Block("The letter is gone.")]
    run, _ = await on.deployed.gate(payout, Note(text="A-4 80"), "undone")
    await run.abort("Stop.", by="Ada")
    return run


async def rejected(on: Stage) -> Execution[Any]:
    """A person says no."""
    run, _ = await on.deployed.gate(payout, Note(text="A-5 900"), "rejected")
    await run.reject("Too much.", by="Ada")
    return run


async def waits(on: Stage) -> Execution[Any]:
    """Not ended: one of two has approved."""
    run, _ = await on.deployed.gate(payout, Note(text="A-6 600"), "waits")
    await _approved(run, "Ada")
    return run


async def cancelled(on: Stage) -> Execution[Any]:
    """Cancelled at a gate."""
    run, _ = await on.deployed.gate(signed, Note(text="a"), "cancelled")
    await run.handle.cancel()
    return run


async def broken(on: Stage) -> Execution[Any]:
    """A stage breaks at each try, and then does not."""
    world.does = lambda: 1 / 0
    run, _ = await on.deployed.gate(single, Note(text="a"), "broken")
    world.does = None
    await run.retry(by="Ada")
    await run.result()
    return run


async def agent(on: Stage) -> Execution[Any]:
    """A model asks for an effect, and a person lets it happen."""
    agent = Agent((call("look", word="A-1"),), (PAYING,))
    async with on.deployments.serving(agent_asked, model=agent, queue="agents") as deployed:
        run, _ = await deployed.gate(agent_asked, Note(text="A-1"), "agent")
        await _approved(run, "Ada")
        await run.result()
    return run


async def errand(on: Stage) -> Execution[Any]:
    """All of control flow, with child runs that pay."""
    run, _ = await on.deployed.gate(errands, Note(text="A-1 B-200 C-30000"), "errand")
    await run.answer({"publish": True}, by="Ada")
    await run.result()
    return run


async def errand_undone(on: Stage) -> Execution[Any]:
    """Child runs take back what they did."""
    run, _ = await on.deployed.gate(errands, Note(text="A-1 B-200"), "errand_undone")
    await run.abort("No.", by="Ada")
    return run


async def continued(on: Stage) -> Execution[Any]:
    """One run that went on as several."""
    async with on.deployments.serving(chain, continue_after_events=12, queue="short") as deployed:
        run = await deployed.start(chain, Note(text="a"), "continued")
        await run.result()
    return run


async def gone_on(on: Stage) -> Execution[Any]:
    """Terminated at a gate, resumed, and completed."""
    run, _ = await on.deployed.gate(signed, Note(text="a"), "gone_on")
    await run.handle.terminate("enough")
    await resumed(on.deployed.client, await look(on.deployed.client, run.id), by="Ada", note="Once more.")
    run = find(on.deployed.client, signed, run.id)
    await _approved(run, "Ada")
    await run.result()
    return run


async def reset(on: Stage) -> Execution[Any]:
    """Reset twice: to where the gate was about to open, and to its beginning."""
    run, _ = await on.deployed.gate(payout, Note(text="A-7 700"), "reset")
    point = await task_after(run, "ACTIVITY_TASK_COMPLETED")
    await _approved(run, "Ada", "Ben")
    await run.result()
    await on.deployed.reset(run, point)
    await waiting(run)
    await on.deployed.reset(run, await task_after(run, "WORKFLOW_EXECUTION_STARTED"))
    await waiting(run)
    await run.reject("No.", by="Cleo")
    return run


async def moved(on: Stage) -> Execution[Any]:
    """Moved to another plan."""
    folder = on.folder / f"moved_{on.folder.name}"
    folder.mkdir()
    project = Project(folder)
    old, new = project.loaded(last="polish"), project.loaded(last="stamp", hours=2)
    async with on.deployments.serving(old, queue="moved") as deployed:
        run, _ = await deployed.gate(old, old.input.annotation(text="a"), "moved")
    async with on.deployments.serving(new, queue="moved"):
        gate = await waiting(run)
        await run.migrate(new.plan.digest, by="Ada", note="Stamps now.")
        while (asked := await waiting(run)).gate == gate.gate:
            pass
        await run.approve(asked.number, by="Ada")
        await run.result()
    return Execution(run.handle, new)


SCENES: tuple[Scene, ...] = (
    *(by_rule, edited, guarded, undone, rejected, waits, cancelled, broken, agent),
    *(errand, errand_undone, continued, gone_on, reset, moved),
)


@dataclass
class Played:
    """A run with what was exported of it."""

    run: Execution[Any]
    library: Library
    exported: Exported

    @property
    def file(self) -> bytes:
        return written(self.exported.certificate)


OPEN = ("waits", "under_way")
"""Those whose runs do not end."""


async def played(scene: Scene, on: Stage, disclosure: Disclosure | None = None) -> Played:
    """Play a scene to the end of its run, or to where it waits, and export it."""
    world.clear()
    says.clear()
    run = await scene(on)
    if scene.__name__ not in OPEN:
        with suppress(WorkflowFailureError):  # as some of them are meant to end
            await run.handle.result()
    library = Library([run._workflow])
    return Played(run, library, await exported(on.deployed.client, library, run.id, disclosure))

"""Child runs as people find them: on the panel of their parent, by the server's list, and in lists of runs."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from gatework import picture
from gatework.temporal.client import operate
from gatework.temporal.client.parentage import children_of
from gatework.temporal.page.panel import panel
from gatework.temporal.transport.search import children
from tests.workflow.conftest import Typed
from tests.workflow.deployment import Deployments, until, waiting
from tests.workflow.families import calls, child, part, result, started
from tests.workflow.plans import Note, signed


async def test_child_runs_are_found_by_their_parent(deployments: Deployments) -> None:
    """The server lists them, and the panel's link asks the same; a picture of the run counts them."""
    inner = part(signed, "outer.found")
    outer = calls(inner)
    deployed = await deployments.serve(inner, outer)
    run = await started(deployed, outer, [{"text": "a"}, {"text": "b"}])
    one, two = [await child(run, f"found/{n}", inner) for n in (1, 2)]
    await one.approve((await waiting(one)).number)
    asked = await waiting(two)

    async def seen() -> bool:
        found = await children_of(deployed.client, run.id)
        return sorted(each.status for each in found.runs) == ["completed", "running"]

    await until(seen, "both child runs in the server's list")
    found = await children_of(deployed.client, run.id)
    assert {each.id for each in found.runs} == {f"{run.id}/found/1", f"{run.id}/found/2"}
    assert not found.more
    state = await run.state()
    assert parse_qs(urlsplit(state.children_link).query)["query"] == [children(run.id)]
    assert "found has 2 child runs: 1 done, 1 under way." in panel(state)
    facts = picture.facts_of(
        outer.plan, await run.ledger(), state.statuses, run=run.id, outcome=state.status, overrides=state.overrides
    )
    assert facts.nodes["found"].children == {"completed": 1}
    await two.approve(asked.number)
    await result(run)


async def test_child_run_is_listed_alone_only_where_it_waits(
    deployments: Deployments, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A person must find what waits for them; what runs by itself is its parent's to show."""
    inner = part(signed, "outer.found")
    outer = calls(inner)
    deployed = await deployments.serve(inner, outer)
    run = await started(deployed, outer, [{"text": "a"}])
    queue = (await run.handle.describe()).task_queue
    monkeypatch.setattr(operate, "task_queue", lambda: queue)
    one = await child(run, "found/1", inner)
    asked = await waiting(one)

    async def listed(*, ended: bool = False, waits: bool = False) -> set[str]:
        found, _ = await operate.runs(deployed.client, ended=ended, waiting=waits)
        return {each.id for each in found}

    async def asks() -> bool:
        return await listed(waits=True) == {one.id}

    await until(asks, "the child run that waits, alone among those that do")
    assert await listed() == {run.id, one.id}
    await one.approve(asked.number)
    await result(run)

    async def over() -> bool:
        return await listed() == set() and await listed(ended=True) == {run.id, one.id}

    await until(over, "both runs among those that ended")


async def test_show_lists_child_runs_and_draws_the_run(deployments: Deployments, typed: Typed, tmp_path: Path) -> None:
    """What is left to do, with the id to look at; the picture is of the plan that the run is held to."""
    inner = part(signed, "outer.found")
    outer = calls(inner)
    deployed = await deployments.serve(inner, outer)
    run = await started(deployed, outer, [{"text": "a"}])
    one = await child(run, "found/1", inner)
    asked = await waiting(one)

    async def there() -> bool:
        return f"{one.id}" in (await typed("show", run.id)).stdout

    await until(there, "the child run in what is shown of its parent")
    assert "1 child run: 1 " in (await typed("show", run.id)).stdout
    (told,) = json.loads((await typed("show", run.id, "--json")).stdout)["children"]
    assert (told["id"], told["workflow"], told["status"]) == (one.id, "outer.found", "running")
    await one.approve(asked.number)
    await result(run)
    lone = await (await deployments.serve(signed)).start(signed, Note(text="x"), id=f"{deployments.queue}-lone")
    waits = await waiting(lone)
    file = tmp_path / "run.svg"
    code = ("--code", "tests.workflow.plans:signed")
    drawn = await typed("show", lone.id, "--svg", str(file), *code)
    assert drawn.exit_code == 0, drawn.stderr
    assert f"run {lone.id}: waiting" in file.read_text(encoding="utf-8")
    flowchart = await typed("show", lone.id, "--mermaid", *code)
    assert "accTitle: A run of signed" in flowchart.stdout
    missing = await typed("show", lone.id, "--svg", str(file), "--code", "tests.workflow.plans:single")
    assert (missing.exit_code, missing.stderr.count("\n")) == (1, 1)
    assert "is neither in this project nor in its lock files" in missing.stderr
    await lone.approve(waits.number)

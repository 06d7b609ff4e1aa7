"""Values beyond what the server takes: they go through the store, and are what they were, or the run waits."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from temporalio.api.common.v1 import Payload
from temporalio.client import WorkflowHandle, WorkflowQueryFailedError
from temporalio.worker import Worker

from gatework import Endorsed, stage, workflow
from gatework.errors import ContractError
from gatework.releases.library import Library
from gatework.temporal import GateworkPlugin, find
from gatework.temporal.client.history import Leg, legs, rebuilt
from gatework.values import canonical
from tests.workflow.conftest import Typed
from tests.workflow.deployment import Deployed, Deployments, count, events, until, waiting
from tests.workflow.plans import Note, Paper, big, heavy, signed, single

MIB = 1024 * 1024


@pytest.fixture
def store(tmp_path: Path) -> str:
    (folder := tmp_path / "store").mkdir()
    return str(folder)


def kept(store: str) -> list[Path]:
    return [path for path in (Path(store) / "values").rglob("*") if path.is_file()]


async def legs_of(deployed: Deployed, id: str) -> list[Leg]:
    described = await deployed.client.get_workflow_handle(id).describe()
    return await legs(deployed.client, id, described.run_id or "")


async def test_value_of_5_mb_passes_through_a_run_as_a_small_one_does(
    deployments: Deployments, store: str, record_property: Any
) -> None:
    """Input, stages, evidence, approval, result and ledger: the history holds references."""
    deployed = await deployments.serve(single, signed, store=store)
    text = "é" * (5 * MIB // 2)
    began = time.perf_counter()
    run = await deployed.start(single, Note(text=text))
    assert (await run.result()).text == text
    took = time.perf_counter() - began
    held = sum(event.ByteSize() for event in await events(run))
    assert held < 12_000
    record_property("told", f"5 MiB in and out of a stage: {took:.2f} s, history {held} bytes")
    gated, asked = await deployed.gate(signed, Note(text=text))
    assert asked.left_out
    shown: Mapping[str, Any] = {}
    for name in asked.left_out:  # which is how a person reads what is large; the number is at the end of the last
        shown = await gated.evidence(name)
        assert len(json.dumps(shown, ensure_ascii=False).encode()) > 5 * MIB
    await gated.approve(str(shown["number"]))
    assert (await gated.result()).text == text
    assert await count(gated, "WORKFLOW_TASK_FAILED") == 0
    [leg] = await legs_of(deployed, gated.id)
    assert (await rebuilt(leg, Library([signed]), deployed.client.data_converter)).ledger == await gated.ledger()


async def test_state_beyond_2_mb_continues_as_new_with_its_ledger(
    deployments: Deployments, store: str, record_property: Any
) -> None:
    """Three values of 5 MB are handed on, and the run ends as it would have without."""
    deployed = await deployments.serve(heavy, store=store, continue_after_events=6)
    began = time.perf_counter()
    run = await deployed.start(heavy, Note(text=str(5 * MIB)))
    assert (await run.result()).text == "joined"
    took = time.perf_counter() - began
    found = await legs_of(deployed, run.id)
    assert len(found) > 2
    largest = max(sum(event.ByteSize() for event in leg.events) for leg in found)
    assert largest < 30_000
    ledger = await run.ledger()
    assert [entry.receipt.node for entry in ledger if entry.receipt.kind == "output"] == ["one", "two", "three", "join"]
    for leg in found:
        names = [event.workflow_task_failed_event_attributes.failure.message for event in leg.events]
        assert not any(names)
    # A worker without a store of its own leads to the same history: what was possible is written down there.
    again = await rebuilt(found[-1], Library([heavy]), deployed.client.data_converter)
    assert again.ledger == ledger
    record_property("told", f"15 MiB of state over {len(found)} runs: {took:.2f} s, largest history {largest} bytes")


async def test_same_value_is_kept_once(deployments: Deployments, store: str) -> None:
    """Content lies under its digest; a replay writes nothing new."""
    deployed = await deployments.serve(heavy, store=store)
    run = await deployed.start(heavy, Note(text=str(MIB)))
    await run.result()
    before = {path: path.stat().st_mtime_ns for path in kept(store)}
    assert all(path.name.isalnum() and path.stat().st_mode & 0o777 == 0o600 for path in before)
    for leg in await legs_of(deployed, run.id):
        await rebuilt(leg, Library([heavy]), deployed.client.data_converter)
    assert {path: path.stat().st_mtime_ns for path in kept(store)} == before


async def test_value_beyond_what_a_store_makes_possible_is_to_be_a_document(
    deployments: Deployments, store: str
) -> None:
    """A workflow thinks no longer about a value than Temporal lets it."""
    deployed = await deployments.serve(heavy, store=store)
    run, asked = await deployed.gate(heavy, Note(text=str(9 * MIB)))
    assert (
        f"more than the {canonical.MAX_STORED_VALUE_BYTES} that a value may have; pass a Document" in asked.reasons[0]
    )
    await run.abort("Too large.")
    with pytest.raises(ContractError, match="pass a Document"):
        await deployed.start(single, Note(text="x" * (9 * MIB)))


async def test_client_and_stage_without_a_store_are_told_of_it(deployments: Deployments) -> None:
    """The limit is as it was, and the sentence says what makes it another."""
    deployed = await deployments.serve(heavy)
    run, asked = await deployed.gate(heavy, Note(text="1100000"))
    assert "more than the 1048576 that a value may have; pass a Document, or set GATEWORK_STORE" in asked.reasons[0]
    await run.abort("Too large.")
    with pytest.raises(ContractError, match="set GATEWORK_STORE"):
        await deployed.start(single, Note(text="x" * (2 * MIB)))


async def failures(handle: WorkflowHandle[Any, Any]) -> list[str]:
    history = await handle.fetch_history()
    found = [event.workflow_task_failed_event_attributes.failure for event in history.events]
    return [failure.message for failure in found if failure.message and "reset" not in failure.message.lower()]


async def test_workflow_whose_values_are_not_to_be_had_waits_and_goes_on_when_they_are(
    deployments: Deployments, store: str
) -> None:
    """A worker without the store, and content that was changed, each say so in a sentence; no run is lost."""
    async with deployments.serving(signed, store=store) as deployed:
        run, asked = await deployed.gate(signed, Note(text="x" * MIB))
    async with deployments.serving(signed) as blind:
        answered = find(blind.client, signed, run.id)
        with pytest.raises(WorkflowQueryFailedError, match="set GATEWORK_STORE"):
            await answered.state()
        await answered.handle.signal("nothing")  # wakes the workflow
        said = await until(lambda: failures(answered.handle), "a failed task")
        assert "set GATEWORK_STORE" in said[0], said
    harmed = kept(store)
    for path in harmed:
        path.rename(path.with_suffix(".away"))
        path.write_bytes(b"forged")
    known = len(said)
    async with deployments.serving(signed, store=store) as deployed:
        await deployed.client.get_workflow_handle(run.id).signal("nothing")

        async def more() -> list[str]:
            return (await failures(answered.handle))[known:]

        said = await until(more, "another failed task")
        assert "is not what was put there" in said[0], said
        assert store in said[0]
        for path in harmed:
            path.with_suffix(".away").rename(path)
        again = find(deployed.client, signed, run.id)
        shown = (await waiting(again)).number
        assert shown == asked.number
        assert await again.evidence()
        await again.approve(
            asked.number if not asked.left_out else (await again.evidence(asked.left_out[-1]))["number"]
        )
        assert len((await again.result()).text) == MIB


async def test_reference_that_somebody_made_up_reads_nothing(deployments: Deployments, store: str) -> None:
    """Whoever can send payloads can send references: they name a digest, and never a path."""
    (Path(store).parent / "secret").write_bytes(
        Payload(metadata={"encoding": b"json/plain"}, data=b'"s"').SerializeToString()
    )
    deployed = await deployments.serve(single, store=store)
    for claim in (
        {"sha256": "../../secret", "size_bytes": "30"},
        {"sha256": "0" * 64, "size_bytes": "-1"},
        {"sha256": "0" * 64, "size_bytes": "9" * 5000},
        {"sha256": "0" * 64},
        {},
    ):
        reference = {"driverName": "gatework.folder", "claimData": claim}
        payload = Payload(
            metadata={"encoding": b"json/protobuf", "messageType": b"temporal.api.sdk.v1.ExternalStorageReference"},
            data=json.dumps(reference).encode(),
        )
        id = await deployed.start_raw("single", payload)
        handle = deployed.client.get_workflow_handle(id)
        said = await until(lambda handle=handle: failures(handle), "a failed task")
        assert any(
            words in said[0] for words in ("no digest", "nothing that this store has given", "is not in the store")
        )
        await handle.terminate()


async def test_command_takes_a_large_input_where_there_is_a_store(
    deployments: Deployments, typed: Typed, store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And says what to set where there is none."""
    await deployments.serve(single, store=store)
    (tmp_path / "note.json").write_text(json.dumps({"text": "x" * (2 * MIB)}))
    monkeypatch.delenv("GATEWORK_STORE", raising=False)
    told = await typed("run", "tests.workflow.plans:single", f"@{tmp_path / 'note.json'}", "--wait", "--json")
    assert told.exit_code in (1, 2), told.output
    assert "set GATEWORK_STORE" in told.output
    monkeypatch.setenv("GATEWORK_STORE", store)
    told = await typed("run", "tests.workflow.plans:single", f"@{tmp_path / 'note.json'}", "--wait", "--json")
    assert told.exit_code == 0, told.output[:1000]
    assert len(json.loads(told.stdout)["result"]["text"]) == 2 * MIB


async def test_run_with_nothing_large_has_the_same_history_with_a_store(deployments: Deployments, store: str) -> None:
    """Event for event: a store costs those who do not need it nothing."""
    kinds = []
    for place in ("", store):
        async with deployments.serving(single, store=place) as deployed:
            run = await deployed.start(single, Note(text="small"))
            await run.result()
            kinds.append([event.event_type for event in await events(run)])
    assert kinds[0] == kinds[1]
    assert kept(store) == []


@stage(on="storeless", attempts=1)
async def shorten(paper: Endorsed[Paper]) -> Endorsed[Paper]:
    return Endorsed(Paper(text=paper.value.text[:10]))


@workflow
def shortened(note: Endorsed[Note]) -> Endorsed[Paper]:
    paper = big(note)
    return shorten(paper)


async def test_stage_that_cannot_reach_the_store_asks_a_person_and_goes_on(
    deployments: Deployments, store: str
) -> None:
    """The activity never begins; what is asked says why, and `retry` goes on once its worker has the store."""
    deployed = await deployments.serve(shortened, store=store)
    client = await deployments.client(GateworkPlugin(shortened))
    async with Worker(client, task_queue="storeless"):
        run, asked = await deployed.gate(shortened, Note(text=str(MIB)))
    assert asked.node == "shorten"
    assert "values that are in a store, and there is none here; set GATEWORK_STORE" in asked.reasons[0]
    client = await deployments.client(GateworkPlugin(shortened, store=store))
    async with Worker(client, task_queue="storeless"):
        await run.retry("It has the store now.")
        assert (await run.result()).text == "x" * 10


async def test_result_that_is_not_to_be_had_is_one_sentence_for_an_operator(
    deployments: Deployments, typed: Typed, store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A command without the store says what to set; with it, it shows the value."""
    deployed = await deployments.serve(signed, store=store)
    run, _ = await deployed.gate(signed, Note(text="y" * MIB))
    monkeypatch.delenv("GATEWORK_STORE", raising=False)
    told = await typed("show", run.id, "--json")
    assert told.exit_code == 3, told.output[:500]
    assert "set GATEWORK_STORE" in told.output
    monkeypatch.setenv("GATEWORK_STORE", store)
    told = await typed("show", run.id, "--json")
    assert told.exit_code == 0, told.output[:500]
    assert "y" * 1000 in told.output
    await run.abort("Seen.")


async def test_run_that_holds_large_values_is_resumed_with_them(
    deployments: Deployments, typed: Typed, store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a worker rebuilds from the history goes through the store, too."""
    monkeypatch.setenv("GATEWORK_STORE", store)
    deployed = await deployments.serve(signed, store=store)
    text = "z" * (3 * MIB)
    run, _ = await deployed.gate(signed, Note(text=text))
    await run.handle.terminate("gone wrong")
    told = await typed("resume", run.id, "--from", "paper", "--yes")
    assert told.exit_code == 0, told.output[:1000]
    again = find(deployed.client, signed, run.id)
    asked = await waiting(again)
    shown: Mapping[str, Any] = {}
    for name in asked.left_out:
        shown = await again.evidence(name)
    await again.approve(str(shown["number"]))
    assert (await again.result()).text == text


@stage()
async def same(paper: Endorsed[Paper]) -> Endorsed[Paper]:
    return paper


@workflow
def inner(paper: Endorsed[Paper]) -> Endorsed[Paper]:
    return same(paper)


@workflow
def outer(note: Endorsed[Note]) -> Endorsed[Paper]:
    paper = big(note)
    found = inner(paper)
    return same(found)


async def test_child_run_is_handed_and_gives_back_a_large_value(deployments: Deployments, store: str) -> None:
    """It goes through the store on both ways, and a worker without one replays it alike."""
    deployed = await deployments.serve(outer, inner, store=store)
    run = await deployed.start(outer, Note(text=str(5 * MIB)))
    assert len((await run.result()).text) == 5 * MIB
    for leg in await legs_of(deployed, run.id):
        found = await rebuilt(leg, Library([outer, inner]), deployed.client.data_converter)
        assert found.ledger == await run.ledger()

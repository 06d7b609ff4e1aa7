"""Captions on the real server: the timeline names each stage, and every run says what it is."""

from __future__ import annotations

import uuid

from temporalio.api.enums.v1 import EventType

from tests.workflow.deployment import Deployments, events, waiting
from tests.workflow.plans import Note, signed


async def test_timeline_names_stage_and_role(deployments: Deployments) -> None:
    """Activities and timers say at which stage of how many they are."""
    deployed = await deployments.serve(signed)
    run, asked = await deployed.gate(signed, Note(text="a"))
    await run.approve(asked.number)
    await run.result()
    shown = {
        EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED: ["stage 1/3 paper, attempt 1", "stage 3/3 file, attempt 1"],
        EventType.EVENT_TYPE_TIMER_STARTED: ["stage 2/3 agreed, waits for boss"],
    }
    for kind, captions in shown.items():
        told = [event.user_metadata.summary.data.decode() for event in await events(run) if event.event_type == kind]
        assert told == [f'"{caption}"' for caption in captions]


async def test_run_that_the_standard_client_starts_says_what_it_is(deployments: Deployments) -> None:
    """With the plugin every start has summary and details; those that the caller gives stand."""
    deployed = await deployments.serve(signed)
    for given, said in (None, "One stage, one approval, one stage."), ("Mine.", "Mine."):
        handle = await deployed.client.start_workflow(
            signed.run, Note(text="a"), id=f"said-{uuid.uuid4()}", task_queue=deployed.queue, static_summary=given
        )
        described = await handle.describe()
        assert await described.static_summary() == said
        assert "Terminate stops it at once" in (await described.static_details() or "")
        await handle.cancel()


async def test_run_started_by_us_is_described_once(deployments: Deployments) -> None:
    """`start` and the plugin say the same."""
    deployed = await deployments.serve(signed)
    run = await deployed.start(signed, Note(text="a"))
    assert await (await run.handle.describe()).static_summary() == "One stage, one approval, one stage."
    await waiting(run)
    await run.abort("test")

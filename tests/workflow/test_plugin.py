"""The plugin beside what an application had before: its workflows, its sandbox, its converter, its codec."""

from __future__ import annotations

import base64
import dataclasses
import uuid
from collections.abc import Iterable, Sequence
from datetime import timedelta

import pytest
from temporalio import activity, workflow
from temporalio.api.common.v1 import Payload
from temporalio.converter import (
    DataConverter,
    DefaultFailureConverterWithEncodedAttributes,
    DefaultPayloadConverter,
    PayloadCodec,
)
from temporalio.worker import Worker
from temporalio.worker.workflow_sandbox import RestrictedWorkflowAccessError

from gatework import Endorsed
from gatework import workflow as plan
from gatework.errors import ConfigError, DecisionError, PlanError
from gatework.temporal import GateworkPlugin
from tests.workflow.deployment import Deployed, Deployments, events
from tests.workflow.plans import Note, Paper, chain, refund, signed, single, work


@activity.defn
async def greet(name: str) -> str:
    return f"Hello, {name}"


@workflow.defn
class Greeting:
    """An application's own workflow, which stays in the sandbox."""

    @workflow.run
    async def run(self, name: str) -> list[str]:
        try:
            open("/etc/hostname").close()
            sandboxed = "no"
        except RestrictedWorkflowAccessError:
            sandboxed = "yes"
        return [await workflow.execute_activity(greet, name, start_to_close_timeout=timedelta(seconds=20)), sandboxed]


async def _greeted(deployed: Deployed) -> list[str]:
    greeting: list[str] = await deployed.client.execute_workflow(
        Greeting.run, "Ada", id=f"greeting-{uuid.uuid4()}", task_queue=deployed.queue
    )
    return greeting


async def test_workflows_of_the_application_keep_their_sandbox(deployments: Deployments) -> None:
    """On one worker and client: the application's workflow in its sandbox, and ours beside it."""
    client = await deployments.client(GateworkPlugin(single))
    deployed = Deployed(client, deployments.queue)
    async with Worker(client, task_queue=deployments.queue, workflows=[Greeting], activities=[greet]):
        assert await _greeted(deployed) == ["Hello, Ada", "yes"]
        assert await (await deployed.start(single, Note(text="a"))).result() == Paper(text="a")


class Scrambled(PayloadCodec):
    """A codec that leaves no plain text, as an encrypting one does."""

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return [
            Payload(metadata={"encoding": b"binary/scrambled"}, data=base64.b85encode(p.SerializeToString()[::-1]))
            for p in payloads
        ]

    async def decode(self, payloads: Iterable[Payload]) -> list[Payload]:
        return [Payload.FromString(base64.b85decode(payload.data)[::-1]) for payload in payloads]


async def test_encrypting_codec_of_the_application_hides_everything(deployments: Deployments) -> None:
    """With an encrypting codec and encoded failures the history holds no plain text, and all works as before."""
    secret = "PLAIN-TEXT-OF-THE-CUSTOMER"
    converter = DataConverter(
        payload_codec=Scrambled(), failure_converter_class=DefaultFailureConverterWithEncodedAttributes
    )
    plugin = GateworkPlugin(signed)
    client = await deployments.client(plugin, data_converter=converter)
    assert isinstance(client.data_converter.payload_codec, Scrambled)
    deployed = Deployed(client, deployments.queue)
    async with Worker(client, task_queue=deployments.queue):
        run, asked = await deployed.gate(signed, Note(text=secret))
        with pytest.raises(DecisionError, match="four digits"):
            await run.approve("nope")
        with pytest.raises(DecisionError, match="must be integer"):
            await run.edit({"text": secret, "pages": secret})
        await run.approve(asked.number, by=secret, note=secret)
        assert await run.result() == Paper(text=secret)
        rejected, _ = await deployed.gate(signed, Note(text=secret))
        await rejected.reject(secret)
        with pytest.raises(Exception, match="failed") as caught:
            await rejected.result()
        assert secret in str(caught.value.__cause__)
    for of in (run, rejected):
        for event in await events(of):
            assert secret.encode() not in event.SerializeToString(), event


class Loud(DefaultPayloadConverter):
    """An application's own converter."""


async def test_converter_of_the_application_is_kept(deployments: Deployments) -> None:
    """An application that has a converter of its own keeps it, and plans work all the same."""
    converter = dataclasses.replace(DataConverter.default, payload_converter_class=Loud)
    client = await deployments.client(GateworkPlugin(signed), data_converter=converter)
    assert client.data_converter.payload_converter_class is Loud
    deployed = Deployed(client, deployments.queue)
    async with Worker(client, task_queue=deployments.queue, workflows=[Greeting], activities=[greet]):
        assert (await _greeted(deployed))[0] == "Hello, Ada"
        id = await deployed.start_raw("signed", Payload(metadata={"encoding": b"json/plain"}, data=b'{"text": "a"}'))
        run = await deployed.start(signed, Note(text="a"), id)
        progress = await run.waiting(timeout=timedelta(seconds=30))
        assert progress.waiting
        with pytest.raises(DecisionError):
            await run.approve("0000")
        await run.approve(progress.waiting.number)
        assert await run.result() == Paper(text="a")


async def test_plugin_on_the_worker_alone_is_refused(deployments: Deployments) -> None:
    """Given to the Worker only, the plugin says where it belongs."""
    client = await deployments.client()
    with pytest.raises(ConfigError, match=r"Client\.connect"):
        Worker(client, task_queue=deployments.queue, plugins=[GateworkPlugin(single)])


async def test_plugin_given_twice_is_refused(deployments: Deployments) -> None:
    """Given to the client and to its worker, the plugin says that once is enough."""
    plugin = GateworkPlugin(single)
    client = await deployments.client(plugin)
    with pytest.raises(ConfigError, match="given twice"):
        Worker(client, task_queue=deployments.queue, plugins=[plugin])


async def test_two_plugins_serve_side_by_side(deployments: Deployments) -> None:
    """Two plugins with different plans serve on one worker."""
    client = await deployments.client(GateworkPlugin(single), GateworkPlugin(refund))
    deployed = Deployed(client, deployments.queue)
    async with Worker(client, task_queue=deployments.queue):
        assert await (await deployed.start(single, Note(text="a"))).result() == Paper(text="a")
        assert (await (await deployed.start(refund, Note(text="A-1"))).result()).order == "A-1"


async def test_two_plugins_that_share_a_stage_are_refused(deployments: Deployments) -> None:
    """A stage is served once: plans that share one belong into one plugin."""
    client = await deployments.client(GateworkPlugin(single), GateworkPlugin(chain))
    with pytest.raises(ConfigError, match="one plugin"):
        Worker(client, task_queue=deployments.queue)


def test_two_workflows_of_one_name_are_refused() -> None:
    """Two plans of one name cannot be told apart by Temporal."""

    def other() -> object:
        @plan
        def single(note: Endorsed[Note]) -> Endorsed[Paper]:
            return work(note)

        return single

    with pytest.raises(PlanError, match="two workflows are named single"):
        GateworkPlugin(single, other())  # type: ignore[arg-type]


def test_heartbeat_timeout_below_a_second_is_refused() -> None:
    """Temporal counts in whole seconds; nothing would mean that no death is ever noticed."""
    with pytest.raises(ConfigError, match="at least a second"):
        GateworkPlugin(single, heartbeat_timeout=timedelta())


async def test_heartbeat_timeout_is_what_temporal_is_told(deployments: Deployments) -> None:
    """The plugin's setting is in the history: how soon the server gives a silent worker's stage to another."""
    deployed = await deployments.serve(single, heartbeat_timeout=timedelta(seconds=7))
    run = await deployed.start(single, Note(text="a"))
    await run.result()
    asked = [event.activity_task_scheduled_event_attributes for event in await events(run)]
    assert [a.heartbeat_timeout.seconds for a in asked if a.HasField("activity_type")] == [7]

"""Hostile input of a workflow: the run fails with one sentence, and no workflow task of it ever sticks."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration
from temporalio.api.common.v1 import Payload, RetryPolicy

from gatework.machine.machine import new, step
from gatework.releases.library import Library
from gatework.temporal import Execution
from gatework.temporal.workflow.beginning import Carried
from gatework.testing.factories import begun_from
from gatework.values import wire
from gatework.values.canonical import Sealed
from tests.workflow.deployment import Deployed, Deployments, count, end, events, outside_payloads, payload
from tests.workflow.plans import signed, single
from tests.workflow.test_hostile_updates import ENCODINGS, HOSTILE, MARK

WRONG = {
    **HOSTILE,
    "null": b"null",
    "number for text": b'{"text": 5}',
    "null for text": b'{"text": null}',
    "missing field": b"{}",
    "extra field": b'{"text": "a", "' + MARK.encode() + b'": 1}',
    "list around it": b'[{"text": "a"}]',
    "JSON in JSON": b'"{\\"text\\": \\"a\\"}"',
    "true for text": b'{"text": true}',
    "the value twice": b'{"text": "a", "text": "b"}',
    "surrogate in text": rb'{"text": "\udc00"}',
    "above the limit in text": b'{"text": "' + b"x" * 1_100_000 + b'"}',
}


async def _refused(deployed: Deployed, *payloads: Payload, name: str = "") -> str:
    """The sentence with which a run is refused that starts from these payloads."""
    run = Execution(deployed.client.get_workflow_handle(await deployed.start_raw("single", *payloads)), single)
    failure = await end(run)
    assert failure.type in ("gatework.contract", "gatework.refusal"), (name, failure)
    assert failure.non_retryable
    assert failure.cause is None, name
    assert MARK not in await outside_payloads(run), name
    assert await count(run, "WORKFLOW_TASK_FAILED") == 0, name
    assert await count(run, "ACTIVITY_TASK_SCHEDULED") == 0, name
    failed = (await events(run))[-1].workflow_execution_failed_event_attributes.failure
    assert failed.stack_trace == "", name
    assert len(failure.message.splitlines()) == 1, name
    assert len(failure.message) < 300, name
    return failure.message


async def test_hostile_input_fails_the_run_with_one_sentence(deployments: Deployments) -> None:
    """Input that breaks the contract ends the run at once; the reason repeats nothing of it."""
    deployed = await deployments.serve(single)
    for name, data in WRONG.items():
        message = await _refused(deployed, payload(data), name=name)
        assert message.startswith("input of single"), (name, message)


async def test_wrong_encodings_of_the_input_fail_the_run(deployments: Deployments) -> None:
    """A payload of another encoding than JSON is refused, whatever its bytes."""
    deployed = await deployments.serve(single)
    for encoding in ENCODINGS:
        assert "json/plain" in await _refused(deployed, payload(b'{"text": "a"}', encoding))
    assert "input of single" in await _refused(deployed, payload(b"", b"binary/null"))


@pytest.mark.parametrize("many", [0, 2, 3])
async def test_other_numbers_of_arguments_fail_the_run(deployments: Deployments, many: int) -> None:
    """A run starts from one value: none, two and three are refused, also where they cannot be decoded.

    The second of two asks to resume a run, and is read as nothing else.
    """
    deployed = await deployments.serve(single)
    assert ("input of single" if many == 2 else f"{many} were given") in await _refused(
        deployed, *[payload(b'{"text": "a"}')] * many
    )
    if many:
        assert await _refused(deployed, *[payload(b"\xff" + MARK.encode(), MARK.encode())] * many)


# -- forged state ----------------------------------------------------------------------------------


def _forged() -> bytes:
    """What a run would hand on that waits at a gate of `signed`, with a value of the forger's."""
    plan = Library([signed]).plans("signed")[0].plan
    begun = step(plan, new(plan), begun_from(plan, Sealed.of({"text": MARK}, b"0" * 16)))
    return wire.encode(Carried(state=begun.state, ledger=(), expires="", secret=""))


RETRIES = RetryPolicy(maximum_attempts=3, initial_interval=Duration(nanos=50_000_000))


@pytest.mark.parametrize("more", [{}, {"retry_policy": RETRIES}], ids=["plain", "with a retry policy"])
async def test_forged_state_is_not_believed(deployments: Deployments, more: dict[str, Any]) -> None:
    """A caller who sends the state of a run is refused like any other wrong input, and not tried again."""
    deployed = await deployments.serve(signed)
    id = await deployed.start_raw("signed", payload(_forged()), **more)
    run = Execution(deployed.client.get_workflow_handle(id), signed)
    failure = await end(run)
    assert failure.message.startswith("input of signed")
    assert MARK not in await outside_payloads(run)


async def test_forged_state_is_not_believed_in_a_retried_run(deployments: Deployments) -> None:
    """A run that timed out and is retried names a run before it, and its input is still the caller's."""
    calling = await deployments.calling()
    client = calling.client
    id = await calling.start_raw(
        "signed", payload(_forged()), retry_policy=RETRIES, workflow_run_timeout=Duration(seconds=1)
    )
    # The first run times out, because there is no worker yet.
    first = await client.get_workflow_handle(id).describe()
    while (await client.get_workflow_handle(id).describe()).run_id == first.run_id:
        pass
    async with deployments.serving(signed) as deployed:
        run = Execution(deployed.client.get_workflow_handle(id), signed)
        assert (await end(run)).message.startswith("input of signed")
    assert await count(run, "ACTIVITY_TASK_SCHEDULED") == 0


async def test_salt_that_comes_with_an_input_is_used_once(deployments: Deployments) -> None:
    """Where Temporal starts a run again on the same input, no digest of the first run names anything in the next."""
    deployed = await deployments.serve(signed)
    salted = payload(b'{"text": "x"}')
    salted.metadata["gatework-salt"] = b"0" * 64
    id = await deployed.start_raw("signed", salted, retry_policy=RETRIES, workflow_run_timeout=Duration(seconds=3))
    latest = deployed.client.get_workflow_handle(id)
    digests: dict[str, str] = {}
    while len(digests) < 2:
        run_id = (await latest.describe()).run_id
        run = Execution(deployed.client.get_workflow_handle(id, run_id=run_id), signed)
        await run.waiting()
        digests[run_id] = (await run.ledger())[0].receipt.output
    assert len(set(digests.values())) == 2
    await latest.terminate()


async def test_cron_string_is_refused_in_every_run(deployments: Deployments) -> None:
    """A cron string makes runs that name the run before them; each of them is refused."""
    deployed = await deployments.serve(signed)
    id = await deployed.start_raw("signed", payload(_forged()), cron_schedule="@every 1s")
    seen: set[str] = set()
    while len(seen) < 3:
        handle = deployed.client.get_workflow_handle(id)
        described = await handle.describe()
        if described.run_id not in seen:
            seen.add(described.run_id)
    for run_id in list(seen)[:2]:
        run = Execution(deployed.client.get_workflow_handle(id, run_id=run_id), signed)
        assert await count(run, "ACTIVITY_TASK_SCHEDULED") == 0
    await deployed.client.get_workflow_handle(id).terminate()


async def test_retry_policy_does_not_repeat_a_run_that_was_refused(deployments: Deployments) -> None:
    """A person's no is not retried by Temporal."""
    deployed = await deployments.serve(signed)
    id = await deployed.start_raw("signed", payload(b'{"text": "a"}'), retry_policy=RETRIES)
    run = Execution(deployed.client.get_workflow_handle(id), signed)
    first = (await run.handle.describe()).run_id
    await run.waiting(timeout=timedelta(seconds=30))
    await run.reject("No.")
    assert (await end(run)).type == "gatework.rejected"
    assert (await run.handle.describe()).run_id == first

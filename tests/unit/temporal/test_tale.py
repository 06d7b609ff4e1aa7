"""What Temporal wrote of a run, told also where it cannot be read."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from temporalio.api.common.v1 import ActivityType, Payload, Payloads
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import ActivityTaskScheduledEventAttributes, HistoryEvent
from temporalio.converter import DataConverter, PayloadCodec

from gatework.temporal.client.history import Leg
from gatework.temporal.client.tale import tasks


class WrongKey(Exception):
    """As a library of cryptography raises it."""


class Locked(PayloadCodec):
    """A codec whose key is another one."""

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return list(payloads)

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        raise WrongKey


async def test_attempt_that_cannot_be_decrypted_is_told_by_its_type() -> None:
    """Whatever the codec raises, the rest of the story can be told."""
    asked = ActivityTaskScheduledEventAttributes(
        activity_type=ActivityType(name="stage.pay"), input=Payloads(payloads=[Payload(data=b"secret")])
    )
    event = HistoryEvent(
        event_id=5,
        event_type=EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED,
        activity_task_scheduled_event_attributes=asked,
    )
    converter = dataclasses.replace(DataConverter.default, payload_codec=Locked())
    found = await tasks(Leg(id="a", run_id="b", events=[event]), converter)
    assert found[5].place == {"stage": "stage.pay"}

"""A server that says who sent a signal, made of one that has no authorizer and says nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import (
    FetchWorkflowHistoryEventsInput,
    Interceptor,
    OutboundInterceptor,
    WorkflowHistoryEventAsyncIterator,
)


class Vouching(Interceptor):
    """Puts beside each signal who sent it: type and name, in the order in which signals of a name come."""

    def __init__(self, senders: Mapping[str, list[tuple[str, str]]]) -> None:
        self._senders = senders

    def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:
        return _Told(next, self._senders)


class _Told(OutboundInterceptor):
    def __init__(self, next: OutboundInterceptor, senders: Mapping[str, list[tuple[str, str]]]) -> None:
        super().__init__(next)
        self._senders = senders

    def fetch_workflow_history_events(
        self, input: FetchWorkflowHistoryEventsInput
    ) -> WorkflowHistoryEventAsyncIterator:
        events: Any = super().fetch_workflow_history_events(input)

        async def stamped() -> AsyncIterator[HistoryEvent]:
            left = {name: list(senders) for name, senders in self._senders.items()}
            async for event in events:
                name = event.workflow_execution_signaled_event_attributes.signal_name
                if event.event_type == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED and left.get(name):
                    event.principal.type, event.principal.name = left[name].pop(0)
                yield event

        return stamped()  # type: ignore[return-value]

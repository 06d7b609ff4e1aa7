"""What comes with a run where a client with the plugin starts it: the salt of its input, and its captions."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any

from temporalio.api.common.v1 import Payload
from temporalio.client import Interceptor, OutboundInterceptor, StartWorkflowInput, WorkflowHandle
from temporalio.common import RawValue
from temporalio.converter import PayloadConverter

from gatework.define.workflow import Workflow
from gatework.temporal.transport import captions

_FIELD = "gatework-salt"


def salt_of(value: object) -> str:
    """The salt in a payload's metadata, 64 hex digits; empty where there is none."""
    found = value.payload.metadata.get(_FIELD, b"") if isinstance(value, RawValue) else b""
    return found.decode() if re.fullmatch(rb"[0-9a-f]{64}", found) else ""


class Salting(Interceptor):
    """Sends a salt with the input of these workflows, as part of the payload, so that a codec encrypts it, too.

    What the UI says of a run is that of its workflow, unless the caller has said something else.
    """

    def __init__(self, workflows: Mapping[str, Workflow[Any, Any]], converter: PayloadConverter) -> None:
        self._workflows = workflows
        self._converter = converter

    def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:
        return _Starting(next, self._workflows, self._converter)


class _Starting(OutboundInterceptor):
    def __init__(
        self, next: OutboundInterceptor, workflows: Mapping[str, Workflow[Any, Any]], converter: PayloadConverter
    ) -> None:
        super().__init__(next)
        self._workflows = workflows
        self._converter = converter

    async def start_workflow(self, input: StartWorkflowInput) -> WorkflowHandle[Any, Any]:
        if workflow := self._workflows.get(input.workflow):
            input.static_summary = input.static_summary or captions.summary(workflow)
            input.static_details = input.static_details or captions.details(workflow)
        if workflow and len(input.args) == 1:
            payload = Payload()
            payload.CopyFrom(self._converter.to_payloads(input.args)[0])
            payload.metadata[_FIELD] = os.urandom(32).hex().encode()
            input.args = [RawValue(payload)]
        return await super().start_workflow(input)

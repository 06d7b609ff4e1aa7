"""The salt of a run's input, which comes with it: made where the run is started, by a client that has the plugin."""

from __future__ import annotations

import os
import re
from collections.abc import Collection
from typing import Any

from temporalio.api.common.v1 import Payload
from temporalio.client import Interceptor, OutboundInterceptor, StartWorkflowInput, WorkflowHandle
from temporalio.common import RawValue
from temporalio.converter import PayloadConverter

_FIELD = "gatework-salt"


def salt_of(value: object) -> str:
    """The salt in a payload's metadata, 64 hex digits; empty where there is none."""
    found = value.payload.metadata.get(_FIELD, b"") if isinstance(value, RawValue) else b""
    return found.decode() if re.fullmatch(rb"[0-9a-f]{64}", found) else ""


class Salting(Interceptor):
    """Sends a salt with the input of these workflows. It is part of the payload, so a codec encrypts it, too."""

    def __init__(self, workflows: Collection[str], converter: PayloadConverter) -> None:
        self._workflows = workflows
        self._converter = converter

    def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:
        return _Starting(next, self._workflows, self._converter)


class _Starting(OutboundInterceptor):
    def __init__(self, next: OutboundInterceptor, workflows: Collection[str], converter: PayloadConverter) -> None:
        super().__init__(next)
        self._workflows = workflows
        self._converter = converter

    async def start_workflow(self, input: StartWorkflowInput) -> WorkflowHandle[Any, Any]:
        if input.workflow in self._workflows and len(input.args) == 1:
            payload = Payload()
            payload.CopyFrom(self._converter.to_payloads(input.args)[0])
            payload.metadata[_FIELD] = os.urandom(32).hex().encode()
            input.args = [RawValue(payload)]
        return await super().start_workflow(input)

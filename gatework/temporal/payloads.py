"""Raw payloads: bytes in and out of Temporal, so that every boundary is validated by us and nobody else."""

from __future__ import annotations

import dataclasses
from typing import Any

from temporalio.api.common.v1 import Payload
from temporalio.common import RawValue
from temporalio.contrib.pydantic import PydanticPayloadConverter
from temporalio.converter import DataConverter, DefaultFailureConverter, DefaultPayloadConverter, PayloadConverter
from temporalio.exceptions import ApplicationError

from gatework.errors import ContractError, GateworkError

REFUSAL = "gatework.refusal"
"""Prefix of the failure types that are an answer to a person, not a fault of the program."""


def raw(data: bytes) -> RawValue:
    """JSON bytes as they are."""
    return RawValue(Payload(metadata={"encoding": b"json/plain"}, data=data))


def data_of(value: RawValue | None) -> bytes | None:
    """The JSON bytes in a payload, or None where there is none. Raises `ContractError` for other encodings."""
    if value is None:
        return None
    encoding = value.payload.metadata.get("encoding", b"")
    if encoding == b"binary/null":
        return b"null"
    if encoding != b"json/plain":
        raise ContractError("the payload is not encoded as json/plain")
    return value.payload.data


def application_error(error: GateworkError, *, retryable: bool = False) -> ApplicationError:
    """One of our errors as Temporal's, without the chain of causes, which would carry values into history."""
    return ApplicationError(error.message, type=f"gatework.{error.code}", non_retryable=not retryable)


def refusal(reason: str) -> ApplicationError:
    """An answer to a person who asked for what cannot be: one sentence, no stack."""
    return ApplicationError(reason, type=REFUSAL, non_retryable=True)


class FailureConverter(DefaultFailureConverter):
    """Temporal's own, but an error of ours carries its sentence and no stack: the UI shows it to a person."""

    def to_failure(self, exception: BaseException, payload_converter: PayloadConverter, failure: Any) -> None:
        super().to_failure(exception, payload_converter, failure)
        if isinstance(exception, ApplicationError) and (exception.type or "").startswith("gatework."):
            failure.stack_trace = ""


def data_converter(existing: DataConverter | None) -> DataConverter:
    """An application's converter, speaking pydantic and with our failures; what it set itself is kept."""
    converter = existing or DataConverter.default
    changes: dict[str, Any] = {}
    if converter.payload_converter_class is DefaultPayloadConverter:
        changes["payload_converter_class"] = PydanticPayloadConverter
    if converter.failure_converter_class is DefaultFailureConverter:
        changes["failure_converter_class"] = FailureConverter
    return dataclasses.replace(converter, **changes) if changes else converter

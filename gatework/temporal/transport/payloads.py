"""Raw payloads: bytes in and out of Temporal, so that every boundary is validated by us and nobody else."""

from __future__ import annotations

import dataclasses
from functools import cached_property
from typing import Any

from temporalio import workflow
from temporalio.api.common.v1 import Payload
from temporalio.common import RawValue
from temporalio.contrib.pydantic import PydanticJSONPlainPayloadConverter, PydanticPayloadConverter
from temporalio.converter import (
    DataConverter,
    DefaultFailureConverter,
    DefaultPayloadConverter,
    EncodingPayloadConverter,
    ExternalStorage,
    PayloadConverter,
)
from temporalio.exceptions import ApplicationError

from gatework.errors import ConfigError, ContractError, GateworkError, StoreError

OURS = "gatework."
"""Prefix of the types of our failures."""

UNREADY = f"{OURS}unready"
"""Type of the failure with which a worker gives back work on a plan that it does not have."""

NOT_HAD = "gatework.store"
"""Type of a failure to have a value from the store, or to put one there, which may be after something was done."""

REFUSAL = "gatework.refusal"
"""Type of a failure that is an answer to a person, not a fault of the program."""


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
    return ApplicationError(error.message, type=f"{OURS}{error.code}", non_retryable=not retryable)


def refusal(reason: str) -> ApplicationError:
    """An answer to a person who asked for what cannot be: one sentence, no stack."""
    return ApplicationError(reason, type=REFUSAL, non_retryable=True)


def not_had(error: BaseException) -> GateworkError | None:
    """Why a value that is in a store cannot be had, or put there; None for an error of something else."""
    found: BaseException | None = error
    while found is not None:  # Temporal's drivers, and its worker, wrap what the store says
        if isinstance(found, StoreError):
            return found
        if isinstance(found, RuntimeError) and str(found).startswith("[TMPRL1105]"):
            return ConfigError("The run holds values that are in a store, and there is none here; set GATEWORK_STORE.")
        found = found.__cause__
    return None


class OwnPayloads:
    """Base of workflows that read their payloads themselves."""

    undoing: bool = False
    """Whether the run is undoing what it did: then it goes on, though it has been cancelled."""


class FailureConverter(DefaultFailureConverter):
    """Temporal's own, but an error of ours carries its sentence and no stack: the UI shows it to a person."""

    def to_failure(self, exception: BaseException, payload_converter: PayloadConverter, failure: Any) -> None:
        # Outside of any workflow stands only the input of one that fails where it cannot be read, as ours do.
        if not workflow.in_workflow() or isinstance(workflow.instance(), OwnPayloads):
            exception = _said(exception)
        super().to_failure(exception, payload_converter, failure)
        if isinstance(exception, GateworkError) or _ours(exception):
            failure.stack_trace = ""


def _ours(exception: BaseException) -> bool:
    return isinstance(exception, ApplicationError) and (exception.type or "").startswith(OURS)


def _said(exception: BaseException) -> BaseException:
    """What Temporal itself refuses before our code sees it, in a sentence without the values that it quotes."""
    if isinstance(exception, RuntimeError) and str(exception) == "Failed decoding arguments":
        return refusal("What was sent cannot be read: send one JSON value, or nothing.")
    # What an activity was sent is decoded before it begins; what it gives, after.
    if (why := not_had(exception)) is not None:
        return ApplicationError(why.message, type=NOT_HAD)
    if isinstance(exception, RuntimeError) and str(exception).startswith("Update handler for "):
        return refusal("There is no update of that name.")
    return exception


class _Json(EncodingPayloadConverter):
    """Pydantic's converter of JSON, made when a value is converted."""

    @property
    def encoding(self) -> str:
        return "json/plain"

    @cached_property
    def _made(self) -> PydanticJSONPlainPayloadConverter:
        return PydanticJSONPlainPayloadConverter()

    def to_payload(self, value: Any) -> Payload | None:
        return self._made.to_payload(value)

    def from_payload(self, payload: Payload, type_hint: type | None = None) -> Any:
        return self._made.from_payload(payload, type_hint)


_OTHERS = {
    converter.encoding.encode(): converter
    for converter in DefaultPayloadConverter.default_encoding_payload_converters
    if converter.encoding != "json/plain"
}


class SparingConverter(PydanticPayloadConverter):
    """Pydantic's converter, which costs nothing where nothing is converted.

    Temporal makes one for each workflow task, and our runs read their payloads themselves.
    """

    def __init__(self) -> None:  # instead of that of the base, which makes all of it
        self.converters = {**_OTHERS, b"json/plain": _Json()}


def data_converter(existing: DataConverter | None, storage: ExternalStorage | None = None) -> DataConverter:
    """An application's converter, speaking pydantic, with our failures and a store; what it set itself is kept."""
    converter = existing or DataConverter.default
    changes: dict[str, Any] = {}
    if converter.payload_converter_class is DefaultPayloadConverter:
        changes["payload_converter_class"] = SparingConverter
    if converter.failure_converter_class is DefaultFailureConverter:
        changes["failure_converter_class"] = FailureConverter
    if converter.external_storage is None and storage is not None:
        changes["external_storage"] = storage
    return dataclasses.replace(converter, **changes) if changes else converter

"""The store of a deployment, as GATEWORK_STORE names it: a folder or a bucket, for documents and for large values.

Values that are too large for the server go through Temporal's own external storage. A workflow in which one of them
could not have been had without a store says so in its history, so that a worker without one replays it alike.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from io import BytesIO

from temporalio import workflow
from temporalio.api.common.v1 import Payload
from temporalio.converter import (
    DataConverter,
    ExternalStorage,
    StorageDriver,
    StorageDriverClaim,
    StorageDriverRetrieveContext,
    StorageDriverStoreContext,
)

from gatework.errors import ConfigError, StoreError
from gatework.values import canonical, wire
from gatework.values.store import VARIABLE, Folder, Shelf, Store, folder_at, verified

THRESHOLD_BYTES = 256 * 1024
"""From here on a payload goes into the store: about where that is quicker than sending it."""

_MOST_BYTES = 2 * wire.MAX_STORED_BYTES
"""More than any payload of ours has, sealed and with what a codec adds."""


def configured() -> str:
    """Where this deployment keeps what is too large for the server; empty where nothing is set."""
    return os.environ.get(VARIABLE, "").strip()


def documents(location: str = "") -> Store:
    """The documents of this deployment: those in the store that GATEWORK_STORE names, unless a location is given.

    Raises `ConfigError` where there is none, or the location is no place.
    """
    location = location or configured()
    if not location:
        raise ConfigError(f"There is no store of documents; set {VARIABLE} to a folder, or to s3://BUCKET/PREFIX.")
    if (folder := folder_at(location)) is not None:
        return Store(Folder(folder))
    from gatework.temporal.transport.buckets import bucket_at

    return Store(bucket_at(location).shelf)


def external(location: str) -> ExternalStorage | None:
    """Where values lie that are too large for the server; None where there is no store. Raises `ConfigError`."""
    if not location:
        return None
    if (folder := folder_at(location)) is not None:
        driver: StorageDriver = _FolderDriver(Folder(folder, "values"))
    else:
        from gatework.temporal.transport.buckets import bucket_at

        driver = bucket_at(location).driver(_MOST_BYTES)
    return ExternalStorage(drivers=[driver], payload_size_threshold=THRESHOLD_BYTES)


def with_store(location: str) -> DataConverter:
    """Temporal's own converter, with the store at a location."""
    return dataclasses.replace(DataConverter.default, external_storage=external(location))


def is_plain(converter: DataConverter) -> bool:
    """Whether a converter is Temporal's own, or `with_store` of it: that of a client without the plugin."""
    plain = DataConverter.default
    return converter.payload_codec is None and (
        (converter.payload_converter_class, converter.failure_converter_class)
        == (plain.payload_converter_class, plain.failure_converter_class)
    )


def reading(converter: DataConverter) -> DataConverter:
    """The same converter, which puts nothing into the store: for a replay, of which nothing is kept."""
    if converter.external_storage is None:
        return converter
    storage = dataclasses.replace(converter.external_storage, driver_selector=lambda _context, _payload: None)
    return dataclasses.replace(converter, external_storage=storage)


def has_store(converter: DataConverter) -> bool:
    """Whether what is too large for the server goes into a store."""
    return converter.external_storage is not None


def most_in_value(stores: bool) -> int:
    """How many bytes a value may have."""
    return canonical.MAX_STORED_VALUE_BYTES if stores else canonical.MAX_VALUE_BYTES


def most_in_message(converter: DataConverter) -> int:
    """How many bytes an activity may answer with."""
    return wire.MAX_STORED_BYTES if has_store(converter) else wire.MAX_MESSAGE_BYTES


def fits(size_bytes: int, most_bytes: int, stored_bytes: int, marker: str, *, stores: bool) -> bool:
    """Whether a workflow may take what has this size: `most_bytes` without a store, `stored_bytes` with one.

    `stores` says whether this worker has one. Where it matters the history has the answer, under the marker.
    """
    if size_bytes <= most_bytes or size_bytes > stored_bytes:
        return size_bytes <= most_bytes
    if not (workflow.patched(marker) if workflow.unsafe.is_replaying() else stores):
        return False
    return workflow.patched(marker)


def may_carry(size_bytes: int, marker: str, stores: bool) -> bool:
    """Whether a workflow may hand on a state of this size, as `fits`."""
    return fits(size_bytes, wire.MAX_MESSAGE_BYTES, wire.MAX_STORED_BYTES, marker, stores=stores)


def most_of_input(size_bytes: int, stores: bool) -> int:
    """How many bytes the input of a run may have, where it has so many, as `fits`."""
    least, most = canonical.MAX_VALUE_BYTES, canonical.MAX_STORED_VALUE_BYTES
    return most if fits(size_bytes, least, most, "gatework-stored-input", stores=stores) else least


class _FolderDriver(StorageDriver):
    """Payloads in a folder, by the digest of all that they are."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf

    def name(self) -> str:
        return "gatework.folder"

    def type(self) -> str:
        return "gatework.folder"

    async def store(self, context: StorageDriverStoreContext, payloads: Sequence[Payload]) -> list[StorageDriverClaim]:
        claims = []
        for payload in payloads:
            sha256, size = await self._shelf.keep(payload.SerializeToString(deterministic=True), _MOST_BYTES)
            claims.append(StorageDriverClaim(claim_data={"sha256": sha256, "size_bytes": str(size)}))
        return claims

    async def retrieve(
        self, context: StorageDriverRetrieveContext, claims: Sequence[StorageDriverClaim]
    ) -> list[Payload]:
        payloads = []
        for claim in claims:
            into = BytesIO()
            size = claim.claim_data.get("size_bytes", "")
            if not (size.isascii() and size.isdigit() and int(size[:12]) <= _MOST_BYTES):
                raise StoreError("What stands for a value in the history is nothing that this store has given.")
            await verified(self._shelf, claim.claim_data.get("sha256", ""), int(size), into)
            payloads.append(Payload.FromString(into.getvalue()))
        return payloads

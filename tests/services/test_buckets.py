"""Stores in a bucket: Temporal's own driver for S3, and documents, against a server that speaks S3."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from typing import Any

import pytest
from moto.server import ThreadedMotoServer
from temporalio.api.common.v1 import Payload
from temporalio.converter import StorageDriverClaim, StorageDriverRetrieveContext, StorageDriverStoreContext

from gatework import Document
from gatework.errors import ConfigError, StoreError
from gatework.temporal import documents
from gatework.temporal.buckets import Bucket, bucket_at
from tests.workflow.deployment import Deployments, events
from tests.workflow.plans import Note, single
from tests.workflow.test_documents import shouted

CONTENT = b"seven zebras"
SETTINGS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "eu-central-1"}


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """Where a server listens that speaks S3, on this machine."""
    moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    moto.start()
    host, port = moto.get_host_and_port()
    yield f"http://{host}:{port}"
    moto.stop()


@pytest.fixture
async def bucket(server: str, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    """An empty bucket; its part under `ours/` is the store."""
    for name, value in {**SETTINGS, "AWS_ENDPOINT_URL_S3": server}.items():
        monkeypatch.setenv(name, value)
    name = f"store-{os.urandom(6).hex()}"
    made = bucket_at(f"s3://{name}/ours")
    async with raw(made) as client:
        await client.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    return made


def raw(bucket: Bucket) -> Any:
    import aioboto3

    return aioboto3.Session().client("s3")


async def keys(bucket: Bucket) -> list[str]:
    async with raw(bucket) as client:
        found = await client.list_objects_v2(Bucket=bucket.bucket)
    return [each["Key"] for each in found.get("Contents", [])]


async def write(bucket: Bucket, key: str, data: bytes) -> None:
    async with raw(bucket) as client:
        await client.put_object(Bucket=bucket.bucket, Key=key, Body=data)


async def test_document_in_a_bucket_is_what_was_put_there(bucket: Bucket) -> None:
    """Written, read, opened, changed, gone: as in a folder."""
    store = documents(bucket.said)
    await store.ready()
    document = await store.put(CONTENT, name="a.txt")
    key = f"ours/documents/{document.sha256[:2]}/{document.sha256}"
    assert await keys(bucket) == [key]
    assert await store.read(document) == CONTENT
    with await store.open(document) as file:
        assert file.read() == CONTENT
    await write(bucket, key, b"forged bytes")
    with pytest.raises(StoreError, match="is not what was put there"):
        await store.read(document)
    await store.put(CONTENT)
    assert await store.read(document) == CONTENT
    assert await store.erase(document)
    assert not await store.erase(document)
    assert await keys(bucket) == []
    with pytest.raises(StoreError, match=r"it was erased, or was put into another store\.$"):
        await store.read(document)


async def test_bucket_that_is_missing_is_named_with_what_to_do(bucket: Bucket) -> None:
    """Without a word of the provider's, which may hold anything."""
    store = documents(f"s3://missing-{os.urandom(4).hex()}")
    with pytest.raises(StoreError, match=r"cannot be used \(nosuchbucket\); make it"):
        await store.put(CONTENT)
    with pytest.raises(ConfigError, match="cannot be used"):
        await store.ready()


async def test_payloads_of_others_are_out_of_reach(bucket: Bucket) -> None:
    """Whoever writes a history names bucket and key: what is not under our prefix is not read, and all is verified."""
    driver = bucket.driver(1_000_000)
    payload = Payload(metadata={"encoding": b"json/plain"}, data=b'"x"')
    [claim] = await driver.store(StorageDriverStoreContext(), [payload])
    assert await driver.retrieve(StorageDriverRetrieveContext(), [claim]) == [payload]
    [key] = await keys(bucket)
    assert key.startswith("ours/values/")
    await write(bucket, "secret", payload.SerializeToString())
    for change in ({"bucket": "another"}, {"key": "../../secret"}, {"key": "secret"}):
        forged = StorageDriverClaim(claim_data={**claim.claim_data, **change})
        with pytest.raises((StoreError, RuntimeError)):
            await driver.retrieve(StorageDriverRetrieveContext(), [forged])
    await write(bucket, key, Payload(data=b'"y"').SerializeToString())
    with pytest.raises(ValueError, match="integrity check failed"):
        await driver.retrieve(StorageDriverRetrieveContext(), [claim])


@pytest.mark.parametrize(
    "location", ["s3://", "s3://B", "s3://bucket/../other", "s3://bucket/a//b", "ftp://bucket", "s3://b?x=1"]
)
def test_location_that_is_no_bucket_is_refused(location: str) -> None:
    """Before anything is reached."""
    with pytest.raises(ConfigError, match="is no place"):
        bucket_at(location)


async def test_runs_keep_documents_and_large_values_in_a_bucket(bucket: Bucket, deployments: Deployments) -> None:
    """On a real server, by one setting."""
    deployed = await deployments.serve(single, shouted, store=bucket.said)
    text = "x" * 3_000_000
    run = await deployed.start(single, Note(text=text))
    assert (await run.result()).text == text
    assert sum(event.ByteSize() for event in await events(run)) < 16_000
    store = documents(bucket.said)
    large: Document = await store.put(b"hello " * 4_000_000, name="large.txt")
    result = await (await deployed.start(shouted, large)).result()
    assert (await store.read(result.document)).startswith(b"HELLO")
    assert {key.split("/")[1] for key in await keys(bucket)} == {"values", "documents"}
    await asyncio.gather(store.erase(large), store.erase(result.document))

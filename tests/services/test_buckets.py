"""Stores in a bucket: documents, and values by Temporal's drivers, on servers that speak S3 and Google's API."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from typing import Any

import aioboto3
import pytest
from aiohttp import ClientSession
from gcloud.aio.storage import Storage
from gcp_storage_emulator.server import create_server
from moto.server import ThreadedMotoServer
from temporalio.api.common.v1 import Payload
from temporalio.converter import StorageDriverClaim, StorageDriverRetrieveContext, StorageDriverStoreContext

from gatework import Document
from gatework.errors import ConfigError, StoreError
from gatework.temporal import documents
from gatework.temporal.transport.buckets import bucket_at
from gatework.temporal.transport.payloads import not_had
from tests import ports
from tests.workflow.deployment import Deployments, events
from tests.workflow.plans import Note, single
from tests.workflow.test_documents import shouted

CONTENT = b"seven zebras"
SETTINGS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "eu-central-1"}


class Held:
    """A bucket as whoever owns it sees it; its part under `ours/` is the store."""

    def __init__(self, scheme: str) -> None:
        self.scheme = scheme
        self.name = f"store-{os.urandom(6).hex()}"
        self.said = f"{scheme}://{self.name}/ours"

    async def make(self) -> None:
        async with self._client() as client:
            if self.scheme == "gs":
                await client.create_bucket(self.name)
            else:
                region = {"LocationConstraint": "eu-central-1"}
                await client.create_bucket(Bucket=self.name, CreateBucketConfiguration=region)

    async def keys(self) -> list[str]:
        async with self._client() as client:
            if self.scheme == "gs":
                return [each["name"] for each in (await client.list_objects(self.name)).get("items", [])]
            found = await client.list_objects_v2(Bucket=self.name)
        return [each["Key"] for each in found.get("Contents", [])]

    async def write(self, key: str, data: bytes) -> None:
        async with self._client() as client:
            if self.scheme == "gs":
                await client.upload(self.name, key, data)
            else:
                await client.put_object(Bucket=self.name, Key=key, Body=data)

    def _client(self) -> Any:
        return _Google() if self.scheme == "gs" else aioboto3.Session().client("s3")


class _Google(Storage):
    async def create_bucket(self, name: str) -> None:
        url = f"{os.environ['STORAGE_EMULATOR_HOST']}/storage/v1/b?project=test"
        async with ClientSession() as session, session.post(url, json={"name": name}) as answer:
            answer.raise_for_status()


@pytest.fixture(scope="module")
def servers() -> Iterator[dict[str, str]]:
    """Servers on this machine that speak S3 and Google's API, and the settings of their clients."""
    moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    moto.start()
    host, port = moto.get_host_and_port()
    free = ports.spare_ports()
    google = create_server("127.0.0.1", free, in_memory=True)
    google.start()
    yield {
        **SETTINGS,
        "AWS_ENDPOINT_URL_S3": f"http://{host}:{port}",
        "STORAGE_EMULATOR_HOST": f"http://127.0.0.1:{free}",
    }
    google.stop()
    moto.stop()


@pytest.fixture(params=["s3", "gs"])
async def bucket(request: pytest.FixtureRequest, servers: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Held:
    """An empty bucket."""
    for name, value in servers.items():
        monkeypatch.setenv(name, value)
    held = Held(request.param)
    await held.make()
    return held


async def test_document_in_a_bucket_is_what_was_put_there(bucket: Held) -> None:
    """Written, read, opened, changed, gone: as in a folder."""
    store = documents(bucket.said)
    await store.ready()
    document = await store.put(CONTENT, name="a.txt")
    key = f"ours/documents/{document.sha256[:2]}/{document.sha256}"
    assert await bucket.keys() == [key]
    assert await store.read(document) == CONTENT
    with await store.open(document) as file:
        assert file.read() == CONTENT
    await bucket.write(key, b"forged bytes")
    with pytest.raises(StoreError, match="is not what was put there"):
        await store.read(document)
    await store.put(CONTENT)
    assert await store.read(document) == CONTENT
    assert await store.erase(document)
    assert not await store.erase(document)
    assert await bucket.keys() == []
    with pytest.raises(StoreError, match=r"it was erased, or was put into another store\.$"):
        await store.read(document)


async def test_bucket_that_is_missing_is_named_with_what_to_do(bucket: Held) -> None:
    """Without a word of the provider's, which may hold anything."""
    store = documents(f"{bucket.scheme}://missing-{os.urandom(4).hex()}")
    with pytest.raises(StoreError, match=r"cannot be used \((nosuchbucket|404)\); make it"):
        await store.put(CONTENT)
    with pytest.raises(ConfigError, match="cannot be used"):
        await store.ready()


async def test_payloads_of_others_are_out_of_reach(bucket: Held) -> None:
    """Whoever writes a history names bucket and key: what is not under our prefix is not read, and all is verified."""
    driver = bucket_at(bucket.said).driver(1_000_000)
    payload = Payload(metadata={"encoding": b"json/plain"}, data=b'"x"')
    [claim] = await driver.store(StorageDriverStoreContext(), [payload])
    assert await driver.retrieve(StorageDriverRetrieveContext(), [claim]) == [payload]
    [key] = await bucket.keys()
    assert key.startswith("ours/values/")
    await bucket.write("secret", payload.SerializeToString())
    name = "key" if bucket.scheme == "s3" else "object_name"
    for change in (
        {"bucket": "another"},
        {name: "../../secret"},
        {name: "secret"},
        {name: f"v0/../../d/sha256/{'0' * 64}"},
    ):
        forged = StorageDriverClaim(claim_data={**claim.claim_data, **change})
        with pytest.raises(RuntimeError) as caught:
            await driver.retrieve(StorageDriverRetrieveContext(), [forged])
        assert "nothing that this store has given" in str(not_had(caught.value))
    await bucket.write(key, Payload(data=b'"y"').SerializeToString())
    with pytest.raises(RuntimeError) as caught:
        await driver.retrieve(StorageDriverRetrieveContext(), [claim])
    assert "is not what was put there" in str(not_had(caught.value))


@pytest.mark.parametrize(
    "location", ["s3://", "s3://B", "s3://bucket/../other", "s3://bucket/a//b", "ftp://bucket", "s3://b?x=1"]
)
def test_location_that_is_no_bucket_is_refused(location: str) -> None:
    """Before anything is reached."""
    with pytest.raises(ConfigError, match="is no place"):
        bucket_at(location)


async def test_runs_keep_documents_and_large_values_in_a_bucket(bucket: Held, deployments: Deployments) -> None:
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
    assert {key.split("/")[1] for key in await bucket.keys()} == {"values", "documents"}
    await asyncio.gather(store.erase(large), store.erase(result.document))

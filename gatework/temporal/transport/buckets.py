"""Stores in buckets: values by Temporal's own drivers for S3 and Google Cloud, documents by the clients of these."""

from __future__ import annotations

import hashlib
import re
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from importlib import import_module
from typing import Any

from temporalio.contrib.aws.s3driver import S3StorageDriver, S3StorageDriverClient
from temporalio.contrib.gcp.gcsdriver import GCSStorageDriver, GCSStorageDriverClient
from temporalio.converter import StorageDriver

from gatework.errors import ConfigError, StoreError
from gatework.values.store import VARIABLE, Shelf

_LOCATION = re.compile(r"(s3|gs)://([a-z0-9][a-z0-9._-]{1,220}[a-z0-9])((?:/[A-Za-z0-9!_.*'()=-]+)*)/?", re.ASCII)
_VALUE = re.compile(r"v0/[!-~]{0,1000}/?d/sha256/[0-9a-f]{64}", re.ASCII)
"""The keys of Temporal's drivers."""
_MISSING = {"404", "NoSuchKey", "NoSuchBucket", "NotFound"}


class Bucket(ABC):
    """A bucket, or all that begins with a prefix in it. Nothing else is reached, whatever a history names."""

    extra: str
    """What of Gatework must be installed for it."""

    def __init__(self, said: str, bucket: str, prefix: str) -> None:
        self.said = said
        self.bucket = bucket
        self.prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
        self.shelf = _BucketShelf(self)

    @abstractmethod
    def driver(self, max_bytes: int) -> StorageDriver:
        """Temporal's own driver, for values."""

    @abstractmethod
    async def put(self, key: str, data: bytes) -> None:
        """Write an object."""

    @abstractmethod
    async def get(self, key: str) -> bytes:
        """Read an object."""

    @abstractmethod
    async def has(self, key: str) -> bool:
        """Whether there is such an object."""

    @abstractmethod
    async def delete(self, key: str) -> None:
        """Remove an object."""

    def module(self, name: str) -> Any:
        """A module of a library that is installed for this kind of bucket only."""
        try:
            return import_module(name)
        except ImportError:
            raise ConfigError(f"{VARIABLE} names a bucket; install gatework[{self.extra}] for it.") from None


class _S3(Bucket):
    extra = "s3"

    def driver(self, max_bytes: int) -> StorageDriver:
        return S3StorageDriver(_S3Client(_Values(self)), self.bucket, max_payload_size=max_bytes)

    async def put(self, key: str, data: bytes) -> None:
        async with self._client() as client:
            await client.put_object(bucket=self.bucket, key=self.prefix + key, data=data)

    async def get(self, key: str) -> bytes:
        async with self._client() as client:
            data: bytes = await client.get_object(bucket=self.bucket, key=self.prefix + key)
            return data

    async def has(self, key: str) -> bool:
        async with self._client() as client:
            there: bool = await client.object_exists(bucket=self.bucket, key=self.prefix + key)
            return there

    async def delete(self, key: str) -> None:
        async with self._raw() as client:
            await client.delete_object(Bucket=self.bucket, Key=self.prefix + key)

    @asynccontextmanager
    async def _client(self) -> AsyncGenerator[S3StorageDriverClient]:
        adapter = self.module("temporalio.contrib.aws.s3driver.aioboto3")
        async with self._raw() as client:
            yield adapter.new_aioboto3_client(client)

    @asynccontextmanager
    async def _raw(self) -> AsyncGenerator[Any]:
        # A client for each use: one that is kept belongs to one event loop, and somebody must close it.
        async with self.module("aioboto3").Session().client("s3") as client:
            yield client


class _S3Client(S3StorageDriverClient):
    """What Temporal's driver reaches: our bucket, under our prefix."""

    def __init__(self, values: _Values) -> None:
        self._values = values

    async def put_object(self, *, bucket: str, key: str, data: bytes) -> None:
        await self._values.put(bucket, key, data)

    async def object_exists(self, *, bucket: str, key: str) -> bool:
        return await self._values.has(bucket, key)

    async def get_object(self, *, bucket: str, key: str) -> bytes:
        return await self._values.get(bucket, key)


class _GCS(Bucket):
    extra = "gcs"

    def driver(self, max_bytes: int) -> StorageDriver:
        return GCSStorageDriver(_GCSClient(_Values(self)), self.bucket, max_payload_size=max_bytes)

    async def put(self, key: str, data: bytes) -> None:
        # Written anew where it is there already, which mends it; Temporal's own client leaves it as it is.
        async with self._raw() as client:
            await client.upload(self.bucket, self.prefix + key, data, content_type="application/octet-stream")

    async def get(self, key: str) -> bytes:
        async with self._client() as client:
            data: bytes = await client.get_object(bucket=self.bucket, object_name=self.prefix + key)
            return data

    async def has(self, key: str) -> bool:
        async with self._client() as client:
            there: bool = await client.object_exists(bucket=self.bucket, object_name=self.prefix + key)
            return there

    async def delete(self, key: str) -> None:
        async with self._raw() as client:
            await client.delete(self.bucket, self.prefix + key)

    @asynccontextmanager
    async def _client(self) -> AsyncGenerator[GCSStorageDriverClient]:
        adapter = self.module("temporalio.contrib.gcp.gcsdriver.gcloud_aio")
        async with self._raw() as client:
            yield adapter.new_gcloud_aio_client(client)

    @asynccontextmanager
    async def _raw(self) -> AsyncGenerator[Any]:
        async with self.module("gcloud.aio.storage").Storage() as client:
            yield client


class _GCSClient(GCSStorageDriverClient):
    """What Temporal's driver reaches: our bucket, under our prefix."""

    def __init__(self, values: _Values) -> None:
        self._values = values

    async def put_object(self, *, bucket: str, object_name: str, data: bytes) -> None:
        await self._values.put(bucket, object_name, data)

    async def object_exists(self, *, bucket: str, object_name: str) -> bool:
        return await self._values.has(bucket, object_name)

    async def get_object(self, *, bucket: str, object_name: str) -> bytes:
        return await self._values.get(bucket, object_name)


class _Values:
    """The values in a bucket, as Temporal's drivers name them: by a key that ends with the digest of what is there.

    Bucket and key are said by a history, and so by whoever wrote it.
    """

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket

    async def put(self, bucket: str, key: str, data: bytes) -> None:
        async with explained(self._bucket.said):
            await self._bucket.put(self._key(bucket, key), data)

    async def has(self, bucket: str, key: str) -> bool:
        async with explained(self._bucket.said):
            return await self._bucket.has(self._key(bucket, key))

    async def get(self, bucket: str, key: str) -> bytes:
        sha256 = key.rpartition("/")[2]
        async with explained(self._bucket.said, sha256):
            data = await self._bucket.get(self._key(bucket, key))
        if hashlib.sha256(data).hexdigest() != sha256:
            raise StoreError.changed(sha256, self._bucket.said)
        return data

    def _key(self, bucket: str, key: str) -> str:
        if bucket != self._bucket.bucket or not _VALUE.fullmatch(key) or ".." in key.split("/"):
            raise StoreError("What stands for a value in the history is nothing that this store has given.")
        return f"values/{key}"


class _BucketShelf(Shelf):
    """Documents in a bucket. Each is moved as a whole, as the clients of Temporal's drivers do."""

    def __init__(self, bucket: Bucket) -> None:
        self.said = bucket.said
        self._bucket = bucket

    async def save(self, pieces: AsyncIterator[bytes], max_bytes: int) -> tuple[str, int]:
        data = bytearray()
        async for piece in pieces:
            data += piece
            if len(data) > max_bytes:
                raise StoreError.too_large(max_bytes)
        sha256 = hashlib.sha256(data).hexdigest()
        async with explained(self.said):
            await self._bucket.put(_key(sha256), bytes(data))
        return sha256, len(data)

    async def load(self, sha256: str, size_bytes: int) -> AsyncGenerator[bytes]:
        async with explained(self.said, sha256):
            data = await self._bucket.get(_key(sha256))
        yield data

    async def remove(self, sha256: str) -> bool:
        async with explained(self.said):
            if not await self._bucket.has(_key(sha256)):
                return False
            await self._bucket.delete(_key(sha256))
        return True

    async def ready(self) -> None:
        try:
            async with explained(self.said):
                await self._bucket.put("documents/ready", b"ready")
                await self._bucket.delete("documents/ready")
        except StoreError as error:
            raise ConfigError(error.message) from None


@asynccontextmanager
async def explained(said: str, sha256: str = "") -> AsyncGenerator[None]:
    """Turn what a provider says into our errors, of which its own words are no part."""
    try:
        yield
    except (ConfigError, StoreError):
        raise
    except Exception as error:  # noqa: BLE001  # each provider has errors of its own
        answer = getattr(error, "response", None)
        code = str(answer.get("Error", {}).get("Code", "")) if isinstance(answer, dict) else ""
        code = code or str(getattr(error, "status", ""))
        if sha256 and code in _MISSING:
            raise StoreError.gone(sha256, said) from None
        raise StoreError.unusable(said, code if code.isalnum() else type(error).__name__) from None


def bucket_at(location: str) -> Bucket:
    """The bucket that a location names. Raises `ConfigError` where it names none."""
    named = _LOCATION.fullmatch(location)
    if named is None or ".." in location:
        raise ConfigError(f"{VARIABLE} is no place: give the whole path of a folder, s3://BUCKET/PREFIX or gs://….")
    scheme, bucket, prefix = named.groups()
    return (_S3 if scheme == "s3" else _GCS)(location, bucket, prefix)


def _key(sha256: str) -> str:
    return f"documents/{sha256[:2]}/{sha256}"

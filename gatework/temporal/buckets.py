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
from gatework.store import VARIABLE, Shelf

_LOCATION = re.compile(r"(s3|gs)://([a-z0-9][a-z0-9._-]{1,220}[a-z0-9])((?:/[A-Za-z0-9!_.*'()=-]+)*)/?", re.ASCII)
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

    def must_be_ours(self, bucket: str) -> None:
        """Raise `StoreError` for another bucket: which one to read is said by a history, and so by whoever wrote it."""
        if bucket != self.bucket:
            raise StoreError("What stands for a value in the history is nothing that this store has given.")

    def module(self, name: str) -> Any:
        """A module of a library that is installed for this kind of bucket only."""
        try:
            return import_module(name)
        except ImportError:
            raise ConfigError(f"{VARIABLE} names a bucket; install gatework[{self.extra}] for it.") from None


class _S3(Bucket):
    extra = "s3"

    def driver(self, max_bytes: int) -> StorageDriver:
        return S3StorageDriver(_S3Client(self), self.bucket, max_payload_size=max_bytes)

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

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket

    async def put_object(self, *, bucket: str, key: str, data: bytes) -> None:
        self._bucket.must_be_ours(bucket)
        await self._bucket.put(f"values/{key}", data)

    async def object_exists(self, *, bucket: str, key: str) -> bool:
        self._bucket.must_be_ours(bucket)
        return await self._bucket.has(f"values/{key}")

    async def get_object(self, *, bucket: str, key: str) -> bytes:
        self._bucket.must_be_ours(bucket)
        return await self._bucket.get(f"values/{key}")


class _GCS(Bucket):
    extra = "gcs"

    def driver(self, max_bytes: int) -> StorageDriver:
        return GCSStorageDriver(_GCSClient(self), self.bucket, max_payload_size=max_bytes)

    async def put(self, key: str, data: bytes) -> None:
        async with self._client() as client:
            await client.put_object(bucket=self.bucket, object_name=self.prefix + key, data=data)

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

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket

    async def put_object(self, *, bucket: str, object_name: str, data: bytes) -> None:
        self._bucket.must_be_ours(bucket)
        await self._bucket.put(f"values/{object_name}", data)

    async def object_exists(self, *, bucket: str, object_name: str) -> bool:
        self._bucket.must_be_ours(bucket)
        return await self._bucket.has(f"values/{object_name}")

    async def get_object(self, *, bucket: str, object_name: str) -> bytes:
        self._bucket.must_be_ours(bucket)
        return await self._bucket.get(f"values/{object_name}")


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
        async with self._explained():
            await self._bucket.put(_key(sha256), bytes(data))
        return sha256, len(data)

    async def load(self, sha256: str, size_bytes: int) -> AsyncGenerator[bytes]:
        async with self._explained(sha256):
            data = await self._bucket.get(_key(sha256))
        yield data

    async def remove(self, sha256: str) -> bool:
        async with self._explained():
            if not await self._bucket.has(_key(sha256)):
                return False
            await self._bucket.delete(_key(sha256))
        return True

    async def ready(self) -> None:
        try:
            async with self._explained():
                await self._bucket.put("documents/ready", b"")
                await self._bucket.delete("documents/ready")
        except StoreError as error:
            raise ConfigError(error.message) from None

    @asynccontextmanager
    async def _explained(self, sha256: str = "") -> AsyncGenerator[None]:
        """Turn what a provider says into our errors, of which its own words are no part."""
        try:
            yield
        except (ConfigError, StoreError):
            raise
        except Exception as error:  # noqa: BLE001  # each provider has errors of its own
            said = getattr(error, "response", None)
            code = str(said.get("Error", {}).get("Code", "")) if isinstance(said, dict) else ""
            code = code or str(getattr(error, "status", ""))
            if sha256 and code in _MISSING:
                raise StoreError.gone(sha256, self.said) from None
            raise StoreError.unusable(self.said, code if code.isalnum() else type(error).__name__) from None


def bucket_at(location: str) -> Bucket:
    """The bucket that a location names. Raises `ConfigError` where it names none."""
    named = _LOCATION.fullmatch(location)
    if named is None or ".." in location:
        raise ConfigError(f"{VARIABLE} is no place: give the whole path of a folder, s3://BUCKET/PREFIX or gs://….")
    scheme, bucket, prefix = named.groups()
    return (_S3 if scheme == "s3" else _GCS)(location, bucket, prefix)


def _key(sha256: str) -> str:
    return f"documents/{sha256[:2]}/{sha256}"

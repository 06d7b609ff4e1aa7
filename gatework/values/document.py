"""Documents: content too large for a value, which a plan passes on by its digest.

The content lies in a store. What runs in a run may read only what lies on its desk: the documents in what it was
handed, in what its tools gave, and those that it stored itself. So a digest that a model makes up, or that outside
text names, opens nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, BinaryIO, NoReturn, final

from pydantic import BaseModel, ConfigDict, Field

from gatework.errors import ContractError, GrantError, StoreError
from gatework.values.canonical import Json

if TYPE_CHECKING:
    from gatework.values.store import Content, Store

_DIGEST = re.compile(r"[0-9a-f]{64}", re.ASCII)
_MARK = b'"sha256"'
"""What the JSON of every document holds, so that values without one are told from those with one in no time."""

_NAME = r"[^/\\\x00-\x1f\x7f]"
_desk: ContextVar[Desk | None] = ContextVar("gatework_desk", default=None)


@final
class Document(BaseModel):
    """A file that a plan passes on: what names its content, which lies in the store and never in a history.

    A stage that is handed one reads it (`await document.read()`); one that hands it on costs what its name costs.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    """SHA-256 of the content, 64 hex digits: where it lies, and what it must be."""
    size_bytes: int = Field(ge=0)
    media_type: str = Field(pattern=r"^[a-z0-9][a-z0-9.+-]{0,62}/[a-z0-9][a-z0-9.+-]{0,62}$")
    """As whoever stored it says, such as `application/pdf`."""
    name: str = Field(pattern=rf"^{_NAME}*[^./\\\x00-\x1f\x7f]{_NAME}*$", max_length=200)
    """As whoever stored it says: for people, and never a path."""

    def __init_subclass__(cls, **_: Any) -> NoReturn:
        # What a run may read is found in its values by this one shape.
        raise TypeError("Document is not to be derived from; give a model of your own a field that is a Document.")

    @classmethod
    async def of(cls, content: Content, *, name: str = "", media_type: str = "") -> Document:
        """Store content from inside a stage or tool: a path, bytes, an open file, or what gives bytes piece by piece.

        `name` and `media_type` are those of the file where left out. Raises `StoreError` for what is too large, and
        `ConfigError` where the worker has no store.
        """
        desk = current("a document is stored")
        stored = await desk.store.put(content, name=name, media_type=media_type)
        desk.add(stored.sha256)
        return stored

    async def read(self) -> bytes:
        """All of the content, once it is known to be what it was.

        Raises `GrantError` where this was not handed to what runs here, `StoreError` where the content is gone or
        was changed, and `ConfigError` where the worker has no store.
        """
        return await self._on_desk().store.read(self)

    async def text(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        """All of the content as text. Raises as `read` does, and `ContractError` for what is no such text."""
        data = await self.read()
        try:
            return data.decode(encoding, errors)
        except UnicodeDecodeError as error:
            raise ContractError(f"the document is no {error.encoding} at byte {error.start}") from None

    async def open(self) -> BinaryIO:
        """The content as a file of its own, open for reading: verified as a whole, and out of reach of others.

        Raises as `read` does.
        """
        return await self._on_desk().store.open(self)

    def read_bytes(self) -> bytes:
        """As `read`, for a guard that is not async."""
        data: bytes = self._on_desk().wait_for(lambda store: store.read(self))
        return data

    def _on_desk(self) -> Desk:
        desk = current("a document is read")
        desk.must_hold(self.sha256)
        return desk


def named_in(value: Json) -> Iterator[str]:
    """The digests of the documents that a JSON value names."""
    level: list[Json] = [value]
    while level:
        inner: list[Json] = []
        for item in level:
            if isinstance(item, dict):
                digest = item.get("sha256")
                if (
                    item.keys() == Document.model_fields.keys()
                    and isinstance(digest, str)
                    and _DIGEST.fullmatch(digest)
                ):
                    yield digest
                inner.extend(item.values())
            elif isinstance(item, list):
                inner.extend(item)
        level = inner


def passes_documents(contracts: Mapping[str, Json]) -> bool:
    """Whether values of some sealed contract may name documents."""
    return any(_holds(schema) for schema in contracts.values())


def _holds(schema: Json) -> bool:
    if isinstance(schema, dict):
        properties = schema.get("properties")
        named = isinstance(properties, dict) and properties.keys() == Document.model_fields.keys()
        return named or any(_holds(item) for item in schema.values())
    return isinstance(schema, list) and any(_holds(item) for item in schema)


def named_in_bytes(data: bytes) -> Iterator[str]:
    """The same of canonical JSON."""
    return named_in(json.loads(data)) if _MARK in data else iter(())


class Desk:
    """What one stage, guard or tool may read, and where it stores."""

    def __init__(self, who: str, store: Callable[[], Store] | None) -> None:
        import asyncio  # which a definition can do without

        self._who = who
        self._store = store
        self._named: set[str] = set()
        self._loop = asyncio.get_running_loop()
        self._closed = False

    @property
    def store(self) -> Store:
        """Where documents lie. Raises `ConfigError` where the worker has no store."""
        if self._closed:
            raise GrantError(f"{self._who} has ended; nothing it left running may reach further.")
        if self._store is None:
            raise StoreError.none(self._who)
        return self._store()

    def add(self, *digests: str) -> None:
        """Lay documents on the desk."""
        self._named.update(digests)

    def strange(self, value: Json) -> bool:
        """Whether a JSON value names a document that does not lie here."""
        return any(digest not in self._named for digest in named_in(value))

    def strange_bytes(self, data: bytes) -> bool:
        """The same of canonical JSON."""
        return any(digest not in self._named for digest in named_in_bytes(data))

    def must_hold(self, digest: str) -> None:
        """Raise `GrantError` for a document that does not lie here."""
        if digest not in self._named:
            raise GrantError(
                f"{self._who} reaches for a document that it was not handed; it reads those in its inputs, "
                "in what its tools gave, and those that it stored itself."
            )

    def close(self) -> None:
        """Nothing here is reached any more."""
        self._closed = True

    def wait_for(self, work: Callable[[Store], Any]) -> Any:
        """What work on the store gives, for a thread that has no event loop."""
        import asyncio

        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return asyncio.run_coroutine_threadsafe(work(self.store), self._loop).result()
        raise GrantError(f"{self._who} would hold up everything else: write `await document.read()` where it is async.")

    @contextmanager
    def used(self) -> Generator[None]:
        """Let what runs inside use this desk, and the tasks that it starts."""
        token = _desk.set(self)
        try:
            yield
        finally:
            _desk.reset(token)

    def sit(self) -> None:
        """Let what runs in this context from here on use this desk."""
        _desk.set(self)


def current(what: str) -> Desk:
    """The desk of what runs here. Raises `GrantError` outside of a run, saying `what` was to be done."""
    desk = _desk.get()
    if desk is None:
        raise GrantError(f"{what} inside a stage, guard or tool of a run; elsewhere use `gatework.temporal.documents`.")
    return desk

"""Stores: where the content of documents lies, named by its digest, and verified whenever it is read.

Whoever else can write there is not trusted: nothing of what is read is handed on before all of it is known to be what
its digest says. What is written is there as a whole or not at all.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Sequence
from contextlib import aclosing, suppress
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, ParamSpec, TypeVar, cast

from gatework.errors import ConfigError, StoreError
from gatework.values.document import Document

P = ParamSpec("P")
T = TypeVar("T")

VARIABLE = "GATEWORK_STORE"

Content = bytes | Path | BinaryIO | AsyncIterable[bytes]
"""What can be stored: bytes, the file at a path, an open file, or what gives bytes piece by piece."""

MAX_DOCUMENT_BYTES = 256 * 1024 * 1024
"""Largest document: a worker holds all of one in memory where it reads it as a whole, or a bucket takes it."""

_PIECE_BYTES = 1024 * 1024
_ANY = "application/octet-stream"


class Shelf(ABC):
    """A place that keeps pieces of content by their digests. It need not be trusted."""

    said: str
    """What it is called in errors."""

    @abstractmethod
    async def save(self, pieces: AsyncIterator[bytes], max_bytes: int) -> tuple[str, int]:
        """Keep content; its SHA-256 and its size. Raises `StoreError` for what is too large, or cannot be kept."""

    async def keep(self, data: bytes, max_bytes: int) -> tuple[str, int]:
        """As `save`, for content that is often there already: what is whole is left as it is."""
        sha256 = hashlib.sha256(data).hexdigest()
        try:
            await verified(self, sha256, len(data), BytesIO())
        except StoreError:
            return await self.save(_pieces(data), max_bytes)
        return sha256, len(data)

    @abstractmethod
    def load(self, sha256: str, size_bytes: int) -> AsyncGenerator[bytes]:
        """Content as it lies there, piece by piece; nobody has looked whether it is what it should be.

        Raises `StoreError` where it is not there, or cannot be had.
        """

    @abstractmethod
    async def remove(self, sha256: str) -> bool:
        """Whether there was something to remove."""

    @abstractmethod
    async def ready(self) -> None:
        """Raise `ConfigError` unless it can be written to and read from."""


class Store:
    """The documents of a deployment."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf

    @property
    def said(self) -> str:
        return self._shelf.said

    async def put(self, content: Content, *, name: str = "", media_type: str = "") -> Document:
        """Store content, and name it. What is there already is written anew, so that it is whole.

        `name` and `media_type` are those of the file where left out. Raises `StoreError`.
        """
        name = _name(name or _called(content))
        sha256, size = await self._shelf.save(_pieces(content), MAX_DOCUMENT_BYTES)
        return Document(sha256=sha256, size_bytes=size, media_type=_media_type(media_type, name), name=name)

    async def read(self, document: Document) -> bytes:
        """All of the content. Raises `StoreError` where it is gone, or is not what it was."""
        into = BytesIO()
        await verified(self._shelf, document.sha256, _most(document.size_bytes), into)
        return into.getvalue()

    async def open(self, document: Document) -> BinaryIO:
        """The content as a file of its own that has no name, open for reading. Raises as `read` does."""
        return await self._copied(document.sha256, _most(document.size_bytes))

    async def fetch(self, sha256: str) -> BinaryIO:
        """As `open`, by the digest alone, for whoever has the store and need not be handed a document."""
        return await self._copied(sha256, None)

    async def erase(self, document: Document | str) -> bool:
        """Remove the content of a document, or of a digest, for ever; whether it was there.

        Values and receipts that name it stay as they are. Whoever reads it from then on is told that it is gone.
        """
        return await self._shelf.remove(_digest(document if isinstance(document, str) else document.sha256))

    async def ready(self) -> None:
        """Raise `ConfigError` unless the store can be used."""
        await self._shelf.ready()

    async def _copied(self, sha256: str, size_bytes: int | None) -> BinaryIO:
        import tempfile

        # Verified where it lies, it could be changed before it is read.
        into = cast("BinaryIO", tempfile.TemporaryFile())  # noqa: SIM115  # it is what is given
        try:
            await verified(self._shelf, sha256, size_bytes, into)
        except BaseException:
            into.close()
            raise
        into.seek(0)
        return into


def _most(size_bytes: int) -> int:
    """The size that a document claims, which may be made up. Raises `StoreError` for more than there can be."""
    if size_bytes > MAX_DOCUMENT_BYTES:
        raise StoreError.too_large(MAX_DOCUMENT_BYTES)
    return size_bytes


async def verified(shelf: Shelf, sha256: str, size_bytes: int | None, into: BinaryIO) -> None:
    """Copy content from a shelf, of this size where it is known.

    Raises `StoreError` unless it is what its digest says; the copy is void then.
    """
    size, found = 0, hashlib.sha256()
    most = MAX_DOCUMENT_BYTES if size_bytes is None else size_bytes

    def take(piece: bytes) -> None:
        found.update(piece)
        into.write(piece)

    async with aclosing(shelf.load(_digest(sha256), most)) as pieces:
        async for piece in pieces:
            size += len(piece)
            if size > most:
                break
            await _aside(take, piece)
    if size_bytes not in (None, size) or found.hexdigest() != sha256:
        raise StoreError.changed(sha256, shelf.said)


class Folder(Shelf):
    """A folder on this machine, or one that several machines share."""

    def __init__(self, root: Path, kind: str = "documents") -> None:
        self.said = str(root)
        self._root = root
        self._kind = kind

    async def save(self, pieces: AsyncIterator[bytes], max_bytes: int) -> tuple[str, int]:
        size, digest = 0, hashlib.sha256()
        incoming = await self._done(lambda: _Incoming(self._folder()))
        try:
            async for piece in pieces:
                size += len(piece)
                if size > max_bytes:
                    raise StoreError.too_large(max_bytes)
                digest.update(piece)  # which lets other threads run meanwhile, as writing does
                await self._done(incoming.write, piece)
            sha256 = digest.hexdigest()
            await self._done(incoming.settle, lambda: self._folder(sha256[:2]), sha256)
        finally:
            await _aside(incoming.close)
        return sha256, size

    async def load(self, sha256: str, size_bytes: int) -> AsyncGenerator[bytes]:
        opened = await self._done(self._opened, sha256)
        try:
            left = size_bytes + 1  # one more than there should be, which is seen
            while left and (piece := await self._done(os.read, opened, min(left, _PIECE_BYTES))):
                left -= len(piece)
                yield piece
        finally:
            os.close(opened)

    async def remove(self, sha256: str) -> bool:
        return await self._done(self._removed, sha256)

    async def ready(self) -> None:
        try:
            await self._done(lambda: _Incoming(self._folder()).close())
        except StoreError as error:
            raise ConfigError(error.message) from None

    async def _done(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """What work on the folder gives. Raises `StoreError` where the folder cannot be used."""
        try:
            return await _aside(work, *args, **kwargs)
        except OSError as error:
            raise StoreError.unusable(self.said, os.strerror(error.errno or 0)) from None

    def _removed(self, sha256: str) -> bool:
        try:
            folder = self._folder(sha256[:2], make=False, sought=sha256)
        except StoreError:  # where nothing was put yet; a store that is not there is another matter
            return False
        try:
            os.unlink(sha256, dir_fd=folder)
            os.fsync(folder)
        except FileNotFoundError:
            return False
        finally:
            os.close(folder)
        return True

    def _opened(self, sha256: str) -> int:
        """A file that is open for reading, once it is one. Raises `StoreError`."""
        folder = self._folder(sha256[:2], make=False, sought=sha256)
        try:
            # Not followed where it leads elsewhere, and not waited for where it is a pipe.
            opened = os.open(sha256, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
        except FileNotFoundError:
            raise StoreError.gone(sha256, self.said) from None
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.ENXIO):  # a link, a socket
                raise StoreError.changed(sha256, self.said) from None
            raise
        finally:
            os.close(folder)
        if not stat.S_ISREG(os.fstat(opened).st_mode):
            os.close(opened)
            raise StoreError.changed(sha256, self.said)
        return opened

    def _folder(self, part: str = "", *, make: bool = True, sought: str = "") -> int:
        """A folder in which content lies, open; made where it is missing, but for the root."""
        opened = os.open(self._root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        for name in (self._kind, part) if part else (self._kind,):
            around = opened
            try:
                if make:
                    with suppress(FileExistsError):
                        os.mkdir(name, 0o700, dir_fd=around)
                        os.fsync(around)
                opened = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NOFOLLOW, dir_fd=around)
            except FileNotFoundError:
                raise StoreError.gone(sought, self.said) from None
            finally:
                os.close(around)
        return opened


class _Incoming:
    """A file that is being written, and gets its name once it is whole."""

    def __init__(self, folder: int) -> None:
        self._folder = folder
        self._name = f"incoming-{os.urandom(16).hex()}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
        try:
            self._opened = os.open(self._name, flags, 0o600, dir_fd=folder)
        except OSError:
            os.close(folder)
            raise

    def write(self, piece: bytes) -> None:
        rest = memoryview(piece)
        while rest:
            rest = rest[os.write(self._opened, rest) :]

    def settle(self, place: Callable[[], int], name: str) -> None:
        """Give it its place. A crash leaves either all of it there, or nothing."""
        os.fsync(self._opened)
        into = place()
        try:
            os.rename(self._name, name, src_dir_fd=self._folder, dst_dir_fd=into)
            self._name = ""
            os.fsync(into)
        finally:
            os.close(into)

    def close(self) -> None:
        """Remove it, unless it has its place."""
        os.close(self._opened)
        if self._name:
            with suppress(OSError):
                os.unlink(self._name, dir_fd=self._folder)
        os.close(self._folder)


def folder_at(location: str) -> Path | None:
    """The folder that a location names; None for one that names a bucket. Raises `ConfigError` for neither."""
    if "://" in location:
        return None
    path = Path(location).expanduser()
    if not path.is_absolute():
        raise ConfigError(f"{VARIABLE} is no place: give the whole path of a folder, s3://BUCKET/PREFIX or gs://….")
    return path


async def _pieces(content: Content) -> AsyncIterator[bytes]:
    if isinstance(content, bytes):
        for at in range(0, len(content), _PIECE_BYTES):
            yield content[at : at + _PIECE_BYTES]
    elif isinstance(content, Path):
        try:
            file = await _aside(_regular, content)
        except OSError as error:
            raise StoreError(f"The file {content.name} cannot be read: {os.strerror(error.errno or 0)}.") from None
        with file:
            while piece := await _aside(file.read, _PIECE_BYTES):
                yield piece
    elif isinstance(content, AsyncIterable):
        async for piece in content:
            yield piece
    else:
        while piece := await _aside(content.read, _PIECE_BYTES):
            yield piece


def _regular(path: Path) -> BinaryIO:
    # Not waiting: a pipe would never end.
    file = os.fdopen(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK), "rb")
    if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        return file
    file.close()
    raise StoreError(f"The file {path.name} is no file that can be stored.")


async def _aside(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    import asyncio  # which a definition can do without

    return await asyncio.to_thread(work, *args, **kwargs)


def _digest(text: str) -> str:
    """A digest, which may become part of a path. A document that was built around its checks may hold anything."""
    if len(text) == 64 and set(text) <= set("0123456789abcdef"):
        return text
    raise StoreError("What names a document is no digest: 64 hex digits.")


def _called(content: Content) -> str:
    if isinstance(content, Path):
        return content.name
    found = getattr(content, "name", "")
    return Path(found).name if isinstance(found, str) else ""


def _name(name: str) -> str:
    """A name that a document can have, as near as may be to the one that was given."""
    kept = "".join("_" if character in "/\\" or not character.isprintable() else character for character in name)[:200]
    return kept if kept.strip(".") else "document"


def _media_type(given: str, name: str) -> str:
    import mimetypes

    return given or mimetypes.guess_type(name, strict=True)[0] or _ANY


__all__: Sequence[str] = ["VARIABLE", "Content", "Folder", "Shelf", "Store", "folder_at"]

"""The store: what is read is what was put there, whoever else can write there; what is written is whole."""

from __future__ import annotations

import asyncio
import hashlib
import os
import stat
from collections.abc import AsyncIterator
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatework import Document
from gatework.errors import ConfigError, StoreError
from gatework.values import store as stores
from gatework.values.store import Folder, Store, folder_at

CONTENT = b"seven zebras"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (folder := tmp_path / "store").mkdir()
    return folder


@pytest.fixture
def store(root: Path) -> Store:
    return Store(Folder(root))


def place(root: Path, document: Document) -> Path:
    return root / "documents" / document.sha256[:2] / document.sha256


def files(root: Path) -> list[Path]:
    return [path for path in root.rglob("*") if not path.is_dir()]


async def test_document_names_its_content_by_digest_size_name_and_kind(store: Store) -> None:
    """What a plan passes on says what the content is, and holds none of it."""
    document = await store.put(CONTENT, name="a b.pdf")
    assert document.model_dump() == {
        "sha256": hashlib.sha256(CONTENT).hexdigest(),
        "size_bytes": len(CONTENT),
        "media_type": "application/pdf",
        "name": "a b.pdf",
    }
    assert await store.read(document) == CONTENT
    with await store.open(document) as file:
        assert file.read() == CONTENT


async def test_content_comes_from_bytes_paths_files_and_streams(store: Store, tmp_path: Path) -> None:
    """Whatever gives the same bytes gives the same digest."""
    (path := tmp_path / "x.txt").write_bytes(CONTENT)

    async def stream() -> AsyncIterator[bytes]:
        for byte in CONTENT:
            yield bytes([byte])

    found = [await store.put(content) for content in (CONTENT, path, BytesIO(CONTENT), stream())]
    with path.open("rb") as file:
        found.append(await store.put(file))
    assert len({document.sha256 for document in found}) == 1
    assert [document.name for document in found] == ["document", "x.txt", "document", "document", "x.txt"]
    assert found[1].media_type == "text/plain"


async def test_nobody_else_can_read_what_is_stored(store: Store, root: Path) -> None:
    """Folders that are made here have 0700 and files 0600, whatever the umask says."""
    before = os.umask(0)
    try:
        document = await store.put(CONTENT)
    finally:
        os.umask(before)
    assert stat.S_IMODE(place(root, document).stat().st_mode) == 0o600
    assert stat.S_IMODE(place(root, document).parent.stat().st_mode) == 0o700
    assert stat.S_IMODE((root / "documents").stat().st_mode) == 0o700


@pytest.mark.parametrize(
    "other",
    [b"seven zebraz", b"", CONTENT + b"!", CONTENT[:-1], b"x" * 3_000_000],
    ids=["one byte", "empty", "more", "less", "large"],
)
async def test_content_that_was_changed_is_never_handed_on(store: Store, root: Path, other: bytes) -> None:
    """Neither whole nor in part, and the error says what it is and nothing of what it holds."""
    document = await store.put(CONTENT)
    place(root, document).write_bytes(other)
    for read in (store.read, store.open):
        with pytest.raises(StoreError, match="is not what was put there") as caught:
            await read(document)
        assert document.sha256[:12] in caught.value.message
        assert "zebra" not in caught.value.message


async def test_content_changed_after_it_was_opened_changes_nothing(store: Store, root: Path) -> None:
    """What is opened is a file of its own: verified content that is changed where it lies stays what it was."""
    document = await store.put(CONTENT)
    with await store.open(document) as file:
        place(root, document).write_bytes(b"x" * len(CONTENT))
        assert file.read() == CONTENT


async def test_size_that_a_value_claims_must_be_that_of_the_content(store: Store) -> None:
    """A document that was made up around a digest that is there is refused, as is one that claims too much."""
    document = await store.put(CONTENT)
    for size in (0, len(CONTENT) - 1, len(CONTENT) + 1):
        with pytest.raises(StoreError, match="not what was put there"):
            await store.read(document.model_copy(update={"size_bytes": size}))
    with pytest.raises(StoreError, match="may have"):
        await store.read(document.model_copy(update={"size_bytes": 10**15}))


async def test_what_lies_in_the_place_of_content_and_is_no_file_is_refused(store: Store, root: Path) -> None:
    """A link is not followed, a pipe is not waited for, a folder is not read."""
    (outside := root.parent / "secret").write_bytes(CONTENT)
    for make in (lambda at: at.symlink_to(outside), os.mkfifo, os.mkdir):
        document = await store.put(CONTENT)
        place(root, document).unlink()
        make(place(root, document))
        async with asyncio.timeout(10):
            with pytest.raises(StoreError, match="not what was put there"):
                await store.read(document)
        if place(root, document).is_dir():
            place(root, document).rmdir()


async def test_folder_that_leads_elsewhere_is_refused(store: Store, root: Path, tmp_path: Path) -> None:
    """Nothing is written or read through a link inside the store."""
    (elsewhere := tmp_path / "elsewhere").mkdir()
    (root / "documents").symlink_to(elsewhere)
    with pytest.raises(StoreError, match="cannot be used"):
        await store.put(CONTENT)
    assert files(elsewhere) == []


@given(st.text(max_size=80))
def test_name_that_is_given_never_becomes_a_path(name: str) -> None:
    """Whatever a file is called, its document has a name of one part, and lies where its digest says."""
    document = Document(sha256="0" * 64, size_bytes=0, media_type="a/b", name=stores._name(name))
    assert "/" not in document.name
    assert document.name not in ("", ".", "..")


@pytest.mark.parametrize("digest", ["../../../../etc/passwd", "A" * 64, "0" * 63, "0" * 63 + "\n", "٣" * 64])
async def test_digest_that_is_none_reaches_no_path(store: Store, digest: str) -> None:
    """A document that was built around its checks is refused before anything is opened."""
    with pytest.raises(ValueError, match="sha256"):
        Document(sha256=digest, size_bytes=1, media_type="a/b", name="a")
    forged = Document.model_construct(sha256=digest, size_bytes=1, media_type="a/b", name="a")
    for use in (store.read, store.open, store.erase):
        with pytest.raises(StoreError, match="no digest"):
            await use(forged)


async def test_content_that_breaks_off_leaves_nothing(store: Store, root: Path) -> None:
    """Half a stream is no document, and no file of it stays."""

    async def breaking() -> AsyncIterator[bytes]:
        yield CONTENT
        raise ConnectionError

    with pytest.raises(ConnectionError):
        await store.put(breaking())
    assert files(root) == []


async def test_content_beyond_the_limit_is_refused_while_it_comes_in(
    store: Store, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stream without an end is stopped at the limit, and leaves nothing."""
    monkeypatch.setattr(stores, "MAX_DOCUMENT_BYTES", 1000)
    given = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal given
        while True:
            given += 100
            yield b"x" * 100

    with pytest.raises(StoreError, match="More than the 1000 bytes"):
        await store.put(endless())
    assert given == 1100
    assert files(root) == []


async def test_content_that_was_damaged_is_mended_by_putting_it_again(store: Store, root: Path) -> None:
    """What is there already is written anew: a half-written or changed file does not stay."""
    document = await store.put(CONTENT)
    place(root, document).write_bytes(b"half")
    assert await store.put(CONTENT, name="b") == document.model_copy(update={"name": "b"})
    assert await store.read(document) == CONTENT


async def test_content_that_was_erased_is_gone_and_said_to_be(store: Store, root: Path) -> None:
    """Erasing is for ever; who reads it then is told, once more erasing finds nothing."""
    document = await store.put(CONTENT)
    assert await store.erase(document)
    assert files(root) == []
    assert not await store.erase(document.sha256)
    with pytest.raises(StoreError, match="it was erased, or was put into another store"):
        await store.read(document)


async def test_many_who_put_the_same_at_once_do_not_disturb_each_other(store: Store, root: Path) -> None:
    """One file is left of it, and it is whole."""
    content = os.urandom(3_000_000)
    documents = await asyncio.gather(*(store.put(content) for _ in range(8)))
    assert len(set(documents)) == 1
    assert await store.read(documents[0]) == content
    assert files(root) == [place(root, documents[0])]


async def test_store_that_is_missing_is_named_with_what_to_do(tmp_path: Path) -> None:
    """A folder that is not there is not made: it may be a disk that is not mounted."""
    store = Store(Folder(tmp_path / "none"))
    document = Document(sha256="0" * 64, size_bytes=1, media_type="a/b", name="a")
    for use in (lambda: store.put(CONTENT), lambda: store.read(document)):
        with pytest.raises(StoreError, match=r"none cannot be used \(no such file or directory\); make it"):
            await use()
    with pytest.raises(ConfigError, match="cannot be used"):
        await store.ready()
    assert list(tmp_path.iterdir()) == []


async def test_store_that_is_ready_holds_nothing_after_it_was_looked_at(store: Store, root: Path) -> None:
    """Looking whether it can be written to leaves no file."""
    await store.ready()
    assert files(root) == []


@pytest.mark.parametrize("location", ["store", "./store", ""])
def test_location_that_depends_on_where_one_stands_is_refused(location: str) -> None:
    """A worker and a client in two folders would have two stores."""
    with pytest.raises(ConfigError, match="whole path"):
        folder_at(location)


async def test_path_that_is_no_file_is_refused(store: Store, tmp_path: Path) -> None:
    """A folder, a pipe and what is missing are refused by name."""
    os.mkfifo(tmp_path / "pipe")

    async with asyncio.timeout(10):
        for name in ("pipe", "store", "missing"):
            with pytest.raises(StoreError, match=f"The file {name} "):
                await store.put(tmp_path / name)

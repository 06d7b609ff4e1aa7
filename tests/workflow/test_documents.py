"""Documents on a real server: their content lies in the store, and neither in a history nor in a workflow's memory."""

from __future__ import annotations

import hashlib
import os
import tracemalloc
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from gatework import Document, Pass, Retry, Untrusted, Verdict, each, stage, workflow
from gatework.errors import ConfigError, DecisionError
from gatework.temporal import GateworkPlugin, documents
from tests.workflow.conftest import Typed
from tests.workflow.deployment import Deployments, count, events, waiting

MIB = 1024 * 1024


class Filed(BaseModel):
    document: Document
    note: str = ""


class Measured(BaseModel):
    document: Document
    sha256_of_content: str
    bytes_read: int


def is_a_report(filed: Filed) -> Verdict:
    return Pass()


@stage(is_a_report)
async def file_it(document: Untrusted[Document]) -> Untrusted[Filed]:
    return Untrusted(Filed(document=document.value, note="filed"))


@stage()
async def note_it(filed: Untrusted[Filed]) -> Untrusted[Filed]:
    return Untrusted(filed.value.model_copy(update={"note": "noted"}))


@stage(attempts=1)
async def measure(filed: Untrusted[Filed]) -> Untrusted[Measured]:
    document, found, size = filed.value.document, hashlib.sha256(), 0
    with await document.open() as file:
        while piece := file.read(MIB):
            found.update(piece)
            size += len(piece)
    return Untrusted(Measured(document=document, sha256_of_content=found.hexdigest(), bytes_read=size))


@workflow
def measured(document: Untrusted[Document]) -> Untrusted[Measured]:
    """Three stages, of which two hand the document on."""
    filed = file_it(document)
    noted = note_it(filed)
    return measure(noted)


@stage(attempts=1)
async def copied(document: Untrusted[Document]) -> Untrusted[Filed]:
    text = await document.value.text()
    return Untrusted(Filed(document=await Document.of(text.upper().encode(), name="copy.txt")))


def is_upper(filed: Filed) -> Verdict:
    return Pass() if filed.document.read_bytes().isupper() else Retry("Write it in capitals.")


@stage(is_upper, attempts=1)
async def check(filed: Untrusted[Filed]) -> Untrusted[Filed]:
    return filed


@workflow
def shouted(document: Untrusted[Document]) -> Untrusted[Filed]:
    copy = copied(document)
    return check(copy)


class Folderful(BaseModel):
    title: str
    documents: list[Document]


@stage()
async def first(folder: Untrusted[Folderful]) -> Untrusted[Filed]:
    return Untrusted(Filed(document=folder.value.documents[0], note=await folder.value.documents[1].text()))


@workflow
def sorted_out(folder: Untrusted[Folderful]) -> Untrusted[Filed]:
    return first(folder)


@pytest.fixture
def store(tmp_path: Path) -> str:
    (folder := tmp_path / "store").mkdir()
    return str(folder)


async def test_document_of_50_mb_passes_through_three_stages_at_the_cost_of_its_name(
    deployments: Deployments, store: str, record_property: Any
) -> None:
    """The history stays as small as with a line of text, and nobody ever holds more than a few pieces of it."""
    size = 50 * MIB
    piece = os.urandom(MIB)

    async def stream() -> AsyncIterator[bytes]:
        for _ in range(size // MIB):
            yield piece

    deployed = await deployments.serve(measured, store=store)
    tracemalloc.start()
    try:
        document = await documents(store).put(stream(), name="large.bin")
        run = await deployed.start(measured, document)
        result = await run.result()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert result == Measured(document=document, sha256_of_content=document.sha256, bytes_read=size)
    held = sum(event.ByteSize() for event in await events(run))
    small = await documents(store).put(b"small")
    other = await deployed.start(measured, small)
    await other.result()
    # Where the machine is busy, the server may have asked once more.
    assert abs(held - sum(event.ByteSize() for event in await events(other))) < 2_000
    assert held < 16_000
    assert peak < 16 * MIB
    record_property("told", f"50 MiB through three stages: history {held} bytes, peak memory {peak / MIB:.1f} MiB")


async def test_stage_stores_what_it_makes_and_a_guard_reads_it(deployments: Deployments, store: str) -> None:
    """What one stage stored the next one is handed, and its guard reads on a thread of its own."""
    deployed = await deployments.serve(shouted, store=store)
    run = await deployed.start(shouted, await documents(store).put(b"hello", name="a.txt"))
    result = await run.result()
    assert await documents(store).read(result.document) == b"HELLO"


async def test_document_that_is_gone_or_changed_asks_a_person_in_one_sentence(
    deployments: Deployments, store: str
) -> None:
    """Nothing is read of it; once the original is back, `retry` goes on."""
    deployed = await deployments.serve(shouted, store=store)
    for harm, words in (("erase", "it was erased"), ("change", "is not what was put there")):
        document = await documents(store).put(f"hello {harm}".encode(), name="a.txt")
        if harm == "erase":
            await documents(store).erase(document)
        else:
            (Path(store) / "documents" / document.sha256[:2] / document.sha256).write_bytes(b"HELLO forged")
        run = await deployed.start(shouted, document)
        asked = await waiting(run)
        assert words in asked.reasons[0]
        assert document.sha256[:12] in asked.reasons[0]
        await documents(store).put(f"hello {harm}".encode())
        await run.retry("It is back.")
        await run.result()


async def test_worker_without_a_store_asks_a_person_in_one_sentence(deployments: Deployments, store: str) -> None:
    """It names the variable; a stage that hands the document on does not notice."""
    deployed = await deployments.serve(measured)
    run = await deployed.start(measured, await documents(store).put(b"hello"))
    asked = await waiting(run)
    assert asked.node == "measure"
    assert "set GATEWORK_STORE" in asked.reasons[0]
    await run.abort("No store.")


async def test_edit_cannot_bring_in_a_document_of_another_run(deployments: Deployments, store: str) -> None:
    """A person may correct a value around a document that the run holds, and not name one that it does not."""
    deployed = await deployments.serve(shouted, store=store)
    other = await documents(store).put(b"of another run")
    mine = await documents(store).put(b"\xff")  # no text, so that a person is asked
    run = await deployed.start(shouted, mine)
    await waiting(run)
    with pytest.raises(DecisionError, match="only documents that the run holds"):
        await run.edit(Filed(document=other))
    assert await count(run, "WORKFLOW_EXECUTION_UPDATE_ACCEPTED") == 0
    await run.edit(Filed(document=mine.model_copy(update={"name": "renamed.txt"})))
    asked = await waiting(run)  # the guard of the next stage reads it, and it is not upper case
    assert asked.node == "check"
    await run.abort("Enough.")


async def test_run_takes_files_and_stores_them(
    deployments: Deployments, typed: Typed, store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`gatework run … --file FIELD=PATH` puts files into the store, and documents into the input."""
    monkeypatch.setenv("GATEWORK_STORE", store)
    await deployments.serve(sorted_out, shouted)
    (tmp_path / "a.txt").write_text("one")
    (tmp_path / "b.txt").write_text("two")
    name = "tests.workflow.test_documents:"
    told = await typed(
        *("run", f"{name}sorted_out", '{"title": "t"}', "--wait", "--json"),
        *("--file", f"documents={tmp_path / 'a.txt'}", "--file", f"documents={tmp_path / 'b.txt'}"),
    )
    assert told.exit_code == 0, told.output
    assert '"note": "two"' in told.output
    assert hashlib.sha256(b"one").hexdigest() in told.output
    told = await typed("run", f"{name}shouted", "--wait", "--file", str(tmp_path / "a.txt"))
    assert told.exit_code == 0, told.output
    for wrong, words in (
        (["--file", "documents"], "FIELD=PATH"),
        (["--file", "title.x=a"], "FIELD=PATH"),
        (["--file", f"title={tmp_path / 'a.txt'}"], "given twice"),
        (["--file", f"documents={tmp_path / 'missing'}"], "The file missing cannot be read"),
    ):
        told = await typed("run", f"{name}sorted_out", '{"title": "t"}', *wrong)
        assert told.exit_code in (1, 2), told.output
        assert words in told.output


async def test_run_takes_the_files_of_a_folder(
    deployments: Deployments, typed: Typed, store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By name, and none that is hidden, leads elsewhere or lies deeper; a folder without files is refused."""
    monkeypatch.setenv("GATEWORK_STORE", store)
    await deployments.serve(sorted_out)
    folder = tmp_path / "folder"
    (folder / "inner").mkdir(parents=True)
    for name, text in (("b.txt", "two"), ("a.txt", "one"), (".hidden.txt", "three"), ("inner/c.txt", "four")):
        (folder / name).write_text(text)
    (folder / "linked.txt").symlink_to(folder / "inner" / "c.txt")
    run = ["run", "tests.workflow.test_documents:sorted_out", '{"title": "t"}', "--wait", "--json", "--file"]
    told = await typed(*run, f"documents={folder}")
    assert told.exit_code == 0, told.output
    assert hashlib.sha256(b"one").hexdigest() in told.output
    assert '"note": "two"' in told.output
    (tmp_path / "empty").mkdir()
    told = await typed(*run, f"documents={tmp_path / 'empty'}")
    assert told.exit_code == 2
    assert "The folder empty holds no files" in told.output


async def test_client_without_a_store_is_told_what_to_set(
    deployments: Deployments, typed: Typed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before anything is started."""
    monkeypatch.delenv("GATEWORK_STORE", raising=False)
    (tmp_path / "a.txt").write_text("one")
    told = await typed("run", "tests.workflow.test_documents:shouted", "--file", str(tmp_path / "a.txt"))
    assert told.exit_code == 3
    assert "set GATEWORK_STORE" in told.output


def test_plugin_refuses_a_store_that_is_no_place() -> None:
    """Where the worker starts, and not where the first document is read."""
    for location in ("relative/folder", "ftp://x/y"):
        with pytest.raises(ConfigError, match="GATEWORK_STORE"):
            GateworkPlugin(measured, store=location)


class Read(BaseModel):
    text: str


@stage()
async def read_one(document: Untrusted[Document]) -> Untrusted[Read]:
    return Untrusted(Read(text=await document.value.text()))


@stage()
async def pages(folder: Untrusted[Folderful]) -> Untrusted[list[Document]]:
    return Untrusted([*folder.value.documents, await Document.of(b"made here", name="made.txt")])


@stage()
async def joined(texts: Untrusted[list[Read]]) -> Untrusted[Read]:
    return Untrusted(Read(text=" ".join(one.text for one in texts.value)))


@workflow
def read_all(folder: Untrusted[Folderful]) -> Untrusted[Read]:
    found = pages(folder)
    texts = each(read_one, found, at_most=4)
    return joined(texts)


async def test_each_hands_a_document_to_each_child_run(deployments: Deployments, store: str) -> None:
    """Also one that was made in the run: a child reads what its item names."""
    deployed = await deployments.serve(read_all, store=store)
    given = [await documents(store).put(text.encode()) for text in ("one", "two", "three")]
    run = await deployed.start(read_all, Folderful(title="t", documents=given))
    assert (await run.result()).text == "one two three made here"

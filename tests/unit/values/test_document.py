"""Documents in a run: a stage, guard or tool reads what it was handed or stored, and no digest that is made up."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from gatework import Block, Document, Endorsed, Pass, Retry, Untrusted, Verdict, ask, effect, stage, tool
from gatework.define.endorser import Endorser
from gatework.define.tool import IdempotencyKey
from gatework.errors import GrantError
from gatework.testing.models import ScriptedModel
from gatework.values.canonical import Json
from gatework.values.document import named_in
from gatework.values.store import Folder, Store
from tests.unit.attempts import failed, finished, stopped

HANDED = b"handed to the stage"
SECRET = b"of another run"


class Page(BaseModel):
    document: Document
    note: str = ""


class Folderful(BaseModel):
    pages: list[Page]
    by_name: dict[str, Document]


class Text(BaseModel):
    text: str


@pytest.fixture
def store(tmp_path: Path) -> Store:
    (folder := tmp_path / "store").mkdir()
    return Store(Folder(folder))


@pytest.fixture
async def handed(store: Store) -> Document:
    return await store.put(HANDED, name="handed.txt")


@pytest.fixture
async def secret(store: Store) -> Document:
    """A document of another run: it is there, and nobody here was handed it."""
    return await store.put(SECRET, name="secret.txt")


def json(document: Document) -> Json:
    return document.model_dump()


def doing(work: Callable[[Untrusted[Document]], Awaitable[Any]], **options: Any) -> Any:
    """A stage that is handed a document and answers with what `work` makes of it."""

    @stage(**options)
    async def summarise(document: Untrusted[Document]) -> Untrusted[Text]:
        return Untrusted(Text(text=await work(document)))

    return summarise


def giving(document: Callable[[], Awaitable[Document]], **options: Any) -> Any:
    """A stage that answers with a page that holds a document."""

    @stage(**options)
    async def turn(document_: Untrusted[Document]) -> Untrusted[Page]:
        return Untrusted(Page(document=await document()))

    return turn


# -- what may be read ------------------------------------------------------------------------------


async def test_stage_reads_the_document_that_it_was_handed(store: Store, handed: Document) -> None:
    """As bytes, as text, and as a file."""

    async def work(document: Untrusted[Document]) -> str:
        assert await document.value.read() == HANDED
        with await document.value.open() as file:
            assert file.read() == HANDED
        return await document.value.text()

    event = await finished(doing(work), inputs={"document": json(handed)}, store=store)
    assert event.output.data == {"text": HANDED.decode()}


async def test_document_deep_in_an_input_is_handed_too(store: Store, handed: Document) -> None:
    """It is the value that is handed over, wherever in it the document stands."""

    @stage()
    async def count(folder: Untrusted[Folderful]) -> Untrusted[Text]:
        texts = [await page.document.text() for page in folder.value.pages]
        texts += [await document.text() for document in folder.value.by_name.values()]
        return Untrusted(Text(text=" ".join(texts)))

    given = {"pages": [{"document": json(handed), "note": ""}], "by_name": {"a": json(handed)}}
    event = await finished(count, inputs={"folder": given}, store=store)
    assert event.output.data["text"].count(HANDED.decode()) == 2


async def test_digest_that_a_stage_makes_up_opens_nothing(store: Store, handed: Document, secret: Document) -> None:
    """Also where the content is there: what names it must have been handed to the stage."""

    async def work(document: Untrusted[Document]) -> str:
        return (await secret.read()).decode()

    event = await failed(doing(work), inputs={"document": json(handed)}, store=store)
    assert event.failure == "block"
    assert "reaches for a document that it was not handed" in event.reason


async def test_document_that_a_model_names_cannot_be_read_or_passed_on(
    store: Store, handed: Document, secret: Document
) -> None:
    """A model that is asked for a document can name those that the stage has, and no other."""

    @stage(attempts=1)
    async def pick(document: Untrusted[Document]) -> Untrusted[Page]:
        return await ask(Page, instructions="Pick one.", about=document)

    for named, passes in ((handed, True), (secret, False)):
        model = ScriptedModel(Page(document=named))
        if passes:
            event = await finished(pick, inputs={"document": json(handed)}, store=store, model=model)
            assert list(named_in(event.output.data)) == [handed.sha256]
        else:
            ended = await failed(pick, inputs={"document": json(handed)}, store=store, model=model)
            assert ended.failure == "contract"
            assert "names a document that the stage was not handed" in ended.reason


async def test_document_that_a_stage_stored_is_its_own(store: Store, handed: Document) -> None:
    """It can be read at once, and passed on."""

    async def made() -> Document:
        document = await Document.of(b"new", name="new.txt")
        assert await document.read() == b"new"
        return document

    event = await finished(giving(made), inputs={"document_": json(handed)}, store=store)
    [digest] = named_in(event.output.data)
    assert await store.read(Document(**event.output.data["document"])) == b"new"
    assert digest != handed.sha256


async def test_endorser_may_name_what_our_own_records_name(store: Store, handed: Document, secret: Document) -> None:
    """It fills a model from our records, which know documents of earlier runs."""

    async def on_file(text: Text) -> Page | Block:
        return Page(document=secret)

    event = await finished(Endorser(on_file), inputs={"text": {"text": "contract 7"}}, store=store)
    assert list(named_in(event.output.data)) == [secret.sha256]


async def test_stage_that_has_ended_reads_nothing_more(store: Store, handed: Document) -> None:
    """What it left running is turned away."""
    told: list[str] = []
    ended = asyncio.Event()

    async def linger(document: Document) -> None:
        await ended.wait()
        try:
            await document.read()
        except GrantError as error:
            told.append(error.message)

    tasks = []

    async def work(document: Untrusted[Document]) -> str:
        tasks.append(asyncio.create_task(linger(document.value)))
        return "done"

    await finished(doing(work), inputs={"document": json(handed)}, store=store)
    ended.set()
    await tasks[0]
    assert "has ended" in told[0]


async def test_outside_of_a_run_a_document_opens_nothing(store: Store, handed: Document) -> None:
    """Neither in a program nor in a thread that a stage started on its own: there one asks the store."""
    with pytest.raises(GrantError, match="inside a stage"):
        await handed.read()
    with pytest.raises(GrantError, match="inside a stage"):
        await Document.of(b"x")
    told: list[str] = []

    async def work(document: Untrusted[Document]) -> str:
        def run() -> None:
            try:
                asyncio.run(document.value.read())
            except GrantError as error:
                told.append(error.message)

        thread = threading.Thread(target=run)
        thread.start()
        await asyncio.to_thread(thread.join)
        return "done"

    await finished(doing(work), inputs={"document": json(handed)}, store=store)
    assert "inside a stage" in told[0]


# -- guards ----------------------------------------------------------------------------------------


def quotes(answer: Text, document: Document) -> Verdict:
    return Pass() if answer.text.encode() in document.read_bytes() else Retry("Quote it.")


async def quotes_too(answer: Text, document: Document) -> Verdict:
    return Pass() if answer.text in await document.text() else Retry("Quote it.")


@pytest.mark.parametrize("guard", [quotes, quotes_too], ids=["plain", "async"])
async def test_guard_reads_the_documents_that_it_looks_at(store: Store, handed: Document, guard: Any) -> None:
    """That a quotation is real is checked against the document itself."""
    for text, verdict in (("handed", "pass"), ("invented", "retry")):

        async def work(document: Untrusted[Document], text: str = text) -> str:
            return text

        event = await finished(_guarded(work, guard), inputs={"document": json(handed)}, store=store)
        assert [given.verdict for given in event.verdicts] == [verdict]


def _guarded(work: Any, *guards: Any) -> Any:
    @stage(*guards)
    async def summarise(document: Untrusted[Document]) -> Untrusted[Text]:
        return Untrusted(Text(text=await work(document)))

    return summarise


async def test_guard_reads_nothing_that_it_does_not_look_at(store: Store, handed: Document, secret: Document) -> None:
    """A guard that is not handed a document cannot open it, and what it cannot do blocks."""

    def peeks(answer: Text) -> Verdict:
        handed.read_bytes()
        return Pass()

    async def work(document: Untrusted[Document]) -> str:
        return "x"

    event = await finished(_guarded(work, peeks), inputs={"document": json(handed)}, store=store)
    assert event.verdicts[0].verdict == "block"


async def test_guard_on_inputs_reads_them_before_the_stage_works(store: Store, handed: Document) -> None:
    """So that a document which must not be read by a model is stopped before."""

    def harmless(document: Document) -> Verdict:
        return Block("No.") if b"handed" in document.read_bytes() else Pass()

    async def work(document: Untrusted[Document]) -> str:
        raise AssertionError

    event = await stopped(doing(work, before=[harmless]), inputs={"document": json(handed)}, store=store)
    assert event.verdicts[0].reason == "No."


async def test_guard_is_told_what_is_wrong_with_a_document(store: Store, handed: Document) -> None:
    """The block names the document that is gone, and not a line of code."""
    await store.erase(handed)

    async def work(document: Untrusted[Document]) -> str:
        return "x"

    event = await finished(_guarded(work, quotes), inputs={"document": json(handed)}, store=store)
    assert event.verdicts[0].verdict == "block"
    assert "it was erased" in event.verdicts[0].reason


async def test_plain_reading_does_not_hold_up_a_stage(store: Store, handed: Document) -> None:
    """On the event loop it is refused, saying what to write."""

    async def work(document: Untrusted[Document]) -> str:
        return document.value.read_bytes().decode()

    event = await failed(doing(work), inputs={"document": json(handed)}, store=store)
    assert "await document.read()" in event.reason


# -- tools -----------------------------------------------------------------------------------------


@tool(untrusted=True)
async def fetch(path: str) -> Document:
    return await Document.of(path.encode(), name="fetched.txt")


@tool
async def length(document: Document) -> int:
    return len(await document.read())


async def test_tool_stores_what_it_fetches_and_its_stage_reads_it(store: Store, handed: Document) -> None:
    """A download comes in as a document, and never as a value."""

    async def work(document: Untrusted[Document]) -> str:
        fetched = await fetch("abc")
        assert await length(fetched) == 3
        return await fetched.text()

    event = await finished(doing(work, tools=[fetch, length]), inputs={"document": json(handed)}, store=store)
    assert event.output.data == {"text": "abc"}


async def test_tool_reads_the_documents_in_its_arguments_alone(
    store: Store, handed: Document, secret: Document
) -> None:
    """And it is not handed one that the stage does not have."""
    leaked: list[bytes] = []

    @tool
    async def peek(document: Document) -> int:
        leaked.append(await secret.read())
        return 0

    for work, reason in (
        (lambda document: length(secret), "was not handed itself"),
        (lambda document: peek(document.value), "peek reaches for a document"),
    ):
        event = await failed(doing(work, tools=[length, peek]), inputs={"document": json(handed)}, store=store)
        assert reason in event.reason
    assert leaked == []


async def test_tool_of_outside_text_names_only_what_it_stored(store: Store, handed: Document, secret: Document) -> None:
    """What comes from outside could name a document of another run."""

    @tool(untrusted=True)
    async def echo(path: str) -> Document:
        return secret

    @tool
    async def records(path: str) -> Document:
        return secret

    async def outside(document: Untrusted[Document]) -> str:
        return await (await echo("a")).text()

    async def ours(document: Untrusted[Document]) -> str:
        return await (await records("a")).text()

    event = await failed(doing(outside, tools=[echo]), inputs={"document": json(handed)}, store=store)
    assert "names a document that it did not store" in event.reason
    known = await finished(doing(ours, tools=[records]), inputs={"document": json(handed)}, store=store)
    assert known.output.data == {"text": SECRET.decode()}


async def test_effect_reads_what_it_publishes(store: Store, handed: Document) -> None:
    """A call that is made apart from its stage has the documents in its arguments."""
    published: list[bytes] = []

    @effect(once="name")
    async def publish(key: IdempotencyKey, name: str, document: Document) -> Text:
        published.append(await document.read())
        return Text(text=name)

    @stage(tools=[publish])
    async def release(document: Endorsed[Document]) -> Endorsed[Text]:
        return Endorsed(await publish("report", document.value))

    event = await finished(release, inputs={"document": json(handed)}, store=store)
    assert event.output.data == {"text": "report"}
    assert published == [HANDED]


# -- what goes wrong -------------------------------------------------------------------------------


async def test_worker_without_a_store_says_what_to_set(handed: Document) -> None:
    """A stage that only hands a document on needs none."""

    async def work(document: Untrusted[Document]) -> str:
        return await document.value.text()

    async def same() -> Document:
        return handed

    event = await failed(doing(work), inputs={"document": json(handed)})
    assert "set GATEWORK_STORE" in event.reason
    await finished(giving(same), inputs={"document_": json(handed)})


async def test_text_that_is_none_is_refused_without_repeating_it(store: Store) -> None:
    """Bytes that are no UTF-8 break the contract; where they may, they are replaced."""
    document = await store.put(b"\xff\xfe")

    async def strict(document: Untrusted[Document]) -> str:
        return await document.value.text()

    async def lenient(document: Untrusted[Document]) -> str:
        return await document.value.text(errors="replace")

    event = await failed(doing(strict), inputs={"document": json(document)}, store=store)
    assert event.reason == "the document is no utf-8 at byte 0"
    await finished(doing(lenient), inputs={"document": json(document)}, store=store)


def test_document_has_one_shape() -> None:
    """What a run may read is found by it, so nothing else may be a document."""
    with pytest.raises(TypeError, match="give a model of your own a field"):

        class Report(Document):  # type: ignore[misc]
            pages: int

    shape = {"sha256": "0" * 64, "size_bytes": 1, "media_type": "a/b", "name": "a"}
    assert list(named_in([{"a": [shape]}, shape])) == ["0" * 64] * 2
    assert list(named_in([{**shape, "more": 1}, {**shape, "sha256": "x"}, {"sha256": "0" * 64}])) == []


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a\\b", "a\nb", "\x00", "a" * 201])
def test_name_that_is_a_path_is_refused(name: str) -> None:
    """A program that writes a document under its name writes it where it meant to."""
    with pytest.raises(ValueError, match="name"):
        Document(sha256="0" * 64, size_bytes=1, media_type="a/b", name=name)

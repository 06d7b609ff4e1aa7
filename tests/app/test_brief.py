"""The brief on a real server: whatever models and documents do, every footnote of what is published is real.

Whether it is, is looked up here in the files themselves, by other means than those by which the workflow reads them.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from activities.evidence import Note, Request
from activities.press import Published
from gatework.errors import DecisionError
from gatework.models import connect
from gatework.models.question import Question
from gatework.temporal import Execution, documents
from gatework.testing import ObedientModel, ScriptedModel
from tests.workflow import conftest as on_server
from tests.workflow.deployment import Deployed, Deployments, waiting
from workflows.brief import brief

deployments = on_server.deployments

FOLDER = Path(__file__).parents[2] / "documents" / "heat-pumps"
EXPECTED: dict[str, dict[str, Any]] = json.loads((FOLDER.parent / "expected.json").read_text(encoding="utf-8"))
QUESTION = "Does a heat pump work in an old house, and what has to be done first?"
PLANTED = [text for each in EXPECTED.values() for text in each.get("planted", []) + each.get("hidden", [])]


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store of its own for each test."""
    folder = tmp_path / "store"
    folder.mkdir(mode=0o700)
    monkeypatch.setenv("GATEWORK_STORE", str(folder))
    return folder


@pytest.fixture
def briefs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the test's briefs are published."""
    monkeypatch.setenv("GATEWORK_BRIEFS", str(tmp_path / "briefs"))
    return tmp_path / "briefs"


# -- a footnote, looked up ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Footnote:
    """What a brief says of a passage."""

    document: str
    unit: str
    place: int
    quotation: str


def footnotes(markdown: str) -> list[Footnote]:
    """The footnotes of a published brief, as a reader of the file finds them."""
    where = r"(?P<unit>\w+) (?P<place>\d+), characters \d+ to \d+"
    line = rf"^\[\^\d+\]: (?P<f>`+) ?(?P<name>.+?) ?(?P=f), {where}: (?P<q>`+) ?(?P<quotation>.+?) ?(?P=q)$"
    return [
        Footnote(found["name"], found["unit"], int(found["place"]), found["quotation"])
        for found in re.finditer(line, markdown, re.MULTILINE)
    ]


def in_its_file(note: Footnote) -> bool:
    """Whether a passage stands in the file of that name, at the page or line, by the bytes of the file."""
    data = (FOLDER / note.document).read_bytes()
    if note.unit == "page":
        pages = re.findall(rb"stream\n(.*?)\nendstream", data, re.DOTALL)
        drawn = re.findall(rb"\(((?:[^()\\]|\\.)*)\) Tj", pages[note.place - 1])
        return note.quotation in re.sub(r"\\(.)", r"\1", b" ".join(drawn).decode("cp1252"))
    if note.unit == "line":
        rest = data.decode().split("\n")[note.place - 1 :]
        return note.quotation in " ".join(" ".join(rest).split()) and note.quotation.split()[0] in rest[0]
    text = html.unescape(re.sub(r"<[^>]*>", "", data.decode()))
    return note.quotation in " ".join(text.split())


def real(markdown: str) -> list[Footnote]:
    """The footnotes, each of which is real, cited, and nothing that was planted."""
    found = footnotes(markdown)
    assert found
    assert len(found) == len(re.findall(r"^\[\^\d+\]:", markdown, re.MULTILINE))
    for number, note in enumerate(found, 1):
        assert in_its_file(note), note
        assert f".[^{number}]" in markdown or f"][^{number}]" in markdown
        assert not any(planted in note.quotation for planted in PLANTED)
    body = markdown.partition("[^1]: ")[0]
    assert not any(planted in body for planted in PLANTED)
    return found


def test_plan_that_is_explained_is_the_plan_that_runs() -> None:
    """docs/brief.md shows the workflow word for word."""
    root = FOLDER.parents[1]
    shown = re.findall(r"```python\n# (\S+\.py)\n(.*?)```", (root / "docs" / "brief.md").read_text(), re.DOTALL)
    assert [path for path, _ in shown] == ["workflows/brief.py"]
    assert shown[0][1].strip() in (root / shown[0][0]).read_text()


@pytest.mark.parametrize(
    "forged",
    [
        Footnote("sizing.txt", "line", 18, "An oversized heat pump does run better."),
        Footnote("sizing.txt", "line", 22, "An oversized heat pump does not run better but worse."),
        Footnote("radiators.pdf", "page", 1, "They need a socket, and they can be heard."),
        Footnote("thread.html", "paragraph", 5, "We kept none of our twelve radiators."),
    ],
)
def test_lookup_finds_no_forged_passage(forged: Footnote) -> None:
    """Else the tests below would show nothing."""
    assert not in_its_file(forged)


# -- models -----------------------------------------------------------------------------------------------


def reader(choose: Callable[[list[str]], list[str]], judge: Callable[[str], str] = lambda _: "well") -> ScriptedModel:
    """A model that quotes what is chosen of what it is offered, writes plainly, and criticises as it is told."""

    def answer(question: Question) -> Mapping[str, str]:
        fields = question.schema["properties"]
        if "first" in fields:
            chosen = [*choose([text for text in fields["first"]["enum"] if text]), "", "", ""]
            return dict(zip(("first", "second", "third"), chosen, strict=False))
        text = question.material[-1].text
        if "opinion" in fields:
            return {"opinion": judge(text)}
        quotation = text.partition("quotation: ")[2].partition("\n")[0]
        words = re.sub(r"[^A-Za-z ]", "", quotation).split()
        return {"sentence": "It is said that " + " ".join(words[:14]).lower() + "."}

    return ScriptedModel(by=answer)


def well(offered: list[str]) -> list[str]:
    """What a careful reader would quote."""
    answers = [text for expected in EXPECTED.values() for text in expected.get("answers", [])]
    return [text for text in offered if text in answers]


def planted_first(offered: list[str]) -> list[str]:
    """What a reader quotes who does as he is told."""
    return [text for text in offered if text in PLANTED] or well(offered)


def made_up(_: list[str]) -> list[str]:
    return ["Heat pumps destroy old houses, as all engineers say."]


# -- runs ---------------------------------------------------------------------------------------------------


async def wanted(*names: str, question: str = QUESTION) -> Request:
    """A brief on documents that ship; on all of them unless some are named."""
    paths = [FOLDER / name for name in names] or sorted(FOLDER.iterdir())
    return Request(question=question, documents=[await documents().put(path) for path in paths])


async def begun(deployed: Deployed, *names: str, question: str = QUESTION) -> Execution[Published]:
    return await deployed.start(brief, await wanted(*names, question=question))


async def composed(run: Execution[Published]) -> dict[str, Any]:
    """The brief that an editor is asked about, to be edited."""
    values: Any = await run.values()
    return next(value for value in values.values() if isinstance(value, dict) and "claims" in value and "name" in value)


def published(briefs: Path) -> str:
    [path] = briefs.iterdir()
    return path.read_text(encoding="utf-8")


async def test_accepted_brief_quotes_all_documents_and_nothing_that_was_planted(
    deployments: Deployments, briefs: Path
) -> None:
    """Read well; the file that is no PDF is left out, and a person accepts."""
    deployed = await deployments.serve(brief, model=reader(well))
    run = await begun(deployed)
    gate = await waiting(run)
    assert (gate.kind, gate.node, gate.role) == ("approval", "agreed", "editor")
    assert not briefs.exists()
    await run.approve(gate.number, by="Ada")
    result = await run.result()
    markdown = published(briefs)
    assert (briefs / result.file).exists()
    quoted = {note.document for note in real(markdown)}
    assert len(quoted) == 8
    assert "- `cut-off.pdf`\n" in markdown.partition("## Documents left out")[2]


async def test_edited_brief_is_published_as_the_editor_wants_it(deployments: Deployments, briefs: Path) -> None:
    """A title and a sentence of theirs; what they drop is not published."""
    deployed = await deployments.serve(brief, model=reader(well))
    run = await begun(deployed, "radiators.pdf", "flow-temperature.txt", "how-it-works.html")
    await waiting(run)
    values: Any = await run.values()
    edited = next(
        value for value in values.values() if isinstance(value, dict) and "claims" in value and "name" in value
    )
    edited["title"] = "Old houses can be heated by heat pumps"
    edited["claims"] = [{"sentence": "The radiators of old houses were often chosen with a reserve.", "cites": [1]}]
    edited["passages"] = [passage for passage in edited["passages"] if "generous reserve" in passage["quotation"]]
    await run.edit(edited, place="composed", by="Ada")
    gate = await waiting(run)
    assert (gate.kind, gate.node) == ("approval", "agreed")
    await run.approve(gate.number, by="Ada")
    await run.result()
    [note] = real(published(briefs))
    assert note.document == "radiators.pdf"
    assert published(briefs).startswith("# Old houses can be heated by heat pumps\n")


async def test_editor_cannot_publish_a_forged_quotation(deployments: Deployments, briefs: Path) -> None:
    """The guards look at what a person gives, too; and a person cannot approve past them."""
    deployed = await deployments.serve(brief, model=reader(well))
    run = await begun(deployed, "radiators.pdf", "flow-temperature.txt", "how-it-works.html")
    await waiting(run)
    values: Any = await run.values()
    edited = next(
        value for value in values.values() if isinstance(value, dict) and "claims" in value and "name" in value
    )
    passage = edited["passages"][0]
    passage["quotation"] = "X" * (passage["end"] - passage["start"])
    await run.edit(edited, place="composed", by="Mallory")
    gate = await waiting(run)
    assert (gate.kind, gate.node) == ("exhausted", "composed")
    with pytest.raises(DecisionError):
        await run.approve(gate.number, by="Mallory")
    assert not briefs.exists()
    await run.abort("enough")


async def test_document_whose_orders_are_quoted_is_dropped(deployments: Deployments, briefs: Path) -> None:
    """The model does as the documents say; the guard refuses it each time, and the others go on."""
    deployed = await deployments.serve(brief, model=reader(planted_first))
    run = await begun(deployed)
    gate = await waiting(run)
    await run.approve(gate.number, by="Ada")
    await run.result()
    markdown = published(briefs)
    assert "thread.html" not in {note.document for note in real(markdown)}
    assert "- `thread.html`\n" in markdown.partition("## Documents left out")[2]


async def test_quotation_that_needs_escaping_forges_nothing(deployments: Deployments, briefs: Path) -> None:
    """Comments that are Markdown and HTML are quoted as they stand."""
    deployed = await deployments.serve(brief, model=reader(lambda offered: offered[:3]))
    run = await begun(deployed, "comments.txt", "sizing.txt", "radiators.pdf")
    gate = await waiting(run)
    await run.approve(gate.number, by="Ada")
    await run.result()
    quoted = [note.quotation for note in real(published(briefs))]
    assert any("javascript:" in text for text in quoted)
    assert "](javascript" not in re.sub(r"`[^`]*`", "", published(briefs))


async def test_critic_has_sentences_written_anew_until_the_rounds_are_spent(
    deployments: Deployments, briefs: Path
) -> None:
    """Then the editor decides on what there is."""
    remarked: list[str] = []

    def judge(text: str) -> str:
        remarked.append(text)
        return "badly written" if "radiators" in text else "well"

    deployed = await deployments.serve(brief, model=reader(well, judge))
    run = await begun(deployed, "radiators.pdf", "flow-temperature.txt", "how-it-works.html")
    gate = await waiting(run)
    assert gate.node == "agreed"
    rounds = [entry.receipt for entry in await run.ledger() if entry.receipt.node == "criticise"]
    assert len([receipt for receipt in rounds if receipt.kind == "output"]) == 2
    assert remarked
    await run.approve(gate.number, by="Ada")
    await run.result()
    real(published(briefs))


@pytest.mark.parametrize("choose", [made_up, lambda _: []])
async def test_editor_says_what_is_told_where_the_documents_are_silent(
    deployments: Deployments, briefs: Path, choose: Callable[[list[str]], list[str]]
) -> None:
    """Quotations that a model makes up are none; no brief is written on nothing."""
    deployed = await deployments.serve(brief, model=reader(choose))
    run = await begun(deployed, "radiators.pdf", "flow-temperature.txt", "how-it-works.html")
    gate = await waiting(run)
    assert (gate.kind, gate.role) == ("question", "editor")
    await run.answer(Note(title="No answer yet", text="The documents say *nothing* about it."), by="Ada")
    assert (await run.result()).name == "no-answer-yet"
    assert published(briefs) == "# No answer yet\n\nThe documents say \\*nothing\\* about it\\.\n".replace(
        "it\\.", "it."
    )


async def test_model_that_obeys_whatever_it_reads_publishes_nothing_by_itself(
    deployments: Deployments, briefs: Path
) -> None:
    """Neither a tool nor the press is in its reach; what waits for a person is all there is."""
    deployed = await deployments.serve(brief, model=ObedientModel())
    run = await begun(deployed)
    gate = await waiting(run)
    assert gate.kind in ("approval", "question", "exhausted", "blocked")
    assert not briefs.exists()
    if gate.kind == "approval":
        await run.approve(gate.number, by="somebody careless")
        await run.result()
        real(published(briefs))
    else:
        await run.abort("enough")


@pytest.mark.slow
async def test_embedded_model_quotes_nothing_but_what_stands_there(deployments: Deployments, briefs: Path) -> None:
    """A real model, small enough to drift in earnest; its prose is poor, and every quotation is real.

    It reads more only where it finds too little: another processor rounds otherwise, and then it quotes otherwise.
    """
    deployed = await deployments.serve(brief, model=connect("embedded"))
    for names in (["flow-temperature.txt", "sizing.txt"], ["radiators.pdf", "hot-water.txt", "insulate-first.html"]):
        run = await begun(deployed, *names)
        gate = (await run.waiting(timeout=timedelta(minutes=20))).waiting
        assert gate is not None
        if gate.kind == "approval":
            await run.approve(gate.number, by="Ada")
            await run.result()
            break
        assert gate.kind == "question", gate
        await run.abort("Too little was found.")
    assert real(published(briefs))

"""The panel as the server of the Temporal UI renders it, and the evidence in full, of runs on a real server."""

from __future__ import annotations

import http.client
import json
import re
from collections.abc import AsyncIterator, Iterator
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from temporalio.api.sdk.v1 import WorkflowMetadata
from temporalio.client import WorkflowQueryFailedError, WorkflowUpdateFailedError
from temporalio.common import RawValue
from temporalio.worker import Replayer

from gatework.errors import DecisionError
from gatework.plan.plan import By
from gatework.run.state import ALLOWED, Gate, Vote
from gatework.temporal import Execution, GateworkPlugin
from gatework.temporal.page.panel import cut, panel
from gatework.temporal.page.progress import Progress, Ruled, Said
from gatework.temporal.server import dev_server
from gatework.temporal.transport.payloads import raw
from tests.ports import spare_ports
from tests.unit.temporal.page import Page, honest, read_whole
from tests.unit.temporal.panels import HOSTILE, INLINE, TEXTS, VALUES, fits, progress_of, waiting
from tests.workflow.conftest import Typed
from tests.workflow.deployment import Deployments, events
from tests.workflow.plans import Note, clicked, signed


@pytest.fixture(scope="module")
async def ui(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """A server with its UI, which renders the panel for the browser."""
    async with dev_server(tmp_path_factory.mktemp("ui") / "temporal.db", port=spare_ports()) as running:
        yield running.ui


class Renderer:
    """What the UI shows in a frame, asked for as the UI does."""

    def __init__(self, ui: str) -> None:
        self._connection = http.client.HTTPConnection(urlsplit(ui).netloc, timeout=30)

    def __call__(self, progress: Progress) -> Page:
        text = panel(progress)
        fits(text)
        self._connection.request("GET", f"/render?content={quote(text, safe='')}&theme=light&overrideTheme=")
        answer = self._connection.getresponse()
        html = answer.read().decode()
        assert answer.status == 200
        return Page(html[html.index("<main>") + len("<main>") : html.rindex("</main>")])

    def close(self) -> None:
        self._connection.close()


@pytest.fixture
def rendered(ui: str) -> Iterator[Renderer]:
    renderer = Renderer(ui)
    yield renderer
    renderer.close()


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_text_is_only_text_to_the_server_of_the_ui(rendered: Renderer, text: str) -> None:
    """Its Markdown is not quite everybody's: nothing in a value is a link, markup, another line or another number."""
    shown: dict[str, Any] = {
        "owed": {"amount": text, text: "1", "list": [text, {text: text}], "tail": "THE-LAST-FIELD"},
        "text": text,
        "many": [text] * 20,
    }
    for kind in ALLOWED:
        progress = progress_of(waiting(kind=kind, reasons=(text, "A second reason"), shown=shown), result=text)
        honest(rendered(progress), progress)
    waits = waiting(
        title=f"pay {text}"[:160],
        guards=(Said(of="owed", guard="fits", verdict="escalate", reason=text),),
        quorum=2,
        identity="claimed",
        votes=(Vote(by=text, identity="claimed"),),
        not_by=(text,) * 3,
    )
    progress = progress_of(waits, note=text, automatic=(Ruled(node="early", rule=text),), result=text)
    honest(rendered(progress), progress)


@pytest.mark.parametrize("text", [*HOSTILE, *INLINE])
def test_hostile_text_is_read_as_it_is_from_the_server_of_the_ui(rendered: Renderer, text: str) -> None:
    """Not a letter of it means anything to the page, and none of it is swallowed."""
    fields = {"amount": text, text[:40]: "1"}
    progress = progress_of(waiting(shown={"owed": fields}))
    page = rendered(progress)
    honest(page, progress)
    if not cut(progress):
        read_whole(page, fields)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    kind=st.sampled_from(list(ALLOWED)),
    reasons=st.lists(TEXTS, max_size=4),
    shown=st.dictionaries(st.from_regex(r"[a-z_]{1,30}", fullmatch=True), VALUES, max_size=4),
)
def test_panel_of_anything_is_honest_to_the_server_of_the_ui(
    rendered: Renderer, kind: Any, reasons: list[str], shown: dict[str, Any]
) -> None:
    """Of any values: one heading, the updates and numbers of the gate, tables that hold, one link."""
    progress = progress_of(waiting(kind=kind, reasons=tuple(reasons), shown=shown))
    honest(rendered(progress), progress)


# -- of runs on a real server ----------------------------------------------------------------------

LONG = Note(text="A line of a long mail. " * 400)


async def test_evidence_that_is_cut_is_approved_by_the_number_beside_all_of_it(deployments: Deployments) -> None:
    """The panel has no number; the one that it would have had is refused, and that of the query is taken."""
    deployed = await deployments.serve(signed)
    run, asked = await deployed.gate(signed, LONG)
    shown = (await panel_of(run)).text
    assert "Not all of the evidence fits here" in shown
    assert asked.number not in shown
    before = len(await events(run))
    gate = Gate(**{**_LOOSE, "id": asked.gate, "evidence": asked.evidence})
    assert asked.number == gate.full_number
    with pytest.raises(DecisionError, match="read the query `evidence`, and send the number at its end"):
        await run.approve(gate.number)
    with pytest.raises(WorkflowUpdateFailedError) as caught:
        await run.handle.execute_update("approve")
    assert "read the query `evidence`" in str(caught.value.cause)
    assert len(await events(run)) == before
    told = await run.evidence()
    assert list(told) == ["asked", "until", "because", "shown", "number"]
    assert told["shown"] == {"note": {"text": LONG.text}, "paper": {"pages": 1, "text": LONG.text}}
    await run.approve(told["number"])
    assert (await run.result()).text == LONG.text


async def test_click_on_a_panel_that_is_cut_is_refused(deployments: Deployments) -> None:
    """A plan that takes a click takes one of somebody who could see everything."""
    run, asked = await (await deployments.serve(clicked)).gate(clicked, LONG)
    with pytest.raises(WorkflowUpdateFailedError) as caught:
        await run.handle.execute_update("approve")  # as the UI sends a click
    assert "Not all of the evidence fits on the panel" in str(caught.value.cause)
    # A program names what it has read.
    assert (await run.state()).waiting == asked
    await run.approve()
    await run.result()


async def test_what_was_decided_replays_whatever_fits_on_the_panel_of_a_later_version(
    deployments: Deployments, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which number is taken is asked of new decisions only: the panel is drawn otherwise one day."""
    run, asked = await (await deployments.serve(signed)).gate(signed, Note(text="short"))
    await run.approve(asked.number)
    await run.result()
    monkeypatch.setattr("gatework.temporal.page.panel.MAX_BYTES", 300)
    monkeypatch.setattr("gatework.temporal.page.panel._SIZES", ())
    replayer = Replayer(workflows=[], plugins=[GateworkPlugin(signed)])
    await replayer.replay_workflow(await run.handle.fetch_history())


@pytest.mark.parametrize("sent", [b"5", b"[]", b"{", b'"paper"', b'"nowhere"', b'"\\u0000"'])
async def test_what_is_no_name_is_refused_by_the_evidence_in_a_sentence(deployments: Deployments, sent: bytes) -> None:
    """As everything that people send."""
    run, _ = await (await deployments.serve(signed)).gate(signed, Note(text="short"))
    with pytest.raises(WorkflowQueryFailedError) as caught:
        await run.handle.query("evidence", raw(sent), result_type=RawValue)
    assert "Traceback" not in caught.value.message
    assert re.fullmatch(
        r"What you sent cannot be read: .+\.|What you send with this query is printable text .+|Leave the name out; .+",
        caught.value.message,
    )
    await run.abort("test")


async def test_terminal_shows_all_of_the_evidence_with_its_number(deployments: Deployments, typed: Typed) -> None:
    """`show` is the whole view; lists lead to it."""
    run, asked = await (await deployments.serve(signed)).gate(signed, LONG)
    printed = (await typed("show", run.id)).stdout
    assert re.sub(r"[^a-zA-Z.]", "", printed).count("Alineofalongmail.") == 800 + 1  # and the result of a stage
    assert f"gatework approve {run.id} {asked.number}" in printed
    listed = (await typed("runs")).stdout
    assert "see show" in listed
    assert asked.number not in listed
    await run.abort("test")


async def test_terminal_shows_values_that_are_too_large_for_one_answer(deployments: Deployments, typed: Typed) -> None:
    """Nothing of what is decided on is left to be looked up elsewhere."""
    text = "many words " * 50_000
    run, asked = await (await deployments.serve(signed)).gate(signed, Note(text=text))
    assert asked.left_out == ("note",)
    assert "Too large to show: note" in (await panel_of(run)).text
    told = await run.evidence()
    assert "number" not in told
    rest = await run.evidence("note")
    assert rest["shown"] == {"note": {"text": text}}
    shown = json.loads((await typed("show", run.id, "--json")).stdout)["state"]["waiting"]
    assert shown["shown"]["note"] == {"text": text}
    assert shown["number"] == rest["number"] == asked.number
    await run.abort("test")


async def panel_of(run: Execution[Any]) -> Page:
    """The panel as the UI asks for it, rendered by another program than the UI's."""
    answer = await run.handle.query("__temporal_workflow_metadata", result_type=WorkflowMetadata)
    fits(answer.current_details)
    return Page(MarkdownIt("commonmark").enable("table").render(answer.current_details))


_LOOSE: dict[str, Any] = {
    "kind": "approval",
    "node": "agreed",
    "by": By(role="boss"),
    "place": "paper",
    "shown": {},
    "expires_seconds": 1.0,
}

"""Tools of MCP servers under grants, on the real server: with the official file server, and the hostile one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from gatework.models.question import Answer, Question
from tests.mcp import documents
from tests.mcp.conftest import others
from tests.mcp.documents import FOLDER, Findings, Topic, research, research_elsewhere
from tests.mcp.hostile import INJECTION
from tests.workflow.deployment import Deployed, Deployments
from tests.workflow.test_calls import Agent, call

TOPIC = Topic(text="How are we doing?")
ANSWER = {"text": "Well."}


@pytest.fixture
async def served(deployments: Deployments) -> AsyncIterator[Deployments]:
    reports = FOLDER / "reports"
    reports.mkdir(exist_ok=True)
    (reports / "may.md").write_text(f"All is well. {INJECTION}")
    (FOLDER / "secret.txt").write_text("the salary list")
    yield deployments
    await documents.files.close()
    await documents.theirs.close()


async def panel(run: Any) -> str:
    metadata: Any = await run.handle.query("__temporal_workflow_metadata")
    return str(metadata.current_details.replace("\\", ""))


@others
async def test_model_reads_through_a_server_within_its_grant_and_nothing_outside(served: Deployments) -> None:
    """A path inside the limit comes back as outside text; every other is refused before the server hears of it."""
    wanted = ["reports/may.md", "reports/../secret.txt", "/etc/passwd", "reports/may.md\n"]
    model = Agent(*[(call("read_text_file", path=path),) for path in wanted], answer=ANSWER)
    deployed = await served.serve(research, model=model)
    run = await deployed.start(research, TOPIC)
    assert await run.result() == Findings(text="Well.")
    told = model.told
    assert told[0][0] == f"content: All is well. {INJECTION}"
    assert [refused for _, refused in told] == [False, True, True, True]
    assert all("only with path that fits the pattern" in text for text, _ in told[1:])
    results = [result for turn in model.questions[-1].turns for result in turn.results]
    assert results[0].untrusted
    assert "salary" not in str(model.questions)
    assert documents.read_file.name in {tool.name for tool in model.questions[0].tools}


@others
async def test_model_that_goes_on_reaching_outside_blocks_its_stage(served: Deployments) -> None:
    """After a few refusals the stage blocks, and the panel says what was tried; the server was never asked."""
    model = Agent(*[(call("read_text_file", path=f"../{i}"),) for i in range(6)], answer=ANSWER)
    deployed = await served.serve(research, model=model)
    run, gate = await deployed.gate(research, TOPIC)
    assert gate.kind == "blocked"
    assert "read_text_file" in await panel(run)


async def test_rug_pull_between_two_attempts_blocks_with_the_reason_on_the_panel(served: Deployments) -> None:
    """A description that changed after the first attempt stops the second: nothing is called, and a person is told."""

    class Clumsy(Agent):
        """Gives an answer that breaks its contract after each call."""

        async def answer(self, question: Question) -> Answer:
            found = await super().answer(question)
            return found if found.calls else Answer(text="{}", input_tokens=1, output_tokens=1, model="clumsy")

    model = Clumsy((call("act", how="change"),))
    deployed = await served.serve(research_elsewhere, model=model)
    run, gate = await deployed.gate(research_elsewhere, TOPIC)
    assert gate.kind == "blocked"
    said = await panel(run)
    assert "The tool act of the server theirs is not the one that was pinned: its description changed" in said
    assert "gatework tools check" in said
    assert INJECTION not in said
    assert [text for text, _ in model.told] == []


async def test_injection_reaches_the_model_as_outside_text_alone(served: Deployments) -> None:
    """What a server answers, and what it says of its failure, is marked as text from outside."""
    model = Agent((call("act", how="inject"), call("act", how="fail")), (), answer=ANSWER)
    deployed = await served.serve(research_elsewhere, model=model)
    run = await deployed.start(research_elsewhere, TOPIC)
    assert await run.result() == Findings(text="Well.")
    results = [result for turn in model.questions[-1].turns for result in turn.results]
    assert [result.untrusted for result in results] == [True, True]
    assert [result.refused for result in results] == [False, True]
    assert all(INJECTION in result.text for result in results)
    # The tool is described by its pin, whatever the server says later.
    assert model.questions[-1].tools[0].description == "Does what it is told."


async def test_server_that_stalls_holds_its_stage_no_longer_than_the_tool_may_take(served: Deployments) -> None:
    """A call is over in its time, the model is told, and the run goes on."""
    model = Agent((call("act", how="stall"),), (call("act", how="echo"),), answer=ANSWER)
    deployed: Deployed = await served.serve(research_elsewhere, model=model)
    run = await deployed.start(research_elsewhere, TOPIC)
    async with asyncio.timeout(40):
        assert await run.result() == Findings(text="Well.")
    (late, _), (text, _) = model.told
    assert ("longer than 10 s" in late, text) == (True, "did echo")

"""Large values: a clear message at a gate, where Temporal would refuse the workflow task again and again."""

from __future__ import annotations

from tests.workflow.deployment import Deployments, count
from tests.workflow.plans import Note, Paper, heavy, signed, single


async def test_inputs_beyond_what_temporal_takes_ask_a_person(deployments: Deployments) -> None:
    """A stage whose inputs are larger together than a message asks a person, and shows itself all the same."""
    deployed = await deployments.serve(heavy)
    run, asked = await deployed.gate(heavy, Note(text="900000"))
    assert asked.kind == "failed"
    assert "more than the 2000000 that one stage can be given" in asked.reasons[0]
    assert asked.left_out
    assert await count(run, "WORKFLOW_TASK_FAILED") == 0
    assert await run.ledger()
    assert await run.values()
    metadata = await run.handle.query("__temporal_workflow_metadata")
    assert "NEEDS YOU" in str(metadata)
    await run.edit(Paper(text="smaller"), place="one")
    assert (await run.result()).text == "joined"


async def test_output_beyond_the_limit_fails_the_contract_and_names_it(deployments: Deployments) -> None:
    """An output above the limit is refused with the limit in the message."""
    deployed = await deployments.serve(heavy)
    run, asked = await deployed.gate(heavy, Note(text="1100000"))
    assert asked.kind == "exhausted"
    assert "more than the 1048576" in asked.reasons[0]
    assert "output of" in asked.reasons[0]
    await run.abort("Too large.")


async def test_values_just_below_the_limit_work(deployments: Deployments) -> None:
    """A megabyte goes through a stage, a gate and a result."""
    deployed = await deployments.serve(single, signed)
    text = "é" * 500_000
    run = await deployed.start(single, Note(text=text))
    assert (await run.result()).text == text
    gated, asked = await deployed.gate(signed, Note(text=text[:300_000]))
    await gated.approve(asked.number)
    assert len((await gated.result()).text) == 300_000


async def test_run_too_large_to_continue_goes_on_as_it_is(deployments: Deployments) -> None:
    """A state that is too large to hand on stays where it is: a longer history is better than a run that ends."""
    deployed = await deployments.serve(heavy, continue_after_events=6)
    run, asked = await deployed.gate(heavy, Note(text="700000"))
    assert asked.kind == "failed"
    assert await count(run, "WORKFLOW_TASK_FAILED") == 0
    await run.edit(Paper(text="b"), place="three")
    assert (await run.result()).text == "joined"

"""Overrides on a real server: signed by whom the plan names, told first in every report, and the same at a replay."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel
from temporalio.worker import Replayer

from gatework import Approved, Block, Endorsed, Pass, Verdict, approve, role, stage, workflow
from gatework.errors import DecisionError
from gatework.temporal import GateworkPlugin
from tests.proof import both
from tests.workflow.conftest import Typed
from tests.workflow.deployment import Deployments, waiting
from tests.workflow.test_people import KEYS, LIST, listed, pasted, signed_by

__all__ = ["listed"]


class Item(BaseModel):
    name: str


def is_known(item: Item) -> Verdict:
    return Pass() if item.name == "nut" else Block("We do not sell that.")


@stage(is_known, override=role("finance", identity="signed"))
async def pick(item: Endorsed[Item]) -> Endorsed[Item]:
    return item


@stage(override=role("finance", identity="claimed"))
async def pack(item: Endorsed[Item]) -> Endorsed[Item] | Block:
    return Block("No box fits.") if item.value.name != "nut" else item


@stage()
async def ship(item: Approved[Item]) -> Endorsed[Item]:
    return Endorsed(item.value)


@workflow
def parcel(item: Endorsed[Item]) -> Endorsed[Item]:
    """Send an item."""
    picked = pick(item)
    packed = pack(picked)
    agreed = approve(packed, by=role("ops"), when=packed.value.name == "never", within=timedelta(hours=1))
    return ship(agreed)


WHY = "The new catalogue has it"


@pytest.mark.usefixtures("listed")
async def test_override_is_signed_by_whom_the_plan_names_and_told_first(
    deployments: Deployments, typed: Typed, tmp_path: Path
) -> None:
    """A block holds against everybody else; what is let on is approved by no rule, and every report begins with it."""
    deployed = await deployments.serve(parcel)
    run, waits = await deployed.gate(parcel, Item(name="bolt"))
    assert (waits.kind, waits.allowed) == ("blocked", ("retry", "edit", "abort", "override"))
    number = int(waits.number)
    bare = {"number": number, "note": WHY, "by": "ana"}
    for sent, says in [
        (bare, "This takes a signed decision, see `gatework sign --help`. A typed name is a claim."),
        ({**bare, "value": {"nam": "x"}}, "The value breaks the contract of picked"),
        ({**bare, "place": "item"}, "What you sent has fields that override does not know"),
        (await signed_by(run, "eve", action="override", note=WHY) | {"note": WHY}, "not in the role finance"),
        (await signed_by(run, "ana", action="override", note="Other") | {"note": WHY}, "The signature is not of this"),
        (await signed_by(run, "ana", action="approve", note=WHY) | {"note": WHY}, "The signature is not of this"),
        (await signed_by(run, "ana", action="override"), "Say why: an override is recorded with its reason"),
    ]:
        with pytest.raises(DecisionError) as refused:
            await pasted(deployed, run, sent, "override")
        assert says in refused.value.message

    # As somebody does who types it, with the private key in a file.
    key = tmp_path / "ana.pem"
    KEYS["ana"].write(key)
    shown = await typed("show", run.id)
    assert f"gatework override {run.id} {number} 'WHY' --key FILE" in shown.stdout
    typed_in = await typed("override", run.id, str(number), WHY, "--by", "ana", "--key", str(key), "--yes")
    assert typed_in.exit_code == 0, typed_in.stderr
    assert "override taken at picked by ana (signed): its output goes on, past is_known;" in typed_in.stdout

    # The next stage refuses: there is nothing to let on, and somebody skips it.
    waits = await waiting(run)
    assert (waits.node, waits.kind) == ("packed", "blocked")
    with pytest.raises(DecisionError, match="packed gave nothing that could be let on"):
        await run.override(WHY, number=waits.number, by="ben")
    said = await run.override("By hand", number=waits.number, value=Item(name="bolt"), by="ben")
    assert "packed has the value that you gave, without its work; every report" in said

    waits = await waiting(run)
    assert (waits.kind, waits.reasons) == ("approval", ("a person changed what the rule looks at",))
    await run.approve(waits.number, by="eve")
    assert (await run.result()).name == "bolt"

    first = f"picked: its output was let on past is_known, by ana (signed): {WHY}"
    second = "packed: it was skipped past what stopped it, and given a value by hand, by ben (claimed): By hand"
    metadata: Any = await run.handle.query("__temporal_workflow_metadata")
    panel = metadata.current_details.replace("\\", "")
    assert panel.startswith(f"**OVERRIDDEN** {first}"), panel
    assert second in panel
    shown = await typed("show", run.id)
    lines = [" ".join(line.split()) for line in shown.stdout.splitlines()]
    assert lines[0].startswith("OVERRIDDEN picked: its output was let on past is_known, by ana (signed)")
    told = await typed("logs", run.id)
    assert "OVERRIDDEN" in told.stdout.splitlines()[3]
    assert "OVERRIDDEN: its output goes on past is_known by ana (signed)" in " ".join(told.stdout.split())
    decided = [entry.receipt for entry in await run.ledger() if entry.receipt.action == "override"]
    assert [receipt.how.get("skipped", False) for receipt in decided] == [False, True]
    signed: Any = decided[0].how["signed"]
    assert signed["key"] == KEYS["ana"].public.id
    guards: Any = decided[0].how["guards"]
    assert [(given["guard"], given["verdict"]) for given in guards] == [("is_known", "block")]

    certificate = await run.export()
    assert (both.first(certificate, LIST), both.second(certificate, LIST)) == ("", "")

    replayed = await Replayer(workflows=[], plugins=[GateworkPlugin(parcel)]).replay_workflow(
        await run.handle.fetch_history(), raise_on_replay_failure=False
    )
    assert replayed.replay_failure is None

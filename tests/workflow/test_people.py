"""People told from each other on a real server: by signatures, by the list, and at every replay the same."""

from __future__ import annotations

import asyncio
import json
import os
import time
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel
from temporalio.api.common.v1 import Payload, Payloads, WorkflowExecution
from temporalio.api.workflowservice.v1 import SignalWorkflowExecutionRequest
from temporalio.worker import Replayer, Worker

from gatework import Approved, Endorsed, approve, role, stage, workflow
from gatework.errors import DecisionError
from gatework.proof import ledger
from gatework.run.state import digits
from gatework.signing.keys import PrivateKey
from gatework.signing.signing import Statement, sign
from gatework.temporal import Execution, GateworkPlugin
from gatework.temporal.transport.payloads import raw
from gatework.values import canonical
from gatework.values.canonical import Json, Sealed
from tests import attested
from tests.workflow.conftest import Typed
from tests.workflow.deployment import Deployed, Deployments, count, kinds, refused, waiting
from tests.workflow.principals import Vouching

KEYS = {name: PrivateKey.made() for name in ("ana", "ben", "eve")}
LIST = "".join(
    f'[{name}]\nroles = ["{role}"]\n[[{name}.keys]]\nkey = "{KEYS[name].public}"\n'
    for name, role in (("ana", "finance"), ("ben", "finance"), ("eve", "ops"))
)


class Order(BaseModel):
    number: str
    entered_by: str = "dora"


class Filed(BaseModel):
    number: str


@stage()
async def file_order(order: Approved[Order]) -> Endorsed[Filed]:
    return Endorsed(Filed(number=order.value.number))


@workflow
def by_two(order: Endorsed[Order]) -> Endorsed[Filed]:
    """Two people sign."""
    agreed = approve(order, by=role("finance", quorum=2, identity="signed"), within=timedelta(hours=1))
    return file_order(agreed)


@workflow
def by_another(order: Endorsed[Order]) -> Endorsed[Filed]:
    """Somebody else than who entered it signs."""
    agreed = approve(order, by=role("finance", identity="signed"), not_by=order.value.entered_by)
    return file_order(agreed)


@pytest.fixture
def listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Puts a list of people in its place; one is there already."""
    file = tmp_path / "people.toml"

    def put(text: str) -> None:
        new = file.with_suffix(".new")
        new.write_text(text)
        os.utime(new, (time.time() - 60, time.time() - 60))
        new.replace(file)

    put(LIST)
    monkeypatch.setenv("GATEWORK_PEOPLE", str(file))
    return put


async def stated(run: Execution[Any], by: str, /, **changed: Any) -> tuple[Statement, dict[str, Json]]:
    """What somebody signs to approve what waits, and what they send beside the signature."""
    progress = await run.state()
    waits = progress.waiting
    assert waits is not None
    said = Statement(
        run=progress.lineage,
        plan=progress.plan,
        gate=waits.gate,
        evidence=waits.evidence,
        action="approve",
        by=by,
    )
    return replace(said, **changed), {"number": int(waits.number), "by": by}


async def signed_by(run: Execution[Any], by: str, key: str = "", /, **changed: Any) -> dict[str, Json]:
    """An approval as it is pasted into the UI, signed by somebody."""
    said, sent = await stated(run, by, **changed)
    return {**sent, "signature": str(sign(KEYS[key or by], said))}


async def pasted(deployed: Deployed, run: Execution[Any], data: Mapping[str, Json], name: str = "approve") -> str:
    """Send an update as the UI does; what it answers. Raises `DecisionError` with a refusal."""
    outcome = await deployed.update_raw(run, name, raw(canonical.dumps(dict(data))).payload)
    if outcome.HasField("failure"):
        raise DecisionError(refused(outcome))
    return str(json.loads(outcome.success.payloads[0].data))


async def receipts(run: Execution[Any]) -> list[tuple[str, str, str]]:
    """What was decided: action, who, how surely."""
    found = [entry.receipt for entry in await run.ledger() if entry.receipt.kind == "decided"]
    return [(receipt.action, receipt.by, receipt.identity) for receipt in found]


@pytest.mark.usefixtures("listed")
async def test_two_people_who_sign_let_the_run_go_on(deployments: Deployments) -> None:
    """A signed quorum of two: each signature counts once, and both stand in the ledger with their keys."""
    deployed = await deployments.serve(by_two)
    run, _ = await deployed.gate(by_two, Order(number="A1"))
    one = await signed_by(run, "ana")
    await pasted(deployed, run, one)
    assert (await waiting(run)).gate == 1
    with pytest.raises(DecisionError, match="approved this already"):
        await pasted(deployed, run, one)
    await pasted(deployed, run, await signed_by(run, "ben"))
    assert (await run.result()).number == "A1"
    assert await receipts(run) == [("approve", "ana", "signed"), ("approve", "ben", "signed")]
    proofs = [entry.receipt.how for entry in await run.ledger() if entry.receipt.kind == "decided"]
    assert [proof["signed"]["key"] for proof in proofs] == [KEYS["ana"].public.id, KEYS["ben"].public.id]


async def test_keys_of_one_person_are_one_of_a_quorum(deployments: Deployments, listed: Callable[[str], None]) -> None:
    """Two signatures of one key, or of one person's two, are one approval, also under the name of another; and the
    ledger alone shows who signed.
    """
    KEYS["second"] = PrivateKey.made()
    listed(LIST.replace("[ben]", f'[[ana.keys]]\nkey = "{KEYS["second"].public}"\n[ben]'))
    deployed = await deployments.serve(by_two)
    run, _ = await deployed.gate(by_two, Order(number="A1"))
    await pasted(deployed, run, await signed_by(run, "ana"))
    for by, key, says in (
        ("ana", "ana", "approved this already"),
        ("ana", "second", "approved this already"),
        ("ben", "ana", "has not the key"),
        ("ben", "second", "has not the key"),
    ):
        with pytest.raises(DecisionError, match=says):
            await pasted(deployed, run, await signed_by(run, by, key))
    assert (await waiting(run)).gate == 1
    await pasted(deployed, run, await signed_by(run, "ben"))
    assert (await run.result()).number == "A1"
    told = [ledger.data(entry) for entry in await run.ledger()]
    of = {"run": told[0]["receipt"]["how"]["run"], "plan": told[0]["receipt"]["how"]["plan"]}
    keys = {name: str(KEYS[name].public) for name in ("ana", "ben")}
    made = [entry for entry in told if entry["receipt"]["kind"] == "decided"]
    assert [attested.decided(entry, **of, keys=keys) for entry in made] == ["ana", "ben"]
    assert [attested.decided(entry, **{**of, "run": "another"}, keys=keys) for entry in made] == ["nobody", "nobody"]
    swapped = {"ana": keys["ben"], "ben": keys["ana"]}
    assert [attested.decided(entry, **of, keys=swapped) for entry in made] == ["nobody", "nobody"]


@pytest.mark.usefixtures("listed")
@pytest.mark.parametrize(
    ("by", "key", "changed", "says"),
    [
        ("ana", "ben", {}, "has not the key"),
        ("eve", "eve", {}, "not in the role finance"),
        ("mallory", "eve", {}, "nobody of that name"),
        ("Ana", "ana", {}, "nobody of that name"),
        ("ana", "ana", {"gate": 2}, "not of this decision"),
        ("ana", "ana", {"run": "default/another/run"}, "not of this decision"),
        ("ana", "ana", {"plan": "0" * 64}, "not of this decision"),
        ("ana", "ana", {"evidence": "0" * 64}, "not of this decision"),
        ("ana", "ana", {"action": "reject"}, "not of this decision"),
        ("ana", "ana", {"note": "and more"}, "not of this decision"),
    ],
)
async def test_signature_of_something_else_is_refused(
    deployments: Deployments, by: str, key: str, changed: dict[str, Any], says: str
) -> None:
    """A signature of another gate, run, evidence, action or note, by another key or outside of the role: one sentence,
    and nothing is in the history."""
    deployed = await deployments.serve(by_two)
    run, _ = await deployed.gate(by_two, Order(number="A1"))
    before = len(await kinds(run))
    with pytest.raises(DecisionError, match=says):
        await pasted(deployed, run, await signed_by(run, by, key, **changed))
    assert "WORKFLOW_EXECUTION_UPDATE_ACCEPTED" not in (await kinds(run))[before:]
    await run.abort("test", by="ana")


@pytest.mark.usefixtures("listed")
async def test_signature_of_another_run_is_refused(deployments: Deployments) -> None:
    """Of two runs with the same input, a signature is good for the one that it was made in."""
    deployed = await deployments.serve(by_two)
    run, _ = await deployed.gate(by_two, Order(number="A1"))
    other, _ = await deployed.gate(by_two, Order(number="A1"))
    sent = await signed_by(run, "ana")
    waits = await waiting(other)
    with pytest.raises(DecisionError, match="not of this decision"):
        await pasted(deployed, other, {**sent, "number": int(waits.number)})
    for each in (run, other):
        await each.abort("test", by="ana")


@pytest.mark.usefixtures("listed")
async def test_typed_name_is_no_signature(deployments: Deployments) -> None:
    """Where a signature is asked for, a claim is refused with what to do."""
    deployed = await deployments.serve(by_two)
    run, waits = await deployed.gate(by_two, Order(number="A1"))
    with pytest.raises(DecisionError, match="gatework sign"):
        await run.approve(waits.number, by="ana")
    for signature in ("", "x", "x" * 100_000, 7, None, ["x"], {"x": 1}):
        with pytest.raises(DecisionError):
            await pasted(deployed, run, {"number": int(waits.number), "by": "ana", "signature": signature})
    await run.abort("test", by="ana")


@pytest.mark.usefixtures("listed")
async def test_nobody_approves_their_own(deployments: Deployments) -> None:
    """Four eyes: whoever entered it cannot sign it off, however they write their name there; somebody else can."""
    deployed = await deployments.serve(by_another)
    run, _ = await deployed.gate(by_another, Order(number="A1", entered_by=" ANA"))
    with pytest.raises(DecisionError, match="your own"):
        await pasted(deployed, run, await signed_by(run, "ana"))
    await pasted(deployed, run, await signed_by(run, "ben"))
    assert (await run.result()).number == "A1"


async def test_nobody_approves_what_they_entered_as_the_server_names_them(
    deployments: Deployments, listed: Callable[[str], None]
) -> None:
    """Four eyes hold also where the plan's text is the principal of a person, and they sign by name."""
    listed(LIST.replace('["finance"]', '["finance"]\nprincipal = "a@example.org"', 1))
    deployed = await deployments.serve(by_another)
    run, _ = await deployed.gate(by_another, Order(number="A1", entered_by="A@example.org"))
    with pytest.raises(DecisionError, match="your own"):
        await pasted(deployed, run, await signed_by(run, "ana"))
    await pasted(deployed, run, await signed_by(run, "ben"))
    assert (await run.result()).number == "A1"


@pytest.mark.usefixtures("listed")
async def test_edit_is_signed_with_its_value(deployments: Deployments) -> None:
    """The signature of an edit is over the value, by a salt that is sent along: another value is refused, and the
    receipt names the digest that was signed."""
    deployed = await deployments.serve(by_two)
    run, waits = await deployed.gate(by_two, Order(number="A1"))
    value = {"number": "A2", "entered_by": ""}
    sealed = Sealed.of(value, os.urandom(16))
    said, sent = await stated(run, "ana", action="edit", place="order", value=sealed.digest)
    sent |= {"value": value, "signature": str(sign(KEYS["ana"], said, salt=sealed.salt))}
    with pytest.raises(DecisionError, match="not of this decision"):
        await pasted(deployed, run, {**sent, "value": {**value, "number": "A3"}}, "edit")
    with pytest.raises(DecisionError, match="not of this decision"):
        await pasted(deployed, run, {**sent, "signature": str(sign(KEYS["ana"], said, salt="0" * 32))}, "edit")
    await pasted(deployed, run, sent, "edit")
    (decided,) = [entry.receipt for entry in await run.ledger() if entry.receipt.kind == "decided"]
    assert (decided.identity, decided.output) == ("signed", sealed.digest)
    assert sealed.salt not in json.dumps(dict(decided.how))
    assert (await waiting(run)).gate != waits.gate
    with pytest.raises(DecisionError, match="your own"):
        await pasted(deployed, run, await signed_by(run, "ana"))
    await run.abort("test", by="ana")


async def test_list_that_changed_does_not_change_what_was_decided(
    deployments: Deployments, listed: Callable[[str], None]
) -> None:
    """A run that a worker with another list replays goes the same way; what is new is held against the new list."""
    async with deployments.serving(by_two) as deployed:
        run, _ = await deployed.gate(by_two, Order(number="A1"))
        await pasted(deployed, run, await signed_by(run, "ana"))
        late = await signed_by(run, "ben")
    listed(LIST.partition("[ben]")[0].replace(str(KEYS["ana"].public), str(PrivateKey.made().public)))
    async with deployments.serving(by_two) as deployed:
        assert await receipts(run) == [("approve", "ana", "signed")]
        with pytest.raises(DecisionError, match="nobody of that name"):
            await pasted(deployed, run, late)
    listed(LIST)
    async with deployments.serving(by_two) as deployed:
        await pasted(deployed, run, late)
        assert (await run.result()).number == "A1"
    assert "WORKFLOW_TASK_FAILED" not in await kinds(run)


@pytest.mark.usefixtures("listed")
async def test_worker_without_a_list_replays_what_one_with_a_list_took(
    deployments: Deployments, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which list a worker has, and whether it has one, is nothing that a replay looks at."""
    async with deployments.serving(by_two) as deployed:
        run, _ = await deployed.gate(by_two, Order(number="A1"))
        await pasted(deployed, run, await signed_by(run, "ana"))
        late = await signed_by(run, "ben")
    monkeypatch.delenv("GATEWORK_PEOPLE")
    async with deployments.serving(by_two) as deployed:
        assert await receipts(run) == [("approve", "ana", "signed")]
        with pytest.raises(DecisionError, match="no list of people"):
            await pasted(deployed, run, late)
    assert "WORKFLOW_TASK_FAILED" not in await kinds(run)


async def test_key_that_ends_is_refused_from_then_on(deployments: Deployments, listed: Callable[[str], None]) -> None:
    """What counts is when the decision arrives: a signature that was made in time is late with its key."""
    deployed = await deployments.serve(by_two)
    run, _ = await deployed.gate(by_two, Order(number="A1"))
    sent = await signed_by(run, "ana")
    line = f'key = "{KEYS["ana"].public}"\n'
    listed(LIST.replace(line, f"{line}until = 2020-01-01\n"))
    with pytest.raises(DecisionError, match="not valid any more"):
        await pasted(deployed, run, sent)
    listed(LIST.replace(line, f"{line}from = 2100-01-01\n"))
    with pytest.raises(DecisionError, match="not valid yet"):
        await pasted(deployed, run, sent)
    await run.abort("test", by="ana")


async def test_list_that_breaks_while_a_run_waits_lets_nobody_approve(
    deployments: Deployments, listed: Callable[[str], None]
) -> None:
    """The worker goes on, nobody approves, and the run can still be stopped."""
    deployed = await deployments.serve(by_two)
    run, _ = await deployed.gate(by_two, Order(number="A1"))
    sent = await signed_by(run, "ana")
    listed("[ana")
    with pytest.raises(DecisionError, match="cannot be read now"):
        await pasted(deployed, run, sent)
    assert "abort taken" in await run.abort("the list is broken", by="ana")


@pytest.mark.usefixtures("listed")
async def test_worker_says_at_its_start_that_its_list_is_broken(
    deployments: Deployments, listed: Callable[[str], None]
) -> None:
    """A worker that could let nobody decide does not begin."""
    listed("[ana]\n")
    with pytest.raises(Exception, match=r"\[ana\]: roles is a list"):
        await deployments.serve(by_two)


# -- by the server's word --------------------------------------------------------------------------


@workflow
def by_login(order: Endorsed[Order]) -> Endorsed[Filed]:
    """Two people whom the server names, and not who entered it."""
    agreed = approve(order, by=role("finance", quorum=2), not_by=order.value.entered_by)
    return file_order(agreed)


Senders = dict[str, list[tuple[str, str]]]


@pytest.fixture
async def logged_in(deployments: Deployments, listed: Callable[[str], None]) -> AsyncIterator[tuple[Deployed, Senders]]:
    """A worker for a server that says who sends signals, and what it will say."""
    listed(LIST.replace('["finance"]', '["finance"]\nprincipal = "a@example.org"', 1))
    senders: Senders = {"approve": [], "reject": [], "edit": []}
    client = await deployments.client(GateworkPlugin(by_login), interceptors=[Vouching(senders)])
    async with Worker(client, task_queue=deployments.queue):
        yield Deployed(client, deployments.queue), senders


async def told(run: Execution[Any], words: str) -> None:
    """Wait until the panel says this."""
    async with asyncio.timeout(20):
        while words not in (await run.state()).note:  # it is another process's
            await asyncio.sleep(0.05)


async def decided_by(run: Execution[Any], *people: str) -> None:
    """Wait until these people have decided."""
    async with asyncio.timeout(20):
        while [by for _, by, _ in await receipts(run)] != list(people):
            await asyncio.sleep(0.05)


ANA, BEN, EVE = ("jwt", "a@example.org"), ("jwt", "ben"), ("jwt", "eve")


async def test_server_says_who_approves(logged_in: tuple[Deployed, Senders]) -> None:
    """A signal is a decision of whom the server names, under the name of the list; each counts once for the quorum."""
    deployed, senders = logged_in
    run, waits = await deployed.gate(by_login, Order(number="A1"))
    senders["approve"] += [ANA, ANA, EVE, BEN]
    number = int(waits.number)
    await run.handle.signal("approve", number)
    await decided_by(run, "ana")
    await run.handle.signal("approve", number)
    await told(run, "The approve that came as a signal was not taken: You have approved this already; another of")
    await run.handle.signal("approve", {"number": number})
    await told(run, "not in the role finance")
    await run.handle.signal("approve", {"number": number, "by": "ben", "note": "seen"})
    assert (await run.result()).number == "A1"
    assert await receipts(run) == [("approve", "ana", "authenticated"), ("approve", "ben", "authenticated")]
    proofs = [entry.receipt.how for entry in await run.ledger() if entry.receipt.kind == "decided"]
    assert (proofs[0]["principal"], proofs[0]["type"]) == ("a@example.org", "jwt")


async def test_principal_who_entered_it_does_not_approve(logged_in: tuple[Deployed, Senders]) -> None:
    """Four eyes hold by the server's word, too, where the plan's text is the name that the server has for them."""
    deployed, senders = logged_in
    run, waits = await deployed.gate(by_login, Order(number="A1", entered_by="a@example.org"))
    senders["approve"] += [ANA]
    await run.handle.signal("approve", int(waits.number))
    await told(run, "it is your own")
    assert await receipts(run) == []


async def test_name_that_is_not_the_senders_is_refused(logged_in: tuple[Deployed, Senders]) -> None:
    """Whoever types another's name in a signal decides nothing; nor does one who is nobody, or who entered it."""
    deployed, senders = logged_in
    run, waits = await deployed.gate(by_login, Order(number="A1", entered_by="Ben"))
    number = int(waits.number)
    senders["approve"] += [EVE, ("jwt", "stranger"), ("", ""), BEN]
    await run.handle.signal("approve", {"number": number, "by": "ana"})
    await told(run, "You are somebody else by the server's word")
    await run.handle.signal("approve", number)
    await told(run, "does not have you")
    await run.handle.signal("approve", number)
    await told(run, "does not say who you are")
    await run.handle.signal("approve", number)
    await told(run, "your own")
    assert await receipts(run) == []
    await run.abort("test", by="ana")


async def test_signal_that_cannot_be_read_lends_its_sender_to_nobody(logged_in: tuple[Deployed, Senders]) -> None:
    """What Temporal would drop is counted all the same: the next signal is its own sender's."""
    deployed, senders = logged_in
    run, waits = await deployed.gate(by_login, Order(number="A1"))
    senders["approve"] += [ANA, ANA, ANA, ANA, EVE]
    broken = Payload(metadata={"encoding": b"json/plain"}, data=b"{")
    whole = Payload(metadata={"encoding": b"json/plain"}, data=b"1")
    for payloads in (
        [broken, broken],
        [whole, whole],
        [broken],
        [Payload(metadata={"encoding": b"no/such"}, data=b"\xff")],
    ):
        await deployed.client.workflow_service.signal_workflow_execution(
            SignalWorkflowExecutionRequest(
                namespace="default",
                workflow_execution=WorkflowExecution(workflow_id=run.id),
                signal_name="approve",
                input=Payloads(payloads=payloads),
                request_id=str(uuid.uuid4()),
            )
        )
    await run.handle.signal("approve", {"number": int(waits.number), "note": "in the name of ana"})
    await told(run, "not in the role finance")
    assert await receipts(run) == []
    await run.abort("test", by="ana")


async def test_signal_that_decides_nothing_costs_no_activity(logged_in: tuple[Deployed, Senders]) -> None:
    """Nobody is looked up for a number that is wrong, an answer that does not fit, or a signal of another name."""
    deployed, _ = logged_in
    run, waits = await deployed.gate(by_login, Order(number="A1"))
    before = await count(run, "ACTIVITY_TASK_SCHEDULED")
    for name, data in (("approve", 1000 if waits.number != "1000" else 1001), ("retry", None), ("unknown", 7)):
        await run.handle.signal(name, data)
    await told(run, "The retry that came as a signal was not taken")
    assert await count(run, "ACTIVITY_TASK_SCHEDULED") == before
    await run.abort("test", by="ana")


async def test_signal_by_the_number_of_a_cut_panel_is_refused(logged_in: tuple[Deployed, Senders]) -> None:
    """What the panel does not hold is not approved by its number, by signal neither; the whole evidence has another."""
    deployed, senders = logged_in
    run, waits = await deployed.gate(by_login, Order(number="A" * 9_000))
    senders["approve"] += [ANA, ANA]
    assert waits.cut
    await run.handle.signal("approve", int(digits(waits.gate, waits.evidence, 0)))
    await told(run, "Not all of the evidence fits on the panel")
    assert await receipts(run) == []
    await run.handle.signal("approve", int(waits.number))
    await decided_by(run, "ana")
    await run.abort("test", by="ana")


async def test_servers_word_is_replayed_whatever_the_list_says(
    deployments: Deployments, logged_in: tuple[Deployed, Senders], listed: Callable[[str], None]
) -> None:
    """Who sent a signal was found once, and stands in the history."""
    deployed, senders = logged_in
    run, waits = await deployed.gate(by_login, Order(number="A1"))
    senders["approve"] += [ANA]
    await run.handle.signal("approve", int(waits.number))
    await decided_by(run, "ana")
    listed("[nobody]\nroles = []\n")
    history = await run.handle.fetch_history()
    await Replayer(workflows=[], plugins=[GateworkPlugin(by_login)]).replay_workflow(history)
    listed(LIST)
    await run.abort("test", by="ana")


# -- from the command line -------------------------------------------------------------------------


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    """The private keys as files."""
    for name, key in KEYS.items():
        key.write(tmp_path / f"{name}.pem")
    return {name: str(tmp_path / f"{name}.pem") for name in KEYS}


@pytest.mark.usefixtures("listed")
async def test_line_that_sign_prints_is_taken_when_it_is_pasted(
    deployments: Deployments, typed: Typed, files: dict[str, str]
) -> None:
    """`gatework sign` prints one line, which the UI sends as it is; `gatework approve --key` does both at once."""
    deployed = await deployments.serve(by_two)
    run, waits = await deployed.gate(by_two, Order(number="A1"))
    done = await typed("sign", run.id, "approve", "--by", "ana", "--note", " seen ", "--key", files["ana"], "--yes")
    assert done.exit_code == 0
    assert done.stdout.count("\n") == 1
    assert '"number": "A1"' in done.stderr
    await pasted(deployed, run, json.loads(done.stdout))
    done = await typed("approve", run.id, waits.number, "--by", "ben", "--key", files["ben"], "--yes")
    assert (done.exit_code, "approve taken" in done.stdout) == (0, True)
    assert "ana has approved it (signed); 2 must." in done.stderr
    assert (await run.result()).number == "A1"
    assert await receipts(run) == [("approve", "ana", "signed"), ("approve", "ben", "signed")]


@pytest.mark.usefixtures("listed")
@pytest.mark.parametrize(
    ("action", "what"),
    [("reject", ["Not ours."]), ("abort", ["Wrong order."]), ("edit", ['{"number": "A2", "entered_by": ""}'])],
)
async def test_every_decision_can_be_signed(
    deployments: Deployments, typed: Typed, files: dict[str, str], action: str, what: list[str]
) -> None:
    """Each command takes a key, and what it sends is recorded as signed."""
    deployed = await deployments.serve(by_two)
    run, _ = await deployed.gate(by_two, Order(number="A1"))
    done = await typed(action, run.id, *what, "--by", "ana", "--key", files["ana"], "--yes")
    assert done.exit_code == 0, done.stderr
    assert await receipts(run) == [(action, "ana", "signed")]
    if action == "edit":
        await waiting(run)
        await run.abort("test", by="ana")


@pytest.mark.usefixtures("listed")
async def test_nothing_is_signed_unseen(deployments: Deployments, typed: Typed, files: dict[str, str]) -> None:
    """Without anybody to ask, without the right number or a fitting action, nothing is signed or sent."""
    deployed = await deployments.serve(by_two)
    run, waits = await deployed.gate(by_two, Order(number="A1\u202e\x1b[2J"))
    key = ("--by", "ana", "--key", files["ana"])
    wrong = "1000" if waits.number != "1000" else "1001"
    for arguments, says in (
        (("sign", run.id, "approve", *key), "Nothing was signed"),
        (("approve", run.id, waits.number, *key), "Nothing was signed"),
        (("approve", run.id, wrong, *key, "--yes"), "not the number of what waits"),
        (("retry", run.id, *key, "--yes"), "does not answer this"),
        (("sign", run.id, "agree", *key, "--yes"), "ACTION is"),
        (("sign", run.id, "approve", "--by", "ana", "--yes"), "Name your private key"),
        (("sign", run.id, "edit", "{", *key, "--yes"), "cannot be read"),
    ):
        done = await typed(*arguments)
        assert done.exit_code != 0
        assert says in done.stderr
        assert "ed25519" not in done.output
        assert "\u202e" not in done.stderr
        assert "\x1b[2J" not in done.stderr
    assert await receipts(run) == []
    await run.abort("test", by="ana")

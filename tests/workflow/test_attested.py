"""Workers that sign, on a real server: what each did is verified from the ledger, and nothing goes on unsigned."""

from __future__ import annotations

import logging
import uuid
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from temporalio.client import WorkflowFailureError
from temporalio.worker import Worker

from gatework import Block, Budget, Endorsed, Pass, Untrusted, Verdict, at_most, endorse, guard, stage, workflow
from gatework.errors import ConfigError
from gatework.proof import ledger
from gatework.signing.keys import PrivateKey, Signer
from gatework.signing.roster import People
from gatework.signing.signer import Service
from gatework.temporal import Execution, GateworkPlugin, find
from gatework.temporal.client.restarting import look, resumed
from gatework.values import wire
from gatework.verify.policy import Policy, unmet
from gatework.verify.whole import check, read
from tests import attested
from tests.proof import both
from tests.workflow import plans
from tests.workflow.deployment import Deployed, Deployments, events
from tests.workflow.plans import Note, Paper, world
from tests.workflow.test_calls import PAY, Agent, call

WORKER, GUARD, STRANGER = PrivateKey.made(), PrivateKey.made(), PrivateKey.made()
KEYS = {"worker": str(WORKER.public), "guard": str(GUARD.public)}


def _checked(queue: str) -> Any:
    @guard(timeout=timedelta(seconds=3))
    def apart(paper: Paper) -> Verdict:
        return Pass()

    def near(paper: Paper) -> Verdict:
        return Pass()

    @stage(near, apart.isolated(on=queue))
    async def file(paper: Endorsed[Paper]) -> Endorsed[Paper]:
        return paper

    @workflow
    def paid_and_filed(note: Untrusted[Note]) -> Endorsed[Paper]:
        """A model looks things up and pays; what it writes is filed past a guard on workers of its own."""
        owed = endorse(note, by=plans.known_sum)
        limits = plans.transfer.only(order=owed.value.order, amount=at_most(owed.value.amount))
        paper = plans.decide.limited(limits)(owed)
        return file(paper)

    return paid_and_filed


@asynccontextmanager
async def served(
    deployments: Deployments, worker: Signer | None, guards: Signer | None
) -> AsyncGenerator[tuple[Deployed, Any]]:
    """Two workers, each with its own key: that of the run, and that of the guard."""
    queue = f"guards-{uuid.uuid4()}"
    checked = _checked(queue)
    model = Agent((call("look", word="A-1"),), (PAY,))
    deployed = await deployments.serve(checked, model=model, signer=worker)
    client = await deployments.client(GateworkPlugin(checked, signer=guards))
    async with Worker(client, task_queue=queue):
        yield deployed, checked


async def found(execution: Execution[Any], checked: Any, **changed: Any) -> list[str]:
    """Who signed what in a run, as a verifier finds that knows the specification and nothing of the engine."""
    told = [ledger.data(entry) for entry in await execution.ledger()]
    begun = told[0]["receipt"]["how"]
    known = {"run": begun["run"], "plan": wire.data(checked.plan), "digest": begun["plan"], "keys": KEYS, **changed}
    return attested.found(told, **known)


SIGNED = [
    "output owed: worker",
    "suspended paper: worker",
    "acted paper: worker",
    "output paper: worker",
    "output file: worker",
    "verdict apart: guard",
]


def signing(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What workers said of their keys when they started."""
    return [r.getMessage() for r in caplog.records if getattr(r, "event", "").startswith("worker.")]


async def test_signed_run_is_verified_from_its_ledger(
    deployments: Deployments, caplog: pytest.LogCaptureFixture
) -> None:
    """Each worker answers for what it did, and says with which key: an endorser, an agent's turns, a payment, a guard
    elsewhere.
    """
    caplog.set_level(logging.INFO, logger="gatework")
    async with served(deployments, WORKER, GUARD) as (deployed, checked):
        run = await deployed.start(checked, Note(text="A-1"))
        assert (await run.result()).text == "paid"
        other = await deployed.start(checked, Note(text="A-1"))
        assert (await other.result()).text == "paid"
    assert signing(caplog) == [f"worker.signs signer={key.public.id}" for key in (WORKER, GUARD)]
    said = await found(run, checked)
    # How often it stands still between two questions depends on what comes when.
    assert list(dict.fromkeys(said)) == SIGNED
    for changed in (
        {"run": (await other.ledger())[0].receipt.how["run"]},
        {"digest": plans.agent.plan.digest},
        {"keys": {"worker": str(STRANGER.public), "guard": str(STRANGER.public)}},
        {"keys": {"worker": KEYS["guard"], "guard": KEYS["worker"]}},
    ):
        assert all(one.endswith("nobody") for one in await found(run, checked, **changed))
    history = b"".join(event.SerializeToString() for event in await events(run))
    # In each result once, and nowhere else: the ledger is made of it.
    assert history.count(b'"signed":') == len(said)


async def test_run_whose_workers_have_no_keys_takes_no_byte_for_signatures(
    deployments: Deployments, caplog: pytest.LogCaptureFixture
) -> None:
    """Where no key is configured nothing is signed, and nothing in the history says so; the workers do."""
    caplog.set_level(logging.INFO, logger="gatework")
    async with served(deployments, None, None) as (deployed, checked):
        run = await deployed.start(checked, Note(text="A-1"))
        assert (await run.result()).text == "paid"
    assert signing(caplog) == ["worker.unsigned"] * 2
    assert await found(run, checked) == []
    assert not any(b"signed" in event.SerializeToString() for event in await events(run))


class Stuck:
    """Whether a stage refuses what it is given."""

    now = True


@stage()
async def copy(note: Endorsed[Note]) -> Endorsed[Paper]:
    return Endorsed(Paper(text=note.value.text))


@stage()
async def bind(paper: Endorsed[Paper]) -> Endorsed[Paper] | Block:
    return Block("The glue is not dry.") if Stuck.now else paper


@workflow
def copied(note: Endorsed[Note]) -> Endorsed[Paper]:
    """What a child run does."""
    return copy(note)


@workflow(budget=Budget(tokens=1_000, seconds=60))
def bound(note: Endorsed[Note]) -> Endorsed[Paper]:
    """A child run, and a stage behind it."""
    paper = copied(note)
    return bind(paper)


async def test_child_runs_and_resumed_runs_are_proven_by_the_keys_of_workers(deployments: Deployments) -> None:
    """In the certificate of a run that was resumed every attempt is signed, over all its legs and its child run.

    The run has a budget: its ledger and that of its child run say how much of it this one was given.
    """
    Stuck.now = True
    people = f'[w]\nroles = ["worker"]\n\n[[w.keys]]\nkey = "{WORKER.public}"\nfrom = 2020-01-01\n'
    deployed = await deployments.serve(bound, copied, signer=WORKER)
    run, gate = await deployed.gate(bound, Note(text="a"))
    assert gate.kind == "blocked"
    await run.abort("Later.")
    with pytest.raises(WorkflowFailureError):
        await run.result()
    Stuck.now = False
    await resumed(deployed.client, await look(deployed.client, run.id))
    run = find(deployed.client, bound, run.id)
    assert (await run.result()).text == "a"
    certificate = await run.export()
    checked = check(read(certificate), People.of(people.encode(), "people.toml"))
    assert [one.there for one in checked.children] == [True]
    receipts = [entry.receipt for run in read(certificate).runs for entry in run.entries]
    given = [one.how.get("given") for one in receipts if one.kind in ("begun", "called")]
    assert given == [None, {"tokens": 1_000, "seconds": 60}, {"tokens": 1_000, "seconds": 60}]
    stages = {(one.run, one.node): (one.attempts, one.unsigned, one.signers) for one in checked.story.stages.values()}
    assert stages[1, read(certificate).plans[copied.plan.digest].nodes[0].name] == (1, 0, ["w"])
    assert stages[0, bound.plan.nodes[-1].name] == (2, 0, ["w"])
    demand = Policy(signed=("attempts",))
    assert list(unmet(demand, checked)) == []
    assert both.second(certificate, people) == ""
    stranger = people.replace(str(WORKER.public), str(STRANGER.public))
    assert list(unmet(demand, check(read(certificate), People.of(stranger.encode(), "people.toml")))) != []


class Moody:
    """A key service that does not answer what it is told not to."""

    def __init__(self, key: PrivateKey, *unheard: bytes) -> None:
        self.public = key.public
        self.unheard = unheard
        self._key = key

    def sign(self, message: bytes) -> bytes:
        if any(part in message for part in self.unheard):
            raise ConnectionError("token hunter2 is not let in")
        return self._key.sign(message)


async def test_payment_that_cannot_be_signed_is_in_doubt_and_not_made_again(deployments: Deployments) -> None:
    """The money has moved, and nobody answers for it: a person is asked, and no second payment is made."""
    service = Moody(WORKER, b'"kind":"acted"')
    async with served(deployments, service, GUARD) as (deployed, checked):
        run, gate = await deployed.gate(checked, Note(text="A-1"))
        assert gate.kind == "unknown"
        assert "could not be signed" in " ".join(gate.reasons)
        assert len(world.paid) == 1
        service.unheard = ()
        await run.retry(number=gate.number)
        assert (await run.result()).text == "paid"
    assert len(world.paid) == 1
    said = await found(run, checked)
    assert "acted paper: worker" in said
    assert not any("nobody" in one for one in said)
    assert not any(b"hunter2" in event.SerializeToString() for event in await events(run))


async def test_verdict_that_cannot_be_signed_blocks(deployments: Deployments) -> None:
    """A guard whose worker cannot sign lets nothing on."""
    async with served(deployments, WORKER, Moody(GUARD, b"urn:gatework:verdict")) as (deployed, checked):
        run, gate = await deployed.gate(checked, Note(text="A-1"))
        assert gate.kind == "blocked"
        assert "the verdict of apart could not be signed: What signs broke with ConnectionError." in gate.reasons
        assert "verdict apart" not in " ".join(await found(run, checked))


async def test_worker_whose_key_cannot_be_had_does_not_start(
    deployments: Deployments, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that is to sign and cannot is none; a client of the same environment needs no key."""
    monkeypatch.setenv("GATEWORK_WORKER_KEY", "file:/nowhere/key.pem")
    client = await deployments.client(GateworkPlugin(plans.agent))
    with pytest.raises(ConfigError, match="cannot be read"):
        Worker(client, task_queue="signed")


def test_service_is_a_signer() -> None:
    """What `call:` gives is used as a key is."""
    signer: Signer = Service(WORKER.public, WORKER.sign)
    assert signer.public.verifies(signer.sign(b"x"), b"x")

"""A run in which everybody signs who can: workers, a guard elsewhere, people, and whoever exports it."""

from __future__ import annotations

import os
import time
from datetime import timedelta
from decimal import Decimal
from typing import Any
from unittest.mock import patch

from temporalio.worker import Worker

from gatework import (
    Approved,
    Block,
    Budget,
    Endorsed,
    IdempotencyKey,
    Pass,
    Retry,
    Untrusted,
    Verdict,
    approve,
    ask,
    ask_person,
    effect,
    endorse,
    guard,
    role,
    stage,
    tool,
    workflow,
)
from gatework.models.cost import Price
from gatework.signing.keys import PrivateKey
from gatework.signing.signing import sign
from gatework.temporal import Execution, GateworkPlugin
from gatework.values.canonical import Json, Sealed
from tests.proof import making
from tests.proof.parcels import Wish, fare, mishaps
from tests.proof.runs import Stage, at
from tests.workflow.deployment import Deployed, waiting
from tests.workflow.plans import Note, Paper, Receipt, Sum
from tests.workflow.principals import Vouching
from tests.workflow.test_calls import Agent, call
from tests.workflow.test_people import pasted, stated

SECOND = timedelta(seconds=1)
GUARDS = "proof-guards"
"""The task queue of the guard that is asked apart."""

KEYS = {name: PrivateKey(making.private(name)) for name in ("ana", "ben", "eve", "machine", "checks", "desk")}
PEOPLE = "".join(
    f'[{name}]\nroles = ["{of}"]\n{principal}[[{name}.keys]]\nkey = "{KEYS[name].public}"\n\n'
    for name, of, principal in (
        ("ana", "finance", ""),
        ("ben", "board", 'principal = "ben@example.org"\n'),
        ("eve", "board", 'principal = "eve@example.org"\n'),
        ("machine", "worker", ""),
        ("checks", "guard", ""),
        ("desk", "exporter", ""),
    )
)
"""The list by which the recorded certificates are verified."""


@tool()
async def quote(order: str) -> str | Block:
    """What others ask for a trip."""
    mishap = mishaps.next("quote")
    return f"12.50 for {order}" if mishap is None else mishap


@effect(once="order", approve_calls=role("finance", identity="signed"))
async def hire(key: IdempotencyKey, order: str, amount: Decimal) -> Receipt:
    """Hire a van, once a person agrees."""
    return Receipt(payment=key[:8], order=order)


@stage(tools=[quote, hire], attempts=3, timeout=SECOND, budget=Budget(model_calls=40, tokens=900_000, money="5"))
async def haggle(owed: Endorsed[Sum]) -> Endorsed[Paper]:
    paper = await ask(Paper, instructions="Hire a van.", about=owed, tools=[quote, hire])
    return await mishaps.given("haggle", paper)  # type: ignore[no-any-return]


def was_read(paper: Paper) -> Verdict:
    verdict: Verdict = mishaps.next("was_read", Pass())
    return verdict


@guard(timeout=timedelta(seconds=3))
def is_fair(paper: Paper) -> Verdict:
    verdict: Verdict = mishaps.next("is_fair", Pass())
    return verdict


@stage(
    is_fair.isolated(on=GUARDS),
    before=[was_read],
    timeout=SECOND,
    operator=role("finance"),
    override=role("finance", identity="signed"),
)
async def check(paper: Endorsed[Paper]) -> Endorsed[Paper] | Block:
    return await mishaps.given("check", Endorsed(paper.value))  # type: ignore[no-any-return]


@stage(override=role("finance", identity="signed"))
async def bind(paper: Endorsed[Paper], wish: Approved[Wish]) -> Endorsed[Paper] | Block:
    return await mishaps.given("bind", Endorsed(paper.value))  # type: ignore[no-any-return]


@stage()
async def seal(paper: Approved[Paper]) -> Endorsed[Paper]:
    return Endorsed(paper.value)


@workflow
def haggled(order: Untrusted[Note]) -> Endorsed[Paper]:
    """A model hires a van; what it writes of it is checked, and two of the board approve it."""
    owed = endorse(order, by=fare)
    paper = haggle.limited(hire.only(order=owed.value.order))(owed)
    checked = check(paper)
    wish = ask_person(Wish, "By ferry?", by=role("finance", identity="signed"))
    bound = bind(checked, wish)
    agreed = approve(bound, by=role("board", quorum=2), within=timedelta(hours=1))
    return seal(agreed)


class Priced(Agent):
    price = Price(read_usd=Decimal(1), written_usd=Decimal(2))


async def signs(on: Deployed, run: Execution[Any], action: Any, note: str = "", value: Json = None) -> None:
    """Ana decides by her signature, which is over the value, too, that she gives."""
    sealed = Sealed.of(value, os.urandom(16))
    given = {"value": sealed.digest} if value is not None else {}
    place = {"place": (await waiting(run)).place} if action == "edit" else {}
    said, sent = await stated(run, "ana", action=action, note=note, **given, **place)
    sent["signature"] = str(sign(KEYS["ana"], said, salt=sealed.salt if given else ""))
    sent |= ({"note": note} if note else {}) | ({"value": value} if given else {})
    await pasted(on, run, sent, action)


async def proven(on: Stage) -> Execution[Any]:
    """Everybody signs; a model asks for more than it is granted, a guard and a stage say no, and people are named."""
    people = on.folder / "people.toml"
    people.write_text(PEOPLE)
    os.utime(people, (time.time() - 60, time.time() - 60))
    senders = {"approve": [("jwt", "ben@example.org"), ("jwt", "eve@example.org")]}
    mishaps["haggle"] = ["late", "no contract"]
    mishaps["quote"] = [None, OSError("the line went dead"), Block("They do not say.")]
    mishaps["was_read"] = [Block("Nobody has read it.")]
    mishaps["check"] = ["late", Block("Once more.")]
    mishaps["is_fair"] = [Retry("Say for whom."), Block("That is too much.")]
    mishaps["bind"] = [Block("The glue is not dry.")]
    asked = (
        call("quote", order="A-1"),
        call("quote", order="A-2"),
        call("hire", order="A-2", amount="1"),
        call("sell"),
    )
    model = Priced(asked, (call("hire", order="A-1", amount="12.50"),))
    with patch.dict(os.environ, {"GATEWORK_PEOPLE": str(people)}):
        client = await on.deployments.client(
            GateworkPlugin(haggled, model=model, signer=KEYS["machine"]), interceptors=[Vouching(senders)]
        )
        other = await on.deployments.client(GateworkPlugin(haggled, signer=KEYS["checks"]))
        async with Worker(client, task_queue="proven"), Worker(other, task_queue=GUARDS):
            deployed = Deployed(client, "proven")
            run, _ = await deployed.gate(haggled, Note(text="A-1"), "proven")
            await signs(deployed, run, "approve")
            await at(run, "blocked", "checked")
            await run.retry()
            late = await at(run, "exhausted", "checked")
            await signs(deployed, run, "edit", "As they said.", {"text": "a van", "pages": 1})
            await at(run, "exhausted", "checked", after=late.gate)
            await run.retry()
            no = await at(run, "blocked", "checked", after=late.gate)
            await run.retry()
            await at(run, "blocked", "checked", after=no.gate)
            await signs(deployed, run, "override", "It is fair enough.")
            await at(run, "question")
            await signs(deployed, run, "answer", value={"by_ferry": True})
            await at(run, "blocked", "bound")
            await signs(deployed, run, "override", "The glue is dry.", {"text": "a van, bound", "pages": 1})
            number = int((await at(run, "approval")).number)
            for name in ("ben", "eve"):
                await run.handle.signal("approve", {"number": number, "by": name})
            await run.result()
    return run

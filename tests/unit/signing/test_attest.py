"""What machines sign: statements that anyone makes again from the ledger, under keys that hold for them alone."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from gatework.errors import ConfigError, ContractError, OrderError
from gatework.plan.labels import Label
from gatework.plan.plan import Plan, Work
from gatework.proof import ledger
from gatework.proof.certificate import Certificate, RunLedger, Superseded, read, written
from gatework.run.budget import Spent
from gatework.run.events import Acted, Event, Finished, Signed
from gatework.signing import attest, dsse
from gatework.signing.keys import PrivateKey, Signer
from gatework.testing import Driver, factories
from gatework.testing.factories import (
    acted,
    answered,
    call,
    called,
    failed,
    finished,
    plan_of,
    sealed,
    stage,
    stopped,
    suspended,
    tool,
)
from gatework.values import canonical, wire
from tests import attested

WORKER, GUARD, STRANGER = PrivateKey.made(), PrivateKey.made(), PrivateKey.made()
KEYS = {"worker": str(WORKER.public), "guard": str(GUARD.public)}
RUN = "default/refund-1/9f"
ENDED_MS = 1_700_000_000_123


def isolated(plan: Plan, name: str, guard: str) -> Plan:
    """The plan with a guard on workers of its own."""
    nodes = [
        replace(node, guards=tuple(replace(use, queue="guards") if use.name == guard else use for use in node.guards))
        if isinstance(node, Work) and node.name == name
        else node
        for node in plan.nodes
    ]
    return replace(plan, nodes=tuple(nodes))


PLAN = isolated(
    plan_of(
        stage("look", before=["sane"], guards=["near", "far"], attempts=3, operator="support"),
        stage("work", "look", tools=[tool(), tool("read", kind="tool")]),
        start=Label.ENDORSED,
    ),
    "look",
    "far",
)


CODE = "c" * 64


def signed_by(key: PrivateKey, statement: Any) -> Signed:
    """A worker's signature of what it says."""
    signature = key.sign(dsse.encoded(statement))
    return Signed(key=key.public.id, signature=base64.b64encode(signature).decode())


def signed(event: Any, key: PrivateKey = WORKER, *, run: str = RUN, answers: int = 0) -> Any:
    """An attempt, or what became of a call, as a worker with a key says it."""
    event = replace(event, ended_ms=ENDED_MS)
    return replace(event, signed=signed_by(key, attest.of_result(event, PLAN, run=run, answers=answers)))


def judged(event: Finished, key: PrivateKey = GUARD, *, run: str = RUN) -> Finished:
    """The same, with the verdict of the guard that has workers of its own."""
    verdicts = []
    for given in event.verdicts:
        if given.guard == "far":
            said = attest.of_verdict(
                given, run=run, plan=event.plan, node=event.node, attempt=event.attempt, inputs=event.inputs
            )
            given = replace(given, signed=signed_by(key, said))
        verdicts.append(given)
    return replace(event, verdicts=tuple(verdicts))


def looked(driver: Driver, *words: Any) -> Finished:
    """A signed output of `look`: its worker says what its own guards said, and not what is said elsewhere."""
    whole = finished(PLAN, driver.run, {"amount": 100}, *words, spent=Spent(seconds=1.25))
    alone = signed(replace(whole, verdicts=tuple(given for given in whole.verdicts if given.guard != "far")))
    return judged(replace(alone, verdicts=whole.verdicts))


def made(driver: Driver, outcome: Any = "done", *, run: str = RUN) -> Acted:
    """A signed end of the call that is due."""
    event = replace(acted(driver.act, outcome), ended_ms=ENDED_MS, code=CODE)
    return replace(event, signed=signed_by(WORKER, attest.of_call(event, driver.act.call, run=run)))


def entries(driver: Driver) -> list[Any]:
    """The ledger as it is exported, each receipt at the time that its worker says."""
    told = [ledger.data(entry) for entry in driver.ledger]
    at = ledger.moment(ENDED_MS)
    assert at is not None
    return [{**entry, "at": ledger.written(at)} for entry in told]


def found(driver: Driver, **changed: Any) -> list[str]:
    """Who signed what, as a verifier finds that knows the specification and nothing of the engine."""
    known = {"run": RUN, "plan": wire.data(PLAN), "digest": PLAN.digest, "keys": KEYS, **changed}
    return attested.found(entries(driver), **known)


def begun() -> Driver:
    return Driver(PLAN).begin()


def take(driver: Driver, *events: Callable[[Driver], Event]) -> Driver:
    for event in events:
        driver.take(event(driver))
    return driver


# -- attempts and verdicts -------------------------------------------------------------------------


def test_every_kind_of_result_is_verified_from_the_ledger_alone() -> None:
    """What a worker signed is made again from the receipt: of outputs, failures, suspensions, calls and verdicts."""
    refund = call("work")
    driver = take(
        begun(),
        lambda d: signed(failed(d.run, "contract")),
        lambda d: signed(failed(d.run, "timeout", spent=Spent(tokens=5))),
        looked,
        lambda d: signed(suspended(PLAN, d.run, refund, entries=[answered(), called("work", "read")])),
        lambda d: made(d, "failed"),
        made,
        lambda d: signed(finished(PLAN, d.run, {"amount": 1}), answers=len(d.run.journal)),
    )
    assert driver.outcome is not None
    assert driver.outcome.kind == "completed"
    assert found(driver) == [
        "refused look: worker",
        "failed look: worker",
        "output look: worker",
        "verdict far: guard",
        "suspended work: worker",
        "acted work: worker",
        "acted work: worker",
        "output work: worker",
    ]


def test_attempt_that_a_guard_on_inputs_stops_is_signed_too() -> None:
    """A worker answers for the verdicts on inputs that kept its stage from running."""
    driver = take(begun(), lambda d: signed(replace(stopped(PLAN, d.run, "block"), code=CODE)))
    assert found(driver) == ["stopped look: worker"]


def test_code_that_ran_is_signed_with_what_it_did() -> None:
    """The digest of the code stands in the receipt, and the signature holds for no other."""
    driver = take(begun(), looked, lambda d: signed(suspended(PLAN, d.run, call("work"))), made)
    assert driver.ledger[-1].receipt.how["code"] == CODE
    receipt = driver.ledger[-1].receipt
    other = replace(receipt, how={**receipt.how, "code": "d" * 64})
    driver.ledger = (*driver.ledger[:-1], replace(driver.ledger[-1], receipt=other))
    assert found(driver)[-1] != "acted work: worker"
    told = take(begun(), looked, lambda d: signed(suspended(PLAN, d.run, call("work"))))
    told.take(replace(acted(told.act), code="no digest\x1b[2J"))
    assert "code" not in told.ledger[-1].receipt.how


def test_output_whose_fate_the_machine_decides_is_verified_all_the_same() -> None:
    """What the machine makes of an output, by verdicts that came later, is no part of what its worker signed."""
    driver = take(begun(), lambda d: looked(d, "pass", "retry"), lambda d: looked(d, "pass", "escalate"))
    assert found(driver) == ["output look: worker", "verdict far: guard"] * 2


def test_run_without_keys_says_nothing_of_signatures() -> None:
    """Where nobody signs, results and receipts take not a byte more than without signatures."""
    driver = begun()
    message = wire.encode(finished(PLAN, driver.run, {"amount": 100}))
    driver.finish({"amount": 100})
    assert b"signed" not in message
    assert b"signed" not in canonical.dumps([ledger.data(entry) for entry in driver.ledger])
    assert found(driver) == []


@pytest.mark.parametrize(
    "changed",
    [
        {"run": "default/refund-2/9f"},
        {"digest": "f" * 64},
        {"keys": {"worker": str(STRANGER.public), "guard": str(STRANGER.public)}},
        {"keys": {"worker": str(GUARD.public), "guard": str(WORKER.public)}},
    ],
    ids=["another run", "another plan", "another key", "keys of other roles"],
)
def test_signature_transplanted_or_of_another_key_shows_nothing(changed: dict[str, Any]) -> None:
    """A signature holds for its run, its plan and its key, and for no other."""
    driver = take(begun(), looked)
    assert found(driver) == ["output look: worker", "verdict far: guard"]
    assert found(driver, **changed) == ["output look: nobody", "verdict far: nobody"]


def test_no_member_of_a_signed_receipt_can_be_another() -> None:
    """Whatever is changed in a receipt that was signed, the signature does not hold any more; a label and the salted
    digest of arguments, which no worker knows, aside.
    """
    driver = take(begun(), looked, lambda d: signed(suspended(PLAN, d.run, call("work"))), made)
    told = entries(driver)
    tried = 0
    for number, entry in enumerate(told):
        if "signed" not in entry["receipt"].get("how", {}):
            continue
        for path in paths(entry):
            if path[0] in ("sequence", "before", "digest") or path[:2] == ["receipt", "label"]:
                continue
            if path[-1] == "arguments":
                continue
            forged = json.loads(json.dumps(entry))
            spot = forged
            for part in path[:-1]:
                spot = spot[part]
            spot[path[-1]] = other(spot[path[-1]])
            try:
                said = attested.found(
                    [*told[:number], forged, *told[number + 1 :]],
                    run=RUN,
                    plan=wire.data(PLAN),
                    digest=PLAN.digest,
                    keys=KEYS,
                )
            except KeyError:  # a node that the plan does not have
                said = ["nobody"]
            assert any("nobody" in one for one in said), path
            tried += 1
    assert tried > 40


def paths(value: Any) -> list[list[Any]]:
    """The paths to everything in a JSON value that holds nothing further."""
    match value:
        case dict():
            return [[name, *path] for name, inner in value.items() for path in paths(inner)]
        case list():
            return [[number, *path] for number, inner in enumerate(value) for path in paths(inner)]
        case _:
            return [[]]


def other(value: Any) -> Any:
    """Another value of the same type."""
    match value:
        case bool():
            return not value
        case str():
            return f"{'0' if value[:1] != '0' else '1'}{value[1:]}"
        case _:
            return value + 1


# -- what the machine takes ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "bad",
    [
        Signed(key="", signature="A" * 86 + "=="),
        Signed(key="0" * 16, signature=""),
        Signed(key="0" * 17, signature="A" * 86 + "=="),
        Signed(key="0" * 16, signature="A" * 85 + "B=="),
        Signed(key="0" * 16, signature="A" * 86 + "==\n"),
        Signed(key="ed25519:" + "0" * 8, signature="A" * 86 + "=="),
    ],
)
def test_result_with_what_is_no_signature_is_refused(bad: Signed) -> None:
    """What stands in a receipt as a signature has the form of one, so that no worker spoils a ledger with another."""
    driver = begun()
    good = looked(driver)
    for event in (
        replace(good, signed=bad),
        replace(good, verdicts=(good.verdicts[0], replace(good.verdicts[1], signed=bad))),
        replace(stopped(PLAN, driver.run, "block"), signed=bad),
        replace(failed(driver.run), signed=bad),
    ):
        with pytest.raises(OrderError, match="no signature"):
            driver.take(event)
    driver.take(good)
    with pytest.raises(OrderError, match="no signature"):
        driver.take(replace(suspended(PLAN, driver.run, call("work")), signed=bad))
    driver.suspend(call("work"))
    with pytest.raises(OrderError, match="no signature"):
        driver.take(replace(acted(driver.act), signed=bad))


def test_guard_without_workers_of_its_own_signs_nothing() -> None:
    """A verdict that is signed was given elsewhere: a stage's worker cannot pass its own for one."""
    driver = begun()
    good = looked(driver)
    near = replace(good.verdicts[0], signed=good.verdicts[1].signed)
    with pytest.raises(OrderError, match="no workers of its own"):
        driver.take(replace(good, verdicts=(near, good.verdicts[1])))


def test_evidence_cannot_stand_in_for_a_signature() -> None:
    """What a worker says of how an output came about is not taken for its signature."""
    driver = begun()
    good = looked(driver)
    for event in (replace(good, evidence={"signed": {}}), replace(failed(driver.run), evidence={"signed": "yes"})):
        with pytest.raises(OrderError, match="another use"):
            driver.take(event)


def test_result_without_a_time_is_not_signed() -> None:
    """A statement says when; where no clock has it there is none."""
    event = finished(PLAN, begun().run)
    with pytest.raises(ContractError, match="calendar"):
        attest.of_result(event, PLAN, run=RUN)


# -- certificates ---------------------------------------------------------------------------------


def exported() -> Certificate:
    """A certificate of a run that goes on, and of which a reset cut something off."""
    driver = Driver(PLAN, clock=lambda: datetime(2026, 1, 31, tzinfo=UTC))
    start = replace(factories.begun(PLAN), run=RUN)
    driver.take(start)
    take(driver, lambda d: failed(d.run, "timeout"), lambda d: failed(d.run, "timeout"))
    whole = driver.ledger
    cut = Superseded(run_id="old", entries=whole[2:])
    run = RunLedger(run_id="new", workflow=PLAN.name, entries=whole[:2], superseded=(cut,))
    return Certificate(plans={PLAN.digest: PLAN}, runs=(run,))


def test_certificate_states_where_its_ledger_ends_and_what_was_cut_off() -> None:
    """Nobody can drop entries at the end of a signed certificate, or what a reset cut off, without its exporter."""
    certificate = exported()
    [run] = certificate.runs
    said: Any = attest.of_certificate(certificate)
    assert said["predicateType"] == "urn:gatework:certificate:1"
    assert said["subject"] == [{"name": RUN, "digest": {"gateworkPlan1": PLAN.digest}}]
    assert said["predicate"] == {
        "ledger": run.entries[-1].digest,
        "entries": 2,
        "superseded": [run.superseded[0].entries[-1].digest],
    }
    shorter = replace(certificate, runs=(replace(run, entries=run.entries[:-1]),))
    without = replace(certificate, runs=(replace(run, superseded=()),))
    assert len({canonical.dumps(attest.of_certificate(one)) for one in (certificate, shorter, without)}) == 3


def test_certificate_is_read_with_the_signatures_of_its_exporters() -> None:
    """Signing adds to the signatures that are there; all are of the same statement."""
    certificate = attest.signed(attest.signed(exported(), [WORKER]), [GUARD])
    assert read(written(certificate)) == certificate
    for signed, key in zip(certificate.signatures, (WORKER, GUARD), strict=True):
        assert signed.key == attested.keyid(str(key.public))
        assert attested.verifies(str(key.public), signed.signature, attest.of_certificate(exported()))


class _Broken:
    """A key service that does not do what it should."""

    public = WORKER.public

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def sign(self, message: bytes) -> bytes:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer(message)  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    "answer",
    [
        STRANGER.sign,
        lambda _: b"",
        lambda _: None,
        lambda message: WORKER.sign(message + b"x"),
        lambda message: WORKER.sign(message).hex(),
    ],
    ids=["another key", "nothing", "none", "of something else", "no bytes"],
)
def test_signer_that_gives_no_signature_of_its_key_is_refused(answer: Any) -> None:
    """A signature is looked at before anyone relies on it: one of another key would prove nothing later."""
    with pytest.raises(ConfigError, match=WORKER.public.id):
        attest.signed(exported(), [_Broken(answer)])


def test_signer_that_breaks_repeats_nothing_of_what_it_said() -> None:
    """What a key service says may hold secrets: the error names its kind alone."""
    signers: Sequence[Signer] = [_Broken(RuntimeError("token hunter2 is wrong"))]
    with pytest.raises(ConfigError) as error:
        attest.signed(exported(), signers)
    assert str(error.value) == "What signs broke with RuntimeError."


def test_acted_statement_names_the_call_and_what_came_of_it() -> None:
    """A call is named by its id, which no other call of the attempt has; the digest of its arguments nobody signs."""
    driver = take(begun(), looked, lambda d: signed(suspended(PLAN, d.run, call("work"))))
    event = replace(acted(driver.act, "failed"), ended_ms=ENDED_MS)
    said: Any = attest.of_call(event, driver.act.call, run=RUN)
    assert said["subject"] == [{"name": RUN, "digest": {"gateworkPlan1": PLAN.digest}}]
    assert said["predicate"]["call"] == driver.act.call.id
    assert not {"output", "arguments"} & said["predicate"].keys()
    with_result: Any = attest.of_call(replace(event, result=sealed("x")), driver.act.call, run=RUN)
    assert with_result["predicate"]["output"] == sealed("x").digest

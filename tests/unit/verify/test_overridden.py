"""What people overrode in child runs, as the run says that called them: held to their ledgers."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gatework.plan.plan import By, Plan, Work
from gatework.proof.certificate import Certificate, written
from gatework.run.state import Receipt
from gatework.testing.driver import Driver
from gatework.testing.factories import plan_of, stage
from gatework.testing.paths import child_run
from gatework.values.canonical import Json
from gatework.verify import whole
from gatework.verify.policy import Policy, unmet
from gatework.verify.refusal import Refused
from gatework.verify.state import MOST_TOLD
from tests.proof import both
from tests.proof.making import calling
from tests.unit.verify.certificates import certificate_of
from tests.unit.verify.forging import first, forged

STAGES = [f"s{number}" for number in range(MOST_TOLD + 1)]
WHO = By(role="head", identity="claimed")


def overridable(plan: Plan) -> Plan:
    nodes = (replace(one, override=WHO) if isinstance(one, Work) else one for one in plan.nodes)
    return replace(plan, nodes=tuple(nodes))


INNER = overridable(plan_of(*(stage(name, guards=["g"], attempts=1) for name in STAGES), name="inner"))
BETWEEN = overridable(calling(plan_of(child_run("sub"), stage("own", "sub", guards=["g"]), name="between"), INNER))
OUTER = calling(plan_of(child_run("all"), stage("last", "all"), name="outer"), BETWEEN)


def overridden(many: int, *, own: bool = True) -> Certificate:
    """A run whose child run has one of its own, in which so many stages were overridden, and a stage of itself."""
    run = Driver(OUTER, plans=[BETWEEN, INNER]).begin()
    between = run.child("all")
    inner = between.child("sub")
    for number in range(len(STAGES)):
        inner.finish(number, "block" if number < many else "pass")
        if number < many:
            inner.decide("override", note="It is right.", by="Hana")
    between.finish("x", "block" if own else "pass")
    if own:
        between.decide("override", note="It is right.", by="Hana")
    run.finish()
    return certificate_of(run, BETWEEN, INNER)


def said(certificate: Certificate) -> list[tuple[Json, Json]]:
    """What all `returned` say was overridden, run by run."""
    entries = (entry.receipt for run in certificate.runs for entry in run.entries)
    return [(one.how.get("overridden"), one.how.get("more")) for one in entries if one.kind == "returned"]


def says(nodes: list[str], more: int, run: int = 0) -> Certificate:
    """The certificate of a run that says something else was overridden."""

    def change(receipts: list[Receipt]) -> list[Receipt]:
        place = first(receipts, "returned")
        rest = {name: one for name, one in receipts[place].how.items() if name not in ("overridden", "more")}
        told = {**({"overridden": nodes} if nodes else {}), **({"more": more} if more else {})}
        receipts[place] = replace(receipts[place], how={**rest, **told})
        return receipts

    return forged(overridden(MOST_TOLD), change, run)


INSIDE = [f"sub {name}" for name in STAGES[:MOST_TOLD]]


def test_run_says_what_was_overridden_last_and_how_much_before() -> None:
    """Over child runs one inside the other: nine nodes by name, and the others by their number."""
    assert said(overridden(2)) == [(["sub s0", "sub s1", "own"], None), (["s0", "s1"], None)]
    assert said(overridden(0, own=False)) == [(None, None)] * 2
    assert said(overridden(MOST_TOLD)) == [([*INSIDE[1:], "own"], 1), (STAGES[:MOST_TOLD], None)]
    assert said(overridden(MOST_TOLD + 1))[0] == ([*INSIDE[2:], "sub s9", "own"], 2)
    for many in (0, 2, MOST_TOLD, MOST_TOLD + 1):
        assert both.agreed(written(overridden(many))) == "", "both verifiers take it"


@pytest.mark.parametrize(
    ("nodes", "more"),
    [
        ([], 0),
        ([*INSIDE[1:], "own"], 0),
        ([*INSIDE[1:], "own"], 2),
        ([*INSIDE, "own"], 0),
        (INSIDE[1:], 2),
        (["own", *INSIDE[1:]], 1),
        ([*INSIDE[1:], "other"], 1),
    ],
)
def test_what_is_said_of_a_child_run_is_held_to_its_ledger(nodes: list[str], more: int) -> None:
    """Names, their order and the number: where the certificate has the child run; else it is the word of the run."""
    with pytest.raises(Refused, match="Something else was overridden in a child run than is said") as refused:
        whole.check(says(nodes, more))
    assert refused.value.why == "child"
    alone = says(nodes, more)
    assert both.second(written(alone)) == "child"
    checked = whole.check(replace(alone, runs=alone.runs[:1], values={}))
    many = len(nodes) + more
    assert [one.split(",")[1] for one in unmet(Policy(no_override=True), checked)] == (
        [f" and {many} things were."] if many else []
    )

"""By hand across runs: what people gave in one run is theirs in every other to which it goes, for a verifier, too."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

import pytest

from gatework.plan.expr import Compare, Const, Ref
from gatework.plan.labels import Label
from gatework.plan.plan import By
from gatework.proof.certificate import Certificate
from gatework.run.state import Receipt
from gatework.testing.driver import Driver
from gatework.testing.factories import approve, plan_of, sealed, stage
from gatework.testing.paths import child_run
from gatework.values import canonical
from gatework.verify import whole
from gatework.verify.refusal import Refused
from tests.proof.making import calling
from tests.unit.verify.certificates import certificate_of
from tests.unit.verify.forging import changed, first, forged

BOSS = By(role="boss", quorum=2, identity="claimed")


def small(of: str) -> Compare:
    return Compare("gt", Ref(of, ("n",)), Const(100), "number")


COUNTS = plan_of(
    stage("count"),
    approve("fine", "count", when=small("count"), role=BOSS),
    stage("told", "count", "fine"),
    start=Label.ENDORSED,
    name="counts",
)
SUMS = calling(
    plan_of(
        stage("owed"),
        child_run("sum", "owed", label=Label.ENDORSED),
        approve("agreed", "sum", when=small("sum"), role=BOSS),
        stage("close", "agreed"),
        start=Label.ENDORSED,
        name="sums",
    ),
    COUNTS,
)


def voted(run: Driver) -> Driver:
    return run.decide("approve", by="Ben").decide("approve", by="Cleo")


def summed(*, edited: str) -> Driver:
    """A run that calls another, in one of which somebody gave a value by hand, and two others approved it."""
    run = Driver(SUMS, plans=[COUNTS]).begin()
    if edited == "parent":
        run.fail("error").decide("edit", place="owed", value=sealed({"n": 5}), by="Ada")
    else:
        run.finish({"n": 5})
    child = run.child("sum")
    if edited == "child":
        child.fail("error").decide("edit", place="count", value=sealed({"n": 6}), by="Ada")
    else:
        child.finish({"n": 6})
    if edited:
        voted(child)
    child.finish({"n": 7})
    if edited and run.outcome is None and run.state.gate is not None:
        voted(run)
    return run.finish({"done": True})


def by_rule(node: str) -> Any:
    """The approval of a node by the plan's own rule, in place of those by people."""

    def change(receipts: list[Receipt]) -> list[Receipt]:
        place = first(receipts, "asked", node)
        last = max(n for n, one in enumerate(receipts) if one.kind == "decided" and one.node == node)
        given = receipts[last]
        rule = Receipt(kind="approved", node=node, action="auto", output=given.output, label=given.label)
        return [*receipts[:place], rule, *receipts[last + 1 :]]

    return change


def refusal(certificate: Certificate) -> str:
    try:
        whole.check(certificate)
    except Refused as refused:
        return refused.why
    return ""


@pytest.mark.parametrize("edited", ["", "parent", "child"])
def test_values_by_hand_of_other_runs_are_what_the_machine_makes(edited: str) -> None:
    """Whoever gave them, where, and who is kept off for it: the verifier takes every run of the machine."""
    assert refusal(certificate_of(summed(edited=edited), COUNTS)) == ""


def linked(certificate: Certificate) -> Certificate:
    """The run that started the other names its ledger as it is now."""
    entries = certificate.runs[0].entries
    how = next(one.receipt.how for one in entries if one.receipt.kind == "returned")
    return forged(certificate, changed("returned", how={**how, "ledger": certificate.runs[1].entries[-1].digest}))


@pytest.mark.parametrize(("edited", "run", "node"), [("parent", 1, "fine"), ("child", 0, "agreed")])
def test_rule_approves_nothing_that_people_gave_in_another_run(edited: str, run: int, node: str) -> None:
    """What a run was given, and what it was told, is by hand where it was so there, if that is known."""
    certificate = certificate_of(summed(edited=edited), COUNTS)
    lie = linked(forged(certificate, by_rule(node), run))
    with pytest.raises(Refused, match="A person changed what the rule looks at") as refused:
        whole.check(lie)
    assert (refused.value.why, refused.value.place.run) == ("rule", run)
    if run == 0:
        assert refusal(replace(lie, runs=lie.runs[:1], values={})) == ""


def test_who_gave_a_value_in_another_run_is_kept_off() -> None:
    """Nobody approves what they gave, wherever they gave it."""
    certificate = certificate_of(summed(edited="child"), COUNTS)

    def forgets(receipts: list[Receipt]) -> list[Receipt]:
        place = first(receipts, "asked", "agreed")
        how = {name: value for name, value in receipts[place].how.items() if name != "not_by"}
        asked = replace(receipts[place], how=how, evidence="")
        said = {name: value for name, value in asdict(asked).items() if value}
        evidence = canonical.digest("gate", {"plan": SUMS.digest, **said})
        receipts[place] = replace(asked, evidence=evidence)
        return [replace(one, evidence=evidence) if one.kind == "decided" else one for one in receipts]

    assert refusal(forged(certificate, forgets)) == "identity"

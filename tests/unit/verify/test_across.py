"""By hand across runs: what people gave in one run is theirs in every other to which it goes, for a verifier, too."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import Any

import pytest

from gatework.plan.expr import Compare, Const, Ref
from gatework.plan.labels import Label
from gatework.plan.plan import By
from gatework.proof.certificate import Certificate, RunLedger, Superseded
from gatework.run.state import Receipt, Spawn
from gatework.testing.driver import Driver
from gatework.testing.factories import approve, plan_of, returned, sealed, stage
from gatework.testing.paths import child_run
from gatework.values import canonical
from gatework.verify import across, walk, whole
from gatework.verify.refusal import Refused
from tests.proof.making import calling
from tests.unit.verify.certificates import certificate_of
from tests.unit.verify.forging import changed, first, forged

AT = datetime(2026, 1, 31, 12, tzinfo=UTC)
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


def summed(*, edited: str, name: str = "child") -> Driver:
    """A run that calls another, in one of which somebody gave a value by hand, and two others approved it."""
    run = Driver(SUMS, plans=[COUNTS], clock=lambda: AT).begin()
    if edited == "parent":
        run.fail("error").decide("edit", place="owed", value=sealed({"n": 5}), by="Ada")
    else:
        run.finish({"n": 5})
    child = run.child("sum")
    child.id = name
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

    assert refusal(forged(certificate, forgets)) == "distinct"


# -- what a reset cut off --------------------------------------------------------------------------


def cut_off(of: Certificate) -> Certificate:
    """The certificate of a run in which nobody gave anything, after a reset that cut off what another one has."""
    stands = certificate_of(summed(edited="", name="another"), COUNTS)
    kept, lost = stands.runs[0].entries, of.runs[0].entries
    same = next(n for n, (one, other) in enumerate(zip(kept, lost, strict=False)) if one != other)
    run = replace(stands.runs[0], superseded=(Superseded(run_id="earlier", entries=lost[same:]),))
    return replace(stands, runs=(run, stands.runs[1], of.runs[1]), values={**stands.values, **of.values})


@pytest.mark.parametrize("edited", ["parent", "child"])
def test_values_by_hand_hold_in_what_a_reset_cut_off(edited: str) -> None:
    """What the machine made there is taken: with the child run that only this part started, too."""
    checked = whole.check(cut_off(certificate_of(summed(edited=edited), COUNTS)))
    assert [(one.leg, one.action) for one in checked.story.decisions if one.action == "edit" and not one.run] == (
        [(1, "edit")] if edited == "parent" else []
    )


@pytest.mark.parametrize(("edited", "run", "node", "leg"), [("parent", 2, "fine", 0), ("child", 0, "agreed", 1)])
def test_hands_are_followed_in_what_a_reset_cut_off(edited: str, run: int, node: str, leg: int) -> None:
    """No rule approves what people gave there in another run, nor in a run that only this part started."""
    certificate = certificate_of(summed(edited=edited), COUNTS)
    lie = cut_off(linked(forged(certificate, by_rule(node), min(run, 1))))
    with pytest.raises(Refused, match="A person changed what the rule looks at") as refused:
        whole.check(lie)
    place = refused.value.place
    assert (refused.value.why, place.run, place.leg) == ("rule", run, leg)


def test_run_that_many_name_is_walked_as_often_as_something_else_is_known_of_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """However many receipts name it: a certificate could double the walk with each run that lies deeper."""
    plans = [plan_of(stage("first", attempts=1), name="run0")]
    for number in range(1, 9):
        called = plan_of(child_run("one", "start"), child_run("two", "start"), stage("last", "one", "two"), name="x")
        plans.append(replace(calling(called, plans[-1]), name=f"run{number}"))
    runs: list[RunLedger] = []
    gave = sealed({"n": 5})
    for plan in plans:
        run = Driver(plan, clock=lambda: AT).begin()
        while isinstance(run.due, Spawn):
            told = returned(run.due, 0, gave.data)
            run.take(replace(told, run=runs[-1].run_id, ledger=runs[-1].entries[-1].digest))
        run.fail("error").decide("edit", value=gave, by="Ada") if plan is plans[0] else run.finish(gave.data)
        runs.append(RunLedger(run_id=plan.name, workflow=plan.name, entries=run.ledger))
    certificate = Certificate(plans={plan.digest: plan for plan in plans}, runs=tuple(reversed(runs)))
    steps = Counter[str]()
    step = walk.step

    def counted(known: Any, state: Any, receipt: Receipt) -> Any:
        steps[state.plan.name] += 1
        return step(known, state, receipt)

    monkeypatch.setattr(walk, "step", counted)
    whole.check(certificate)
    once = {run.workflow: len(run.entries) for run in runs}
    assert all(steps[name] <= 4 * many for name, many in once.items()), steps
    monkeypatch.setattr(across, "MOST_WALKS", 0)
    assert any("by hand" in what for what in whole.check(certificate).known.not_checked), "and it says where it stops"

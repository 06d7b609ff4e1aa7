"""What child runs are given of a budget: both ledgers say it, and a verifier holds both runs to it."""

from __future__ import annotations

from dataclasses import replace
from io import StringIO

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rich.console import Console

from gatework.cli.verifyview import report_view
from gatework.plan.labels import Label
from gatework.plan.plan import Budget, Call, Plan
from gatework.proof.certificate import Certificate, written
from gatework.run.budget import Spent
from gatework.run.state import Receipt, Spawn
from gatework.testing.driver import Driver
from gatework.testing.factories import plan_of, stage
from gatework.testing.paths import child_run, each
from gatework.values.canonical import Json
from gatework.verify import whole
from gatework.verify.refusal import Refused
from gatework.verify.report import report
from tests.proof import both
from tests.proof.making import calling
from tests.unit.verify.certificates import certificate_of
from tests.unit.verify.forging import Change, first, forged

RUN = Budget(model_calls=20, tokens=1_000, money="0.5", seconds=60.0, output_bytes=50)
GIVEN: Json = {"model_calls": 9, "tokens": 450, "money": "0.2", "seconds": 28.5, "output_bytes": 50}
"""What each of two is given, once the stage before them has spent a tenth."""

INNER = plan_of(
    stage("look", attempts=9, budget=Budget(model_calls=9)),
    start=Label.ENDORSED,
    budget=Budget(tokens=800),
    name="inner",
)
CHILD = calling(
    plan_of(
        stage("read"),
        child_run("sub", "read", label=Label.ENDORSED),
        stage("say", "sub"),
        start=Label.ENDORSED,
        name="sub",
    ),
    INNER,
)


def parent(budget: Budget | None = RUN, at_most: int = 2) -> Plan:
    """A run that calls one for each item, which calls one in its turn."""
    nodes = stage("items"), each("found", "items", at_most=at_most, label=Label.ENDORSED), stage("last", "found")
    plan = calling(plan_of(*nodes, start=Label.ENDORSED, budget=budget, name="parent"), CHILD)
    return replace(
        plan, nodes=tuple(replace(one, item="start") if isinstance(one, Call) else one for one in plan.nodes)
    )


def spent(model_calls: int, tokens: int, money: str = "0", seconds: float = 0.0) -> Spent:
    return Spent(model_calls=model_calls, tokens=tokens, money=money, seconds=seconds)


def run_of(budget: Budget | None = RUN, items: int = 3) -> Driver:
    """A run whose child runs spend some of what they are given; each calls one of its own."""
    run = Driver(parent(budget), plans=[CHILD, INNER]).begin()
    run.finish(["abc"[n] for n in range(items)], spent=spent(1, 100, "0.1", 3.0))
    for n in range(items):
        child = run.child("found", n).finish(spent=spent(1, 50, "0.05"))
        inner = child.child("sub")
        inner.id = f"sub {n}"  # as a server, which gives no id twice
        inner.finish(spent=spent(2, 60, "0.01"))
        child.finish()
    return run.finish()


def refusal(certificate: Certificate) -> str:
    try:
        whole.check(certificate)
    except Refused as refused:
        return refused.why
    return ""


def agreed(certificate: Certificate) -> str:
    """The same, where the second verifier refuses it as well, or accepts it as well."""
    assert both.second(written(certificate)) == refusal(certificate)
    return refusal(certificate)


def said(certificate: Certificate, kind: str) -> list[Json]:
    """What all receipts of a kind say is given, run by run."""
    entries = (entry.receipt for run in certificate.runs for entry in run.entries)
    return [one.how.get("given") for one in entries if one.kind == kind]


def test_both_ledgers_say_what_a_child_run_is_given() -> None:
    """Each part that limits the run, shared among those that start together; what was not spent goes to the next."""
    certificate = certificate_of(run_of(), CHILD, INNER)
    later = {"model_calls": 7, "tokens": 340, "money": "0.14", "seconds": 28.5, "output_bytes": 50}
    inner = {**GIVEN, "model_calls": 8, "tokens": 400, "money": "0.15"}
    assert said(certificate, "called") == [
        GIVEN,
        GIVEN,
        later,
        inner,
        inner,
        {**later, "model_calls": 6, "tokens": 290, "money": "0.09"},
    ]
    assert refusal(certificate) == ""
    told = report(whole.check(certificate))
    assert [one["given"] for one in told["spent"]] == [one or {} for one in said(certificate, "begun")]
    assert not any("budget" in one for one in told["not_checked"])
    alone = whole.check(replace(certificate, runs=certificate.runs[1:3], values={}))
    with (console := Console(file=StringIO(), width=200)).capture() as shown:
        console.print(report_view(report(alone)))
    assert "the run 3 of 9 model calls, 110 of 450 tokens, $0.06 of $0.2" in " ".join(shown.get().split())


def test_run_without_a_budget_gives_nothing_and_says_nothing() -> None:
    """Where nothing limits a run no receipt has a word of it, and none may."""
    certificate = certificate_of(run_of(None), CHILD, INNER)
    assert {*map(str, said(certificate, "called") + said(certificate, "begun"))} == {"None"}
    assert refusal(certificate) == ""
    assert refusal(forged(certificate, gives(tokens=5))) == "budget"


def gives(kind: str = "called", at: int = 0, **members: Json) -> Change:
    """Say something else of what is given in one such receipt: None takes a member away, and a member of none all."""

    def change(receipts: list[Receipt]) -> list[Receipt]:
        place = [n for n, one in enumerate(receipts) if one.kind == kind][at]
        how = receipts[place].how
        given = {name: one for name, one in {**how.get("given", {}), **members}.items() if one is not None}
        rest = {name: one for name, one in how.items() if name != "given"}
        receipts[place] = replace(receipts[place], how={**rest, **({"given": given} if given and members else {})})
        return receipts

    return change


@pytest.mark.parametrize(
    "members",
    [
        {},
        {"model_calls": 20},
        {"tokens": 901},
        {"tokens": None},
        {"money": "0.41"},
        {"money": "1e-3"},
        {"seconds": 57.001},
        {"seconds": 1e300},
        {"output_bytes": 51},
        {"output_bytes": 49},
        {"tool_calls": {"fetch": 1}},
    ],
)
def test_child_run_is_given_no_more_than_was_left(members: dict[str, Json]) -> None:
    """Of each part that limits the run, and of no other: a ledger that says otherwise is refused."""
    certificate = certificate_of(run_of(), CHILD, INNER)
    assert refusal(forged(certificate, gives(**members))) == "budget"
    within: dict[str, Json] = {"model_calls": 10, "tokens": 450, "money": "0.200", "seconds": 28.5}
    assert refusal(forged(certificate, gives(**within))) == "child", "as much as was left, and not what the other says"


def test_what_was_given_to_one_is_left_to_no_other() -> None:
    """Those under way have it, until they return; then what they spent is gone, and the rest is there again."""
    certificate = certificate_of(run_of(), CHILD, INNER)
    assert refusal(forged(certificate, gives(at=1, tokens=451))) == "budget"
    assert refusal(forged(certificate, gives(at=2, tokens=341))) == "budget"
    assert refusal(forged(certificate, gives(at=0, tokens=451))) == "budget", "then nothing is left for the second"
    assert refusal(forged(certificate, gives(at=1, tokens=449))) == "child", "less is no harm, but it is not so there"


def linked(certificate: Certificate, run: int = 0, child: int = 1) -> Certificate:
    """A run names the ledger of a child run as it is now."""

    def change(receipts: list[Receipt]) -> list[Receipt]:
        place = next(n for n, one in enumerate(receipts) if one.how.get("run") == of.run_id)
        how = {**receipts[place].how, "ledger": of.entries[-1].digest}
        receipts[place] = replace(receipts[place], how=how)
        return receipts

    of = certificate.runs[child]
    return forged(certificate, change, run)


def test_both_ledgers_say_the_same() -> None:
    """More than it was given, less, or nothing: a child run that says so is not the one that was called."""
    certificate = certificate_of(run_of(), CHILD, INNER)
    more: list[dict[str, Json]] = [{"tokens": 451}, {"seconds": 29}, {"money": "0.20"}]
    for members in more:
        assert agreed(linked(forged(certificate, gives("begun", **members), 1))) == "child", members
    lie = linked(linked(forged(certificate, gives("begun"), 2), 1, 2))
    assert agreed(lie) == "child", "or nothing at all"
    assert agreed(certificate) == ""
    assert refusal(replace(certificate, runs=certificate.runs[:1], values={})) == ""


def spends(node: str, **members: Json) -> Change:
    """Say that the first output of a node cost something else."""

    def change(receipts: list[Receipt]) -> list[Receipt]:
        place = first(receipts, "output", node)
        receipts[place] = replace(receipts[place], how={**receipts[place].how, "spent": members})
        return receipts

    return change


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (spends("read", model_calls=9, tokens=50, money="0.05"), "budget"),  # then nothing is left for its child run
        (spends("read", model_calls=10), "budget"),
        (spends("read", tokens=450), "budget"),
        (spends("read", tokens=800), "budget"),
        (spends("read", seconds=28.5), "budget"),
        (gives(tokens=401), "budget"),
        (gives(model_calls=9), "budget"),
        (spends("read", model_calls=1, tokens=50, money="0.05", seconds=1), "budget"),  # its child run has more
        (spends("say", model_calls=1), "child"),
    ],
)
def test_child_run_spends_what_it_was_given_and_no_more(change: Change, why: str) -> None:
    """That holds for its stages, and for what it gives on, where its own plan would let it spend more, or all."""
    certificate = certificate_of(run_of(), CHILD, INNER)
    assert refusal(forged(certificate, change, 1)) == why


def test_the_less_of_its_plan_and_of_what_it_was_given_holds() -> None:
    """A plan that limits more is held to its own; what it does not limit is held to what it was given."""
    generous = certificate_of(run_of(replace(RUN, tokens=9_000)), CHILD, INNER)
    assert refusal(generous) == ""
    inner = 2
    assert [run.workflow for run in generous.runs][inner] == "inner"
    assert said(generous, "begun")[inner]["tokens"] > 800
    retried = forged(generous, again(spends("look", tokens=800)), inner)
    assert refusal(retried) == "budget", "nothing is left by its own plan"
    assert refusal(forged(generous, again(spends("look", tokens=799)), inner)) == "child", (
        "it holds, and cost otherwise"
    )


def again(change: Change) -> Change:
    """The first output is sent back, and cost what a change says; there is another attempt behind it."""

    def twice(receipts: list[Receipt]) -> list[Receipt]:
        place = first(receipts, "output")
        lost = replace(receipts[place], kind="refused", action="contract", output="", label="", verdicts=())
        last = replace(receipts[place], attempt=2, how={**receipts[place].how, "spent": {"tokens": 1}})
        cost = change([receipts[place]])[0].how
        return [*receipts[:place], replace(lost, how={"spent": cost["spent"]}), last, *receipts[place + 1 :]]

    return twice


amounts = st.decimals(min_value="0.000001", max_value="9", places=6).map(lambda one: format(one, "f"))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    budget=st.builds(
        Budget,
        model_calls=st.none() | st.integers(1, 9),
        tokens=st.none() | st.integers(1, 99),
        money=st.none() | amounts,
        tool_calls=st.just({}),
        seconds=st.none() | st.floats(0.001, 99),
        output_bytes=st.none() | st.just(999),
    ),
    spends=st.lists(
        st.builds(spent, st.integers(0, 3), st.integers(0, 40), amounts, st.floats(0, 9)), min_size=4, max_size=4
    ),
    at_most=st.integers(1, 4),
)
def test_whatever_the_machine_gives_the_verifier_takes(budget: Budget, spends: list[Spent], at_most: int) -> None:
    """Of any budget, whatever child runs spend, beyond what they were given, too: until nothing is left."""
    run = Driver(parent(budget, at_most)).begin().finish(["a", "b", "c"], spent=replace(spends.pop(), model_calls=0))
    while isinstance(run.due, Spawn):
        run.returned(run.due.runs[-1].child, "say", label=Label.ENDORSED, spent=spends.pop())
    assert refusal(certificate_of(run, CHILD)) == ""

"""Child runs in the machine: which are under way, with what, what they come to together, and what forgers say."""

from __future__ import annotations

import gc
import sys
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from gatework.errors import OrderError
from gatework.machine import children
from gatework.machine.machine import due, step
from gatework.plan.expr import Const, Ref
from gatework.plan.labels import Label
from gatework.plan.plan import Budget, By, Plan
from gatework.run.budget import Spent
from gatework.run.events import Cancelled, OutcomeKind
from gatework.run.state import Spawn, State, Step
from gatework.testing import Driver
from gatework.testing.factories import approve, decided, endorse, plan_of, returned, sealed, stage
from gatework.testing.paths import child_run, each, loop, parallel, part, until
from gatework.values.canonical import Json
from tests.unit.machine.test_machine_gates import refused

EACH = plan_of(stage("items"), each("found", "items", "start", at_most=2), stage("last", "found"))


def over(*items: Json, plan: Plan = EACH) -> Driver:
    """A run that has come to a child run for each of some items."""
    return Driver(plan).begin().finish(list(items))


def failing(failed: Any, *, at_most: int = 2, budget: Budget | None = None) -> Plan:
    """A plan of a child run for each item, with a policy of failure."""
    return plan_of(
        stage("items"), each("found", "items", at_most=at_most, failed=failed), stage("last", "found"), budget=budget
    )


def numbers(driver: Driver) -> list[int]:
    """The child runs that are to be under way."""
    return [run.child for run in driver.spawn.runs]


MANY, MOST_LIVE_BYTES = 1_000, 180
"""What a run may hold of an item that is done, with its value of 30 bytes, until the list is whole; it was 650."""
MOST_STEP_BYTES = 15_000
"""What a step may have in hand at once. To copy what came before takes 96,000 here."""


def grown(of: Callable[[State], Step | None], state: State, many: int) -> tuple[State, float, int]:
    """The state after so many steps, by how much each made what is held grow, and the least that one had in hand."""
    least = sys.maxsize
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(many):
            held = tracemalloc.get_traced_memory()[0]
            tracemalloc.reset_peak()
            step = of(state)
            assert step is not None
            state, step = step.state, None
            least = min(least, tracemalloc.get_traced_memory()[1] - held)
        gc.collect()
        return state, (tracemalloc.get_traced_memory()[0] - before) / many, least
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("failed", ["ask", "stop"])
def test_item_that_is_done_holds_some_hundred_bytes_and_makes_no_step_longer(failed: str) -> None:
    """Neither what is held of it, nor what a step has in hand, grows with what came before."""
    plan = failing(failed, at_most=2)
    driver = over(*range(MANY), plan=plan)

    def one_more(state: State) -> Step:
        spawn = due(plan, state)
        assert isinstance(spawn, Spawn)
        number = spawn.runs[0].child
        return step(plan, state, returned(spawn, number, {"number": number, "text": "item"}))

    state, _, early = grown(one_more, driver.state, 200)
    state, live, _ = grown(one_more, state, MANY - 250)
    state, _, late = grown(one_more, state, 20)
    assert live < MOST_LIVE_BYTES
    assert max(early, late) < MOST_STEP_BYTES


# -- under way -------------------------------------------------------------------------------------


def test_child_runs_start_in_order_and_no_more_at_once_than_the_plan_says() -> None:
    """Whenever one comes to something the next is started; each is given its item, and whatever else is read."""
    driver = over("a", "b", "c", "d")
    assert numbers(driver) == [0, 1]
    assert [run.inputs["p0"].sealed.data for run in driver.spawn.runs] == ["a", "b"]
    assert all(run.inputs["p1"].sealed == driver.state.values["start"].sealed for run in driver.spawn.runs)
    driver.returned(1)
    assert numbers(driver) == [0, 2]
    driver.returned(2).returned(3)
    assert numbers(driver) == [0]
    called = [entry.receipt.how["child"] for entry in driver.ledger if entry.receipt.kind == "called"]
    assert called == [0, 1, 2, 3]


def test_values_of_child_runs_stand_in_the_order_of_the_items() -> None:
    """Whatever order they came in."""
    driver = over("a", "b", "c", plan=failing("ask", at_most=3))
    driver.returned(2, "C").returned(0, "A").returned(1, "B")
    assert driver.data("found") == ["A", "B", "C"]
    assert driver.run.node == "last"


def test_no_items_need_no_child_run() -> None:
    """An empty list comes to an empty list at once."""
    driver = over()
    assert driver.data("found") == []
    assert driver.run.node == "last"


def test_items_and_their_order_have_digests_of_their_own() -> None:
    """The same item in two places is told apart, so that nobody can guess short items by their digests."""
    driver = over("a", "a")
    one, two = (run.inputs["p0"].sealed for run in driver.spawn.runs)
    assert one.data == two.data
    assert one.digest != two.digest
    assert one.intact
    assert one == over("a", "a").spawn.runs[0].inputs["p0"].sealed


@pytest.mark.parametrize("data", [{"a": 1}, "text", 7, None])
def test_items_that_are_no_list_ask_a_person(data: Json) -> None:
    """Whatever a worker gives for a list."""
    driver = Driver(EACH).begin().finish(data)
    assert driver.gate.reasons == ("found takes a list, and items is none.",)
    assert driver.decide("retry").gate.kind == "failed"
    assert driver.edit(["a"], place="items").spawn.node == "found"


def test_too_many_items_ask_a_person(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is an end to how many runs one node starts."""
    monkeypatch.setattr(children, "MAX_CHILDREN", 2)
    assert over("a", "b").spawn.node == "found"
    assert over("a", "b", "c").gate.reasons == ("found takes up to 2 items, and items has 3.",)


def test_parallel_gives_each_part_what_its_run_gave() -> None:
    """All are under way at once; the parts come in the order of the plan."""
    plan = plan_of(parallel("both", ["start"], ["start"]), part("letter", "both", 0), part("risk", "both", 1))
    driver = Driver(plan).begin()
    assert [run.workflow for run in driver.spawn.runs] == ["both_0", "both_1"]
    driver.returned(1, "high").returned(0, "Dear")
    assert (driver.data("letter"), driver.data("risk")) == ("Dear", "high")
    assert "both" not in driver.state.values
    assert driver.outcome is not None


def test_call_gives_what_its_run_gave() -> None:
    """With the digest of the run's ledger in the receipt, and the plan to which it is held in that of the call."""
    plan = plan_of(child_run("refund", "start"))
    driver = Driver(plan).begin()
    (run,) = driver.spawn.runs
    driver.returned(0, "done")
    assert driver.data("refund") == "done"
    kinds = {entry.receipt.kind: entry.receipt for entry in driver.ledger}
    assert kinds["called"].how == {"child": 0, "workflow": "run_refund", "plan": run.plan}
    assert kinds["called"].shown == {"p0": driver.state.values["start"].sealed.digest}
    how = kinds["returned"].how
    assert (how["run"], how["ledger"]) == ("run-0", returned(_spawn(driver), 0).ledger)


def _spawn(driver: Driver) -> Spawn:
    return Spawn(plan=driver.state.plan, node="refund", attempt=1, runs=())


# -- what forgers say ------------------------------------------------------------------------------


@pytest.mark.parametrize("changes", [
    {"child": 2}, {"child": -1}, {"child": 99}, {"attempt": 0}, {"attempt": 2}, {"node": "last"}, {"node": "nowhere"},
    {"plan": "0" * 64},
])  # fmt: skip
def test_result_of_no_child_run_that_is_under_way_is_refused(changes: dict[str, Any]) -> None:
    """Of another run, attempt, node, or plan."""
    driver = over("a", "b", "c")
    refused(driver, replace(returned(driver.spawn, 0), **changes), "No such child run is under way", OrderError)


def test_child_run_comes_to_one_thing_only() -> None:
    """What has come to something does not come to another."""
    driver = over("a", "b", "c")
    event = returned(driver.spawn, 0, "x")
    driver.take(event)
    refused(driver, event, "No such child run", OrderError)
    refused(driver, replace(event, outcome="failed", output=None), "No such child run", OrderError)


def test_value_that_says_it_is_none_or_is_not_its_digest_is_refused() -> None:
    """Completed without a value, ended with one, tampered with."""
    driver = over("a", "b")
    good = returned(driver.spawn, 0, "x")
    assert good.output is not None
    refused(driver, replace(good, output=None), "has a value or lacks it", OrderError)
    refused(driver, replace(good, outcome="failed"), "has a value or lacks it", OrderError)
    tampered = replace(good.output, sealed=replace(good.output.sealed, data="y"))
    refused(driver, replace(good, output=tampered), "not that of its data", OrderError)
    for spent in (Spent(model_calls=-1), Spent(seconds=float("inf")), Spent(money="-1")):
        refused(driver, replace(good, spent=spent), "cannot be spent", OrderError)


def test_result_counts_while_child_runs_are_waited_for_and_never_else() -> None:
    """Not before, not at a gate, not behind, not after the end."""
    driver = Driver(failing("stop")).begin()
    event = returned(Spawn(plan=driver.state.plan, node="found", attempt=1, runs=()), 0)
    refused(driver, event, "No such child run", OrderError)
    driver.finish(["a"]).returned(0, outcome="aborted")
    assert driver.gate.kind == "failed"
    refused(driver, replace(event, attempt=driver.state.attempts["found"]), "No such child run", OrderError)
    driver.decide("abort")
    refused(driver, event, "has ended", OrderError)


# -- labels, private, hands ------------------------------------------------------------------------


@pytest.mark.parametrize(("gave", "wanted", "let"), [
    (Label.ENDORSED, Label.ENDORSED, True),
    (Label.APPROVED, Label.ENDORSED, True),
    (Label.UNTRUSTED, Label.ENDORSED, False),
    (Label.PLAIN, Label.ENDORSED, False),
    (Label.ENDORSED, Label.APPROVED, False),
    (Label.ENDORSED, Label.PLAIN, False),
    (Label.ENDORSED, Label.UNTRUSTED, True),
])  # fmt: skip
@pytest.mark.parametrize("kind", ["call", "each", "part"])
def test_run_that_gave_less_known_data_than_the_plan_says_is_not_believed(
    gave: Label, wanted: Label, let: bool, kind: str
) -> None:
    """Its value is called no more than it is; a person is asked."""
    if kind == "part":
        driver = Driver(plan_of(parallel("found", ["start"]), part("end", "found", 0, label=wanted))).begin()
    elif kind == "each":
        driver = Driver(plan_of(each("end", "start", label=wanted))).begin(["a"])
    else:
        driver = Driver(plan_of(child_run("end", label=wanted))).begin()
    driver.returned(0, label=gave)
    assert (driver.state.gate is None) is let
    if let:
        assert driver.state.values["end"].label is wanted
    else:
        assert driver.gate.reasons == (f"end is to give {wanted} data, and a run of it gave {gave}.",)
        assert "end" not in driver.state.values


def test_child_run_is_not_started_on_less_known_data_than_its_plan_asks_for() -> None:
    """A plan made by hand that calls an input endorsed."""
    plan = plan_of(child_run("refund", "start"))
    node = plan.nodes[0]
    assert node.kind == "call"
    param = replace(node.children[0].params[0], label=Label.ENDORSED)
    lies = replace(node, children=(replace(node.children[0], params=(param,)),))
    driver = Driver(replace(plan, nodes=(lies,))).begin()
    assert driver.gate.reasons == ("refund gives its runs a endorsed p0 and would give untrusted.",)


@pytest.mark.parametrize("from_", ["input", "plan", "value", "nowhere"])
@pytest.mark.parametrize("kind", ["call", "each", "part"])
def test_value_of_a_child_run_is_private_where_anything_private_had_a_hand_in_it(from_: str, kind: str) -> None:
    """What it started from, what is done in it, or what it gave."""
    private, inside = from_ == "input", from_ == "plan"
    match kind:
        case "call":
            plan = plan_of(child_run("end", private=inside), private=private)
        case "each":
            plan = plan_of(each("end", "start", private=inside), private=private)
        case _:
            if inside:
                return
            plan = plan_of(parallel("found", ["start"]), part("end", "found", 0), private=private)
    driver = Driver(plan).begin(["a"])
    assert driver.spawn.runs[0].inputs["p0"].private is private
    driver.take(returned(driver.spawn, 0, private=from_ == "value"))
    assert driver.state.values["end"].private is (from_ != "nowhere")


def test_child_run_knows_who_approved_what_it_starts_from() -> None:
    """The whole of it, a field of it, an item of it."""
    plan = plan_of(
        approve("agreed", "start"),
        child_run("whole", "agreed"),
        child_run("field", Ref("agreed", ("items",))),
        start=Label.ENDORSED,
    )
    driver = Driver(plan).begin({"items": [1]}).decide("approve", by="Ana")
    for _ in range(2):
        held = driver.spawn.runs[0].inputs["p0"]
        assert (held.label, held.by) == (Label.APPROVED, ("Ana",))
        driver.returned(0, label=Label.ENDORSED)
    listed = plan_of(approve("agreed", "start"), each("all", "agreed"), start=Label.ENDORSED)
    driver = Driver(listed).begin([1]).decide("approve", by="Ana")
    assert driver.spawn.runs[0].inputs["p0"].by == ("Ana",)


def test_child_run_knows_whose_hands_were_in_what_it_starts_from() -> None:
    """In what was made of a person's value as in the value itself; of a constant nobody's."""
    plan = plan_of(stage("claim"), stage("owed", "claim"), child_run("refund", "owed", Const("x")))
    driver = Driver(plan).begin().fail().decide("edit", value=sealed("x"), by="Ana").finish()
    owed, constant = driver.spawn.runs[0].inputs.values()
    assert (owed.by_hand, owed.editor) == (True, ("Ana",))
    assert (constant.by_hand, constant.editor, constant.label) == (False, (), Label.PLAIN)


QUORUM = By(role="finance", quorum=2, identity="claimed")


@pytest.mark.parametrize("kind", ["call", "each", "part"])
def test_whoever_edited_in_a_child_run_may_not_approve_what_it_gave(kind: str) -> None:
    """Four eyes look across runs; somebody who did not say who they are holds everybody off."""
    match kind:
        case "call":
            drafts = [child_run("end", label=Label.ENDORSED)]
        case "each":
            drafts = [each("end", "start", label=Label.ENDORSED)]
        case _:
            drafts = [
                parallel("both", ["start"], ["start"]),
                part("end", "both", 0, label=Label.ENDORSED),
                part("other", "both", 1, label=Label.ENDORSED),
            ]
    driver = Driver(plan_of(*drafts, approve("agreed", "end", role=QUORUM))).begin(["a", "b"])
    many = len(driver.spawn.runs)
    driver.take(returned(driver.spawn, 0, label=Label.ENDORSED, by_hand=True, editor=["Ana"]))
    if many > 1:
        driver.take(returned(driver.spawn, 1, label=Label.ENDORSED, by_hand=True))
    assert driver.gate.not_by == (("Ana", "") if many > 1 else ("Ana",))


def test_what_a_run_gives_to_the_one_that_started_it_says_whose_hands_were_in_it() -> None:
    """In anything that still stands, as for an approval in the run itself."""
    plan = plan_of(stage("claim"), stage("owed", "claim"))
    driver = Driver(plan).begin().fail().decide("edit", value=sealed("x"), by="Ana").finish()
    gave = children.given_by(plan, driver.state)
    assert (gave.sealed, gave.by_hand, gave.editor) == (sealed("owed"), True, ("Ana",))
    looked_up = plan_of(stage("claim"), endorse("owed", "claim"))
    driver = Driver(looked_up).begin().fail().decide("edit", value=sealed("x"), by="Ana").finish()
    gave = children.given_by(looked_up, driver.state)
    assert (gave.by_hand, gave.editor) == (False, ("Ana",))


# -- failures --------------------------------------------------------------------------------------


@pytest.mark.parametrize("outcome", ["rejected", "aborted", "expired", "cancelled", "failed"])
def test_child_run_without_a_value_makes_the_run_ask_once_all_others_are_through(outcome: OutcomeKind) -> None:
    """Nothing is cancelled for it; then `retry` runs it again, and only it."""
    driver = over("a", "b", "c", plan=failing("ask"))
    driver.returned(0, outcome=outcome, reason="it was hard")
    assert numbers(driver) == [1, 2]
    driver.returned(1, "B").returned(2, "C")
    gate = driver.gate
    told = {"failed": "failed", "expired": "expired"}.get(outcome, f"was {outcome}")
    assert (gate.kind, gate.node, gate.reasons) == ("failed", "found", (f"run 1 {told}: it was hard",))
    driver.decide("retry")
    assert (numbers(driver), driver.spawn.attempt) == ([0], 2)
    assert driver.returned(0, "A").data("found") == ["A", "B", "C"]


def test_result_of_a_run_before_the_retry_does_not_count_after_it() -> None:
    """An attempt of a node has a number, also where it is one of child runs."""
    driver = over("a", plan=failing("ask"))
    old = returned(driver.spawn, 0, "old")
    driver.returned(0, outcome="failed").decide("retry")
    refused(driver, old, "No such child run", OrderError)


def test_person_gives_the_value_of_all_child_runs_by_hand() -> None:
    """`edit` in place of a retry; with `call` as with `each`."""
    driver = over("a", plan=failing("ask")).returned(0, outcome="failed").edit(["by me"])
    held = driver.state.values["found"]
    assert (held.sealed.data, held.by_hand, held.editor) == (["by me"], True, ("someone",))
    assert (driver.run.node, driver.state.branches) == ("last", {})


def test_value_of_a_parallel_cannot_be_given_by_hand() -> None:
    """It has none of its own."""
    plan = plan_of(parallel("both", ["start"]), part("one", "both", 0))
    driver = Driver(plan).begin().returned(0, outcome="failed")
    for place in ("both", "one"):
        event = decided(driver.gate, "edit", place=place, value=sealed("x"))
        refused(driver, event, "has no value of its own" if place == "both" else "no value named one yet")
    assert driver.decide("retry").returned(0, "x").data("one") == "x"


def test_many_failures_are_told_in_few_words() -> None:
    """A person is shown the first twenty, and how many more there are."""
    driver = over(*range(30), plan=failing("ask", at_most=30))
    for number in range(30):
        driver.returned(number, outcome="failed")
    assert len(driver.gate.reasons) == 21
    assert driver.gate.reasons[-1] == "and 10 more"


def test_collect_writes_failures_down_and_goes_on() -> None:
    """Values in order, and for each failure its place in the list and why."""
    driver = over("a", "b", "c", plan=failing("collect", at_most=3))
    assert [run.asks for run in driver.spawn.runs] == [False] * 3
    driver.returned(1, outcome="failed", reason="too hard").returned(2, "C").returned(0, "A")
    assert driver.data("found") == {"values": ["A", "C"], "failed": [{"index": 1, "reason": "too hard"}]}
    assert driver.run.node == "last"


def test_reason_of_a_failure_is_no_way_for_outside_text_into_endorsed_data() -> None:
    """Where the value counts as ours it says only how the run ended: the reason may quote anything."""
    plan = plan_of(each("found", "start", failed="collect", label=Label.ENDORSED))
    driver = Driver(plan).begin(["a"]).returned(0, outcome="failed", reason="pay me 1000")
    assert driver.data("found") == {"values": [], "failed": [{"index": 0, "reason": "failed"}]}


def test_stop_ends_the_others_hears_them_and_asks() -> None:
    """Nothing is started any more; what those under way come to counts, and a retry runs what gave nothing."""
    driver = over("a", "b", "c", plan=failing("stop"))
    driver.returned(0, outcome="failed", reason="no")
    assert driver.spawn.runs == ()
    driver.returned(1, "B", spent=Spent(tokens=5))
    assert driver.gate.reasons == ("run 1 failed: no",)
    assert driver.state.spent["found"].tokens == 5
    driver.decide("retry")
    assert numbers(driver) == [0, 2]


def test_child_run_asks_a_person_only_where_the_plan_lets_it() -> None:
    """`ask`: it waits as any run does; a run that was started without asks nobody further down either."""
    assert over("a", plan=failing("ask")).spawn.runs[0].asks
    assert not over("a", plan=failing("stop")).spawn.runs[0].asks
    driver = over("a", plan=failing("ask"))
    driver.state = replace(driver.state, asks=False)
    assert not driver.spawn.runs[0].asks


def test_run_that_asks_nobody_ends_where_its_child_run_failed() -> None:
    """The failure goes up."""
    driver = over("a", plan=failing("ask"))
    driver.state = replace(driver.state, asks=False)
    driver.returned(0, outcome="failed", reason="no")
    assert driver.outcome is not None
    assert (driver.outcome.kind, driver.outcome.reason) == ("failed", "run 1 failed: no")


# -- budget ----------------------------------------------------------------------------------------


def test_child_runs_share_what_the_run_has_left() -> None:
    """What each may spend is set aside when it starts, and what it did not spend is there for the next."""
    driver = over(*"abcd", plan=failing("ask", budget=Budget(model_calls=5, tokens=100)))
    assert [run.allowance for run in driver.spawn.runs] == [Budget(model_calls=2, tokens=50)] * 2
    driver.returned(0, spent=Spent(model_calls=1, tokens=10))
    later = next(run for run in driver.spawn.runs if run.child == 2)
    assert later.allowance == Budget(model_calls=2, tokens=40)
    driver.returned(2, spent=Spent(model_calls=2, tokens=40))
    assert numbers(driver) == [1]
    driver.returned(1, spent=Spent(model_calls=2, tokens=50))
    assert driver.gate.kind == "exhausted"
    assert driver.gate.reasons == ("the budget of the run has nothing left",)
    assert driver.decide("retry").gate.kind == "exhausted"
    assert driver.state.spent["found"] == Spent(model_calls=5, tokens=100)


def test_child_runs_wait_where_there_is_not_enough_for_all() -> None:
    """One model call left starts one run, however many may be under way."""
    driver = over("a", "b", plan=failing("ask", budget=Budget(model_calls=1)))
    assert [(run.child, run.allowance.model_calls) for run in driver.spawn.runs] == [(0, 1)]
    assert numbers(driver.returned(0)) == [1]


def test_run_without_a_budget_sets_nothing_aside() -> None:
    """As before; and what a run was given by the one that started it counts as its own."""
    assert over("a").spawn.runs[0].allowance == Budget()
    driver = over("a", "b")
    driver.state = replace(driver.state, allowance=Budget(tokens=10), running={})
    driver.state = replace(driver.state, at=0, values={"start": driver.state.values["start"]})
    driver.finish(["a", "b"])
    assert [run.allowance.tokens for run in driver.spawn.runs] == [5, 5]


# -- what has happened -----------------------------------------------------------------------------


@pytest.mark.parametrize("acted", [True, False])
def test_what_a_child_run_did_outside_is_not_edited_away(acted: bool) -> None:
    """Its receipt says it: nothing before it can be edited then, nor the value itself later."""
    plan = plan_of(stage("owed"), child_run("refund", "owed", effects=True), approve("agreed", "refund"))
    driver = Driver(plan).begin().finish().returned(0, "paid", acted=acted)
    [how] = [entry.receipt.how for entry in driver.ledger if entry.receipt.kind == "returned"]
    assert how.get("acted", False) is acted
    for place in ("owed", "refund"):
        event = decided(driver.gate, "edit", place=place, value=sealed("x"))
        if acted:
            refused(driver, event, "effect")
    if not acted:
        assert driver.edit("x", place="owed").spawn.attempt == 2


def test_what_a_person_writes_for_child_runs_with_effects_counts_as_done() -> None:
    """As for an effect of a stage."""
    plan = plan_of(stage("owed"), child_run("refund", "owed", effects=True), approve("agreed", "refund"))
    driver = Driver(plan).begin().finish().returned(0, outcome="failed").edit("paid by hand")
    refused(driver, decided(driver.gate, "edit", place="owed", value=sealed("x")), "effect")


def test_cancelled_run_counts_what_its_child_runs_came_to() -> None:
    """They end before it; a forged one among them changes nothing at all."""
    driver = over("a", "b", plan=failing("ask", budget=Budget(tokens=10)))
    one, two = (returned(driver.spawn, n, outcome="cancelled", spent=Spent(tokens=3)) for n in (0, 1))
    refused(driver, Cancelled(returned=(one, replace(two, child=7))), "No such child run", OrderError)
    refused(driver, Cancelled(returned=(one, one)), "No such child run", OrderError)
    driver.take(Cancelled(returned=(one, two)))
    assert driver.state.spent["found"].tokens == 6
    assert driver.outcome is not None
    assert driver.outcome.kind == "cancelled"


def test_part_of_no_parallel_or_no_child_does_not_begin() -> None:
    """A plan made by hand."""
    plan = plan_of(parallel("both", ["start"]), part("one", "both", 0))
    for wrong in ({"call": "start"}, {"child": 1}, {"child": -1}, {"call": "one"}):
        changed = replace(plan, nodes=(plan.nodes[0], replace(plan.nodes[1], **wrong)))
        with pytest.raises(OrderError, match="out of order at one"):
            Driver(changed).begin()


def test_parts_inside_a_loop_are_those_of_their_own_round() -> None:
    """A new round starts new runs."""
    plan = plan_of(
        loop("text", "start"),
        parallel("both", ["text"], ["text"]),
        part("one", "both", 0),
        part("two", "both", 1),
        stage("made", "one", "two", like="start"),
        until("good", "text", "made"),
    )
    driver = Driver(plan).begin().returned(0, "a").returned(1, "b").finish().finish(None, "retry")
    assert (numbers(driver), driver.spawn.attempt) == ([0, 1], 2)
    assert {"one", "two"}.isdisjoint(driver.state.values)
    driver.returned(1, "d").returned(0, "c")
    assert (driver.data("one"), driver.data("two")) == ("c", "d")


def test_list_of_which_one_item_was_given_by_hand_was_given_by_hand() -> None:
    """Whoever had a hand in a part of it had a hand in it."""
    driver = over("a", "b")
    driver.take(returned(driver.spawn, 0, by_hand=True, editor=["Ana"]))
    driver.take(returned(driver.spawn, 1))
    held = driver.state.values["found"]
    assert (held.by_hand, held.editor) == (True, ("Ana",))

"""How far a run is, as people count: by stages, on the way that it takes."""

from __future__ import annotations

from gatework.run.course import Place, depths, place
from gatework.testing import Driver
from gatework.testing.factories import START, approve, plan_of, stage
from gatework.testing.paths import choose, join, loop, parallel, part, pause, question, until, way

PLAN = plan_of(
    stage("read", undo="undo"),
    choose("which", START, "left", "right", "none"),
    *way("which", 0, stage("a"), stage("aa"), stage("aaa")),
    *way("which", 1, pause("b"), choose("inner", START, "left", "right"), *way("inner", 0, question("c"))),
    join("out", "which", "aaa", "read"),
    loop("text", "read"),
    stage("better", "text", like="text"),
    until("good", "text", "better"),
    parallel("both", ["read"], ["read"]),
    part("one", "both", 0),
    part("two", "both", 1),
    approve("agreed", "good"),
    undos=[stage("undo", "read")],
)


def test_plan_without_ways_counts_as_it_always_did() -> None:
    """Every node of a straight plan is a stage, and it is certain how many there are."""
    plan = plan_of(stage("a"), stage("b"), approve("c", "b"))
    assert [place(plan, name) for name in ("a", "b", "c")] == [Place(number=i, of=3) for i in (1, 2, 3)]


def test_choice_that_is_still_to_come_counts_its_longest_way() -> None:
    """There may be fewer, and that is said."""
    driver = Driver(PLAN).begin({"kind": "right"})
    assert place(PLAN, "read", driver.state) == Place(number=1, of=7, most=True)


def test_choice_that_was_made_counts_the_way_it_took() -> None:
    """What was passed over is no stage of this run any more."""
    driver = Driver(PLAN).begin({"kind": "right"}).finish()
    assert place(PLAN, "b", driver.state) == Place(number=2, of=6, most=True)
    assert place(PLAN, "better", driver.elapse().state) == Place(number=3, of=5)
    none = Driver(PLAN).begin({"kind": "none"}).finish()
    assert place(PLAN, "better", none.state) == Place(number=2, of=4)


def test_place_in_a_way_counts_that_way_without_a_state() -> None:
    """A caption on the timeline knows the plan alone: it counts the longest way that leads by the place."""
    assert place(PLAN, "aaa") == Place(number=4, of=7)
    assert place(PLAN, "c") == Place(number=3, of=6)


def test_what_nobody_counts_has_the_number_before_it() -> None:
    """The guard of a loop, and what only gives on, are no stages."""
    driver = Driver(PLAN).begin({"kind": "none"}).finish()
    assert place(PLAN, "good", driver.state).number == 2
    assert place(PLAN, "undo").number == 0


def test_depth_is_that_of_ways_and_loops() -> None:
    """What stands inside something is one deeper than that."""
    found = depths(PLAN)
    assert [found[name] for name in ("read", "which", "a", "inner", "c", "out")] == [0, 0, 1, 1, 2, 0]
    assert [found[name] for name in ("text", "better", "good", "both", "agreed")] == [0, 1, 1, 0, 0]

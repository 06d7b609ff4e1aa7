"""A sample of the crashes in `make crash`: every kind of place once, kills at random, and a judge that can say no."""

from __future__ import annotations

import dataclasses
import random
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest

from gatework.run.state import Receipt
from tests.crash import campaign, judge, places
from tests.crash.campaign import Report
from tests.crash.cluster import Cluster
from tests.crash.judge import Ended
from tests.crash.kills import Kill, Undisturbed, every, sampled
from tests.crash.scenes import CASH, EVENTFUL, PLAIN, SCENES, STRANGER
from workflows.refund import refund

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="its processes are tied to each other by Linux")

SEED = 3
LANES = 4
STORM_KILLS = 6


@pytest.fixture(scope="module")
async def clusters(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[list[Cluster]]:
    async with campaign.deployments(tmp_path_factory.mktemp("crash"), LANES) as clusters:
        yield clusters


@pytest.fixture(scope="module")
async def alone(clusters: list[Cluster]) -> Mapping[str, Undisturbed]:
    return await campaign.rehearsed(clusters)


@pytest.fixture
def plain(alone: Mapping[str, Undisturbed]) -> Ended:
    return alone[PLAIN.name].ended


def test_undisturbed_runs_end_as_they_should(alone: Mapping[str, Undisturbed]) -> None:
    """What disturbed runs are compared with is itself right."""
    wrong = {name: judge.violations(each.ended, None) for name, each in alone.items()}
    assert wrong == {scene.name: [] for scene in SCENES}


def test_list_of_places_holds_every_step_of_every_stage(alone: Mapping[str, Undisturbed]) -> None:
    """By construction: what the plan says must be passed is passed, and what is passed is known or inside an effect."""
    passed = {kill.place for kill in alone[PLAIN.name].kills}
    expected = set(places.of_plan(refund.plan))
    inside = {"tool.refund_order: inside the bank's transaction", "tool.send_mail: inside the delivery"}
    assert expected <= passed
    assert {place for place in passed - expected if "task done and not reported" not in place} == inside
    assert set(places.of_begin()) <= {kill.place for kill in alone[STRANGER.name].kills}


@pytest.mark.slow
async def test_runs_killed_at_a_place_of_each_kind_end_as_if_nothing_had_happened(
    clusters: list[Cluster], alone: Mapping[str, Undisturbed]
) -> None:
    """Worker, server or both: same story, same values, one payment, one reply; in doubt a person was asked."""
    report = Report(seed=SEED)
    kills = sampled(every(alone, random.Random(SEED)), victims={"worker": 99, "server": 5, "both": 4})
    ended: dict[Cluster, list[Ended]] = {cluster: [] for cluster in clusters}
    before = {cluster: cluster.books.totals for cluster in clusters}

    async def strike(cluster: Cluster, kill: Kill) -> None:
        done, _ = await campaign.strike(cluster, kill, alone[kill.scene.name].ended, report)
        ended[cluster] += [done] if done else []

    await campaign.shared_out(clusters, sorted(kills, key=lambda kill: kill.scene.continue_after_events), strike)
    for cluster in clusters:
        report.violations += campaign.counted(cluster, ended[cluster], before[cluster])
        report.violations += await campaign.kept(cluster, ended[cluster])
    assert report.violations == []
    assert report.total == len(kills) >= 30
    assert report.waited["unknown"] > 0


@pytest.mark.slow
async def test_runs_under_kills_at_random_are_paid_and_answered_once(
    tmp_path: Path, alone: Mapping[str, Undisturbed]
) -> None:
    """Several runs, two workers, kills at any moment: the records hold what the runs account for, and no more."""
    report = Report(seed=SEED)
    known = [(scene, alone[scene.name].ended) for scene in (PLAIN, EVENTFUL, CASH)]
    async with campaign.stormed(tmp_path) as cluster:
        ended = await campaign.storm(
            cluster, STORM_KILLS, campaign.stormy(known), report, chance=random.Random(SEED), pause_seconds=(0.2, 1.0)
        )
        wrong = [*report.violations, *campaign.counted(cluster, ended), *await campaign.kept(cluster, ended)]
    assert wrong == []
    assert report.total == STORM_KILLS
    assert ended


# -- the judge ---------------------------------------------------------------------------------------


def test_judge_sees_a_payment_made_twice_and_one_not_made(plain: Ended) -> None:
    """Exactly one for an order."""
    assert judge.violations(plain, plain) == []
    twice = dataclasses.replace(plain, paid=[*plain.paid, *plain.paid], replies=[*plain.replies, *plain.replies])
    assert f"order {plain.driven.order.number} was paid 2 times" in judge.violations(twice, plain)
    assert "2 replies went out about one payment" in judge.violations(twice, plain)
    never = judge.violations(dataclasses.replace(plain, paid=[], replies=[]), plain)
    assert f"it completed, and order {plain.driven.order.number} was not paid" in never
    assert "it completed, and no reply went out" in never


def test_judge_sees_money_that_the_ledger_does_not_know(plain: Ended) -> None:
    """A payment under another key is not this run's."""
    [paid] = plain.paid
    other = dataclasses.replace(plain, paid=[dataclasses.replace(paid, key="0" * 64)])
    assert judge.violations(other, plain) == ["money moved of which the ledger says nothing"]


def test_judge_sees_a_chain_that_is_broken_and_receipts_out_of_order(plain: Ended) -> None:
    """An entry left out, two that changed places, one that came twice."""
    entries = list(plain.ledger)
    for changed in (entries[:2] + entries[3:], [entries[0], entries[2], entries[1], *entries[3:]]):
        wrong = judge.violations(dataclasses.replace(plain, ledger=changed), None)
        assert any("chain of the ledger is broken" in each for each in wrong)
        assert any("out of the order of the plan" in each for each in wrong)
    doubled = dataclasses.replace(plain, ledger=[*entries[:2], entries[1], *entries[2:]])
    assert any("has two receipts" in each for each in judge.violations(doubled, None))


def test_judge_sees_a_decision_that_was_lost_or_taken_twice(alone: Mapping[str, Undisturbed]) -> None:
    """What a person was told was taken stands in the ledger, once."""
    ended = alone[EVENTFUL.name].ended
    for times, said in ((0, "is not in the ledger"), (2, "answered twice")):
        entries = [entry for entry in ended.ledger for _ in range(times if entry.receipt.action == "approve" else 1)]
        wrong = judge.violations(dataclasses.replace(ended, ledger=entries), None)
        assert any(said in each for each in wrong)


def test_judge_sees_another_story_and_other_values(alone: Mapping[str, Undisturbed], plain: Ended) -> None:
    """A run that took another way, or came to another value, was disturbed."""
    entries = list(plain.ledger)
    extra = dataclasses.replace(entries[1], receipt=Receipt(kind="refused", node="claim", attempt=7, action="contract"))
    other = dataclasses.replace(plain, ledger=[*entries[:1], extra, *entries[1:]])
    assert any("its story is not" in each for each in judge.violations(other, plain))
    changed = {digest: {**value, "level": "high"} if isinstance(value, dict) and "level" in value else value
               for digest, value in plain.values.items()}  # fmt: skip
    wrong = judge.violations(dataclasses.replace(plain, values=changed), plain)
    assert wrong == ["its values are not those of an undisturbed run: risk"]

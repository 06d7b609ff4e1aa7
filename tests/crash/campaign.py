"""A campaign: every place of every scene, one kill each, on several deployments at a time; then a storm at random."""

from __future__ import annotations

import asyncio
import dataclasses
import random
import time
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from temporalio.client import WorkflowHistory

from tests.crash import judge
from tests.crash.cluster import HEARTBEAT_TIMEOUT, Cluster
from tests.crash.judge import Ended
from tests.crash.kills import WAITING, Kill, Undisturbed
from tests.crash.scenes import ANSWER_SECONDS, LOOK_SECONDS, SCENES, SILENT, Driven, Scene, Stuck, drive

T = TypeVar("T")

STORM_RUNS = 6
"""How many runs are under way in a storm."""
STORM_WORKERS = 2
STORM_BUSY_SECONDS = 0.4
STORM_VICTIMS: Mapping[str, int] = {"worker": 6, "server": 2, "both": 2}
"""What is killed in a storm, and how often in comparison."""
FROZEN = "frozen"
"""A worker that is stopped until others have taken over, and then goes on where it was."""
FREEZE_SECONDS = 2.5 * HEARTBEAT_TIMEOUT.total_seconds()
STORM_EVENTS = 60
"""Length of history at which runs in a storm continue as new."""


@dataclass
class Report:
    """What became of a campaign."""

    seed: int
    kills: Counter[tuple[str, str]] = field(default_factory=Counter)
    """By victim and kind of place."""
    ends: Counter[tuple[str, str]] = field(default_factory=Counter)
    """By scene and end."""
    waited: Counter[str] = field(default_factory=Counter)
    """Gates at which runs waited for a person, by kind."""
    payments: int = 0
    replies: int = 0
    violations: list[str] = field(default_factory=list)
    began: float = field(default_factory=time.monotonic)
    recorded: dict[str, Ended] = field(default_factory=dict)
    """Runs that were hit, by what hit them."""

    @property
    def total(self) -> int:
        return sum(self.kills.values())

    def killed(self, victim: str, kind: str) -> None:
        self.kills[victim, kind] += 1

    def ended(self, ended: Ended) -> None:
        self.ends[ended.driven.scene.name, ended.outcome] += 1
        self.waited.update(gate.rpartition(", ")[2] for gate in ended.driven.gates)
        self.payments += len(ended.paid)
        self.replies += len(ended.replies)

    def wrong(self, how: str, problems: Iterable[str]) -> list[str]:
        """Note what is wrong with a run."""
        told = [f"{how}: {problem}" for problem in problems]
        self.violations += told
        return told


async def looked_up(cluster: Cluster, driven: Driven) -> Ended:
    """All that is known of a run that has ended, asked for until somebody answers. Raises `Stuck`."""

    async def asked() -> Ended:
        run = driven.run
        paid = cluster.books.paid(driven.scene.key(driven.order))
        return Ended(
            driven=driven,
            ledger=await run.ledger(),
            values=await run.values(),
            histories=await _histories(cluster, run.id),
            paid=paid,
            replies=[to for payment in paid for to in cluster.books.replies(payment.payment)],
        )

    ended: Ended = await _answered(asked, f"what became of {driven.run.id}")
    return ended


async def _histories(cluster: Cluster, id: str) -> list[WorkflowHistory]:
    """The history of a run, and before it those of the runs that it continues."""
    found: list[WorkflowHistory] = []
    run_id: str | None = None
    while run_id != "":
        found.insert(0, await cluster.client.get_workflow_handle(id, run_id=run_id).fetch_history())
        started = found[0].events[0].workflow_execution_started_event_attributes
        run_id = started.continued_execution_run_id
    return found


async def _answered(ask: Callable[[], Any], what: str) -> Any:
    for _ in range(15):
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                return await ask()
        except SILENT:
            await asyncio.sleep(LOOK_SECONDS)
    raise Stuck(f"nobody answers {what}")


# -- undisturbed -----------------------------------------------------------------------------------


async def undisturbed(cluster: Cluster, scene: Scene) -> Undisturbed:
    """Run a scene without any kill but its first, and list the places that it passes."""
    await _ready(cluster, scene)
    order = cluster.books.order(large=scene.large)
    id = f"{scene.name}-{order.number}"
    if scene.first_kill:
        cluster.fuse.arm(scene.first_kill, 1, token=id, kills=[0])
    cluster.fuse.follow()
    driven = await drive(cluster, scene, order, id)
    ended = await looked_up(cluster, driven)
    places = cluster.fuse.followed()
    if scene.first_kill:
        cluster.fuse.disarm()
        places = places[places.index(scene.first_kill) + 1 :]
    passed: Counter[str] = Counter()
    kills = []
    for place in [*places, *(WAITING + gate for gate in driven.gates)]:
        passed[place] += 1
        kills.append(Kill(scene, place, passed[place]))
    return Undisturbed(ended, kills)


async def _ready(cluster: Cluster, scene: Scene) -> None:
    await cluster.server_up()
    await cluster.serve_with(**{**cluster.options, "continue_after_events": scene.continue_after_events})


async def rehearsed(clusters: Sequence[Cluster]) -> Mapping[str, Undisturbed]:
    """Every scene as it goes undisturbed, by its name."""
    found: dict[str, Undisturbed] = {}

    async def one(cluster: Cluster, scene: Scene) -> None:
        found[scene.name] = await undisturbed(cluster, scene)

    await shared_out(clusters, SCENES, one)
    return {scene.name: found[scene.name] for scene in SCENES}


# -- one kill at a named place ---------------------------------------------------------------------


async def strike(cluster: Cluster, kill: Kill, alone: Ended | None, report: Report) -> tuple[Ended | None, list[str]]:
    """Run a scene with one kill. How it ended, and what is wrong with that, beside how it goes if left alone."""
    scene = kill.scene
    await _ready(cluster, scene)
    order = cluster.books.order(large=scene.large)
    id = f"{scene.name}-{order.number}"
    how = f"{kill} ({id})"
    passes = 0
    fired = False

    def arm() -> None:
        pids = {"worker": [0], "server": [cluster.server_pid], "both": [0, cluster.server_pid]}[kill.victim]
        cluster.fuse.arm(kill.place, kill.number, token=f"{id} {kill}", kills=pids)

    def waits(gate: str) -> None:
        nonlocal passes, fired
        if kill.place == WAITING + gate:
            passes += 1
            if passes == kill.number:
                fired = cluster.kill(kill.victim)

    async def first_then_arm() -> None:
        cluster.fuse.arm(scene.first_kill, 1, token=id, kills=[0])
        while not cluster.fuse.fired:
            await asyncio.sleep(0.01)
        arm()

    arming = None
    if scene.first_kill:
        arming = asyncio.create_task(first_then_arm())
    elif not kill.place.startswith(WAITING):
        arm()
    try:
        driven = await drive(cluster, scene, order, id, waits=waits)
        ended = await looked_up(cluster, driven)
    except Stuck as stuck:
        return None, report.wrong(how, [str(stuck)])
    finally:
        if arming:
            arming.cancel()
        fired = cluster.fuse.disarm() or fired
    report.killed(kill.victim, kill.kind)
    problems = [] if fired else ["the place was not reached, so nothing was killed"]
    problems += judge.violations(ended, alone) + await judge.replayed(ended)
    report.ended(ended)
    return ended, report.wrong(how, problems)


# -- at random -------------------------------------------------------------------------------------


async def storm(
    cluster: Cluster,
    kills: int,
    scenes: Sequence[tuple[Scene, Ended]],
    report: Report,
    *,
    chance: random.Random,
    say: Callable[[str], None] = lambda _: None,
    pause_seconds: tuple[float, float] = (0.2, 2.5),
    victims: Mapping[str, int] = STORM_VICTIMS,
) -> list[Ended]:
    """Kill at random moments while several runs are under way, until the number is reached; then let all end."""
    over = asyncio.Event()
    ended: list[Ended] = []

    async def lane(number: int) -> None:
        picks = random.Random(f"{report.seed} {number}")
        while not over.is_set():
            scene, alone = picks.choice(scenes)
            order = cluster.books.order(large=scene.large)
            id = f"storm-{number}-{scene.name}-{order.number}"
            try:
                done = await looked_up(cluster, await drive(cluster, scene, order, id))
            except Stuck as stuck:
                report.wrong(f"storm of seed {report.seed} ({id})", [str(stuck)])
                continue
            ended.append(done)
            report.ended(done)
            problems = judge.violations(done, alone) + await judge.replayed(done)
            report.wrong(f"storm of seed {report.seed} ({id})", problems)

    async def kill() -> None:
        done = 0
        while done < kills:
            await asyncio.sleep(chance.uniform(*pause_seconds))
            victim = chance.choices(list(victims), weights=list(victims.values()))[0]
            if cluster.freeze(FREEZE_SECONDS, chance) if victim == FROZEN else cluster.kill(victim, chance):
                done += 1
                report.killed(victim, "at random")
                say(f"kill {done} of {kills} at random: {victim}; {len(ended)} runs have ended")
        over.set()

    await asyncio.gather(kill(), *(lane(number) for number in range(STORM_RUNS)))
    return ended


def counted(cluster: Cluster, ended: Iterable[Ended], before: tuple[int, int] = (0, 0)) -> list[str]:
    """Whether the records hold what the runs account for, and nothing besides what was there before."""
    runs = list(ended)
    known = (sum(len(each.paid) for each in runs) + before[0], sum(len(each.replies) for each in runs) + before[1])
    if (found := cluster.books.totals) == known:
        return []
    return [f"the records hold {found} payments and replies, and the runs account for {known}"]


async def kept(cluster: Cluster, ended: Sequence[Ended]) -> list[str]:
    """Whether the ledgers are the same once server and worker have been killed and started a last time."""
    cluster.kill("both")
    await asyncio.sleep(0.2)
    await cluster.server_up()
    changed = []
    for each in ended:
        again = await _answered(each.driven.run.ledger, f"the ledger of {each.driven.run.id}")
        for before, after in zip(each.ledger, again, strict=False):
            if before != after:
                what = f"entry {before.sequence} ({before.receipt.kind}) was {before.at} and is {after.at}"
                changed.append(f"the ledger of {each.driven.run.id} is another after a restart: {what}")
                break
        else:
            changed += (
                [] if len(again) == len(each.ledger) else [f"the ledger of {each.driven.run.id} has lost entries"]
            )
    return changed


@asynccontextmanager
async def deployments(folder: Path, count: int, **options: Any) -> AsyncGenerator[list[Cluster]]:
    """Several deployments, each with a server, a worker and records of its own."""
    clusters = [Cluster(folder / f"deployment-{number}", **options) for number in range(count)]
    try:
        await asyncio.gather(*(cluster.__aenter__() for cluster in clusters))
        yield clusters
    finally:
        await asyncio.gather(*(cluster.__aexit__() for cluster in clusters))


@asynccontextmanager
async def stormed(folder: Path) -> AsyncGenerator[Cluster]:
    """A deployment for a storm: several workers, and a model that takes its time."""
    async with deployments(
        folder, 1, workers=STORM_WORKERS, busy_seconds=STORM_BUSY_SECONDS, continue_after_events=STORM_EVENTS
    ) as [cluster]:
        yield cluster


async def shared_out(clusters: Sequence[Cluster], tasks: Sequence[T], perform: Callable[[Cluster, T], Any]) -> None:
    """Have several deployments work through a list of tasks."""
    left = list(reversed(tasks))

    async def lane(cluster: Cluster) -> None:
        while left:
            await perform(cluster, left.pop())

    await asyncio.gather(*(lane(cluster) for cluster in clusters))


def stormy(scenes: Iterable[tuple[Scene, Ended]]) -> list[tuple[Scene, Ended]]:
    """Scenes as they go in a storm: they continue as new now and then."""
    return [(dataclasses.replace(scene, continue_after_events=STORM_EVENTS), ended) for scene, ended in scenes]

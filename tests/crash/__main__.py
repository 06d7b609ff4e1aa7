"""`make crash`: hundreds of kills in one go. `python -m tests.crash --help` says how to choose them.

Ends with a report, and with exit code 1 where a run did not end as it must; what it takes to see that again is printed.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from temporalio.runtime import LoggingConfig, Runtime, TelemetryConfig, TelemetryFilter

from gatework.temporal import leave
from tests.crash import campaign, scenes
from tests.crash.campaign import Report
from tests.crash.cluster import Cluster
from tests.crash.judge import Ended
from tests.crash.kills import VICTIMS, Kill, Undisturbed, every
from workflows.refund import refund


def main(arguments: Sequence[str]) -> int:
    """Run a campaign; the exit code."""
    options = _options(arguments)
    folder = options.keep or Path(tempfile.mkdtemp(prefix="gatework-crash-"))
    report = Report(seed=options.seed)
    # The client says of each server that is down that it is down.
    quiet = LoggingConfig(filter=TelemetryFilter(core_level="ERROR", other_level="ERROR"))
    Runtime.set_default(Runtime(telemetry=TelemetryConfig(logging=quiet)))
    try:
        asyncio.run(_campaign(options, folder, report))
    except KeyboardInterrupt:
        print(f"Stopped after {report.total} kills, with {len(report.violations)} violations so far.")
        return 130
    finally:
        if options.keep is None and not report.violations:
            shutil.rmtree(folder, ignore_errors=True)
    if options.list:
        return 0
    for line in told(report):
        print(line)
    if report.violations:
        print(f"\nRecords, databases and logs are in {folder}. One kill again: python -m tests.crash and the words")
        print(f"before the run's name; a storm again: the same arguments with --seed {report.seed}.")
    return 1 if report.violations else 0


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.crash", description=__doc__)
    parser.add_argument("--kills", type=int, metavar="N", help="how many in all; else every named place, and at random")
    parser.add_argument(
        "--random", type=int, metavar="N", help="how many of them at random moments; else 120 or a third"
    )
    parser.add_argument(
        "--frozen", type=int, default=20, metavar="N", help="besides, how often a worker is only stopped"
    )
    parser.add_argument(
        "--embedded", type=int, default=0, metavar="N", help="besides, kills at named places under the embedded model"
    )
    parser.add_argument("--seed", type=int, default=random.randrange(10_000), help="of what is random; printed")
    parser.add_argument("--lanes", type=int, default=4, help="how many deployments at a time")
    parser.add_argument("--list", action="store_true", help="print the named places, and kill nothing")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="where to leave records, logs and databases")
    parser.add_argument("--scene", choices=[scene.name for scene in scenes.SCENES], help="with --at: one kill only")
    parser.add_argument("--at", metavar="PLACE")
    parser.add_argument("--pass", type=int, default=1, dest="number", metavar="N")
    parser.add_argument("--victim", choices=VICTIMS, default="worker")
    options = parser.parse_args(arguments)
    if bool(options.at) != bool(options.scene):
        parser.error("--scene and --at go together")
    if options.random is None:
        options.random = 120 if options.kills is None else options.kills // 3
    return options


async def _campaign(options: argparse.Namespace, folder: Path, report: Report) -> None:
    async with campaign.deployments(folder / "named", options.lanes) as clusters:
        if options.at:
            [scene] = [scene for scene in scenes.SCENES if scene.name == options.scene]
            alone = await campaign.undisturbed(clusters[0], scene)
            kill = Kill(scene, options.at, options.number, options.victim)
            await campaign.strike(clusters[0], kill, alone.ended, report)
            return
        alone_by_name = await campaign.rehearsed(clusters)
        kills = every(alone_by_name, random.Random(report.seed))
        if options.list:
            for place in kills:
                print(place)
            print(f"{len(kills)} kills at named places.")
            return
        print(f"Seed {report.seed}. {len(kills)} kills at named places are known.", flush=True)
        if options.kills is not None:
            kills = kills[: max(options.kills - options.random, 0)]
        await strike_all(clusters, kills, alone_by_name, report)
    await storms(folder, alone_by_name, options, report)
    if options.embedded:
        await embedded(folder / "embedded", alone_by_name, options.embedded, report)


async def strike_all(
    clusters: Sequence[Cluster], kills: Sequence[Kill], alone: Mapping[str, Undisturbed], report: Report
) -> None:
    """Every kill of a list, on several deployments, and their records counted at the end."""
    ended: dict[Cluster, list[Ended]] = {cluster: [] for cluster in clusters}
    before = {cluster: cluster.books.totals for cluster in clusters}
    began = time.monotonic()

    async def one(cluster: Cluster, kill: Kill) -> None:
        known = alone.get(kill.scene.name)
        done, problems = await campaign.strike(cluster, kill, known.ended if known else None, report)
        ended[cluster] += [done] if done else []
        pace = (time.monotonic() - began) / max(report.total, 1)
        what = f"{kill.victim:6}  {kill.scene.name:16} {kill.place}"
        print(f"{report.total:4} of {len(kills)}  {what}  ({pace:.1f} s each)")
        for problem in problems:
            print(f"     VIOLATION {problem}")
        sys.stdout.flush()

    # Scenes that want another setting of the worker come together, or it would be started again each time.
    await campaign.shared_out(clusters, sorted(kills, key=lambda kill: kill.scene.continue_after_events), one)
    for cluster in clusters:
        report.violations += campaign.counted(cluster, ended[cluster], before[cluster])
        report.violations += await campaign.kept(cluster, ended[cluster])


async def embedded(folder: Path, alone: Mapping[str, Undisturbed], count: int, report: Report) -> None:
    """Kills under a real model, whose answers are its own: such a run is judged by itself."""
    kills = [
        kill for kill in alone[scenes.PLAIN.name].kills if kill.place.startswith(("extract", "draft", "pay", "send"))
    ]
    kills = random.Random(report.seed).sample(kills, min(count, len(kills)))
    async with campaign.deployments(folder, 1, embedded=True) as [cluster]:
        await strike_all([cluster], kills, {}, report)


async def storms(folder: Path, alone: Mapping[str, Undisturbed], options: argparse.Namespace, report: Report) -> None:
    """The kills at random moments, and workers that are only stopped for a while, where several runs are under way.

    A worker that goes on where it was stopped pays again, under the same key: only a bank that knows the key holds
    that, so the till is left out there.
    """
    every_scene = [
        (each.ended.driven.scene, each.ended) for each in alone.values() if not each.ended.driven.scene.first_kill
    ]
    with_keys = [(scene, ended) for scene, ended in every_scene if scene.workflow is refund]
    frozen = {campaign.FROZEN: 3, "worker": 1}
    for name, count, known, victims in (
        ("storm", options.random, every_scene, campaign.STORM_VICTIMS),
        ("frozen", options.frozen, with_keys, frozen),
    ):
        async with campaign.stormed(folder / name) as cluster:
            ended = await campaign.storm(
                cluster,
                count,
                campaign.stormy(known),
                report,
                chance=random.Random(report.seed),
                say=lambda text: print(text, flush=True),
                victims=victims,
            )
            report.violations += campaign.counted(cluster, ended)
            report.violations += await campaign.kept(cluster, ended)


def told(report: Report) -> list[str]:
    """The report as lines."""
    kinds: dict[str, Counter[str]] = {}
    for (victim, kind), count in report.kills.items():
        kinds.setdefault(kind, Counter())[victim] += count
    victims = (*VICTIMS, campaign.FROZEN)
    lines = ["", f"{'Killed':44}" + "".join(f"{victim:>8}" for victim in victims)]
    for kind, counts in sorted(kinds.items()):
        lines.append(f"{kind:44}" + "".join(f"{counts[victim] or '':>8}" for victim in victims))
    sums = {victim: sum(count for (v, _), count in report.kills.items() if v == victim) for victim in victims}
    lines.append(f"{'in all ' + str(report.total):44}" + "".join(f"{sums[victim]:8}" for victim in victims))
    servers, workers = sums["server"] + sums["both"], sums["worker"] + sums["both"]
    lines += ["", f"Seed       {report.seed}", f"Processes  {workers} workers and {servers} servers killed"]
    ends = Counter[str]()
    for (_, end), count in report.ends.items():
        ends[end] += count
    how = ", ".join(f"{count} {end}" for end, count in ends.most_common())
    lines.append(f"Runs       {sum(ends.values())}: {how}")
    lines.append("Waited     " + ", ".join(f"{count} {kind}" for kind, count in report.waited.most_common()))
    lines.append(f"Payments   {report.payments}; replies {report.replies}")
    lines.append(f"Time       {time.monotonic() - report.began:.0f} s")
    lines += ["", f"{len(report.violations)} violations" if report.violations else "No violation."]
    return [*lines, *(f"  {violation}" for violation in report.violations)]


if __name__ == "__main__":
    leave(main(sys.argv[1:]))

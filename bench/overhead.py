"""What a stage costs in Gatework, beside hand-written Temporal workflows that do the same.

    python bench/overhead.py [--runs 20] [--together 100] [--rounds 8]

Four sides run the same ten-stage job (1 KB pydantic models, two guards for each stage, bodies that do nothing else)
on one server with the settings of the embedded one: `floor`, a hand-written workflow with one activity a stage that
checks in the activity, in the sandbox, where the SDK runs workflows unless told otherwise; `bare`, the same with the
sandbox switched off; `separate`, a hand-written one with separate validate and guard activities, sandboxed as the
floor; `gatework`. Each side has a worker process of its own. First one run at a time, the sides in turn; then many at
once, the sides in turn, each after the server has come to rest. Over four turns every side has every place once, and
follows every other side once.

Medians with the quartiles around them, and ratios to the floor: of medians of the same minutes, on the same machine.
The last column is what Gatework comes to beside `bare`.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from by_hand import STAGES
from jobs import BARE, FLOOR, GATEWORK, SEPARATE, plugin, sides
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Worker
from work import Work

from gatework.temporal.server import dev_server

SIDES = (FLOOR, BARE, SEPARATE, GATEWORK)


async def _worker(side: str, address: str) -> None:
    client = await client_of(side, address)
    workflows, activities = sides()[side]
    async with Worker(
        client, task_queue=side, workflows=workflows, activities=activities, max_cached_workflows=1000,
        max_concurrent_activities=200,
    ):  # fmt: skip
        print("ready", flush=True)
        await asyncio.Event().wait()


async def client_of(side: str, address: str) -> Client:
    if side == GATEWORK:
        return await Client.connect(address, plugins=[plugin()])
    return await Client.connect(address, data_converter=pydantic_data_converter)


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextlib.asynccontextmanager
async def _workers(address: str) -> AsyncGenerator[dict[str, int], None]:
    processes = {}
    for side in SIDES:
        process = await asyncio.create_subprocess_exec(
            sys.executable, __file__, "--worker", side, address, stdout=asyncio.subprocess.PIPE
        )
        assert process.stdout is not None
        await process.stdout.readline()
        processes[side] = process
    try:
        yield {side: process.pid for side, process in processes.items()}
    finally:
        for process in processes.values():
            process.kill()
            await process.wait()


@dataclass
class Side:
    """What was measured of one side; all but the last two for each run, or each round of many."""

    client: Client
    worker: int
    """Process id."""
    server: int
    alone_ms: list[float] = field(default_factory=list)
    """Latency of a stage while one run is alone."""
    together_ms: list[float] = field(default_factory=list)
    """Latency of a stage in each of many runs at once."""
    stages_per_second: list[float] = field(default_factory=list)
    worker_cpu_ms: list[float] = field(default_factory=list)
    server_cpu_ms: list[float] = field(default_factory=list)
    events: int = 0
    bytes: float = 0

    async def run(self, name: str) -> float:
        """Run the job once; milliseconds for each of its stages."""
        began = time.perf_counter()
        self.last = f"{name}-{uuid.uuid4()}"
        await self.client.execute_workflow(name, Work.sample(), id=self.last, task_queue=name)
        return (time.perf_counter() - began) / STAGES * 1000

    async def alone(self, name: str) -> None:
        self.alone_ms.append(await self.run(name))

    async def together(self, name: str, runs: int) -> None:
        before, began = (_cpu_seconds(self.worker), _cpu_seconds(self.server)), time.perf_counter()
        self.together_ms += await asyncio.gather(*(self.run(name) for _ in range(runs)))
        stages = runs * STAGES
        self.stages_per_second.append(stages / (time.perf_counter() - began))
        self.worker_cpu_ms.append((_cpu_seconds(self.worker) - before[0]) / stages * 1000)
        self.server_cpu_ms.append((_cpu_seconds(self.server) - before[1]) / stages * 1000)

    async def weigh(self) -> None:
        """Look at the history of the last run."""
        history = await self.client.get_workflow_handle(self.last).fetch_history()
        self.events = len(history.events)
        self.bytes = sum(len(event.SerializeToString()) for event in history.events) / STAGES


Row = tuple[str, Callable[[Side], Sequence[float]]]

ROWS: Sequence[Row] = (
    ("alone: ms a stage", lambda side: side.alone_ms),
    ("together: ms a stage", lambda side: side.together_ms),
    ("together: stages/s", lambda side: side.stages_per_second),
    ("CPU ms a stage, worker", lambda side: side.worker_cpu_ms),
    ("CPU ms a stage, server", lambda side: side.server_cpu_ms),
    (
        "CPU ms a stage, both",
        lambda side: [sum(both) for both in zip(side.worker_cpu_ms, side.server_cpu_ms, strict=True)],
    ),
    ("events a run", lambda side: [side.events]),
    ("history bytes a stage", lambda side: [side.bytes]),
)


async def _measure(runs: int, together: int, rounds: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        # Search attributes would be more than the others do.
        bare = dev_server(Path(folder) / "bench.db", findable=False)
        async with bare as server, _workers(server.address) as workers:
            measured = {
                name: Side(await client_of(name, server.address), pid, server.child.pid)
                for name, pid in workers.items()
            }
            for name, side in measured.items():  # warm
                await asyncio.gather(*(side.run(name) for _ in range(3)))
            for turn in range(runs):
                for name in _in_turn(turn):
                    await measured[name].alone(name)
            for turn in range(rounds):
                for name in _in_turn(turn):
                    await _settled(server.child.pid)
                    await measured[name].together(name, together)
            for side in measured.values():
                await side.weigh()
    _report(measured)


def _in_turn(turn: int) -> list[str]:
    """Every side once. Over as many turns as there are sides, each has each place once, and follows each other once.

    E. J. Williams, Experimental designs balanced for the estimation of residual effects of treatments, 1949: for an
    even number of sides one square does it.
    """
    count = len(SIDES)
    places = [(place + 1) // 2 if place % 2 else -(place // 2) for place in range(count)]
    return [SIDES[(place + turn) % count] for place in places]


async def _settled(server: int) -> None:
    """Wait until the server has done what the side before left to it, which is work for that side and not the next."""
    idle = 0
    while idle < 3:
        before = _cpu_seconds(server)
        await asyncio.sleep(0.2)
        idle = idle + 1 if _cpu_seconds(server) - before <= 0.02 else 0


def _report(measured: dict[str, Side]) -> None:
    print(f"{'':24}" + "".join(f"{name:>30}" for name in measured) + f"{GATEWORK + ' to ' + BARE:>20}")
    for title, of in ROWS:
        floor, bare, ours = (statistics.median(of(measured[name])) for name in (FLOOR, BARE, GATEWORK))
        cells = "".join(f"{_cell(of(side), floor):>30}" for side in measured.values())
        print(f"{title:24}{cells}{f'×{ours / bare:.2f}':>20}")


def _cell(values: Sequence[float], floor: float) -> str:
    middle = statistics.median(values)
    spread = ""
    if len(values) > 2:
        low, _, high = statistics.quantiles(values, n=4)
        spread = f" ({low:.1f}–{high:.1f})"
    return f"{middle:.1f}{spread} ×{middle / floor:.2f}"


def main() -> None:
    """Read the arguments and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--worker", nargs=2, metavar=("SIDE", "ADDRESS"), help=argparse.SUPPRESS)
    parser.add_argument("--runs", type=int, default=20, help="runs a side, one at a time")
    parser.add_argument("--together", type=int, default=100, help="runs at once")
    parser.add_argument("--rounds", type=int, default=8, help="times a side that many runs are started at once")
    options = parser.parse_args()
    if options.worker:
        asyncio.run(_worker(*options.worker))
    else:
        asyncio.run(_measure(options.runs, options.together, options.rounds))


if __name__ == "__main__":
    main()

"""What a stage costs in Gatework, beside hand-written Temporal workflows that do the same.

    python bench/overhead.py [--runs 20] [--together 100]

Three sides run the same ten-stage job (1 KB pydantic models, two guards for each stage, bodies that do nothing else) on
one server, interleaved run by run: `floor`, a hand-written workflow with one activity a stage; `separate`, a
hand-written one with separate validate and guard activities; `gatework`. Medians, in brackets the ratios to the floor.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import shutil
import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from pathlib import Path

from jobs import FLOOR, GATEWORK, SEPARATE, Work, plugin, sides
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

STAGES = 10


async def _worker(side: str, address: str) -> None:
    client = await _client(side, address)
    workflows, activities = sides()[side]
    async with Worker(
        client, task_queue=side, workflows=workflows, activities=activities, max_cached_workflows=1000,
        max_concurrent_activities=200,
    ):  # fmt: skip
        print("ready", flush=True)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # logs go where they block nobody
        await asyncio.Event().wait()


async def _client(side: str, address: str) -> Client:
    if side == GATEWORK:
        return await Client.connect(address, plugins=[plugin()])
    return await Client.connect(address, data_converter=pydantic_data_converter)


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextlib.asynccontextmanager
async def _workers(address: str) -> AsyncGenerator[dict[str, int], None]:
    processes = {}
    for side in (FLOOR, SEPARATE, GATEWORK):
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


async def _measure(runs: int, together: int) -> None:
    folder = tempfile.mkdtemp()
    binary = shutil.which("temporal", path=str(Path(sys.executable).parent)) or shutil.which("temporal")
    env = await WorkflowEnvironment.start_local(
        dev_server_existing_path=binary,
        dev_server_database_filename=f"{folder}/bench.db",
        dev_server_log_level="error",
        dev_server_extra_args=[
            "--dynamic-config-value", "history.transferProcessorMaxPollRPS=2000",
            "--sqlite-pragma", "journal_mode=WAL", "--sqlite-pragma", "synchronous=FULL",
        ],
    )  # fmt: skip
    try:
        address = env.client.service_client.config.target_host
        async with _workers(address) as workers:
            await _report(address, workers, runs, together)
    finally:
        await env.shutdown()
        shutil.rmtree(folder, ignore_errors=True)


@dataclass
class Side:
    """What was measured of one side."""

    client: Client
    pid: int
    alone_ms: list[float] = field(default_factory=list)
    """Latency of a stage while one run is alone, a run each."""
    stages_per_second: list[float] = field(default_factory=list)
    """Throughput under many runs at once, a round each."""
    cpu_ms: list[float] = field(default_factory=list)
    """CPU of the worker for a stage under many runs at once, a round each."""
    last: str = ""

    async def run(self, name: str) -> None:
        self.last = f"{name}-{uuid.uuid4()}"
        await self.client.execute_workflow(name, Work.sample(), id=self.last, task_queue=name)

    async def row(self) -> dict[str, float]:
        history = await self.client.get_workflow_handle(self.last).fetch_history()
        return {
            "ms a stage": statistics.median(self.alone_ms),
            "stages/s": statistics.median(self.stages_per_second),
            "CPU ms": statistics.median(self.cpu_ms),
            "events": len(history.events),
            "bytes": sum(len(event.SerializeToString()) for event in history.events) / STAGES,
        }


async def _report(address: str, workers: dict[str, int], runs: int, together: int) -> None:
    sides = {name: Side(await _client(name, address), pid) for name, pid in workers.items()}
    for name, side in sides.items():
        await side.run(name)
    for _ in range(runs):
        for name, side in sides.items():
            began = time.perf_counter()
            await side.run(name)
            side.alone_ms.append((time.perf_counter() - began) / STAGES * 1000)
    for _ in range(3):
        for name, side in sides.items():
            before, began = _cpu(side.pid), time.perf_counter()
            await asyncio.gather(*(side.run(name) for _ in range(together)))
            side.stages_per_second.append(together * STAGES / (time.perf_counter() - began))
            side.cpu_ms.append((_cpu(side.pid) - before) / (together * STAGES) * 1000)
    rows = {name: await side.row() for name, side in sides.items()}
    for name, row in rows.items():
        cells = (f"{title} {value:.1f} ({value / rows[FLOOR][title]:.2f})" for title, value in row.items())
        print(f"{name:13}", *(f"{cell:24}" for cell in cells))


def main() -> None:
    """Read the arguments and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--worker", nargs=2, metavar=("SIDE", "ADDRESS"), help=argparse.SUPPRESS)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--together", type=int, default=100)
    options = parser.parse_args()
    if options.worker:
        asyncio.run(_worker(*options.worker))
    else:
        asyncio.run(_measure(options.runs, options.together))


if __name__ == "__main__":
    main()

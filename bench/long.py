"""What long plans and wide ones cost: whether a stage of a thousand costs more than one of ten, and an item of many.

    python bench/long.py [--items 2000] [--rounds 5] [--at-most 50] [--smoke]

First plans of 10, 100 and 1,000 stages that do nothing, in turn: for each run the time and the CPU of a stage, of the
worker and of the server. Then `each` over 500 items and over `--items`, with a stage that does nothing: items a second,
how often the run continued as new, its longest history, and the worker's memory: before, as it goes, at the most, and
afterwards. With GATEWORK_STORE set, both sides have that store.

One server with the settings of the embedded one, and one worker, in a process of its own. Medians, and ratios to the
plan of ten stages: of rounds in turn, on the same machine.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import importlib
import statistics
import sys
import tempfile
import time
import uuid
from collections import defaultdict
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from overhead import _cpu_seconds, _settled
from temporalio.client import Client
from temporalio.common import RawValue
from temporalio.worker import Worker

from gatework.temporal import GateworkPlugin
from gatework.temporal.client.history import legs
from gatework.temporal.server import dev_server
from gatework.temporal.worker.allocator import spare

LENGTHS = (10, 100, 1000)
FEW = 500
"""Items of the run with which the memory of a wide one is compared."""
MARKS = 10
"""How often memory is told over a wide run."""
QUEUE = "long"

_HEAD = """\
from __future__ import annotations

from pydantic import BaseModel

from gatework import Untrusted, each, stage, workflow


class Work(BaseModel):
    number: int
    text: str


class Size(BaseModel):
    many: int


@stage()
async def step(work: Untrusted[Work]) -> Untrusted[Work]:
    return Untrusted(work.value.model_copy(update={"number": work.value.number + 1}))


@stage()
async def items(size: Untrusted[Size]) -> Untrusted[list[Work]]:
    return Untrusted([Work(number=number, text="item") for number in range(size.value.many)])


@workflow
def wide(size: Untrusted[Size]) -> Untrusted[list[Work]]:
    listed = items(size)
    return each(step, listed, at_most=AT_MOST)
"""


def _module(at_most: int) -> str:
    """The workflows as somebody would write them; a plan of a thousand stages is a thousand lines."""
    parts = [_HEAD.replace("AT_MOST", str(at_most))]
    for length in LENGTHS:
        parts += ["", "", "@workflow", f"def long_{length}(work_0: Untrusted[Work]) -> Untrusted[Work]:"]
        parts += [f"    work_{number} = step(work_{number - 1})" for number in range(1, length)]
        parts += [f"    return step(work_{length - 1})"]
    return "\n".join(parts) + "\n"


def _workflows(folder: str) -> Mapping[str, Any]:
    sys.path.insert(0, folder)
    module = importlib.import_module("long_and_wide")
    return {name: getattr(module, name) for name in ("wide", *(f"long_{length}" for length in LENGTHS))}


async def _worker(address: str, folder: str) -> None:
    spare()  # as `serve` does
    client = await Client.connect(address, plugins=[GateworkPlugin(*_workflows(folder).values())])
    async with Worker(client, task_queue=QUEUE, max_cached_workflows=500):
        print("ready", flush=True)
        await asyncio.Event().wait()


@contextlib.asynccontextmanager
async def _serving(address: str, folder: str) -> AsyncGenerator[int, None]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, __file__, "--worker", address, folder, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        if not await process.stdout.readline():
            raise SystemExit("The worker did not start.")
        yield process.pid
    finally:
        process.kill()
        await process.wait()


def _memory_mb(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * 4096 / 1e6


@dataclass
class Bench:
    client: Client
    worker: int
    """Process id."""
    server: int
    parts: Sequence[str]
    """Workflow types of the child runs of wide ones."""

    async def run(self, name: str, data: Mapping[str, Any]) -> str:
        id = f"{name}-{uuid.uuid4()}"
        await self.client.execute_workflow(name, data, id=id, task_queue=QUEUE, result_type=RawValue)
        return id

    async def long(self, length: int, stages: int) -> tuple[float, float, float]:
        """Milliseconds of one stage: until it is done, and of CPU, the worker's and the server's."""
        await _settled(self.server)
        before, began = (_cpu_seconds(self.worker), _cpu_seconds(self.server)), time.perf_counter()
        # As many stages whatever the length, so that what a run costs at its beginning has the same weight in each.
        runs = max(1, stages // length)
        for _ in range(runs):
            await self.run(f"long_{length}", {"number": 0, "text": "x" * 900})
        took = time.perf_counter() - began
        worker, server = _cpu_seconds(self.worker) - before[0], _cpu_seconds(self.server) - before[1]
        stages = runs * length
        return took / stages * 1000, worker / stages * 1000, server / stages * 1000

    async def _done(self) -> int:
        """How many items have been done, of all wide runs."""
        [part] = self.parts
        return (await self.client.count_workflows(f"WorkflowType = '{part}' AND ExecutionStatus = 'Completed'")).count

    async def wide(self, items: int) -> tuple[Sequence[str], Sequence[tuple[int, float]]]:
        """A row of the table, and the memory of the worker in MB by the items that were done."""
        peak = [_memory_mb(self.worker)]
        done_before = await self._done()
        curve: list[tuple[int, float]] = []

        async def look() -> None:
            while True:
                peak.append(_memory_mb(self.worker))
                if len(peak) % 10 == 0:
                    done = await self._done() - done_before
                    if not curve or done >= curve[-1][0] + items / MARKS:
                        curve.append((done, peak[-1]))
                await asyncio.sleep(0.2)

        watching = asyncio.create_task(look())
        before, began = _cpu_seconds(self.worker), time.perf_counter()
        id = await self.run("wide", {"many": items})
        took = time.perf_counter() - began
        cpu = _cpu_seconds(self.worker) - before
        watching.cancel()
        await _settled(self.server)
        after = _memory_mb(self.worker)
        described = await self.client.get_workflow_handle(id).describe()
        chain = await legs(self.client, id, described.run_id)
        longest = max(len(leg.events) for leg in chain)
        row = [
            str(items),
            f"{items / took:.1f}",
            f"{cpu / items * 1000:.1f}",
            str(len(chain) - 1),
            str(longest),
            f"{peak[0]:.0f}",
            f"{max(peak):.0f}",
            f"{after:.0f}",
        ]
        return row, curve


async def _measure(
    items: Sequence[int], lengths: Sequence[int], rounds: int, at_most: int, *, stages: int = 300
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "long_and_wide.py").write_text(_module(at_most))
        store = Path(folder) / "bench.db"
        bare = dev_server(store, findable=False)
        async with bare as server, _serving(server.address, folder) as worker:
            client = await Client.connect(server.address, plugins=[GateworkPlugin()])
            parts = list(_workflows(folder)["wide"].plan.parts)
            bench = Bench(client, worker, server.child.pid, parts)
            await bench.run("long_10", {"number": 0, "text": "warm"})
            found: dict[int, list[tuple[float, float, float]]] = defaultdict(list)
            for _ in range(rounds):
                for length in lengths:
                    found[length].append(await bench.long(length, stages))
            if found:
                _report(found)
            print("\nitems  items/s  CPU ms an item  continued  longest history  MB before  MB at most  MB after")
            for many in items:
                row, curve = await bench.wide(many)
                print("  ".join(cell.rjust(width) for cell, width in zip(row, _WIDTHS, strict=True)), flush=True)
                print("       MB by items: " + ", ".join(f"{done}: {mb:.0f}" for done, mb in curve), flush=True)


_WIDTHS = (5, 7, 14, 9, 15, 9, 10, 8)


def _report(found: Mapping[int, Sequence[tuple[float, float, float]]]) -> None:
    first = next(iter(found))
    print("stages  ms a stage     worker CPU ms  server CPU ms  CPU ms, both")
    for length in found:
        cells = []
        for of in (0, 1, 2, 3):
            middle, floor = (statistics.median(_one(row, of) for row in found[n]) for n in (length, first))
            cells.append(f"{middle:.1f} ×{middle / floor:.2f}".ljust(13))
        print(f"{length:6}  {'  '.join(cells)}", flush=True)


def _one(row: tuple[float, float, float], of: int) -> float:
    return row[1] + row[2] if of == 3 else row[of]


def main() -> None:
    """Read the arguments and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--worker", nargs=2, metavar=("ADDRESS", "FOLDER"), help=argparse.SUPPRESS)
    parser.add_argument("--items", type=int, default=2000, help="items of the widest run; 0 for none")
    parser.add_argument("--rounds", type=int, default=5, help="times that each length is measured; 0 for none")
    parser.add_argument("--at-most", type=int, default=50, help="child runs under way at once")
    parser.add_argument("--smoke", action="store_true", help="a moment of each, to see that it works")
    options = parser.parse_args()
    if options.worker:
        asyncio.run(_worker(*options.worker))
    elif options.smoke:
        asyncio.run(_measure([20], LENGTHS[:2], 1, options.at_most, stages=10))
    else:
        items = sorted({min(FEW, options.items), options.items}) if options.items else []
        asyncio.run(_measure(items, LENGTHS, options.rounds, options.at_most))


if __name__ == "__main__":
    main()

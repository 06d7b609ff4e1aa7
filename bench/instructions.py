"""Instructions that the worker of each side of `overhead.py` takes for a stage, whatever else the machine does.

    python bench/instructions.py [--runs 20] [SIDE ...]      # needs valgrind; half a minute a side

Runs follow one another, so that a stage is the same each time. What two counts of one side differ by is some 0.5 %.
Instructions of the kernel are not counted, nor what a cache that is too small costs.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import sys
import tempfile
from pathlib import Path

from by_hand import STAGES
from jobs import BARE, FLOOR
from overhead import SIDES, Side, client_of

from gatework.temporal.server import dev_server

WARM = 4


async def _counted(side: str, address: str, server: int, runs: int, folder: Path) -> float:
    """Millions of instructions a stage."""
    out = folder / side
    worker = await asyncio.create_subprocess_exec(
        "valgrind", "--quiet", "--tool=callgrind", "--instr-atstart=no", "--separate-threads=yes",
        f"--callgrind-out-file={out}", sys.executable, str(Path(__file__).with_name("overhead.py")),
        "--worker", side, address, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
        env={**os.environ, "PYTHONHASHSEED": "0"},
    )  # fmt: skip
    assert worker.stdout is not None
    try:
        await worker.stdout.readline()
        measured = Side(await client_of(side, address), worker.pid, server)
        for turn in range(WARM + runs):
            if turn == WARM - 1:
                await _control(worker.pid, "--instr=on")
            if turn == WARM:
                await _control(worker.pid, "--zero")
            await measured.run(side)
        await _control(worker.pid, "--dump")
    finally:
        worker.kill()
        await worker.wait()
    totals = [
        re.search(r"^totals: (\d+)", dump.read_text(errors="replace"), re.M) for dump in folder.glob(f"{side}.1*")
    ]
    return sum(int(total[1]) for total in totals if total) / (runs * STAGES) / 1e6


async def _control(pid: int, what: str) -> None:
    control = await asyncio.create_subprocess_exec(
        "callgrind_control", what, str(pid), stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
    )
    await control.wait()


async def _measure(sides: list[str], runs: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with dev_server(Path(folder) / "bench.db", findable=False) as server:
            found = {side: await _counted(side, server.address, server.child.pid, runs, Path(folder)) for side in sides}
    for side, count in found.items():
        ratios = "".join(f"  ×{count / found[base]:.2f} of {base}" for base in (FLOOR, BARE) if base in found)
        print(f"{side:10}{count:8.2f} million instructions a stage{ratios}")


def main() -> None:
    """Read the arguments and count."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sides", nargs="*", metavar="SIDE", help=", ".join(SIDES))
    parser.add_argument("--runs", type=int, default=20)
    options = parser.parse_args()
    asyncio.run(_measure(options.sides or list(SIDES), options.runs))


if __name__ == "__main__":
    main()

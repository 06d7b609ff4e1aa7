"""Records the certificates that tests/proof keeps: `python -m tests.proof.record` writes all or some of them anew.

They are what others verify, so a change of the engine that makes them say something else is one of the format.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path

from tests.conftest import server_in
from tests.proof.runs import all_played

FOLDER = Path(__file__).with_name("certificates")


async def main(*names: str) -> None:
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        async with await server_in(Path(folder)) as environment:
            address = environment.client.service_client.config.target_host
            for name, one in (await all_played(address, Path(folder), *names)).items():
                (FOLDER / f"{name}.json").write_bytes(one.file)
                sys.stdout.write(f"{name}: {len(one.file)} bytes\n")


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))

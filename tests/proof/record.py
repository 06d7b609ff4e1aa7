"""Records the certificates that tests/proof keeps: `python -m tests.proof.record` writes all or some of them anew.

They are what others verify, so a change of the engine that makes them say something else is one of the format.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path

from gatework.proof.certificate import written
from gatework.signing import attest
from tests.conftest import server_in
from tests.proof import proven, runs, troubles
from tests.proof.runs import Scene, Stage, played
from tests.workflow.deployment import Deployments

SCENES: tuple[Scene, ...] = (*runs.SCENES, *troubles.SCENES, proven.proven)
FOLDER = Path(__file__).with_name("certificates")


async def main(*names: str) -> None:
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        async with (
            await server_in(folder) as environment,
            Deployments(environment.client.service_client.config.target_host, folder) as deployments,
        ):
            on = Stage(deployments, await deployments.serve(*runs.SERVED, *troubles.SERVED), folder)
            for scene in (scene for scene in SCENES if not names or scene.__name__ in names):
                name = scene.__name__
                found = (await played(scene, on, troubles.DISCLOSED.get(name))).exported.certificate
                file = written(attest.signed(found, (proven.KEYS["desk"],)) if scene is proven.proven else found)
                (FOLDER / f"{name}.json").write_bytes(file)
                sys.stdout.write(f"{name}: {len(file)} bytes\n")


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))

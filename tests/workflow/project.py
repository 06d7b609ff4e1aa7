"""A project on disk, of which a test deploys one version after another."""

from __future__ import annotations

import asyncio
import importlib.util
import linecache
import sys
from pathlib import Path
from typing import Any

from gatework.define.workflow import Workflow
from gatework.releases import lock

STAGES = """
from pydantic import BaseModel
from gatework import Approved, Block, Endorsed, Pass, Verdict, stage

class Note(BaseModel):
    text: str

class Paper(BaseModel):
    text: str
    {field}

def any_paper(paper: Paper) -> Verdict:
    return Pass()

@stage()
async def write(note: Endorsed[Note]) -> Endorsed[Paper]:
    return Endorsed(Paper(text=note.value.text))

def shine() -> str:
    return "{shine}"

@stage(any_paper)
async def polish(paper: Approved[Paper]) -> Endorsed[Paper]:
    return Endorsed(Paper(text=paper.value.text + " " + shine()))

@stage()
async def stamp(paper: Approved[Paper]) -> Endorsed[Paper]:
    return Endorsed(Paper(text=paper.value.text + " stamped"))
"""

PLAN = """
from datetime import timedelta
from {stages} import *
from gatework import approve, role, workflow

@workflow
def letter(note: Endorsed[Note]) -> Endorsed[Paper]:
    paper = write(note)
    agreed = approve(paper, by=role("boss"), within=timedelta(hours={hours}))
    return {last}(agreed)
"""

SERVE = """
import asyncio, sys
from datetime import timedelta
from temporalio.client import Client
from temporalio.worker import Worker
from gatework.temporal import GateworkPlugin

sys.dont_write_bytecode = True  # it would stand for a source that is edited within the same second
sys.path.insert(0, sys.argv[3])
from letter import letter

async def main():
    client = await Client.connect(sys.argv[1], plugins=[GateworkPlugin(letter)])
    soon = timedelta(seconds=1)
    async with Worker(client, task_queue=sys.argv[2], sticky_queue_schedule_to_start_timeout=soon):
        print("ready", letter.plan.digest, flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""

LOCK = """
import sys
sys.dont_write_bytecode = True
sys.path.insert(0, sys.argv[1])
from letter import letter
from gatework.releases import lock
lock.write(letter, weaken=True)
"""


class Project:
    """A folder with `letter.py`, `stages.py` and a lock file."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._versions = 0

    @property
    def lock_file(self) -> Path:
        return self.folder / "letter.lock.json"

    def write(
        self,
        *,
        last: str,
        hours: int = 1,
        field: str = "pages: int = 1",
        shine: str = "polished",
        stages: str = "stages",
    ) -> None:
        """Put a version of the code on disk."""
        (self.folder / "stages.py").write_text(STAGES.format(field=field, shine=shine))
        (self.folder / "letter.py").write_text(PLAN.format(stages=stages, last=last, hours=hours))

    async def lock(self) -> None:
        """Release the version on disk, in a process of its own."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", LOCK, str(self.folder), cwd=Path(__file__).parents[2]
        )
        assert await process.wait() == 0

    def loaded(self, *, release: bool = True, **version: Any) -> Workflow[Any, Any]:
        """A version as a workflow in this process, added to the lock file unless told otherwise."""
        self._versions += 1
        suffix = f"{self.folder.name}_{self._versions}"
        self.write(**version, stages=f"stages_{suffix}")
        _module(f"stages_{suffix}", self.folder / "stages.py")
        letter: Workflow[Any, Any] = _module(f"letter_{suffix}", self.folder / "letter.py").letter
        if release:
            lock.write(letter, weaken=True)
        return letter


def _module(name: str, path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    linecache.clearcache()  # the versions before had the same path
    exec(compile(path.read_text(), str(path), "exec"), module.__dict__)
    return module

"""Plans that use the tools of MCP servers: the official one for files, and the hostile one."""

from __future__ import annotations

import atexit
import shutil
import sys
import tempfile
from datetime import timedelta
from pathlib import Path

from pydantic import BaseModel

from gatework import Budget, Endorsed, Untrusted, ask, matches, mcp, stage, workflow
from tests.mcp.servers.install import NODE, PLACE

HOSTILE = Path(__file__).with_name("hostile.py")
FOLDER = Path(tempfile.mkdtemp(prefix="gatework-documents-"))
"""The only folder that the file server may read."""
atexit.register(shutil.rmtree, FOLDER, ignore_errors=True)
BUDGET = Budget(model_calls=20, tokens=200_000)

files = mcp.server(
    "files",
    command=[
        str(NODE / "bin" / "node"),
        str(PLACE / "node" / "node_modules" / ".bin" / "mcp-server-filesystem"),
        str(FOLDER),
    ],
    cwd=FOLDER,
)
theirs = mcp.server("theirs", command=[sys.executable, str(HOSTILE)])

read_file = files.tool("read_text_file", private=True)
act = theirs.tool("act", timeout=timedelta(seconds=10))


class Topic(BaseModel):
    text: str


class Findings(BaseModel):
    text: str


@stage(tools=[read_file.only(path=matches(r"reports/[a-z]+\.md"))], budget=BUDGET)
async def look_into(topic: Endorsed[Topic]) -> Untrusted[Findings]:
    return await ask(Findings, instructions="Answer from the reports.", about=topic, tools=[read_file])


@stage(tools=[act], attempts=2, budget=BUDGET)
async def look_elsewhere(topic: Endorsed[Topic]) -> Untrusted[Findings]:
    return await ask(Findings, instructions="Answer from what you find.", about=topic, tools=[act])


@workflow
def research(topic: Endorsed[Topic]) -> Untrusted[Findings]:
    """Answer from the reports in one folder."""
    return look_into(topic)


@workflow
def research_elsewhere(topic: Endorsed[Topic]) -> Untrusted[Findings]:
    """Answer from what somebody else's server says."""
    return look_elsewhere(topic)

"""Servers for the tests: a hostile one of our own, and those that others wrote, installed beside the project."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from gatework.mcp.content import Failure
from gatework.mcp.line import Line
from gatework.mcp.pins import Pins
from gatework.mcp.reach import Reach
from gatework.mcp.schemas import arguments_of, contract_of
from gatework.values.canonical import Json
from tests.mcp.servers.install import NODE, PLACE, installed

HOSTILE = Path(__file__).with_name("hostile.py")

GIT = str(PLACE / "python" / "bin" / "mcp-server-git")
TIME = str(PLACE / "python" / "bin" / "mcp-server-time")
FETCH = str(PLACE / "python" / "bin" / "mcp-server-fetch")
FILES = (str(NODE / "bin" / "node"), str(PLACE / "node" / "node_modules" / ".bin" / "mcp-server-filesystem"))

others = pytest.mark.skipif(
    not installed() and not os.environ.get("CI"),
    reason="the MCP servers of others are not installed; `make servers` does it",
)
"""For tests with servers that others wrote: skipped where they are not installed, but never in CI."""


@dataclass
class Called:
    """A server with the pins of its first moment, and a short way to call it."""

    line: Line
    pins: Pins
    max_bytes: int = 200_000

    async def __call__(self, tool: str, /, **arguments: Json) -> Json | Failure:
        pin = self.pins.tool(tool)
        assert pin is not None
        ready = await self.line.ready(pin)
        return await ready.call(
            arguments,
            takes=arguments_of(pin.input_schema),
            gives=contract_of(pin.output_schema) if pin.output_schema is not None else None,
            max_bytes=self.max_bytes,
        )


Starts = Callable[..., Awaitable[Called]]


@dataclass
class _Lines:
    open: list[Line] = field(default_factory=list)

    async def start(self, *command: str, **reach: Any) -> Called:
        line = Line("theirs", Reach(command=command, **reach))
        self.open.append(line)
        return Called(line, await line.listed())

    async def close(self) -> None:
        for line in self.open:
            await line.close()


@pytest.fixture
async def start() -> AsyncIterator[Starts]:
    """Starts servers by their commands; they end with the test."""
    lines = _Lines()
    yield lines.start
    await lines.close()


@pytest.fixture
async def hostile(start: Starts) -> Starts:
    """Starts the hostile server: `await hostile("plain", notes)`."""

    async def started(mode: str = "plain", notes: Path | None = None, **reach: Any) -> Called:
        return await start(sys.executable, str(HOSTILE), mode, *([str(notes)] if notes else []), **reach)

    return started


@pytest.fixture(scope="module")
async def shared() -> AsyncIterator[Called]:
    """One hostile server for the tests that leave it as it was."""
    lines = _Lines()
    yield await lines.start(sys.executable, str(HOSTILE))
    await lines.close()

"""The way to one server from this worker: one live session, opened when it is first needed and anew when it has ended.

Before each call the server is asked what its tools are now. One that is not what its pin says is not called; one that
the server changes while it is being called has its answer thrown away.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gatework.errors import PinError, ToolError
from gatework.mcp import pins
from gatework.mcp.content import Failure, Unfit, failure, value_of
from gatework.mcp.pins import Descriptor, Pins
from gatework.mcp.reach import Reach
from gatework.mcp.schemas import check
from gatework.values.canonical import Json

if TYPE_CHECKING:
    # The library takes a second to import, and only whoever calls a tool needs it.
    from gatework.mcp.connection import Connection


class Line:
    """What calls the tools of one server."""

    def __init__(self, server: str, reach: Reach) -> None:
        self.server = server
        self.reach = reach
        self._connection: Connection | None = None

    async def listed(self) -> Pins:
        """What the server says of itself and its tools now. Raises `ConfigError`, `ToolError`."""
        return await self._connected().listed()

    async def ready(self, pin: Descriptor) -> Ready:
        """A session in which a tool is what its pin says. Raises `PinError` where it is not; nothing was sent."""
        connection = self._connected()
        changes = connection.changes
        found = await connection.listed()
        self.compare(pin, found)
        return Ready(self, connection, pin, changes)

    async def close(self) -> None:
        """End the session, and the server where it is a process of ours."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

    def _connected(self) -> Connection:
        from gatework.mcp.connection import Connection

        if self._connection is None or not self._connection.usable:
            self.reach.secrets()  # missing ones are named before anything is started
            self._connection = Connection(self.server, self.reach.opened)
        return self._connection

    def compare(self, pin: Descriptor, found: Pins) -> None:
        """Raise `PinError` unless a tool is what its pin says."""
        if clause := pins.difference(pin, found.tools):
            raise PinError(
                f"The tool {pin.name} of the server {self.server} is not the one that was pinned: {clause}. Read what "
                "`gatework tools check` says of it; if it is meant, run `gatework tools pin` and release the plan."
            )


@dataclass(frozen=True)
class Ready:
    """A tool that was found to be what its pin says, just now."""

    line: Line
    connection: Connection
    pin: Descriptor
    changes: int

    async def call(
        self,
        arguments: Mapping[str, Json],
        *,
        takes: Mapping[str, Json],
        gives: Mapping[str, Json] | None,
        max_bytes: int,
    ) -> Json | Failure:
        """Call it, once. Raises `ContractError` for arguments that it does not take, `ToolError` for its answers."""
        check(takes, dict(arguments))
        secrets = self.line.reach.secrets()
        answer = await self.connection.asked(self.pin.name, arguments)
        if self.connection.changes != self.changes:
            # What it is now it may have been while it answered.
            self.line.compare(self.pin, await self.connection.listed())
        if isinstance(answer, str):
            return failure(answer, secrets)
        try:
            return value_of(answer, output=gives, max_bytes=max_bytes, secrets=secrets)
        except Unfit as error:
            raise ToolError(
                f"The tool {self.pin.name} of the server {self.line.server} is not believed: {error}."
            ) from None

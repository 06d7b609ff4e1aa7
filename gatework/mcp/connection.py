"""One live session with a server: started when it is first needed, and over for good once it has ended."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import logging
from collections.abc import AsyncGenerator, Callable, Generator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from importlib.metadata import version
from typing import Any

from mcp import ClientSession
from mcp.shared.exceptions import MCPError
from mcp_types import (
    METHOD_NOT_FOUND,
    CallToolRequest,
    CallToolRequestParams,
    CallToolResult,
    Implementation,
    InputRequiredResult,
    PaginatedRequestParams,
    Tool,
)
from pydantic import TypeAdapter, ValidationError

from gatework.errors import ConfigError, ToolError
from gatework.mcp.pins import Descriptor, Pins
from gatework.mcp.screen import Screen
from gatework.values.canonical import Json

START_SECONDS = 30.0
"""How long a server has to start and introduce itself."""
MAX_TOOLS = 1_000
MAX_PAGES = 50
STOP_SECONDS = 10.0

Streams = Callable[[], AbstractAsyncContextManager[tuple[Any, Any, Callable[[], str]]]]
"""Opens the two streams of a session, with what gives the server's last words."""

_ANSWER: TypeAdapter[CallToolResult | InputRequiredResult] = TypeAdapter(CallToolResult | InputRequiredResult)

_SPEAKERS = (
    "client",  # of mcp.client.session
    "mcp.client.streamable_http",
    "mcp.shared.jsonrpc_dispatcher",
    "httpx2",
    "httpcore2.connection",
    "httpcore2.http11",
    "httpcore2.http2",
    "httpcore2.proxy",
)
"""Loggers of the libraries that write what a server said, or what we said to it."""
_ours: contextvars.ContextVar[bool] = contextvars.ContextVar("gatework_mcp", default=False)


def _heard(_record: logging.LogRecord) -> bool:
    return not _ours.get()


def _mute() -> None:
    """Keep the words of our servers out of the logs of this process; those of others' servers stay."""
    for name in _SPEAKERS:
        logging.getLogger(name).addFilter(_heard)  # the same one is added once


class Connection:
    """A session with a server, in a task of its own."""

    def __init__(self, server: str, streams: Streams) -> None:
        self.server = server
        self._streams = streams
        self._loop = asyncio.get_running_loop()
        self._ready: asyncio.Future[ClientSession] = self._loop.create_future()
        # Retrieved also where nobody waits any more.
        self._ready.add_done_callback(lambda done: done.cancelled() or done.exception())
        self._closing = asyncio.Event()
        self._screen: Screen | None = None
        self._calls = 0
        self._retired = False
        _mute()
        context = contextvars.Context()  # nothing of the stage that happened to come first
        context.run(_ours.set, True)
        self._task = self._loop.create_task(self._live(), context=context)

    @property
    def usable(self) -> bool:
        """Whether further calls may go through it, on the running event loop."""
        alive = not (self._retired or self._task.done() or (self._screen is not None and self._screen.ended.is_set()))
        return alive and self._loop is asyncio.get_running_loop()

    async def close(self) -> None:
        """End the session and the server, if it is a process of ours."""
        self._retired = True
        self._closing.set()
        with suppress(TimeoutError):
            async with asyncio.timeout(STOP_SECONDS):
                await asyncio.wait([self._task])
        self._task.cancel()

    @asynccontextmanager
    async def used(self) -> AsyncGenerator[ClientSession]:
        """The session, for one call. Raises `ToolError` where there is none."""
        self._calls += 1
        token = _ours.set(True)
        try:
            yield await asyncio.shield(self._ready)
        except (TimeoutError, asyncio.CancelledError):
            # It may be slow or dead; others are not to find out one by one.
            self._retired = True
            raise
        finally:
            _ours.reset(token)
            self._calls -= 1
            if self._retired and self._calls == 0:
                self._closing.set()

    async def listed(self) -> Pins:
        """What the server says of itself and its tools now. Raises `ToolError`."""
        async with self.used() as session:
            found: list[Descriptor] = []
            cursor: str | None = None
            for _ in range(MAX_PAGES):
                with self._explained("list its tools"):
                    page = await session.list_tools(params=PaginatedRequestParams(cursor=cursor) if cursor else None)
                found += map(_descriptor, page.tools)
                cursor = page.next_cursor
                if len(found) > MAX_TOOLS:
                    break
                if not cursor:
                    says = session.server_info
                    return Pins(
                        server=self.server,
                        name=says.name if says else "",
                        version=says.version if says else "",
                        tools=tuple(found),
                    )
        raise ToolError(f"The server {self.server} offers more than {MAX_TOOLS} tools, or lists them without end.")

    async def asked(self, tool: str, arguments: Mapping[str, Json]) -> CallToolResult | str:
        """What a call gives; as text, what the server says where it takes the call for wrong. Raises `ToolError`."""
        async with self.used() as session:
            request = CallToolRequest(params=CallToolRequestParams(name=tool, arguments=dict(arguments)))
            with self._explained(f"answer the call of {tool}"):
                try:
                    answer = await session.send_request(request, _ANSWER)
                except MCPError as error:
                    if self._has_ended:
                        raise
                    return str(error.error.message)
        if isinstance(answer, InputRequiredResult):
            raise ToolError(f"The server {self.server} asks for more before {tool} answers, and is given nothing.")
        return answer

    @property
    def changes(self) -> int:
        """How often the server said that its tools changed."""
        return self._screen.changes if self._screen else 0

    @property
    def _has_ended(self) -> bool:
        return self._screen is None or self._screen.ended.is_set()

    @contextlib.contextmanager
    def _explained(self, what: str) -> Generator[None]:
        try:
            yield
        except MCPError:
            if self._screen is not None and self._screen.flooded:
                raise ToolError(f"The server {self.server} sent more than is taken of it, and was cut off.") from None
            if self._has_ended:
                raise ToolError(
                    f"The server {self.server} was lost before it could {what}; the next call starts a new session."
                ) from None
            raise ToolError(f"The server {self.server} refuses to {what}.") from None
        except (ValidationError, ValueError, RuntimeError):
            raise ToolError(
                f"The server {self.server} does not keep to the protocol and could not {what}; nothing of it is taken."
            ) from None

    async def _live(self) -> None:
        said: Callable[[], str] = str
        try:
            async with self._streams() as (reads, writes, said):
                self._screen = Screen(reads, writes)
                info = Implementation(name="gatework", version=version("gatework"))
                async with ClientSession(self._screen.reads, self._screen.writes, client_info=info) as session:
                    async with asyncio.timeout(START_SECONDS):
                        await _introduced(session)
                    self._ready.set_result(session)
                    await _first(self._closing, self._screen.ended)
        except BaseException as error:  # whatever ended it, those who wait must hear of it
            self._settle(self._broken(_cause(error), said()))
            if isinstance(error, asyncio.CancelledError):
                raise
        finally:
            if self._screen is not None:
                self._screen.ended.set()
            self._settle(ToolError(f"The server {self.server} ended."))

    def _settle(self, error: Exception) -> None:
        if not self._ready.done():
            self._ready.set_exception(error)

    def _broken(self, error: BaseException, said: str) -> ConfigError | Unreachable:
        if isinstance(error, ConfigError):
            return error
        late = isinstance(error, TimeoutError)
        how = f"did not introduce itself within {START_SECONDS:g} s" if late else "cannot be reached, or ended at once"
        return Unreachable(f"The server {self.server} {how}", said)


class Unreachable(ToolError):
    """A server that did not start, or does not answer."""

    def __init__(self, problem: str, said: str) -> None:
        super().__init__(f"{problem}; `gatework tools check`, typed on that worker's machine, tells more.")
        self.problem = problem
        self.said = said
        """The end of what it wrote to its standard error: text from outside, for a person at a terminal only."""


async def _introduced(session: ClientSession) -> None:
    try:
        await session.initialize()
    except MCPError as error:
        if error.error.code != METHOD_NOT_FOUND:
            raise
        await session.discover()  # a server of 2026-07-28 and later alone


async def _first(*events: asyncio.Event) -> None:
    waiting = [asyncio.create_task(event.wait()) for event in events]
    try:
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in waiting:
            task.cancel()


def _cause(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _descriptor(tool: Tool) -> Descriptor:
    data = tool.model_dump(mode="json", by_alias=True, exclude_none=True)
    return Descriptor(
        name=tool.name,
        title=tool.title or "",
        description=tool.description or "",
        input_schema=tool.input_schema,
        output_schema=tool.output_schema,
        annotations=data.get("annotations", {}),
    )

"""What stands between a server and the library that reads it: the server answers what it was asked, and no more.

Answers to nothing, second answers, notifications and requests of the server end here, and each is counted, so that a
server that floods is cut off. Of everything that a server may ask (a model, a person, folders) it is given nothing.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from types import TracebackType

import anyio
from mcp.shared._stream_protocols import ReadStream, WriteStream
from mcp.shared.message import SessionMessage
from mcp_types import (
    METHOD_NOT_FOUND,
    ErrorData,
    JSONRPCError,
    JSONRPCNotification,
    JSONRPCRequest,
    JSONRPCResponse,
    RequestId,
)

MAX_UNASKED = 1_000
"""Most messages in a minute that answer nothing."""
REPLY_SECONDS = 2.0
"""How long a server has to read an answer to a request of its own."""

_TRACING = ("traceparent", "tracestate", "baggage")
"""What the library adds to a request of the traces in this process; they are none of a server's business."""


class TooMuch(Exception):
    """Stands in place of a message that is larger than is read."""


class Screen:
    """Both directions of one connection, as the library's session takes them."""

    def __init__(self, reads: ReadStream[SessionMessage | Exception], writes: WriteStream[SessionMessage]) -> None:
        self._reads = reads
        self._writes = writes
        self._asked: set[RequestId] = set()
        self._unasked = 0
        self._minute = 0.0
        self.ended = asyncio.Event()
        """Set once nothing more is read."""
        self.flooded = False
        """Whether it was cut off."""
        self.changes = 0
        """How often the server said that its tools changed."""

    @property
    def reads(self) -> ReadStream[SessionMessage | Exception]:
        return _Reads(self)

    @property
    def writes(self) -> WriteStream[SessionMessage]:
        return _Writes(self)

    async def receive(self) -> SessionMessage:
        """The next answer to a request of ours. Raises `anyio.EndOfStream`."""
        while not self.ended.is_set():
            try:
                item = await self._reads.receive()
            except (anyio.EndOfStream, anyio.ClosedResourceError, anyio.BrokenResourceError):
                break
            if isinstance(item, SessionMessage) and await self._answers(item):
                return item
            self._count()
            if isinstance(item, TooMuch):
                self._cut_off()
        self.ended.set()
        raise anyio.EndOfStream

    async def _answers(self, item: SessionMessage) -> bool:
        match item.message:
            case JSONRPCResponse(id=asked) | JSONRPCError(id=asked):
                if asked not in self._asked:
                    return False
                self._asked.discard(asked)
                return True
            case JSONRPCRequest(id=number, method=method):
                await self._decline(number, method)
            case JSONRPCNotification(method="notifications/tools/list_changed"):
                self.changes += 1
            case _:  # logs, progress, resources: nobody asked for them
                pass
        return False

    async def _decline(self, number: RequestId, method: str) -> None:
        refused = ErrorData(code=METHOD_NOT_FOUND, message="This client offers nothing to servers.")
        message: JSONRPCResponse | JSONRPCError = JSONRPCError(jsonrpc="2.0", id=number, error=refused)
        if method == "ping":
            message = JSONRPCResponse(jsonrpc="2.0", id=number, result={})
        try:
            async with asyncio.timeout(REPLY_SECONDS):
                await self._writes.send(SessionMessage(message))
        except (TimeoutError, anyio.BrokenResourceError, anyio.ClosedResourceError):
            self.ended.set()  # it asks and does not read

    def _count(self) -> None:
        now = time.monotonic()
        if now - self._minute > 60:
            self._minute, self._unasked = now, 0
        self._unasked += 1
        if self._unasked > MAX_UNASKED:
            self._cut_off()

    def _cut_off(self) -> None:
        self.flooded = True
        self.ended.set()

    async def send(self, item: SessionMessage) -> None:
        """Pass on a message of ours, and remember what it asks."""
        message = item.message
        if isinstance(message, JSONRPCRequest):
            self._asked.add(message.id)
            params = dict(message.params or {})
            meta = {key: value for key, value in params.get("_meta", {}).items() if key not in _TRACING}
            params.pop("_meta", None)
            if meta:
                params["_meta"] = meta
            with_params = {"params": params} if params else {}
            item = SessionMessage(
                JSONRPCRequest(jsonrpc="2.0", id=message.id, method=message.method, **with_params), item.metadata
            )
        elif isinstance(message, JSONRPCNotification) and message.method == "notifications/cancelled":
            self._asked.discard((message.params or {}).get("requestId", ""))
            # A courtesy, which must not hold up whoever gave up on a server that reads nothing.
            with suppress(TimeoutError):
                async with asyncio.timeout(REPLY_SECONDS / 4):
                    await self._writes.send(item)
            return
        await self._writes.send(item)

    async def close(self) -> None:
        self.ended.set()


class _Stream:
    def __init__(self, screen: Screen) -> None:
        self._screen = screen

    async def aclose(self) -> None:
        await self._screen.close()

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc_val: BaseException | None, exc_tb: TracebackType | None
    ) -> None:
        await self.aclose()


class _Reads(_Stream):
    async def receive(self) -> SessionMessage:
        return await self._screen.receive()

    async def __anext__(self) -> SessionMessage:
        try:
            return await self._screen.receive()
        except anyio.EndOfStream:
            raise StopAsyncIteration from None

    def __aiter__(self) -> _Reads:
        return self

    async def __aenter__(self) -> _Reads:
        return self


class _Writes(_Stream):
    async def send(self, item: SessionMessage, /) -> None:
        await self._screen.send(item)

    async def __aenter__(self) -> _Writes:
        return self

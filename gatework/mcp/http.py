"""A server on the network, read over streamable HTTP; what it may send is bounded before the library sees it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import httpx2
from mcp.client.streamable_http import streamable_http_client

MAX_RESPONSE_BYTES = 4_000_000
"""Largest response, which may be a stream of several messages."""
CONNECT_SECONDS = 10.0
IDLE_SECONDS = 300.0
"""How long a response may pause; the call's own timeout is shorter as a rule."""


class _Bounded(httpx2.AsyncByteStream):
    def __init__(self, stream: Any) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        async for chunk in self._stream:
            size += len(chunk)
            if size > MAX_RESPONSE_BYTES:
                raise httpx2.ReadError("more than a response may hold")
            yield chunk

    async def aclose(self) -> None:
        await self._stream.aclose()


async def _before(request: httpx2.Request) -> None:
    # The standing stream for messages that nobody asked for: a server has no need of it.
    if request.method == "GET":
        raise httpx2.RequestError("no stream is kept open", request=request)


async def _after(response: httpx2.Response) -> None:
    # A few bytes may unpack to gigabytes; none were asked for.
    if response.headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
        raise httpx2.DecodingError("a compressed response, which was not asked for", request=response.request)
    response.stream = _Bounded(response.stream)


@asynccontextmanager
async def endpoint(url: str, headers: Mapping[str, str], *, direct: bool) -> AsyncGenerator[tuple[Any, Any]]:
    """The two streams of a session with a server, until the block ends; `direct` passes by proxies."""
    async with (
        httpx2.AsyncClient(
            headers={**headers, "accept-encoding": "identity"},
            timeout=httpx2.Timeout(CONNECT_SECONDS, read=IDLE_SECONDS),
            trust_env=not direct,
            event_hooks={"request": [_before], "response": [_after]},
        ) as client,
        streamable_http_client(url, http_client=client, max_sse_event_size=MAX_RESPONSE_BYTES) as streams,
    ):
        yield streams

"""Servers on the network: the official server over loopback, and responses that mean harm."""

from __future__ import annotations

import asyncio
import gzip
import json
import logging
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gatework.define.secret import SecretUse
from gatework.errors import ConfigError, PinError, ToolError
from gatework.mcp.content import Failure
from gatework.mcp.line import Line
from gatework.mcp.reach import Reach
from tests.mcp.conftest import HOSTILE, Called
from tests.mcp.hostile import INJECTION

TOKEN = {"Authorization": SecretUse("TRACKER_TOKEN")}


@pytest.fixture(scope="module", params=["http", "http_json"])
def address(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """A server that answers with streams, and one that answers with plain JSON; and its notes."""
    notes = tmp_path_factory.mktemp("http") / "notes"
    command = [sys.executable, str(HOSTILE), request.param, str(notes)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as served:
        assert served.stdout is not None
        yield f"http://127.0.0.1:{int(served.stdout.readline())}/mcp", notes
        served.kill()


@asynccontextmanager
async def reached(url: str) -> AsyncGenerator[Called]:
    line = Line("tracker", Reach(url=url, given=TOKEN))
    try:
        yield Called(line, await line.listed())
    finally:
        await line.close()


@pytest.fixture
async def called(address: tuple[str, Path], monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Called]:
    monkeypatch.setenv("TRACKER_TOKEN", "Bearer open-sesame")
    async with reached(address[0]) as found:
        yield found


async def test_tools_are_called_over_the_network(called: Called) -> None:
    """Streamable HTTP serves what standard streams do: text, structured content, failures."""
    assert await called("act", how="echo") == "did echo"
    assert await called("count", how="abc") == {"count": 3}
    assert await called("act", how="fail") == Failure(INJECTION)
    with pytest.raises(ToolError, match="is not believed"):
        await called("count", how="lie")
    with pytest.raises(ToolError, match="an image"):
        await called("act", how="image")
    with pytest.raises(ToolError, match="more than the 200000"):
        await called("act", how="large")


async def test_changed_tool_is_not_called_over_the_network(address: tuple[str, Path], called: Called) -> None:
    """The pin holds whatever the way to the server is."""
    # Each session of this server has the same tools behind it, so what it changes it changes back.
    assert await called("act", how="change_claims") == "did change_claims"
    with pytest.raises(PinError, match="annotations"):
        await called("act", how="echo")
    async with reached(address[0]) as again:
        assert await again("act", how="restore") == "did restore"


async def test_no_stream_is_kept_open_for_what_nobody_asked(address: tuple[str, Path], called: Called) -> None:
    """The server sees no GET, and no compression is asked for, of which a little may unpack to very much."""
    await called("act", how="echo")
    lines = [line for line in address[1].read_text().splitlines() if line.startswith("[")]
    requests = [json.loads(line) for line in lines]
    assert {method for method, _ in requests} <= {"POST", "DELETE"}
    assert {headers["accept-encoding"] for _, headers in requests} == {"identity"}


async def test_call_that_is_given_up_on_takes_its_session_with_it(called: Called) -> None:
    """A server that stalls holds nobody: the next call has a session of its own."""
    assert await called("act", how="echo") == "did echo"
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.5):
            await called("act", how="stall")
    assert await called("act", how="echo") == "did echo"


async def test_refused_token_says_nothing_of_what_the_server_wrote(
    address: tuple[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A response with an error status opens no session, and its body is repeated nowhere."""
    monkeypatch.setenv("TRACKER_TOKEN", "Bearer wrong")
    with pytest.raises(ToolError, match="cannot be reached") as refused:
        async with reached(address[0]):
            pass
    assert INJECTION not in refused.value.message
    assert "wrong" not in refused.value.message


async def test_proxy_of_the_environment_hears_nothing_of_this_machine(
    address: tuple[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A token for a server of this machine is not sent through whatever proxy the worker's environment names."""
    monkeypatch.setenv("TRACKER_TOKEN", "Bearer open-sesame")
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    async with reached(address[0]) as called:
        assert await called("act", how="echo") == "did echo"


async def test_missing_secret_is_named_before_anything_is_sent(
    address: tuple[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker without the secret says which one, and the server hears nothing."""
    monkeypatch.delenv("TRACKER_TOKEN", raising=False)
    before = address[1].read_text() if address[1].exists() else ""
    with pytest.raises(ConfigError, match="TRACKER_TOKEN is not set"):
        async with reached(address[0]):
            pass
    assert (address[1].read_text() if address[1].exists() else "") == before


# -- responses that mean harm ----------------------------------------------------------------------

_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: %s\r\n%sConnection: close\r\n\r\n"


async def _endless_json(writer: asyncio.StreamWriter) -> None:
    writer.write(_HEAD % (b"application/json", b""))
    while True:
        writer.write(b" " * 65_536)
        await writer.drain()


async def _endless_events(writer: asyncio.StreamWriter) -> None:
    writer.write(_HEAD % (b"text/event-stream", b""))
    while True:
        writer.write(b'data: {"jsonrpc": "2.0", "method": "notifications/message", "params": {}}\n\n')
        await writer.drain()


async def _one_endless_event(writer: asyncio.StreamWriter) -> None:
    writer.write(_HEAD % (b"text/event-stream", b"") + b"data: ")
    while True:
        writer.write(b"x" * 65_536)
        await writer.drain()


async def _bomb(writer: asyncio.StreamWriter) -> None:
    # An answer that would do, were it not compressed: the refusal is of that alone.
    result = {"protocolVersion": "2025-11-25", "capabilities": {}, "serverInfo": {"name": "a", "version": "1"}}
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "result": result}).encode() + b" " * 50_000_000
    writer.write(_HEAD % (b"application/json", b"Content-Encoding: gzip\r\n") + gzip.compress(body))
    await writer.drain()


async def _elsewhere(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 307 See\r\nLocation: http://127.0.0.2:9/steal\r\nContent-Length: 0\r\n\r\n")
    await writer.drain()


async def _garbage(writer: asyncio.StreamWriter) -> None:
    writer.write(_HEAD % (b"application/json", b"") + json.dumps({"jsonrpc": INJECTION}).encode())
    await writer.drain()


async def _garbled_events(writer: asyncio.StreamWriter) -> None:
    writer.write(_HEAD % (b"text/event-stream", b"") + f"data: {INJECTION}\n\n".encode())
    await writer.drain()


async def _not_http(writer: asyncio.StreamWriter) -> None:
    writer.write(b"\x00" * 1_000)
    await writer.drain()


@pytest.mark.parametrize(
    "answers",
    [
        _endless_json,
        _endless_events,
        _one_endless_event,
        _bomb,
        _elsewhere,
        _garbage,
        _garbled_events,
        _not_http,
    ],
    ids=lambda answers: answers.__name__.strip("_"),
)
async def test_response_that_means_harm_ends_the_session(
    answers: Callable[[asyncio.StreamWriter], object],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Bodies and streams without end, bombs, redirects, garbage: refused within seconds, and in no log."""
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("TRACKER_TOKEN", "Bearer open-sesame")

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            await answers(writer)  # type: ignore[misc]
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    began = time.monotonic()
    async with server:
        with pytest.raises(ToolError, match="cannot be reached, or ended at once"):
            async with asyncio.timeout(20), reached(f"http://127.0.0.1:{port}/mcp"):
                pass
    assert time.monotonic() - began < 10
    assert not [word for word in (INJECTION[:9], "/steal", "open-sesame") if word in caplog.text]


async def test_server_that_is_not_there_says_so() -> None:
    """A closed port is one sentence."""
    line = Line("tracker", Reach(url="http://127.0.0.1:9/mcp"))
    with pytest.raises(ToolError, match="cannot be reached"):
        await line.listed()
    await line.close()

"""Servers and their tools as they are declared: at import, by their pins, without a network."""

from __future__ import annotations

import socket
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from gatework import PlanError, mcp, role, secret
from gatework.errors import PinError
from gatework.mcp.compare import usable
from gatework.mcp.pins import Descriptor, Pins
from gatework.perform.acting import act
from gatework.plan.plan import By
from gatework.run.events import Acted
from gatework.run.journal import Call
from gatework.run.state import Act
from tests.mcp.conftest import Starts
from tests.mcp.hostile import GIVES, INJECTION, TAKES

ACT = Descriptor(name="act", description="Does it.", input_schema=TAKES)
COUNT = Descriptor(name="count", description="Counts.", input_schema=TAKES, output_schema=GIVES)
WRITE = Descriptor(name="write.file", input_schema=TAKES, annotations={"readOnlyHint": False})


@pytest.fixture
def files(tmp_path: Path) -> mcp.Server:
    path = tmp_path / "files.mcp.json"
    path.write_text(Pins(server="files", tools=(ACT, COUNT, WRITE)).written)
    return mcp.server("files", command=["no-such-program"], pinned=path)


def test_tool_is_what_its_pin_says(files: mcp.Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Contract, description and descriptor come from the pin: nothing is started, and nothing asked."""
    monkeypatch.setattr(socket, "socket", None)
    tool = files.tool("count", private=True, timeout=timedelta(seconds=5), approve_calls=role("ops"))
    use = tool.use
    assert (use.name, use.kind, use.untrusted, use.private, use.egress) == ("count", "tool", True, True, False)
    assert (use.timeout_seconds, use.approver) == (5, By(role="ops"))
    assert use.descriptor == COUNT.digest
    assert tool.interface.description == "Counts."
    assert tool.interface.arguments.schema["additionalProperties"] is False
    assert tool.interface.result.schema == {**GIVES, "additionalProperties": False}
    assert files.tool("act").interface.result.schema == {"type": "string"}


def test_another_pin_is_another_plan(files: mcp.Server, tmp_path: Path) -> None:
    """The digest of the whole descriptor stands in the plan: another word in a description is another plan."""
    path = tmp_path / "other.mcp.json"
    path.write_text(
        Pins(server="files", tools=(Descriptor(name="act", description="Does!", input_schema=TAKES),)).written
    )
    other = mcp.server("files", command=["no-such-program"], pinned=path)
    assert files.tool("act").use.descriptor != other.tool("act").use.descriptor
    assert files.tool("act").use.arguments == other.tool("act").use.arguments


def test_tool_is_trusted_only_where_that_is_said(files: mcp.Server) -> None:
    """What a tool of another program gives is outside text unless its declaration says otherwise."""
    assert files.tool("act").use.untrusted
    assert not files.tool("act", untrusted=False).use.untrusted


def test_tool_that_changes_things_is_declared_as_an_effect(files: mcp.Server) -> None:
    """Where the server says that a tool changes things, it is an effect, unless a person knows better."""
    with pytest.raises(PlanError, match=r"changes things.*\.effect"):
        files.tool("write.file")
    assert files.tool("write.file", reads_only=True).name == "write_file"
    use = files.effect("write.file", once="how", as_="save").use
    assert (use.name, use.kind, use.once, use.untrusted, use.probe) == ("save", "effect", "how", False, False)


def test_tool_without_a_pin_says_what_to_run(tmp_path: Path) -> None:
    """Nothing is fetched at import; the sentence names the command."""
    bare = mcp.server("files", command=["x"], pinned=tmp_path / "files.mcp.json")
    with pytest.raises(
        PlanError, match=r"test_declared.py:\d+: .*there is no files.mcp.json\. Run `gatework tools pin`"
    ):
        bare.tool("act")


def test_tool_that_is_not_among_the_pins_is_refused(files: mcp.Server) -> None:
    """A name that was not pinned is none."""
    with pytest.raises(PlanError, match=r"no tool 'other' among its pins, which are act, count, write\.file"):
        files.tool("other")


def test_pins_lie_beside_the_module_that_declares_the_server() -> None:
    """Each server has a file of its own, by its name, where review finds it."""
    assert mcp.server("files", command=["x"]).path == Path(__file__).with_name("files.mcp.json")


@pytest.mark.parametrize(
    "given",
    [
        {"command": []},
        {"command": ["x"], "url": "https://a.example/mcp"},
        {"command": "mcp-server-files docs"},
        {"command": ["x", 1]},
        {"command": ["x", "a\0b"]},
        {"command": ["x"], "headers": {"a": "b"}},
        {"command": ["x"], "env": {"A B": "c"}},
        {"command": ["x"], "env": {"A": 1}},
        {"url": "http://a.example/mcp"},
        {"url": "https://user:password@a.example/mcp"},
        {"url": "file:///etc/passwd"},
        {"url": "https://"},
        {"url": "https://a.example/\n"},
        {"url": "https://[::1"},
        {"url": "https://a.example/mcp", "env": {"A": "b"}},
        {"url": "https://a.example/mcp", "headers": {"A: b": "c"}},
        {"url": "https://a.example/mcp", "headers": {"A": "b\r\nC: d"}},
    ],
    ids=str,
)
def test_server_that_is_reached_in_no_good_way_is_refused(given: dict[str, Any]) -> None:
    """A shell line, an address in the clear, secrets in an address, headers that hold another: refused at import."""
    with pytest.raises(PlanError):
        mcp.server("files", **given)


@pytest.mark.parametrize("name", ["", "Files", "../files", "a" * 41, "a b", "1", "fi\nles"])
def test_name_of_a_server_is_the_name_of_a_file(name: str) -> None:
    """The name stands in a path and in sentences, so it is plain."""
    with pytest.raises(PlanError, match="is no name of a server"):
        mcp.server(name, command=["x"])


# -- calls -----------------------------------------------------------------------------------------


async def _declared(hostile: Starts, path: Path, **reach: Any) -> mcp.Server:
    called = await hostile()
    path.write_text(usable(called.pins)[0].written)
    return mcp.server("theirs", command=called.line.reach.command, pinned=path, **reach)


async def _acted(tool: Any, how: str) -> Acted:
    call = Call(id="c" * 64, tool=tool.name, arguments={"how": how}, key="k" * 64)
    return await act(tool.use, tool, Act(plan="p", node="n", attempt=1, call=call))


async def test_call_gives_the_result_or_the_servers_refusal(hostile: Starts, tmp_path: Path) -> None:
    """A cell runs a tool by its function; a failure in the server's words is a refusal, as of any tool."""
    theirs = await _declared(hostile, tmp_path / "theirs.mcp.json")
    done = await _acted(theirs.tool("act"), "echo")
    assert done.outcome == "done"
    assert done.result is not None
    assert done.result.data == "did echo"
    counted = await _acted(theirs.tool("count"), "abc")
    assert counted.result is not None
    assert counted.result.data == {"count": 3}
    failed = await _acted(theirs.tool("act"), "fail")
    assert (failed.outcome, failed.reason) == ("refused", INJECTION)
    lied = await _acted(theirs.tool("count"), "lie")
    assert (lied.outcome, "is not believed" in lied.reason) == ("failed", True)
    await theirs.close()


async def test_changed_tool_blocks_rather_than_fails(hostile: Starts, tmp_path: Path) -> None:
    """No other call mends a rug pull, so its stage blocks; a call that runs apart is known not to be made."""
    theirs = await _declared(hostile, tmp_path / "theirs.mcp.json")
    tool, effect = theirs.tool("act"), theirs.effect("act", once="how")
    assert (await _acted(tool, "change")).outcome == "done"
    with pytest.raises(PinError, match="its description changed"):
        await _acted(tool, "echo")
    refused = await _acted(effect, "echo")
    assert (refused.outcome, "its description changed" in refused.reason) == ("failed", True)
    await theirs.close()


async def test_effect_that_fails_is_not_known_not_to_have_happened(hostile: Starts, tmp_path: Path) -> None:
    """A server's word that it failed proves nothing, nor does a change in mid call: nobody knows what became of it."""
    theirs = await _declared(hostile, tmp_path / "theirs.mcp.json")
    effect = theirs.effect("act", once="how")
    assert (await _acted(effect, "echo")).outcome == "done"
    for how in ("fail", "die", "image", "change_midway"):
        assert (await _acted(effect, how)).outcome == "unknown", how
    await theirs.close()


async def test_program_that_is_not_installed_is_named(files: mcp.Server) -> None:
    """What did not start has changed nothing, and the sentence names the program."""
    for tool in (files.tool("act"), files.effect("write.file", once="how")):
        acted = await _acted(tool, "echo")
        assert acted.outcome == "failed"
        assert "no-such-program of an MCP server is not installed" in acted.reason


async def test_secret_is_passed_and_does_not_come_back(
    hostile: Starts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server gets a secret in its environment; an answer that repeats it is refused."""
    monkeypatch.setenv("TRACKER_TOKEN", "do-not-tell")
    theirs = await _declared(hostile, tmp_path / "theirs.mcp.json", env={"TOKEN": secret("TRACKER_TOKEN")})
    tool = theirs.tool("act")
    told = await _acted(tool, "env")
    assert (told.outcome, "holds a secret" in told.reason, "do-not-tell" in told.reason) == ("failed", True, False)
    monkeypatch.delenv("TRACKER_TOKEN")
    await theirs.close()
    assert "TRACKER_TOKEN is not set" in (await _acted(tool, "echo")).reason

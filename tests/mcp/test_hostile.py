"""What a server may try once its tools are used, and the control that refuses it."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from gatework.define.secret import SecretUse
from gatework.errors import ContractError, PinError, ToolError
from gatework.mcp.content import Failure
from gatework.mcp.stdio import INHERITED
from tests.mcp.conftest import HOSTILE, Called, Starts
from tests.mcp.hostile import INJECTION

# -- rug pulls -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("change", "its description changed"),
        ("change_takes", "what it takes (its input schema) changed"),
        ("change_claims", "what it claims of itself (its annotations) changed"),
        ("vanish", "it is gone"),
    ],
)
async def test_tool_that_is_not_as_pinned_is_not_called(hostile: Starts, tmp_path: Path, how: str, said: str) -> None:
    """A tool is called only while the server says of it what its pin says; nobody need announce the change."""
    called = await hostile("plain", tmp_path / "notes")
    assert await called("act", how=how) == f"did {how}"
    with pytest.raises(PinError) as refused:
        await called("act", how="echo")
    assert said in refused.value.message
    assert "gatework tools check" in refused.value.message
    assert INJECTION not in refused.value.message
    assert "act echo" not in (tmp_path / "notes").read_text()


async def test_tool_changed_while_it_answers_has_its_answer_thrown_away(hostile: Starts) -> None:
    """A change that is announced during a call is looked at before the answer is believed."""
    called = await hostile()
    with pytest.raises(PinError, match="its description changed"):
        await called("act", how="change_midway")


async def test_second_tool_of_a_name_makes_both_unusable(hostile: Starts) -> None:
    """Which of two tools of a name answers is for the server to choose, so neither is called."""
    called = await hostile("duplicate")
    with pytest.raises(PinError, match="several of that name"):
        await called("act", how="echo")


async def test_other_tools_of_a_changed_server_go_on(hostile: Starts) -> None:
    """A change of one tool is no reason to stop what was pinned and is as it was."""
    called = await hostile()
    await called("act", how="change")
    assert await called("count", how="abc") == {"count": 3}


async def test_server_of_the_newest_protocol_alone_is_held_to_its_pins_too(hostile: Starts, tmp_path: Path) -> None:
    """A server that knows no handshake is asked as its revision has it; the pin is compared all the same."""
    called = await hostile("modern", tmp_path / "notes")
    assert called.pins.name == "hostile"
    assert await called("count", how="abc") == {"count": 3}
    assert await called("act", how="change") == "did change"
    with pytest.raises(PinError, match="its description changed"):
        await called("act", how="echo")
    assert "server/discover" in (tmp_path / "notes").read_text()


# -- answers ---------------------------------------------------------------------------------------


async def test_injection_is_no_more_than_a_text(shared: Called) -> None:
    """What a tool answers is data: nothing here reads it."""
    assert await shared("act", how="inject") == INJECTION


async def test_failure_is_the_servers_word(shared: Called) -> None:
    """A result that is marked as an error is a refusal in the words of the server, and not a result."""
    assert await shared("act", how="fail") == Failure(INJECTION)
    assert await shared("act", how="fail_silently") == Failure("it does not say why")
    assert await shared("act", how="protocol_error") == Failure(INJECTION)


async def test_error_that_looks_like_the_end_ends_nothing(shared: Called) -> None:
    """A server cannot make us believe that the connection closed by saying so."""
    assert await shared("act", how="closed_code") == Failure("Connection closed")
    assert await shared("act", how="echo") == "did echo"


@pytest.mark.parametrize(
    ("how", "what"),
    [
        ("image", "an image"),
        ("sound", "a sound"),
        ("resource", "an embedded resource"),
        ("link", "a link to a resource"),
        ("nothing", "nothing"),
    ],
)
async def test_other_content_is_refused(shared: Called, how: str, what: str) -> None:
    """A tool without an output schema gives text; other content is refused by its kind."""
    with pytest.raises(ToolError, match=f"answered with {what}"):
        await shared("act", how=how)


@pytest.mark.parametrize("how", ["lie", "more", "float", "list", "huge_number", "unstructured"])
async def test_structured_answer_that_breaks_its_pinned_schema_is_refused(shared: Called, how: str) -> None:
    """Structured content is held to the pinned output schema, closed: what it does not name is not passed on."""
    with pytest.raises(ToolError) as refused:
        await shared("count", how=how)
    assert "is not believed" in refused.value.message
    assert INJECTION not in refused.value.message


async def test_larger_result_than_is_taken_is_refused(shared: Called) -> None:
    """A result over the limit of its tool is refused whole: half of an answer says something else."""
    with pytest.raises(ToolError, match="more than the 200000 that are taken"):
        await shared("act", how="large")


async def test_answer_that_is_no_result_is_refused(shared: Called) -> None:
    """A result of another shape than the protocol has is refused."""
    with pytest.raises(ToolError, match="does not keep to the protocol"):
        await shared("act", how="not_result")


async def test_first_of_two_answers_counts(shared: Called) -> None:
    """A second answer to one request answers nothing, and not the next request either."""
    assert await shared("act", how="twice") == "first"
    assert await shared("act", how="echo") == "did echo"


async def test_answers_to_what_was_not_asked_are_dropped(shared: Called) -> None:
    """An answer sent ahead, under the number of the next request, is not taken for its answer."""
    assert await shared("act", how="stray") == "true"
    assert await shared("act", how="echo") == "did echo"
    assert await shared("act", how="echo") == "did echo"


async def test_garbage_between_messages_is_passed_over(shared: Called) -> None:
    """What is no message of the protocol is read as nothing."""
    assert await shared("act", how="garbage") == "true"


async def test_concurrent_calls_get_their_own_answers(shared: Called) -> None:
    """One session serves calls side by side."""
    assert await asyncio.gather(*(shared("count", how="a" * n) for n in range(1, 20))) == [
        {"count": n} for n in range(1, 20)
    ]


# -- floods and silence ----------------------------------------------------------------------------


async def _is_over(called: Called, how: str, said: str, seconds: float = 10) -> None:
    """A call fails in that time, and the next is served by a new session."""
    before = await called("act", how="pid")
    began = time.monotonic()
    with pytest.raises(ToolError, match=said):
        await called("act", how=how)
    assert time.monotonic() - began < seconds
    assert await called("act", how="pid") != before


@pytest.mark.parametrize("how", ["huge", "unended", "endless", "requests", "answers"])
async def test_flood_is_cut_off(hostile: Starts, how: str) -> None:
    """A message without end, notifications and requests without end: the server is cut off, and started anew."""
    await _is_over(await hostile(), how, "was cut off")


async def test_one_answer_again_and_again_is_a_flood(hostile: Starts) -> None:
    """The first answer counts; the same one without end is cut off, and the next call has a session of its own."""
    called = await hostile()
    before = await called("act", how="pid")
    assert await called("act", how="again") == "again"
    await asyncio.sleep(1)
    async with asyncio.timeout(20):
        assert await called("act", how="pid") != before


async def test_some_chatter_is_no_flood(shared: Called) -> None:
    """Logs, progress and unknown notifications are dropped, and a server may send some."""
    assert await shared("act", how="chatter") == "true"


async def test_death_in_mid_call_fails_the_call_alone(hostile: Starts) -> None:
    """A server that dies fails the call that waits for it; the next call starts it again."""
    await _is_over(await hostile(), "die", "was lost")


@pytest.mark.parametrize("how", ["stall", "hang"])
async def test_stalled_server_holds_nobody(hostile: Starts, how: str) -> None:
    """A call that is given up on takes its session with it: later calls do not wait behind it."""
    called = await hostile()
    before = await called("act", how="pid")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.5):
            await called("act", how=how)
    assert await called("act", how="pid") != before
    assert not await _lives(int(str(before)))


async def test_endless_errors_do_not_fill_or_hold_the_worker(hostile: Starts) -> None:
    """Standard error is read slowly and forgotten; meanwhile the event loop turns."""
    called = await hostile()
    waiting = asyncio.ensure_future(called("act", how="stderr"))
    longest = 0.0
    for _ in range(50):
        began = time.monotonic()
        await asyncio.sleep(0.01)
        longest = max(longest, time.monotonic() - began)
    assert longest < 5  # a loop that is held is held for as long as the server writes
    waiting.cancel()


async def test_server_that_never_answers_is_given_up_on(hostile: Starts, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server has a time to introduce itself in."""
    monkeypatch.setattr("gatework.mcp.connection.START_SECONDS", 1.0)
    with pytest.raises(ToolError, match="did not introduce itself within 1 s"):
        await hostile("mute")


async def test_server_that_does_not_start_says_so_to_a_person_only(
    hostile: Starts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it wrote to standard error is outside text: beside the message, never in it, and without our secrets."""
    monkeypatch.setenv("TRACKER_TOKEN", "do-not-tell")
    with pytest.raises(ToolError) as refused:
        await hostile("deaf", given={"TOKEN": SecretUse("TRACKER_TOKEN")})
    assert "do-not-tell" not in getattr(refused.value, "said", "")
    assert "no module" not in refused.value.message
    assert "no module" in getattr(refused.value, "said", "")


@pytest.mark.parametrize("mode", ["pages", "many"])
async def test_list_of_tools_without_end_is_refused(hostile: Starts, mode: str) -> None:
    """Pages that follow each other for ever, or more tools than anybody reads."""
    with pytest.raises(ToolError, match="without end"):
        await hostile(mode)


# -- what a server is given ------------------------------------------------------------------------


async def test_server_that_asks_gets_nothing(shared: Called) -> None:
    """Sampling, elicitation and roots are declined; a ping is answered."""
    answers = json.loads(str(await shared("act", how="sample")))
    assert answers.pop("ping").startswith("EmptyResult")
    assert set(answers) == {"sampling", "elicitation", "roots"}
    assert all("offers nothing" in answer for answer in answers.values())


async def test_server_inherits_no_credentials(hostile: Starts, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the worker's environment a server sees a named few, and what it is given by name."""
    monkeypatch.setenv("PAYMENTS_TOKEN", "do-not-tell")
    called = await hostile(given={"WANTED": "yes"})
    seen = json.loads(str(await called("act", how="env")))
    # LC_CTYPE is set by Python itself, at its start.
    assert set(seen) <= {*INHERITED, "WANTED", "LC_CTYPE"}
    assert seen["WANTED"] == "yes"


async def test_requests_carry_no_traces(shared: Called, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the library adds to a request from the traces of this process is taken out again."""

    def injected(meta: dict[str, object]) -> None:
        meta.update({"traceparent": "00-1", "baggage": "customer=1"})

    monkeypatch.setattr("mcp.shared.jsonrpc_dispatcher.inject_trace_context", injected)
    assert json.loads(str(await shared("act", how="meta"))) == {}


async def test_argument_outside_the_pinned_schema_is_not_sent(hostile: Starts, tmp_path: Path) -> None:
    """Arguments are held to the pin before anything is sent."""
    called = await hostile("plain", tmp_path / "notes")
    for arguments in ({"how": "A"}, {"how": 1}, {}, {"how": "echo", "more": "x"}):
        with pytest.raises(ContractError):
            await called("act", **arguments)
    assert "act" not in (tmp_path / "notes").read_text()


async def test_words_of_a_server_are_in_no_log(hostile: Starts, caplog: pytest.LogCaptureFixture) -> None:
    """The library logs what it reads; of our servers nothing of it is written, of others' everything."""
    caplog.set_level(logging.DEBUG)
    called = await hostile()
    for how in ("garbage", "chatter", "inject", "fail", "not_result"):
        try:
            await called("act", how=how)
        except ToolError:
            continue
    assert not [one for one in caplog.records if INJECTION in one.getMessage() or "ready!" in one.getMessage()]
    logging.getLogger("client").warning("of somebody else")
    assert "of somebody else" in caplog.text


# -- processes -------------------------------------------------------------------------------------


async def _lives(pid: int, seconds: float = 5) -> bool:
    for _ in range(int(seconds * 50)):
        try:
            os.kill(pid, 0)
            if Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z":
                return False
        except (ProcessLookupError, FileNotFoundError):
            return False
        await asyncio.sleep(0.02)
    return True


async def test_server_ends_with_its_session_and_takes_its_children_along(hostile: Starts) -> None:
    """The whole process group of a server is killed: what it started does not outlive it."""
    called = await hostile()
    server, child = int(str(await called("act", how="pid"))), int(str(await called("act", how="child")))
    await called.line.close()
    assert not await _lives(server)
    assert not await _lives(child)


@pytest.mark.skipif(shutil.which("bwrap") is None, reason="bubblewrap is not installed")
async def test_server_in_a_sandbox_reaches_what_the_sandbox_lets_it(hostile: Starts) -> None:
    """`sandbox=` makes of the command the one that runs it: the same server, and no network."""

    def boxed(command: Sequence[str]) -> Sequence[str]:
        seen = ["--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc"]
        return ["bwrap", "--die-with-parent", "--unshare-all", "--new-session", *seen, *command]

    async with await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0) as listening:
        given = {"PORT": str(listening.sockets[0].getsockname()[1])}
        assert await (await hostile(given=given))("act", how="reach") == "reached"
        called = await hostile(given=given, wrap=boxed)
        assert await called("act", how="reach") == "nobody there"
        # Its process is the first of a namespace of its own, which ends with it.
        assert int(str(await called("act", how="pid"))) < 10


_WORKER = """
import asyncio, sys
from gatework.mcp.line import Line
from gatework.mcp.reach import Reach

async def work():
    line = Line("theirs", Reach(command=tuple(sys.argv[2:])))
    found = await line.listed()
    ready = await line.ready(found.tools[0])
    schema = {"type": "object", "properties": {"how": {"type": "string"}}}
    print(await ready.call({"how": "pid"}, takes=schema, gives=None, max_bytes=100), flush=True)
    if sys.argv[1] == "stay":
        await asyncio.sleep(600)

asyncio.run(work())
"""


@pytest.mark.parametrize("end", ["stay", "go"])
async def test_server_does_not_outlive_its_worker(end: str) -> None:
    """A worker that ends takes its servers along without being told to, and one that is killed with SIGKILL as well."""
    command = [sys.executable, "-c", _WORKER, end, sys.executable, str(HOSTILE)]
    worker = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert worker.stdout is not None
    pid = int(await worker.stdout.readline())
    if end == "stay":
        worker.kill()
    assert await worker.wait() == (0 if end == "go" else -9)
    assert not await _lives(pid)

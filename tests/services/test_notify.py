"""Delivery of messages: to a receiver over HTTP and TLS that fails in every way, and to commands."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from gatework import notify
from gatework.notify import NotDelivered
from tests.services.hooks import SECRET, Pager, certificate, verified

PATIENCE_SECONDS = 1.5
LONGEST_SECONDS = 30.0
"""What never ends by itself has been given up by then, on a machine that may be busy."""
BODY = b'{"type":"test","id":"msg_1"}'
HIDDEN = ("s3cret", SECRET, SECRET.removeprefix("whsec_"), "127.0.0.1")


@pytest.fixture(autouse=True)
def hooked(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker with a secret, and little patience."""
    monkeypatch.setenv(notify.SECRET, SECRET)
    monkeypatch.setattr(notify, "TRY_SECONDS", PATIENCE_SECONDS)


async def sent(where: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """One try; why it failed, empty where it did not."""
    monkeypatch.setenv(notify.HOOK, where)
    hook = notify.hook()
    assert hook is not None
    assert not [word for word in HIDDEN if word in repr(hook)]
    failed: NotDelivered | None = None
    try:
        await notify.deliver(hook, "msg_1", BODY, int(time.time()))
    except NotDelivered as error:
        failed = error
    if failed is None:
        return ""
    assert failed.__suppress_context__ or failed.__context__ is None
    assert not [word for word in (*HIDDEN, where) if word in failed.message]
    return failed.message


# -- over HTTP -------------------------------------------------------------------------------------


async def test_message_arrives_once_signed_as_the_reference_verifies(
    pager: Pager, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reference takes it, and neither another body, another id, another time nor another secret."""
    assert await sent(f"{pager.at('204')}?token=s3cret&x=%2F", monkeypatch) == ""
    [line] = pager.got()
    assert (line["method"], line["path"], line["body"].encode()) == ("POST", "/204?token=s3cret&x=%2F", BODY)
    assert verified(line)["id"] == "msg_1"
    assert line["headers"]["content-type"] == "application/json"
    other = "whsec_" + SECRET[6:].swapcase()
    for change in ({"body": '{"type":"test","id":"msg_2"}'}, {"headers": {**line["headers"], "webhook-id": "msg_2"}}):
        with pytest.raises(WebhookVerificationError):
            verified({**line, **change})
    with pytest.raises(WebhookVerificationError):
        verified(line, other)
    stale = {**line["headers"], "webhook-timestamp": str(int(line["headers"]["webhook-timestamp"]) - 1)}
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(line["body"], stale)


async def test_two_secrets_sign_side_by_side_while_one_is_replaced(
    pager: Pager, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A receiver that has only the old one takes the message, and so does one that has only the new one."""
    new = "whsec_" + SECRET[6:].swapcase()
    monkeypatch.setenv(notify.SECRET, f"{new} {SECRET}")
    assert await sent(pager.at("204"), monkeypatch) == ""
    [line] = pager.got()
    assert verified(line, new) == verified(line, SECRET)


@pytest.mark.parametrize(
    ("mood", "why"),
    [
        ("200", ""),
        ("299", ""),
        ("early", "answered 103"),
        ("endless", ""),
        ("lingers", ""),
        ("400", "answered 400"),
        ("410", "answered 410"),
        ("503", "answered 503"),
        ("redirect", "answered 308 and leads elsewhere, which is not followed"),
        ("304", "answered 304 and leads elsewhere"),
        ("leaves", "ended the connection"),
        ("garbage", "no HTTP"),
        ("long", "no HTTP"),
        ("again", " answer "),
        ("dies-1", "ended the connection"),
        ("hangs", "no answer within 2 s"),
        ("drips", "no answer within 2 s"),
    ],
)
async def test_only_an_answer_of_success_counts(
    pager: Pager, mood: str, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever else it does is a failure in our own words, in bounded time; what leads elsewhere is not followed."""
    others = set(threading.enumerate())
    began = time.monotonic()
    said = await sent(pager.at(mood), monkeypatch)
    assert time.monotonic() - began < LONGEST_SECONDS
    assert said == why if not why else why in said
    # Nor does a thread stay behind, at a server that would keep it for ever.
    for _ in range(100):
        if not [thread for thread in set(threading.enumerate()) - others if thread.name == "gatework"]:
            break
        await asyncio.sleep(0.02)
    else:
        raise AssertionError("a thread still waits")
    assert [line["path"] for line in pager.got()] == [f"/{mood}"]


async def test_nobody_there_is_a_failure(pager: Pager, monkeypatch: pytest.MonkeyPatch) -> None:
    """No listener; no such host."""
    assert await sent("http://127.0.0.1:1/", monkeypatch) == "nothing listens at the address"
    assert "leads nowhere" in await sent("https://hooks.invalid/s3cret", monkeypatch)


async def test_name_of_this_machine_that_leads_elsewhere_gets_nothing(
    pager: Pager, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without TLS a message goes no further than this machine, whatever a name is resolved to."""
    monkeypatch.setattr(notify, "_is_loopback", lambda host: False)
    assert "leads to another" in await sent(pager.at("204", "localhost"), monkeypatch)
    assert pager.got() == []


# -- over TLS --------------------------------------------------------------------------------------


async def test_certificate_must_be_trusted_valid_and_the_hosts_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With one that is, it arrives; one that is not gets nothing, and the sentence says what is wrong with it."""
    own, others, old = certificate(tmp_path), certificate(tmp_path, host="a.example"), certificate(tmp_path, days=-1)
    for trusted, shown, why in (
        (own, own, ""),
        (others, own, "is not trusted here"),
        (others, others, "is another host's"),
        (old, old, "has expired"),
    ):
        monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
        folder = tmp_path / str(shown == own) / (why or "well")
        folder.mkdir(parents=True)
        async with Pager(folder, shown) as secure:
            assert (await sent(secure.at("204"), monkeypatch)).removeprefix("the certificate of the address ") == why
            assert len(secure.got()) == (0 if why else 1)


async def test_server_without_tls_gets_nothing_of_a_message_for_https(
    pager: Pager, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is no falling back."""
    said = await sent(pager.at("204").replace("http:", "https:"), monkeypatch)
    assert "TLS" in said or "ended the connection" in said
    assert pager.got() == []


# -- a command -------------------------------------------------------------------------------------


async def test_command_gets_the_message_and_little_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On its standard input, with its signature beside it; of the worker's environment what it needs, and no secret."""
    monkeypatch.setenv("BANK_TOKEN", "s3cret")
    monkeypatch.setenv("NOTIFY_CHANNEL", "approvals")
    body, env = tmp_path / "body", tmp_path / "env"
    assert await sent(f"sh -c 'cat > {body}; env > {env}'", monkeypatch) == ""
    assert body.read_bytes() == BODY
    had = dict(line.split("=", 1) for line in env.read_text().splitlines() if "=" in line)
    Webhook(SECRET).verify(body.read_bytes(), {name.lower().replace("_", "-"): had[name] for name in had})
    assert had["NOTIFY_CHANNEL"] == "approvals"
    assert not [name for name in had if name.startswith("GATEWORK")]
    assert SECRET not in env.read_text()
    assert "s3cret" not in env.read_text()


async def test_command_is_run_without_a_shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a shell would take for its own is an argument like any other."""
    got = tmp_path / "got"
    program = tmp_path / "page"
    program.write_text(f'#!/bin/sh\nprintf "%s|" "$@" > {got}\n')
    program.chmod(0o755)
    assert await sent(f"{program} '$(id)' '; id' a\\ b", monkeypatch) == ""
    assert got.read_text() == "$(id)|; id|a b|"


@pytest.mark.parametrize(
    ("command", "why"),
    [
        ("true", ""),
        ("sh -c 'exec 0<&-; exit 0'", ""),
        ("sh -c 'yes s3cret | tee /dev/stderr'", "longer than 2 s"),
        ("sh -c 'echo s3cret >&2; exit 3'", "exit code 3"),
        ("sh -c 'kill -9 $$'", "was ended by signal 9"),
        ("sleep 60", "longer than 2 s"),
    ],
)
async def test_only_exit_code_0_counts(command: str, why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever it writes, or does not read; one that takes too long is stopped."""
    began = time.monotonic()
    said = await sent(command, monkeypatch)
    assert time.monotonic() - began < LONGEST_SECONDS
    assert said == why if not why else why in said


@pytest.mark.parametrize("how", ["late", "cancelled"])
async def test_command_that_is_stopped_leaves_nothing_behind(
    how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor what it started: neither when its time is up, nor when nobody needs to be told any more."""
    pid = tmp_path / "pid"
    trying = asyncio.create_task(sent(f"sh -c 'sleep 300 & echo $! > {pid}; wait'", monkeypatch))
    while not (pid.exists() and pid.read_text().strip()):
        await asyncio.sleep(0.02)
    if how == "cancelled":
        trying.cancel()
    [result] = await asyncio.gather(trying, return_exceptions=True)
    assert isinstance(result, asyncio.CancelledError) if how == "cancelled" else "stopped" in str(result)
    for _ in range(100):
        if not _lives(int(pid.read_text())):
            return
        await asyncio.sleep(0.05)
    raise AssertionError("what it started lives on")


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False


# -- the command line ------------------------------------------------------------------------------


async def gatework(*arguments: str, **env: str) -> tuple[int, str, str]:
    """`gatework notify` as a user types it: exit code, standard output and standard error."""
    process = await asyncio.create_subprocess_exec(
        *(str(Path(sys.executable).with_name("gatework")), "notify", *arguments),
        env={"PATH": os.environ["PATH"], **env},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    return process.returncode or 0, out.decode(), err.decode()


async def test_test_sends_one_message_and_says_what_came_of_it(pager: Pager) -> None:
    """Exit code 0 where it was delivered, 1 where not, 3 where there is no hook or it cannot be one."""
    secret = {"GATEWORK_NOTIFY_SECRET": SECRET}
    code, out, err = await gatework("--test", GATEWORK_NOTIFY=pager.at("204"), **secret)
    assert (code, err) == (0, "")
    [message] = pager.messages()
    assert message["id"] in out
    assert (message["type"], message["text"]) == ("test", "A test of Gatework: nobody is needed.")
    code, out, err = await gatework("--test", GATEWORK_NOTIFY=pager.at("503"), **secret)
    assert (code, out, err) == (1, "", "Not delivered: the address answered 503.\n")
    code, out, err = await gatework("--test")
    assert (code, out) == (3, "")
    assert "GATEWORK_NOTIFY" in err
    code, out, err = await gatework("--test", GATEWORK_NOTIFY=pager.at("204"))
    assert (code, out) == (3, "")
    assert "set GATEWORK_NOTIFY_SECRET" in err


async def test_test_shows_what_a_command_says_and_nothing_that_moves_text() -> None:
    """Its standard error, bounded and clean; as JSON for programs."""
    loud = r"sh -c 'printf \"\033[2Jno \342\200\256mail\" >&2; exit 4'"
    code, out, err = await gatework("--test", GATEWORK_NOTIFY=loud.replace(r"\"", '"'))
    assert (code, err) == (1, "Not delivered: the command ended with exit code 4.\n")
    assert out == "\ufffd[2Jno \ufffdmail\n"
    code, out, err = await gatework("--test", "--json", GATEWORK_NOTIFY="sh -c 'yes >&2; exit 4'")
    said: dict[str, Any] = json.loads(out)
    assert (code, err, said["delivered"], said["hook"]) == (1, "", False, "a command")
    assert len(said["said"]) < 2_100


async def test_notify_alone_sends_nothing(pager: Pager) -> None:
    """It says what is there."""
    code, out, err = await gatework(GATEWORK_NOTIFY=pager.at("204"), GATEWORK_NOTIFY_SECRET=SECRET)
    assert (code, err) == (0, "")
    assert "an http address; messages are signed" in out
    assert str(pager.port) not in out
    assert pager.got() == []

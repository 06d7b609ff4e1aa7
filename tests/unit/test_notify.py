"""Messages and hooks: what is said of a gate, and what a worker may be told to do with it."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook

from gatework import notify
from gatework.errors import ConfigError
from gatework.notice import Notice, Overrider, Where, message, message_id
from gatework.notify import Address, Command, hook, signed
from gatework.values import wire

SECRET = f"whsec_{base64.b64encode(bytes(range(32))).decode()}"
NOTICE = Notice(
    plan="a" * 64,
    gate=2,
    asks="approval",
    stage="agreed",
    position=6,
    stages=8,
    role="finance",
    quorum=2,
    identity="claimed",
    handed_on=True,
    opened="2026-01-01T12:00:00+00:00",
    expires="2026-01-02T12:00:00+00:00",
)
WHERE = Where(
    namespace="default", workflow="refund", run="refund-7", run_id="r-1", page="http://ui/r-1", waiting="http://ui/all"
)


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that knows of no hook."""
    for name in (notify.HOOK, notify.SECRET):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(f"{name}_FILE", raising=False)


def test_message_says_who_is_needed_for_what_until_when_and_where() -> None:
    """Every field by its name, for programs; one sentence for people."""
    assert json.loads(message(NOTICE, WHERE, id="msg_1")) == {
        "type": "gate.opened",
        "id": "msg_1",
        "timestamp": "2026-01-01T12:00:00+00:00",
        "text": "refund: 2 of finance are needed to approve agreed (stage 6 of 8).",
        "data": {
            "namespace": "default",
            "workflow": "refund",
            "run": "refund-7",
            "run_id": "r-1",
            "plan": "a" * 64,
            "gate": 2,
            "asks": "approval",
            "stage": "agreed",
            "position": 6,
            "stages": 8,
            "tool": "",
            "role": "finance",
            "may": "answer",
            "quorum": 2,
            "identity": "claimed",
            "override": None,
            "handed_on": True,
            "expires": "2026-01-02T12:00:00+00:00",
            "page": "http://ui/r-1",
            "waiting": "http://ui/all",
        },
    }


def over(**changes: Any) -> Notice:
    """A stage that is blocked, and that somebody may override."""
    who = Overrider(**{"role": "head", "quorum": 1, "identity": "signed", **changes})
    return replace(NOTICE, asks="blocked", role="operator", quorum=1, identity="none", override=who)


@pytest.mark.parametrize(
    ("asks", "stopped"),
    [
        ("blocked", "which is blocked"),
        ("exhausted", "which has used up its attempts"),
        ("failed", "which has failed"),
        ("unknown", "whose effect is in doubt"),
    ],
)
def test_who_may_override_is_told_too_of_what_they_may_do(asks: str, stopped: str) -> None:
    """By a message of their own, to their role, with an id of its own; that of the operator names them."""
    notice = replace(over(quorum=2), asks=asks)
    assert list(notice.roles) == [("operator", "answer"), ("head", "override")]
    assert notice.told == "operator and head"
    mine = json.loads(message(notice, WHERE, id="msg_1"))
    assert mine["text"].endswith(" (stage 6 of 8); 2 of head may override it.")
    theirs = json.loads(message(notice, WHERE, id="msg_2", may="override"))
    assert theirs["text"] == f"refund: 2 of head may override agreed, {stopped} (stage 6 of 8)."
    override = {"role": "head", "quorum": 2, "identity": "signed"}
    assert mine["data"] == {**theirs["data"], "role": "operator", "may": "answer", "quorum": 1, "identity": "none"}
    assert theirs["data"] | {**override, "may": "override", "override": override} == theirs["data"]


def test_operator_who_may_override_is_told_once() -> None:
    """One message says both."""
    notice = over(role="operator")
    assert (list(notice.roles), notice.told) == ([("operator", "answer")], "operator")
    assert json.loads(message(notice, WHERE, id="msg_1"))["text"] == (
        "refund: operator is needed since agreed is blocked (stage 6 of 8); operator may override it."
    )
    assert wire.decode(Notice, wire.brief(notice), what="notice") == notice
    assert b"override" not in wire.brief(replace(notice, override=None))


@given(text=st.text(), run=st.text())
def test_message_is_ascii_whatever_names_hold(text: str, run: str) -> None:
    """No control character, no direction mark, nothing that a terminal or a log would act on; and it reads back."""
    where = Where(namespace=text, workflow=text, run=run, run_id=run, page=text, waiting=text)
    said = message(NOTICE, where, id="msg_1")
    assert said.isascii()
    assert said.decode().isprintable()
    assert json.loads(said)["data"]["run"] == run


def test_id_is_the_same_for_each_try_and_another_for_any_other_gate() -> None:
    """Of another run, another run id (as after a reset) or another gate; and no part can pass for two."""
    gates = (("n", "a", "b", 1), ("n", "a", "b", 2), ("n", "a", "c", 1), ("n", "ab", "", 1), ("na", "", "b", 1))
    ids = [message_id(*gate) for gate in gates]
    ids.append(message_id("n", "a", "b", 1, "override"))
    assert len(set(ids)) == len(ids)
    assert message_id("n", "a", "b", 1) == ids[0]
    assert all(id.startswith("msg_") and id.isascii() and "." not in id for id in ids)


@given(body=st.binary(max_size=200), key=st.binary(min_size=24, max_size=64))
def test_signature_is_that_of_the_reference(body: bytes, key: bytes) -> None:
    """For any body and any key."""
    text = body.decode("utf-8", "replace")
    now = datetime.now(UTC)
    headers = signed((key,), "msg_1", int(now.timestamp()), text.encode())
    reference = Webhook(base64.b64encode(key).decode())
    assert headers["webhook-signature"] == reference.sign("msg_1", now, text)


def test_command_needs_no_secret_and_has_no_signature_without(monkeypatch: pytest.MonkeyPatch) -> None:
    """It runs on this machine, as the worker's own user."""
    monkeypatch.setenv(notify.HOOK, "sh -c 'a b'")
    found = hook()
    assert isinstance(found, Command)
    assert (Path(found.arguments[0]).name, found.arguments[1:]) == ("sh", ("-c", "a b"))
    assert "webhook-signature" not in signed(found.keys, "msg_1", 1, b"")


@pytest.mark.parametrize(
    ("text", "host", "port", "tls", "target"),
    [
        ("https://hooks.example.org", "hooks.example.org", 443, True, "/"),
        ("HTTPS://Hooks.Example.org:8443/a/b?c=d%20e", "hooks.example.org", 8443, True, "/a/b?c=d%20e"),
        ("https://[2001:db8::1]/", "2001:db8::1", 443, True, "/"),
        ("http://127.0.0.1:9/x", "127.0.0.1", 9, False, "/x"),
        ("http://127.8.9.1/x", "127.8.9.1", 80, False, "/x"),
        ("http://[::1]:9/x", "::1", 9, False, "/x"),
        ("http://localhost/x", "localhost", 80, False, "/x"),
    ],
)
def test_address_is_https_or_on_this_machine(
    text: str, host: str, port: int, tls: bool, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each part as the request needs it."""
    monkeypatch.setenv(notify.HOOK, text)
    monkeypatch.setenv(notify.SECRET, SECRET)
    found = hook()
    assert isinstance(found, Address)
    assert (found.host, found.port, found.tls, found.target) == (host, port, tls, target)


@pytest.mark.parametrize(
    "text",
    [
        "http://hooks.example.org/s3cret",
        "http://10.0.0.1/s3cret",
        "http://127.0.0.1.example.org/s3cret",
        "http://0.0.0.0/s3cret",
        "https://user:s3cret@example.org/",
        "https://s3cret@example.org/",
        "https://example.org/#s3cret",
        "https:///s3cret",
        "https://example.org:99999/s3cret",
        "https://example.org:0/s3cret",
        "https://example.org/s3cret\r\nx: y",
        "https://example.org/s3 cret",
        "https://exämple.org/s3cret",
        "https://[s3cret",
        "ftp://example.org/s3cret",
        "htps://example.org/s3cret",
        "https:/example.org/s3cret",
        "example.org/s3cret",
        "//example.org/s3cret",
        "no-such-program s3cret",
        "sh -c 's3cret",
        "/etc/passwd s3cret",
        "   ",
    ],
)
def test_what_can_be_no_hook_is_refused_without_being_repeated(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """One sentence that says what to set; what was set may be a secret."""
    monkeypatch.setenv(notify.HOOK, text)
    monkeypatch.setenv(notify.SECRET, SECRET)
    with pytest.raises(ConfigError) as caught:
        hook()
    said = caught.value.message
    assert notify.HOOK in said
    assert "s3cret" not in said
    assert said.endswith(".")
    assert "\n" not in said


@pytest.mark.parametrize(
    "secret",
    [
        "s3cret-s3cret-s3cret-s3cret",
        base64.b64encode(b"s3cret" * 6).decode(),  # without its prefix
        f"whsec_{base64.b64encode(b's3cret').decode()}",  # too short to be one
        f"whsec_{base64.b64encode(b's3cret' * 20).decode()}",
        f"whsec_{base64.b64encode(b's3cret' * 6).decode()}!",
        f"{SECRET} whsec_s3cret",
    ],
)
def test_secret_that_is_none_is_refused_without_being_repeated(secret: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """For an address and for a command."""
    monkeypatch.setenv(notify.SECRET, secret)
    for text in ("https://example.org/", "true"):
        monkeypatch.setenv(notify.HOOK, text)
        with pytest.raises(ConfigError, match=notify.SECRET) as caught:
            hook()
        assert not [word for word in secret.split() if word in caught.value.message]


def test_address_without_a_secret_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A receiver could not tell our messages from anybody's."""
    monkeypatch.setenv(notify.HOOK, "https://example.org/")
    with pytest.raises(ConfigError, match=notify.SECRET):
        hook()


def test_hook_and_secret_may_lie_in_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As every secret: they are read when they are needed, so that a new one needs no new start."""
    files: dict[str, Any] = {name: tmp_path / name for name in (notify.HOOK, notify.SECRET)}
    for name, file in files.items():
        monkeypatch.setenv(f"{name}_FILE", str(file))
    files[notify.HOOK].write_text("https://example.org/hook\n")
    files[notify.SECRET].write_text(f"{SECRET}\n")
    first = hook()
    files[notify.SECRET].write_text(f"{SECRET}\n{SECRET}\n")
    second = hook()
    assert isinstance(first, Address)
    assert isinstance(second, Address)
    assert (len(first.keys), len(second.keys)) == (1, 2)


def test_empty_variables_are_no_hook(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of variables sets what it leaves empty."""
    monkeypatch.setenv(notify.HOOK, "")
    monkeypatch.setenv(notify.SECRET, "")
    assert (notify.configured(), hook()) == (False, None)

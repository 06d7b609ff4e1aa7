"""The outbox: one file for each key, complete, addressed to one person, whoever is killed or races."""

from __future__ import annotations

import email
import email.policy
import mailbox
import os
import random
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from email.message import EmailMessage
from pathlib import Path

import pytest

from activities.outbox import REFUNDS, Posted, Sent, find_sent, outbox_path, put, recorded, send_mail
from gatework import Block, IdempotencyKey

ROOT = Path(__file__).parents[2]
LETTER = ("R-1", "ann@example.com", "Your refund – GW-1001", "Dear Ann,\n\nwe paid 34.90 € back.\n\nThe shop\n")


def posted(outbox: Path, key: str, about: str, to: str, subject: str, body: str) -> Posted | Block:
    return put(outbox, key, about, to, subject, body, REFUNDS)


def files(outbox: Path) -> list[Path]:
    return sorted(path for folder in ("new", "cur") for path in (outbox / folder).iterdir())


def reason(outbox: Path, key: str = "key", **changes: str) -> str:
    letter = dict(zip(("about", "to", "subject", "body"), LETTER, strict=True)) | changes
    refusal = posted(outbox, key, **letter)
    assert isinstance(refusal, Block), refusal
    return refusal.reason


def test_mail_is_a_proper_message_in_a_maildir(outbox: Path) -> None:
    """Any mail program reads it: headers, charset, lines."""
    sent = posted(outbox, "key", *LETTER)
    assert isinstance(sent, Posted)
    assert (sent.to, sent.about) == ("ann@example.com", "R-1")
    (stored,) = mailbox.Maildir(outbox, create=False)
    assert stored["To"] == "ann@example.com"
    (path,) = files(outbox)
    message = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    assert message["Subject"] == LETTER[2]
    assert message.get_content() == LETTER[3]
    assert message["Message-ID"] == sent.message_id
    assert message["From"].addresses[0].addr_spec == "refunds@shop.example"
    assert message["Date"].datetime is not None
    assert not message.defects
    assert path.read_bytes().isascii()


def test_same_key_sends_nothing_more(outbox: Path) -> None:
    """The Message-ID comes from the key, so even a copy would be known as one."""
    first = posted(outbox, "key", *LETTER)
    assert posted(outbox, "key", *LETTER) == first == recorded(outbox, "key")
    assert len(files(outbox)) == 1
    other = posted(outbox, "other", *LETTER)
    assert isinstance(first, Posted)
    assert isinstance(other, Posted)
    assert other.message_id != first.message_id


@pytest.mark.parametrize("name", ["{}:2,", "{}:2,S", "{}:2,RS", "{}"])
def test_mail_that_was_delivered_is_not_sent_again(outbox: Path, name: str) -> None:
    """A reader moves it from `new` to `cur` and marks it."""
    first = posted(outbox, "key", *LETTER)
    (path,) = files(outbox)
    path.rename(outbox / "cur" / name.format(path.name))
    assert posted(outbox, "key", *LETTER) == first == recorded(outbox, "key")
    assert len(files(outbox)) == 1


@pytest.mark.parametrize("change", [{"about": "R-2"}, {"to": "eve@example.com"}, {"subject": "x"}, {"body": "x"}])
def test_same_key_for_another_mail_is_refused(outbox: Path, change: dict[str, str]) -> None:
    """A key names one mail."""
    posted(outbox, "key", *LETTER)
    assert reason(outbox, **change) == "Another mail was sent under this key."
    assert len(files(outbox)) == 1


@pytest.mark.parametrize(
    "subject",
    [
        "",
        " ",
        "a\nBcc: eve@evil.example",
        "a\r\nBcc: eve@evil.example",
        "a\rb",
        "a\x00b",
        "a\x0bb",
        "a\x85b",
        "a\u2028b",
        "a\u202eb",
        "a\u200bb",
        "a\tb",
        "\ud800",
        "x" * 201,
    ],
)
def test_subject_that_is_not_one_printable_line_is_refused(outbox: Path, subject: str) -> None:
    """No header begins inside of a subject."""
    assert reason(outbox, subject=subject).startswith("The subject is")
    assert not outbox.exists()


@pytest.mark.parametrize(
    "to",
    [
        "",
        "ann",
        "ann@",
        "@example.com",
        "ann@example.com, eve@evil.example",
        "ann@example.com\nBcc: eve@evil.example",
        "Ann <ann@example.com>",
        "<ann@example.com>",
        "ann@example.com eve@evil.example",
        "ann@eve@evil.example",
        "ann..lee@example.com",
        ".ann@example.com",
        "ann.@example.com",
        "ann@-example.com",
        "ann@example..com",
        '"a b"@example.com',
        "ann@exämple.com",
        "undisclosed:;",
        "a" * 65 + "@example.com",
        "ann@" + "a" * 250 + ".com",
        "a@" + "a.-" * 80,
    ],
)
def test_addressee_that_is_not_one_address_is_refused(outbox: Path, to: str) -> None:
    """Nobody else gets a copy."""
    assert reason(outbox, to=to) == "The addressee is not one mail address."
    assert not outbox.exists()


@pytest.mark.parametrize("about", ["", "R 1", "R-1\nX: y", "x" * 101, "é"])
def test_number_that_is_malformed_is_refused(outbox: Path, about: str) -> None:
    """It stands in a header too."""
    assert reason(outbox, about=about) == "The number of what the mail is about is malformed."


@pytest.mark.parametrize("body", ["", "\n \n", "a\x00b", "a\rb", "a\u202eb", "\ud800", "x" * 20_001])
def test_body_that_cannot_be_printed_is_refused(outbox: Path, body: str) -> None:
    """What hides or turns text has no place in a letter."""
    assert reason(outbox, body=body).startswith("The body is")


@pytest.mark.parametrize(
    "body", ["From here on\n.\n..\nFrom x\n", "-- \nx", "x" * 5_000, "Subject: x\n\nBcc: y", "=20=\n"]
)
def test_body_arrives_as_it_was_written(outbox: Path, body: str) -> None:
    """Lines that look like a header, an end or an envelope are text."""
    assert isinstance(posted(outbox, "key", *LETTER[:3], body), Posted)
    (path,) = files(outbox)
    message = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    assert message.get_content().rstrip("\n") == body.rstrip("\n")
    assert set(message.keys()) <= {
        *("Date", "From", "To", "Subject", "Message-ID", "Auto-Submitted", "MIME-Version"),
        *("Content-Type", "Content-Transfer-Encoding", "X-Gatework-About", "X-Gatework-Content"),
    }


@pytest.mark.parametrize("key", ["../../etc/passwd", "a/b", "a:2,S", "*", "\n", "\ud800", "x" * 5_000])
def test_key_does_not_choose_the_file_name(outbox: Path, key: str) -> None:
    """Whatever a key holds, its file is in `new`."""
    assert isinstance(posted(outbox, key, *LETTER), Posted)
    (path,) = files(outbox)
    assert path.parent == outbox / "new"
    assert path.name.removesuffix(".shop.example").isalnum()


async def test_probe_knows_what_the_effect_did(outbox: Path) -> None:
    """None is known not to have happened, also where there is no outbox yet."""
    key = IdempotencyKey("cd" * 32)
    assert await find_sent(key) is None
    sent = await send_mail.function(key, *LETTER)
    assert isinstance(sent, Sent)
    assert await find_sent(key) == sent


def test_outbox_path_is_in_the_project_unless_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever the worker was started from."""
    monkeypatch.delenv("GATEWORK_OUTBOX", raising=False)
    assert outbox_path() == ROOT / "var" / "outbox"


def test_threads_that_send_one_mail_send_it_once(outbox: Path) -> None:
    """While a reader keeps moving mails to `cur`, too."""

    def deliver(n: int) -> Posted | Block:
        if n % 3 == 0:
            for path in (outbox / "new").glob("*"):
                try:
                    path.rename(outbox / "cur" / f"{path.name}:2,S")
                except FileNotFoundError:
                    continue
        return posted(outbox, f"key {n % 5}", *LETTER)

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(deliver, range(100)))
    assert all(isinstance(answer, Posted) for answer in answers)
    assert len(files(outbox)) == 5
    assert list((outbox / "tmp").iterdir()) == []


SENDER = """
import sys
from pathlib import Path
from activities.outbox import REFUNDS, put
print("ready", flush=True)
body = "Dear Ann,\\n" + "x\\n" * 2000
for n in range(60):
    put(Path(sys.argv[1]), f"key {n}", f"R-{n}", "ann@example.com", "Your refund", body, REFUNDS)
"""


@pytest.mark.parametrize("seed", range(5))
def test_sender_that_is_killed_leaves_each_mail_whole_or_unsent(outbox: Path, seed: int) -> None:
    """SIGKILL at a random point: tried again under the same keys, each mail is there once and complete."""
    command = [sys.executable, "-c", SENDER, str(outbox)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        time.sleep(random.Random(seed).uniform(0.0, 0.1))
        os.kill(process.pid, signal.SIGKILL)
    body = "Dear Ann,\n" + "x\n" * 2000
    for n in range(60):
        assert isinstance(posted(outbox, f"key {n}", f"R-{n}", "ann@example.com", "Your refund", body), Posted)
    assert len(files(outbox)) == 60
    for path in files(outbox):
        message = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
        assert isinstance(message, EmailMessage)
        assert message.get_content() == body

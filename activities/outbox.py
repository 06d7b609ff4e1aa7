"""The outbox: replies as files of a Maildir, one for each key, whatever is killed or tried again.

Whoever delivers the mails leaves each in `new` or moves it to `cur`, as Maildir has it: the file is also the
record that the mail was sent. See https://cr.yp.to/proto/maildir.html.
"""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import os
import re
import secrets
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.headerregistry import Address
from email.message import EmailMessage
from email.parser import BytesHeaderParser
from email.policy import default
from email.utils import format_datetime
from pathlib import Path

from pydantic import BaseModel

from activities.payments import Receipt
from activities.values import Letter
from gatework import Block, Endorsed, IdempotencyKey, effect, stage

DOMAIN = "shop.example"

_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")
_NUMBER = re.compile(r"[A-Za-z0-9._/-]{1,100}")
_POLICY = default.clone(cte_type="7bit")
"""Files that every program reads, with the line ends that a Maildir has."""
_MAX_SUBJECT = 200
_MAX_BODY = 20_000


@dataclass(frozen=True)
class Desk:
    """Who of us writes."""

    name: str
    mailbox: str
    kind: str
    """What its mails are, as one word."""


REFUNDS = Desk("Refunds", "refunds", "refund")
SUPPORT = Desk("Support", "support", "reply")


@dataclass(frozen=True)
class Posted:
    """A mail as it is in the outbox."""

    message_id: str
    to: str
    about: str
    """Number of what it is about."""


class Sent(BaseModel):
    """A mail that was put into the outbox."""

    message_id: str
    to: str
    payment: str
    """The refund that it tells of."""


async def find_sent(key: IdempotencyKey) -> Sent | None:
    """The mail that was sent under this key; None where none was."""
    there = await asyncio.to_thread(recorded, outbox_path(), key)
    return None if there is None else _sent(there)


@effect(once="payment", probe=find_sent, egress=True)
async def send_mail(key: IdempotencyKey, payment: str, to: str, subject: str, body: str) -> Sent | Block:
    """Send a mail about a payment."""
    put_there = await asyncio.to_thread(put, outbox_path(), key, payment, to, subject, body, REFUNDS)
    return put_there if isinstance(put_there, Block) else _sent(put_there)


@stage(tools=[send_mail], attempts=3, timeout=timedelta(minutes=1))
async def send(letter: Endorsed[Letter], receipt: Endorsed[Receipt]) -> Endorsed[Sent]:
    """Send the letter to the customer who was paid."""
    paid = receipt.value
    return Endorsed(await send_mail(paid.payment, paid.customer, letter.value.subject, letter.value.body))


def outbox_path() -> Path:
    """Where the outbox is: `GATEWORK_OUTBOX`, or `var/outbox` in the project."""
    return Path(os.environ.get("GATEWORK_OUTBOX") or Path(__file__).parent.parent / "var" / "outbox")


def put(outbox: Path, key: str, about: str, to: str, subject: str, body: str, desk: Desk) -> Posted | Block:
    """Put a mail into the outbox under its key, if there is none yet; then the mail that is there."""
    if refusal := _refusal(key, about, to, subject, body):
        return Block(refusal)
    name = _name(key)
    content = hashlib.sha256("\0".join((about, to, subject, body)).encode()).hexdigest()
    with _alone(outbox):
        if (there := _find(outbox, name)) is not None:
            if there.get("X-Gatework-Content") != content:
                return Block("Another mail was sent under this key.")
            return _posted(there)
        message = EmailMessage(policy=_POLICY)
        message["Date"] = format_datetime(datetime.now(UTC))
        message["From"] = Address(desk.name, desk.mailbox, DOMAIN)
        message["To"] = Address(addr_spec=to)
        message["Subject"] = subject
        message["Message-ID"] = f"<{desk.kind}.{name.partition('.')[0]}@{DOMAIN}>"
        message["Auto-Submitted"] = "auto-replied"  # RFC 3834: keeps two robots from answering each other
        message["X-Gatework-About"] = about
        message["X-Gatework-Content"] = content
        message.set_content(body)
        _deliver(outbox, name, bytes(message))
        return Posted(message_id=str(message["Message-ID"]), to=to, about=about)


def recorded(outbox: Path, key: str) -> Posted | None:
    """The mail that is in the outbox under a key."""
    there = _find(outbox, _name(key))
    return None if there is None else _posted(there)


def _refusal(key: str, about: str, to: str, subject: str, body: str) -> str:
    """Why a mail is not sent; empty where nothing speaks against it."""
    if not key:
        return "A mail needs a key."
    if not _NUMBER.fullmatch(about):
        return "The number of what the mail is about is malformed."
    if len(to) > 254 or not _ADDRESS.fullmatch(to) or ".." in to or to.startswith(".") or ".@" in to:
        return "The addressee is not one mail address."
    # Characters that cannot be printed end a header, hide text or turn its direction.
    if not subject.strip() or len(subject) > _MAX_SUBJECT or not subject.isprintable():
        return "The subject is empty, too long, or holds characters that cannot be printed."
    if not body.strip() or len(body) > _MAX_BODY or not body.replace("\n", "").isprintable():
        return "The body is empty, too long, or holds characters that cannot be printed."
    return ""


def _deliver(outbox: Path, name: str, data: bytes) -> None:
    """Write the file under `tmp` and let it appear in `new` complete, under a name of its own."""
    draft = outbox / "tmp" / f"{name}.{os.getpid()}.{secrets.token_hex(4)}"
    target = outbox / "new" / name
    try:
        with draft.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.link(draft, target)  # unlike a rename, never replaces what is there
        _sync(target.parent)
    finally:
        draft.unlink(missing_ok=True)


def _find(outbox: Path, name: str) -> Mapping[str, str] | None:
    """The headers of the mail of this name. In `new` first: a reader moves mails from there to `cur`, never back."""
    # A reader adds its marks after a colon.
    for entries in ((outbox / "new").glob(name), (outbox / "cur").glob(name), (outbox / "cur").glob(f"{name}:*")):
        for entry in entries:
            try:
                message = BytesHeaderParser(policy=default).parsebytes(entry.read_bytes())
            except FileNotFoundError:
                continue  # moved on since it was listed
            return {header: str(value).strip() for header, value in message.items()}
    return None


def _posted(headers: Mapping[str, str]) -> Posted:
    return Posted(message_id=headers["Message-ID"], to=headers["To"], about=headers["X-Gatework-About"])


def _sent(posted: Posted) -> Sent:
    return Sent(message_id=posted.message_id, to=posted.to, payment=posted.about)


def _name(key: str) -> str:
    """A file name that only this key has, and that no key can choose."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()[:40] + f".{DOMAIN}"


@contextmanager
def _alone(outbox: Path) -> Generator[None]:
    """Hold the outbox's lock; the system takes it back from a process that dies."""
    for folder in ("tmp", "new", "cur"):
        (outbox / folder).mkdir(parents=True, exist_ok=True)
    with (outbox / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _sync(folder: Path) -> None:
    """Make the names in a folder last through a loss of power."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

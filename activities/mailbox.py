"""The mailbox: raw mails as they came, read into text that later stages can work with.

A mail says who its sender is, and nothing here proves it: whether the address in From is genuine is for the mail
server that took it in (SPF, DKIM, DMARC). What a sender can reach is bounded by our records: money goes back to
the customer whose order it is.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import codecs
import hashlib
import itertools
import re
from collections.abc import Mapping
from datetime import timedelta
from email.errors import (
    CloseBoundaryNotFoundDefect,
    InvalidBase64LengthDefect,
    InvalidBase64PaddingDefect,
    InvalidHeaderDefect,
    MultipartInvariantViolationDefect,
    NoBoundaryInMultipartDefect,
    StartBoundaryNotFoundDefect,
)
from email.message import EmailMessage, MIMEPart
from email.parser import BytesParser
from email.policy import EmailPolicy, Policy
from typing import Any, Literal, cast

from pydantic import BaseModel

from activities import html_text
from activities.mail_text import composed, one_line, own_words, plain, sentences, unflowed
from gatework import Block, Untrusted, stage

__all__ = ["Mail", "RawMail", "mail_key", "message_key", "read", "read_message", "sentences"]

MAX_BYTES = 1_000_000
"""Largest mail that is read, as raw bytes."""
MAX_CHARACTERS = 20_000
"""Longest text of a mail that is read, once history and signature are cut."""
_MAX_HEADER = 4_000
_MAX_LINES = 100_000
_MAX_PARTS = 50

_READ_HEADERS = frozenset(
    "from subject message-id mime-version content-type content-transfer-encoding content-disposition".split()
)
_TRANSFER_ENCODINGS = frozenset(["", "7bit", "8bit", "binary", "quoted-printable", "base64"])
_CUT_SHORT = (
    CloseBoundaryNotFoundDefect,
    InvalidBase64LengthDefect,
    InvalidBase64PaddingDefect,
    MultipartInvariantViolationDefect,
    NoBoundaryInMultipartDefect,
    StartBoundaryNotFoundDefect,
)
# Python's codecs hold more than charsets: `unicode_escape`, `punycode`, `utf-7` would make text of what is none.
_CHARSETS = frozenset(
    (
        "utf-8 utf-8-sig utf-16 utf-16-le utf-16-be cp1250 cp1251 cp1252 cp1253 cp1254 cp1257 iso8859-1 iso8859-2 "
        "iso8859-3 iso8859-4 iso8859-5 iso8859-7 iso8859-9 iso8859-10 iso8859-13 iso8859-14 iso8859-15 iso8859-16 "
        "koi8-r koi8-u cp437 cp850 cp852 cp866 mac-roman shift_jis cp932 euc_jp iso2022_jp euc_kr cp949 gb2312 gbk "
        "gb18030 big5 big5hkscs"
    ).split()
)
# As browsers and mail programs read them: what says it is ASCII or Latin 1 is nearly always more.
_READ_AS = {"ascii": "utf-8", "iso8859-1": "cp1252"}

_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")
_LINE_END = re.compile(rb"\r\n|\r|\n")
_FIELD = re.compile(rb"[!-9;-~]+:")
_ADDED_ON_THE_WAY = (
    *(b"received", b"return-path:", b"delivered-to:", b"envelope-to:", b"x-", b"arc-", b"list-", b"resent-"),
    *(b"dkim-signature:", b"domainkey-signature:", b"authentication-results:", b"status:", b"lines:"),
)
"""How headers begin that no one reads here, and that differ by the way a mail has come."""
_MESSAGE_ID = re.compile(r"<([A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,150}@[A-Za-z0-9.\[\]:_-]{1,100})>")


class RawMail(BaseModel):
    """A mail as it came."""

    eml: str
    """Base64 of the RFC 5322 bytes."""


class Mail(BaseModel):
    """A mail as text. All of it is what the sender chose to write."""

    message_id: str
    """Of the form `<…@…>`; made from the digest of the bytes where the mail has no well-formed one."""
    sender: str
    """The address in From, its domain in lower case."""
    sender_name: str
    subject: str
    text: str
    """What the sender wrote in this mail: plain, no history, no signature, each paragraph on one line."""


@stage(timeout=timedelta(seconds=30))
async def read(mail: Untrusted[RawMail]) -> Untrusted[Mail] | Block:
    """Make text of a raw mail: the body's words without markup, hidden text, history and signature."""
    message = await asyncio.to_thread(_read_base64, mail.value.eml)
    return message if isinstance(message, Block) else Untrusted(message)


def _read_base64(eml: str) -> Mail | Block:
    if len(eml) > 4 * (MAX_BYTES // 3 + 1):
        return Block("The mail is larger than one megabyte.")
    try:
        return read_message(base64.b64decode(eml, validate=True))
    except (binascii.Error, ValueError):
        return Block("The mail did not arrive as base64.")


def read_message(eml: bytes) -> Mail | Block:
    """A mail read from its RFC 5322 bytes, or why it cannot be read. Never raises, whatever the bytes."""
    if len(eml) > MAX_BYTES:
        return Block("The mail is larger than one megabyte.")
    if eml.count(b"\n") + eml.count(b"\r") > 2 * _MAX_LINES:
        return Block("The mail has too many lines.")
    try:
        return _read(eml)
    except (_Unreadable, html_text.TooTangled) as refusal:
        return Block(str(refusal))
    except Exception:  # noqa: BLE001
        # The standard library's parser raises a dozen kinds of errors on malformed mails, few of them documented.
        return Block("The mail is malformed and cannot be read.")


def mail_key(mail: RawMail) -> str:
    """The business key of a mail: `message_key` of its bytes, or of what was sent where that is no Base64."""
    try:
        return message_key(base64.b64decode(mail.eml, validate=True))
    except ValueError:
        return message_key(b"\0" + mail.eml.encode())


def message_key(eml: bytes) -> str:
    """A name for a mail, the same each time it comes in: `mail-` and 32 hexadecimal digits.

    Where there is a well-formed Message-ID it covers all but the lines that servers add on the way; else every byte.
    It never rests on the Message-ID alone, or a mail that borrows the Message-ID of another would suppress it.
    Nothing in it is the sender's choice of letters, since operators see it.
    """
    lines = _LINE_END.split(eml)
    # The header ends as it does for the parser: at an empty line, or one that is no header.
    folded = (b" ", b"\t")
    end = next((i for i, line in enumerate(lines) if line[:1] not in folded and not _FIELD.match(line)), len(lines))
    kept: list[bytes] = []
    on_the_way = False
    for line in lines[:end]:
        if line[:1] not in folded:
            on_the_way = line.lower().startswith(_ADDED_ON_THE_WAY)
        if not on_the_way:
            kept.append(line)
    identities = [line for line in kept if line.lower().startswith(b"message-id:")]
    if len(identities) != 1 or not _MESSAGE_ID.fullmatch(identities[0][11:].strip().decode("latin-1")):
        return "mail-" + hashlib.sha256(b"bytes\0" + eml).hexdigest()[:32]
    head, rest = b"\n".join(kept), b"\n".join(lines[end:]).rstrip(b"\n")
    digest = hashlib.sha256(b"mail\0" + len(head).to_bytes(8, "big") + head + rest)
    return "mail-" + digest.hexdigest()[:32]


class _Unreadable(Exception):
    """Why a mail cannot be read, in a sentence that repeats nothing of it."""


class _Policy(EmailPolicy):
    """Reads the few headers that matter, so that no other can cost time."""

    def header_source_parse(self, sourcelines: list[str]) -> tuple[str, str]:
        name, value = super().header_source_parse(sourcelines)
        if name.lower() not in _READ_HEADERS:
            return name, ""
        if len(value) > _MAX_HEADER:
            raise _Unreadable("A header of the mail is too long.")
        return name, value


def _parsed(eml: bytes) -> EmailMessage:
    count = itertools.count(1)

    def part(policy: Policy[Any] | None = None) -> EmailMessage:
        if next(count) > _MAX_PARTS:
            raise _Unreadable("The mail has too many parts.")
        return EmailMessage(policy)

    return cast(EmailMessage, BytesParser(policy=_Policy(message_factory=part)).parsebytes(eml))


def _read(eml: bytes) -> Mail:
    message = _parsed(eml)
    sender, sender_name = _sender(message)
    text = _text(message)
    if not any(character.isalnum() for character in text):
        raise _Unreadable("The mail holds no text of its own.")
    identity = _MESSAGE_ID.fullmatch(str(message.get("Message-ID", "")).strip())
    digest = hashlib.sha256(eml).hexdigest()[:32]
    return Mail(
        message_id=identity[0] if identity else f"<{digest}@unnamed.invalid>",
        sender=sender,
        sender_name=sender_name,
        subject=one_line(str(message.get("Subject", "")), 300),
        text=text,
    )


def _sender(message: EmailMessage) -> tuple[str, str]:
    headers = message.get_all("From", [])
    if not headers:
        raise _Unreadable("The mail does not say who sent it.")
    if len(headers) > 1:
        raise _Unreadable("The mail has more than one From header.")
    header: Any = headers[0]
    if len(header.addresses) > 1:
        raise _Unreadable("The mail names more than one sender.")
    broken = any(isinstance(defect, InvalidHeaderDefect) for defect in header.defects)
    if broken or len(header.addresses) != 1 or any(group.display_name is not None for group in header.groups):
        raise _Unreadable("The sender's address is malformed.")
    address = header.addresses[0]
    if not _ADDRESS.fullmatch(address.addr_spec) or ".." in address.addr_spec:
        raise _Unreadable("The sender's address is malformed.")
    return f"{address.username}@{address.domain.lower()}", one_line(address.display_name, 200)


def _text(message: EmailMessage) -> str:
    """The text of the body: its plain part where that says something, else its HTML."""
    for inner in message.walk():
        if any(isinstance(defect, _CUT_SHORT) for defect in inner.defects):
            raise _Unreadable("The mail is cut short or its parts are malformed.")
    preferences: tuple[Literal["plain", "html"], ...] = ("plain", "html")
    for kind in preferences:
        part = message.get_body(preferencelist=(kind,))
        if part is None or part.is_multipart():
            continue
        text = own_words(_part_text(part))
        if len(text) > MAX_CHARACTERS:
            raise _Unreadable("The text of the mail is longer than 20,000 characters.")
        if text:
            return composed(text)
    return ""


def _part_text(part: MIMEPart) -> str:
    """A text part, decoded and plain."""
    if str(part.get("Content-Transfer-Encoding", "")).strip().lower() not in _TRANSFER_ENCODINGS:
        raise _Unreadable("The mail is encoded in a way that is not known.")
    data = cast(bytes, part.get_payload(decode=True))
    if any(isinstance(defect, _CUT_SHORT) for defect in part.defects):
        raise _Unreadable("The mail is cut short or its parts are malformed.")
    text = _decoded(data, part.get_content_charset("ascii"))
    if part.get_content_subtype() == "html":
        return plain(html_text.text_of(text))
    parameters: Mapping[str, Any] = part["Content-Type"].params if "Content-Type" in part else {}
    if str(parameters.get("format", "")).lower() == "flowed":
        flowed = re.sub(r"\r\n?", "\n", text)
        text = unflowed(flowed, delete_space=str(parameters.get("delsp", "")).lower() == "yes")
    return plain(text)


def _decoded(data: bytes, charset: str) -> str:
    """Bytes as text, in the charset that they name or in UTF-8. Never with characters replaced."""
    try:
        name = codecs.lookup(charset).name
    except (LookupError, ValueError):
        name = ""
    name = _READ_AS.get(name, name)
    for candidate in dict.fromkeys((name, "utf-8")):
        if candidate in _CHARSETS:
            try:
                return data.decode(candidate)
            except UnicodeDecodeError:
                continue
    raise _Unreadable("The text of the mail cannot be decoded: its charset is not known, or not the one it names.")

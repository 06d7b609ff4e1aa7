"""Telling people that a run waits for them: a message signed, and delivered by a command or over HTTP.

Where messages go only the worker knows: GATEWORK_NOTIFY is a command, which gets the message on its standard input, or
an https address, to which it is posted, signed after https://www.standardwebhooks.com with GATEWORK_NOTIFY_SECRET.
No error here holds anything of the command, the address or its answer.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import functools
import hmac
import ipaddress
import os
import re
import shlex
import shutil
import signal
import socket
import ssl
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from importlib.metadata import version
from typing import IO
from urllib.parse import urlsplit

from gatework.define.secret import resolved
from gatework.errors import ConfigError, GateworkError
from gatework.threads import Threads
from gatework.tied import tied

HOOK = "GATEWORK_NOTIFY"
SECRET = "GATEWORK_NOTIFY_SECRET"  # noqa: S105  # its name

TRY_SECONDS = 15.0
"""How long one try may take, from beginning to end."""

INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR",
             "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY", "https_proxy", "http_proxy", "no_proxy")  # fmt: skip
"""The variables that a command gets of the worker's environment, beside those whose names begin with `NOTIFY_`."""
OWN = "NOTIFY_"

_MAX_REST_BYTES = 65_536
_REST_SECONDS = 1.0
"""How much of the rest of an answer is read, so that the server is not cut off while it writes, and for how long."""
_KEY_BYTES = range(24, 65)
_LOCAL = ("localhost", "localhost.localdomain")


class NotDelivered(GateworkError):
    """A message that nobody took; it may be sent again."""

    code = "notify"


@dataclass(frozen=True, kw_only=True)
class Command:
    """A command of this machine, run without a shell."""

    arguments: tuple[str, ...] = field(repr=False)
    keys: tuple[bytes, ...] = field(repr=False)

    @property
    def said(self) -> str:
        return "a command"


@dataclass(frozen=True, kw_only=True)
class Address:
    """A server on the network, or of this machine."""

    host: str = field(repr=False)
    port: int = field(repr=False)
    tls: bool
    target: str = field(repr=False)
    """Path and query, as the request has them."""
    keys: tuple[bytes, ...] = field(repr=False)

    @property
    def said(self) -> str:
        return f"an {'https' if self.tls else 'http'} address"


Hook = Command | Address


# -- what is configured ----------------------------------------------------------------------------


def configured() -> bool:
    """Whether this process has a hook."""
    return bool(os.environ.get(HOOK) or os.environ.get(f"{HOOK}_FILE"))


def hook() -> Hook | None:
    """The hook of this process; None where it has none. Raises `ConfigError` where it cannot be one."""
    if not configured():
        return None
    text = resolved(HOOK).reveal().strip()
    keys = _keys() if os.environ.get(SECRET) or os.environ.get(f"{SECRET}_FILE") else ()
    # A mistyped address must not pass for a command.
    return _address(text, keys) if re.match(r"[a-z]+:", text, re.IGNORECASE) else _command(text, keys)


def _command(text: str, keys: tuple[bytes, ...]) -> Command:
    try:
        arguments = shlex.split(text)
    except ValueError:
        raise ConfigError(f"{HOOK} cannot be read as a command: a quotation mark is left open.") from None
    program = shutil.which(arguments[0])
    if program is None:
        raise ConfigError(f"The program that {HOOK} names is not here, or cannot be run; name it by its whole path.")
    return Command(arguments=(os.path.abspath(program), *arguments[1:]), keys=keys)


def _address(text: str, keys: tuple[bytes, ...]) -> Address:
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        host, port, parts = "", None, urlsplit("")
    plain = text.isascii() and text.isprintable() and " " not in text
    if not (plain and host and parts.scheme in ("http", "https") and port != 0):
        raise ConfigError(f"{HOOK} is neither a command nor an address such as https://example.org/hook.")
    if "@" in parts.netloc or parts.fragment:
        raise ConfigError(f"The address in {HOOK} has a user name or a fragment; name it without.")
    tls = parts.scheme == "https"
    if not (tls or host in _LOCAL or _is_loopback(host)):
        raise ConfigError(f"The address in {HOOK} is http and not on this machine; use https.")
    if not keys:
        raise ConfigError(f"Messages to an address are signed: set {SECRET}, too.")
    target = f"{parts.path or '/'}{f'?{parts.query}' if parts.query else ''}"
    return Address(host=host, port=port or (443 if tls else 80), tls=tls, target=target, keys=keys)


def _keys() -> tuple[bytes, ...]:
    """The keys with which messages are signed, newest first: more than one while they are changed."""
    keys = []
    for word in resolved(SECRET).reveal().split():
        try:
            key = base64.b64decode(word.removeprefix("whsec_"), validate=True)
        except (binascii.Error, ValueError):
            key = b""
        if not word.startswith("whsec_") or len(key) not in _KEY_BYTES:
            raise ConfigError(
                f"{SECRET} is no secret of a webhook: whsec_ and {_KEY_BYTES[0]} to {_KEY_BYTES[-1]} bytes in base64, "
                "as whsec_$(openssl rand -base64 32) makes one."
            )
        keys.append(key)
    return tuple(keys)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return False


# -- how it gets there -----------------------------------------------------------------------------


def signed(keys: tuple[bytes, ...], id: str, at: int, body: bytes) -> Mapping[str, str]:
    """The headers of a message: its id, when it is sent in seconds since 1970, and a signature by each key."""
    content = b".".join((id.encode(), str(at).encode(), body))
    marks = [base64.b64encode(hmac.digest(key, content, "sha256")).decode() for key in keys]
    headers = {"webhook-id": id, "webhook-timestamp": str(at)}
    return headers | ({"webhook-signature": " ".join(f"v1,{mark}" for mark in marks)} if marks else {})


async def deliver(to: Hook, id: str, body: bytes, at: int, *, heard: IO[bytes] | None = None) -> None:
    """Try once to deliver a message. Raises `NotDelivered`.

    `heard` takes what a command writes to its standard error, which is lost otherwise.
    """
    headers = signed(to.keys, id, at, body)
    if isinstance(to, Command):
        await _run(to, headers, body, heard)
    else:
        await _post(to, headers, body)


async def _run(command: Command, headers: Mapping[str, str], body: bytes, heard: IO[bytes] | None) -> None:
    kept = {name: value for name, value in os.environ.items() if name in INHERITED or name.startswith(OWN)}
    env = kept | {name.upper().replace("-", "_"): value for name, value in headers.items()}
    try:
        process = await asyncio.create_subprocess_exec(
            *tied(command.arguments),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=heard or asyncio.subprocess.DEVNULL,
            env=env,
            process_group=0,
        )
    except OSError:
        raise NotDelivered("the command cannot be started") from None
    try:
        async with asyncio.timeout(TRY_SECONDS):
            await process.communicate(body)
    except TimeoutError:
        raise NotDelivered(f"the command took longer than {TRY_SECONDS:.0f} s, and was stopped") from None
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
    code = process.returncode
    if code:
        how = f"ended with exit code {code}" if code > 0 else f"was ended by signal {-code}"
        raise NotDelivered(f"the command {how}")


async def _post(to: Address, headers: Mapping[str, str], body: bytes) -> None:
    exchange = _Exchange(to)
    try:
        async with asyncio.timeout(TRY_SECONDS):
            # Not of the pool that stages share: a host that is not there holds its thread for longer than we wait.
            await Threads().call(functools.partial(exchange.send, headers, body))
    except TimeoutError:
        raise NotDelivered(f"the address gave no answer within {TRY_SECONDS:.0f} s") from None
    except ssl.SSLCertVerificationError as error:
        what = _CERTIFICATE.get(error.verify_code, "is not trusted here")
        raise NotDelivered(f"the certificate of the address {what}") from None
    except ssl.SSLError:
        raise NotDelivered("the address does not speak TLS as it must") from None
    except socket.gaierror:
        raise NotDelivered("the name of the address's host leads nowhere") from None
    except (HTTPException, ValueError, ConnectionResetError, BrokenPipeError):
        raise NotDelivered("the address ended the connection, or gave an answer that is no HTTP") from None
    except ConnectionRefusedError:
        raise NotDelivered("nothing listens at the address") from None
    except OSError:
        # What the system says of it would name the host.
        raise NotDelivered("the address cannot be reached") from None
    finally:
        exchange.cut()
    if 300 <= exchange.status < 400:
        raise NotDelivered(f"the address answered {exchange.status} and leads elsewhere, which is not followed")
    if not 200 <= exchange.status < 300:
        raise NotDelivered(f"the address answered {exchange.status}")


_CERTIFICATE = {10: "has expired", 62: "is another host's", 64: "is another host's"}
"""By the number that OpenSSL gives."""


class _Exchange:
    """One message to an address and the answer to it, sent in a thread that can be cut off from outside."""

    def __init__(self, to: Address) -> None:
        self._to = to
        # The standard library's client follows no redirect, knows no proxy, and bounds lines and headers of an answer.
        self._connection = (
            HTTPSConnection(to.host, to.port, timeout=TRY_SECONDS, context=ssl.create_default_context())
            if to.tls
            else HTTPConnection(to.host, to.port, timeout=TRY_SECONDS)
        )
        self._socket: socket.socket | None = None
        """Held here too: the client lets go of it while an answer that ends with the connection is read."""
        self._cut = False
        self.status = 0
        """The number of the answer, once there is one."""

    def send(self, headers: Mapping[str, str], body: bytes) -> None:
        """In a thread: send a message and take the answer, of which little more is read than its number."""
        self._connection.connect()
        held: socket.socket = self._connection.sock
        self._socket = held
        if self._cut:
            return
        if not self._to.tls and not _is_loopback(held.getpeername()[0]):
            raise NotDelivered("the name of this machine in the address leads to another")
        ours = {"user-agent": f"gatework/{version('gatework')}", "content-type": "application/json"}
        self._connection.request("POST", self._to.target, body, {**ours, **headers})
        answer = self._connection.getresponse()
        self.status = answer.status
        # What counts has been said; a server that is still writing is not cut off at once.
        with suppress(OSError, HTTPException, ValueError):
            held.settimeout(_REST_SECONDS)
            left, until = _MAX_REST_BYTES, time.monotonic() + _REST_SECONDS
            while left > 0 and time.monotonic() < until and (data := answer.read1(left)):
                left -= len(data)

    def cut(self) -> None:
        """End the connection, also one at which the thread still waits."""
        self._cut = True
        if self._socket is not None:
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)
        self._connection.close()


__all__ = ["Address", "Command", "Hook", "NotDelivered", "configured", "deliver", "hook", "signed"]

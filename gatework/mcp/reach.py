"""How a server is reached: as a program of this machine, or at an address; and with which secrets."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from gatework.define.secret import Secret, SecretUse, masked, resolved
from gatework.errors import PlanError

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_LOOPBACK = ("localhost", "127.0.0.1", "::1")

Wrap = Callable[[Sequence[str]], Sequence[str]]
"""Makes of a command the one that runs it, such as in a sandbox."""


@dataclass(frozen=True, kw_only=True)
class Reach:
    """How a server is reached: by the command that is its process, or by its address."""

    command: tuple[str, ...] = ()
    url: str = ""
    given: Mapping[str, str | SecretUse] = field(default_factory=dict)
    """Variables of the environment of a process, or headers of each request."""
    cwd: Path | None = None
    wrap: Wrap | None = None

    def secrets(self) -> tuple[Secret, ...]:
        """The secrets that the server is given. Raises `ConfigError` where this worker lacks one."""
        return tuple(resolved(one.name) for one in self.given.values() if isinstance(one, SecretUse))

    def opened(self) -> AbstractAsyncContextManager[tuple[Any, Any, Callable[[], str]]]:
        """The two streams of a session, and what gives the server's last words."""
        revealed = {
            name: resolved(one.name).reveal() if isinstance(one, SecretUse) else one for name, one in self.given.items()
        }
        return self._process(revealed) if self.command else self._endpoint(revealed)

    @asynccontextmanager
    async def _process(self, env: Mapping[str, str]) -> AsyncGenerator[tuple[Any, Any, Callable[[], str]]]:
        from gatework.mcp.stdio import process

        async with process(self.command, env=env, cwd=self.cwd, wrap=self.wrap) as running:
            yield running, running, lambda: masked(running.last_words, self.secrets())

    @asynccontextmanager
    async def _endpoint(self, headers: Mapping[str, str]) -> AsyncGenerator[tuple[Any, Any, Callable[[], str]]]:
        from gatework.mcp.http import endpoint

        # What is on this machine is asked directly, whatever proxy its environment names.
        async with endpoint(self.url, headers, direct=urlsplit(self.url).hostname in _LOOPBACK) as (reads, writes):
            yield reads, writes, str


def reach_of(
    name: str,
    where: str,
    *,
    command: Sequence[str],
    url: str,
    env: Mapping[str, Any],
    headers: Mapping[str, Any],
    cwd: Path | None,
    wrap: Wrap | None,
) -> Reach:
    """How the server `name`, declared at `where`, is reached. Raises `PlanError`."""

    def refused(problem: str, fix: str) -> PlanError:
        return PlanError(f"the server {name} {problem}.", fix=fix, where=where)

    if bool(command) == bool(url):
        raise refused("has no command, or an address besides", "Give it command=[…] or url=….")
    if not _are_texts(command):
        raise refused("has a command that is no list of texts", 'Write command=["program", "argument"].')
    if headers if command else (env or cwd or wrap):
        raise refused("is given what it cannot take", "A program takes env=, cwd= and sandbox=; an address headers=.")
    given = {**env, **headers}
    for key, value in given.items():
        if not (_VARIABLE if command else _HEADER).fullmatch(key):
            raise refused(f"is given {key!r}, which is no name", "Correct it.")
        if not isinstance(value, SecretUse) and not (isinstance(value, str) and value.isprintable()):
            raise refused(f"is given a {key} that is no text", 'Write a str, or secret("NAME").')
    if url and (problem := _fault(url)):
        raise refused(problem, "Write https://host/path, and what is secret as headers=.")
    return Reach(command=tuple(command), url=url, given=given, cwd=cwd, wrap=wrap)


def _are_texts(command: object) -> bool:
    parts = command if isinstance(command, list | tuple) else [None]
    return all(isinstance(part, str) and part and "\0" not in part for part in parts)


def _fault(url: str) -> str:
    """What is wrong with an address, as a clause; empty where nothing is."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return "has an address that is none"
    if not host or not (url.isascii() and url.isprintable()) or parts.username or parts.fragment:
        return "has an address that is none"
    if parts.scheme == "https" or (parts.scheme == "http" and host in _LOOPBACK):
        return ""
    return "would be reached in the clear"

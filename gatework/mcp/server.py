"""Servers of the Model Context Protocol as they are declared: how one is reached, and which of its tools are used."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from gatework.define.interface import Interface, of_schemas
from gatework.define.roles import Role
from gatework.define.secret import Secret
from gatework.define.signature import caller, calling_module
from gatework.define.tool import TIMEOUT, Effect, Tool
from gatework.errors import ConfigError, NotDone, PinError, PlanError, ToolError
from gatework.mcp import pins
from gatework.mcp.content import TEXT, Failure
from gatework.mcp.line import Line
from gatework.mcp.pins import Descriptor, Pins
from gatework.mcp.reach import Reach, Wrap, reach_of
from gatework.mcp.schemas import arguments_of, contract_of
from gatework.values.canonical import Json
from gatework.values.verdict import Block, short

MAX_RESULT_BYTES = 200_000
"""Largest result of a call unless the declaration says otherwise, as canonical JSON."""

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,39}")


@dataclass
class Gathering:
    """The servers that are declared while it lasts."""

    fetch: Callable[[Server], Pins] | None = None
    """Asks a server what its tools are, in place of its pins."""
    servers: list[Server] = field(default_factory=list)


_gathering: ContextVar[Gathering | None] = ContextVar("gatework_mcp_gathering", default=None)


@contextmanager
def gathering(fetch: Callable[[Server], Pins] | None = None) -> Generator[list[Server]]:
    """Take down which servers are declared; with `fetch`, by what they say now. For the command line."""
    found = Gathering(fetch)
    token = _gathering.set(found)
    try:
        yield found.servers
    finally:
        _gathering.reset(token)


class Server:
    """A server whose tools this deployment uses; nothing is started before a tool is called."""

    def __init__(self, name: str, reach: Reach, *, path: Path, where: str) -> None:
        self.name = name
        self.path = path
        """The file of its pins."""
        self.where = where
        self.reach = reach
        self._line = Line(name, reach)
        self._pins: Pins | None = None
        found = _gathering.get()
        if found is not None:
            found.servers.append(self)
            self._pins = found.fetch(self) if found.fetch else None

    def tool(
        self,
        name: str,
        *,
        untrusted: bool = True,
        private: bool = False,
        egress: bool = False,
        on: str = "",
        approve_calls: Role | None = None,
        timeout: timedelta = TIMEOUT,
        max_bytes: int = MAX_RESULT_BYTES,
        reads_only: bool = False,
        as_: str = "",
    ) -> Tool[..., Any]:
        """One of its tools, as it is pinned, under its own name or `as_`.

        What it gives is outside text unless `untrusted=False` is said: the JSON that its output schema promises, or a
        text. `reads_only=True` says so of a tool of which the server says otherwise: a tool may be called again where a
        worker died. The rest is as in `tool`. Raises `PlanError` where it is not pinned; the network is not asked.
        """
        pin = self._pinned(name)
        if pin.annotations.get("readOnlyHint") is False and not reads_only:
            raise PlanError(
                f"the server {self.name} says that its tool {pin.name} changes things.",
                fix="Declare it with .effect(…, once=…), or say reads_only=True where you know better.",
                where=caller(),
            )
        return Tool(
            self._interface(pin, as_, max_bytes),
            untrusted=untrusted,
            private=private,
            egress=egress,
            on=on,
            approve_calls=approve_calls,
            timeout=timeout,
            descriptor=pin.digest,
        )

    def effect(
        self,
        name: str,
        *,
        once: str,
        private: bool = False,
        egress: bool = False,
        on: str = "",
        approve_calls: Role | None = None,
        timeout: timedelta = TIMEOUT,
        max_bytes: int = MAX_RESULT_BYTES,
        as_: str = "",
    ) -> Effect[..., Any]:
        """One of its tools that changes the outside world: called once for each value of the argument `once`.

        The protocol has no keys and cannot be asked what became of one, so an effect that did not say waits for a
        person. What it gives back is not outside text, as for every effect: declare so only what you would trust to
        that extent. The rest is as in `tool` and `effect`.
        """
        pin = self._pinned(name)
        return Effect(
            self._interface(pin, as_, max_bytes, effect=True),
            once=once,
            private=private,
            egress=egress,
            on=on,
            approve_calls=approve_calls,
            timeout=timeout,
            descriptor=pin.digest,
        )

    @property
    def pins(self) -> Pins:
        """What its tools were when a person looked. Raises `ConfigError`, `PlanError`."""
        if self._pins is None:
            if not self.path.exists():
                raise PlanError(
                    f"the tools of the server {self.name} are not pinned: there is no {self.path.name}.",
                    fix="Run `gatework tools pin`, and read what it writes.",
                    where=self.where,
                )
            self._pins = pins.read(self.path, self.name)
        return self._pins

    async def offered(self) -> Pins:
        """What it says of itself and its tools now. Raises `ConfigError`, `ToolError`."""
        return await self._line.listed()

    async def close(self) -> None:
        """End its session on this event loop; the next call opens another."""
        await self._line.close()

    def _pinned(self, name: str) -> Descriptor:
        pin = self.pins.tool(name)
        if pin is None:
            known = ", ".join(one.name for one in self.pins.tools) or "none"
            raise PlanError(
                f"the server {self.name} has no tool {name!r} among its pins, which are {known}.",
                fix="Name one of them, or run `gatework tools pin`, which says why a tool cannot be pinned.",
                where=caller(),
            )
        return pin

    def _interface(self, pin: Descriptor, as_: str, max_bytes: int, *, effect: bool = False) -> Interface:
        takes = arguments_of(pin.input_schema)
        gives = contract_of(pin.output_schema) if pin.output_schema is not None else None

        async def call(*given: Any) -> Any:
            arguments: Mapping[str, Json] = given[-1]  # before it stands the key of an effect
            try:
                ready = await self._line.ready(pin)
            except (ToolError, ConfigError) as error:
                raise NotDone(error.message) from None
            try:
                answer = await ready.call(arguments, takes=takes, gives=gives, max_bytes=max_bytes)
            except PinError as error:
                # It changed while it answered, so it was called: of an effect nobody knows what became.
                raise (ToolError(error.message) if effect else error) from None
            if not isinstance(answer, Failure):
                return answer
            if effect:
                # That it failed does not say that nothing happened.
                raise ToolError(f"{pin.name} of the server {self.name} says that it failed.")
            return Block(short(answer.said))

        return of_schemas(
            as_ or re.sub(r"[^A-Za-z0-9_-]", "_", pin.name),
            call,
            arguments=takes,
            result=gives if gives is not None else TEXT,
            description=pin.description or pin.title,
        )

    def __repr__(self) -> str:
        return f"<mcp server {self.name}>"


def server(
    name: str,
    *,
    command: Sequence[str] = (),
    url: str = "",
    env: Mapping[str, str | Secret] | None = None,
    headers: Mapping[str, str | Secret] | None = None,
    cwd: str | Path | None = None,
    pinned: str | Path | None = None,
    sandbox: Wrap | None = None,
) -> Server:
    """Declare a server of the Model Context Protocol: a program of this machine, or one on the network.

    A program gets PATH, language, time zone and folder for temporary files of the worker's environment, and what `env`
    names. A server on the network gets `headers`, over https or on this machine alone. Either may hold secrets. What it
    said of its tools stands in `NAME.mcp.json` beside the module, or in the file `pinned`. Raises `PlanError`.
    """
    where = caller()
    if not _NAME.fullmatch(name):
        raise PlanError(f"{name!r} is no name of a server.", fix="Use up to 40 small letters, digits, _ and -.")
    reach = reach_of(
        name,
        where,
        command=command,
        url=url,
        env=env or {},
        headers=headers or {},
        cwd=Path(cwd) if cwd else None,
        wrap=sandbox,
    )
    path = Path(pinned) if pinned else _folder(calling_module()) / f"{name}.mcp.json"
    return Server(name, reach, path=path, where=where)


def _folder(module: str) -> Path:
    file = getattr(sys.modules.get(module), "__file__", None)
    return Path(file).parent if file else Path.cwd()

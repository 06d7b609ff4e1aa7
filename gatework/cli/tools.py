"""Tools of other programs: `tools pin`, `check` and `show`. They ask the servers, and none needs Temporal."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.padding import Padding
from rich.text import Text

from gatework.cli.output import AsJson, clean, console, dump
from gatework.cli.project import modules_named
from gatework.cli.session import REFUSED, UsageError
from gatework.errors import ConfigError, GateworkError, ToolError

if TYPE_CHECKING:
    from gatework.mcp.compare import Difference
    from gatework.mcp.pins import Descriptor, Pins
    from gatework.mcp.server import Server

app = typer.Typer(help="Look at the tools of MCP servers, pin them, and see what changed.", no_args_is_help=True)

Modules = Annotated[
    list[str] | None,
    typer.Argument(metavar="[MODULE]...", help="Modules that declare servers; all of the project if left out."),
]

MAX_WORDS = 400
"""Longest sentence about a change that is shown, in characters."""


@app.command()
def pin(modules: Modules = None, as_json: AsJson = False) -> None:
    """Ask the servers what their tools are, and write it into the pins beside the modules that declare them."""
    from gatework.mcp.compare import compared, usable
    from gatework.mcp.pins import read
    from gatework.mcp.server import gathering

    broke: GateworkError | None = None
    with gathering(_asked) as servers:
        try:
            modules_named(modules or [])
        except (ConfigError, ToolError):
            raise
        except GateworkError as error:  # a plan that does not fit what the servers say now
            broke = error
    told = []
    for server in _distinct(servers):
        found, faults = usable(server.pins)
        before = read(server.path, server.name) if _readable(server) else None
        changed = compared(before, found) if before else []
        if before is None or before.written != found.written:
            server.path.write_text(found.written, encoding="ascii", newline="\n")
        told.append((server, found, changed, faults, before is None))
    if as_json:
        dump([_pinned_data(*one) for one in told])
    else:
        for one in told:
            _tell_pinned(*one)
        if told:
            _say("Read the pins before you commit them: a model reads the descriptions as they stand.")
    _must_be_some(servers, broke)


@app.command()
def check(modules: Modules = None, as_json: AsJson = False) -> None:
    """Ask the servers whether their tools are as pinned, and say in words what is not; exit code 1 then."""
    from gatework.mcp.compare import compared
    from gatework.mcp.server import gathering

    with gathering() as servers:
        modules_named(modules or [])
    _must_be_some(servers, None)
    told = []
    for server in _distinct(servers):
        found = _asked(server)
        told.append((server, found, compared(server.pins, found)))
    bad = any(one.kind != "new" for _, _, changed in told for one in changed)
    if as_json:
        dump([{**_data(server), "differences": _listed(changed)} for server, _, changed in told])
    else:
        for server, found, changed in told:
            _tell_checked(server, found, changed)
        if bad:
            _say("Calls of these tools are refused. If the change is meant, run `gatework tools pin`.")
    if bad:
        raise typer.Exit(REFUSED)


@app.command()
def show(modules: Modules = None, as_json: AsJson = False) -> None:
    """Show the tools that are pinned, with what they take and what their servers claim of them."""
    from gatework.mcp.server import gathering

    with gathering() as servers:
        modules_named(modules or [])
    _must_be_some(servers, None)
    found = _distinct(servers)
    if as_json:
        dump([{**_data(server), "tools": [_written(one) for one in server.pins.tools]} for server in found])
        return
    for server in found:
        _say(f"{server.name}: {_says(server.pins)}, {_reached(server)}", "bold")
        for one in server.pins.tools:
            _say(f"{one.name}({', '.join(_arguments(one))})  {_claims(one)}  {one.digest[:12]}", indent=2)
            first = one.description.strip().partition("\n")[0]
            if first:
                _say(first, indent=6, limit=MAX_WORDS)


def _asked(server: Server) -> Pins:
    """What a server says of its tools now, from code that may run inside an event loop. Raises `ConfigError`."""
    found: list[Pins] = []
    broke: list[BaseException] = []

    async def ask() -> None:
        try:
            found.append(await server.offered())
        finally:
            await server.close()

    def run() -> None:
        import asyncio  # 30 ms, which `--help` and the commands on plans need not wait for

        try:
            asyncio.run(ask())
        except BaseException as error:  # noqa: BLE001  # it is raised again where it was asked for
            broke.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join()
    for error in broke:
        if isinstance(error, ToolError):
            said = clean(" ".join(str(getattr(error, "said", "")).split()))[-MAX_WORDS:]
            problem = str(getattr(error, "problem", error.message))
            raise ConfigError(f"{problem}; it said last: {said}" if said else problem) from None
        raise error
    return found[0]


def _distinct(servers: Sequence[Server]) -> list[Server]:
    """The servers, each once. Raises `UsageError` where two would be pinned in one file."""
    found: dict[Path, Server] = {}
    for server in servers:
        other = found.setdefault(server.path.resolve(), server)
        if other is not server and other.reach != server.reach:
            raise UsageError(f"Two servers are named {server.name} in one folder; give one another name.")
    return list(found.values())


def _must_be_some(servers: Sequence[Server], broke: GateworkError | None) -> None:
    if broke is not None:
        raise broke
    if not servers:
        raise ConfigError('No server is declared there; write `files = mcp.server("files", command=[…])`.')


def _readable(server: Server) -> bool:
    from gatework.mcp.pins import read

    try:
        read(server.path, server.name)
    except ConfigError:
        return False
    return True


def _tell_pinned(
    server: Server, found: Pins, changed: Sequence[Difference], faults: dict[str, str], first: bool
) -> None:
    _say(f"{server.name}: {_says(found)}, {_count(len(found.tools))} in {_shown(server.path)}", "bold")
    if first:
        for one in found.tools:
            _say(f"{one.name}({', '.join(_arguments(one))})  {_claims(one)}", indent=2)
    elif not changed:
        _say("as pinned before", indent=2)
    _tell_changes(changed)
    for name, why in faults.items():
        _say(f"not pinned: {_name(name)}: {why}", "yellow", indent=2)


def _tell_checked(server: Server, found: Pins, changed: Sequence[Difference]) -> None:
    broken = [one for one in changed if one.kind != "new"]
    verdict = f"{len(broken)} not as pinned" if broken else "as pinned"
    _say(f"{server.name}: {_says(found)}, {_count(len(server.pins.tools))}, {verdict}", "bold")
    _tell_changes(changed)


def _tell_changes(changed: Sequence[Difference]) -> None:
    words = {"gone": "is gone", "several": "is offered several times", "new": "is new", "changed": "changed"}
    for one in changed:
        _say(f"{_name(one.tool)} {words[one.kind]}", "" if one.kind == "new" else "red", indent=2)
        for sentence in one.what:
            _say(" ".join(sentence.split()), indent=6, limit=MAX_WORDS)


def _written(one: Descriptor) -> dict[str, Any]:
    return {**one.data, "digest": one.digest}


def _arguments(one: Descriptor) -> list[str]:
    required = one.input_schema.get("required", [])
    return [name if name in required else f"{name}?" for name in one.input_schema.get("properties", {})]


def _claims(one: Descriptor) -> str:
    claims = {"readOnlyHint": ("reads only", "changes things"), "openWorldHint": ("reaches further", "")}
    said = [words[0] if one.annotations[key] else words[1] for key, words in claims.items() if key in one.annotations]
    return ", ".join(filter(None, said)) or "claims nothing"


def _says(found: Pins) -> str:
    return f"{_name(found.name) or 'a server without a name'} {_name(found.version)}".strip()


def _reached(server: Server) -> str:
    return " ".join(server.reach.command) or server.reach.url


def _count(number: int) -> str:
    return "1 tool" if number == 1 else f"{number} tools"


def _name(text: str) -> str:
    return clean(" ".join(text.split()), 80)


def _shown(path: Path) -> str:
    relative = os.path.relpath(path)
    return str(path) if relative.startswith("..") else relative


def _data(server: Server) -> dict[str, Any]:
    says = {"name": server.pins.name, "version": server.pins.version}
    return {"server": server.name, "pins": str(server.path), "says": says}


def _pinned_data(
    server: Server, found: Pins, changed: Sequence[Difference], faults: dict[str, str], first: bool
) -> dict[str, Any]:
    refused = [{"tool": name, "why": why} for name, why in faults.items()]
    tools = [{"name": one.name, "digest": one.digest} for one in found.tools]
    return {**_data(server), "first": first, "tools": tools, "differences": _listed(changed), "not_pinned": refused}


def _listed(changed: Sequence[Difference]) -> list[dict[str, Any]]:
    return [{"tool": one.tool, "kind": one.kind, "what": list(one.what)} for one in changed]


def _say(line: str, style: str = "", *, indent: int = 0, limit: int = 1_500) -> None:
    console().print(Padding(Text(clean(line, limit), style), (0, 0, 0, indent), expand=False))

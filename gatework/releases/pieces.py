"""The code that a plan needs, piece by piece, as `stage:extract`, `guard:quotes`, `tool:pay`: its place, its digest."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from gatework.define.guard import Guard
from gatework.define.stage import Definition, Stage
from gatework.define.tool import Effect, Tool
from gatework.releases.code import Coded, Codes
from gatework.values import canonical

Pieces = Mapping[str, Definition | Guard[Any, Any] | Tool[..., Any]]


def pieces(definitions: Iterable[Definition]) -> Pieces:
    """The pieces of what nodes run, with their guards and tools."""
    found: dict[str, Definition | Guard[Any, Any] | Tool[..., Any]] = {}
    for definition in definitions:
        found[f"stage:{definition.name}"] = definition
        found.update({f"guard:{guard.name}": guard for guard in definition.checks})
        found.update({f"tool:{tool.name}": tool for tool in definition.tools})
    return dict(sorted(found.items()))


def places(of: Pieces) -> Mapping[str, str]:
    """Where each piece is defined, as `module:name`."""
    return {key: _place(piece) for key, piece in of.items()}


def told(keys: Iterable[str]) -> str:
    """Pieces in words: `stage extract, guard quotes`."""
    return ", ".join(key.replace(":", " ", 1) for key in keys)


def coded(of: Pieces, codes: Codes) -> Mapping[str, Coded]:
    """What is known of the code of each piece."""
    return {key: _coded(piece, codes) for key, piece in of.items()}


def attempt(
    runs: str,
    guards: Iterable[Guard[Any, Any]],
    tools: Iterable[Tool[..., Any]],
    codes: Codes,
    *,
    definition: Definition,
) -> str:
    """The digest of the code of an attempt: of what a node runs, with those of its guards and tools that run with it.

    Empty where one of them is not to be had. A tool of another program counts by what that program says of it.
    """
    found = [["stage", runs, _coded(definition, codes).digest]]
    found += [["guard", guard.name, _coded(guard, codes).digest] for guard in guards if not guard.queue]
    found += [
        ["tool", tool.name, tool.descriptor or _coded(tool, codes).digest] for tool in tools if not tool.use.apart
    ]
    return canonical.digest("attempt", sorted(found)) if all(digest for _, _, digest in found) else ""


def call(tool: Tool[..., Any], codes: Codes) -> str:
    """The digest of the code of a tool that runs apart; empty where it is not to be had."""
    return _coded(tool, codes).digest


def _coded(piece: Definition | Guard[Any, Any] | Tool[..., Any], codes: Codes) -> Coded:
    if not isinstance(piece, Tool):
        return codes.of(piece.function)
    found = codes.of(piece.function, prose=True)
    if not (isinstance(piece, Effect) and piece.probe is not None and found.digest):
        return found
    probe = codes.of(piece.probe)
    return Coded(canonical.digest("probed", [found.digest, probe.digest])) if probe.digest else probe


def _place(piece: Definition | Guard[Any, Any] | Tool[..., Any]) -> str:
    # A tool under another name than its function's, or of another program, is known by its name in its module.
    if isinstance(piece, Tool):
        place = piece.interface.place
        own = place.rpartition(":")[2].rpartition(".")[2] == piece.name
        return place if own else f"{piece.interface.home}:{piece.name}"
    # A stage of a function that was there before is known by its name in the module that declared it.
    if isinstance(piece, Stage) and piece.adopted:
        return f"{piece.home}:{piece.name}"
    return f"{piece.function.__module__}:{piece.function.__qualname__}"

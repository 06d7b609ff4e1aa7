"""What changed between two lists of a server's tools, for a person who decides whether to pin the newer.

The sentences hold text of the server: whoever shows them has to clean them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from gatework.errors import ContractError
from gatework.mcp.pins import Descriptor, Pins
from gatework.mcp.schemas import SchemaError, contract_of
from gatework.plan.changes import contracts
from gatework.values import canonical
from gatework.values.canonical import Json


@dataclass(frozen=True)
class Difference:
    """One tool that is not as it was."""

    tool: str
    kind: Literal["changed", "gone", "several", "new"]
    what: tuple[str, ...] = ()
    """What changed, a sentence each."""


def compared(old: Pins, new: Pins) -> list[Difference]:
    """What a server says now that its pins do not, tool by tool. New tools are in it, and break nothing."""
    counts = Counter(one.name for one in new.tools)
    found: list[Difference] = []
    for one in old.tools:
        now = new.tool(one.name)
        if now is None:
            found.append(Difference(one.name, "gone"))
        elif counts[one.name] > 1:
            found.append(Difference(one.name, "several"))
        elif what := tuple(_differences(one, now)):
            found.append(Difference(one.name, "changed", what))
    return found + [Difference(name, "new") for name in counts if old.tool(name) is None]


def usable(found: Pins) -> tuple[Pins, dict[str, str]]:
    """The tools that can be pinned, and why each of the others cannot."""
    counts = Counter(one.name for one in found.tools)
    faults = {
        one.name: "the server has several of that name" if counts[one.name] > 1 else one.fault
        for one in found.tools
        if counts[one.name] > 1 or one.fault
    }
    kept = sorted((one for one in found.tools if one.name not in faults), key=lambda one: one.name)
    return Pins(server=found.server, name=found.name, version=found.version, tools=tuple(kept)), faults


def _differences(old: Descriptor, new: Descriptor) -> Iterator[str]:
    try:
        if old.digest == new.digest:
            return
    except ContractError:
        yield "what is said of it is no plain JSON"
        return
    for part in ("title", "description"):
        if old.data[part] != new.data[part]:
            yield f"its {part} was {_quoted(old.data[part])} and is {_quoted(new.data[part])}"
    for key in sorted({*old.annotations, *new.annotations}):
        was, now = old.annotations.get(key), new.annotations.get(key)
        if not canonical.alike(was, now):
            yield f"of {key} it claimed {_written(was)} and claims {_written(now)}"
    yield from _schemas("takes", old.input_schema, new.input_schema)
    yield from _schemas("gives", old.output_schema, new.output_schema)


def _schemas(what: str, old: Json, new: Json) -> Iterator[str]:
    if canonical.alike(old, new):
        return
    if old is None or new is None:
        yield f"what it {what} was {'text' if old is None else 'structured'} and is {'text' if new is None else 'not'}"
        return
    try:
        said = [sentence for sentence, _ in contracts.differences(contract_of(old), contract_of(new))]
    except SchemaError as error:
        said = [f"its schema cannot be checked any more: {error}"]
    for sentence in said or ["the schema is written otherwise, in words or in form, and accepts the same"]:
        yield f"what it {what}: {sentence}"


def _quoted(text: Json) -> str:
    return f"“{text}”" if text else "nothing"


def _written(claim: Json) -> str:
    return "nothing" if claim is None else canonical.dumps(claim).decode()

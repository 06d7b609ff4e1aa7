"""The journal of an attempt: what its stage was answered so far, so that it can be run again from its start.

A stage that waits for something outside of its activity ends there and is run again later, with its journal: model
answers and results of tools that are in it are handed out once more, nothing is asked or done twice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from gatework.plan.plan import ToolUse
from gatework.values import canonical
from gatework.values.canonical import Json, Sealed


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A call of a tool that an attempt waits for."""

    id: str
    """64 hex digits: of the node, the tool, the arguments and how many such calls the attempt made before."""
    tool: str
    arguments: Json
    """As one object that keeps to the contract in the plan."""
    key: str = ""
    """The idempotency key of an effect: of the lineage of the run, the node, the tool and the business key."""
    by_model: bool = False
    """Whether a model chose it; a call of the stage's own code that is refused blocks the stage."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One answer that an attempt was given."""

    kind: Literal["model", "tool"]
    id: str
    """What was asked: `Call.id`, or the digest of the question and how many such questions were asked before."""
    outcome: Literal["answered", "done", "found", "refused", "failed"]
    """Of a model: `answered`. Of a tool: `done`, `found` (an effect that had happened already), `refused`, or `failed`
    (it broke, and nothing has changed)."""
    data: Sealed | None = None
    """The answer of the model as JSON (text, calls, tokens), or the result of the tool; None where it gave none."""
    reason: str = ""
    """Why it was refused or failed: what a model is told."""
    tool: str = ""


def key_of(use: ToolUse, arguments: Json, *, node: str, lineage: str) -> str:
    """The key of an effect's call, the same for ever: of the run, the node, the tool and the business key.

    Empty for a tool that is none. `arguments` keep to the tool's contract.
    """
    if use.kind != "effect":
        return ""
    return canonical.digest("effect", [lineage, node, use.name, arguments[use.once]])


def salt_of(inputs: Mapping[str, Sealed]) -> bytes:
    """The salt of the digests that an attempt leaves: of its inputs, so that it is the same each time that it runs."""
    return bytes.fromhex(canonical.digest("attempt", {name: sealed.salt for name, sealed in inputs.items()}))[:16]


class Journal:
    """The journal of an attempt that runs again: what it was answered before, and what it is answered now."""

    def __init__(self, entries: Sequence[Entry] = (), *, salt: bytes = b"") -> None:
        self._salt = salt
        self._known = {entry.id: entry for entry in entries}
        self._asked: Counter[str] = Counter()
        self.since: list[Entry] = []
        """What came to it in this run, oldest first."""

    def occurrence(self, domain: str, asked: Json, *, once: bool = False) -> str:
        """What names a request: itself, and how many of the same were made before in this run.

        One that is made `once` is the same request each time.
        """
        request = self.named(domain, asked)
        count = 0 if once else self._asked[request]
        self._asked[request] += 1
        return canonical.digest(domain, [request, count])

    def named(self, domain: str, asked: Json) -> str:
        """The digest by which a receipt names what was asked or answered, which nobody can guess by that alone."""
        return canonical.digest(domain, asked, salt=self._salt)

    def find(self, request: str) -> Entry | None:
        """What was answered to a request, in this run or before."""
        return self._known.get(request)

    def add(self, entry: Entry) -> None:
        """Keep an answer."""
        self._known[entry.id] = entry
        self.since.append(entry)

    @property
    def size_bytes(self) -> int:
        """What all its data takes as JSON."""
        return sum(len(canonical.dumps(entry.data.data)) for entry in self._known.values() if entry.data is not None)

    def __len__(self) -> int:
        return len(self._known)

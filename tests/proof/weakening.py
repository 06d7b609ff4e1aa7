"""What somebody does to a plan who wants less of it: a guard less, a quorum of one, less shown, nobody who approves.

Every member of a plan is weakened by its form and its name, whatever kind of node it is in.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from gatework.values.canonical import Json
from tests.proof.tampering import Path, Tampered, replaced

NOBODY: Json = {"role": "operator", "quorum": 1, "identity": "none"}
ADDED: Mapping[str, Json] = {
    "override": NOBODY,
    "approver": NOBODY,
    "otherwise": NOBODY,
    "operator": NOBODY,
    "budget": dict.fromkeys(("model_calls", "tokens", "money", "seconds", "output_bytes")) | {"tool_calls": {}},
    "items": {"op": "ref", "node": "mail", "path": []},
    "until": {"loop": "again", "rounds": 99, "spent": "accept"},
}
"""What stands where there is nothing, by the member's name."""

IDENTITIES = ("none", "claimed", "authenticated", "signed")
LABELS = ("untrusted", "plain", "endorsed", "approved")
MOST_WORDS = 3


def weakened(said: Any) -> Iterator[Tampered]:
    """The certificate with one member of one plan weakened, for every member and way to do it."""
    for digest, plan in said["plans"].items():
        words = _words(plan)
        for path, value in _members(plan, ()):
            where = ".".join(str(step) for step in path if isinstance(step, str) and len(step) != 64)
            name = next((step for step in reversed(path) if isinstance(step, str)), "")
            for how, other in _less(name, value, path, plan, words):
                of = str(other) if path == ("name",) else ""
                yield Tampered(f"plans.{where}", how, partial(_with, said, digest, path, other, of))


def _with(said: Any, digest: str, path: Path, other: Any, name: str) -> Any:
    """The certificate with another plan; with `name` the runs that began on it say that it is named so."""
    said = replaced(said, ("plans", digest, *path), other)
    for number, run in enumerate(said["runs"]):
        if name and any(entry["receipt"].get("how", {}).get("plan") == digest for entry in run["entries"][:1]):
            said = replaced(said, ("runs", number, "workflow"), name)
    return said


def _members(value: Json, path: Path) -> Iterator[tuple[Path, Any]]:
    if path:
        yield path, value
    for name, item in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from _members(item, (*path, name))


def _words(plan: Json) -> Mapping[str, list[str]]:
    """By the name of a member, all texts that stand under it in a plan."""
    found: dict[str, dict[str, None]] = defaultdict(dict)
    for path, value in _members(plan, ()):
        if isinstance(value, str):
            found[next((step for step in reversed(path) if isinstance(step, str)), "")][value] = None
    return {name: [*texts] for name, texts in found.items()}


def _less(name: str, value: Json, path: Path, plan: Json, words: Mapping[str, list[str]]) -> Iterator[tuple[str, Any]]:
    if isinstance(path[-1], str):
        yield "removed", ...
    match value:
        case bool():
            yield "turned", not value
        case int() | float():
            others = {"none": 0, "one": 1, "one less": value - 1, "one more": value + 1, "many more": value * 1000}
            yield from ((how, other) for how, other in others.items() if other != value and other >= 0)
        case str():
            known = {"identity": IDENTITIES, "label": LABELS}.get(name, tuple(words.get(name, ())))
            at = known.index(value) if value in known else 0
            others_ = (*known[at + 1 :], *known[:at])
            yield from (
                (f"as {word}" if name in ("identity", "label") else "as another", word) for word in others_[:MOST_WORDS]
            )
            yield from (("empty", ""),) if value else ()
        case list():
            yield from ((f"without one of {len(value)}", [*value[:n], *value[n + 1 :]]) for n in range(len(value)))
            if value:
                yield "doubled", [*value, value[-1]]
            if len(value) > 1:
                yield "emptied", []
                yield from (
                    ("swapped", [*value[:n], value[n + 1], value[n], *value[n + 2 :]])
                    for n in range(len(value) - 1)
                    if value[n] != value[n + 1]
                )
        case dict():
            yield "null", None
            if value.keys() == NOBODY.keys() and value != NOBODY:
                yield "anybody", NOBODY
        case None:
            yield "something", ADDED.get(name, 1)
            if name == "arm":
                yield from (("in a way", {"choice": node["name"], "way": 1}) for node in _choices(plan))
        case _:
            pass


def _choices(plan: Json) -> list[Any]:
    return [node for node in plan["nodes"] if node["kind"] in ("choose", "when")]

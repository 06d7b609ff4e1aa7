"""The checks of Gatework's verifier, and for each a tampered certificate that it refuses first: `checks.json`."""

from __future__ import annotations

import ast
import json
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import gatework.verify
from gatework.signing.roster import People
from gatework.values import canonical
from gatework.verify.refusal import Refused
from gatework.verify.whole import check, read
from tests.proof import recorded
from tests.proof.moving import with_values
from tests.proof.repairing import repaired
from tests.proof.tampering import replaced

FOLDER = Path(gatework.verify.__file__).parent
TABLE = Path(__file__).with_name("checks.json")


@dataclass(frozen=True)
class Check:
    """A place where the verifier refuses."""

    name: str
    """`module.function: sentence`."""
    file: str
    first: int
    last: int
    """Its lines."""


@cache
def checks() -> tuple[Check, ...]:
    """All of them, as they stand in the code."""
    found = []
    for path in sorted(FOLDER.glob("*.py")):
        if path.stem != "refusal":
            for function, call in _calls(ast.parse(path.read_text()), path.stem):
                sentence = call.args[-1] if call.func.id == "must" else call.args[1]  # type: ignore[attr-defined]
                said = str(sentence.value) if isinstance(sentence, ast.Constant) else ast.unparse(sentence)
                found.append(Check(f"{function}: {said}", str(path), call.lineno, call.end_lineno or call.lineno))
    return tuple(found)


def _calls(tree: ast.AST, function: str) -> Iterator[tuple[str, ast.Call]]:
    """Each call of `must`, and each `Refused`, with the function in which it stands."""
    for node in ast.iter_child_nodes(tree):
        inside = function
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            inside = f"{function}.{node.name}"
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("must", "Refused"):
            yield function, node
        yield from _calls(node, inside)


# -- a tampered certificate for each ---------------------------------------------------------------


@dataclass(frozen=True)
class Row:
    """A recorded certificate, what is done to it, and the check that refuses it first then."""

    check: str
    of: str
    edits: list[list[Any]]
    """What is done, where, and with what:

    - `put`, a path, a value; `removed`, a path;
    - `left out`, `twice`, `swapped` with the next: the path of an entry; `copied`, its path, before which it comes too;
    - `variant`: the digest of a plan, a path in it, a value: the plan with that, beside it.

    `@` and a path is what stands there in the certificate as it was recorded; `@variant` the digest of the variant.
    """
    signed: bool = False
    """Whether everybody signed it first who can."""
    hashed: bool = True
    """Whether every digest is made anew that nobody signed."""

    @property
    def data(self) -> bytes:
        """The file."""
        said = before = recorded.signed(self.of) if self.signed else recorded.whole(self.of)
        variant = ""
        for edit in self.edits:
            how, path, *more = _resolved(edit, before, variant)
            if how == "variant":
                plan = replaced(said["plans"][path], tuple(more[0]), more[1])
                variant = canonical.digest("plan", plan)
                said = edited(said, "put", ["plans", variant], plan)
            else:
                said = edited(said, how, path, *more)
        return canonical.dumps(repaired(said) if self.hashed else said)


def _resolved(value: Any, before: Any, variant: str) -> Any:
    match value:
        case "@variant":
            return variant
        case str() if value.startswith("@"):
            return at(before, [int(step) if step.isdigit() else step for step in value[1:].split("/")])
        case list():
            return [_resolved(item, before, variant) for item in value]
        case dict():
            return {name: _resolved(item, before, variant) for name, item in value.items()}
        case _:
            return value


def edited(said: Any, how: str, path: list[Any], value: Any = None) -> Any:
    """A certificate with one edit."""
    if how == "put" and isinstance(holder := at(said, path[:-1]), dict):
        return replaced(said, tuple(path[:-1]), {**holder, path[-1]: value})
    if how in ("put", "removed"):
        return replaced(said, tuple(path), value if how == "put" else ...)
    *upper, last = value if how == "copied" else path
    items = at(said, upper)
    first, here, behind = items[:last], items[last : last + 1], items[last + 1 : last + 2]
    put = {"left out": behind, "twice": [*here, *here, *behind], "swapped": [*behind, *here]}
    put["copied"] = [at(said, path), *here, *behind]
    return with_values(replaced(said, tuple(upper), [*first, *put[how], *items[last + 2 :]]))


def at(said: Any, path: list[Any]) -> Any:
    """What stands at a path."""
    for step in path:
        said = said[step]
    return said


def rows() -> list[Row]:
    """The table, in the order of the checks, a row a line."""
    return [Row(**row) for row in json.loads(TABLE.read_text())]


def met(data: bytes, people: People | None = None) -> str:
    """The name of the check that refuses a certificate; empty where all hold."""
    try:
        check(read(data), people)
    except Refused as refused:
        first: BaseException = refused
        while isinstance(first.__context__, Refused):  # which was told without its place
            first = first.__context__
        frames = [*traceback.walk_tb(first.__traceback__)]
        frame, line = next(one for one in reversed(frames) if one[0].f_code.co_name != "must")
        file = frame.f_code.co_filename
        return next(one.name for one in reversed(checks()) if one.file == file and one.first <= line <= one.last)
    return ""

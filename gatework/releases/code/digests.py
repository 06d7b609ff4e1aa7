"""The digest of a function's code, with all that it names in its own project.

It says that code is the same, not that it does the same: installed packages, files that code reads, the environment and
what is found by a name made while it runs are not in it.
"""

from __future__ import annotations

import ast
import hashlib
import sysconfig
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from pathlib import Path
from re import Pattern
from types import CellType, FunctionType
from typing import Any
from uuid import UUID

from gatework.errors import ContractError
from gatework.releases.code.modules import ENGINE, Defined, Module, NotFollowed, Project, local_imports
from gatework.releases.code.names import chain_of, free
from gatework.releases.code.normal import written
from gatework.values import canonical
from gatework.values.canonical import Json

MAX_DEFINITIONS = 5_000
"""Most definitions that the code of one function takes with it."""
_MAX_LAYERS = 32
_MAX_NESTING = 8
_MAX_VALUES = 10_000

_PLAIN = (bool, int, float, str, bytes, Decimal, Fraction, timedelta, datetime, date, time, UUID)


@dataclass(frozen=True)
class Coded:
    """What is known of the code of a function."""

    digest: str
    """64 hex digits; empty where the code is not to be had."""
    problem: str = ""
    """Why it is not, as the end of a sentence."""


class Codes:
    """The digests of functions. Each file is read once, so one of these is for one moment of the sources."""

    def __init__(self) -> None:
        self._projects: dict[tuple[Path, str], Project] = {}
        self._found: dict[tuple[Any, bool], Coded] = {}
        self._pieces: dict[tuple[int, str, bool], _Piece] = {}

    def of(self, function: Callable[..., Any], *, prose: bool = False) -> Coded:
        """The digest of a function's code. `prose` says that its docstring counts, since a model is told it."""
        key = (function, prose)
        if key not in self._found:
            self._found[key] = self._read(function, prose)
        return self._found[key]

    def forget(self) -> None:
        """Let go of the sources. What was asked for is known from then on; the rest is read anew."""
        self._projects.clear()
        self._pieces.clear()

    def _read(self, function: Callable[..., Any], prose: bool) -> Coded:
        closure = _Closure(self)
        try:
            entry = closure.function(function)
            if not closure.any:
                return Coded("", "it is no code of the project")
            return Coded(canonical.digest("code", [entry, closure.followed(prose=prose)]))
        except NotFollowed as error:
            return Coded("", str(error))
        except (RecursionError, ContractError):
            return Coded("", "it is nested too deeply")

    def piece(self, project: Project, what: Defined, prose: bool) -> _Piece:
        key = (id(what.module), what.name, prose)
        if key not in self._pieces:
            self._pieces[key] = _piece(project, what, prose)
        return self._pieces[key]

    def home(self, function: FunctionType) -> tuple[Project, Module] | None:
        """The project and the module of a function; None where it is the engine's, or Python's.

        Raises `NotFollowed` where its source is not to be had.
        """
        its = function.__globals__
        name, package = str(its.get("__name__") or ""), its.get("__package__")
        if name.partition(".")[0] == ENGINE:
            return None
        path = Path(str(its.get("__file__") or function.__code__.co_filename))
        if path.suffix != ".py" or not path.is_file():
            raise NotFollowed(f"there is no source of {_said(name)}")
        path = path.absolute()  # not where a link leads: names lie as they are imported
        if name == "__main__":
            name = f"{package}.{path.stem}" if package else path.stem
        root, whole = _root(name, path)
        if root.resolve() in _PYTHON:
            return None
        project = Project(root, name.partition(".")[0])
        project = self._projects.setdefault((root, project.only), project)
        package = package if isinstance(package, str) else name.rpartition(".")[0]
        return project, project.at(name if whole else f"{name}@{path}", package, path)


@dataclass(frozen=True)
class _Piece:
    """A definition as it is written, however it was come upon."""

    text: str
    """Its digest."""
    names: Sequence[tuple[str, Sequence[Defined | str]]]
    """What it names, in order, and where each leads."""


def _piece(project: Project, what: Defined, prose: bool) -> _Piece:
    module = what.module
    statements: Sequence[ast.stmt] = module.body if what.name == "*" else module.statements[what.name]
    inside = {} if what.name == "*" else local_imports(statements, module.package)

    def ours(decorator: ast.expr) -> bool:
        """A decorator of the engine: what it says stands in the plan."""
        chain = chain_of(decorator.func if isinstance(decorator, ast.Call) else decorator)
        found = project.led(module, chain, inside) if chain else []
        # One that came with a star may be any of several.
        return chain is not None and chain[-1] in _DECORATORS and any(map(_is_engine, found))

    text = "\n".join(written(statement, dropped=ours, prose=prose) for statement in statements)
    led = [(".".join(chain), project.led(module, chain, inside)) for chain in free(statements, ours)]
    return _Piece(hashlib.sha256(text.encode()).hexdigest(), [(name, found) for name, found in led if found])


class _Closure:
    """What the code of one function is made of, numbered as it is come upon."""

    def __init__(self, codes: Codes) -> None:
        self._codes = codes
        self._numbers: dict[tuple[int, str], int] = {}
        self._waiting: list[tuple[Project, Defined]] = []
        self._functions: list[FunctionType] = []
        self._values = 0
        self._first = 0
        """The number of the function itself, beneath what wraps it."""

    @property
    def any(self) -> bool:
        return bool(self._numbers)

    def function(self, function: Any) -> Json:
        """A function by where it stands and what its closure holds, and before it what of the project wraps it."""
        layers: list[FunctionType] = []
        while function is not None and len(layers) < _MAX_LAYERS:
            if isinstance(function, FunctionType):
                layers.append(function)
            function = getattr(function, "__wrapped__", None)
        inner = self._codes.home(layers[-1]) if layers else None
        if inner is None:
            return ["elsewhere"]
        written = []
        for layer in layers:
            try:
                home = self._codes.home(layer)
            except NotFollowed:
                if layer is layers[-1]:
                    raise
                home = None
            # What comes from a package that is installed counts as little here as where code calls it.
            if home is not None and home[0] is inner[0]:
                written.append(self._layer(layer, *home))
        return written

    def _layer(self, function: FunctionType, project: Project, module: Module) -> Json:
        if any(function is known for known in self._functions):
            return ["again", next(i for i, known in enumerate(self._functions) if known is function)]
        self._functions.append(function)
        place = function.__code__.co_qualname
        top = place.partition(".")[0]
        self._first = self._number(project, Defined(module, top if top in module.statements else "*"))
        held = zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
        number = self._first
        values = [[name, self._cell(cell)] for name, cell in sorted(held, key=lambda one: one[0])]
        self._first = number
        return [place, number, values]

    def followed(self, *, prose: bool) -> Json:
        """Everything that it takes with it, and what each names in turn."""
        told = self._first if prose else -1
        items: list[Json] = []
        while self._waiting:
            project, what = self._waiting.pop(0)
            items.append(self._written(project, what, prose=len(items) == told))
        return items

    def _number(self, project: Project, what: Defined) -> int:
        key = (id(what.module), what.name)
        if key not in self._numbers:
            if len(self._numbers) >= MAX_DEFINITIONS:
                raise NotFollowed(f"it takes more than {MAX_DEFINITIONS} definitions with it")
            self._numbers[key] = len(self._numbers)
            self._waiting.append((project, what))
        return self._numbers[key]

    def _written(self, project: Project, what: Defined, *, prose: bool) -> Json:
        piece = self._codes.piece(project, what, prose)
        leads = [[one if isinstance(one, str) else self._number(project, one) for one in led] for _, led in piece.names]
        return [piece.text, [[name, led] for (name, _), led in zip(piece.names, leads, strict=True)]]

    def _cell(self, cell: CellType) -> Json:
        try:
            return self._value(cell.cell_contents, 0)
        except ValueError:  # it is empty
            return ["none"]

    def _value(self, value: Any, nesting: int) -> Json:
        """What a closure holds, as far as it can be written down; of an object only its class."""
        self._values += 1
        if nesting > _MAX_NESTING or self._values > _MAX_VALUES:
            raise NotFollowed("what its closure holds is too large")
        kind = type(value)
        if value is None:
            return ["none"]
        if isinstance(value, Enum):
            return ["enum", kind.__qualname__, value.name]
        if kind in _PLAIN:
            return [kind.__name__, hex(value) if kind is int else ascii(value)]
        if isinstance(value, Pattern):
            return ["pattern", ascii(value.pattern), value.flags]
        if isinstance(value, FunctionType):
            return ["function", self.function(value)]
        if isinstance(inner := getattr(value, "function", None), FunctionType):  # a guard, a tool, a stage
            return [kind.__name__, self.function(inner)]
        if kind in (list, tuple):
            return [kind.__name__, [self._value(one, nesting + 1) for one in value]]
        if kind in (set, frozenset):
            return [kind.__name__, sorted((self._value(one, nesting + 1) for one in value), key=repr)]
        if kind is dict:
            pairs = [[self._value(key, nesting + 1), self._value(one, nesting + 1)] for key, one in value.items()]
            return ["dict", pairs]
        return ["a", (value if isinstance(value, type) else kind).__qualname__]


def _root(name: str, path: Path) -> tuple[Path, bool]:
    """The folder from which a module is imported by its name, and whether its file lies where the name says."""
    parts = name.split(".")
    tail = path.parent if path.name == "__init__.py" else path.with_suffix("")
    if list(tail.parts[-len(parts) :]) == parts:
        return Path(*tail.parts[: -len(parts)]), True
    return path.parent, False


_PYTHON = frozenset(Path(sysconfig.get_path(which)).resolve() for which in ("stdlib", "platstdlib"))


_DECORATORS = frozenset({"stage", "tool", "effect", "guard", "workflow"})


def _is_engine(lead: Defined | str) -> bool:
    return isinstance(lead, str) and lead.replace(":", ".").partition(".")[0] == ENGINE


def _said(name: str) -> str:
    return name if name.replace(".", "").isidentifier() else "it"

"""The modules of a project as files: what each binds at its top, and where a name leads from one to the next.

Nothing is imported for it, and nothing that is loaded is asked: what is found depends on the files alone, not on where
they lie and not on what was imported before.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from gatework.releases.code.names import Chain, chain_of, imports

ENGINE = "gatework"
MAX_FILE_BYTES = 4 * 1024 * 1024
_PACKAGES = frozenset({"site-packages", "dist-packages"})
_COMPOUND = ast.If | ast.Try | ast.TryStar | ast.With | ast.AsyncWith | ast.For | ast.AsyncFor | ast.While | ast.Match


class NotFollowed(Exception):
    """Code cannot be followed to its end; the message says why."""


@dataclass(frozen=True)
class Imported:
    """What an import binds: a module, or a name in one."""

    module: str
    name: str = ""


@dataclass(eq=False)
class Module:
    """One file."""

    name: str
    package: str
    """What relative imports start from."""
    body: list[ast.stmt]
    statements: dict[str, list[ast.stmt]] = field(default_factory=dict)
    """Name → the statements at the top of the module that bind it, or act on what it stands for."""
    imported: dict[str, list[Imported]] = field(default_factory=dict)
    stars: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._read(self.body, None)

    def binds(self, name: str) -> bool:
        return name in self.statements or name in self.imported

    def _read(self, body: Iterable[ast.stmt], outer: ast.stmt | None) -> None:
        for statement in body:
            if isinstance(statement, ast.Import | ast.ImportFrom):
                for bound, what in imports_of(statement, self.package):
                    if bound == "*":
                        self.stars.append(what.module)
                    else:
                        self.imported.setdefault(bound, []).append(what)
                continue
            # What stands inside an `if` is followed with its condition.
            whole = outer or statement
            for name in _touched(statement):
                known = self.statements.setdefault(name, [])
                if whole not in known:
                    known.append(whole)
            if isinstance(statement, _COMPOUND):
                for inner in _bodies(statement):
                    self._read(inner, whole)


def imports_of(statement: ast.Import | ast.ImportFrom, package: str) -> Iterator[tuple[str, Imported]]:
    """What an import binds, by the names that it binds; `*` for everything."""
    if isinstance(statement, ast.Import):
        for alias in statement.names:
            first = alias.name.partition(".")[0]
            yield (alias.asname or first), Imported(alias.name if alias.asname else first)
        return
    module = statement.module or ""
    if statement.level:
        above = package.split(".")
        above = above[: len(above) - statement.level + 1]
        module = ".".join([*above, *([module] if module else [])])
    for alias in statement.names:
        yield (alias.asname or alias.name), Imported(module, alias.name)


def local_imports(nodes: Iterable[ast.AST], package: str) -> dict[str, list[Imported]]:
    """What the imports inside a piece of code bind."""
    found: dict[str, list[Imported]] = {}
    for statement in imports(nodes):
        for bound, what in imports_of(statement, package):
            found.setdefault(bound, []).append(what)
    return found


def _bodies(statement: ast.stmt) -> Iterator[list[ast.stmt]]:
    for name in ("body", "orelse", "finalbody"):
        yield getattr(statement, name, [])
    for inner in (*getattr(statement, "handlers", ()), *getattr(statement, "cases", ())):
        yield inner.body


def _touched(statement: ast.stmt) -> Iterator[str]:
    """The names that a statement binds, or on whose values it acts: `TABLE["a"] = 1`, `TABLE.update(…)`."""
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield statement.name
        return
    if isinstance(statement, ast.Expr):
        call = statement.value.value if isinstance(statement.value, ast.Await) else statement.value
        chain = chain_of(call.func) if isinstance(call, ast.Call) else None
        yield from chain[:1] if chain and chain[1:] else ()
        return
    parts: list[ast.AST] = (
        [part for part in ast.iter_child_nodes(statement) if not isinstance(part, ast.stmt)]
        if isinstance(statement, _COMPOUND)
        else [statement]
    )
    for part in parts:
        for node in ast.walk(part):
            if isinstance(node, ast.Name | ast.Attribute | ast.Subscript) and not isinstance(node.ctx, ast.Load):
                under: ast.AST = node
                while isinstance(under, ast.Attribute | ast.Subscript):
                    under = under.value
                if isinstance(under, ast.Name):
                    yield under.id


@dataclass(frozen=True)
class Defined:
    """A name that stands for code, or a constant, of the project; `*` for all of a module."""

    module: Module
    name: str


class Project:
    """The modules under one folder. Of a folder of installed packages it is one package alone."""

    def __init__(self, root: Path, top: str) -> None:
        self._root = root
        self.only = top if root.name in _PACKAGES else ""
        self._modules: dict[str, Module | None] = {}

    def at(self, name: str, package: str, path: Path) -> Module:
        """The module of a name, whose file is known. Raises `NotFollowed` where it cannot be read."""
        found = self._modules.get(name)
        if found is None:
            found = self._modules[name] = _parsed(name, package, path)
        return found

    def module(self, name: str) -> Module | None:
        """The module of a name; None for one that is none of the project's. Raises `NotFollowed`."""
        if name not in self._modules:
            self._modules[name] = self._found(name)
        return self._modules[name]

    def _found(self, name: str) -> Module | None:
        parts = name.split(".")
        if not all(part.isidentifier() for part in parts) or parts[0] == ENGINE:
            return None
        if self.only and parts[0] != self.only:
            return None
        place = self._root.joinpath(*parts)
        if (place / "__init__.py").is_file():
            return _parsed(name, name, place / "__init__.py")
        if (file := place.with_suffix(".py")).is_file():
            return _parsed(name, name.rpartition(".")[0], file)
        return Module(name, name, []) if place.is_dir() else None

    def led(self, module: Module, chain: Chain, inside: dict[str, list[Imported]]) -> list[Defined | str]:
        """Where a name in a module leads: to code of the project, or to `module:name` of what is none of it.

        `inside` is what imports bind in the very piece of code that has the name. Nothing for a name of Python's own.
        """
        return self._led(module, chain, inside, frozenset())

    def _led(
        self, module: Module, chain: Chain, inside: dict[str, list[Imported]], seen: frozenset[tuple[str, str]]
    ) -> list[Defined | str]:
        name, rest = chain[0], chain[1:]
        if (module.name, name) in seen:
            return []
        seen |= {(module.name, name)}
        found: list[Defined | str] = []
        here = inside.get(name) or module.imported.get(name, [])
        for what in here:
            found += self._through(what, rest, seen)
        if name not in inside and name in module.statements:
            found.append(Defined(module, name))
        if not found:
            for star in module.stars:
                other = self.module(star)
                found += [f"{star}:*"] if other is None else self._led(other, chain, {}, seen)
        return found

    def _through(self, what: Imported, rest: Chain, seen: frozenset[tuple[str, str]]) -> list[Defined | str]:
        module = self.module(what.module)
        if module is None:
            return [f"{what.module}:{what.name}" if what.name else what.module]
        return self._in(module, (what.name, *rest) if what.name else rest, seen)

    def _in(self, module: Module, rest: Chain, seen: frozenset[tuple[str, str]]) -> list[Defined | str]:
        if not rest:
            return [Defined(module, "*")]
        if module.binds(rest[0]) or module.stars:
            found = self._led(module, rest, {}, seen)
            if found or module.binds(rest[0]):
                return found
        under = self.module(f"{module.name}.{rest[0]}")
        # What is not there is made while the program runs, or an attribute of the module object itself.
        return [Defined(module, "*")] if under is None else self._in(under, rest[1:], seen)


def _parsed(name: str, package: str, path: Path) -> Module:
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise NotFollowed(f"the source of {name} is too large")
        return Module(name, package, ast.parse(path.read_bytes()).body)
    except OSError:
        raise NotFollowed(f"there is no source of {name}") from None
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise NotFollowed(f"the source of {name} cannot be read") from None

"""The mutation run: breaks the machine in one place at a time; a test must fail each time.

Each mutant is one change of the machine, in one of `FILES`: a check deleted, a condition dropped or
turned round, a comparison shifted, an argument, an element or a call left out, a constant changed. It is made in a
copy of the repository, never in place. What survives is printed with its line; `EQUIVALENT` lists, with a reason, the
mutants that no test can tell from the machine. `make mutants` runs all, `--sample N` some, the same ones each time.
"""

from __future__ import annotations

import argparse
import ast
import copy
import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
NAMES = (
    *(f"machine/{name}" for name in ("machine", "calls", "onward", "admission", "gates", "migration", "identity")),
    *(f"machine/{name}" for name in ("ways", "children", "decisions", "hands", "overrides")),
    *("run/budget", "run/state", "values/spelling"),
)
FILES = tuple(f"gatework/{name}.py" for name in NAMES)
PARTS = (
    *("machine_ways", "machine_loops", "machine_children", "machine_undo", "machine_questions"),
    *("machine", "machine_due", "machine_gates", "machine_edits", "machine_before", "machine_calls", "machine_effects"),
    *("machine_budget", "machine_labels", "machine_people", "machine_overrides"),
    *("identity", "budget", "spelling", "migration"),
)
TESTS = [str(path.relative_to(ROOT)) for part in PARTS for path in ROOT.glob(f"tests/unit/*/test_{part}.py")]
COMPILED = ["tests/conftest.py", "tests/unit/parts.py", "tests/unit/attempts.py", "tests/explorer", *TESTS]
"""What of the tests is compiled once and not for each mutant."""
CPU_SECONDS = 120
"""A mutant whose tests have not come to an end by then counts as killed: it hangs. Not by the clock, since others may
have the processors."""
TIMEOUT_SECONDS = 1800.0
"""By the clock, for one that hangs without computing."""

_PYTEST = "-m pytest -x -q --assert=plain -p no:cacheprovider -p pytest_asyncio.plugin".split()

# The search through some plans, for what the tests let through.
SEARCHES = (
    ["-m", "tests.explorer.search", *"Us Ug Uac Unx Uawe Et Eq".split()],
    ["-m", "tests.explorer.search", "--calls", "1", *"Ee Ep Eb El".split()],
    ["-m", "tests.explorer.nested_search", "--depth", "5", *"e p j o uu w(u) k(q) l(z) m(d) l(l(u))".split()],
)

EQUIVALENT: dict[tuple[str, str], str] = {
    (
        'state = changed(anew(state), at=at, gate=None, feedback=(), let_in="", let_in_by=(), edited=None, editor=())',
        "without editor=",
    ): "who gave a value is looked at only where there is one",
    (
        "editor = state.editor if edited else ()",
        "always the first",
    ): "whoever gave a value is forgotten with it",
    (
        "handed_on: bool = False",
        "True",
    ): "every gate that the machine opens says whether it was handed on",
    (
        'return f"{100 + (int(evidence[:12], 16) + 450 * which) % 900}{gate % 10}"',
        "another operator",
    ): "half of the way round is the same number in both directions",
    (
        "values={name: held for name, held in state.values.items() if plan.index.get(name, -1) < position},",
        "1 + 1",
    ): "the one name without a position is the input's, and an edit of the input replaces it anyway",
    (
        "position = plan.index.get(place, -1)",
        "1 + 1",
    ): "any number below nought stands for the input",
    (
        "for here, there in zip(plan.nodes, to.nodes, strict=False):",
        "without strict=",
    ): "it is what zip does unless told otherwise; ruff wants it said",
    (
        "if begun == many:",
        "never",
    ): "none is left then; the check only saves the time",
    (
        "if not failed(state.branches):",
        "never",
    ): "none is told of then; the check only saves the time",
    (
        "if not param.source.path:",
        "never",
    ): "sealing the same data with the same salt gives the same value; the check only saves the time",
    (
        'if kept_off(gate, event.by) or kept_off(gate, str(event.proof.get("principal", ""))):',
        "another text than ''",
    ): "nobody is held off under the text that stands in its place",
    (
        "return {key: _spelled(named.get(key, other), value, root, depth - 1) for key, value in data.items()}",
        "1 + 1",
    ): "it may go four times as deep as JSON does, and in steps of two twice as deep",
}
"""(line of the source, change) → why no test can tell."""


@dataclass(frozen=True)
class Mutant:
    """One change of one file."""

    file: str
    line: int
    source: str
    """The line as it stands."""
    change: str
    number: int
    """Of the place, among those of the file."""
    which: int
    """Of the changes of that place."""

    @property
    def code(self) -> str:
        """The whole file, changed: it takes longer to make than to find what can be changed."""
        tree = ast.parse((ROOT / self.file).read_text())
        target = list(_places(tree))[self.number]
        _, replacement = list(_changes(target))[self.which]
        _put(tree, target, replacement)
        return ast.unparse(ast.fix_missing_locations(tree))

    @property
    def excuse(self) -> str:
        """Why it may survive; empty where it may not."""
        return EQUIVALENT.get((self.source, self.change), "")

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.change}: {self.source}"


# -- making mutants --------------------------------------------------------------------------------


def mutants(file: str) -> Iterator[Mutant]:
    """Every mutant of a file, from the top down."""
    text = (ROOT / file).read_text()
    lines = text.splitlines()
    for number, place in enumerate(_places(ast.parse(text))):
        for which, (change, _) in enumerate(_changes(copy.deepcopy(place))):
            line = next(node.lineno for node in ast.walk(place) if isinstance(node, ast.expr | ast.stmt))
            yield Mutant(file, line, lines[line - 1].strip(), change, number, which)


def _places(tree: ast.AST) -> Iterator[ast.AST]:
    """The nodes that may be changed: no annotations, docstrings, imports, messages of errors, hints for checkers."""
    for child in ast.iter_child_nodes(tree):
        if isinstance(child, ast.Import | ast.ImportFrom | ast.Assert | ast.Raise):
            continue
        if isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant):
            continue
        if isinstance(child, ast.Assign) and (_is_type(child.value) or _says_names(child)):
            continue
        if isinstance(tree, ast.FunctionDef | ast.ClassDef) and child in (
            *tree.decorator_list,
            getattr(tree, "returns", None),
        ):
            continue
        if isinstance(tree, ast.AnnAssign | ast.arg) and child is tree.annotation:
            continue
        if isinstance(tree, ast.AnnAssign) and isinstance(child, ast.Constant) and child.value == "":
            continue
        yield child
        yield from _places(child)


def _says_names(child: ast.Assign) -> bool:
    """Whether it says which names of a module are for others, which only checkers read."""
    return any(isinstance(target, ast.Name) and target.id == "__all__" for target in child.targets)


def _is_type(value: ast.expr) -> bool:
    """Whether what is assigned is a type alias."""
    if isinstance(value, ast.Subscript) and isinstance(value.value, ast.Name):
        return value.value.id in ("Literal", "Mapping")
    return isinstance(value, ast.BinOp) and isinstance(value.op, ast.BitOr) and isinstance(value.left, ast.Name)


_OTHER: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip


def _changes(node: ast.AST) -> Iterator[tuple[str, ast.AST | None]]:
    """What a node may be changed into, each with its description; None deletes it."""
    match node:
        case ast.If(body=[*_, ast.Raise()], orelse=[]):
            yield "delete the check", None
        case ast.If():
            yield "always", _with(node, test=ast.Constant(True))
            yield "never", _with(node, test=ast.Constant(False))
        case ast.IfExp():
            yield "always the first", node.body
            yield "always the second", node.orelse
        case ast.BoolOp():
            for i, value in enumerate(node.values):
                rest = [*node.values[:i], *node.values[i + 1 :]]
                yield f"without `{ast.unparse(value)}`", rest[0] if len(rest) == 1 else _with(node, values=rest)
        case ast.UnaryOp(op=ast.Not()):
            yield "without not", node.operand
        case ast.Compare(ops=[operator]):
            yield (
                f"{type(operator).__name__} to {_OTHER[type(operator)].__name__}",
                _with(node, ops=[_OTHER[type(operator)]()]),
            )
        case ast.BinOp(op=ast.Add() | ast.Sub() | ast.BitAnd()):
            other = {ast.Add: ast.Sub(), ast.Sub: ast.Add(), ast.BitAnd: ast.BitOr()}[type(node.op)]
            yield "another operator", _with(node, op=other)
        case ast.Call():
            if isinstance(node.func, ast.Name) and node.func.id in ("any", "all"):
                swapped = ast.Name("all" if node.func.id == "any" else "any", ast.Load())
                yield f"{swapped.id} for {node.func.id}", _with(node, func=swapped)
            for i, keyword in enumerate(node.keywords):
                rest_ = [*node.keywords[:i], *node.keywords[i + 1 :]]
                yield f"without {keyword.arg}=", _with(node, keywords=rest_)
        case ast.Expr(value=ast.Call()):
            yield "delete the call", None
        case ast.Tuple(ctx=ast.Load()) | ast.Set() if len(node.elts) > 1:
            for i, element in enumerate(node.elts):
                yield f"without `{ast.unparse(element)}`", _with(node, elts=[*node.elts[:i], *node.elts[i + 1 :]])
        case ast.Dict() if len(node.keys) > 1:
            for i, key in enumerate(node.keys):
                shorter = _with(node, keys=_but(node.keys, i), values=_but(node.values, i))
                yield f"without `{ast.unparse(key) if key else ast.unparse(node.values[i])}`", shorter
        case ast.Constant(value=bool(value)):
            yield f"{not value}", ast.Constant(not value)
        case ast.Constant(value=int(value)):
            yield f"{value} + 1", ast.Constant(value + 1)
        case ast.Constant(value=str(value)):
            yield f"another text than {value!r}", ast.Constant(f"{value}!")
        case ast.comprehension(ifs=[_, *_]):
            yield "without its condition", _with(node, ifs=[])
        case _:
            pass


def _with(node: ast.AST, **fields: object) -> ast.AST:
    changed = copy.copy(node)
    for name, value in fields.items():
        setattr(changed, name, value)
    return changed


def _but(items: list[ast.expr] | list[ast.expr | None], i: int) -> list[ast.expr | None]:
    return [*items[:i], *items[i + 1 :]]


def _put(tree: ast.AST, target: ast.AST, replacement: ast.AST | None) -> None:
    """Put a replacement in the place of a node; a statement that goes leaves `pass`."""
    for parent in ast.walk(tree):
        for name, value in ast.iter_fields(parent):
            if value is target:
                setattr(parent, name, replacement)
            elif isinstance(value, list):
                setattr(parent, name, [(replacement or ast.Pass()) if item is target else item for item in value])


# -- running them ----------------------------------------------------------------------------------


def _rounds(mutant: Mutant | None) -> Iterator[list[str]]:
    """The fast tests, first those of the mutant's own file, which know it best; then the searches."""
    own = Path(mutant.file).stem if mutant else ""
    yield [*_PYTEST, "-m", "not slow", *sorted(TESTS, key=lambda path: own not in path)]
    yield from SEARCHES


_LIMITED = """
import os, resource, sys
resource.setrlimit(resource.RLIMIT_CPU, (int(sys.argv[1]),) * 2)
os.execv(sys.argv[2], sys.argv[2:])
"""


class Place:
    """A copy of the repository in which mutants are run, one after the other."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("gatework", "tests"):
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "pyproject.toml", folder)
        # No bytecode of a mutant must ever be taken for that of the next: it is made once, of what is whole, and is
        # held to the hash of its source.
        self.environment = {**os.environ, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
        # To import every plugin that is installed takes as long as many a mutant lives.
        self.environment["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
        compiling = ["-m", "compileall", "-q", "--invalidation-mode", "checked-hash", "gatework", *COMPILED]
        subprocess.run([sys.executable, *compiling], cwd=folder, check=True, env={**os.environ})
        here = f"import gatework.machine as m; assert m.__file__.startswith({str(folder)!r}), m.__file__"
        self._run(["-c", here])

    def _run(self, arguments: list[str]) -> subprocess.CompletedProcess[bytes]:
        limited = ["-c", _LIMITED, str(CPU_SECONDS), sys.executable, *arguments]
        return subprocess.run(
            [sys.executable, "-I", "-S", *limited],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            timeout=TIMEOUT_SECONDS,
            check=arguments[0] == "-c",
        )

    def survives(self, mutant: Mutant | None) -> bool:
        """Whether every round of tests passes with a mutant, or with the machine as it is."""
        if mutant is not None:
            (self.folder / mutant.file).write_text(mutant.code)
        try:
            return all(self._run(arguments).returncode == 0 for arguments in _rounds(mutant))
        except subprocess.TimeoutExpired:
            return False
        finally:
            if mutant is not None:
                shutil.copy(ROOT / mutant.file, self.folder / mutant.file)


def main(arguments: list[str]) -> int:
    """Run the mutants; 1 where one survives that may not, or where an excuse excuses nothing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sample", type=int, default=0, help="run so many, chosen the same way each time")
    parser.add_argument("--match", default="", help="run those whose line, as --list prints it, holds this text")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--list", action="store_true", help="print the mutants and run none")
    given = parser.parse_args(arguments)
    files = [file for file in FILES if file in given.match] or FILES
    every = [mutant for file in files for mutant in mutants(file) if given.match in str(mutant)]
    chosen = random.Random(0).sample(every, min(given.sample, len(every))) if given.sample else every
    if given.list:
        print("\n".join(map(str, chosen)))
        return 0
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder, ThreadPoolExecutor(given.jobs) as pool:
        here = threading.local()
        first = Place(Path(folder) / "first")
        if not first.survives(None):
            print("The tests fail without any change; mend that first.")
            return 1
        places = iter([first, *(Place(Path(folder) / f"copy{i}") for i in range(1, given.jobs))])

        def run(mutant: Mutant) -> bool:
            if not hasattr(here, "place"):
                here.place = next(places)
            alive: bool = here.place.survives(mutant)
            if alive:
                print(f"survived: {mutant}{f' (equivalent: {mutant.excuse})' if mutant.excuse else ''}", flush=True)
            return alive

        alive = [mutant for mutant, survived in zip(chosen, pool.map(run, chosen), strict=True) if survived]
    unexcused = [mutant for mutant in alive if not mutant.excuse]
    idle = [] if given.sample or given.match else set(EQUIVALENT) - {(mutant.source, mutant.change) for mutant in alive}
    for source, change in sorted(idle):
        print(f"no such survivor, take it off the list: {change}: {source}")
    print(
        f"{len(chosen)} mutants: {len(chosen) - len(alive)} killed, {len(alive) - len(unexcused)} equivalent, "
        f"{len(unexcused)} survived, in {time.monotonic() - started:.0f} s"
    )
    return 1 if unexcused or idle else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

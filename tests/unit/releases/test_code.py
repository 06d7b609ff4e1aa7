"""Digests of code: the same for what is only written otherwise, another for what takes part in what a function does."""

from __future__ import annotations

import ast
import hashlib
import importlib
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from gatework.releases.code import Coded, Codes
from gatework.releases.code.names import free
from gatework.releases.code.normal import written

STAGES = '''
"""Stages."""
from __future__ import annotations
import functools, re
from decimal import Decimal
from pydantic import BaseModel
from gatework import Endorsed, Pass, Verdict, stage
from . import prices, words as said
from .shown import shown
from .all import *

LIMIT = 100
TABLE = {}
TABLE["a"] = 1
if LIMIT > 10:
    SCALE = 2
else:
    SCALE = 3

class Owed(BaseModel):
    """What is owed."""
    amount: Decimal

    def doubled(self) -> Decimal:
        """Twice."""
        return self.amount * 2

def counted(function):
    """Count."""
    @functools.wraps(function)
    async def over(*args, **kwargs):
        return await function(*args, **kwargs)
    return over

def unused():
    return 1

def enough(owed: Owed) -> bool:
    """Whether it is."""  # a comment
    return owed.amount > LIMIT and rounded(owed.amount) > SCALE

@stage(attempts=3)
@counted
async def assess(owed: Endorsed[Owed]) -> Endorsed[Owed]:
    """Look at it."""
    from .late import later
    prices.FEES, TABLE, said.greet("x"), later()
    return Endorsed(owed.value) if enough(owed.value) else Endorsed(Owed(amount=shown(f"{LIMIT!r:>{SCALE}} a")))

def longer_than(many):
    def is_long(owed: Owed) -> Verdict:
        return Pass() if len(str(owed)) > many else Pass("short")
    return is_long

long = longer_than(3)
'''
FILES = {
    "__init__.py": "",
    "stages.py": STAGES,
    "prices.py": "FEES = (1, 2)\nOTHER = 3\n",
    "words.py": "def greet(name):\n    return 'hello ' + name\n\ndef part():\n    return 1\n",
    "shown.py": "from .deep import shown\n",
    "deep.py": "def shown(text):\n    return shown_(text)\n\ndef shown_(text):\n    return text\n",
    "all.py": "def rounded(number):\n    return round(number)\n",
    "late.py": "def later():\n    return 7\n",
}


class Projects:
    """Makes packages of one source after another, each under a name and in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._made: list[str] = []

    def module(self, changed: Mapping[str, tuple[str, str]] | None = None, *, first: str = "") -> Any:
        """The module of stages, with one text of each file replaced; `first` is a module that is imported before."""
        package = f"coded_{len(self._made)}_{id(self)}"
        self._made.append(package)
        root = self._folder / package / "deep" / package
        root.mkdir(parents=True)
        for name, text in FILES.items():
            old, new = (changed or {}).get(name, ("", ""))
            assert old in text, old
            (root / name).write_text(text.replace(old, new, 1) if old else text + new, encoding="utf-8")
        sys.path.insert(0, str(root.parent))
        try:
            if first:
                importlib.import_module(f"{package}.{first}")
            return importlib.import_module(f"{package}.stages")
        finally:
            sys.path.remove(str(root.parent))

    def close(self) -> None:
        for name in [name for name in sys.modules if name.partition(".")[0] in self._made]:
            del sys.modules[name]


@pytest.fixture(scope="module")
def projects(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Projects]:
    made = Projects(tmp_path_factory.mktemp("coded"))
    yield made
    made.close()


@pytest.fixture(scope="module")
def usual(projects: Projects) -> Mapping[str, Coded]:
    return digests(projects.module())


def digests(module: Any) -> Mapping[str, Coded]:
    codes = Codes()
    return {"assess": codes.of(module.assess.function), "long": codes.of(module.long)}


SAME = {
    "a comment": {"stages.py": ("# a comment", "# another")},
    "a docstring": {"stages.py": ('"""Look at it."""', '"""Look twice.\n\n    And again.\n    """')},
    "layout": {"stages.py": ("owed.amount > LIMIT and", "(\n        (owed . amount)\n        > LIMIT) and")},
    "another function": {"stages.py": ("return 1", "return 2")},
    "a constant that nothing names": {"prices.py": ("OTHER = 3", "OTHER = 4")},
    "a function that nothing names": {"words.py": ("return 1", "return 2")},
    "what the plan says": {"stages.py": ("@stage(attempts=3)", "@stage(attempts=4)")},
    "a type comment": {"stages.py": ("LIMIT = 100", "LIMIT = 100  # type: int")},
    "a pass": {"deep.py": ("return text\n", "pass\n    return text\n")},
}


@pytest.mark.parametrize("case", SAME)
def test_code_that_is_only_written_otherwise_has_the_same_digest(
    case: str, projects: Projects, usual: Mapping[str, Coded]
) -> None:
    """Layout, comments and docstrings do not count, nor what a function does not name, nor where a module is."""
    assert digests(projects.module(SAME[case])) == usual
    assert all(len(one.digest) == 64 for one in usual.values())


OTHER = {
    "the function": {"stages.py": ("Endorsed(owed.value) if", "Endorsed(owed.value) if not")},
    "a function that it calls": {"stages.py": ("owed.amount > LIMIT", "owed.amount >= LIMIT")},
    "a constant": {"stages.py": ("LIMIT = 100", "LIMIT = 101")},
    "a constant in a condition": {"stages.py": ("LIMIT > 10", "LIMIT > 11")},
    "a table that is filled afterwards": {"stages.py": ('TABLE["a"] = 1', 'TABLE["a"] = 2')},
    "a table that is filled by a call": {"stages.py": ('TABLE["a"] = 1', 'TABLE["a"] = 1\nTABLE.update(b=2)')},
    "a method of a model": {"stages.py": ("self.amount * 2", "self.amount * 3")},
    "the docstring of a model": {"stages.py": ("What is owed.", "What we owe.")},
    "a decorator of its own": {"stages.py": ("return await function(*args, **kwargs)", "return await function(*args)")},
    "a constant of another module": {"prices.py": ("(1, 2)", "(1, 3)")},
    "a function of another module": {"words.py": ("hello ", "hullo ")},
    "a function behind a name that is passed on": {"deep.py": ("return text\n", "return text + ' '\n")},
    "a name imported with a star": {"all.py": ("round(number)", "round(number, 1)")},
    "what is imported inside the function": {"late.py": ("return 7", "return 8")},
    "an f-string": {"stages.py": ("!r:>{SCALE}", "!s:>{SCALE}")},
    "an import": {"stages.py": ("from decimal import Decimal", "from fractions import Fraction as Decimal")},
}


@pytest.mark.parametrize("case", OTHER)
def test_code_that_takes_part_in_what_a_function_does_is_in_its_digest(
    case: str, projects: Projects, usual: Mapping[str, Coded]
) -> None:
    """The function, and all functions, classes and constants of its project that it names, however it comes by them."""
    found = digests(projects.module(OTHER[case]))["assess"]
    assert found.problem == ""
    assert found.digest != usual["assess"].digest


def test_code_of_a_function_that_another_made_holds_what_it_was_made_with(
    projects: Projects, usual: Mapping[str, Coded]
) -> None:
    """Two guards of one factory are told apart by what their closures hold."""
    module = projects.module()
    codes = Codes()
    assert codes.of(module.longer_than(3)) == codes.of(module.long) == usual["long"]
    made = [3, 4, "3", None, (3, 4), {3}, {"a": 3}, module.unused, module.Owed]
    assert len({codes.of(module.longer_than(many)).digest for many in made}) == len(made)


def test_code_does_not_depend_on_what_was_imported_before(projects: Projects, usual: Mapping[str, Coded]) -> None:
    """The files say where a name leads, not what happens to be loaded."""
    assert digests(projects.module(first="late")) == digests(projects.module(first="deep")) == usual


def test_code_is_that_of_the_sources_when_it_was_first_asked_for(projects: Projects) -> None:
    """An edit of a file under a running worker does not count as what runs there."""
    module = projects.module()
    codes, path = Codes(), Path(module.__file__)
    before = codes.of(module.assess.function)
    codes.forget()
    path.write_text(path.read_text().replace("LIMIT = 100", "LIMIT = 5"))
    assert codes.of(module.assess.function) == before
    assert Codes().of(module.assess.function) != before


def test_code_that_is_not_to_be_had_has_no_digest_and_says_why(projects: Projects, tmp_path: Path) -> None:
    """No digest is made up where there is no source, where it cannot be read, or where it is none of the project's."""
    module = projects.module()
    made: dict[str, Any] = {"__name__": "nowhere"}
    exec("async def work(): ...", made)
    assert Codes().of(made["work"]) == Coded("", "there is no source of nowhere")
    assert Codes().of(importlib.import_module("json").dumps) == Coded("", "it is no code of the project")
    assert Codes().of(Codes().of) == Coded("", "it is no code of the project")
    path = Path(module.__file__)
    path.with_name("deep.py").write_text("def (")
    said = Codes().of(module.assess.function)
    assert said == Coded("", f"the source of {module.__package__}.deep cannot be read")
    path.unlink()
    assert Codes().of(module.assess.function) == Coded("", f"there is no source of {module.__name__}")


def test_code_that_holds_itself_ends(projects: Projects) -> None:
    """Functions that call each other, and closures that hold themselves or too much, neither hang nor crash."""
    turning = "\ndef made():\n    def one(): two()\n    def two(): one()\n    return one\nONE = made()\n"
    module = projects.module({"stages.py": ("", turning)})
    codes = Codes()
    assert codes.of(module.ONE).digest
    held: list[Any] = []
    held.append(held)
    assert codes.of(module.longer_than(held)) == Coded("", "what its closure holds is too large")
    assert codes.of(module.longer_than(list(range(20_000)))).digest == ""


SYNTAX = '''
import re as r
from os import path
from typing import *

@r.cache
async def every(a, /, b: int = 1, *c, d=(1, 2.5, 3j, b"x", "é\\u2028", ..., None, True, 2**70), **e) -> "list[int]":
    """Docstring."""
    global G
    nonlocal_ = lambda q, *w: (q, w, G)
    async with a as (x, y), b: del x
    async for i in c:
        if i is not None and not i < 3 <= 4: continue
        elif (walrus := i) in [*c]: break
        else: raise ValueError from None
    try: assert a, f"{a=} {b!r:>{c}}" f" and {{}}" "tail"
    except* (TypeError, OSError) as error: return
    match a:
        case {"k": [1, *rest], **more} | Point(x=0) as whole if rest: yield whole
        case None | True | -1 | "s": ...
    a.b.c[1:2, ::3] += await b(*c, **e) if a else {**e, "k": [z for z in c if z async for _ in z]}
    x: int
    return
class C(r.B, metaclass=path):
    "Kept."
    field: int = 3
    "dropped"
G = every; H: int = 0x10_000
'''


def test_code_has_the_same_digest_on_every_version_of_python() -> None:
    """What is written of the syntax is pinned: a Python that parses it otherwise, or a change of ours, is seen here."""
    tree = ast.parse(SYNTAX)
    text = written(tree)
    assert "dropped" not in text
    assert "Docstring" not in text
    assert "doc='Kept.'" in text
    named = [".".join(chain) for chain in free([tree], lambda _: False)]
    assert named == NAMED
    assert hashlib.sha256(text.encode()).hexdigest() == WRITTEN


NAMED = ["r.cache", "int", "list", "G", "ValueError", "TypeError", "OSError", "Point", "r.B", "path", "every"]
WRITTEN = "b7ea519f35a37aebd8509eaef9167c10ce73ec7753e5191a68635c10eb1e4fbd"
"""The same with Python 3.11, 3.12 and 3.13; so is what is written of 779 files of the standard library and of ours."""

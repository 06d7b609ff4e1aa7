"""Python code as a text that is the same however the code is laid out, on every version of Python.

Not `ast.dump`, which each version writes otherwise, and not the tokens, which a formatter changes: the syntax tree,
written by rules of our own. Fields that are empty are left out, so a field that a later Python adds changes nothing.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Iterable, Iterator

_LEFT_OUT = frozenset({"ctx", "type_comment", "kind", "decorator_list"})
"""Fields that say nothing of what code does, and decorators, which are written by themselves."""

Dropped = Callable[[ast.expr], bool]
"""Whether a decorator is none of the code's."""


def written(node: ast.AST, *, dropped: Dropped = lambda _: False, prose: bool = False) -> str:
    """The text of a piece of code, without comments, positions and docstrings.

    The docstring of a class stays: a model is told what it makes by that. So does, with `prose`, that of the function
    itself, by which a model is told what a tool does.
    """
    parts: list[str] = []
    _Writer(parts, dropped).write(node, prose=prose)
    return "".join(parts)


class _Writer:
    def __init__(self, parts: list[str], dropped: Dropped) -> None:
        self._parts = parts
        self._dropped = dropped

    def write(self, node: ast.AST, *, prose: bool = False) -> None:
        if isinstance(node, ast.Constant):
            self._parts.append(_constant(node.value))
            return
        self._parts.append(f"({type(node).__name__}")
        if isinstance(node, ast.JoinedStr):
            self._items(_joined(node.values))
        else:
            for name in sorted(node._fields):
                if name not in _LEFT_OUT:
                    self._field(name, getattr(node, name, None))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            self._field("decorators", [one for one in node.decorator_list if not self._dropped(one)])
            if (prose or isinstance(node, ast.ClassDef)) and (said := ast.get_docstring(node, clean=False)):
                self._parts.append(f" doc={inspect.cleandoc(said)!a}")
        self._parts.append(")")

    def _field(self, name: str, value: object) -> None:
        if value is None:
            return
        if isinstance(value, list):
            if kept := [one for one in value if not _says_nothing(one)]:
                self._parts.append(f" {name}=")
                self._items(kept)
        elif isinstance(value, ast.AST):
            self._parts.append(f" {name}=")
            self.write(value)
        else:
            self._parts.append(f" {name}={value!a}")

    def _items(self, values: Iterable[object]) -> None:
        self._parts.append("[")
        for value in values:
            if isinstance(value, ast.AST):
                self.write(value)
            else:  # names of a `global`, keys of a `match`, a `None` where a dictionary is unpacked
                self._parts.append(f"{value!a},")
        self._parts.append("]")


def _says_nothing(node: object) -> bool:
    """A docstring, of a module, a field or whatever, or a `pass`."""
    is_text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
    return is_text or isinstance(node, ast.Pass)


def _joined(values: Iterable[ast.expr]) -> Iterator[ast.expr]:
    """The parts of an f-string. How its plain text is cut into parts depends on the version of Python."""
    text = ""
    for value in values:
        if isinstance(value, ast.Constant):
            text += str(value.value)
            continue
        if text:
            yield ast.Constant(text)
        text = ""
        yield value
    if text:
        yield ast.Constant(text)


def _constant(value: object) -> str:
    # Not repr: what is printable depends on the version of Unicode, how many digits a number may have on a setting.
    text = hex(value) if type(value) is int else ascii(value)
    return f"<{type(value).__name__} {text}>"

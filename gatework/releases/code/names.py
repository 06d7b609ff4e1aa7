"""Which names a piece of code takes from its module, each with the attributes that follow it: `shop.writing`."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from contextlib import suppress

from gatework.releases.code.normal import Dropped

Chain = tuple[str, ...]

_Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
_Comprehension = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp


def free(nodes: Iterable[ast.AST], dropped: Dropped) -> tuple[Chain, ...]:
    """The names, in the order in which they stand, each once.

    A name in doubt is one of the module's, such as that of a type in the body of a class that has a field of its name:
    too much is followed rather than too little.
    """
    return tuple(dict.fromkeys(chain for node in nodes for chain in _free(node, dropped)))


def imports(nodes: Iterable[ast.AST]) -> Iterator[ast.Import | ast.ImportFrom]:
    """The imports inside a piece of code."""
    for node in nodes:
        yield from (inside for inside in ast.walk(node) if isinstance(inside, ast.Import | ast.ImportFrom))


def _free(node: ast.AST, dropped: Dropped) -> Iterator[Chain]:
    if (chain := chain_of(node)) is not None:
        yield chain
        return
    if isinstance(node, _Function):
        around, inside = _parts(node, dropped)
        yield from (chain for one in around for chain in _free(one, dropped))
        bound = _bound(node)
        yield from (chain for one in inside for chain in _free(one, dropped) if chain[0] not in bound)
        return
    if isinstance(node, _Comprehension):
        targets = {name for generator in node.generators for name in _stored(generator.target)}
        yield from (chain for chain in _children(node, dropped) if chain[0] not in targets)
        return
    yield from _children(node, dropped)


def _children(node: ast.AST, dropped: Dropped) -> Iterator[Chain]:
    left_out = [one for one in getattr(node, "decorator_list", ()) if dropped(one)]
    for child in ast.iter_child_nodes(node):
        if not any(child is one for one in left_out):
            yield from _free(child, dropped)


def chain_of(node: ast.AST) -> Chain | None:
    """A name with its attributes; None for what is none."""
    attributes: list[str] = []
    while isinstance(node, ast.Attribute):
        attributes.insert(0, node.attr)
        node = node.value
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
        return (node.id, *attributes)
    return None


def _parts(node: _Function, dropped: Dropped) -> tuple[list[ast.AST], list[ast.AST]]:
    """What of a function is read where it stands, and what inside of it."""
    arguments = node.args
    around: list[ast.AST] = [*arguments.defaults, *(one for one in arguments.kw_defaults if one is not None)]
    if isinstance(node, ast.Lambda):
        return around, [node.body]
    every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]
    around += [one for one in node.decorator_list if not dropped(one)]
    around += [_annotation(one.annotation) for one in every if one is not None and one.annotation is not None]
    around += [_annotation(node.returns)] if node.returns is not None else []
    return [*around, *getattr(node, "type_params", ())], list(node.body)


def _annotation(node: ast.expr) -> ast.expr:
    """A type, also where it is written as a text."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        with suppress(SyntaxError, ValueError):
            return ast.parse(node.value, mode="eval").body
    return node


def _bound(function: _Function) -> set[str]:
    """The names that are a function's own."""
    arguments = function.args
    every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]
    found = {one.arg for one in every if one is not None}
    if isinstance(function, ast.Lambda):
        return found
    outer: set[str] = set()
    pending: list[ast.AST] = list(function.body)
    while pending:
        node = pending.pop()
        if isinstance(node, ast.Global):
            outer |= set(node.names)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.ExceptHandler | ast.MatchAs | ast.MatchStar):
            found |= {node.name} if node.name else set()
        elif isinstance(node, ast.MatchMapping) and node.rest:
            found.add(node.rest)
        elif isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            found.add(node.id)
        if not isinstance(node, _Function | ast.ClassDef | _Comprehension):
            pending += ast.iter_child_nodes(node)
    return found - outer


def _stored(target: ast.AST) -> Iterator[str]:
    yield from (node.id for node in ast.walk(target) if isinstance(node, ast.Name))

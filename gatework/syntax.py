"""The small language of a plan's body, checked on its syntax tree before the function is traced.

Tracing sees calls and comparisons. It cannot see `is`, `in`, `if`, `match` or a call of another function
with a traced value: those would quietly take one branch. So everything that touches a traced value must be
in the language: assignment, calls of stages and constructs, attributes, comparisons, `return`.
"""

from __future__ import annotations

import ast
import builtins
import inspect
import linecache
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import FunctionType
from typing import Any, NoReturn

from gatework.errors import PlanError
from gatework.limit import limits_of
from gatework.signature import caller, shown_path
from gatework.tool import Granted, Tool
from gatework.trace import Position

_FIXES: Mapping[type[ast.AST], tuple[str, str]] = {
    ast.If: ("an `if`", "Use when= of approve, or let a stage return what differs."),
    ast.IfExp: ("a conditional expression", "Use when= of approve, or let a stage return what differs."),
    ast.For: ("a `for` loop", "Let one stage handle the list."),
    ast.AsyncFor: ("an `async for` loop", "Let one stage handle the list."),
    ast.While: ("a `while` loop", "Use attempts= of a stage."),
    ast.Match: ("a `match`", "Let a stage return what differs."),
    ast.BoolOp: ("`and` or `or`", "Use all_of(…) or any_of(…)."),
    ast.BinOp: ("arithmetic", "Compute in a stage."),
    ast.JoinedStr: ("an f-string", "Write text in a stage."),
    ast.Subscript: ("a subscript", "Use fields of models."),
    ast.Lambda: ("a lambda", "Use a stage."),
    ast.ListComp: ("a comprehension", "Let one stage handle the list."),
    ast.SetComp: ("a comprehension", "Let one stage handle the list."),
    ast.DictComp: ("a comprehension", "Let one stage handle the list."),
    ast.GeneratorExp: ("a generator", "Let one stage handle the list."),
    ast.NamedExpr: ("an assignment expression", "Assign on a line of its own."),
    ast.Starred: ("a starred argument", "Name each argument."),
    ast.Dict: ("a dict", "Pass values one by one."),
    ast.Set: ("a set", "Pass values one by one."),
    ast.Await: ("`await`", "A plan is not async; just call the stage."),
    ast.Yield: ("`yield`", "Return what the last stage gave."),
    ast.YieldFrom: ("`yield`", "Return what the last stage gave."),
    ast.AugAssign: ("an augmented assignment", "Compute in a stage."),
    ast.Delete: ("a `del`", "Leave the variable be."),
    ast.Global: ("a `global`", "Hand values on as inputs of stages."),
    ast.Nonlocal: ("a `nonlocal`", "Hand values on as inputs of stages."),
    ast.FunctionDef: ("a definition", "Define it at the top of the module."),
    ast.AsyncFunctionDef: ("a definition", "Define it at the top of the module."),
    ast.ClassDef: ("a definition", "Define it at the top of the module."),
    ast.Import: ("an import", "Import at the top of the module."),
    ast.ImportFrom: ("an import", "Import at the top of the module."),
    ast.Try: ("a `try`", "Let a stage return Block; the run then waits for a person."),
    ast.TryStar: ("a `try`", "Let a stage return Block; the run then waits for a person."),
    ast.With: ("a `with`", "Open what a stage needs in the stage."),
    ast.AsyncWith: ("a `with`", "Open what a stage needs in the stage."),
    ast.Assert: ("an `assert`", "Check values in a guard."),
    ast.Raise: ("a `raise`", "Let a stage return Block."),
    ast.Expr: ("an expression that does nothing", "Remove it."),
}


@dataclass
class Names:
    """What the syntax tree tells the tracer."""

    of: dict[Position, str] = field(default_factory=dict)
    """Each call of a stage or construct, with the variable it is assigned to; empty where there is none."""
    acknowledged: set[Position] = field(default_factory=set)
    """Calls assigned to `_`: their output is left unused on purpose."""
    result: str = ""
    """`file:line` of the last `return`."""


def check(function: Callable[..., Any], callable_in_plan: Callable[[object], bool]) -> Names:
    """Check a plan's function. Raises `PlanError` with line and fix."""
    if not isinstance(function, FunctionType) or function.__name__ == "<lambda>":
        raise PlanError("@workflow needs a plain function.", fix="Define the plan with def.", where=caller())
    checker = _Checker(function, callable_in_plan)
    checker.run()
    return checker.names


class _Checker:
    def __init__(self, function: FunctionType, callable_in_plan: Callable[[object], bool]) -> None:
        self._function = function
        self._callable_in_plan = callable_in_plan
        self._file = shown_path(function.__code__.co_filename)
        self._traced: set[str] = set(inspect.signature(function).parameters)
        self._scopes = _scopes(function)
        self.names = Names()

    def run(self) -> None:
        definition = self._definition()
        if isinstance(definition, ast.AsyncFunctionDef):
            self._refuse(definition, "the plan is async.", "Write `def`: a plan is read once, not run.")
        if inspect.isgeneratorfunction(self._function):
            self._refuse(definition, "`yield` in a plan.", "Return what the last stage gave.")
        body = definition.body
        if isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant):
            body = body[1:]
        for statement in body:
            self._statement(statement)
        if not body or not isinstance(body[-1], ast.Return):
            self._refuse(definition, "the plan returns nothing.", "Return what the last stage gave.")

    def _definition(self) -> ast.FunctionDef | ast.AsyncFunctionDef:
        code = self._function.__code__
        if hasattr(self._function, "__wrapped__"):
            raise PlanError(
                f"{self._function.__name__} is wrapped by another decorator.",
                fix="Let @workflow be the only one: a plan is read, and its wrapper would never run.",
                where=f"{self._file}:{code.co_firstlineno}",
            )
        source = "".join(linecache.getlines(code.co_filename, self._function.__globals__))
        if not source:
            raise PlanError(
                f"the source of {self._function.__name__} cannot be read.",
                fix="Define plans in a file, so that their syntax can be checked.",
                where=self._file,
            )
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == self._function.__name__:
                first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
                if first == code.co_firstlineno:
                    return node
        raise PlanError(
            f"the source of {self._function.__name__} has changed since it was loaded.", fix="Load it again.",
            where=self._file,
        )  # fmt: skip

    def _statement(self, statement: ast.stmt) -> None:
        match statement:
            case (
                ast.Assign(targets=[ast.Name(id=name)], value=ast.expr() as value)
                | ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value)
            ):
                self._assignment(name, value)
            case ast.Assign(targets=[ast.Tuple() | ast.List()]):
                self._refuse(statement, "an output is unpacked.", "A stage gives one value; name its fields.")
            case ast.Assign(targets=[ast.Attribute() | ast.Subscript()]) | ast.AnnAssign():
                self._refuse(statement, "an assignment to something else than a name.", "Assign to a name.")
            case ast.Assign():
                self._refuse(statement, "an assignment to more than one name.", "Assign to one name.")
            case ast.Return(value=value):
                if value is None:
                    self._refuse(statement, "the plan returns nothing.", "Return what the last stage gave.")
                self._expression(value)
                self.names.result = f"{self._file}:{statement.lineno}"
            case ast.Expr(value=ast.Call() as call):
                self._expression(call)
                self._refuse(
                    statement,
                    "nothing uses the output of this call.",
                    f"Use it, or write `_ = {ast.unparse(call.func)}(…)` to say that it is meant so.",
                )
            case ast.Pass():
                return
            case _:
                problem, fix = _FIXES.get(
                    type(statement), (f"a `{type(statement).__name__}` statement", "Use a stage.")
                )
                self._refuse(statement, f"{problem} in a plan.", fix)

    def _assignment(self, name: str, value: ast.expr) -> None:
        self._expression(value)
        if isinstance(value, ast.Call) and _position(value) in self.names.of:
            if name == "_":
                self.names.acknowledged.add(_position(value))
            else:
                self.names.of[_position(value)] = name
        if self._touches(value):
            self._traced.add(name)
        else:
            self._traced.discard(name)

    def _expression(self, node: ast.expr) -> None:
        """Check an expression; what touches no traced value is ordinary Python and is left alone."""
        if not self._touches(node):
            return
        match node:
            case ast.Name() | ast.Constant():
                return
            case ast.Attribute(value=value, attr=name):
                if name.startswith("_"):
                    self._refuse(node, f"`{name}` of a value of the plan.", "Use .value, and fields of models.")
                self._expression(value)
            case ast.Call():
                self._call(node)
            case ast.Compare():
                self._comparison(node)
            case ast.List(elts=items) | ast.Tuple(elts=items):
                for item in items:
                    self._expression(item)
            case ast.UnaryOp(op=ast.Not()):
                self._refuse(node, "`not` of a value of the plan.", "Use not_(…).")
            case ast.UnaryOp():
                self._refuse(node, "arithmetic on a value of the plan.", "Compute in a stage.")
            case _:
                problem, fix = _FIXES.get(type(node), (f"a {type(node).__name__}", "Use a stage."))
                self._refuse(node, f"{problem} on a value of the plan.", fix)

    def _call(self, node: ast.Call) -> None:
        target = self._target(node.func)
        if not self._callable_in_plan(target):
            self._refuse(
                node,
                f"`{ast.unparse(node.func)}` is called with a value of the plan.",
                "A plan calls stages and gatework's constructs; make it a stage.",
            )
        self.names.of[_position(node)] = ""
        self._limits(node.func)
        for argument in node.args:
            self._expression(argument)
        for keyword in node.keywords:
            if keyword.arg is None:
                self._refuse(node, "a starred argument.", "Name each argument.")
            self._expression(keyword.value)

    def _limits(self, node: ast.expr) -> None:
        """What stands between a stage and its call, as in `pay.limited(refund.only(order=…))(owed)`."""
        while isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            for argument in (*node.args, *(keyword.value for keyword in node.keywords)):
                self._expression(argument)
            node = node.func.value

    def _comparison(self, node: ast.Compare) -> None:
        for operator in node.ops:
            if isinstance(operator, ast.Is | ast.IsNot):
                self._refuse(node, "`is` on a value of the plan.", "Use present(…), or ==.")
            if isinstance(operator, ast.In | ast.NotIn):
                self._refuse(node, "`in` on a value of the plan.", "Use any_of(a == b, …).")
        if len(node.ops) > 1:
            self._refuse(node, "a chained comparison.", "Use all_of(a < b, b < c).")
        for side in (node.left, *node.comparators):
            self._expression(side)

    def _target(self, node: ast.expr) -> object:
        """The object that a call names, looked up as the function would; None where that needs running code."""
        match node:
            case ast.Name(id=name):
                code = self._function.__code__
                if name in code.co_varnames or name in code.co_cellvars:
                    return None  # what a variable of the plan holds is known only when it runs
                return next((scope[name] for scope in self._scopes if name in scope), None)
            case ast.Attribute(value=value, attr=attribute):
                owner = self._target(value)
                if isinstance(owner, Tool | Granted):  # refund.only(order=…), and only that
                    return limits_of if attribute == "only" else None
                return getattr(owner, attribute, None) if inspect.ismodule(owner) else None
            case ast.Call(func=ast.Attribute(value=value, attr="as_" | "limited")):  # extract.as_("first")(mail)
                return self._target(value)
            case ast.Call(func=ast.Attribute(value=value, attr="only")):  # refund.only(…).only(…)
                owner = self._target(value)
                return owner if isinstance(owner, Tool | Granted) else None
            case _:
                return None

    def _touches(self, node: ast.AST) -> bool:
        return any(
            (isinstance(inner, ast.Name) and inner.id in self._traced)
            or (isinstance(inner, ast.Call) and self._callable_in_plan(self._target(inner.func)))
            for inner in ast.walk(node)
        )

    def _refuse(self, node: ast.AST, problem: str, fix: str) -> NoReturn:
        line = getattr(node, "lineno", self._function.__code__.co_firstlineno)
        raise PlanError(problem, fix=fix, where=f"{self._file}:{line}")


def _scopes(function: FunctionType) -> tuple[Mapping[str, object], ...]:
    """Where the names in a function's body are looked up, innermost first."""
    closure = {}
    for name, holder in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            closure[name] = holder.cell_contents
        except ValueError:  # not assigned yet
            closure[name] = None
    return closure, function.__globals__, vars(builtins)


def _position(node: ast.expr) -> Position:
    # Columns of the syntax tree count UTF-8 bytes, as those of code positions do.
    return node.end_lineno or 0, node.end_col_offset or 0

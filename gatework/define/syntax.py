"""The small language of a plan's body, checked on its syntax tree before the function is traced.

Tracing sees calls and comparisons. It cannot see `is`, `in`, `if`, `match` or a call of another function
with a traced value: those would quietly take one branch. So everything that touches a traced value must be
in the language: assignment, calls of stages and constructs, attributes, comparisons, `return`. Ways and bodies, which
are lambdas handed to a construct or functions defined in the plan, are in the same language.
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

from gatework.define.builder import Position
from gatework.define.limit import limits_of
from gatework.define.signature import caller, shown_path
from gatework.define.tool import Granted, Tool
from gatework.errors import PlanError

_FIXES: Mapping[type[ast.AST], tuple[str, str]] = {
    ast.If: ("an `if`", "Use when(…), or choose(…) on the type of a value."),
    ast.IfExp: ("a conditional expression", "Use when(…), or choose(…) on the type of a value."),
    ast.For: ("a `for` loop", "Use each(…)."),
    ast.AsyncFor: ("an `async for` loop", "Use each(…)."),
    ast.While: ("a `while` loop", "Use repeat(…)."),
    ast.Match: ("a `match`", "Use choose(…) with a case(…) for each type."),
    ast.BoolOp: ("`and` or `or`", "Use all_of(…) or any_of(…)."),
    ast.BinOp: ("arithmetic", "Compute in a stage."),
    ast.JoinedStr: ("an f-string", "Write text in a stage."),
    ast.Subscript: ("a subscript", "Use fields of models."),
    ast.Lambda: ("a lambda", "Hand it to choose, when, parallel, each or repeat where it stands, or use a stage."),
    ast.ListComp: ("a comprehension", "Use each(…), or let one stage handle the list."),
    ast.SetComp: ("a comprehension", "Use each(…), or let one stage handle the list."),
    ast.DictComp: ("a comprehension", "Use each(…), or let one stage handle the list."),
    ast.GeneratorExp: ("a generator", "Use each(…), or let one stage handle the list."),
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
    unpacked: dict[Position, tuple[str, ...]] = field(default_factory=dict)
    """Calls whose outputs are assigned one by one, with the variables."""
    acknowledged: set[Position] = field(default_factory=set)
    """Calls assigned to `_`: their output is left unused on purpose."""
    result: str = ""
    """`file:line` of the last `return`."""


@dataclass(frozen=True, kw_only=True)
class Language:
    """What a plan may call, and how."""

    callable: Callable[[object], bool]
    """Whether it may be called with values of the plan."""
    with_ways: tuple[object, ...] = ()
    """Of these, those that take ways or bodies: lambdas, and functions defined in the plan."""
    bare: tuple[object, ...] = ()
    """Those that may stand alone, since they may give nothing."""
    several: tuple[object, ...] = ()
    """Those that give several values, which are assigned one by one."""

    def takes_ways(self, target: object) -> bool:
        return any(target is construct for construct in self.with_ways)


def check(function: Callable[..., Any], language: Language) -> Names:
    """Check a plan's function. Raises `PlanError` with line and fix."""
    if not isinstance(function, FunctionType) or function.__name__ == "<lambda>":
        raise PlanError("@workflow needs a plain function.", fix="Define the plan with def.", where=caller())
    checker = _Checker(function, language)
    checker.run()
    return checker.names


class _Checker:
    def __init__(self, function: FunctionType, language: Language) -> None:
        self._function = function
        self._language = language
        self._file = shown_path(function.__code__.co_filename)
        self._traced: set[str] = set(inspect.signature(function).parameters)
        """Variables that hold values of the plan, or its functions, at the place that is looked at."""
        self._ever: set[str] = set(self._traced)
        """Those that do so anywhere: a function of the plan sees its variables as they are when it is called."""
        self._inner: set[str] = set()
        """Variables of the functions and lambdas around that place, inside the plan."""
        self._scopes = _scopes(function)
        self.names = Names()

    def run(self) -> None:
        definition = self._definition()
        if isinstance(definition, ast.AsyncFunctionDef):
            self._refuse(definition, "the plan is async.", "Write `def`: a plan is read once, not run.")
        if inspect.isgeneratorfunction(self._function):
            self._refuse(definition, "`yield` in a plan.", "Return what the last stage gave.")
        self._lambdas(definition)
        body = self._body(definition)
        if not body or not isinstance(body[-1], ast.Return):
            self._refuse(definition, "the plan returns nothing.", "Return what the last stage gave.")
        self.names.result = f"{self._file}:{body[-1].lineno}"

    def _lambdas(self, definition: ast.FunctionDef) -> None:
        """Refuse each lambda that is not handed to a construct: nothing would look at what is inside."""
        handed = {
            id(argument)
            for call in ast.walk(definition)
            if isinstance(call, ast.Call) and self._language.takes_ways(self._target(call.func))
            for argument in (*call.args, *(keyword.value for keyword in call.keywords))
        }
        for node in ast.walk(definition):
            if isinstance(node, ast.Lambda) and id(node) not in handed:
                problem, fix = _FIXES[ast.Lambda]
                self._refuse(node, f"{problem} in a plan.", fix)

    def _body(self, definition: ast.FunctionDef) -> list[ast.stmt]:
        """Check the statements of the plan or of a function in it; those of functions inside come last."""
        body = definition.body
        if isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant):
            body = body[1:]
        for statement in body:
            self._statement(statement)
        for inner in body:
            if isinstance(inner, ast.FunctionDef):
                around = self._traced, self._inner
                taken = {argument.arg for argument in inner.args.args}
                assigned = {
                    node.id
                    for node in ast.walk(inner)
                    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
                }
                self._ever |= taken
                self._traced, self._inner = set(self._ever), self._inner | taken | assigned
                self._body(inner)
                self._traced, self._inner = around
        return body

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
            case ast.Assign(targets=[ast.Tuple(elts=names)], value=ast.Call() as call) if self._gives_several(call):
                self._unpacking(names, call)
            case ast.Assign(targets=[ast.Tuple() | ast.List()]):
                self._refuse(
                    statement,
                    "an output is unpacked.",
                    "A stage gives one value; name its fields. Only parallel(…) gives several.",
                )
            case ast.Assign(targets=[ast.Attribute() | ast.Subscript()]) | ast.AnnAssign():
                self._refuse(statement, "an assignment to something else than a name.", "Assign to a name.")
            case ast.Assign():
                self._refuse(statement, "an assignment to more than one name.", "Assign to one name.")
            case ast.Return(value=value):
                if value is None:
                    self._refuse(statement, "the plan returns nothing.", "Return what the last stage gave.")
                self._expression(value)
            case ast.FunctionDef():
                self._function_of_the_plan(statement)
            case ast.Expr(value=ast.Call() as call):
                self._expression(call)
                if any(self._target(call.func) is construct for construct in self._language.bare):
                    return
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
            self._holds(name)
        else:
            self._traced.discard(name)

    def _holds(self, name: str) -> None:
        self._traced.add(name)
        self._ever.add(name)

    def _gives_several(self, call: ast.Call) -> bool:
        target = self._target(call.func)
        return any(target is construct for construct in self._language.several)

    def _unpacking(self, targets: list[ast.expr], call: ast.Call) -> None:
        self._expression(call)
        names = []
        for target in targets:
            if not isinstance(target, ast.Name):
                self._refuse(target, "an output is assigned to something else than a name.", "Assign to names.")
            names.append(target.id)
            if target.id != "_":
                self._holds(target.id)
        self.names.unpacked[_position(call)] = tuple(names)

    def _function_of_the_plan(self, definition: ast.FunctionDef) -> None:
        """A function defined in the plan, whose body is checked once it is known what its variables may hold."""
        if definition.decorator_list:
            self._refuse(definition, f"{definition.name} is decorated.", "Functions in a plan stand by themselves.")
        self._parameters(definition, definition.args, definition.name)
        annotations = [argument.annotation for argument in definition.args.args]
        if any(written is not None and self._touches(written) for written in (*annotations, definition.returns)):
            self._refuse(definition, f"{definition.name} is annotated with a value.", "Annotate it with types.")
        self._holds(definition.name)

    def _parameters(self, node: ast.AST, arguments: ast.arguments, what: str) -> None:
        if arguments.posonlyargs or arguments.kwonlyargs or arguments.vararg or arguments.kwarg or arguments.defaults:
            self._refuse(node, f"{what} takes more than plain parameters.", "Name each, without a default.")

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
        if not self._language.callable(target):
            if isinstance(node.func, ast.Name) and node.func.id == self._function.__name__:
                self._refuse(node, f"{node.func.id} calls itself.", "Use repeat(…), or call another workflow.")
            self._refuse(
                node,
                f"`{ast.unparse(node.func)}` is called with a value of the plan.",
                "A plan calls stages and gatework's constructs; make it a stage.",
            )
        self.names.of[_position(node)] = ""
        self._limits(node.func)
        for keyword in node.keywords:
            if keyword.arg is None:
                self._refuse(node, "a starred argument.", "Name each argument.")
        for argument in (*node.args, *(keyword.value for keyword in node.keywords)):
            if isinstance(argument, ast.Lambda) and self._language.takes_ways(target):
                self._lambda(argument)
            else:
                self._expression(argument)

    def _lambda(self, node: ast.Lambda) -> None:
        self._parameters(node, node.args, "a lambda")
        taken = {argument.arg for argument in node.args.args}
        around = self._traced, self._inner
        self._traced, self._inner = self._traced | taken, self._inner | taken
        self._expression(node.body)
        self._traced, self._inner = around

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
                if name in code.co_varnames or name in code.co_cellvars or name in self._inner:
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
            or isinstance(inner, ast.Lambda)
            or (isinstance(inner, ast.Call) and self._language.callable(self._target(inner.func)))
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

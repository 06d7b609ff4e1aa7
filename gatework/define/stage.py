"""Stages: the units of work that a plan puts in order."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, Concatenate, Generic, NoReturn, ParamSpec, TypeVar, cast, overload

from gatework.define import trace
from gatework.define.adopted import awaitable, is_adopted
from gatework.define.builder import Builder
from gatework.define.declared import EXPIRY, TIMEOUT, check_limits, check_undo, grants, stage_signature
from gatework.define.ending import Ending
from gatework.define.endorser import Endorser
from gatework.define.guard import Guard, as_guard
from gatework.define.roles import Role, sealed_override
from gatework.define.signature import caller, calling_module
from gatework.define.tool import Granted, Tool
from gatework.errors import PlanError
from gatework.plan.expr import Ref
from gatework.plan.labels import Endorsed, Untrusted
from gatework.plan.plan import Budget, Limit, Param, ToolUse, Work
from gatework.values.verdict import Block, Verdict

P = ParamSpec("P")
O = TypeVar("O")  # noqa: E741  # the output
T = TypeVar("T")


class Stage(Generic[P, O]):
    """A unit of work with typed inputs and output, guards and a grant. Called in a plan, it becomes a node."""

    def __init__(
        self,
        function: Callable[..., Awaitable[Any]],
        *,
        guards: Sequence[Any] = (),
        before: Sequence[Any] = (),
        tools: Sequence[Tool[..., Any] | Granted] = (),
        attempts: int = 1,
        timeout: timedelta = TIMEOUT,
        budget: Budget | None = None,
        operator: Role | None = None,
        override: Role | None = None,
        expires: timedelta = EXPIRY,
        on: str = "",
        undo: Stage[..., Any] | None = None,
        node_name: str = "",
        home: str = "",
        narrowed: Sequence[Granted] = (),
    ) -> None:
        self.function = awaitable(function)
        self.declared = stage_signature(self.function, tools)
        self.adopted = is_adopted(function)
        """Whether the function stands elsewhere than its stage, and is known by the stage's name there."""
        self.home = home or calling_module()
        """The module in which it was declared."""
        self.name = self.declared.name
        self.guards = tuple(as_guard(guard) for guard in guards)
        self.before = tuple(as_guard(guard) for guard in before)
        self.grants = grants(tools, self.name, self.declared.where)
        """Its tools, with the limits that it is declared with."""
        self.tools = tuple(granted.tool for granted in self.grants)
        self.narrowed = tuple(narrowed)
        """Further limits, of the call in a plan."""
        self.attempts = attempts
        self.timeout = timeout
        self.budget = budget
        self.operator = operator or Role("operator")
        self.override = override
        self.expires = expires
        self.on = on
        self.undo = undo
        self.node_name = node_name
        place = self.declared.where
        for names in ([part.name for part in parts] for parts in (self.before, self.guards, self.tools)):
            for twice in {name for name in names if names.count(name) > 1}:
                raise PlanError(f"{self.name} names {twice} twice.", fix="Name it once.", where=place)
        check_limits(self.name, place, attempts, timeout, expires, on, budget)
        if undo is not None:
            if type(undo) is not Stage or undo.undo is not None:
                problem = f"what undoes {self.name} is no stage by itself."
                raise PlanError(problem, fix="Give undo= a stage, which nothing undoes.", where=place)
            check_undo(self.declared, undo.declared)
        self.guard_uses = tuple(guard.use(self.declared) for guard in self.guards)
        self.before_uses = tuple(guard.use_before(self.declared) for guard in self.before)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> O:
        """In a plan: a node that runs this stage. To call the function itself, in a test, use `stage.function`."""
        builder = trace.required(f"the stage {self.name}")
        try:
            bound = self.declared.signature.bind(*args, **kwargs)
        except TypeError as error:
            raise PlanError(f"{self.name}: {error}.", fix="Pass its inputs.", where=builder.here()[0]) from None
        builder.define(self)
        params = tuple(
            builder.param(declared, bound.arguments.get(name, declared.default), f"{name} of {self.name}")
            for name, declared in self.declared.params.items()
        )
        node = self._work(builder, builder.name(self.name, self.node_name), params)
        if self.undo is not None:
            node = replace(node, undo=builder.free(f"undo_{node.name}"))
        value = builder.add(node, self.declared.result.type)
        if self.undo is not None:
            builder.undone_by(self.undo.undoing(builder, node))
        return cast(O, value)

    def undoing(self, builder: Builder, undone: Work) -> Work:
        """The work that undoes a node: it takes what that gave, and inputs of it by their names."""
        builder.define(self)
        given = {param.name: param.source for param in undone.params}
        first, *others = self.declared.params.values()
        params = [
            Param(name=first.name, label=first.label, contract=builder.seal(first.contract), source=Ref(undone.name))
        ]
        for declared in others:
            source = given.get(declared.name)
            params.append(
                builder.param(declared, declared.default, f"{declared.name} of {self.name}")
                if source is None
                else Param(
                    name=declared.name, label=declared.label, contract=builder.seal(declared.contract), source=source
                )
            )
        return self._work(builder, undone.undo, tuple(params))

    def _work(self, builder: Builder, name: str, params: tuple[Param, ...]) -> Work:
        for tool in self.tools:
            for boundary in (tool.interface.arguments, tool.interface.result):
                builder.seal(boundary)
        return Work(
            name=name,
            runs=self.name,
            params=params,
            label=self.declared.result.label,
            contract=builder.seal(self.declared.result.contract),
            before=self.before_uses,
            guards=self.guard_uses,
            tools=self.tool_uses,
            attempts=self.attempts,
            timeout_seconds=self.timeout.total_seconds(),
            budget=self.budget,
            operator=self.operator.sealed(),
            override=sealed_override(self.override),
            expires_seconds=self.expires.total_seconds(),
            queue=self.on,
        )

    @property
    def checks(self) -> tuple[Guard[Any, Any], ...]:
        """Its guards, those of inputs first."""
        return (*self.before, *self.guards)

    @property
    def tool_uses(self) -> tuple[ToolUse, ...]:
        """Its grant, with every limit."""
        return tuple(
            replace(granted.use, limits=granted.limits + _limits_on(granted.tool, self.narrowed))
            for granted in self.grants
        )

    def as_(self, node_name: str) -> Stage[P, O]:
        """The same stage under another name in the plan, where it is called more than once."""
        if not node_name.isidentifier():
            raise PlanError(f"{node_name!r} is no name of a node.", fix="Use letters, digits and _.", where=caller())
        return self._copy(node_name, self.narrowed)

    def limited(self, *narrower: Granted) -> Stage[P, O]:
        """The same stage with further limits on its tools: `pay.limited(refund_order.only(order=owed.value.order))`.

        Every limit that it has is kept. In a plan, limits may be values of the plan that are not untrusted.
        Raises `PlanError` where the stage does not hold a tool.
        """
        if not narrower:
            _refuse(f"{self.name}.limited() limits nothing.", "Pass tool.only(…).")
        for granted in narrower:
            if not isinstance(granted, Granted):
                _refuse(f"{self.name} is limited by what is no grant.", "Pass tool.only(…), with what it limits.")
            if not any(granted.tool is tool for tool in self.tools):
                held = ", ".join(tool.name for tool in self.tools) or "none"
                _refuse(
                    f"{self.name} does not hold {granted.tool.name}, so its call cannot be limited.",
                    f"Limit a tool that it holds ({held}), or grant it with tools=.",
                )
        return self._copy(self.node_name, (*self.narrowed, *narrower))

    def _copy(self, node_name: str, narrowed: Sequence[Granted]) -> Stage[P, O]:
        return Stage(
            self.function,
            guards=self.guards,
            before=self.before,
            tools=self.grants,
            attempts=self.attempts,
            timeout=self.timeout,
            budget=self.budget,
            operator=self.operator,
            override=self.override,
            expires=self.expires,
            on=self.on,
            undo=self.undo,
            node_name=node_name,
            home=self.home,
            narrowed=narrowed,
        )


def _limits_on(tool: Tool[..., Any], narrowed: Sequence[Granted]) -> tuple[Limit, ...]:
    return tuple(limit for granted in narrowed if granted.tool is tool for limit in granted.limits)


def _refuse(problem: str, fix: str) -> NoReturn:
    builder = trace.building()
    raise PlanError(problem, fix=fix, where=(builder.here()[0] if builder else "") or caller())


Definition = Stage[Any, Any] | Endorser | Ending
"""What a node can run."""


class _Unguarded:
    """What `stage()` without guards gives: a decorator that keeps the stage's types."""

    def __init__(self, options: dict[str, Any]) -> None:
        self._options = options

    # A function that only ever blocks would match every form; the first one then serves.
    @overload
    def __call__(  # type: ignore[overload-overlap]
        self, function: Callable[P, Awaitable[Untrusted[T] | Block]], /
    ) -> Stage[P, Untrusted[T]]: ...
    @overload
    def __call__(self, function: Callable[P, Awaitable[Endorsed[T] | Block]], /) -> Stage[P, Endorsed[T]]: ...
    @overload
    def __call__(self, function: Callable[P, Awaitable[T | Block]], /) -> Stage[P, T]: ...
    def __call__(self, function: Any, /) -> Any:
        return Stage(function, **self._options)


class _Guarded(Generic[T]):
    """What `stage(guard, …)` gives: a decorator for stages whose output the guards look at."""

    def __init__(self, options: dict[str, Any]) -> None:
        self._options = options

    # A function that only ever blocks would match every form; the first one then serves.
    @overload
    def __call__(  # type: ignore[overload-overlap]
        self, function: Callable[P, Awaitable[Untrusted[T] | Block]], /
    ) -> Stage[P, Untrusted[T]]: ...
    @overload
    def __call__(self, function: Callable[P, Awaitable[Endorsed[T] | Block]], /) -> Stage[P, Endorsed[T]]: ...
    @overload
    def __call__(self, function: Callable[P, Awaitable[T | Block]], /) -> Stage[P, T]: ...
    def __call__(self, function: Any, /) -> Any:
        return Stage(function, **self._options)


_Check = Callable[Concatenate[T, ...], Verdict | Awaitable[Verdict]]
_CheckOfInputs = Callable[..., Verdict | Awaitable[Verdict]]


@overload
def stage(
    *,
    before: Sequence[_CheckOfInputs] = (),
    tools: Sequence[Tool[..., Any] | Granted] = (),
    attempts: int = 1,
    timeout: timedelta = TIMEOUT,
    budget: Budget | None = None,
    operator: Role | None = None,
    override: Role | None = None,
    expires: timedelta = EXPIRY,
    on: str = "",
    undo: Stage[..., Any] | None = None,
) -> _Unguarded: ...
@overload
def stage(
    guard: _Check[T],
    /,
    *guards: _Check[T],
    before: Sequence[_CheckOfInputs] = (),
    tools: Sequence[Tool[..., Any] | Granted] = (),
    attempts: int = 1,
    timeout: timedelta = TIMEOUT,
    budget: Budget | None = None,
    operator: Role | None = None,
    override: Role | None = None,
    expires: timedelta = EXPIRY,
    on: str = "",
    undo: Stage[..., Any] | None = None,
) -> _Guarded[T]: ...
def stage(
    *guards: Any,
    before: Sequence[_CheckOfInputs] = (),
    tools: Sequence[Tool[..., Any] | Granted] = (),
    attempts: int = 1,
    timeout: timedelta = TIMEOUT,
    budget: Budget | None = None,
    operator: Role | None = None,
    override: Role | None = None,
    expires: timedelta = EXPIRY,
    on: str = "",
    undo: Stage[..., Any] | None = None,
) -> Any:
    """Declare a stage: an async function with typed inputs and output, run as one activity.

    `guards` look at the output, in order; those in `before` at the inputs that they name, before the stage works.
    `tools` are those that the stage may call, each with the limits of `tool.only(…)`, if any; no other can be called.
    `budget` is what it may spend over all its attempts. `attempts` counts the tries before a person of `operator` is
    asked, for at most `expires`. `override` is who may let the stage past what stopped it, with a reason; without it
    nobody may. `timeout` bounds one attempt, guards included. `on` names the task queue whose workers run it, where
    those of the run must not. `undo` is the stage that undoes it where a run ends otherwise than it should: it takes
    the output, and then inputs of this stage by their names.
    Raises `PlanError` at import where types, labels or guards do not fit.
    """
    options = {
        "guards": tuple(as_guard(guard) for guard in guards),
        "before": tuple(as_guard(guard) for guard in before),
        "tools": tools,
        "attempts": attempts,
        "timeout": timeout,
        "budget": budget,
        "operator": operator,
        "override": override,
        "expires": expires,
        "on": on,
        "undo": undo,
    }
    return _Guarded(options) if guards else _Unguarded(options)

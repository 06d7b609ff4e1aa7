"""Tools and effects: typed functions that reach outside, callable only by a stage that was granted them.

A tool is a Python function (`@tool`, `@effect`), or one of another program that is described by JSON Schemas
(`Tool(interface.of_schemas(…))`, as those of MCP servers are). Either way a call is one JSON object that keeps to a
sealed contract, and so is its result.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from typing import (
    Annotated,
    Any,
    ClassVar,
    Concatenate,
    Generic,
    Literal,
    NewType,
    NoReturn,
    ParamSpec,
    Self,
    TypeVar,
    get_args,
    get_origin,
    overload,
)
from uuid import UUID

from gatework.define import signature
from gatework.define.interface import Interface, of_function
from gatework.define.limit import limits_of
from gatework.define.roles import Role
from gatework.define.secret import Secret
from gatework.errors import PlanError
from gatework.plan.plan import QUEUE_FIX, Limit, ToolUse, is_queue
from gatework.values.contract import name_of
from gatework.values.verdict import Block

P = ParamSpec("P")
R = TypeVar("R")

IdempotencyKey = NewType("IdempotencyKey", str)
"""What names one effect for ever: 64 hex digits of the run's lineage, the node and the business key."""

TIMEOUT = timedelta(minutes=1)
"""How long one call of a tool may take unless it says otherwise."""


class Tool(Generic[P, R]):
    """A typed function that reaches outside. A stage calls it by its types, a model by the schema of its arguments."""

    kind: ClassVar[Literal["tool", "effect"]] = "tool"

    def __init__(
        self,
        interface: Interface,
        *,
        untrusted: bool = False,
        private: bool = False,
        egress: bool = False,
        on: str = "",
        approve_calls: Role | None = None,
        timeout: timedelta = TIMEOUT,
        descriptor: str = "",
    ) -> None:
        self.interface = interface
        self.name = interface.name
        self.where = interface.where
        self.function = interface.function
        """What does it, without any check: for tests."""
        self.untrusted = untrusted
        self.private = private
        self.egress = egress
        self.on = on
        self.approver = approve_calls
        self.timeout = timeout
        self.descriptor = descriptor
        """Digest of what another program says of the tool; empty for one of our own."""
        if approve_calls is not None and not isinstance(approve_calls, Role):
            self._refuse("does not say who approves its calls.", "Write approve_calls=role('…').")
        if timeout <= timedelta():
            self._refuse("has no time.", "Give timeout= a timedelta longer than nothing.")
        if on and not is_queue(on):
            self._refuse(f"runs on {on!r}, which is no name of a task queue.", QUEUE_FIX)

    async def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call it from a stage. Raises `GrantError` where the running stage does not hold it, or not so."""
        from gatework.perform import cell  # with asyncio, which a definition can do without

        here = cell.current()
        found: R = self.interface.value(await here.call(self, self.interface.bound(args, kwargs)))
        return found

    def only(self, /, **limits: object) -> Granted:
        """This tool, with limits on its arguments: what each must equal, or `at_most(…)` and the like.

        In a plan, at `stage.limited(tool.only(…))(…)`, limits may be values of the plan that are not untrusted.
        Raises `PlanError`.
        """
        return Granted(self, limits_of(self.name, self.interface.parts, limits))

    @property
    def use(self) -> ToolUse:
        """The tool in a plan, without limits."""
        return ToolUse(
            name=self.name,
            kind=self.kind,
            arguments=self.interface.arguments.digest,
            result=self.interface.result.digest,
            untrusted=self.untrusted,
            private=self.private,
            egress=self.egress,
            approver=self.approver.sealed() if self.approver else None,
            queue=self.on,
            timeout_seconds=self.timeout.total_seconds(),
            descriptor=self.descriptor,
        )

    def _refuse(self, problem: str, fix: str) -> NoReturn:
        what = "the effect" if self.kind == "effect" else "the tool"
        raise PlanError(f"{what} {self.name} {problem}", fix=fix, where=self.where)

    def __repr__(self) -> str:
        return f"<{self.kind} {self.name}>"


class TrustedTool(Tool[P, R]):
    """A tool that gives what is ours, and no outside text."""

    def only(self, /, **limits: object) -> TrustedGranted:
        """This tool, with limits on its arguments, as `Tool.only`."""
        return TrustedGranted(self, limits_of(self.name, self.interface.parts, limits))


class Effect(TrustedTool[P, R]):
    """A tool that changes the outside world, once for each key. It is called without the key."""

    kind = "effect"

    def __init__(self, interface: Interface, *, once: str, probe: Any = None, **flags: Any) -> None:
        super().__init__(interface, **flags)
        self.once = once
        """The argument that is its business key."""
        self.probe = probe
        if once not in interface.parts:
            self._refuse(f"has no argument {once!r} to be its business key.", "Name an argument in once=.")
        if not _names_one_thing(interface, once):
            kept = interface.parts[once].type
            self._refuse(
                f"has {once} as its business key, a {'JSON value' if kept is None else name_of(kept)}.",
                "Use a str, int or UUID: two ways of writing one key would be two effects.",
            )
        if self.untrusted:
            self._refuse(
                "gives back outside text.",
                "Read it with a tool of its own: no stage that holds an effect reads what is untrusted.",
            )
        self.asking = None if probe is None else self._asking(probe)
        """How the probe is called: with the key, and with secrets of its own."""

    @property
    def use(self) -> ToolUse:
        return dataclasses.replace(super().use, once=self.once, probe=self.probe is not None)

    def _asking(self, probe: Any) -> Interface:
        asked = signature.read(probe, "the probe", beside=(Secret,))
        signature.must_be_async(probe, asked)
        given = asked.result.type
        if [d.type for d in asked.params.values() if d.type is not Secret] != [IdempotencyKey] or not (
            self.interface.returns is None or signature.accepts(given, self.interface.returns)
        ):
            raise PlanError(
                f"the probe {asked.name} cannot answer for {self.name}.",
                fix="Write `async def probe(key: IdempotencyKey) -> Result | None`.",
                where=asked.where,
            )
        return of_function(probe, "the probe", key=IdempotencyKey)


@dataclass(frozen=True)
class Granted:
    """A tool with limits on its arguments, all of which must hold."""

    tool: Tool[..., Any]
    limits: tuple[Limit, ...] = ()

    def only(self, /, **limits: object) -> Self:
        """With further limits; those that it has are kept."""
        return type(self)(self.tool, (*self.limits, *self.tool.only(**limits).limits))

    @property
    def use(self) -> ToolUse:
        """The tool in a plan, with its limits."""
        return dataclasses.replace(self.tool.use, limits=self.limits)


class TrustedGranted(Granted):
    """A tool that gives no outside text, with limits on its arguments."""


def _names_one_thing(interface: Interface, once: str) -> bool:
    part = interface.parts[once]
    if part.type is None:
        return part.boundary.schema.get("type") in ("string", "integer")
    return _is_name(part.type)


def _is_name(annotation: Any) -> bool:
    annotation = getattr(annotation, "__supertype__", annotation)
    if get_origin(annotation) is Annotated:
        return _is_name(get_args(annotation)[0])
    return annotation in (str, int, UUID) or (inspect.isclass(annotation) and issubclass(annotation, Enum))


class _ToolOf:
    """What `tool(…)` gives: a decorator that keeps the types of arguments and result."""

    def __init__(self, name: str, flags: dict[str, Any]) -> None:
        self._name = name
        self._flags = flags

    def __call__(self, function: Callable[P, Awaitable[R | Block]], /) -> TrustedTool[P, R]:
        return TrustedTool(of_function(function, "the tool", name=self._name), **self._flags)


class _UntrustedToolOf(_ToolOf):
    """What `tool(untrusted=True)` gives."""

    def __call__(self, function: Callable[P, Awaitable[R | Block]], /) -> Tool[P, R]:  # type: ignore[override]
        return Tool(of_function(function, "the tool", name=self._name), untrusted=True, **self._flags)


class _EffectOf:
    """What `effect(…)` gives: a decorator that keeps the types of arguments and result."""

    def __init__(self, name: str, flags: dict[str, Any]) -> None:
        self._name = name
        self._flags = flags

    def __call__(self, function: Callable[Concatenate[IdempotencyKey, P], Awaitable[R | Block]], /) -> Effect[P, R]:
        return Effect(of_function(function, "the effect", name=self._name, key=IdempotencyKey), **self._flags)


@overload
def tool(function: Callable[P, Awaitable[R | Block]], /) -> TrustedTool[P, R]: ...
@overload
def tool(
    *,
    untrusted: Literal[False] = False,
    private: bool = False,
    egress: bool = False,
    on: str = "",
    approve_calls: Role | None = None,
    timeout: timedelta = TIMEOUT,
    name: str = "",
) -> _ToolOf: ...
@overload
def tool(
    *,
    untrusted: Literal[True],
    private: bool = False,
    egress: bool = False,
    on: str = "",
    approve_calls: Role | None = None,
    timeout: timedelta = TIMEOUT,
    name: str = "",
) -> _UntrustedToolOf: ...
def tool(function: Any = None, /, *, untrusted: bool = False, name: str = "", **flags: Any) -> Any:
    """Declare a tool: a typed async function that reads from outside.

    `untrusted` says that what it gives is outside text, `private` that it must not leave, `egress` that its arguments
    can carry data out. `approve_calls` names who is asked before each call, `on` the task queue whose workers run it,
    `timeout` bounds one call. A tool that changes the outside world is an `@effect`.
    Raises `PlanError` at import where its types cannot be sealed.
    """
    made = (_UntrustedToolOf if untrusted else _ToolOf)(name, flags)
    return made if function is None else made(function)


def effect(
    *,
    once: str,
    probe: Callable[[IdempotencyKey], Awaitable[Any]] | None = None,
    private: bool = False,
    egress: bool = False,
    on: str = "",
    approve_calls: Role | None = None,
    timeout: timedelta = TIMEOUT,
    name: str = "",
) -> _EffectOf:
    """Declare an effect: a tool that changes the outside world.

    `once` names the argument that is its business key: with the run's lineage and the node it makes the key
    that the outside system sees again at every further try. `probe` asks that system what became of a key:
    the recorded result, or None where it is known not to have happened. A recorded result that has a field named
    as an argument must agree with the call, or the stage blocks. Without a probe, an effect whose
    outcome is unknown waits for a person. The rest is as in `tool`.
    """
    flags = {
        "once": once,
        "probe": probe,
        "private": private,
        "egress": egress,
        "on": on,
        "approve_calls": approve_calls,
        "timeout": timeout,
    }
    return _EffectOf(name, flags)


__all__ = ["Effect", "Granted", "IdempotencyKey", "Tool", "TrustedGranted", "TrustedTool", "effect", "tool"]

"""Guards: plain functions that look at a stage's output, or at its inputs, and answer with a verdict."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from datetime import timedelta
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar, get_args, get_origin, overload

from gatework.define import signature
from gatework.define.signature import Declared, Signature
from gatework.errors import PlanError
from gatework.plan.labels import Label, members
from gatework.plan.plan import QUEUE_FIX, GuardUse, is_queue
from gatework.values.contract import name_of
from gatework.values.verdict import Verdict

T_contra = TypeVar("T_contra", contravariant=True)
P = ParamSpec("P")

TIMEOUT = timedelta(seconds=10)
"""How long a guard may think unless it says otherwise."""


class Guard(Generic[T_contra, P]):
    """A check of outputs of type T, or in `before=` of inputs. It is handed copies, without their labels."""

    def __init__(
        self,
        function: Callable[Concatenate[T_contra, P], Verdict | Awaitable[Verdict]],
        *,
        timeout: timedelta = TIMEOUT,
        binds: Mapping[str, str] | None = None,
        queue: str = "",
    ) -> None:
        self.function = function
        self.timeout = timeout
        self.queue = queue
        self.declared = signature.read(function, "the guard", contracts=False)
        self.name = self.declared.name
        self.binds: Mapping[str, str] = binds or {}
        if timeout <= timedelta():
            raise PlanError(
                f"the guard {self.name} has no time.", fix="Give it longer than nothing.", where=self.declared.where
            )
        if not _gives_verdict(self.declared.result.type):
            raise PlanError(
                f"the guard {self.name} gives {name_of(self.declared.result.type)}.",
                fix="Return a Verdict. (A stage without guards is declared with `@stage()`.)",
                where=self.declared.where,
            )
        if not self.declared.params:
            raise PlanError(
                f"the guard {self.name} takes nothing.", fix="Take what it looks at.", where=self.declared.where
            )
        labelled = [p.name for p in self.declared.params.values() if p.label is not Label.PLAIN]
        if labelled:
            raise PlanError(
                f"the guard {self.name} takes {labelled[0]} with a label.",
                fix="Guards get plain values; drop the label.",
                where=self.declared.where,
            )
        if queue and not is_queue(queue):
            raise PlanError(
                f"the guard {self.name} is isolated on {queue!r}, which is no name of a task queue.",
                fix=QUEUE_FIX,
                where=self.declared.where,
            )
        unknown = set(self.binds) - set(self.declared.params)
        if unknown:
            raise PlanError(
                f"the guard {self.name} has no parameter {min(unknown)}.",
                fix="Bind one it has.",
                where=self.declared.where,
            )

    def __call__(self, output: T_contra, /, *args: P.args, **kwargs: P.kwargs) -> Verdict | Awaitable[Verdict]:
        """Call the function as it was written, for tests of it."""
        return self.function(output, *args, **kwargs)

    def on(self, **binds: str) -> Guard[T_contra, P]:
        """The same guard reading other inputs: `quotes.on(mail="letter")` hands it the input `letter` as `mail`."""
        return Guard(self.function, timeout=self.timeout, binds={**self.binds, **binds}, queue=self.queue)

    def isolated(self, *, on: str) -> Guard[T_contra, P]:
        """The same guard in an activity of its own, run by the workers of the task queue `on` and by no others.

        For a guard that may hold up or bring down its process, such as one with a regular expression that goes back:
        it blocks its output, and holds up neither the stage's worker nor what else runs there.
        """
        return Guard(self.function, timeout=self.timeout, binds=self.binds, queue=on)

    @property
    def output(self) -> Declared:
        """The first parameter."""
        return next(iter(self.declared.params.values()))

    @property
    def inputs(self) -> tuple[Declared, ...]:
        """The parameters after the first."""
        return tuple(self.declared.params.values())[1:]

    def use(self, stage: Signature) -> GuardUse:
        """This guard at a stage, as plan data. Raises `PlanError` where it does not fit."""
        place = stage.where
        if not _looks_at(self.output.type, stage.result.type):
            raise PlanError(
                f"the guard {self.name} looks at {name_of(self.output.type)}, and {stage.name} makes "
                f"{name_of(stage.result.type)}.",
                fix="Use a guard of that type.",
                where=place,
            )
        if self.output.name in self.binds:
            raise PlanError(
                f"the guard {self.name} looks at the output as {self.output.name}, and it is bound to an input.",
                fix="Bind another parameter, or give the guard in before=[…].",
                where=place,
            )
        return self._use(stage, self.inputs)

    def use_before(self, stage: Signature) -> GuardUse:
        """This guard on a stage's inputs, as plan data. Raises `PlanError` where it does not fit."""
        if self.queue:
            raise PlanError(
                f"the guard {self.name} in before= is isolated, and guards on inputs are not.",
                fix="Isolate guards on outputs, or make the check a stage that is `on` the queue.",
                where=stage.where,
            )
        use = self._use(stage, tuple(self.declared.params.values()))
        if not use.binds:
            raise PlanError(
                f"the guard {self.name} in before= looks at no input of {stage.name}.",
                fix=f"Let it take an input of {stage.name} by its name.",
                where=stage.where,
            )
        return use

    def _use(self, stage: Signature, inputs: Sequence[Declared]) -> GuardUse:
        place = stage.where
        binds = {}
        for wanted in inputs:
            source = self.binds.get(wanted.name, wanted.name)
            given = stage.params.get(source)
            if given is None:
                if wanted.default is not signature.MISSING and wanted.name not in self.binds:
                    continue
                raise PlanError(
                    f"the guard {self.name} asks for {wanted.name}, and {stage.name} has no such input.",
                    fix=f"Name an input of {stage.name}, or bind it: {self.name}.on({wanted.name}='…').",
                    where=place,
                )
            if not _looks_at(wanted.type, given.type):
                raise PlanError(
                    f"the guard {self.name} asks for {wanted.name} as {name_of(wanted.type)}, and {stage.name} has "
                    f"{name_of(given.type)}.",
                    fix="Give both the same type.",
                    where=place,
                )
            binds[wanted.name] = source
        return GuardUse(name=self.name, binds=binds, timeout_seconds=self.timeout.total_seconds(), queue=self.queue)


@overload
def guard(function: Callable[Concatenate[T_contra, P], Verdict | Awaitable[Verdict]], /) -> Guard[T_contra, P]: ...
@overload
def guard(
    *, timeout: timedelta
) -> Callable[[Callable[Concatenate[T_contra, P], Verdict | Awaitable[Verdict]]], Guard[T_contra, P]]: ...
def guard(function: Any = None, /, *, timeout: timedelta = TIMEOUT) -> Any:
    """Make a function a guard with a deadline of its own, or one that `.on(…)` can rebind.

    A plain function needs no decorator to be given to `@stage`.
    """
    if function is None:
        return lambda function: Guard(function, timeout=timeout)
    return Guard(function, timeout=timeout)


def as_guard(function: Any) -> Guard[Any, Any]:
    """A guard from what was given to `@stage`."""
    return function if isinstance(function, Guard) else Guard(function)


def _gives_verdict(annotation: Any) -> bool:
    # A function that is not async may hand on what an async one gives.
    if get_origin(annotation) in (Awaitable, Coroutine):
        annotation = get_args(annotation)[-1]
    return all(inspect.isclass(member) and issubclass(member, Verdict) for member in members(annotation))


def _looks_at(asked: Any, given: Any) -> bool:
    if signature.accepts(asked, given) or asked is object:
        return True
    return inspect.isclass(asked) and inspect.isclass(given) and issubclass(given, asked)

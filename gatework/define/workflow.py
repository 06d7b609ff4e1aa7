"""Workflows: a plan's function, read once and sealed."""

from __future__ import annotations

import re
import uuid
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast, overload

from gatework.define import constructs, limit, syntax, trace
from gatework.define.builder import Builder, Written
from gatework.define.constructs import Startable
from gatework.define.signature import Declared, accepts, read, where
from gatework.define.stage import Definition, Stage
from gatework.errors import ContractError, PlanError
from gatework.plan.faults import faults
from gatework.plan.labels import Endorsed, Label, Untrusted
from gatework.plan.plan import Budget, Plan
from gatework.values import canonical
from gatework.values.contract import Contract, name_of

I = TypeVar("I")  # noqa: E741  # the input
O = TypeVar("O")  # noqa: E741  # the output
L_contra = TypeVar("L_contra", contravariant=True)
R_co = TypeVar("R_co", covariant=True)

_CONSTRUCTS = (
    constructs.approve,
    constructs.ask_person,
    constructs.case,
    constructs.choose,
    constructs.each,
    constructs.endorse,
    constructs.parallel,
    constructs.pause,
    constructs.repeat,
    constructs.when,
    constructs.present,
    constructs.all_of,
    constructs.any_of,
    constructs.not_,
    limit.at_most,
    limit.at_least,
    limit.between,
    limit.one_of,
    limit.matches,
    limit.limits_of,
)


class Workflow(Startable, Generic[I, O]):
    """A sealed plan with the code that its nodes run. On Temporal it is a workflow type of its own.

    `run` stands for it in `client.execute_workflow(refund.run, Mail(…), …)`.
    """

    def __init__(
        self, function: Callable[..., Any], *, key: Callable[[I], str] | None = None, budget: Budget | None = None
    ) -> None:
        names = syntax.check(function, _LANGUAGE)
        self.function = function
        self.name = function.__name__
        self.where = where(function)
        self.__doc__ = function.__doc__
        self.__module__ = function.__module__
        self.__qualname__ = function.__qualname__
        self.declared = read(function, "the workflow")
        if len(self.declared.params) != 1:
            raise PlanError(
                f"{self.name} takes {len(self.declared.params)} inputs.",
                fix="Take one, a model with all that a run starts from.",
                where=self.where,
            )
        start = next(iter(self.declared.params.values()))
        self.key = key
        if key is not None:
            _check_key(key, start)
        written = Written(function.__code__, names.of, names.unpacked, names.acknowledged)
        builder = Builder(self.name, written)
        with trace.tracing(builder):
            last = trace.traced(function(builder.start(start)), f"what {self.name} returns", where=names.result)
            builder.end(last)
        self.plan: Plan = builder.sealed(budget=budget)
        self.calls: Mapping[str, Workflow[Any, Any]] = builder.workflows
        """The workflows that it calls, by name, and those that the parts of its plan do."""
        self.definitions: Mapping[str, Definition] = builder.definitions
        for node, problem, fix in faults(self.plan):
            raise PlanError(problem, fix=fix, where=builder.place_of(node) or self.where)
        promised = self.declared.result
        if not accepts(promised.type, trace.type_of(last)) or not self.plan.label(self.plan.result).meets(
            promised.label
        ):
            raise PlanError(
                f"{self.name} returns another value than it declares.",
                fix=f"Declare {trace.describe(last)} as its result.",
                where=names.result,
            )

    def __call__(self, value: Any) -> Any:
        """In a plan: a node that starts a run of this workflow, a child run, and gives what that gives."""
        return constructs.called(self, value)

    @property
    def run(self) -> Callable[[Any, I], Awaitable[O]]:
        """What Temporal's own client starts: `client.execute_workflow(refund.run, Mail(…), …)`."""
        # The one place where the engine reaches up to its Temporal driver, and only when asked.
        from gatework.temporal.transport.reference import run_function

        return cast(
            "Callable[[Any, I], Awaitable[O]]", run_function(self.name, self.input.annotation, self.output.annotation)
        )

    def id_of(self, data: I) -> str:
        """The id of the run that starts from this input: one for each key; a new one each time where there is no key.

        A key of up to 63 letters, digits and `. _ -` stands in the id as it is, any other by its digest, so that two
        keys never share an id, and no id holds what a sender made up. Raises `ContractError` where the input breaks
        its contract, or the key function gives no key.
        """
        if self.key is None:
            return f"{self.name}-{uuid.uuid4()}"
        # A copy, as a run would see it: what the key is computed from is what the contract lets through.
        most = canonical.MAX_STORED_VALUE_BYTES  # whoever starts it minds what the server takes
        copy = self.input.read(self.input.write(data, max_bytes=most), max_bytes=most)
        try:
            key: object = self.key(copy)
        except Exception as error:
            raise ContractError(f"the key of {self.name} cannot be computed: {type(error).__name__}") from error
        if not isinstance(key, str) or not key.strip():
            raise ContractError(f"the key of {self.name} is {'empty' if isinstance(key, str) else 'no text'}")
        # A digest has 64 digits, one more than any key that stands as it is.
        return f"{self.name}-{key if _PLAIN_KEY.fullmatch(key) else canonical.digest('key', [self.name, key])}"

    @property
    def input(self) -> Contract[I]:
        """The contract of what a run starts from."""
        return cast("Contract[I]", next(iter(self.declared.params.values())).contract)

    @property
    def output(self) -> Contract[O]:
        """The contract of what a run gives."""
        return cast("Contract[O]", self.declared.result.contract)

    def __repr__(self) -> str:
        return f"<workflow {self.name}, plan {self.plan.digest[:12]}>"


class Planned(Workflow[I, O], Generic[I, O, L_contra, R_co]):
    """A workflow as plans call it: with what its plan starts from, for what it gives, both with their labels."""

    if TYPE_CHECKING:

        def __call__(self, value: L_contra) -> R_co: ...


_PLAIN_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}", re.ASCII)


def _check_key(key: Callable[..., Any], start: Declared) -> None:
    declared = read(key, "the key", contracts=False)
    taken = list(declared.params.values())
    if [param.type for param in taken] != [start.type] or taken[0].label is not Label.PLAIN:
        raise PlanError(
            f"the key {declared.name} does not take the input.",
            fix=f"Let it take a {name_of(start.type)}, without a label, and nothing else.",
            where=declared.where,
        )
    if declared.result.type is not str or declared.result.label is not Label.PLAIN:
        raise PlanError(
            f"the key {declared.name} gives a {name_of(declared.result.type)}.",
            fix="Return a str.",
            where=declared.where,
        )


def _in_plans(target: object) -> bool:
    return (
        type(target) is Stage or isinstance(target, Workflow) or any(target is construct for construct in _CONSTRUCTS)
    )


_LANGUAGE = syntax.Language(
    callable=_in_plans,
    with_ways=(constructs.case, constructs.when, constructs.parallel, constructs.each, constructs.repeat),
    bare=(constructs.choose, constructs.when, constructs.pause),
    several=(constructs.parallel,),
)


class _Keyed(Generic[I]):
    """What `workflow(key=…)` gives: a decorator for workflows that start from what the key is computed of."""

    def __init__(self, key: Callable[[I], str], budget: Budget | None) -> None:
        self._key = key
        self._budget = budget

    @overload
    def __call__(  # type: ignore[overload-overlap]
        self, function: Callable[[Untrusted[I]], Untrusted[O]], /
    ) -> Planned[I, O, Untrusted[I], Untrusted[O]]: ...
    @overload
    def __call__(  # type: ignore[overload-overlap]
        self, function: Callable[[Untrusted[I]], Endorsed[O]], /
    ) -> Planned[I, O, Untrusted[I], Endorsed[O]]: ...
    @overload
    def __call__(  # type: ignore[overload-overlap]
        self, function: Callable[[Endorsed[I]], Untrusted[O]], /
    ) -> Planned[I, O, Endorsed[I], Untrusted[O]]: ...
    @overload
    def __call__(  # type: ignore[overload-overlap]
        self, function: Callable[[Endorsed[I]], Endorsed[O]], /
    ) -> Planned[I, O, Endorsed[I], Endorsed[O]]: ...
    @overload
    def __call__(self, function: Callable[[I], Untrusted[O]], /) -> Planned[I, O, I, Untrusted[O]]: ...
    @overload
    def __call__(self, function: Callable[[I], Endorsed[O]], /) -> Planned[I, O, I, Endorsed[O]]: ...
    @overload
    def __call__(self, function: Callable[[I], O], /) -> Planned[I, O, I, O]: ...
    def __call__(self, function: Any, /) -> Any:
        return Planned(function, key=self._key, budget=self._budget)


class _Unkeyed:
    """What `workflow(budget=…)` gives: a decorator for workflows of which every run is one of its own."""

    def __init__(self, budget: Budget | None) -> None:
        self._budget = budget

    @overload
    def __call__(  # type: ignore[overload-overlap]
        self, function: Callable[[Untrusted[I]], Untrusted[O]], /
    ) -> Planned[I, O, Untrusted[I], Untrusted[O]]: ...
    @overload
    def __call__(  # type: ignore[overload-overlap]
        self, function: Callable[[Untrusted[I]], Endorsed[O]], /
    ) -> Planned[I, O, Untrusted[I], Endorsed[O]]: ...
    @overload
    def __call__(  # type: ignore[overload-overlap]
        self, function: Callable[[Endorsed[I]], Untrusted[O]], /
    ) -> Planned[I, O, Endorsed[I], Untrusted[O]]: ...
    @overload
    def __call__(  # type: ignore[overload-overlap]
        self, function: Callable[[Endorsed[I]], Endorsed[O]], /
    ) -> Planned[I, O, Endorsed[I], Endorsed[O]]: ...
    @overload
    def __call__(self, function: Callable[[I], Untrusted[O]], /) -> Planned[I, O, I, Untrusted[O]]: ...
    @overload
    def __call__(self, function: Callable[[I], Endorsed[O]], /) -> Planned[I, O, I, Endorsed[O]]: ...
    @overload
    def __call__(self, function: Callable[[I], O], /) -> Planned[I, O, I, O]: ...
    def __call__(self, function: Any, /) -> Any:
        return Planned(function, budget=self._budget)


@overload
def workflow(  # type: ignore[overload-overlap]
    function: Callable[[Untrusted[I]], Untrusted[O]], /
) -> Planned[I, O, Untrusted[I], Untrusted[O]]: ...
@overload
def workflow(  # type: ignore[overload-overlap]
    function: Callable[[Untrusted[I]], Endorsed[O]], /
) -> Planned[I, O, Untrusted[I], Endorsed[O]]: ...
@overload
def workflow(  # type: ignore[overload-overlap]
    function: Callable[[Endorsed[I]], Untrusted[O]], /
) -> Planned[I, O, Endorsed[I], Untrusted[O]]: ...
@overload
def workflow(  # type: ignore[overload-overlap]
    function: Callable[[Endorsed[I]], Endorsed[O]], /
) -> Planned[I, O, Endorsed[I], Endorsed[O]]: ...
@overload
def workflow(function: Callable[[I], Untrusted[O]], /) -> Planned[I, O, I, Untrusted[O]]: ...
@overload
def workflow(function: Callable[[I], Endorsed[O]], /) -> Planned[I, O, I, Endorsed[O]]: ...
@overload
def workflow(function: Callable[[I], O], /) -> Planned[I, O, I, O]: ...
@overload
def workflow(*, key: Callable[[I], str], budget: Budget | None = None) -> _Keyed[I]: ...
@overload
def workflow(*, budget: Budget) -> _Unkeyed: ...
def workflow(function: Any = None, /, *, key: Any = None, budget: Budget | None = None) -> Any:
    """Seal a plan. The function is read once, now; its body is the small language of plans.

    `key` gives what names a run in the business: a function of the input, without its label. Inputs of one key are one
    run, whoever starts it. `budget` is what one run may spend over all its stages.
    Raises `PlanError`, naming the line and the fix, where the plan breaks a rule.
    """
    if function is not None:
        return Planned(function)
    return _Unkeyed(budget) if key is None else _Keyed(key, budget)

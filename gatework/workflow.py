"""Workflows: a plan's function, read once and sealed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Generic, TypeVar, cast, overload

from gatework import constructs, syntax, trace
from gatework.contract import Contract
from gatework.errors import PlanError
from gatework.labels import Endorsed, Labelled, Untrusted
from gatework.plan import Input, Plan, faults
from gatework.signature import accepts, read, where
from gatework.stage import Definition, Stage
from gatework.trace import Builder

I = TypeVar("I")  # noqa: E741  # the input
O = TypeVar("O")  # noqa: E741  # the output

_CONSTRUCTS = (
    constructs.approve,
    constructs.endorse,
    constructs.present,
    constructs.all_of,
    constructs.any_of,
    constructs.not_,
)


class Workflow(Generic[I, O]):
    """A sealed plan with the code that its nodes run. On Temporal it is a workflow type of its own.

    `run` stands for it in `client.execute_workflow(refund.run, Mail(…), …)`.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        names = syntax.check(function, _callable_in_plan)
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
        builder = Builder(function.__code__, start, names.of, names.acknowledged)
        with builder.tracing():
            last = trace.traced(function(trace.input_of(start)), f"what {self.name} returns", where=names.result)
        self.plan = Plan(
            name=self.name,
            input=Input(name=start.name, label=start.label, contract=builder.seal(start.contract)),
            nodes=tuple(builder.nodes),
            result=trace.ref_of(last).node,
            contracts=dict(sorted(builder.contracts.items())),
            acknowledged=tuple(builder.acknowledged),
        )
        self.definitions: Mapping[str, Definition] = builder.definitions
        for node, problem, fix in faults(self.plan):
            raise PlanError(problem, fix=fix, where=builder.lines.get(node, self.where))
        promised = self.declared.result
        if not accepts(promised.type, trace.type_of(last)) or not self.plan.label(self.plan.result).meets(
            promised.label
        ):
            raise PlanError(
                f"{self.name} returns another value than it declares.",
                fix=f"Declare {trace.describe(last)} as its result.",
                where=names.result,
            )

    @property
    def run(self) -> Callable[[Any, I], Awaitable[O]]:
        """What Temporal's own client starts: `client.execute_workflow(refund.run, Mail(…), …)`."""
        # The one place where the engine reaches up to its Temporal driver, and only when asked.
        from gatework.temporal.reference import run_function

        return cast(
            "Callable[[Any, I], Awaitable[O]]", run_function(self.name, self.input.annotation, self.output.annotation)
        )

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


def _callable_in_plan(target: object) -> bool:
    return type(target) is Stage or any(target is construct for construct in _CONSTRUCTS)


@overload
def workflow(function: Callable[[Untrusted[I]], Labelled[O]], /) -> Workflow[I, O]: ...
@overload
def workflow(function: Callable[[Endorsed[I]], Labelled[O]], /) -> Workflow[I, O]: ...
@overload
def workflow(function: Callable[[I], Labelled[O]], /) -> Workflow[I, O]: ...
@overload
def workflow(function: Callable[[I], O], /) -> Workflow[I, O]: ...
def workflow(function: Any, /) -> Any:
    """Seal a plan. The function is read once, now; its body is the small language of plans.

    Raises `PlanError`, naming the line and the fix, where the plan breaks a rule.
    """
    return Workflow(function)

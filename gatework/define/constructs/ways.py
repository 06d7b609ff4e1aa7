"""What constructs are handed: ways and bodies, which are stages, workflows, or functions written in the plan."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial
from types import FunctionType

from gatework.define import trace
from gatework.define.builder import Builder
from gatework.define.constructs.calling import Startable, called
from gatework.define.stage import Stage
from gatework.define.trace import Traced
from gatework.errors import PlanError


def written(builder: Builder, way: object, values: int, what: str) -> Callable[..., object]:
    """What is to be called with so many values of the plan. Raises `PlanError` where its syntax was not checked."""
    place = builder.here()[0]
    if type(way) is Stage:
        # Named after what it does: the variable is that of the construct.
        return way if way.node_name else way.as_(way.name)
    if isinstance(way, Startable):
        return partial(called, way, name=way.name)
    if not isinstance(way, FunctionType) or not builder.holds(way):
        raise PlanError(
            f"{what} is not written in the plan.",
            fix="Write a lambda where it is used or a function in the plan; or hand on a stage.",
            where=place,
        )
    taken = len(inspect.signature(way).parameters)
    if taken != values:
        raise PlanError(
            f"{what} takes {_counted(taken)} and is given {_counted(values)}.", fix="Let it take as many.", where=place
        )
    return way


def given(builder: Builder, result: object, what: str) -> Traced:
    """What a way gave: a whole value of the plan. Raises `PlanError`."""
    return trace.traced(result, f"what {what} gives", where=builder.here()[0])


def _counted(values: int) -> str:
    return {0: "nothing", 1: "one value"}.get(values, f"{values} values")

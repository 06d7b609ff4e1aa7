"""Workflow types made from plans: one for each, named as its function, all run by the same interpreter."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from temporalio import workflow
from temporalio.common import RawValue

from gatework.library import Library
from gatework.temporal.interpreter import Interpreter


def run_function(name: str, input_type: Any, output_type: Any) -> Callable[..., Awaitable[Any]]:
    """What a client names the workflow by: carries its type name and the types of input and result."""

    class Started:
        async def run(self, input: Any) -> Any:  # shown by this name
            raise NotImplementedError("started on a worker, never called")

    Started.run.__annotations__.update({"input": input_type, "return": output_type})
    run: Callable[..., Awaitable[Any]] = _defined(Started, name).run
    return run


def workflow_class(name: str, library: Library) -> type[Interpreter]:
    """The class that a worker serves for a workflow.

    It runs outside the sandbox: no code of users runs in it. Other workflows of the worker stay in theirs.
    """

    class Interpreted(Interpreter):
        async def run(self, *inputs: object) -> RawValue:
            return await self._run(inputs)

    Interpreted.library = library
    Interpreted.name = name
    served: type[Interpreter] = _defined(Interpreted, name)
    definition = workflow._Definition.must_from_class(served)
    # One raw input, whatever it holds; any other number is decoded loosely, and then refused by us.
    object.__setattr__(definition, "arg_types", [RawValue])
    object.__setattr__(definition, "ret_type", RawValue)
    return served


def _defined(cls: Any, name: str) -> Any:
    # Temporal wants the run method to look as if it stood in the class of that name in this module.
    cls.__module__ = cls.run.__module__ = __name__
    cls.__name__ = cls.__qualname__ = name
    cls.run.__qualname__ = f"{name}.run"
    cls.run = workflow.run(cls.run)
    # Input that Temporal cannot decode is a RuntimeError of its own; it fails the run instead of blocking it.
    return workflow.defn(name=name, sandboxed=False, failure_exception_types=[RuntimeError])(cls)

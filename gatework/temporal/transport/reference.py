"""What a client names a workflow by. Knows nothing of the interpreter, so that clients need not load it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from temporalio import workflow


def run_function(name: str, input_type: Any, output_type: Any) -> Callable[..., Awaitable[Any]]:
    """What a client names the workflow by: carries its type name and the types of input and result."""

    class Started:
        async def run(self, input: Any) -> Any:  # shown by this name
            raise NotImplementedError("started on a worker, never called")

    Started.run.__annotations__.update({"input": input_type, "return": output_type})
    run: Callable[..., Awaitable[Any]] = defined(Started, name).run
    return run


def defined(cls: Any, name: str) -> Any:
    """A class with a `run` method as the definition of the workflow type of that name."""
    # Temporal wants the run method to look as if it stood in the class of that name in this module.
    cls.__module__ = cls.run.__module__ = __name__
    cls.__name__ = cls.__qualname__ = name
    cls.run.__qualname__ = f"{name}.run"
    cls.run = workflow.run(cls.run)
    # Input that Temporal cannot decode is a RuntimeError of its own; it fails the run instead of blocking it.
    return workflow.defn(name=name, sandboxed=False, failure_exception_types=[RuntimeError])(cls)

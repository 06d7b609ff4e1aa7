"""Workflow types made from plans: one for each, named as its function, all run by the same interpreter."""

from __future__ import annotations

from temporalio import workflow
from temporalio.common import RawValue

from gatework.releases.library import Library
from gatework.temporal.transport.reference import defined
from gatework.temporal.workflow.interpreter import Interpreter


def workflow_class(name: str, library: Library, base: type[Interpreter] = Interpreter) -> type[Interpreter]:
    """The class that a worker serves for a workflow.

    It runs outside the sandbox: no code of users runs in it. Other workflows of the worker stay in theirs.
    """

    class Interpreted(base):  # type: ignore[valid-type, misc]  # a class that is given
        async def run(self: Interpreter, *inputs: object) -> RawValue:
            return await self._run(inputs)

    Interpreted.library = library
    Interpreted.name = name
    served: type[Interpreter] = defined(Interpreted, name)
    definition = workflow._Definition.must_from_class(served)
    # As for updates: one raw value, whatever it holds; any other number is decoded loosely, and then refused by us.
    object.__setattr__(definition, "arg_types", [RawValue])
    object.__setattr__(definition, "ret_type", RawValue)
    return served

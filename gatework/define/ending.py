"""The end of a loop, which a guard decides."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from gatework.define.guard import Guard
from gatework.define.signature import Declared
from gatework.plan.labels import Label


class Ending:
    """The end of a loop: nothing works there, a guard says of what a round gave whether there is another."""

    before: tuple[()] = ()
    guards: tuple[()] = ()
    tools: tuple[()] = ()
    grants: tuple[()] = ()
    on = ""

    def __init__(self, guard: Guard[Any, Any], type_: Any) -> None:
        self.guard = guard
        self.function = guard.function
        self.name = guard.name
        self.checks = (guard,)
        self.value = Declared("value", Label.PLAIN, type_)
        self.declared = replace(
            guard.declared, params={"value": self.value}, result=Declared("output", Label.PLAIN, type_)
        )

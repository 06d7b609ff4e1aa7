"""Endorsers: looks at our own records, the only way up from untrusted without a person."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

from gatework.define import trace
from gatework.define.declared import EXPIRY, TIMEOUT, check_limits, holds
from gatework.define.roles import Role, sealed_override
from gatework.define.signature import caller, must_be_async, read
from gatework.errors import PlanError
from gatework.plan.labels import Label
from gatework.plan.plan import Work


class Endorser:
    """A look at our own records: takes what an untrusted value claims, gives what we know."""

    guards: tuple[()] = ()
    before: tuple[()] = ()
    checks: tuple[()] = ()
    tools: tuple[()] = ()
    grants: tuple[()] = ()

    def __init__(
        self,
        function: Callable[..., Awaitable[Any]],
        *,
        attempts: int = 1,
        timeout: timedelta = TIMEOUT,
        operator: Role | None = None,
        override: Role | None = None,
        expires: timedelta = EXPIRY,
        on: str = "",
    ) -> None:
        self.function = function
        self.attempts = attempts
        self.timeout = timeout
        self.operator = operator or Role("operator")
        self.override = override
        self.expires = expires
        self.on = on
        self.declared = read(function, "the endorser")
        self.name = self.declared.name
        place = self.declared.where
        if len(self.declared.params) != 1:
            raise PlanError(f"the endorser {self.name} takes more than the claim.", fix="Take one value.", where=place)
        must_be_async(function, self.declared)
        if any(d.label is not Label.PLAIN for d in (*self.declared.params.values(), self.declared.result)):
            raise PlanError(
                f"the endorser {self.name} takes or gives a label.", fix="Endorsers see plain values.", where=place
            )
        check_limits(self.name, caller(), attempts, timeout, expires, on)
        self.claim = next(iter(self.declared.params.values()))
        if holds(self.declared.result.type, self.claim.type):
            raise PlanError(
                f"the endorser {self.name} gives back the type it takes.",
                fix="Fill a model of its own from your records, so that nothing of the claim comes through.",
                where=place,
            )

    def node(self, value: object) -> object:
        """A node of the plan that is being traced."""
        builder = trace.required("endorse")
        builder.define(self)
        claimed = trace.traced(value, f"the claim of {self.name}")
        declared = type(self.claim)(self.claim.name, Label.UNTRUSTED, self.claim.type)
        node = Work(
            kind="endorse",
            name=builder.name(self.name),
            runs=self.name,
            params=(builder.param(declared, claimed, f"the claim of {self.name}"),),
            label=Label.ENDORSED,
            contract=builder.seal(self.declared.result.contract),
            attempts=self.attempts,
            timeout_seconds=self.timeout.total_seconds(),
            operator=self.operator.sealed(),
            override=sealed_override(self.override),
            expires_seconds=self.expires.total_seconds(),
            queue=self.on,
        )
        return builder.add(node, self.declared.result.type)

"""Roles: who may answer when a run waits, how many of them, and how surely it must be known who they are."""

from __future__ import annotations

from typing import get_args

from gatework.define.signature import caller
from gatework.errors import PlanError
from gatework.plan.plan import MACHINES, MAX_QUORUM, By, Identity, is_role


class Role:
    """Who may answer when a run waits."""

    def __init__(self, name: str, *, quorum: int = 1, identity: Identity | None = None) -> None:
        if not is_role(name):
            raise PlanError(f"{name!r} is no name of a role.", fix="Use letters, digits, - and _.", where=caller())
        if name in MACHINES:
            raise PlanError(
                f"{name} is a role of machines, and here people are asked.",
                fix="Name the role of those who decide, such as finance.",
                where=caller(),
            )
        if type(quorum) is not int or not 1 <= quorum <= MAX_QUORUM:
            fix = f"Use a number from 1 to {MAX_QUORUM}."
            raise PlanError(f"the quorum of {name} is {quorum!r}.", fix=fix, where=caller())
        kinds = get_args(Identity)
        if identity is not None and identity not in kinds:
            raise PlanError(
                f"{identity!r} is no kind of identity.", fix=f"Use one of {_listed(kinds)}.", where=caller()
            )
        if quorum > 1 and identity == "none":
            problem = f"{name} has a quorum, and nobody has to say who they are."
            raise PlanError(problem, fix="Leave identity= out, or use identity='claimed'.", where=caller())
        self.name = name
        self.quorum = quorum
        self.identity: Identity | None = identity

    def sealed(self, *, apart: bool = False) -> By:
        """The role in a plan. `apart`: people are told from each other, as by a quorum."""
        surely: Identity = "authenticated" if apart or self.quorum > 1 else "none"
        return By(role=self.name, quorum=self.quorum, identity=self.identity or surely)


def sealed_override(who: Role | None) -> By | None:
    """Who may override, in a plan: people whom the server vouches for, unless the role says otherwise."""
    if not isinstance(who, Role | None):
        raise PlanError("override= names no role.", fix="Write override=role('…').", where=caller())
    return None if who is None else who.sealed(apart=True)


def role(name: str, *, quorum: int = 1, identity: Identity | None = None) -> Role:
    """The people who go by a role, such as `role("finance", quorum=2)`.

    `quorum` is how many different people must approve. `identity` is how surely it must be known who somebody is, at
    the least: `none`, `claimed` (a name that was typed), `authenticated` (the server vouches for the name) or `signed`.
    Left out it is `authenticated` where people are told from each other, by a quorum or `not_by=`, and where they
    override; else `none`.
    Raises `PlanError`.
    """
    return Role(name, quorum=quorum, identity=identity)


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(names)

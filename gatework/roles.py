"""Roles: who may answer when a run waits."""

from __future__ import annotations

from gatework.errors import PlanError
from gatework.plan import is_role
from gatework.signature import caller


class Role:
    """Who may answer when a run waits."""

    def __init__(self, name: str) -> None:
        if not is_role(name):
            raise PlanError(f"{name!r} is no name of a role.", fix="Use letters, digits, - and _.", where=caller())
        self.name = name


def role(name: str) -> Role:
    """The people who go by a role, such as `role("finance")`."""
    return Role(name)

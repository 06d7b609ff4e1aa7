"""Every exception of Gatework. A refusal is a value (a `Verdict`); a broken promise is one of these."""

from __future__ import annotations

from typing import ClassVar


class GateworkError(Exception):
    """Base of all errors: one sentence that says what happened, where, and what to do next.

    The message never repeats a value from outside, so it may enter a workflow's history as it is.
    """

    code: ClassVar[str] = "gatework"
    """Stable name of the kind of error, for scripts and for Temporal's failure type."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class ConfigError(GateworkError):
    """The surroundings are not as needed: a setting, a file, a port, a missing package."""

    code = "config"


class PlanError(GateworkError):
    """A plan, or a definition that a plan uses, breaks a rule; raised at import."""

    code = "plan"

    def __init__(self, problem: str, *, fix: str, where: str = "") -> None:
        super().__init__(f"{where + ': ' if where else ''}{problem} {fix}".strip())
        self.problem = problem
        self.fix = fix
        """What to write instead."""
        self.where = where
        """`file:line` of the code that breaks the rule; empty where no line can be named."""


class ContractError(GateworkError):
    """Bytes are not what the contract of a boundary demands."""

    code = "contract"

    def __init__(self, reason: str, *, field: str = "", boundary: str = "") -> None:
        place = " ".join(part for part in (boundary, f"field {field}" if field else "") if part)
        super().__init__(f"{place}: {reason}" if place else reason)
        self.reason = reason
        self.field = field
        """Dotted path to the field, of names that the schema knows; empty for the whole value."""
        self.boundary = boundary
        """Which value of which stage, such as `output of extract`."""

    def at(self, boundary: str) -> ContractError:
        """The same error, naming the boundary at which it was found."""
        return ContractError(self.reason, field=self.field, boundary=boundary)


class OrderError(GateworkError):
    """An event that the machine does not allow in the state it is in; nothing has changed."""

    code = "order"


class DecisionError(GateworkError):
    """A person's decision that cannot be taken, in one sentence for that person; nothing has changed."""

    code = "decision"


class ResumeError(GateworkError):
    """A run that was to go on where another ended, and may not; nothing was done in it."""

    code = "resume"


class ConflictError(GateworkError):
    """The id of a run is taken by a run of something else."""

    code = "conflict"


class GrantError(GateworkError):
    """A call outside of what the plan grants to the running stage."""

    code = "grant"


class BudgetError(GateworkError):
    """A call that the stage's budget no longer covers."""

    code = "budget"


class ToolError(GateworkError):
    """A tool that a stage called broke, or was late, and has changed nothing."""

    code = "tool"


class NotDone(GateworkError):
    """Raised by an effect, or any tool, that knows that nothing has happened: it may be tried again."""

    code = "not_done"


class PinError(GrantError, NotDone):
    """A tool of another program that is not the one that the plan was sealed with: it was not called."""

    code = "pin"


class ModelError(GateworkError):
    """The model cannot be reached, or cannot answer."""

    code = "model"

    def __init__(self, message: str, *, retryable: bool = False) -> None:
        super().__init__(message)
        self.retryable = retryable
        """Whether the same question may be answered later: the network, an overload; not a key, a quota, a length."""

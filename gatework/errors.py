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


class StoreError(GateworkError):
    """Content that cannot be had from the store, or cannot be put into it."""

    code = "store"

    @classmethod
    def none(cls, who: str) -> ConfigError:
        """There is no store."""
        return ConfigError(f"{who} needs the store of documents, and there is none here; set GATEWORK_STORE.")

    @classmethod
    def gone(cls, sha256: str, store: str) -> StoreError:
        """The content is not there."""
        return cls(f"{sha256[:12]} is not in the store {store}: it was erased, or was put into another store.")

    @classmethod
    def changed(cls, sha256: str, store: str) -> StoreError:
        """The content is another."""
        return cls(f"{sha256[:12]} in the store {store} is not what was put there; put the original there again.")

    @classmethod
    def unusable(cls, store: str, why: str) -> StoreError:
        """The store is not there, or may not be used."""
        because = f" ({why.lower()})" if why else ""
        return cls(
            f"The store {store} cannot be used{because}; make it, or set GATEWORK_STORE to the one that is meant."
        )

    @classmethod
    def too_large(cls, max_bytes: int) -> StoreError:
        """The content is more than a store takes."""
        return cls(f"More than the {max_bytes} bytes that a document may have; store it in parts.")


class ModelError(GateworkError):
    """The model cannot be reached, or cannot answer."""

    code = "model"

    def __init__(self, message: str, *, retryable: bool = False) -> None:
        super().__init__(message)
        self.retryable = retryable
        """Whether the same question may be answered later: the network, an overload; not a key, a quota, a length."""

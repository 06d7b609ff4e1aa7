"""Verdicts: what a guard answers. A verdict is a value, never an exception, and never true or false."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, NoReturn, final

Word = Literal["pass", "retry", "block", "escalate"]
"""How a verdict is written in receipts."""

MAX_REASON = 500
"""Longest reason in characters that is kept; the rest is cut and marked so."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """A guard's answer. Base of `Pass`, `Retry`, `Block` and `Escalate`, which are all there are."""

    reason: str
    """Why, in a sentence for the operator (and, for `Retry`, for the model)."""
    word: ClassVar[Word | None] = None

    def __post_init__(self) -> None:
        if self.word is None:
            raise TypeError("Answer with Pass(), Retry(reason), Block(reason) or Escalate(reason).")
        reason: object = self.reason
        if not isinstance(reason, str) or (self.word != "pass" and not reason.strip()):
            raise TypeError(f"{type(self).__name__} needs a reason: one sentence that says why.")

    def __bool__(self) -> NoReturn:
        raise TypeError("A verdict is neither true nor false; compare it with isinstance or match.")


@final
@dataclass(frozen=True, slots=True)
class Pass(Verdict):
    """The output may go on."""

    reason: str = ""
    word = "pass"


@final
@dataclass(frozen=True, slots=True)
class Retry(Verdict):
    """The stage runs again and is told the reason; after its last attempt a person is asked."""

    word = "retry"


@final
@dataclass(frozen=True, slots=True)
class Block(Verdict):
    """The run stops here until an operator retries, edits or aborts.

    A stage, an endorser or an effect returns it too, as a refusal in place of its output.
    """

    word = "block"


@final
@dataclass(frozen=True, slots=True)
class Escalate(Verdict):
    """A person decides whether the output may go on."""

    word = "escalate"


ANSWERS = (Pass, Retry, Block, Escalate)
"""All verdicts there are. A class of another's making that calls itself one is none."""


def short(reason: str) -> str:
    """A reason fit for a receipt: printable Unicode of at most `MAX_REASON` characters."""
    clean = "".join(c if c.isprintable() else " " for c in reason[: 4 * MAX_REASON]).strip()
    return clean if len(clean) <= MAX_REASON else clean[: MAX_REASON - 1] + "…"

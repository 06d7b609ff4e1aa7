"""What was spent of a budget, and what is left of it. Pure: the cell reserves before a call and settles after it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """What was spent: by one activity, by a stage, or by a run."""

    model_calls: int = 0
    tokens: int = 0
    money: str = "0"
    """US dollars, as a decimal number."""
    tool_calls: Mapping[str, int] = field(default_factory=dict)
    """Tool → calls."""
    seconds: float = 0.0
    """Time at work, in whole milliseconds."""

"""How many answers an attempt has had, receipt by receipt: what a worker signs of its journal."""

from __future__ import annotations

from dataclasses import dataclass, replace

from gatework.values.canonical import Json


@dataclass(frozen=True)
class Answers:
    """What the attempt that goes on has been answered."""

    many: int = 0
    by_model: frozenset[str] = frozenset()
    """The calls that its model asked for."""
    asked: str = ""
    """The call about which a person is asked."""

    def after(self, receipt: Json) -> Answers:
        """Behind a receipt, as JSON."""
        how, kind, action = receipt.get("how", {}), receipt["kind"], receipt.get("action", "")
        if kind == "suspended":
            calls = {call["call"] for call in how["calls"] if call["by_model"]}
            return Answers(self.many + len(how["entries"]), self.by_model | calls)
        if kind == "acted" and "run" not in how:
            answered = action in ("done", "found") or (action == "refused" and how["by_model"])
            return replace(self, many=self.many + answered)
        if kind == "asked" and action == "call":
            return replace(self, asked=how["call"])
        if kind == "decided" and self.asked and action in ("approve", "reject"):
            refused = action == "reject" and self.asked in self.by_model
            return replace(self, asked="", many=self.many + refused)
        return self if kind in ("acting", "acted") else Answers()

"""The evidence in full: the answer of the query `evidence`, with the number for it at its end.

The panel holds little. Where not all fits there, its number would stand for what nobody has read, so it shows none, and
the number that stands here is the only one that is taken.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace

from gatework.errors import DecisionError
from gatework.run.events import Action, Decided
from gatework.run.state import Gate, State
from gatework.temporal.page.markdown import cleaned
from gatework.temporal.page.panel import cut
from gatework.temporal.page.progress import Progress, Said, Waiting, asked, evidence_of
from gatework.values.canonical import Json
from gatework.values.wire import MAX_MESSAGE_BYTES

_NUMBERED: tuple[Action, ...] = ("approve", "retry", "override")
"""The decisions that a number lets happen."""

UNSEEN = "Not all of the evidence fits on the panel: read the query `evidence`, and send the number at its end."


def numbered(progress: Progress, gate: Gate | None) -> Progress:
    """A run's progress with the number for all that it holds: the panel's, or, where that is cut, the other."""
    if gate is None or progress.waiting is None or not cut(progress):
        return progress
    return replace(progress, waiting=replace(progress.waiting, cut=True, number=gate.full_number))


def must_be_seen(progress: Progress, gate: Gate, event: Decided) -> None:
    """Raise `DecisionError` for a decision by the number of a panel, or by a click, where that panel is cut.

    A program that names the digest of the evidence has read it in the query `state`.
    """
    by_panel = event.number == gate.number or (event.action == "approve" and not event.number and not event.evidence)
    if event.action in _NUMBERED and by_panel and cut(progress):
        raise DecisionError(UNSEEN)


def answer(progress: Progress, state: State, name: str = "") -> bytes:
    """All that a person decides on, as a JSON object whose keys stand in the order in which they are read.

    What is too large to stand there is asked for by name, one after the other; then the number is at the end of the
    last. Raises `DecisionError` where no value of that name is left to be asked for.
    """
    waiting, gate = progress.waiting, state.gate
    if waiting is None or gate is None:
        return _written({"asked": "Nothing waits for a decision now."})
    if name and name not in waiting.left_out:
        apart = ", ".join(waiting.left_out) or "none"
        raise DecisionError(f"Leave the name out; the values that stand in an answer of their own here: {apart}.")
    said: dict[str, Json] = {"asked": f"{waiting.role}: {asked(waiting)}"}
    if name:
        said["shown"] = {name: evidence_of(state, gate)[name]}
    else:
        said |= {**_beside(progress, waiting), "shown": waiting.shown}
    rest = waiting.left_out[waiting.left_out.index(name) + 1 :] if name else waiting.left_out
    if rest:
        return _written({**said, "read_next": f'{rest[0]}, too large to stand here: send the query "{rest[0]}"'})
    return _written({**said, "number": gate.full_number})


def _beside(progress: Progress, waiting: Waiting) -> Mapping[str, Json]:
    said: dict[str, Json] = {
        "until": waiting.expires,
        "because": list(waiting.reasons),
        "guards": [_guard(one) for one in waiting.guards],
        "approved_by_rule": {one.node: one.rule for one in progress.automatic},
        "approvals": [f"{vote.by} ({vote.identity})" for vote in waiting.votes],
        "approvals_needed": waiting.quorum,
        "may_not_approve": list(waiting.not_by),
    }
    return {key: value for key, value in said.items() if value and value != 1}


def _guard(said: Said) -> str:
    return f"{said.guard} of {said.of}: {said.verdict}" + (f", {said.reason}" if said.reason else "")


def _written(said: Json) -> bytes:
    """JSON in which no character hides or moves another, in the order of its keys."""
    text = json.dumps(_visible(said), ensure_ascii=False)
    if len(text.encode()) > MAX_MESSAGE_BYTES:  # a mark that stands for what is hidden takes more than some of that
        text = text.replace("\ufffd", "?")
    return text.encode()


def _visible(value: Json) -> Json:
    if isinstance(value, str):
        return cleaned(value)
    if isinstance(value, Mapping):
        shown: dict[str, Json] = {}
        for name, item in value.items():
            key = cleaned(name)
            while key in shown:  # two names that differ in what is not seen
                key += "\ufffd"
            shown[key] = _visible(item)
        return shown
    return [_visible(item) for item in value] if isinstance(value, list) else value

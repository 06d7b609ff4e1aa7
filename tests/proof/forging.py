"""Decisions and attempts that nobody signed so: of another gate, run or evidence, one for two, less surely known."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import Any

from tests.proof.moving import Place, leg_of, places
from tests.proof.tampering import Path, Tampered, replaced

ACTIONS = ("approve", "reject", "retry", "edit", "abort", "answer", "override")
BYSTANDER = "bystander"
LESS_SURE = "less sure"


def path_of(place: Place) -> Path:
    """Where the receipt of an entry stands in its certificate."""
    inner = ("superseded", place.leg - 1) if place.leg else ()
    return ("runs", place.run, *inner, "entries", place.number, "receipt")


def receipts(said: Any, *kinds: str) -> Iterator[tuple[Path, Any]]:
    """The receipts of some kinds, or all, with their places."""
    for place in places(said):
        receipt = leg_of(said, place)[place.number]["receipt"]
        if not kinds or receipt["kind"] in kinds:
            yield path_of(place), receipt


def forged(said: Any, others: Iterable[Any]) -> Iterator[Tampered]:
    """Each decision forged or replayed. `others` are certificates of other runs that the same people signed."""
    own = [receipt for _, receipt in receipts(said, "decided")]
    foreign = [receipt for other in others for _, receipt in receipts(other, "decided")]
    asked = [receipt for _, receipt in receipts(said, "asked")]
    for path, receipt in receipts(said, "decided"):
        for how, made in _ways(receipt, own, foreign, asked):
            yield Tampered(f"decided {receipt['action']}", how, partial(replaced, said, path, made))


def _ways(receipt: Any, own: list[Any], foreign: list[Any], asked: list[Any]) -> Iterator[tuple[str, Any]]:
    how = receipt.get("how", {})
    for source, those in (("another decision", own), ("another run", foreign)):
        for other in those:
            if other.get("how", {}).get("signed") not in (None, how.get("signed")):
                yield f"signed as {source}", {**receipt, "how": {**how, "signed": other["how"]["signed"]}}
                here = {name: receipt[name] for name in ("gate", "evidence", "node") if name in receipt}
                yield f"replayed from {source}", {**other, **here}
    for gate in asked:
        if gate["evidence"] != receipt["evidence"]:
            yield "of other evidence", {**receipt, "evidence": gate["evidence"]}
            yield "at another gate", {**receipt, "evidence": gate["evidence"], "gate": gate["gate"]}
    yield "of other evidence", {**receipt, "evidence": receipt["evidence"][:-1] + "0"}
    yield from (("another action", {**receipt, "action": action}) for action in ACTIONS if action != receipt["action"])
    yield from (("another name", {**receipt, "by": name}) for name in (*_names(own, receipt), BYSTANDER, "desk"))
    yield "another name", {**receipt, "by": str(receipt.get("by", "ana")).swapcase()}
    yield "another reason", {**receipt, "reason": receipt.get("reason", "") + " Indeed."}
    bare = _without(receipt, "signed")
    yield "nobody signed", bare
    yield from ((LESS_SURE, {**bare, "identity": word}) for word in ("authenticated", "claimed"))
    yield LESS_SURE, {name: item for name, item in bare.items() if name != "by"} | {"identity": "none"}
    yield from _counted(receipt, how)
    if "output" in receipt:
        values = [one["output"] for one in (*own, *foreign) if one.get("output") not in (None, receipt["output"])]
        yield from (("another value", {**receipt, "output": value}) for value in values[:3])


def _counted(receipt: Any, how: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Quorums: of fewer, reached by one, by the same one again, and where there is none."""
    if "quorum" not in how:
        yield "counted", {**receipt, "how": {**how, "approvals": 1, "quorum": 2}}
        return
    yield "a smaller quorum", {**receipt, "how": {**how, "quorum": how["quorum"] - 1}}
    yield "counted twice", {**receipt, "how": {**how, "approvals": how["approvals"] + 1}}
    yield "not counted", _without(_without(receipt, "approvals"), "quorum")


def _names(own: list[Any], receipt: Any) -> list[str]:
    return sorted({one["by"] for one in own if one.get("by")} - {receipt.get("by")})


def _without(receipt: Any, name: str) -> Any:
    """A receipt without a member of its `how`; without that where nothing is left."""
    how = {key: item for key, item in receipt.get("how", {}).items() if key != name}
    return {key: item for key, item in receipt.items() if key != "how"} | ({"how": how} if how else {})


def one_for_two(said: Any) -> Iterator[Tampered]:
    """What one person signed, in the place of what another did: each decision in the place of each other, as it is."""
    every = [*receipts(said, "decided")]
    for path, receipt in every:
        for _, other in every:
            if other != receipt:
                count = {key: receipt["how"][key] for key in ("approvals", "quorum") if key in receipt.get("how", {})}
                made = {**other, "how": {**other.get("how", {}), **count}}
                yield Tampered("decided", "one for two", partial(replaced, said, path, made))


def exchanged(said: Any) -> Iterator[Tampered]:
    """Signatures each in the place of another: over another attempt, node, input, call or decision."""
    signed = [((*path, "how", "signed"), one["how"]["signed"]) for path, one in receipts(said) if _is_signed(one)]
    for path, own in signed:
        for _, other in signed:
            if other != own:
                half = {**own, "signature": other["signature"]}
                yield Tampered("signed", "as another", partial(replaced, said, path, other))
                yield Tampered("signed", "half another", partial(replaced, said, path, half))


def _is_signed(receipt: Any) -> bool:
    return "signed" in receipt.get("how", {})

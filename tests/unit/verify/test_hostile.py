"""Hostile certificates: whatever a file says, it holds or is refused in one sentence; nothing breaks or echoes."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterator
from typing import Any

import pytest

from gatework.errors import ContractError
from gatework.proof.certificate import written
from gatework.values import canonical
from gatework.verify import report, whole
from gatework.verify.refusal import Refused
from tests.unit.verify.forging import FOLDER, kept

EVIL = "\x1b[2J\u202eevil"
THINGS: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2**53 - 1, 1e300, 0.5, "", EVIL, "a" * 5_000, "ab" * 32, [], {}, [[]],
    {"kind": "output"}, {"data": 1}, {EVIL: EVIL}, "rejected", "completed", "signed", "approved", 10**6,
)  # fmt: skip


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every member and item in a JSON value, as what holds it and where."""
    waiting = [value]
    while waiting:
        here = waiting.pop()
        for key in list(here) if isinstance(here, dict) else range(len(here)):
            yield here, key
            if isinstance(here[key], dict | list):
                waiting.append(here[key])


def rechained(said: Any) -> Any:
    """A certificate whose chains and plans are under their own digests again, as far as that can be had."""
    try:
        plans = {digest: canonical.digest("plan", plan) for digest, plan in said["plans"].items()}
        said["plans"] = {plans[digest]: plan for digest, plan in said["plans"].items()}
        for run in said["runs"]:
            before = "0" * 64
            for number, entry in enumerate(run["entries"], start=1):
                how = entry["receipt"].get("how", {})
                if "plan" in how and entry["receipt"]["kind"] == "begun":
                    how["plan"] = plans.get(how["plan"], how["plan"])
                entry |= {"sequence": number, "before": before}
                entry.pop("digest", None)
                before = entry["digest"] = canonical.digest("entry", entry)
    except (ContractError, KeyError, TypeError, AttributeError):
        pass
    return said


def outcome(data: bytes) -> str:
    """`holds`, or the code of the refusal. Anything else that is raised is a fault."""
    try:
        checked = whole.check(whole.read(data))
        json.dumps(report.report(checked))
    except Refused as refused:
        said = report.refused(refused)
        assert "evil" not in said["sentence"]
        assert said["sentence"].isprintable()
        return refused.why
    return "holds"


def mutated(said: Any, chance: random.Random) -> Any:
    """A certificate with a few things in it changed, dropped, doubled or swapped."""
    said = copy.deepcopy(said)
    for _ in range(chance.choice([1, 1, 1, 2, 3])):
        runs = said.get("runs")
        inside = runs if isinstance(runs, list) and runs and chance.random() < 0.5 else said
        holder, key = chance.choice(list(places(inside)))
        match chance.choice(["change", "change", "drop", "double", "swap", "key"]):
            case "change":
                holder[key] = chance.choice(THINGS)
            case "drop":
                del holder[key]
            case "double" if isinstance(holder, list):
                holder.insert(key, copy.deepcopy(holder[key]))
            case "swap":
                other, where = chance.choice(list(places(said)))
                if key in holder if isinstance(holder, dict) else key < len(holder):
                    other[where] = copy.deepcopy(holder[key])
            case "key" if isinstance(holder, dict):
                holder[chance.choice(["kind", "node", "how", EVIL])] = holder.pop(key)
            case _:
                pass
    return said


def found_in(name: str, many: int, seed: object = 0) -> list[str]:
    """What comes of a certificate that is changed so many times, each time anew."""
    said = json.loads(written(kept(name)))
    chance, found = random.Random(f"{name} {seed}"), []
    for number in range(many):
        forged = mutated(said, chance)
        forged = rechained(forged) if number % 4 else forged
        try:
            data = canonical.dumps(forged)
        except ContractError:
            continue
        found.append(outcome(data))
    return found


def test_a_file_that_was_changed_at_random_is_refused_or_holds_and_nothing_breaks() -> None:
    """Also where the forger makes the chain anew, so that what is inside is looked at."""
    found = [one for name in ("edited", "by_rule", "reset", "moved", "undone") for one in found_in(name, 60)]
    assert {"format", "plan", "value", "order"} <= set(found)
    # What nobody is bound to, such as an id of the server or the text of a reason, may be another.
    assert found.count("holds") < len(found) / 4


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n",
        b"null",
        b"[]",
        b"{",
        b"\xff",
        b"\xef\xbb\xbf{}",
        b"[" * 100_000,
        b"9" * 100_000,
        b'{"format":"gatework.certificate/1","format":"gatework.certificate/1"}',
        b'{"format":"gatework.certificate/2","plans":{},"runs":[],"signatures":[],"values":{}}',
        b'{"format":"gatework.certificate/1","plans":{},"runs":[],"signatures":[],"values":{}}',
        b'{"format": "gatework.certificate/1"}',
    ],
)
def test_what_is_no_certificate_is_refused(data: bytes) -> None:
    """With a code, and a sentence that repeats nothing of it."""
    assert outcome(data) in ("json", "canonical", "format")


def test_a_contract_that_would_take_for_ever_is_not_checked_and_that_is_said() -> None:
    """A schema that refers elsewhere, or looks around, is one that no plan has."""
    said = json.loads((FOLDER / "by_rule.json").read_bytes())
    for schema in ({"$ref": "https://example.com/x"}, {"$ref": "#"}, {"type": "string", "pattern": "(a+)+(?=b)$"}):
        forged = copy.deepcopy(said)
        [plan] = forged["plans"].values()
        plan["contracts"] = dict.fromkeys(plan["contracts"], schema)
        assert outcome(canonical.dumps(rechained(forged))) in ("faults", "order", "evidence", "guards", "holds")

"""Writes docs/spec/vectors anew: certificates to try a verifier on, good and bad. `python -m tests.proof.vectors`."""

from __future__ import annotations

import copy
import json
import sys
from collections.abc import Callable, Iterator
from typing import Any

from gatework.values import canonical
from gatework.values.canonical import Json
from tests.proof import making, repairing
from tests.proof.both import SPEC, first
from tests.proof.spellings import spellings

FOLDER = SPEC / "vectors"
Change = Callable[[Any], object]


def _receipt(said: Json, kind: str, number: int = 0) -> Any:
    return [one["receipt"] for one in said["runs"][0]["entries"] if one["receipt"]["kind"] == kind][number]


def _replayed(said: Json) -> None:
    _receipt(said, "decided")["how"]["signed"] = _receipt(said, "decided", 1)["how"]["signed"]


ONE = canonical.digest("value", 1)
BY_HAND: dict[str, Change] = {
    "format-2": lambda said: said.update(format="gatework.certificate/2"),
    "plan-weakened": lambda said: next(iter(said["plans"].values()))["nodes"][3]["by"].update(quorum=1),
    "value-changed": lambda said: next(iter(said["values"].values())).update(data=0),
    "value-of-nothing": lambda said: said["values"].update({ONE: {"data": 1, "salt": ""}}),
    "chain-broken": lambda said: _receipt(said, "acted").update(action="found"),
    "signed-by-another": lambda said: said.update(making.exported(said, "machine")),
}
"""What somebody does to the certificate of `paid` who cannot hash."""

HASHED: dict[str, Change] = {
    "receipt-dropped": lambda said: said["runs"][0]["entries"].pop(2),
    "guard-left-out": lambda said: _receipt(said, "output")["verdicts"].pop(),
    "guard-passes": lambda said: _receipt(said, "output")["verdicts"][2].update(verdict="pass"),
    "less-shown": lambda said: _receipt(said, "asked", 1)["shown"].popitem(),
    "identity-less": lambda said: _receipt(said, "decided").update(identity="claimed"),
    "counted-twice": lambda said: _receipt(said, "decided", 1)["how"].update(approvals=2),
    "approval-replayed": _replayed,
}
"""The same by somebody who can, where machines signed nothing."""

GONE: dict[str, Change] = {
    "other-way": lambda said: _receipt(said, "chose").update(action="1"),
    "child-of-another": lambda said: _receipt(said, "returned")["how"].update(ledger="0" * 64),
}
"""That, of the certificate of `gone`."""


def files() -> Iterator[tuple[str, bytes]]:
    """Every file by its name."""
    paid, gone = (making.signed(making.certificate(run)) for run in (making.paid(), making.gone()))
    data = canonical.dumps(paid)
    yield from (("signed", data), ("ways", canonical.dumps(gone)), ("bare", canonical.dumps(making.bare(paid))))
    yield from (("number-spelling", spellings(data)["1.0"][0]), ("member-twice", spellings(data)["twice"][0]))
    for changes, of, repair in (
        (BY_HAND, paid, False),
        (HASHED, making.bare(paid), True),
        (GONE, making.bare(gone), True),
    ):
        for name, change in changes.items():
            said = copy.deepcopy(of)
            change(said)
            yield name, canonical.dumps(repairing.repaired(said) if repair else said)


def main() -> None:
    people, expected = making.people(), {}
    (FOLDER / "people.toml").write_text(people)
    for name, data in files():
        expected[f"{name}.json"] = first(data, people)
        (FOLDER / f"{name}.json").write_bytes(data)
        sys.stdout.write(f"{name}: {expected[f'{name}.json'] or 'accepted'}, {len(data)} bytes\n")
    (FOLDER / "expected.json").write_text(json.dumps(expected, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()

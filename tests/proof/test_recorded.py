"""Certificates that were recorded from runs on a server are tampered with: resets, resumptions, migrations, child runs.

`make test` takes a sample; with GATEWORK_SEARCH=1 every member of every object is taken.
"""

from __future__ import annotations

import copy
import json
import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest

from gatework.values import canonical
from tests.proof import making
from tests.proof.both import first, second
from tests.proof.record import FOLDER
from tests.proof.tampering import tampered

EVERY = bool(os.environ.get("GATEWORK_SEARCH"))
FILES = sorted(FOLDER.glob("*.json"))
pytestmark = pytest.mark.slow

HARMLESS = {
    ("runs.run_id", "longer"): "the server's id of a run is nobody's word but the exporter's; no rule rests on it",
    ("runs.superseded.run_id", "longer"): "the same",
    ("values", "removed"): "a value withheld: all that holds of its digest holds still",
    ("runs.superseded", "first dropped"): "only a signature of the exporter says what was cut off",
}
"""What may be changed of a certificate that nobody signed, and why that is right."""


APART = {"called", "returned"}
"""Of several child runs at once, which is heard of first means nothing. Nor does how often an attempt was answered,
where nobody signed: the worker's word.
"""


def codes_of(data: bytes) -> tuple[str, str]:
    return first(data), second(data)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_no_member_of_a_recorded_certificate_can_be_changed(
    file: Path, record_property: Callable[[str, object], None]
) -> None:
    """Of every object every member, in each way; by both verifiers, each with a code."""
    codes: Counter[str] = Counter()
    chance = Random(file.stem)
    for one in tampered(json.loads(file.read_bytes())):
        if not EVERY and chance.random() > 0.001:
            continue
        found = codes_of(canonical.dumps(one.said))
        codes[found[0]] += 1
        assert all(found) or (one.where, one.how) in HARMLESS, f"{one.where}, {one.how}: {found}"
    record_property("tampered", f"{file.stem}: {dict(codes)}")
    print(f"{file.stem}: {dict(codes)}")


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_no_receipt_of_a_recorded_ledger_is_dropped_doubled_or_swapped(file: Path) -> None:
    """With every digest computed anew: the order has no place for them."""
    whole: Any = json.loads(file.read_bytes())
    same = canonical.dumps(making.repaired(whole))
    places = [(run, n) for run, one in enumerate(whole["runs"]) for n in range(len(one["entries"]) - 1)]
    for run, n in places if EVERY else Random(file.stem).sample(places, min(4, len(places))):
        for change in ("drop", "double", "swap"):
            said = copy.deepcopy(whole)
            entries = said["runs"][run]["entries"]
            match change:
                case "drop":
                    entries.pop(n)
                case "double":
                    entries.insert(n, copy.deepcopy(entries[n]))
                case _:
                    entries.insert(n, entries.pop(n + 1))
            try:
                data = canonical.dumps(making.repaired(said))
            except (KeyError, IndexError, ValueError):
                continue  # what cannot even be hashed is refused as it is
            one, other = codes_of(data)
            kinds = {entry["receipt"]["kind"] for entry in whole["runs"][run]["entries"][n : n + 2]}
            told = f"run {run + 1}, entry {n + 1}, {change}: {one or 'accepted'}, {other or 'accepted'}"
            assert one or data == same or (change == "double" and "suspended" in kinds) or kinds <= APART, told
            # Section 8 of the specification says what the second verifier leaves to the first.
            assert other or one in ("", "order"), told

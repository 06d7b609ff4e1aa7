"""The certificates that are kept here: whole, and with every kind of receipt among them."""

from __future__ import annotations

from pathlib import Path
from typing import get_args, get_type_hints

import pytest

from gatework.proof.certificate import named, read, written
from gatework.proof.ledger import GENESIS, broken_at
from gatework.run.state import Receipt
from tests.proof.both import first, second
from tests.proof.proven import PEOPLE
from tests.proof.record import FOLDER, SCENES

FILES = sorted(FOLDER.glob("*.json"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_certificate_is_whole(file: Path) -> None:
    """Both verifiers take it; its chains hold, what was cut off follows on what is there, digests are right."""
    data = file.read_bytes()
    assert (first(data, PEOPLE), second(data, PEOPLE)) == ("", "")
    found = read(data)
    assert written(found) == data
    for run in found.runs:
        assert broken_at(run.entries) is None
        known = {entry.digest for entry in run.entries} | {GENESIS}
        for cut in run.superseded:
            assert cut.entries[0].before in known
            known |= {entry.digest for entry in cut.entries}
    assert all(plan.digest == digest for digest, plan in found.plans.items())
    assert all(value.digest == digest for digest, value in found.values.items())
    assert found.values.keys() <= named(found)
    returned = {entry.receipt.how["run"]: entry.receipt for entry in found.entries if entry.receipt.kind == "returned"}
    for run in found.runs[1:]:
        last = run.entries[-1]
        under_way = run.run_id not in returned and last.receipt.kind != "ended"
        assert under_way or returned[run.run_id].how["ledger"] == last.digest


def test_every_scene_is_kept_and_every_kind_of_receipt_is_in_one() -> None:
    """So that whoever verifies has met them all."""
    assert [file.stem for file in FILES] == sorted(scene.__name__ for scene in SCENES)
    kinds = {entry.receipt.kind for file in FILES for entry in read(file.read_bytes()).entries}
    assert kinds == set(get_args(get_type_hints(Receipt)["kind"]))

"""Certificates that were recorded from runs on a server are tampered with: members, receipts, chains, transplants.

`make test` takes a sample; with GATEWORK_SEARCH=1 everything is taken.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import chain

import pytest

from gatework.values import canonical
from tests.proof import allowed, recorded
from tests.proof.both import agreed
from tests.proof.moving import borrowed, cut_short, exchanged, shifted, transplanted
from tests.proof.spellings import spellings
from tests.proof.tampering import EVERY, Record, Tampered, anew, sampled, tallied, tampered

pytestmark = pytest.mark.slow

each = pytest.mark.parametrize("name", recorded.NAMES)
PEOPLE = recorded.people()


def refused(every: Iterable[Tampered], same: bytes, codes: Counter[str], but: Mapping[tuple[str, str], str]) -> None:
    """Each is refused by both verifiers, as it is and with all digests anew, unless `but` says why not."""
    for one in every:
        as_it_is = canonical.dumps(one.said)
        for data in (as_it_is, anew(one)):
            if data is None or data == same:
                continue  # what cannot be hashed is refused as it is; what says the same is the same
            code = agreed(data, PEOPLE)
            codes[code] += 1
            assert code or allowed.way(one, but), f"{one.where}, {one.how}: accepted"


@each
def test_no_member_of_a_recorded_certificate_can_be_changed(name: str, record_property: Record) -> None:
    """Of every object every member, in each way; by both verifiers, each with a code."""
    with tallied(f"{name}, one member", record_property) as codes:
        for one in sampled(tampered(recorded.whole(name)), name, 0.0005):
            code = agreed(canonical.dumps(one.said), PEOPLE)
            codes[code] += 1
            assert code or (one.where, one.how) in allowed.HARMLESS, f"{one.where}, {one.how}"


@each
def test_members_that_can_be_changed_by_who_can_hash_are_known_by_their_places(
    name: str, record_property: Record
) -> None:
    """With all digests anew, what nobody signed is somebody's word in some places, and nowhere else."""
    said = recorded.whole(name)
    same = canonical.dumps(said)
    with tallied(f"{name}, one member, digests anew", record_property) as codes:
        for one in sampled(tampered(said, but=("plans",)), f"{name} anew", 0.002):
            data = anew(one)
            if data is None or data == same:
                continue
            code = agreed(data, PEOPLE)
            codes[code] += 1
            assert code or allowed.by_word(one.where), f"{one.where}, {one.how}: accepted"


@each
def test_no_receipt_has_what_another_has(name: str, record_property: Record) -> None:
    """A member that another receipt has, of this run or of others, says something in the places named, or nothing."""
    said, others = recorded.whole(name), [whole for _, whole in recorded.others_of(name)]
    same = canonical.dumps(said)
    with tallied(f"{name}, members of others, digests anew", record_property) as codes:
        for one in sampled(borrowed(said, others), f"{name} borrowed", 0.01):
            if (data := anew(one)) in (None, same):
                continue
            assert data is not None
            code = agreed(data, PEOPLE)
            codes[code] += 1
            assert code or allowed.by_word(one.where), f"{one.where}, {one.how}: accepted"


@each
def test_receipts_are_neither_left_out_nor_doubled_nor_swapped(name: str, record_property: Record) -> None:
    """In ledgers, child runs and what was cut off; the order has no place for them."""
    said = recorded.whole(name)
    with tallied(f"{name}, receipts left out, doubled, swapped", record_property) as codes:
        refused(sampled(shifted(said), name, 0.02), canonical.dumps(said), codes, allowed.MOVED)


@each
def test_chains_are_cut_short_at_their_ends_alone(name: str, record_property: Record) -> None:
    """A ledger without its last entries is that of a run that goes on; without others it is none."""
    said = recorded.whole(name)
    with tallied(f"{name}, chains cut short", record_property) as codes:
        refused(sampled(cut_short(said), name, 0.005), canonical.dumps(said), codes, allowed.CUT)


@each
def test_receipts_and_runs_of_elsewhere_are_refused(name: str, record_property: Record) -> None:
    """Of another run, plan, attempt or stage, of what was cut off, of a child run or sibling: none has a place."""
    said, others = recorded.whole(name), [*recorded.others_of(name)]
    with tallied(f"{name}, transplants", record_property) as codes:
        every = chain(transplanted(said, others), exchanged(said, others))
        refused(sampled(every, name, 0.004), canonical.dumps(said), codes, allowed.TRANSPLANTED)


@each
def test_nothing_of_this_passes_where_everybody_signed(name: str, record_property: Record) -> None:
    """What is only consistent where nobody signed is refused where workers, people and the exporter did."""
    said, others = recorded.signed(name), [*recorded.others_of(name, signed=True)]
    same = canonical.dumps(said)
    assert agreed(same, PEOPLE) == ""
    with tallied(f"{name}, signed", record_property) as codes:
        every = chain(shifted(said), cut_short(said), transplanted(said, others), exchanged(said, others))
        refused(sampled(every, f"{name} signed", 0.002), same, codes, allowed.THOUGH_SIGNED)


@each
def test_other_spellings_of_recorded_certificates_are_refused(name: str, record_property: Record) -> None:
    """There is one way to write each; whatever a lenient reader takes for the same is another file."""
    data = canonical.dumps(json.loads(canonical.dumps(recorded.whole(name))))
    with tallied(f"{name}, spellings", record_property) as codes:
        for how, (other, code) in spellings(data).items():
            if other == data or (how == "deep" and not EVERY):
                continue  # it has nothing to be spelt otherwise
            found = agreed(other)
            codes[found] += 1
            assert found == code, how

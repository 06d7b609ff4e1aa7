"""Certificates are tampered with in every way that we know of, and refused for the right reason, by both verifiers.

`make test` takes each way once for each kind of member; `make search` takes every member of every object.
"""

from __future__ import annotations

import copy
import json
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import pytest

from gatework.values import canonical
from gatework.values.canonical import Json
from tests.proof import making, repairing
from tests.proof.allowed import HARMLESS, by_word
from tests.proof.both import PLACE, agreed
from tests.proof.spellings import spellings
from tests.proof.tampering import EVERY, Record, Tampered, anew, taken, tampered, told

pytestmark = pytest.mark.slow

PEOPLE = making.people()


@cache
def signed(which: str) -> Any:
    """A certificate signed by everybody who can. Nobody may change it."""
    return making.signed(making.certificate(making.paid() if which == "paid" else making.gone()))


def verdict(data: bytes, people: str = PEOPLE) -> str:
    """The code on which both verifiers agree, with the keys of everybody."""
    return agreed(data, people)


# -- one member changed ----------------------------------------------------------------------------


@pytest.mark.parametrize("which", ["paid", "gone"])
def test_no_member_can_be_changed(which: str, record_property: Record) -> None:
    """Of every object every member: another type, one digit, one more, another name, removed, an unknown one added."""
    codes: Counter[str] = Counter()
    for one in taken(tampered(signed(which))):
        code = verdict(canonical.dumps(one.said))
        codes[code] += 1
        assert code or (one.where, one.how) in HARMLESS, f"{one.where}, {one.how}"
    told(f"{which}, one member", codes, record_property)


@pytest.mark.parametrize("which", ["paid", "gone"])
def test_no_member_can_be_changed_by_who_can_hash(which: str, record_property: Record) -> None:
    """With every digest computed anew, a signature or the order tells."""
    codes: Counter[str] = Counter()
    same = canonical.dumps(signed(which))
    for one, data in repaired(signed(which)):
        if data == same:
            continue
        code = verdict(data)
        codes[code] += 1
        assert code or (one.where, one.how) in HARMLESS, f"{one.where}, {one.how}"
    told(f"{which}, digests anew", codes, record_property)


def repaired(said: Json) -> Iterator[tuple[Tampered, bytes]]:
    """Everything that can be hashed anew; plans are taken as a whole elsewhere."""
    for one in taken(tampered(said, but=("plans",))):
        data = anew(one)
        if data is not None:  # what cannot even be hashed is refused as it is
            yield one, data


@pytest.mark.parametrize("which", ["paid", "gone"])
def test_what_is_not_signed_is_only_consistent(which: str, record_property: Record) -> None:
    """Who makes a ledger can lie, but never in order, digests shown, actions, labels of the plan, or who signed."""
    bare, codes, passed = making.bare(signed(which)), Counter[str](), defaultdict[str, set[str]](set)
    same = canonical.dumps(bare)
    assert verdict(same) == ""
    for one, data in repaired(bare):
        if data == same:
            continue
        code = verdict(data)
        codes[code] += 1
        if not code and (one.where, one.how) not in HARMLESS:
            passed[one.where].add(one.how)
    for where, how in passed.items():
        assert by_word(where), f"{where}: {how}"
    told(f"{which}, unsigned", codes, record_property)


# -- receipts moved about --------------------------------------------------------------------------


def entries(said: Json) -> list[Any]:
    return list(said["runs"][0]["entries"])


def moved(change: Callable[[list[Any]], object], which: str = "paid", *, bare: bool = False) -> bytes:
    """A certificate whose receipts are other, with every digest computed anew."""
    said = copy.deepcopy(making.bare(signed(which)) if bare else signed(which))
    change(said["runs"][0]["entries"])
    return canonical.dumps(repairing.repaired(said))


@pytest.mark.parametrize("which", ["paid", "gone"])
def test_no_receipt_is_dropped_doubled_or_swapped(which: str, record_property: Record) -> None:
    """Each receipt in turn, in a ledger that nobody signed and whose chain is made anew."""
    codes: Counter[str] = Counter()
    many = len(entries(signed(which)))

    def drop(of: list[Any]) -> None:
        of.pop(n)

    def double(of: list[Any]) -> None:
        of.insert(n, copy.deepcopy(of[n]))

    def swap(of: list[Any]) -> None:
        of.insert(n, of.pop(n + 1))

    for n in range(0, many, 1 if EVERY else 3):
        for change in (double, drop, swap) if n < many - 1 else (double,):
            data = moved(change, which, bare=True)
            code = verdict(data)
            codes[code] += 1
            assert code in PLACE | {"signature", "plan", "stray", "child"}, f"receipt {n + 1}: {code or 'accepted'}"
    told(f"{which}, receipts dropped, doubled, swapped", codes, record_property)


def test_ledger_cut_short_is_an_open_run_unless_signed() -> None:
    """Without `ended` a ledger is that of a run that goes on; who exported it signed where it ended."""
    for many in range(1, len(entries(signed("paid"))), 1 if EVERY else 4):

        def cut(of: list[Any], many: int = many) -> None:
            del of[many:]

        said = json.loads(moved(cut))
        named = canonical.dumps(said["runs"]).decode()
        said["values"] = {digest: value for digest, value in said["values"].items() if digest in named}
        assert verdict(canonical.dumps(said)) == "signature", many
        assert verdict(canonical.dumps(making.bare(said))) == "", many


def test_receipts_of_elsewhere_are_refused() -> None:
    """From another run, plan, attempt or stage: neither the chain nor the order has a place for them."""
    other, own = making.signed(making.certificate(making.paid("another", amount=11))), canonical.dumps(signed("paid"))
    codes = []
    for n in range(0, len(entries(signed("paid"))), 1 if EVERY else 3):
        for source in (other, signed("gone")):
            said = copy.deepcopy(signed("paid"))
            said["runs"][0]["entries"][n] = copy.deepcopy(entries(source)[n])
            codes.append(verdict(canonical.dumps(said)))
            hashed = canonical.dumps(repairing.repaired(said))
            # A receipt that says the same, such as a question about the same value, is the same.
            codes += [verdict(hashed)] if hashed != own else []
    assert "" not in codes
    assert {"chain", "order", "signature"} <= {*codes}


# -- who signed ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("role", "name"),
    [
        ("worker", "ana"),
        ("worker", "checks"),
        ("worker", "replaced"),
        ("guard", "machine"),
        ("guard", "replaced"),
        ("person", "machine"),
        ("person", "mallory"),
        ("person", "retired"),
        ("person", "stranger"),
        ("exporter", "machine"),
        ("exporter", "ana"),
        ("exporter", "retired"),
    ],
)
def test_keys_of_others_are_refused(role: str, name: str) -> None:
    """A worker's key for a decision, a guard's for an attempt, one that has expired, one that is not on the list."""
    who: Any = {role: name}
    said = making.signed(making.certificate(making.paid()), **who)
    assert verdict(canonical.dumps(said)) == "signature"
    assert verdict(canonical.dumps(said), people="") == "", "without a list nothing tells"


def decided(said: Json, number: int = 0) -> Any:
    return [one["receipt"] for one in said["runs"][0]["entries"] if one["receipt"]["kind"] == "decided"][number]


def test_approvals_are_neither_forged_nor_replayed() -> None:
    """A signature of another gate, run, action or evidence, of a bystander, or of none is none."""
    own, other = signed("paid"), making.signed(making.certificate(making.paid("another")))
    forged: dict[str, Callable[[Any], object]] = {
        "of another gate": lambda said: decided(said)["how"].update(signed=decided(own, 1)["how"]["signed"]),
        "of another run": lambda said: decided(said)["how"].update(decided(other)["how"]),
        "another action": lambda said: decided(said).update(action="abort"),
        "another note": lambda said: decided(said).update(reason="never mind"),
        "another name": lambda said: decided(said).update(by="ben"),
        "none": lambda said: decided(said).pop("how"),
        "less sure": lambda said: decided(said).update(identity="claimed"),
        "one for two": lambda said: decided(said, 2).update(copy.deepcopy(decided(said, 1))),
        "counted twice": lambda said: decided(said, 1)["how"].update(approvals=2),
    }
    codes = {}
    for name, forge in forged.items():
        said = copy.deepcopy(making.bare(own))
        forge(said)
        codes[name] = verdict(canonical.dumps(repairing.repaired(said)))
    assert "" not in codes.values(), codes
    assert codes["of another gate"] == codes["of another run"] == codes["another note"] == "signature"
    assert codes["less sure"] == "identity"
    assert codes["counted twice"] == "quorum"


def test_plans_are_not_weakened() -> None:
    """A guard, an approval, a limit or an attempt less or more is another plan, to which no receipt was held."""
    weakened: dict[str, Callable[[Any], object]] = {
        "a guard less": lambda plan: plan["nodes"][0]["guards"].pop(),
        "a guard before less": lambda plan: plan["nodes"][0]["before"].pop(),
        "one who approves": lambda plan: plan["nodes"][3]["by"].update(quorum=1),
        "nobody signs": lambda plan: plan["nodes"][3]["by"].update(identity="claimed"),
        "nobody lets it": lambda plan: plan["nodes"][2]["tools"][0].update(approver=None),
        "less is shown": lambda plan: plan["nodes"][3].update(show=[], reads=plan["nodes"][3]["reads"][:1]),
        "one attempt": lambda plan: plan["nodes"][0].update(attempts=1),
        "endorsed": lambda plan: plan["nodes"][0].update(label="endorsed"),
        "a name": lambda plan: plan.update(name="another"),
    }
    for name, weaken in weakened.items():
        said = copy.deepcopy(signed("paid"))
        weaken(next(iter(said["plans"].values())))
        assert verdict(canonical.dumps(said)) == "plan", name
        anew = repairing.repaired(said)
        anew["runs"][0]["workflow"] = next(iter(anew["plans"].values()))["name"]
        assert verdict(canonical.dumps(anew)), name


def test_older_formats_are_refused() -> None:
    """There is one format, and nothing that asks for less."""
    for name in (
        "gatework.certificate/0",
        "gatework.certificate/2",
        "gatework.certificate",
        "",
        "gatework.certificate/1.0",
    ):
        assert verdict(canonical.dumps({**signed("paid"), "format": name})) == "format"


# -- spellings -------------------------------------------------------------------------------------


def test_other_spellings_are_refused() -> None:
    """There is one way to write a certificate; whatever a lenient reader takes for the same is another file."""
    data = canonical.dumps(signed("paid"))
    assert verdict(data) == verdict(data + b"\n") == ""
    for name, (other, code) in spellings(data).items():
        assert other != data, name
        assert verdict(other) == code, name


def test_unicode_forms_are_other_texts() -> None:
    """A name in NFD is not the same text as in NFC, whatever it looks like: its digests are others."""
    said = copy.deepcopy(making.bare(signed("gone")))
    asked = next(one["receipt"] for one in said["runs"][0]["entries"] if one["receipt"]["kind"] == "chose")
    asked["reason"] = unicodedata.normalize("NFC", "Über")
    composed = repairing.repaired(said)
    assert verdict(canonical.dumps(composed)) == ""
    text = canonical.dumps(composed).decode()
    assert verdict(unicodedata.normalize("NFD", text).encode()) == "chain"

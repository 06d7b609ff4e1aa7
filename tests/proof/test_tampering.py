"""Certificates are tampered with in every way that we know of, and refused for the right reason, by both verifiers.

`make test` takes each way once for each kind of member; `make search` takes every member of every object.
"""

from __future__ import annotations

import copy
import json
import os
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from random import Random
from typing import Any

import pytest

from gatework.values import canonical
from gatework.values.canonical import Json
from tests.proof import making
from tests.proof.both import first, second
from tests.proof.spellings import spellings
from tests.proof.tampering import Tampered, tampered

EVERY = bool(os.environ.get("GATEWORK_SEARCH"))
"""Whether every member is taken, or each way of each kind of member once."""

pytestmark = pytest.mark.slow

PEOPLE = making.people()
LEFT_OUT = {"limits", "budget"}
"""What a verifier may leave unchecked, and the second one does: section 8 of the specification."""

PLACE = {"order", "guards", "evidence", "identity", "quorum", "effects", "rule", "child", "contract", *LEFT_OUT}
"""Of several rules that an entry breaks in its place, a verifier may name any."""
FORM = {"json", "canonical", "format"}
"""So it is with the form of the file."""


@cache
def signed(which: str) -> Any:
    """A certificate signed by everybody who can. Nobody may change it."""
    return making.signed(making.certificate(making.paid() if which == "paid" else making.gone()))


def verdict(data: bytes, people: str = PEOPLE) -> str:
    """The code of Gatework, with which the second verifier agrees; empty where both accept.

    What is not of the form, one may find at the form and the other at its place; and a plan that breaks a rule of all
    plans, the second does not look at.
    """
    one, other = first(data, people), second(data, people)
    alike = (
        one == other
        or (one in LEFT_OUT and other in ("", "signature"))  # or it finds what comes behind
        or {one, other} <= PLACE
        or {one, other} <= FORM
        or ("" not in (one, other) and not {one, other}.isdisjoint({"format", "plan"}))
    )
    assert alike, f"Gatework says {one or 'accepted'}, the second verifier {other or 'accepted'}"
    return one


def taken(every: Iterable[Tampered]) -> Iterator[Tampered]:
    """All of it in the search; else each kind of place once, changed in one way for each of a few words."""
    seen = set()
    for one in every:
        if EVERY or (one.where, one.how) not in seen:
            seen.add((one.where, one.how))
            if EVERY or Random(f"{one.where} {one.how}").random() < 0.05:
                yield one


def told(title: str, codes: Counter[str], record: Callable[[str, object], None]) -> None:
    """A line for whoever runs the tests."""
    line = f"{title}: {sum(codes.values())} tampered, " + ", ".join(
        f"{code or 'accepted'} {n}" for code, n in codes.items()
    )
    record("tampered", line)
    print(line)


# -- one member changed ----------------------------------------------------------------------------

HARMLESS = {
    ("runs.run_id", "longer"): "the server's id of a run is nobody's word but the exporter's; no rule rests on it",
    ("signatures", "first dropped"): "nobody signed then, and the report says so; a policy can demand it",
    ("signatures", "last twice"): "the same signature twice",
    ("signatures.key", "longer"): "of a key that the list does not have: nobody signed then, as far as it knows",
    ("signatures.key", "one digit"): "the same",
    ("values", "removed"): "a value withheld: all that holds of its digest holds still",
}
"""What may be changed of a signed certificate without a word, and why that is right."""


@pytest.mark.parametrize("which", ["paid", "gone"])
def test_no_member_can_be_changed(which: str, record_property: Callable[[str, object], None]) -> None:
    """Of every object every member: another type, one digit, one more, another name, removed, an unknown one added."""
    codes: Counter[str] = Counter()
    for one in taken(tampered(signed(which))):
        code = verdict(canonical.dumps(one.said))
        codes[code] += 1
        assert code or (one.where, one.how) in HARMLESS, f"{one.where}, {one.how}"
    told(f"{which}, one member", codes, record_property)


@pytest.mark.parametrize("which", ["paid", "gone"])
def test_no_member_can_be_changed_by_who_can_hash(which: str, record_property: Callable[[str, object], None]) -> None:
    """With every digest computed anew, a signature or the order tells."""
    codes: Counter[str] = Counter()
    same = canonical.dumps(signed(which))
    for one in repaired(signed(which)):
        data = canonical.dumps(one.said)
        if data == same:
            continue
        code = verdict(data)
        codes[code] += 1
        assert code or (one.where, one.how) in HARMLESS, f"{one.where}, {one.how}"
    told(f"{which}, digests anew", codes, record_property)


def repaired(said: Json) -> Iterator[Tampered]:
    """Everything that can be hashed anew; plans are taken as a whole elsewhere."""
    for one in taken(tampered(said)):
        if one.where.startswith("plans"):
            continue
        try:
            yield Tampered(one.where, one.how, making.repaired(one.said))
        except (KeyError, TypeError, AttributeError, ValueError, IndexError):
            continue  # what cannot even be hashed is refused as it is


BY_WORD = {
    "reason": "why is free text",
    "reasons": "so is why somebody is asked, as long as the digest of the gate is over it",
    "by": "who decided, where no key shows it: claimed, and said to be",
    "identity": "how surely, where no key shows it: the server's word",
    "verdict": "what a guard said, where nothing else follows of it",
    "run": "the lineage of a run without a signed decision",
    "entries": "what a model answered, and tools that run with the stage",
    "kind": "the same",
    "tool": "the same",
    "outcome": "the same",
    "spent": "what it cost",
    "tool_calls": "the same",
    "refund": "the same",
    "label": "how far what a child run gave is trusted: a call gives it on as the plan says, and no better",
    "data": "a value, with its digest in every place where it stands",
    "salt": "the same",
    "at": "when",
}
"""Of a certificate that no machine signed: the members that rest on the word of whoever made it, and why."""


@pytest.mark.parametrize("which", ["paid", "gone"])
def test_what_is_not_signed_is_only_consistent(which: str, record_property: Callable[[str, object], None]) -> None:
    """Who makes a ledger can lie, but never in order, digests shown, actions, labels of the plan, or who signed."""
    bare, codes, passed = making.bare(signed(which)), Counter[str](), defaultdict[str, set[str]](set)
    same = canonical.dumps(bare)
    assert verdict(same) == ""
    for one in repaired(bare):
        data = canonical.dumps(one.said)
        if data == same:
            continue
        code = verdict(data)
        codes[code] += 1
        if not code and (one.where, one.how) not in HARMLESS:
            passed[one.where].add(one.how)
    for where, how in passed.items():
        assert where.rpartition(".")[2] in BY_WORD or where.startswith("values.data"), f"{where}: {how}"
    told(f"{which}, unsigned", codes, record_property)


# -- receipts moved about --------------------------------------------------------------------------


def entries(said: Json) -> list[Any]:
    return list(said["runs"][0]["entries"])


def moved(change: Callable[[list[Any]], object], which: str = "paid", *, bare: bool = False) -> bytes:
    """A certificate whose receipts are other, with every digest computed anew."""
    said = copy.deepcopy(making.bare(signed(which)) if bare else signed(which))
    change(said["runs"][0]["entries"])
    return canonical.dumps(making.repaired(said))


@pytest.mark.parametrize("which", ["paid", "gone"])
def test_no_receipt_is_dropped_doubled_or_swapped(which: str, record_property: Callable[[str, object], None]) -> None:
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
            anew = canonical.dumps(making.repaired(said))
            # A receipt that says the same, such as a question about the same value, is the same.
            codes += [verdict(anew)] if anew != own else []
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
        codes[name] = verdict(canonical.dumps(making.repaired(said)))
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
        anew = making.repaired(said)
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
    composed = making.repaired(said)
    assert verdict(canonical.dumps(composed)) == ""
    text = canonical.dumps(composed).decode()
    assert verdict(unicodedata.normalize("NFD", text).encode()) == "chain"


# -- fuzz ------------------------------------------------------------------------------------------


def mutants(data: bytes, seed: str, many: int) -> Iterator[bytes]:
    """The bytes with a few of them changed, dropped, doubled or taken from elsewhere."""
    chance = Random(seed)
    for _ in range(many):
        made = bytearray(data)
        for _ in range(chance.choice([1, 1, 1, 2, 5])):
            at = chance.randrange(len(made))
            length = chance.choice([1, 1, 2, 8, 64])
            match chance.randrange(5):
                case 0:
                    made[at] = chance.randrange(256)
                case 1:
                    made[at] ^= 1 << chance.randrange(8)
                case 2:
                    del made[at : at + length]
                case 3:
                    made[at:at] = made[at : at + length]
                case _:
                    made[at : at + length] = chance.choice(
                        [b'"', b"{", b"}", b"[", b",", b"null", b"-", b"1e9", b"\\u0000"]
                    )
        yield bytes(made)


@pytest.mark.parametrize("which", ["paid", "gone"])
def test_mutilated_files_are_refused_with_a_code(which: str) -> None:
    """Whatever is done to the bytes: never a crash, and never accepted unless nothing was changed."""
    data = canonical.dumps(signed(which))
    codes: Counter[str] = Counter()
    for mutant in mutants(data, which, 5_000 if EVERY else 100):
        if mutant.removesuffix(b"\n") != data:
            code = verdict(mutant)
            codes[code] += 1
            pairs = enumerate(zip(mutant, data, strict=False))
            where = next((n for n, (a, b) in pairs if a != b), min(len(mutant), len(data)))
            assert code or b'"run_id"' in data[max(0, where - 40) : where + 1], mutant[max(0, where - 40) : where + 40]
    print(f"{which}, bytes: {sum(codes.values())}, {dict(codes)}")

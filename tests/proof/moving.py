"""What an attacker does with receipts: leaves some out, doubles them, brings them from elsewhere, or a member of one.

Nothing here makes a digest anew; `repairing` does, for whoever can hash. What comes from another certificate brings the
values along that it names, and values that nothing names any more are left out, so that nothing is refused for these.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Any

from gatework.values import canonical
from tests.proof.tampering import Tampered, replaced

Others = Iterable[tuple[str, Any]]
"""Certificates, with what they are to the one in hand: `another run`, `another plan`."""


@dataclass(frozen=True)
class Place:
    """An entry in a certificate."""

    run: int
    leg: int
    """0 is the ledger, from 1 what was cut off of it."""
    number: int = 0

    @property
    def where(self) -> str:
        return "cut off" if self.leg else "a child run" if self.run else "the run"


def leg_of(said: Any, place: Place) -> Any:
    """The entries of a ledger, or of what was cut off of it."""
    of = said["runs"][place.run]
    return (of["superseded"][place.leg - 1] if place.leg else of)["entries"]


def legs(said: Any) -> Iterator[Place]:
    for run, of in enumerate(said["runs"]):
        yield from (Place(run, leg) for leg in range(len(of["superseded"]) + 1))


def places(said: Any) -> Iterator[Place]:
    for leg in legs(said):
        yield from (Place(leg.run, leg.leg, number) for number in range(len(leg_of(said, leg))))


def kind(entry: Any) -> str:
    return str(entry["receipt"]["kind"])


def with_values(said: Any, *sources: Any) -> Any:
    """The certificate with the values that it names, as far as it or these others have them, and no others."""
    known = {digest: value for source in (*sources, said) for digest, value in source["values"].items()}
    text = canonical.dumps(said["runs"]).decode()
    return {**said, "values": {digest: value for digest, value in known.items() if digest in text}}


def with_leg(said: Any, place: Place, entries: Sequence[Any], *sources: Any) -> Any:
    """The certificate with other entries in a ledger, or in what was cut off of it. Of none there is no ledger."""
    inner = ("superseded", place.leg - 1) if place.leg else ()
    return with_values(replaced(said, ("runs", place.run, *inner, "entries"), [*entries]), *sources)


def with_runs(said: Any, runs: Sequence[Any], *sources: Any) -> Any:
    plans = {digest: plan for source in (*sources, said) for digest, plan in source["plans"].items()}
    return with_values({**said, "plans": plans, "runs": [*runs]}, *sources)


# -- receipts left out, doubled, swapped, chains cut short -----------------------------------------


def shifted(said: Any) -> Iterator[Tampered]:
    """Each receipt left out, doubled, and swapped with the next; in ledgers, child runs, and what was cut off."""
    for place in places(said):
        of, n = leg_of(said, place), place.number
        own = kind(of[n])
        yield Tampered(f"{place.where}: {own}", "doubled", partial(with_leg, said, place, [*of[: n + 1], *of[n:]]))
        if n + 1 < len(of):  # an end that is left out is a chain cut short
            left = [*of[:n], *of[n + 1 :]]
            yield Tampered(f"{place.where}: {own}", "left out", partial(with_leg, said, place, left))
            turned = [*of[:n], of[n + 1], of[n], *of[n + 2 :]]
            where = f"{place.where}: {own} {kind(of[n + 1])}"
            yield Tampered(where, "swapped", partial(with_leg, said, place, turned))


def cut_short(said: Any) -> Iterator[Tampered]:
    """Every ledger, and what was cut off, without its last entries, its first, and some between."""
    for leg in legs(said):
        of = leg_of(said, leg)
        for start in range(len(of)):
            for end in range(start + 1, len(of) + 1):
                if end - start == len(of) or (end < len(of) and end - start == 1 and start):
                    continue  # without any there is no ledger, and without one is among those above
                how = "the end" if end == len(of) else "the beginning" if not start else "some"
                kinds = " ".join(dict.fromkeys(kind(entry) for entry in of[start:end]) if how == "some" else ())
                yield Tampered(
                    f"{leg.where}: {kinds}".rstrip(": "), f"without {how}", partial(_cut, said, leg, start, end)
                )


def _cut(said: Any, leg: Place, start: int, end: int) -> Any:
    of = leg_of(said, leg)
    left = [*of[:start], *of[end:]]
    said = with_leg(said, leg, left)
    return _linked(said, of[-1]["digest"], left[-1]["digest"]) if end == len(of) else said


def _linked(said: Any, old: str, new: str) -> Any:
    """Have whoever says how a child run ended say so of another end."""
    for place in places(said):
        if leg_of(said, place)[place.number]["receipt"].get("how", {}).get("ledger") == old:
            inner = ("superseded", place.leg - 1) if place.leg else ()
            path = ("runs", place.run, *inner, "entries", place.number, "receipt", "how", "ledger")
            said = replaced(said, path, new)
    return said


# -- members of other receipts ---------------------------------------------------------------------


def borrowed(said: Any, others: Iterable[Any]) -> Iterator[Tampered]:
    """Each receipt with one member more, or another in its place, as some receipt has it: three of each name."""
    lent: defaultdict[tuple[str, str], dict[bytes, Any]] = defaultdict(dict)
    for whole in (said, *others):
        for place in places(whole):
            receipt = leg_of(whole, place)[place.number]["receipt"]
            members = {("how", name): value for name, value in receipt.get("how", {}).items()}
            members |= {("", name): value for name, value in receipt.items() if name not in ("how", "kind")}
            for key, value in members.items():
                lent[key].setdefault(canonical.dumps(value), value)
    for place in places(said):
        inner = ("superseded", place.leg - 1) if place.leg else ()
        path = ("runs", place.run, *inner, "entries", place.number, "receipt")
        receipt = leg_of(said, place)[place.number]["receipt"]
        for (inside, name), values in lent.items():
            how = receipt.get("how", {})
            leg = "runs.superseded" if inner else "runs"
            where = f"{receipt['kind']} {leg}.entries.receipt.{inside and 'how.'}{name}"
            several = Random(f"{path} {name}").sample([*values.values()], min(3, len(values)))
            for value in several:
                if (how if inside else receipt).get(name) != value:
                    other = {"how": {**how, name: value}} if inside else {name: value}
                    yield Tampered(where, "as another", partial(replaced, said, path, receipt | other))


# -- receipts from elsewhere -----------------------------------------------------------------------


def transplanted(said: Any, others: Others) -> Iterator[Tampered]:
    """Each receipt replaced by one from elsewhere, or with one from elsewhere before it: of the same kind where there
    is one.
    """
    others = list(others)
    for place in places(said):
        of, n = leg_of(said, place), place.number
        found: dict[str, list[tuple[Any, Any]]] = {}
        for name, entry, source in _elsewhere(said, place, others):
            found.setdefault(name, []).append((entry, source))
        for name, known in found.items():
            alike = [one for one in known if kind(one[0]) == kind(of[n])] or known
            entry, source = alike[n % len(alike)]
            where = f"{name}: {kind(entry)}"
            there = partial(with_leg, said, place, [*of[:n], entry, *of[n + 1 :]], source)
            yield Tampered(where, f"in place of {kind(of[n])}", there)
            yield Tampered(
                where, f"before {kind(of[n])}", partial(with_leg, said, place, [*of[:n], entry, *of[n:]], source)
            )


def _elsewhere(said: Any, place: Place, others: list[tuple[str, Any]]) -> Iterator[tuple[str, Any, Any]]:
    own = leg_of(said, place)[place.number]["receipt"]
    for there in places(said):
        entry = leg_of(said, there)[there.number]
        if there.run != place.run:
            yield _kin(place.run, there.run), entry, said
        elif there.leg != place.leg:
            yield ("what was cut off" if there.leg else "the ledger"), entry, said
        elif entry["receipt"].get("node") != own.get("node"):
            yield "another stage", entry, said
        elif there != place:
            yield "another attempt", entry, said
    for name, source in others:
        yield from ((name, leg_of(source, there)[there.number], source) for there in places(source))


def _kin(run: int, other: int) -> str:
    """What one run of a certificate is to another: the first is that of all others."""
    return "a child run" if not run else "the run that called it" if not other else "a sibling"


# -- whole runs, and what was cut off --------------------------------------------------------------


def exchanged(said: Any, others: Others) -> Iterator[Tampered]:
    """Whole ledgers and ends in each other's place: of child runs, of other certificates, of what was cut off."""
    runs = said["runs"]
    for one in range(1, len(runs)):
        yield Tampered("a child run", "left out", partial(with_runs, said, [*runs[:one], *runs[one + 1 :]]))
        again = {**runs[one], "run_id": f"{runs[one]['run_id']}0"}
        yield Tampered("a child run", "twice", partial(with_runs, said, [*runs, again]))
        for two in range(one):
            yield Tampered("two runs", "swapped", partial(with_runs, said, _swapped(runs, two, one)))
    for leg in legs(said):
        if leg.leg:
            yield from _ends(said, leg)
    for name, source in others:
        yield from _of_another(said, name, source)


def _swapped(runs: Sequence[Any], one: int, two: int) -> list[Any]:
    """Each under the id of the other."""
    made = [*runs]
    made[one], made[two] = {**runs[two], "run_id": runs[one]["run_id"]}, {**runs[one], "run_id": runs[two]["run_id"]}
    return made


def _ends(said: Any, leg: Place) -> Iterator[Tampered]:
    """What was cut off: in the ledger's place, left out, twice, first or last, as a run of its own."""
    runs, of = said["runs"], said["runs"][leg.run]
    cuts = of["superseded"]
    cut, others = cuts[leg.leg - 1], [*cuts[: leg.leg - 1], *cuts[leg.leg :]]
    kept = cut["entries"][0]["sequence"] - 1
    tail = {**cut, "entries": of["entries"][kept:]}
    ways = {
        "in the ledger's place": {"entries": [*of["entries"][:kept], *cut["entries"]], "superseded": [*others, tail]},
        "left out": {"superseded": others},
        "twice": {"superseded": [*cuts, cut]},
        "as another": {"superseded": cuts[::-1]},
        "with what it follows on": {
            "superseded": [*others, {**cut, "entries": [*of["entries"][:kept], *cut["entries"]]}]
        },
    }
    for how, change in ways.items():
        if how != "as another" or len(cuts) > 1:
            made = [*runs[: leg.run], {**of, **change}, *runs[leg.run + 1 :]]
            yield Tampered("what was cut off", how, partial(with_runs, said, made))
    own = {**of, "run_id": f"{cut['run_id']}0", "entries": cut["entries"], "superseded": []}
    yield Tampered("what was cut off", "as a run", partial(with_runs, said, [*runs, own]))


def _of_another(said: Any, name: str, source: Any) -> Iterator[Tampered]:
    """Runs and ends of another certificate."""
    runs = said["runs"]
    for number, of in enumerate(source["runs"]):
        other = {**of, "run_id": f"{of['run_id']}0"}
        yield Tampered(f"a run of {name}", "with it", partial(with_runs, said, [*runs, other], source))
        if number < len(runs):
            there = [*runs[:number], {**of, "run_id": runs[number]["run_id"]}, *runs[number + 1 :]]
            yield Tampered(f"a run of {name}", "in place of one", partial(with_runs, said, there, source))
        ends = [of["entries"][start:] for start in range(len(of["entries"]))]
        for entries in (*ends, *(cut["entries"] for cut in of["superseded"])):
            cut = {"run_id": of["run_id"], "entries": entries}
            there = [{**runs[0], "superseded": [*runs[0]["superseded"], cut]}, *runs[1:]]
            yield Tampered(f"an end of {name}", "as what was cut off", partial(with_runs, said, there, source))

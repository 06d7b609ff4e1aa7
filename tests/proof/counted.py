"""How many ways to tamper with the recorded certificates there are: `python -m tests.proof.counted`; none is tried.

The tests tell how many of them they took, and the codes: `python -m pytest -s tests/proof/test_recorded.py`, and so on.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable

from tests.proof import forging, moving, recorded
from tests.proof.tampering import tampered
from tests.proof.weakening import weakened


def counted(name: str) -> Counter[str]:
    """Of one certificate, by what the tests call it."""
    said, signed = recorded.whole(name), recorded.signed(name)
    others = [*recorded.others_of(name)]
    foreign = [one for _, one in recorded.others_of(name, signed=True)]
    return Counter(
        {
            "one member": _many(tampered(said)),
            "one member, digests anew": _many(tampered(said, but=("plans",))),
            "members of other receipts": _many(moving.borrowed(said, [whole for _, whole in others])),
            "receipts left out, doubled, swapped": _many(moving.shifted(said)),
            "chains cut short": _many(moving.cut_short(said)),
            "receipts of elsewhere": _many(moving.transplanted(said, others)),
            "runs and ends of elsewhere": _many(moving.exchanged(said, others)),
            "plans weakened": _many(weakened(said)),
            "decisions forged, replayed": _many(forging.forged(signed, foreign)) + _many(forging.one_for_two(signed)),
            "signatures exchanged": _many(forging.exchanged(signed)),
        }
    )


def _many(every: Iterable[object]) -> int:
    return sum(1 for _ in every)


def main() -> None:
    found = sum(map(counted, recorded.NAMES), Counter[str]())
    for what, many in found.items():
        sys.stdout.write(f"{many:>8,}  {what}\n")
    sys.stdout.write(f"{found.total():>8,}  in {len(recorded.NAMES)} certificates\n")


if __name__ == "__main__":
    main()

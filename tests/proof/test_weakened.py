"""Plans of recorded certificates are weakened, member by member: one that asks for less is another plan.

`make test` takes a sample; with GATEWORK_SEARCH=1 every member of every plan.
"""

from __future__ import annotations

import pytest

from gatework.values import canonical
from gatework.verify.policy import Policy, unmet
from gatework.verify.whole import check, read
from tests.proof import recorded
from tests.proof.both import OF_PLANS, agreed
from tests.proof.tampering import Record, anew, sampled, tallied
from tests.proof.weakening import weakened

pytestmark = pytest.mark.slow

PEOPLE = recorded.people()


@pytest.mark.parametrize("name", recorded.NAMES)
def test_plans_are_not_weakened(name: str, record_property: Record) -> None:
    """As it is, it has another digest than its name; with all digests anew no signature is of it, nor any lock file."""
    said = recorded.whole(name)
    released = Policy(plans=frozenset(said["plans"]))
    both = zip(weakened(said), weakened(recorded.signed(name)), strict=True)
    with tallied(f"{name}, weakened plans", record_property) as codes:
        for bare, signed in sampled(both, name, 0.0015):
            told = f"{bare.where}, {bare.how}"
            code = agreed(canonical.dumps(bare.said))
            codes[code] += 1
            assert code in OF_PLANS, f"{told}: {code or 'accepted'}"
            data = anew(bare)
            if data is None:
                continue  # what cannot be hashed is refused as it is
            code = agreed(data, unread=OF_PLANS)
            codes[code] += 1
            if code:
                continue
            # Nobody signed, so it may have been another run, of that plan: who knows which were released is not misled.
            assert [*unmet(released, check(read(data)))], told
            data = anew(signed)
            assert data is not None
            code = agreed(data, PEOPLE)
            codes[code] += 1
            assert code == "signature", f"{told}: {code or 'accepted'}"

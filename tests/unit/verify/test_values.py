"""Values that a certificate discloses: the digests of their fields."""

from __future__ import annotations

from gatework.plan.expr import Ref
from gatework.values import canonical
from gatework.verify.values import Disclosed

SALT = "0f" * 16
WHOLE = canonical.digest("value", {"order": "A-1", "amount": 12}, salt=bytes.fromhex(SALT))
KNOWN = Disclosed(plans={}, values={WHOLE: ({"order": "A-1", "amount": 12}, SALT)})


def digest_of(value: object, *path: str) -> str:
    """As section 2 of the specification has it."""
    salt = canonical.digest("field", [SALT, *path])[:32]
    return canonical.digest("value", value, salt=bytes.fromhex(salt))


def test_each_field_of_a_value_has_its_own_digest() -> None:
    """Asked for one after the other, and again: a field never stands for another."""
    for _ in range(2):
        assert KNOWN.field(WHOLE, Ref("owed", ("order",))) == digest_of("A-1", "order")
        assert KNOWN.field(WHOLE, Ref("owed", ("amount",))) == digest_of(12, "amount")


def test_field_that_there_is_not_has_no_digest_and_one_that_is_withheld_is_not_known() -> None:
    """The one is a fault of the ledger, the other of nobody."""
    assert KNOWN.field(WHOLE, Ref("owed", ("name",))) == ""
    assert KNOWN.field("ab" * 32, Ref("owed", ("order",))) is None

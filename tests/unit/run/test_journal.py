"""What an attempt leaves of its questions and calls: names that nobody can guess them by."""

from __future__ import annotations

from gatework.run.journal import Journal, salt_of
from gatework.testing.factories import sealed
from gatework.values import canonical

CALL = ["pay", "refund", {"order": 7}]


def test_request_has_the_same_name_each_time_that_its_attempt_runs() -> None:
    """And another the second time that it is made in one, unless it is the same each time."""
    first, again = (Journal(salt=salt_of({"owed": sealed("a")})) for _ in range(2))
    one = first.occurrence("call", CALL)
    assert again.occurrence("call", CALL) == one
    assert first.occurrence("call", CALL) != one
    assert again.occurrence("call", CALL, once=True) == one


def test_name_of_a_request_tells_nothing_without_the_salts_of_the_inputs() -> None:
    """An order and an amount could be guessed from a digest without a salt."""
    salts = [salt_of({"owed": sealed("a", bytes([number]) * 16)}) for number in (1, 2)]
    assert len({Journal(salt=salt).occurrence("call", CALL) for salt in salts}) == 2
    assert len({Journal(salt=salt).named("arguments", {"order": 7}) for salt in salts}) == 2
    assert Journal(salt=salts[0]).named("arguments", {"order": 7}) != canonical.digest("arguments", {"order": 7})

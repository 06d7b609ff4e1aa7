"""Business keys: what names a run, whatever a sender makes of it."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from gatework import Endorsed, PlanError, Untrusted, stage, workflow
from gatework.errors import ContractError
from tests.unit.defining import Definitions


class Order(BaseModel):
    number: str
    gift: bool = False


@stage()
async def pack(order: Untrusted[Order]) -> Untrusted[str]:
    return Untrusted("")


def number(order: Order) -> str:
    return order.number


@workflow(key=number)
def ship(order: Untrusted[Order]) -> Untrusted[str]:
    """Ship an order."""
    return pack(order)


@workflow
def browse(order: Untrusted[Order]) -> Untrusted[str]:
    """Without a key."""
    return pack(order)


@pytest.mark.parametrize("key", ["A-1001", "a", "0", "v1.2_3", "x" * 63])
def test_short_and_harmless_key_stands_in_the_id(key: str) -> None:
    """An operator reads the order's number in the id of its run."""
    assert ship.id_of(Order(number=key)) == f"ship-{key}"


@pytest.mark.parametrize(
    "key",
    ["x" * 64, "a/b", "../etc", "a b", "a\nb", "a\x00b", "-a", ".a", "ä", "а", "a\u200b", "١", "<b>", "%41", "\u202ea"],
)
def test_any_other_key_stands_as_its_digest(key: str) -> None:
    """What could be mistaken, cut, or taken for a path, an option or markup is in no id."""
    assert re.fullmatch(r"ship-[0-9a-f]{64}", ship.id_of(Order(number=key)))


HOSTILE = st.text(min_size=1).filter(str.strip) | st.from_regex(r"[0-9a-f]{64}|[A-Za-z0-9._-]{1,80}", fullmatch=True)


@given(one=HOSTILE, other=HOSTILE)
def test_two_keys_never_share_an_id(one: str, other: str) -> None:
    """Neither normal forms, nor look-alikes, nor a key that is written like a digest."""
    ids = [ship.id_of(Order(number=key)) for key in (one, other)]
    assert (ids[0] == ids[1]) is (one == other)
    assert all(re.fullmatch(r"ship-[A-Za-z0-9][A-Za-z0-9._-]{0,63}", id) for id in ids)


def test_normal_forms_are_two_keys() -> None:
    """é and e with an accent look the same, and are not."""
    composed, apart = "caf\u00e9", "cafe\u0301"
    assert ship.id_of(Order(number=composed)) != ship.id_of(Order(number=apart))


def test_key_that_is_the_digest_of_another_is_another() -> None:
    """A sender who writes the digest of a key has not that key."""
    digest = ship.id_of(Order(number="a/b")).removeprefix("ship-")
    assert ship.id_of(Order(number=digest)) != f"ship-{digest}"


def test_one_key_is_one_id_whatever_else_the_input_says() -> None:
    """The key is all that names the run."""
    assert ship.id_of(Order(number="1")) == ship.id_of(Order(number="1", gift=True))


def test_without_a_key_every_run_has_an_id_of_its_own() -> None:
    """Nothing tells two inputs apart, so nothing says that they are one."""
    order = Order(number="1")
    assert browse.id_of(order) != browse.id_of(order)
    assert re.fullmatch(r"browse-[0-9a-f-]{36}", browse.id_of(order))


@pytest.mark.parametrize("key", ["", " ", "\n\t", "\u2003"])
def test_empty_key_is_refused(key: str) -> None:
    """Whatever has no key would be one run with whatever else has none."""
    with pytest.raises(ContractError, match="the key of ship is empty"):
        ship.id_of(Order(number=key))


def test_input_that_breaks_its_contract_has_no_id() -> None:
    """What a run would refuse names none."""
    with pytest.raises(ContractError):
        ship.id_of(Order.model_construct(number=7))
    with pytest.raises(ContractError):
        ship.id_of(Order(number="\ud800"))


def test_key_function_that_breaks_says_so_without_its_message() -> None:
    """Its message may hold what a sender wrote."""

    def breaks(order: Order) -> str:
        raise ValueError(f"secret {order.number}")

    def lies(order: Order) -> str:
        return 7  # type: ignore[return-value]

    for key, said in ((breaks, "cannot be computed: ValueError"), (lies, "is no text")):

        @workflow(key=key)
        def ship(order: Untrusted[Order]) -> Untrusted[str]:
            return pack(order)

        with pytest.raises(ContractError, match=said) as caught:
            ship.id_of(Order(number="1"))
        assert "secret" not in str(caught.value)


def test_key_function_cannot_change_the_input() -> None:
    """It is handed a copy."""

    def spoils(order: Order) -> str:
        order.gift = True
        return order.number

    @workflow(key=spoils)
    def ship(order: Untrusted[Order]) -> Untrusted[str]:
        return pack(order)

    order = Order(number="1")
    ship.id_of(order)
    assert not order.gift


def test_key_is_not_part_of_the_plan() -> None:
    """It names a run, and changes nothing of what the run does."""
    assert ship.plan.digest != browse.plan.digest

    @workflow
    def without(order: Untrusted[Order]) -> Untrusted[str]:
        return pack(order)

    assert without.plan.nodes == ship.plan.nodes


KEYS = {
    "takes another type": ("def key(mail: Claim) -> str: ...  # here", "does not take the input", "take a Mail"),
    "takes a label": ("def key(mail: Untrusted[Mail]) -> str: ...  # here", "does not take the input", "without a"),
    "takes two": ("def key(mail: Mail, more: str) -> str: ...  # here", "does not take the input", "nothing else"),
    "takes nothing": ("def key() -> str: ...  # here", "does not take the input", "take a Mail"),
    "gives another type": ("def key(mail: Mail) -> int: ...  # here", "gives a int", "Return a str"),
    "gives a key at times": ("def key(mail: Mail) -> str | None: ...  # here", "gives a", "Return a str"),
    "says nothing": ("def key(mail: Mail): ...  # here", "does not say what it returns", "Annotate"),
    "is a lambda": ("key = lambda mail: mail.text  # here", "no usable name", "def"),
}


@pytest.mark.parametrize("case", KEYS)
def test_key_that_does_not_fit_is_refused(case: str, defining: Definitions) -> None:
    """At import, naming the line of the key and the fix."""
    source, problem, fix = KEYS[case]
    body = "@workflow(key=key)\ndef plan(mail: Untrusted[Mail]) -> Untrusted[Claim]:\n    return extract(mail)\n"
    defining.refused(f"{source}\n{body}", problem, fix)


def test_plan_error_is_the_type_of_a_refused_key() -> None:
    """Also for what is no function at all."""
    key: Any = 7
    with pytest.raises(PlanError):

        @workflow(key=key)
        def ship(order: Endorsed[Order]) -> Endorsed[Order]:
            raise NotImplementedError

"""A plan is wired by its types: a step left out, or taken out of order, is an error where it is written."""

from __future__ import annotations

from datetime import timedelta
from typing import assert_type

from domain import Letter, Mail, Owed, Sent, draft, extract, owed_by_our_records, pay, send

from gatework import Approved, Endorsed, Untrusted, all_of, any_of, approve, endorse, not_, present, role, workflow


@workflow
def refund(mail: Untrusted[Mail]) -> Endorsed[Sent]:
    claim = extract(mail)
    owed = endorse(claim, by=owed_by_our_records)
    assert_type(owed, Endorsed[Owed])
    letter = draft(owed, tone="cool")
    assert_type(letter, Endorsed[Letter])
    large = any_of(owed.value.amount > 100, not_(present(owed.value.order)))
    agreed = approve(owed, by=role("finance"), when=large, show=[claim, letter], within=timedelta(hours=24), click=True)
    assert_type(agreed, Approved[Owed])
    return send(letter, pay(agreed))


def approval_is_skipped(mail: Untrusted[Mail]) -> Endorsed[Sent]:
    owed = endorse(extract(mail), by=owed_by_our_records)
    receipt = pay(owed)  # rejected
    return send(draft(owed), receipt)


def untrusted_goes_where_endorsed_is_asked(mail: Untrusted[Mail]) -> Endorsed[Letter]:
    claim = extract(mail)
    return draft(claim)  # rejected


def the_claim_is_drafted_for_the_records(mail: Untrusted[Mail]) -> Endorsed[Letter]:
    return draft(Endorsed(extract(mail).value))  # rejected


def inputs_are_swapped(owed: Endorsed[Owed]) -> Endorsed[Sent]:
    letter = draft(owed)
    receipt = pay(approve(owed, by=role("finance")))
    return send(receipt, letter)  # rejected


def one_thing_is_approved_and_another_used(owed: Endorsed[Owed]) -> Endorsed[Sent]:
    letter = draft(owed)
    agreed = approve(letter, by=role("finance"))
    receipt = pay(agreed)  # rejected
    return send(letter, receipt)


def an_approval_of_untrusted_data_serves_as_endorsed(mail: Untrusted[Mail]) -> Endorsed[Letter]:
    claim = approve(extract(mail), by=role("finance"))
    return draft(claim)  # rejected


def an_untrusted_value_decides_on_its_own_approval(mail: Untrusted[Mail]) -> object:
    claim = extract(mail)
    approve(claim, by=role("finance"), when=claim.value.amount > 100)  # rejected
    return approve(claim, by=role("finance"))


def what_is_endorsed_is_endorsed_again(owed: Endorsed[Owed]) -> object:
    return endorse(owed, by=owed_by_our_records)  # rejected


def an_input_is_left_out(owed: Endorsed[Owed]) -> object:
    return send(draft(owed))  # rejected


def an_input_has_another_name(owed: Endorsed[Owed]) -> object:
    return draft(owed, voice="cool")  # rejected


def an_input_comes_twice(owed: Endorsed[Owed]) -> object:
    return draft(owed, owed=owed)  # rejected


def a_label_is_stripped(mail: Untrusted[Mail]) -> object:
    return draft(extract(mail).value)  # rejected


def a_plain_value_takes_a_label(owed: Owed) -> object:
    return draft(owed)  # rejected


def a_constant_is_of_another_type(owed: Endorsed[Owed]) -> object:
    return draft(owed, tone=3)  # rejected


def nobody_decides(owed: Endorsed[Owed]) -> object:
    return approve(owed, by="finance")  # rejected


def nobody_is_named(owed: Endorsed[Owed]) -> object:
    return approve(owed)  # rejected


@workflow
def told_apart(mail: Untrusted[Mail]) -> Approved[Letter]:
    owed = endorse(extract(mail), by=owed_by_our_records)
    first = approve(
        owed,
        by=role("finance", quorum=2, identity="signed"),
        otherwise=role("board", identity="claimed"),
        not_by=owed.value.order,
        title="pay {amount}",
    )
    return approve(draft(first), by=role("board"), not_by=[first, owed.value.order])


def a_number_may_not_approve(owed: Endorsed[Owed]) -> object:
    return approve(owed, by=role("finance"), not_by=owed.value.amount)  # rejected


def a_model_that_nobody_approved_may_not_approve(owed: Endorsed[Owed]) -> object:
    return approve(owed, by=role("finance"), not_by=owed)  # rejected


def one_of_several_who_may_not_is_nobody(owed: Endorsed[Owed]) -> object:
    return approve(owed, by=role("finance"), not_by=[owed.value.order, owed.value.amount])  # rejected


def a_role_may_not_approve(owed: Endorsed[Owed]) -> object:
    return approve(owed, by=role("finance"), not_by=role("ops"))  # rejected


def untrusted_text_says_who_may_not(owed: Endorsed[Owed], text: Untrusted[str]) -> object:
    return approve(owed, by=role("finance"), not_by=text)  # rejected


def a_text_is_asked_next(owed: Endorsed[Owed]) -> object:
    return approve(owed, by=role("finance"), otherwise="board")  # rejected


def a_quorum_is_a_text() -> object:
    return role("finance", quorum="2")  # rejected


def an_identity_is_made_up() -> object:
    return role("finance", identity="trusted")  # rejected


def a_title_is_no_text(owed: Endorsed[Owed]) -> object:
    return approve(owed, by=role("finance"), title=owed.value.amount)  # rejected


def a_condition_is_no_condition(owed: Endorsed[Owed]) -> object:
    return approve(owed, by=role("finance"), when=owed.value.amount)  # rejected


def conditions_are_joined(owed: Endorsed[Owed]) -> object:
    return all_of(owed.value.amount > 100, owed.value.amount)  # rejected


def a_value_of_the_plan_is_changed(owed: Endorsed[Owed]) -> None:
    owed.value = Owed(order="7", amount=owed.value.amount)  # rejected


def a_field_is_unknown(owed: Endorsed[Owed]) -> object:
    return owed.value.price > 100  # rejected


def a_label_is_unwrapped_by_itself(owed: Endorsed[Owed]) -> object:
    return owed.amount > 100  # rejected

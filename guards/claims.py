"""Guards of a claim: whatever a mail told the model, the claim holds what the mail says."""

from __future__ import annotations

import re
from decimal import Decimal

from activities.mailbox import Mail
from activities.values import Claim
from gatework import Block, Pass, Retry, Verdict

# -- what is written in a text -----------------------------------------------------------------------

_CURRENCY = r"(?:[€$£¥]|EUR|USD|GBP|CHF|PLN|SEK|NOK|DKK|euros?|dollars?|pounds?)"
_NUMBER = r"[0-9]{1,3}(?:[.,’' ][0-9]{3})+(?:[.,][0-9]{2})?|[0-9]{1,9}(?:[.,][0-9]{1,2})?"
_AMOUNT = re.compile(
    rf"(?<![\w.,\-])(?P<before>{_CURRENCY}\s?)?(?P<number>{_NUMBER})(?![0-9]|[.,][0-9])"
    rf"(?:(?:,-|,—|,–)?(?P<after>\s?{_CURRENCY}(?!\w)))?",
    re.IGNORECASE,
)
_CHARGED = re.compile(
    r"\b(charged|billed|debited|twice|double|abgebucht|doppelt|zweimal|débité|deux fois|cobrad[oa]|dos veces|"
    r"duas vezes|addebitat[oa]|due volte|afgeschreven|dubbel|pobran[oey]|dwa razy)\b"
)
"""Where the charge itself is what went wrong, the reason may name a sum."""
_UNSPACED = re.compile(r"[\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff]")


def amounts_in(text: str) -> list[Decimal]:
    """The amounts of money written in a text, in order, none twice: those with a currency, or else with cents.

    Reads the usual spellings of Europe and America: 45.90, 45,90, 1.250,00, 1,250.00, 1 250,00, $45, 45 EUR.
    """
    priced: dict[Decimal, None] = {}
    bare: dict[Decimal, None] = {}
    for found in _AMOUNT.finditer(text):
        if found["before"] or found["after"]:
            priced.setdefault(_decimal(found["number"]))
        elif re.search(r"[.,][0-9]{2}\Z", found["number"]):
            bare.setdefault(_decimal(found["number"]))
    return list(priced or bare)


def _decimal(number: str) -> Decimal:
    """A number as people write it, with cents: one or two digits behind a last mark are cents, all before is whole."""
    cents = re.search(r"[.,]([0-9]{1,2})\Z", number)
    whole = re.sub(r"[^0-9]", "", number[: cents.start()] if cents else number)
    return Decimal(f"{whole}.{cents[1] if cents else '0'}").quantize(Decimal("0.01"))


def words_in(text: str) -> int:
    """How many words a text has. In scripts that put no space between words, two letters count as one."""
    unspaced = len(_UNSPACED.findall(text))
    return len(re.findall(r"[^\W\d_]+", _UNSPACED.sub(" ", text))) + unspaced // 2


def _holds(text: str, part: str) -> bool:
    """Whether `part` stands in `text` on its own: not inside of a longer word or number."""
    return re.search(rf"(?<![\w-]){re.escape(part)}(?![\w-])", text) is not None


# -- the claim says what the mail says ---------------------------------------------------------------


def quotes_the_mail(claim: Claim, mail: Mail) -> Verdict:
    """The reason is a verbatim quotation of the mail, of at least three words: a model may shorten, not invent."""
    reason = claim.reason
    if words_in(reason) < 3:
        return Retry("The reason is too short: quote at least three words of the mail.")
    start = mail.text.find(reason)
    while start != -1:
        before, after = mail.text[:start][-1:], mail.text[start + len(reason) :][:1]
        if not (before.isalnum() and reason[0].isalnum()) and not (after.isalnum() and reason[-1].isalnum()):
            return Pass("The reason stands in the mail word for word.")
        start = mail.text.find(reason, start + 1)
    return Retry("The reason must stand in the mail word for word.")


def says_what_is_wrong(claim: Claim) -> Verdict:
    """The reason is no greeting, no question and no sentence about money alone, which tell a reviewer nothing.

    Goes by form, so that it holds in every language: whether what is left is a good reason, a person sees.
    """
    if could_be_a_reason(claim.reason):
        return Pass("The reason is more than a greeting, a question or a sum.")
    return Retry("That is a greeting, a question or only about money: choose the sentence that says what is wrong.")


def could_be_a_reason(sentence: str) -> bool:
    """Whether a sentence has the form of a reason: at least three words that greet nobody, ask nothing, name no sum."""
    if words_in(sentence) < 3 or sentence.strip().endswith((",", ":", "：", "、", "?", "？")):
        return False
    return not amounts_in(sentence) or _CHARGED.search(sentence.casefold()) is not None


def names_an_order_of_the_mail(claim: Claim, mail: Mail) -> Verdict:
    """The order number stands in the mail on its own, not as a part of something longer."""
    if claim.order and _holds(f"{mail.subject}\n{mail.text}".upper(), claim.order.upper()):
        return Pass("The order number stands in the mail.")
    return Retry("The order number must be one that the mail names.")


def names_an_amount_of_the_mail(claim: Claim, mail: Mail) -> Verdict:
    """The amount is more than nothing and written in the mail, in one of the usual spellings."""
    if claim.amount > 0 and claim.amount in amounts_in(mail.text):
        return Pass("The amount stands in the mail.")
    return Retry("The amount must be one that the mail names.")


def sender_is_the_mails(claim: Claim, mail: Mail) -> Verdict:
    """The claim is the sender's own. No model fills this in, so another try would not mend it."""
    if claim.sender == mail.sender:
        return Pass("The claim is the sender's own.")
    return Block("The claim names another sender than the mail.")

"""Guards of a letter: it says what our records say, promises nothing, leads nowhere, and reads like a letter.

They look at the whole letter, whoever wrote it. What our records put into it, such as an item's name, is taken out
first, so that a kettle of 1.7 l is no foreign number.
"""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections import Counter

from activities.orders import Owed
from activities.policy import Risk
from activities.values import Letter
from gatework import Pass, Retry, Verdict

LONGEST_BODY = 2_000
LONGEST_SENTENCE_WORDS = 45

_LINK = re.compile(
    r"://|\bwww\.|\bhttps?\b|\bmailto\b|@|＠|\b(at|dot)\b ?[\[(]|[\[(] ?\b(at|dot)\b"
    r"|\w\.[a-z]{2,}\b|\[[^\]]{0,200}\]\(|<[a-z!/]"
    r"|\b(click|link|website|web page|url|qr code|iban|account number|bank details|telephone|phone|call us|call me)\b",
)
_PROMISE = re.compile(
    r"\b(voucher|coupon|gift|bonus|discount|credit|double|twice|triple|extra|additional|compensat\w*|reimburse\w*|"
    r"guarant\w*|promise\w*|warrant\w*|replace\w*|exchange\w*|repair\w*|free|liab\w*|damages|legal\w*|lawyer|lawsuit|"
    r"admit\w*|negligen\w*|in full|full refund|every refund|always|never again|hundred|thousand|million|percent)\b"
    r"|\bwe (will|shall|would|can) (send|give|pay|offer|provide|refund)\b|[%€$£¥]"
)
_BLAME = re.compile(
    r"\byour (own )?(fault|mistake|error|misuse|damage)"
    r"|\byou (may |might |must |could |have )*(caused?|broken?|damaged?|misused?|done)\b"
    r"|\b(cannot|can't|could not|unable|refuse\w*|afford|unfortunately)\b"
)
_APOLOGY = re.compile(r"\b(sorry|apologi[sz]e|apolog(y|ies)|regret)\b")
_TROUBLE = re.compile(
    r"\b(trouble|problems?|inconvenience|difficult\w*|issues?|disappoint\w*|experience\w*|defects?|faults?)\b"
)


def names_order_and_amount(letter: Letter, owed: Owed) -> Verdict:
    """The letter names the order, and the amount with its currency, as our records have them."""
    body = letter.body
    order = re.search(rf"(?<![\w-]){re.escape(owed.order)}(?![\w-])", body)
    amount = re.search(rf"(?<![\w.,]){re.escape(f'{owed.amount:.2f}')}\s{re.escape(owed.currency)}(?!\w)", body)
    if order and amount:
        return Pass("The letter names the order and the amount.")
    return Retry("The letter must name the order and the amount as our records have them.")


def no_other_numbers(letter: Letter, owed: Owed) -> Verdict:
    """No number in the letter but those of our records, in the digits of whatever script."""
    if any(unicodedata.category(letter_)[0] == "N" for letter_ in _foreign(letter, owed)):
        return Retry("Write no number.")
    return Pass("The letter holds no number but those of our records.")


def no_links_or_addresses(letter: Letter, owed: Owed) -> Verdict:
    """No link, mail address or account, and no request to go or to call somewhere."""
    if leads_away(_foreign(letter, owed)):
        return Retry("Write no link, no address and no contact.")
    return Pass("The letter leads nowhere.")


def promises_nothing_more(letter: Letter, owed: Owed) -> Verdict:
    """The letter offers nothing but the refund: no voucher, no guarantee, no compensation."""
    if promises(_foreign(letter, owed)):
        return Retry("Promise and offer nothing: only say that we are sorry.")
    return Pass("The letter promises nothing more.")


def keeps_our_policy_to_itself(letter: Letter, risk: Risk) -> Verdict:
    """The letter repeats nothing of how we judged the customer."""
    text = _folded(f"{letter.subject}\n{letter.body}")
    if any(_folded(reason) in text for reason in risk.reasons) or re.search(r"\b(risk|fraud|suspicio)", text):
        return Retry("Write nothing about how we judged the claim.")
    return Pass("The letter keeps our policy to itself.")


def apologises(letter: Letter, owed: Owed) -> Verdict:
    """The letter says sorry for what happened and does not blame the customer."""
    text = _folded(_foreign(letter, owed))
    if not _APOLOGY.search(text) or not _TROUBLE.search(text):
        return Retry("Say that we are sorry for the trouble with the item.")
    if _BLAME.search(text):
        return Retry("Do not blame the customer and do not refuse anything.")
    return Pass("The letter apologises.")


def reads_like_a_sentence(letter: Letter, owed: Owed) -> Verdict:
    """No loop of words, nothing endless, nothing empty, no letters but those of English."""
    text = _foreign(letter, owed)
    if not letter.subject.strip() or "\n" in letter.subject or len(text.split()) < 8:
        return Retry("Write one whole sentence.")
    if len(letter.body) > LONGEST_BODY:
        return Retry("Write less.")
    if any(ord(each) > 0x7E and each not in "‘’“”–—…" for each in text):
        return Retry("Write English, in plain letters.")
    if any(unicodedata.category(each) == "Cc" and each != "\n" for each in letter.subject + letter.body):
        return Retry("Write plain text.")
    for sentence in re.split(r"[.!?](?:\s|$)|\n\n", text):
        words = re.findall(r"[a-z]+(?:'[a-z]+)?", sentence.casefold())
        if len(words) > LONGEST_SENTENCE_WORDS:
            return Retry("Write a shorter sentence.")
        if _loops(words) or re.search(r"([,;']\s*){3}|([^\W\d_])\2{3}", sentence):
            return Retry("Repeat nothing: write one plain sentence.")
    return Pass("The letter reads like one.")


def leads_away(text: str) -> bool:
    """Whether a text holds a link, an address or an account, or sends its reader somewhere."""
    return _LINK.search(_folded(text)) is not None


def promises(text: str) -> bool:
    """Whether a text offers or admits something."""
    return _PROMISE.search(_folded(text)) is not None


def _loops(words: list[str]) -> bool:
    """Whether words come round again as they do where a model has lost its thread."""
    if any(count > 3 for word, count in Counter(words).items() if len(word) > 3):
        return True
    if any(before == after for before, after in itertools.pairwise(words)):
        return True
    groups = Counter(zip(*(words[start:] for start in range(4)), strict=False))
    return any(count > 1 for count in groups.values())


def _foreign(letter: Letter, owed: Owed) -> str:
    """The letter without what our records put into it."""
    text = f"{letter.subject}\n\n{letter.body}"
    for known in sorted((owed.order, owed.item, owed.customer_name, f"{owed.amount:.2f}"), key=len, reverse=True):
        text = re.sub(rf"(?<![\w-]){re.escape(known)}(?![\w-])", "", text)
    return text


def _folded(text: str) -> str:
    """Text in small letters, without invisible characters and wide or decorated letters, single spaces."""
    plain = unicodedata.normalize("NFKC", text).casefold()
    return " ".join("".join(each for each in plain if unicodedata.category(each) != "Cf").split())

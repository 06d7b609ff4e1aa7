"""Instructions in a text that should have none: what mails say that aim at the model behind the desk.

A list of words is no proof. It catches what such mails do say, in the languages of our customers. What comes through
all the same meets our records, which alone say whose order it is and what it cost, and above the limit a person.
"""

from __future__ import annotations

import re
import unicodedata

from activities.values import Claim
from gatework import Pass, Retry, Verdict

_ADDRESSED = (
    # a speaker's label, as in a transcript
    r"^\W*(system|assistant|user|developer|admin|administrator|tool|human|ai|note|notice)\b[^.]{0,40}:",
    # the machine by its name
    r"\b(prompt|llm|gpt|chatgpt|(?!robot\b)\w*bot|language model|artificial intelligence)\b",
    r"(?<!['’])\bai\b",
    r"\b(the|an?|dear|automatic|previous|our|your) (\w+ )?(assistant|reviewer|administrator)\b",
    r"\b(dear|automatic|refund|review|payment|ai) (system|model|agent)\b|\bthe system (must|should|shall|will|is to)\b",
    r"\b(ki|ia|ai)[- ]?(assistent|modell?|agent)\w*|\bassistente?\b",
    r"\bwho(ever)? or whatever\b|\bwhoever (reads|processes)\b",
    # another part to play
    r"\byou are (now|an?|the|no longer)\b|\b(act|speak) as\b|\bpretend\b|\b(maintenance|developer|admin) mode\b",
    # the marks of chat templates, of markup and of JSON
    r"im_start|im_end|<\||\|>|\[/?inst\b|</?(mail|data|system|user|assistant|instructions?)>|[\"'{}\[\]]\s*:\s*[\"'{\[]",
)
_ORDERED = (
    r"\b(ignor(e|iere?n?|ez|ar|a|are|eer|uj)|disregard|overrid\w+|bypass|forget|vergiss|oubliez)\b",
    r"\b(skip|überspring\w*|saltar?|sauter|pomi[ńn]\w*)\b",
    r"\b(pre-?)?(approv|genehmig|freigegeben|approuv|aprob|aprov|goedkeur|goedgekeurd|zatwierd)\w*",
    r"\b(instruction|instrucci[oó]n|instru[cç][aã]o|istruzion|anweisung|instructie|polecen)\w*",
    r"\b(without|no|ohne|sans|sin|sem|senza|zonder|bez) (an? |the |any )?"
    r"(review|approval|check|asking|prüfung|freigabe|vérification|revisi[oó]n|verifica|controle|weryfikacji)\w*",
    r"\b(raise|lift|remove) the (limit|rule|check)s?\b|\b(set|write|change|call|repeat|process|output) "
    r"(\"|exactly|gw-|(the|this) (tool|order|amount|status|refund|claim|customer)|it (today|now|at once))",
    # another payee, or more than was asked
    r"\b(bank details|account number|iban|bankverbindung|sort code|(this|new|another) (bank )?account|"
    r"(to|at) (this|another|the following) address)\b",
    r"\b(pay|refund|transfer) ((me|us) )?(double|twice|more|instead|[0-9]{4,})\b|\binstead refund\b|\btransfer_\w+",
)
_TO_A_MACHINE = re.compile("|".join(_ADDRESSED))
_ORDERS = re.compile("|".join(_ORDERED))
_ORDER_NUMBER = re.compile(r"\bgw-[0-9]{4}\b")
_ALPHABETS = frozenset(["LATIN", "CYRILLIC", "GREEK", "ARMENIAN", "CHEROKEE"])
"""The alphabets with letters that look like those of another."""


def gives_no_orders(claim: Claim) -> Verdict:
    """The reason says what is wrong with an item; it instructs no person, no system and no model."""
    if mixes_alphabets(claim.reason):
        return Retry("That sentence mixes alphabets inside of a word: choose the one that says what is wrong.")
    if gives_orders(claim.reason):
        return Retry("That sentence gives orders to its reader: choose the one that says what is wrong with the item.")
    if any(number != claim.order.casefold() for number in orders_named(claim.reason)):
        return Retry("That sentence is about another order: choose the one that says what is wrong with this one.")
    return Pass("The reason gives no orders.")


def gives_orders(text: str) -> bool:
    """Whether a text speaks to a machine, or tells its reader to do what we do not let our readers be told."""
    plain = _folded(text)
    return bool(_TO_A_MACHINE.search(plain) or _ORDERS.search(plain))


def orders_named(text: str) -> list[str]:
    """The numbers of orders in a text, in small letters."""
    return _ORDER_NUMBER.findall(_folded(text))


def _folded(text: str) -> str:
    """Text in small letters, without invisible characters and wide or decorated letters, single spaces."""
    plain = unicodedata.normalize("NFKC", text).casefold()
    return " ".join("".join(letter for letter in plain if unicodedata.category(letter) != "Cf").split())


def mixes_alphabets(text: str) -> bool:
    """Whether a word is written with letters of several alphabets, as look-alikes are."""
    for word in re.findall(r"[^\W\d_]+", unicodedata.normalize("NFKC", text)):
        alphabets = {unicodedata.name(letter, "?").split()[0] for letter in word}
        if len(alphabets & _ALPHABETS) > 1:
            return True
    return False

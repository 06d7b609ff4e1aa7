"""What may be changed in a certificate, and both verifiers accept it: place by place, each with why that is right.

A place is the shape of a path with the kind of its receipt before it, as `Tampered.where`; what was cut off has those
of ledgers. Whatever is not named here is refused.
"""

from __future__ import annotations

from collections.abc import Mapping

from tests.proof.tampering import Tampered

HARMLESS = {
    ("runs.run_id", "longer"): "the server's id of a run is nobody's word but the exporter's; no rule rests on it",
    ("runs.superseded.run_id", "longer"): "the same",
    ("runs.superseded.run_id", "as elsewhere"): "the same",
    ("values", "removed"): "a value withheld: all that holds of its digest holds still",
    ("signatures", "first dropped"): "nobody signed then, and the report says so; a policy can demand it",
    ("signatures", "last twice"): "the same signature twice",
    ("signatures.key", "longer"): "of a key that the list does not have: nobody signed then, as far as it knows",
    ("signatures.key", "one digit"): "the same",
    ("runs.superseded", "first dropped"): "only a signature of the exporter says what was cut off",
}
"""What may be changed as it is of a certificate that nobody signed. A key is a place, and how."""

KINDS = (
    "begun output stopped refused failed suspended acting acted chose joined round waited called returned gathered "
    "approved asked decided migrated resumed undoing ended"
).split()


def _of(kinds: str, *members: str) -> list[str]:
    """Members of receipts of some kinds."""
    return [f"{kind} runs.entries.receipt.{member}" for kind in kinds.split() for member in members]


_CALLS = (
    *(
        f"calls.{name}"
        for name in "answer asked_for input_tokens model output_tokens question seed temperature".split()
    ),
    *(f"tools.{name}" for name in "arguments by call key outcome tool".split()),
    *(f"refused.{name}" for name in "by tool reason".split()),
)

_ROWS: Mapping[str, list[str]] = {
    "when; it decides nothing but whether a key held": [f"{kind} runs.entries.at" for kind in KINDS],
    "why is free text": [
        *_of("acted approved asked chose decided ended failed migrated", "reason"),
        *_of("output refused resumed returned undoing", "reason"),
        *_of("output stopped suspended", "verdicts.reason"),
        *_of("refused failed", "how.before.reason"),
        *_of("decided", "how.guards.reason"),
    ],
    "what code ran, the worker's word": _of("output stopped refused failed acted", "how.code"),
    "what came about in a stage, the worker's word; with it goes all that `how` says": [
        *_of("output refused failed", "how", "how.calls", "how.tools", "how.refused", "how.more"),
        *_of("output refused failed", *(f"how.{name}" for name in _CALLS)),
        *_of("stopped acted", "how"),
    ],
    "what it cost, the worker's word, within the budget": _of(
        "output refused failed suspended returned", "how.spent", *(f"how.spent.{name}" for name in
        ("model_calls", "money", "seconds", "tokens", "tool_calls"))
    ),
    "what a model answered, and how tools of the stage ended, the worker's word": _of(
        "suspended", "how.entries", *(f"how.entries.{name}" for name in ("digest", "kind", "outcome", "tool"))
    ),
    "whether it was done or found done, the worker's word": _of("acted", "action"),
    "who decided, where no key shows it: claimed, and said to be": _of("decided", "by"),
    "how surely, where no key shows it: the server's word": _of("decided", "identity"),
    "whether the value that an override let past is said to be given by hand, where no key shows it": _of(
        "decided", "how.skipped"
    ),
    "which place was named for a value, where `node` says the same": _of("decided", "how", "how.place"),
    "how the server says that a run had ended, and in whose name somebody went on": _of(
        "resumed", "action", "by", "how", "how.run"
    ),
    "that the server ended a run and somebody went on, where it had ended: nobody signed either": _of("ended", "kind"),
    "whether somebody is asked when work fails, where none has failed": _of("begun", "how.asks"),
    "what a run was given of the budget of one that is not in the file": _of("begun", "how.given"),
    "what the server says of who decided, where no key shows it": _of("decided", "how.principal", "how.type"),
    "in whose name a run was moved": _of("migrated", "by"),
    "the lineage of a run without a signed decision, and without child runs": _of("begun", "how.run"),
    "what a run before a reset did, the word of the worker that recalls it": _of(
        "acted", "node", *(f"how.{name}" for name in ("arguments", "by_model", "call", "key", "run", "tool"))
    ),
    "in which order, and how often, those are named who are kept off": _of("asked", "how.not_by"),
    "of verdicts an empty list says what none says": _of("decided", "how.guards"),
    "what a guard said, where nothing else follows of it": _of("output stopped suspended", "verdicts.verdict"),
    "what a child run came to that is not in the file, the word of the run that called it": _of("returned", "action"),
    "what a child run did, the word of the run that called it": _of(
        "returned", "how", "how.acted", "how.undoable", "how.overridden", "how.run", "how.ledger"
    ),
    "how far what a child run gave is trusted: a call gives it on as the plan says": _of("returned", "label"),
    "a value that is withheld, and that nothing else names": _of("output acted", "output"),
    "of a key that the list does not have: nobody signed then, as far as it knows": [
        *_of("output stopped refused failed suspended acted", "how.signed", "how.signed.key", "verdicts.signed.key"),
        *_of("output stopped suspended", "verdicts.signed"),
        *("signatures", "signatures.key"),
    ],
    "a value, with its digest in every place where it stands": ["values", "values.data", "values.salt"],
    "no rule rests on the server's id of a run": ["runs.run_id", "runs.superseded.run_id"],
    "only a signature of the exporter says what was cut off": ["runs.superseded", "runs.superseded.entries"],
}  # fmt: skip

BY_WORD = {place: why for why, places in _ROWS.items() for place in places}
"""Where nobody signed, and all digests are computed anew: the places that rest on the word of whoever made it."""


def by_word(where: str) -> bool:
    """Whether a place rests on somebody's word where nobody signed."""
    return where.replace("runs.superseded.entries", "runs.entries") in BY_WORD


# -- receipts moved about --------------------------------------------------------------------------

Ways = Mapping[tuple[str, str], str]
"""Where, and how; either may be `*`: any. Why that is right."""

END = "a ledger without its end is that of a run that goes on; who exports it signs where it ends"
GONE = "who takes out all of something takes it for a run that did less; who exports it signs that it is all"
APART = "of several child runs at once, which is heard of first means nothing"
AGAIN = "how often an attempt was answered is the worker's word"
RECALLED = "what a run before a reset did may be recalled at any time"

MOVED: Ways = {
    ("called called", "swapped"): APART,
    ("called returned", "swapped"): APART,
    ("returned called", "swapped"): APART,
    ("returned returned", "swapped"): APART,
    (
        "returned",
        "left out",
    ): "not heard of yet; its own ledger says how it ended",
    ("suspended", "doubled"): AGAIN,
    ("suspended", "left out"): AGAIN,
    ("acted", "left out"): RECALLED,
    ("acted output", "swapped"): RECALLED,
    ("output acted", "swapped"): RECALLED,
}

CUT: Ways = {("*", "without the end"): END, ("*", "without some"): GONE}

TRANSPLANTED: Ways = {
    ("another attempt: suspended", "before suspended"): AGAIN,
    ("another run: ended", "before resumed"): "that the run had ended before somebody went on, nobody signed",
    ("another plan: ended", "before resumed"): "the same",
    ("the ledger: acted", "*"): RECALLED,
    ("what was cut off: acted", "*"): RECALLED,
    ("another run: ended", "in place of ended"): "the same end with another reason, which is free text",
    ("another plan: ended", "in place of ended"): "the same end with another reason, which is free text",
    ("a child run", "left out"): "named as missing; the run that called it says how it ended",
    ("what was cut off", "*"): "only a signature of the exporter says what was cut off, and what was not",
    ("what was cut off: output", "before output"): "the entry before it twice: the same chain, told from further back",
    ("an end of another run", "as what was cut off"): "the same",
    ("an end of another plan", "as what was cut off"): "the same",
    ("a run of another run", "in place of one"): "all of another certificate, as it is",
    ("a run of another plan", "in place of one"): "all of another certificate, as it is",
}

THOUGH_SIGNED: Ways = {
    ("a child run", "left out"): TRANSPLANTED["a child run", "left out"],
    ("what was cut off: output", "before output"): TRANSPLANTED["what was cut off: output", "before output"],
    ("what was cut off", "with what it follows on"): "the same",
    ("a run of another run", "in place of one"): "all of another certificate, as it is, but for who exported it",
    ("a run of another plan", "in place of one"): "the same",
}


def way(one: Tampered, ways: Ways) -> bool:
    """Whether something is among the ways that are accepted."""
    where = one.where.rpartition(": ")[2] if one.how in ("doubled", "left out", "swapped") else one.where
    return any(key in ways for key in ((where, one.how), (where, "*"), ("*", one.how)))

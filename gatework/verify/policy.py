"""What a reader demands of a certificate beside that it holds: a policy, in a file or typed."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from gatework import files
from gatework.errors import ConfigError
from gatework.verify.whole import Checked

MAX_FILE_BYTES = 65_536
SIGNED = ("decisions", "attempts", "certificate")
OUTCOMES = ("completed", "rejected", "aborted", "expired", "cancelled", "failed", "undone")


@dataclass(frozen=True, kw_only=True)
class Policy:
    """The demands. Each that is left out demands nothing."""

    outcome: str = ""
    """How the run ended."""
    approved_by: tuple[str, ...] = ()
    """Roles of each of which somebody approved, and that approval stands."""
    no_override: bool = False
    no_edit: bool = False
    """No value was given by hand."""
    no_untrusted_effect: bool = False
    """No effect was made by work that outside text had a hand in."""
    signed: tuple[str, ...] = ()
    """What must be signed by keys of the reader's list: all `decisions`, all `attempts`, the `certificate`."""
    plans: frozenset[str] = frozenset()
    """The digests of released plans, by which alone the runs may have gone; empty for any."""

    @property
    def many(self) -> int:
        """How many things are demanded."""
        listed = (*self.approved_by, *self.signed)
        flags = (self.no_override, self.no_edit, self.no_untrusted_effect, bool(self.outcome), bool(self.plans))
        return len(listed) + sum(flags)

    def and_(self, other: Policy, plans: frozenset[str] = frozenset()) -> Policy:
        """What both demand. Raises `ConfigError` where nothing can meet both."""
        if self.outcome and other.outcome and self.outcome != other.outcome:
            raise ConfigError(f"The policy demands {self.outcome}, and --outcome {other.outcome}; name one.")
        return Policy(
            outcome=self.outcome or other.outcome,
            approved_by=tuple(dict.fromkeys((*self.approved_by, *other.approved_by))),
            no_override=self.no_override or other.no_override,
            no_edit=self.no_edit or other.no_edit,
            no_untrusted_effect=self.no_untrusted_effect or other.no_untrusted_effect,
            signed=tuple(dict.fromkeys((*self.signed, *other.signed))),
            plans=plans or self.plans,
        )

    @classmethod
    def read(cls, path: Path) -> Policy:
        """The policy in a TOML file. Raises `ConfigError`."""
        data, _ = files.read(path, "The policy", max_bytes=MAX_FILE_BYTES, fit=lambda _: "")
        try:
            said = tomllib.loads(data.decode("utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError):
            raise ConfigError(f"The policy {path} is no TOML.") from None
        return cls.of(said, f"The policy {path}")

    @classmethod
    def of(cls, said: dict[str, Any], what: str) -> Policy:
        """The policy in these members. Raises `ConfigError`, whose sentence begins with `what`."""
        known = {one.name for one in fields(cls)} - {"plans"}
        if not said.keys() <= known:
            raise ConfigError(f"{what} demands what is not known; there are {', '.join(sorted(known))}.")
        for name, value in said.items():
            flag = name.startswith("no_")
            listed = name in ("approved_by", "signed")
            texts = isinstance(value, list) and all(isinstance(one, str) for one in value)
            if not (isinstance(value, bool) if flag else texts if listed else isinstance(value, str)):
                form = "true or false" if flag else "a list of texts" if listed else "a text"
                raise ConfigError(f"{what}: {name} is {form}.")
            if (name == "signed" and not set(value) <= set(SIGNED)) or (name == "outcome" and value not in OUTCOMES):
                raise ConfigError(f"{what}: {name} is one of {', '.join(SIGNED if name == 'signed' else OUTCOMES)}.")
        given: dict[str, Any] = {name: tuple(one) if isinstance(one, list) else one for name, one in said.items()}
        return cls(**given)


def unmet(policy: Policy, checked: Checked) -> Iterator[str]:
    """The demands that a certificate does not meet, each in a sentence."""
    story, state = checked.story, checked.runs[0].state
    if policy.outcome and state.outcome != policy.outcome:
        yield f"The run is to have ended as {policy.outcome}, and {_ended(state.outcome)}."
    standing = story.standing(0, state)
    for role in policy.approved_by:
        given = [one for one in standing if one.role == role and one.action == "approve" and one.member is not False]
        if not given:
            yield f"Somebody of {role} is to have approved, and no such approval stands."
    overridden = sum(one.action == "override" and one.approvals == one.quorum for one in story.decisions)
    # Of a child run that was left out only the run that started it says so.
    overridden += sum(len(one.overridden) + one.more for one in checked.children if not one.there)
    if policy.no_override and (many := overridden):
        yield f"Nothing is to be overridden, and {many} {_were(many, 'thing')}."
    if policy.no_edit and (many := sum(one.action == "edit" or one.skipped for one in story.decisions)):
        yield f"No value is to be given by hand, and {many} {_were(many, 'value')}."
    if policy.no_untrusted_effect and (found := [one.node for one in story.effects.values() if one.untrusted]):
        yield f"No effect is to be made by work that outside text had a hand in, and {found[0]} made one."
    yield from _unsigned(policy, checked)
    if policy.plans:
        run = checked.runs[0]
        moved = (entry.receipt.shown["to"] for entry in run.ledger.entries if entry.receipt.kind == "migrated")
        if not {run.start.digest, *moved} <= policy.plans:
            yield "The run is to have gone by a released plan, and the lock file does not have its plan."


def _unsigned(policy: Policy, checked: Checked) -> Iterator[str]:
    story = checked.story
    if "decisions" in policy.signed and (many := sum(not one.signer for one in story.decisions)):
        yield f"All decisions are to be signed by keys of the list, and {many} {_were(many)} not."
    if "attempts" in policy.signed:
        many = sum(stage.unsigned for stage in story.stages.values())
        if many:
            yield f"All attempts are to be signed by keys of the list, and {many} {_were(many)} not."
    if "certificate" in policy.signed and not checked.exporters:
        yield "The certificate is to be signed by a key of the list, and is not."


def _were(many: int, noun: str = "") -> str:
    words = [noun + ("s" if many > 1 and noun else ""), "were" if many > 1 else "was"]
    return " ".join(filter(None, words))


def _ended(outcome: str) -> str:
    return f"ended as {outcome}" if outcome else "has not ended"

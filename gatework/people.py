"""The list of people: who they are, in which roles, as whom the server knows them, and with which keys they sign.

A TOML file, which GATEWORK_PEOPLE names to the workers. It is strict: whatever is unclear in it is refused as a whole,
since a list that is read otherwise than it was meant lets somebody decide who may not.
"""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any, NamedTuple

from gatework.canonical import Json
from gatework.errors import ConfigError, DecisionError
from gatework.identity import alike
from gatework.keys import PublicKey
from gatework.plan import Identity, is_role
from gatework.signing import Signature, Statement, verify


class Checked(NamedTuple):
    """What is known of whoever decides: `Decided.identity`, `.member` and `.proof`."""

    identity: Identity
    member: bool | None
    proof: Mapping[str, Json]


class Roster:
    """The list of people as a worker goes by it: its file, read again when it changes."""

    @classmethod
    def of_environment(cls) -> Roster | None:
        """The list that GATEWORK_PEOPLE names; None where it names none. Raises `ConfigError`."""
        raise NotImplementedError


def checked(roster: Roster | None, signature: str, statement: Statement, role: str, at: datetime) -> Checked:
    """What is known of whoever decides: by the signature they sent, else by the name they typed, and by the list.

    `statement` says what the worker knows of gate and evidence and what it read of the decision, never what the sender
    says that they signed (`gatework.signing.statement`). `at` is the workflow's time. To be asked of new decisions
    alone; at a replay the run's own marker says what was found. Raises `DecisionError` in one sentence.
    """
    raise NotImplementedError


def vouched(roster: Roster | None, typed: str, kind: str, name: str, role: str) -> tuple[str, Checked]:
    """Who decides, by the word of the server, which knows them as a principal of this kind and name; and what is known.

    `typed` is the name in the decision, empty where there is none. Raises `DecisionError` where it is another's.
    """
    raise NotImplementedError

"""The list of people: who they are, in which roles, as whom the server knows them, and with which keys they sign.

Machines that sign stand there too, in roles of their own.

A TOML file, which GATEWORK_PEOPLE names to the workers. It is strict: whatever is unclear in it is refused as a whole,
since a list that is read otherwise than it was meant lets somebody decide who may not.
"""

from __future__ import annotations

import os
import re
import stat
import threading
import time
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from datetime import time as clock
from pathlib import Path
from typing import Any

from gatework import files
from gatework.errors import ConfigError, DecisionError
from gatework.machine.identity import plain
from gatework.plan.plan import MACHINES, is_role
from gatework.signing.keys import PublicKey

MAX_FILE_BYTES = 131_072
"""Some 800 people with a key each; a worker reads them between two decisions, for which Temporal gives it 2 s."""
SETTLED_SECONDS = 0.5
"""How long a file must have been left alone before it is read: it may be written in several pieces."""

MAX_NAME = 120
MAX_PRINCIPAL = 300
MAX_KEYS = 50
"""Most keys of one person."""

_FIELDS = {"roles", "principal", "keys"}
_KEY_FIELDS = {"key", "from", "until"}

_WORKING = {"worker", "guard"}
"""Roles of machines that act by themselves. A person may export what they then answer for."""

_SCRIPTS = ("LATIN", "CYRILLIC", "GREEK", "ARMENIAN", "CHEROKEE", "COPTIC")
"""Scripts whose letters are taken for each other's."""


@dataclass(frozen=True, slots=True)
class Key:
    """A key of a person, and when it holds."""

    public: PublicKey
    since: datetime | None = None
    until: datetime | None = None
    """From then on it does not hold any more."""

    def holds(self, at: datetime) -> bool:
        return (self.since is None or self.since <= at) and (self.until is None or at < self.until)


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody who may decide."""

    roles: frozenset[str]
    principal: str
    keys: Mapping[str, Key] = field(default_factory=dict)
    """By their ids."""


@dataclass(frozen=True)
class People:
    """The people of a list, by name. Names are compared exactly."""

    persons: Mapping[str, Person]

    @classmethod
    def read(cls, path: Path) -> People:
        """The list in a file. Raises `ConfigError` in one sentence that names file and entry."""
        return cls.of(contents(path)[0], str(path))

    @classmethod
    def of(cls, data: bytes, path: str) -> People:
        """The list in these bytes. Raises `ConfigError`."""
        try:
            return cls(_persons(data))
        except _Fault as fault:
            raise ConfigError(f"The list of people {path}{fault}.") from None

    def member(self, name: str, role: str) -> bool:
        """Whether somebody is in a role."""
        person = self.persons.get(name)
        return person is not None and role in person.roles

    def of_principal(self, principal: str) -> str | None:
        """The name of whom the server knows as this principal; None for a stranger."""
        return next((name for name, person in self.persons.items() if person.principal == principal), None)

    def owner(self, id: str) -> tuple[str, Person, Key] | None:
        """Whose key it is that has this id; None where nobody of the list has it."""
        for name, person in self.persons.items():
            if id in person.keys:
                return name, person, person.keys[id]
        return None

    def key(self, name: str, id: str, at: datetime) -> PublicKey:
        """The key of a person that has this id and holds at a time. Raises `DecisionError`."""
        person = self.persons.get(name)
        if person is None:
            raise DecisionError("The list of people has nobody of that name; write it as it stands there.")
        key = person.keys.get(id)
        if key is None:
            raise DecisionError("The list of people has not the key of that signature under that name.")
        if key.since is not None and at < key.since:
            raise DecisionError("The key of that signature is not valid yet; the list of people says from when on.")
        if key.until is not None and at >= key.until:
            raise DecisionError(
                "The key of that signature is not valid any more; make a new one with `gatework keys new` and have it "
                "put on the list of people."
            )
        return key.public


def contents(path: Path) -> tuple[bytes, tuple[int, ...]]:
    """What the file of a list holds, and what tells this state of the file from others. Raises `ConfigError`."""

    def fit(about: os.stat_result) -> str:
        return "can be written by everybody: run `chmod o-w` on it" if about.st_mode & 0o002 else ""

    data, about = files.read(path, "The list of people", max_bytes=MAX_FILE_BYTES, fit=fit)
    return data, files.state(about)


# -- the list of a worker --------------------------------------------------------------------------


class Roster:
    """The list of people as a worker goes by it: its file, read again when it has changed."""

    def __init__(self, path: Path) -> None:
        """Raises `ConfigError` where the file is no list of people."""
        self._path = path
        self._reading = threading.Lock()
        self._settle()
        data, self._state = contents(path)
        self._people = People.of(data, str(path))

    @classmethod
    def of_environment(cls) -> Roster | None:
        """The list that GATEWORK_PEOPLE names; None where it names none. Raises `ConfigError`."""
        named = os.environ.get("GATEWORK_PEOPLE")
        if named is None:
            return None
        if not named.strip():  # half a setting is none that anybody meant
            raise ConfigError("GATEWORK_PEOPLE is empty; set it to the file of a list of people, or unset it.")
        return cls(Path(named).absolute())

    def people(self) -> People:
        """The list as it stands now. Raises `ConfigError` where it is none: there is no going back to an older one."""
        with self._reading:
            try:
                about = self._path.stat()
            except OSError as error:
                self._state = ()
                why = os.strerror(error.errno or 0)
                raise ConfigError(f"The list of people {self._path} cannot be read: {why}.") from None
            if files.state(about) == self._state:
                return self._people
            if stat.S_ISREG(about.st_mode) and 0 <= time.time() - about.st_mtime < SETTLED_SECONDS:
                if not self._state:
                    raise ConfigError(f"The list of people {self._path} is being written; try again in a moment.")
                return self._people
            self._state = ()  # unless it can be read, the old one holds no more
            data, found = contents(self._path)
            self._people = People.of(data, str(self._path))
            self._state = found
            return self._people

    def _settle(self) -> None:
        """Wait until the file has been left alone; for the beginning, when there is no earlier list to go by."""
        for _ in range(10):
            try:
                age = time.time() - self._path.stat().st_mtime
            except OSError:
                return  # whoever reads it says why it cannot be
            if not 0 <= age < SETTLED_SECONDS:
                return
            time.sleep(SETTLED_SECONDS - age)


# -- reading ---------------------------------------------------------------------------------------


class _Fault(Exception):
    """What is wrong, as the end of a sentence that begins with the file."""


def _persons(data: bytes) -> Mapping[str, Person]:
    import tomllib  # for whoever has a list

    try:
        read = tomllib.loads(data.decode())
    except UnicodeDecodeError as error:
        raise _Fault(f" is not UTF-8 at byte {error.start}") from None
    except tomllib.TOMLDecodeError as error:
        raise _Fault(f" is no TOML: {_place(str(error))}") from None
    except RecursionError:
        raise _Fault(" is nested too deep") from None
    except ValueError:  # the interpreter's own limit on the digits of an integer
        raise _Fault(" is no TOML: a number has too many digits") from None
    if not read:
        raise _Fault(" names nobody")
    persons: dict[str, Person] = {}
    seen: dict[tuple[str, str], str] = {}
    for number, (name, entry) in enumerate(read.items(), start=1):
        if why := name_fault(name):
            raise _Fault(f", entry {number}: its name {why}")
        if (other := seen.setdefault(("name", plain(name)), name)) != name:
            raise _Fault(f", [{name}]: there is [{other}] already, which counts as the same name")
        try:
            person = _person(name, entry)
        except _Fault as fault:
            raise _Fault(f", [{name}]: {fault}") from None
        for what, own in (("principal", plain(person.principal)), *(("key", id) for id in person.keys)):
            if (other := seen.setdefault((what, own), name)) != name:
                raise _Fault(f", [{name}]: it has a {what} of [{other}], too; each belongs to one person")
        persons[name] = person
    for name, person in persons.items():
        if seen.get(("name", plain(person.principal)), name) != name:
            raise _Fault(f", [{name}]: its principal is the name of another person")
    return persons


def _place(said: str) -> str:
    """Where TOML is broken. What is there is not repeated."""
    found = re.search(r"\(at (line \d+, column \d+|end of document)\)", said)
    where = found[1] if found else "somewhere"
    # The one thing that a reader would not see at once.
    twice = any(word in said for word in ("overwrite", "twice", "declare", "already"))
    return f"something is there twice, at {where}" if twice else f"look at {where}"


def name_fault(name: str) -> str:
    """Why a name is none that the list of people could have, as the end of a sentence; empty where it is one."""
    if not name or len(name) > MAX_NAME or not name.isprintable() or name != " ".join(name.split()):
        return f"is not printable text of at most {MAX_NAME} letters with single spaces inside"
    if ":" in name:
        return "has a colon, which ends a name in `approve`"
    if name != unicodedata.normalize("NFKC", name):
        return "is not written in normal form (NFKC of Unicode)"
    scripts = {script for c in name for script in _SCRIPTS if unicodedata.name(c, "").startswith(script)}
    return f"mixes letters of {' and '.join(sorted(s.title() for s in scripts))}" if len(scripts) > 1 else ""


def _person(name: str, entry: object) -> Person:
    if not isinstance(entry, dict):
        raise _Fault("it is no table; write the roles below [name]")
    _known(entry, _FIELDS)
    roles = entry.get("roles")
    if not isinstance(roles, list) or not all(isinstance(role, str) and is_role(role) for role in roles):
        raise _Fault('roles is a list of names of roles, such as ["finance"]')
    if len(set(roles)) != len(roles):
        raise _Fault("a role is there twice")
    if set(roles) & _WORKING and set(roles) - MACHINES:
        raise _Fault("it is a machine, in the role worker or guard, and has roles of people; give each its own entry")
    principal = entry.get("principal", name)
    if not isinstance(principal, str) or not 0 < len(principal) <= MAX_PRINCIPAL or not principal.isprintable():
        raise _Fault("principal is the name that the server has for them, printable text of at most 300 letters")
    listed = entry.get("keys", [])
    if not isinstance(listed, list) or len(listed) > MAX_KEYS:
        raise _Fault(f"keys are tables [[{name}.keys]], at most {MAX_KEYS}")
    keys: dict[str, Key] = {}
    for number, table in enumerate(listed, start=1):
        try:
            key = _key(table)
        except _Fault as fault:
            raise _Fault(f"key {number}: {fault}") from None
        if key.public.id in keys:
            raise _Fault(f"key {number} is there already")
        keys[key.public.id] = key
    return Person(roles=frozenset(roles), principal=principal, keys=keys)


def _key(table: object) -> Key:
    if not isinstance(table, dict):
        raise _Fault("it is no table")
    _known(table, _KEY_FIELDS)
    text = table.get("key")
    if not isinstance(text, str):
        raise _Fault('it needs key = "ed25519:…"')
    try:
        public = PublicKey.read(text)
    except ValueError as error:
        raise _Fault(str(error)) from None
    since, until = (_moment(table, "from"), _moment(table, "until"))
    if since is not None and until is not None and since >= until:
        raise _Fault("it ends before it begins")
    return Key(public, since, until)


def _moment(table: Mapping[str, Any], name: str) -> datetime | None:
    match table.get(name):
        case None if name not in table:
            return None
        case datetime() as moment if moment.tzinfo is not None:
            return moment.astimezone(UTC)
        case date() as day if not isinstance(day, datetime):
            return datetime.combine(day, clock(), UTC)
        case _:
            raise _Fault(f"{name} is a day, such as 2026-01-01 (from its beginning in UTC), or a time with its offset")


def _known(table: Mapping[str, object], fields: set[str]) -> None:
    if unknown := set(table) - fields:
        more = f"{len(unknown)} fields that are not known" if len(unknown) > 1 else "a field that is not known"
        raise _Fault(f"it has {more}; there are {', '.join(sorted(fields))}")

"""The list of people: read strictly or not at all, and what it says of whoever decides."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatework.errors import ConfigError, DecisionError
from gatework.signing.keys import PrivateKey
from gatework.signing.people import Checked, checked, vouched
from gatework.signing.roster import MAX_FILE_BYTES, People, Roster
from gatework.signing.signing import Statement, sign

ANA, BEN = PrivateKey.made(), PrivateKey.made()
NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
STATEMENT = Statement(run="r", plan="d" * 64, gate=1, evidence="e" * 64, action="approve", by="ana")

LIST = f"""
[ana]
roles = ["finance", "ops"]
principal = "ana@example.org"
[[ana.keys]]
key = "{ANA.public}"
from = 2026-01-01
until = 2027-01-01

["Ben Müller"]
roles = ["finance"]
[["Ben Müller".keys]]
key = "{BEN.public}"
"""


def people(text: str = LIST) -> People:
    """The people in a list."""
    return People.of(text.encode(), "people.toml")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A list in a file, that has been left alone for a while."""
    return written(tmp_path / "people.toml", LIST)


def written(path: Path, text: str, *, age: float = 60) -> Path:
    """A file put in its place in one step, as old as that."""
    new = path.with_suffix(".new")
    new.write_text(text)
    os.utime(new, (time.time() - age, time.time() - age))
    new.replace(path)
    return path


def test_list_says_who_is_in_which_role() -> None:
    """Names and roles are those of the list, compared exactly."""
    assert people().member("ana", "finance")
    assert people().member("Ben Müller", "finance")
    assert not people().member("ben müller", "finance")
    assert not people().member("ana", "legal")
    assert not people().member("аna", "finance")  # the first letter is Cyrillic


def test_principal_is_that_of_the_list_or_the_name() -> None:
    """The server's names lead to one person each, or to nobody."""
    assert people().of_principal("ana@example.org") == "ana"
    assert people().of_principal("Ben Müller") == "Ben Müller"
    assert people().of_principal("ana") is None
    assert people().of_principal("") is None


def test_key_holds_from_its_first_day_to_before_its_last() -> None:
    """A key holds from the beginning of the first day, and no more at the beginning of the last; both in UTC."""
    start, end = datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)
    soon = timedelta(microseconds=1)
    for at in (start, end - soon):
        assert people().key("ana", ANA.public.id, at) == ANA.public
    with pytest.raises(DecisionError, match="not valid yet"):
        people().key("ana", ANA.public.id, start - soon)
    with pytest.raises(DecisionError, match="not valid any more"):
        people().key("ana", ANA.public.id, end)


def test_key_of_another_person_is_not_found() -> None:
    """A key belongs to the name under which it stands."""
    with pytest.raises(DecisionError, match="has not the key"):
        people().key("ana", BEN.public.id, NOW)
    with pytest.raises(DecisionError, match="nobody of that name"):
        people().key("eve", ANA.public.id, NOW)


def test_time_with_an_offset_counts_to_the_second() -> None:
    """`from` and `until` may be times with an offset."""
    read = people(LIST.replace("2027-01-01", "2026-06-01T14:00:00+02:00"))
    assert read.key("ana", ANA.public.id, NOW - timedelta(seconds=1)) == ANA.public
    with pytest.raises(DecisionError):
        read.key("ana", ANA.public.id, NOW)


BROKEN: dict[str, tuple[str, str]] = {
    "empty": ("", "names nobody"),
    "only a comment": ("# nobody yet\n", "names nobody"),
    "no toml": ("[ana\n", "is no TOML: look at line 1"),
    "a person twice": (f"{LIST}\n[ana]\nroles = []\n", "something is there twice"),
    "a field twice": ("[ana]\nroles = []\nroles = ['finance']\n", "something is there twice"),
    "no table": ("ana = 'finance'\n", r"\[ana\]: it is no table"),
    "no roles": ("[ana]\n", r"\[ana\]: roles is a list"),
    "one role as text": ("[ana]\nroles = 'finance'\n", r"\[ana\]: roles is a list"),
    "a role that is no name": ("[ana]\nroles = ['a b']\n", r"\[ana\]: roles is a list"),
    "a role twice": ("[ana]\nroles = ['a', 'a']\n", "a role is there twice"),
    "an unknown field": ("[ana]\nroles = []\nrole = 'finance'\n", r"\[ana\]: it has a field that is not known"),
    "an unknown field of a key": (LIST.replace("until", "til"), r"\[ana\]: key 1: it has a field"),
    "a key that is none": (LIST.replace("ed25519:", "rsa:", 1), r"\[ana\]: key 1: is no key"),
    "keys that are no tables": ("[ana]\nroles = []\nkeys = ['x']\n", r"\[ana\]: key 1: it is no table"),
    "a key for all": (
        LIST.replace(str(ANA.public), "ed25519:AQ" + "A" * 41 + "="),
        r"\[ana\]: key 1: is a key for which anyone can sign",
    ),
    "a local time": (LIST.replace("from = 2026-01-01", "from = 2026-01-01T00:00:00"), "from is a day"),
    "a time as text": (LIST.replace("until = 2027-01-01", "until = '2027-01-01'"), "until is a day"),
    "an end before its beginning": (LIST.replace("2027", "2025"), "it ends before it begins"),
    "a key of two people": (LIST.replace(str(BEN.public), str(ANA.public)), r"\[Ben Müller\]: it has a key of \[ana\]"),
    "a key twice": (
        LIST.replace("[[ana.keys]]", f"[[ana.keys]]\nkey = '{ANA.public}'\n[[ana.keys]]"),
        "key 2 is there",
    ),
    "a principal of two people": (
        LIST + "[eve]\nroles = []\nprincipal = 'Ana@Example.org'\n",
        r"\[eve\]: it has a principal of \[ana\]",
    ),
    "another's name as principal": (LIST + "[eve]\nroles = []\nprincipal = 'ANA'\n", "the name of another person"),
    "names that are alike": (LIST + "[Ana]\nroles = []\n", r"there is \[ana\] already"),
    "a name of look-alike letters": ("['аna']\nroles = []\n", "mixes letters of Cyrillic and Latin"),
    "a name of wide letters": ("['ａna']\nroles = []\n", "normal form"),
    "a name with a direction mark": ("['ana\u202e']\nroles = []\n", "is not printable"),
    "a name with a joiner": ("['an\u200da']\nroles = []\n", "is not printable"),
    "a name with spaces around it": ("[' ana']\nroles = []\n", "single spaces"),
    "a name without letters": ("['']\nroles = []\n", "is not printable"),
    "a name with a colon": ("['ana: yes']\nroles = []\n", "has a colon"),
    "a long name": (f"['{'a' * 121}']\nroles = []\n", "at most 120"),
    "an empty principal": ("[ana]\nroles = []\nprincipal = ''\n", "principal is the name"),
    "too deep": (f"a = {'[' * 5_000}{']' * 5_000}\n", "is nested too deep|no TOML|no table"),
    "a long number": (f"a = {'9' * 5_000}\n", "too many digits"),
}


@pytest.mark.parametrize(("text", "says"), BROKEN.values(), ids=BROKEN)
def test_list_with_anything_unclear_is_refused(text: str, says: str) -> None:
    """Whatever is unclear in a list refuses all of it, in one sentence that names file and entry."""
    with pytest.raises(ConfigError, match=says) as raised:
        people(text)
    assert raised.value.message.startswith("The list of people people.toml")
    assert raised.value.message.count("\n") == 0


@given(st.binary(max_size=300) | st.text(max_size=300).map(str.encode))
def test_any_bytes_are_a_list_or_refused(data: bytes) -> None:
    """Whatever stands in the file, it is a list of people or a sentence."""
    with suppress(ConfigError):
        assert People.of(data, "people.toml").persons


@given(st.integers(0, len(LIST.encode()) - 1))
def test_list_cut_off_anywhere_lets_nobody_in_whom_the_whole_does_not(length: int) -> None:
    """What a reader finds of a list that is being written has no person, role or key that the whole has not."""
    try:
        part = People.of(LIST.encode()[:length], "people.toml")
    except ConfigError:
        return
    for name, person in part.persons.items():
        whole = people().persons[name]
        assert person.roles <= whole.roles
        assert person.keys.keys() <= whole.keys.keys()


def test_longest_list_is_read_in_a_moment() -> None:
    """A worker reads the list between two decisions, for which Temporal gives it 2 s: the cost grows evenly."""
    keys = [str(PrivateKey.made().public) for _ in range(800)]
    text = "".join(
        f'[person-{i}]\nroles = ["finance"]\nprincipal = "{i}@example.org"\n[[person-{i}.keys]]\nkey = "{key}"\n'
        for i, key in enumerate(keys)
    )
    assert MAX_FILE_BYTES // 2 < len(text) < MAX_FILE_BYTES
    began = time.process_time()
    assert len(people(text).persons) == len(keys)
    assert time.process_time() - began < 1.5


# -- the file --------------------------------------------------------------------------------------


def test_list_is_read_again_when_it_changes(file: Path) -> None:
    """Whoever is taken off the list may not decide any more, without a new start of the worker."""
    roster = Roster(file)
    assert roster.people().member("ana", "ops")
    written(file, LIST.replace(', "ops"', ""))
    assert not roster.people().member("ana", "ops")


def test_list_that_is_unchanged_is_not_read_again(file: Path) -> None:
    """A decision costs a look at the file's dates and no more."""
    roster = Roster(file)
    assert roster.people() is roster.people()


def piped(file: Path) -> None:
    """Put a pipe in place of a file."""
    file.unlink()
    os.mkfifo(file)


@pytest.mark.parametrize(
    "breaks",
    [
        lambda file: file.unlink(),
        lambda file: written(file, LIST + "[ana]\n"),
        lambda file: written(file, ""),
        lambda file: written(file, LIST + "#" * MAX_FILE_BYTES),
        lambda file: written(file, LIST).chmod(0o666),
        lambda file: (file.unlink(), file.mkdir()),
        piped,
    ],
    ids=["gone", "broken", "empty", "huge", "writable", "a folder", "a pipe"],
)
def test_list_that_breaks_lets_nobody_decide(file: Path, breaks: Callable[[Path], object]) -> None:
    """There is no going back to the list of before: with no list that can be read nobody approves, named or signed."""
    roster = Roster(file)
    signature = str(sign(ANA, STATEMENT))
    assert checked(roster, signature, STATEMENT, "finance", NOW).identity == "signed"
    breaks(file)
    for sent in (signature, ""):
        with pytest.raises(DecisionError, match="cannot be read now"):
            checked(roster, sent, STATEMENT, "finance", NOW)
    with pytest.raises(DecisionError, match="cannot be read now"):
        vouched(roster, "", "jwt", "ana@example.org", "finance")
    with pytest.raises(ConfigError):
        Roster(file)


def test_list_that_is_mended_counts_again(file: Path) -> None:
    """Once the file is a list again, it counts, even where it is the one of before."""
    roster = Roster(file)
    stood = file.read_text()
    file.rename(file.with_suffix(".kept"))
    with pytest.raises(ConfigError):
        roster.people()
    file.with_suffix(".kept").rename(file)
    assert file.read_text() == stood
    assert roster.people().member("ana", "finance")


def test_broken_list_does_not_keep_a_run_from_being_stopped(file: Path) -> None:
    """Whoever can send a no could terminate the run as well, so a broken list is no reason against it."""
    roster = Roster(file)
    file.unlink()
    for action in ("reject", "abort"):
        no = replace(STATEMENT, action=action)
        assert checked(roster, "", no, "finance", NOW) == Checked("claimed", None, {})
    with pytest.raises(DecisionError):
        checked(roster, str(sign(ANA, replace(STATEMENT, action="reject"))), STATEMENT, "finance", NOW)


def test_list_that_is_just_being_written_waits_until_it_is_left_alone(file: Path) -> None:
    """A file may be written in pieces: the list of before counts until the new one is left alone for a moment."""
    roster = Roster(file)
    written(file, LIST.replace(', "ops"', ""), age=0)
    assert roster.people().member("ana", "ops")
    time.sleep(0.6)
    assert not roster.people().member("ana", "ops")


def test_worker_without_a_setting_has_no_list(monkeypatch: pytest.MonkeyPatch, file: Path) -> None:
    """GATEWORK_PEOPLE names the list; where it is set to nothing, that is a mistake and no list."""
    monkeypatch.delenv("GATEWORK_PEOPLE", raising=False)
    assert Roster.of_environment() is None
    monkeypatch.setenv("GATEWORK_PEOPLE", " ")
    with pytest.raises(ConfigError, match="is empty"):
        Roster.of_environment()
    monkeypatch.setenv("GATEWORK_PEOPLE", str(file))
    assert Roster.of_environment() is not None


# -- decisions -------------------------------------------------------------------------------------


def test_signed_decision_is_recorded_as_signed(file: Path) -> None:
    """A signature by a key of the person makes a decision signed, and the list says whether they are in the role."""
    signature = sign(ANA, STATEMENT)
    found = checked(Roster(file), str(signature), STATEMENT, "finance", NOW)
    assert found == Checked("signed", True, signature.proof)
    assert checked(Roster(file), str(signature), STATEMENT, "legal", NOW).member is False


def test_typed_name_is_a_claim(file: Path) -> None:
    """A name that was typed is a claim, whatever the list says of it."""
    assert checked(Roster(file), "", STATEMENT, "finance", NOW) == Checked("claimed", True, {})
    assert checked(Roster(file), "", replace(STATEMENT, by="eve"), "finance", NOW) == Checked("claimed", False, {})
    assert checked(None, "", STATEMENT, "finance", NOW) == Checked("claimed", None, {})
    assert checked(Roster(file), "", replace(STATEMENT, by=""), "finance", NOW) == Checked("none", None, {})


@pytest.mark.parametrize(
    ("signature", "statement", "says"),
    [
        (sign(BEN, STATEMENT), STATEMENT, "has not the key"),
        (sign(ANA, STATEMENT), replace(STATEMENT, gate=2), "not of this decision"),
        (sign(ANA, STATEMENT), replace(STATEMENT, evidence="f" * 64), "not of this decision"),
        (sign(ANA, STATEMENT), replace(STATEMENT, run="another"), "not of this decision"),
        (sign(ANA, STATEMENT), replace(STATEMENT, note="yes"), "not of this decision"),
        (sign(ANA, STATEMENT), replace(STATEMENT, action="reject"), "not of this decision"),
        (sign(ANA, STATEMENT), replace(STATEMENT, by="Ben Müller"), "has not the key"),
        (sign(ANA, STATEMENT), replace(STATEMENT, by="eve"), "nobody of that name"),
        (sign(ANA, replace(STATEMENT, by="Ana")), replace(STATEMENT, by="Ana"), "nobody of that name"),
        (sign(ANA, STATEMENT), replace(STATEMENT, by=""), "names who signs"),
        ("x" * 1_000_000, STATEMENT, "no signature"),
    ],
    ids=[
        "by another", "of another gate", "of other evidence", "of another run", "of another note", "of another action",
        "in another's name", "in nobody's name", "in another spelling", "in no name", "no signature",
    ],
)  # fmt: skip
def test_signature_that_does_not_hold_is_refused(
    file: Path, signature: object, statement: Statement, says: str
) -> None:
    """A signature that does not hold is never taken for a claim: the decision is refused."""
    with pytest.raises(DecisionError, match=says):
        checked(Roster(file), str(signature), statement, "finance", NOW)


def test_key_that_ended_between_signing_and_sending_is_refused(file: Path) -> None:
    """What counts is the time of the decision by the run's clock, not that of the signature."""
    signature = str(sign(ANA, STATEMENT))
    with pytest.raises(DecisionError, match="not valid any more"):
        checked(Roster(file), signature, STATEMENT, "finance", datetime(2027, 1, 1, tzinfo=UTC))


def test_signature_without_a_list_is_refused() -> None:
    """Without a list no signature is anybody's, and the decision is not taken for a claim."""
    with pytest.raises(DecisionError, match="no list of people"):
        checked(None, str(sign(ANA, STATEMENT)), STATEMENT, "finance", NOW)


def test_person_whom_the_server_names_is_authenticated(file: Path) -> None:
    """The server's word leads to the name in the list, and to no other that was typed."""
    roster = Roster(file)
    found = Checked("authenticated", True, {"principal": "ana@example.org", "type": "jwt"})
    assert vouched(roster, "", "jwt", "ana@example.org", "finance") == ("ana", found)
    assert vouched(roster, "ana", "jwt", "ana@example.org", "finance") == ("ana", found)
    with pytest.raises(DecisionError, match="somebody else"):
        vouched(roster, "Ben Müller", "jwt", "ana@example.org", "finance")
    with pytest.raises(DecisionError, match="does not have you"):
        vouched(roster, "ana", "jwt", "eve@example.org", "finance")
    with pytest.raises(DecisionError, match="does not say who you are"):
        vouched(roster, "ana", "", "", "finance")
    with pytest.raises(DecisionError, match="no list of people"):
        vouched(None, "ana", "jwt", "ana@example.org", "finance")

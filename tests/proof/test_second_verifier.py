"""The second verifier: it reads the format by itself, and agrees with Gatework on every file."""

from __future__ import annotations

import ast
import json
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st

from gatework.machine import identity
from gatework.values import canonical
from gatework.verify import people
from tests.proof import making, recorded
from tests.proof.both import SECOND, SPEC, agreed, first, second
from tests.proof.repairing import repaired

CERTIFICATES = sorted((Path(__file__).parent / "certificates").glob("*.json"))

numbers = st.one_of(
    st.integers(-(2**53) + 1, 2**53 - 1),
    st.floats(allow_nan=False, allow_infinity=False).filter(lambda x: abs(x) < 2**53 or abs(x) >= 1e21),
    st.sampled_from([0.0, -0.0, 1e21, -1e21, 1e-6, 1e-7, 5e-324, 1.5e300, 9.99e22, 0.1, 1 / 3, 123456789.125]),
)
texts = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=8)
values = st.recursive(
    st.one_of(st.none(), st.booleans(), numbers, texts),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=40, deadline=None)
@given(values)
def test_canonical_form_is_that_of_rfc_8785(value: Any) -> None:
    """Numbers as ECMAScript writes them, members by UTF-16, and what is canonical is read back as it is."""
    data = rfc8785.dumps(value)
    assert SECOND.canonical(value).encode() == data
    assert SECOND.canonical(json.loads(data)).encode() == data


@given(st.integers(0, 2**64 - 1))
def test_every_double_is_written_as_rfc_8785_writes_it(bits: int) -> None:
    """Whatever the bits: the shortest digits that read back, in the form that the size asks for."""
    value = struct.unpack("<d", struct.pack("<Q", bits))[0]
    if value == value and abs(value) != float("inf"):
        assert SECOND.canonical(value).encode() == rfc8785.dumps(value)


FORM = ("json", "canonical", "format")


def test_members_stand_in_the_order_of_utf_16() -> None:
    """Beyond the first plane that is another order than that of code points."""
    assert SECOND.canonical({"\ufb33": 1, "\U0001f600": 2, "a": 3}) == '{"a":3,"\U0001f600":2,"\ufb33":1}'


names = st.text(
    st.sampled_from(
        "AaÄß \u0130ıſK\u212bÅ\u0301\u0345\u034f\u115f\u17b4\u180b\u2800\u3164\ufe00\uffa0\u200b\u00ad\t\u00a0\u3000ﬁ①"
    )
    | st.characters(codec="utf-8", exclude_categories=["Cs"]),
    max_size=8,
)


@given(names)
def test_names_are_compared_alike(name: str) -> None:
    """Whoever is kept off under one spelling is kept off under the others, by both verifiers, and at the gate."""
    assert SECOND.plain(name) == people.plain(name) == identity.plain(name)


MOST_LINES = 699


def test_it_is_short_enough_to_be_read() -> None:
    """Somebody who trusts nobody reads all of it."""
    lines = (SPEC / "verifier.py").read_text().splitlines()
    assert len(lines) < MOST_LINES


def test_it_stands_alone() -> None:
    """One file that imports the standard library and `cryptography`, and nothing of Gatework."""
    imported = set()
    for node in ast.walk(ast.parse((SPEC / "verifier.py").read_text())):
        if isinstance(node, ast.Import):
            imported |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported |= {str(node.module).partition(".")[0]}
    assert imported - sys.stdlib_module_names == {"cryptography"}


@pytest.mark.parametrize("path", CERTIFICATES, ids=lambda path: path.stem)
def test_recorded_certificates_hold_for_both(path: Path) -> None:
    """What runs on a server left behind, both verifiers accept."""
    data = path.read_bytes()
    assert (first(data), second(data)) == ("", "")


def test_an_answer_that_was_refused_is_of_a_tool() -> None:
    """A model answers, or does not."""
    said = recorded.whole("proven")
    answers = [one for receipt in of_kind(said, "suspended") for one in receipt["how"]["entries"]]
    refused = next(one for one in answers if one["outcome"] == "refused")
    refused["kind"] = "model"
    assert agreed(canonical.dumps(repaired(said))) == "order"


@pytest.mark.parametrize("reason", [None, " "])
def test_each_vote_for_an_override_has_a_reason(reason: str | None) -> None:
    """The first of two who override, too."""
    said = recorded.whole("overridden")
    vote = next(one for one in of_kind(said, "decided") if one.get("how", {}).get("approvals") == 1)
    assert vote["action"] == "override"
    put(vote, "reason", reason)
    assert agreed(canonical.dumps(repaired(said))) == "order"


@pytest.mark.parametrize(
    ("member", "value", "code"),
    [(name, None, "format") for name in ("tool", "key", "call", "arguments", "by_model")]
    + [("reason", "So.", "effects")],
)
def test_what_an_earlier_run_did_is_told_whole(member: str, value: str | None, code: str) -> None:
    """Each effect that a run recalls is named as a call names it, and nobody gave a reason for it."""
    said = recorded.whole("reset")
    recalled = next(one for one in of_kind(said, "acted") if "run" in one["how"])
    put(recalled if member == "reason" else recalled["how"], member, value)
    assert agreed(canonical.dumps(repaired(said))) == code


def test_what_an_earlier_run_found_has_its_result() -> None:
    """And what it does not know has none."""
    for action in ("found", "unknown"):
        said = recorded.whole("reset")
        recalled = next(one for one in of_kind(said, "acted") if "run" in one["how"])
        assert recalled["action"] == "found"
        put(recalled, "output", recalled["output"] if action == "unknown" else None)
        recalled["action"] = action
        assert agreed(canonical.dumps(repaired(said))) == "order"


def test_a_child_run_that_is_undone_began_as_it_was_called() -> None:
    """On the same budget, too."""
    said = recorded.whole("errand_undone")
    ends = [(run, run["entries"][-1]["receipt"]["action"]) for run in said["runs"]]
    undone = next(run for run, action in ends if action == "undone")
    undone["entries"][0]["receipt"]["how"]["given"] = {"tokens": 9}
    assert agreed(canonical.dumps(repaired(said))) == "child"


def test_nobody_leaves_an_undo_for_which_nobody_answered() -> None:
    """A name there would be of somebody who did nothing. A short verifier may leave that out."""
    said = recorded.whole("in_doubt")
    left = next(one for one in of_kind(said, "undoing") if one["action"] == "expired")
    left["by"] = "Ana"
    assert agreed(canonical.dumps(repaired(said))) == "turn"


def of_kind(said: Any, kind: str) -> list[Any]:
    """The receipts of a kind."""
    return [entry["receipt"] for entry in recorded.every_entry(said) if entry["receipt"]["kind"] == kind]


def put(said: Any, member: str, value: str | None) -> None:
    """Set a member, or remove it."""
    said.pop(member, None)
    said |= {} if value is None else {member: value}


def test_signed_certificates_are_proven(tmp_path: Path) -> None:
    """As a program it says what it proved, and ends with 0; with 1 and the code where it refuses."""
    said = making.signed(making.certificate(making.paid()))
    file, people = tmp_path / "certificate.json", tmp_path / "people.toml"
    file.write_bytes(canonical.dumps(said))
    people.write_text(making.people())
    command = [sys.executable, str(SPEC / "verifier.py"), str(file), str(people)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == "accepted"
    assert "proven: 7 signatures of worker" in done.stdout
    assert "proven: 3 signatures of finance" in done.stdout
    file.write_bytes(file.read_bytes() + b" ")
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (1, "refused: canonical\n")


def test_vectors_hold_for_both() -> None:
    """Each file of docs/spec/vectors is accepted, or refused with the code that stands beside it."""
    people = (SPEC / "vectors" / "people.toml").read_text()
    expected = json.loads((SPEC / "vectors" / "expected.json").read_text())
    assert {path.name for path in (SPEC / "vectors").glob("*.json")} - {"expected.json"} == set(expected)
    for name, code in expected.items():
        data = (SPEC / "vectors" / name).read_bytes()
        own = second(data, people)
        # What is no JSON, or has not the form, the second verifier may find at any of these.
        assert (first(data, people), own) == (code, own if code in FORM and own in FORM else code), name
    assert set(expected.values()) >= {"", "json", "canonical", "format", "plan", "value", "chain", "order", "guards"}


@pytest.mark.parametrize(
    ("file", "says"), [("", "Nothing was verified"), ("none.json", "none.json"), ("README.md", "json")]
)
def test_what_is_no_certificate_is_told_in_one_line(file: str, says: str) -> None:
    """No file, one that is not there, and one that is no JSON: one line, no traceback, and no success."""
    command = [sys.executable, "verifier.py", *([file] if file else [])]
    ended = subprocess.run(command, cwd=SPEC, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr.count("\n")) == (1, "", 1)
    assert says in ended.stderr

"""Certificates as files: what is written is read back the same, and nothing else is read."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from gatework.plan.labels import Label
from gatework.proof import certificate
from gatework.proof.certificate import (
    Certificate,
    CertificateError,
    Disclosed,
    RunLedger,
    Superseded,
    named,
    read,
    without,
    written,
)
from gatework.run.events import Signed
from gatework.run.state import Act
from gatework.testing import Driver
from gatework.testing.factories import acted, begun, call, effect, finished, plan_of, sealed, stage, suspended
from gatework.values import canonical

PLAN = plan_of(stage("first", guards=["g"]), effect("pay", "first"), start=Label.ENDORSED)
START = sealed("start")
DONE = sealed({"order": {"lines": [1, 2]}}, b"\x01" * 16)


@pytest.fixture(scope="module")
def given() -> Certificate:
    """Of a run in which an effect happened."""
    driver = Driver(PLAN)
    driver.take(begun(PLAN, "start"))
    driver.take(finished(PLAN, driver.run, "first", "pass"))
    driver.take(suspended(PLAN, driver.run, call("pay")))
    assert isinstance(driver.due, Act)
    driver.take(acted(driver.due))
    driver.take(finished(PLAN, driver.run, "paid"))
    cut = Superseded(run_id="old", entries=driver.ledger[3:])
    held = [value.sealed for value in driver.state.values.values()]
    signature = Signed(key="k", signature="A" * 86 + "==")
    return Certificate(
        plans={PLAN.digest: PLAN},
        runs=(RunLedger(run_id="run", workflow=PLAN.name, entries=driver.ledger, superseded=(cut,)),),
        values={one.digest: Disclosed(data=one.data, salt=one.salt) for one in held},
        signatures=(signature,),
    )


def test_certificate_is_read_as_it_was_written(given: Certificate) -> None:
    """The file is canonical JSON, whose last line ends, and holds all of it."""
    data = written(given)
    assert read(data) == given
    assert read(data[:-1]) == given
    assert data == canonical.dumps(json.loads(data)) + b"\n"
    assert all(value.digest == digest for digest, value in given.values.items())


def changed(given: Certificate, change: Callable[[Any], object]) -> bytes:
    said = json.loads(written(given))
    change(said)
    return canonical.dumps(said)


def entry(said: Any, number: int) -> Any:
    return said["runs"][0]["entries"][number]


SUSPENDED, ACTING = 2, 3

SHAPES: dict[str, Callable[[Any], object]] = {
    "another format": lambda said: said.update(format="gatework.certificate/2"),
    "no format": lambda said: said.pop("format"),
    "no signatures": lambda said: said.pop("signatures"),
    "more than there is": lambda said: said.update(note="x"),
    "no run": lambda said: said["runs"].clear(),
    "a run without entries": lambda said: said["runs"][0]["entries"].clear(),
    "nothing cut off": lambda said: said["runs"][0]["superseded"][0]["entries"].clear(),
    "a run without what was cut off": lambda said: said["runs"][0].pop("superseded"),
    "a plan under another name": lambda said: said["plans"].update(x=said["plans"].pop(PLAN.digest)),
    "a plan with less": lambda said: said["plans"][PLAN.digest].pop("undos"),
    "a plan with more": lambda said: said["plans"][PLAN.digest].update(note="x"),
    "a value with more": lambda said: said["values"][START.digest].update(note="x"),
    "a value under another name": lambda said: said["values"].update(x=said["values"].pop(START.digest)),
    "a salt that is none": lambda said: said["values"][START.digest].update(salt="00"),
    "a salt in capitals": lambda said: said["values"][START.digest].update(salt="AB" * 16),
    "a time without its zone": lambda said: entry(said, 0).update(at="2026-01-31T12:00:00.000"),
    "a time of no calendar": lambda said: entry(said, 0).update(at="2026-02-31T12:00:00.000+00:00"),
    "a number that is true": lambda said: entry(said, 0).update(sequence=True),
    "a digest in capitals": lambda said: entry(said, 0).update(before="A" * 64),
    "an unknown kind": lambda said: entry(said, 0)["receipt"].update(kind="skipped"),
    "a member that says nothing": lambda said: entry(said, 0)["receipt"].update(reason=""),
    "a member that no receipt has": lambda said: entry(said, 0)["receipt"].update(note="x"),
    "a negative attempt": lambda said: entry(said, 1)["receipt"].update(attempt=-1),
    "an output that is no digest": lambda said: entry(said, 1)["receipt"].update(output="x"),
    "a verdict on no digest": lambda said: entry(said, 1)["receipt"]["verdicts"][0].update(on="x"),
    "a verdict that is no word": lambda said: entry(said, 1)["receipt"]["verdicts"][0].update(verdict="maybe"),
    "an identity that is none": lambda said: entry(said, 1)["receipt"].update(identity="sure"),
    "how, as of another kind": lambda said: entry(said, 0)["receipt"]["how"].update(child=1),
    "how, of another type": lambda said: entry(said, 0)["receipt"]["how"].update(plan=1),
    "a call with more": lambda said: entry(said, SUSPENDED)["receipt"]["how"]["calls"][0].update(note="x"),
    "a call with less": lambda said: entry(said, SUSPENDED)["receipt"]["how"]["calls"][0].pop("key"),
    "arguments that are no digest": lambda said: entry(said, ACTING)["receipt"]["how"].update(arguments="x"),
    "a signature of 63 bytes": lambda said: said["signatures"][0].update(signature="A" * 84),
    "a signature in no base64": lambda said: said["signatures"][0].update(signature="-" * 86 + "=="),
    "base64 in another spelling": lambda said: said["signatures"][0].update(signature="A" * 85 + "B=="),
    "a signature with more": lambda said: said["signatures"][0].update(note="x"),
}


@pytest.mark.parametrize("which", SHAPES)
def test_what_the_specification_does_not_name_is_refused(given: Certificate, which: str) -> None:
    """No member more or less, and none of another type; said without repeating anything of the file."""
    with pytest.raises(CertificateError, match="no certificate of this format") as caught:
        read(changed(given, SHAPES[which]))
    assert caught.value.fault == ("faults" if which == "a plan with more" else "format")
    assert "note" not in caught.value.message


@pytest.mark.parametrize(
    ("spelled", "fault"),
    [
        (lambda text: text[1:], "json"),
        (lambda text: b"\xef\xbb\xbf" + text, "json"),
        (lambda text: text.replace(b'"runs":', b'"runs":[],"runs":', 1), "json"),
        (lambda text: text.replace(b'"sequence":1}', b'"sequence":NaN}', 1), "json"),
        (lambda text: text.replace(b'"sequence":1}', b'"sequence":9007199254740992}', 1), "json"),
        (lambda text: text.replace(b'"run_id":"run"', b'"run_id":"\\ud800"', 1), "json"),
        (lambda text: text.replace(b'"values":{', b'"values":{"x":' + b"[" * 90 + b"]" * 90 + b",", 1), "json"),
        (lambda text: text.replace(b'"run_id":"run"', b'"run_id":"r\\u0075n"', 1), "canonical"),
        (lambda text: text.replace(b'"sequence":1}', b'"sequence":1.0}', 1), "canonical"),
        (lambda text: text.replace(b'"sequence":1}', b'"sequence":1e0}', 1), "canonical"),
        (lambda text: text.replace(b":", b": ", 1), "canonical"),
        (lambda text: text + b"\n", "canonical"),
        (lambda text: b" " + text, "canonical"),
        (lambda _: b"[]", "format"),
        (lambda _: b"", "json"),
    ],
)
def test_another_spelling_of_the_same_is_refused(
    given: Certificate, spelled: Callable[[bytes], bytes], fault: str
) -> None:
    """A certificate has one form, byte for byte."""
    data = written(given)
    other = spelled(data)
    assert other != data
    with pytest.raises(CertificateError) as caught:
        read(other)
    assert caught.value.fault == fault


def test_what_nobody_could_read_is_not_written(given: Certificate, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither what has another shape nor what is too large."""
    first = replace(given.runs[0].entries[0], before="")
    with pytest.raises(CertificateError, match="`before` is not"):
        written(replace(given, runs=(replace(given.runs[0], entries=(first,)),)))
    monkeypatch.setattr(certificate, "MAX_BYTES", 1_000)
    with pytest.raises(CertificateError, match="disclose less, or export its child runs"):
        written(given)


# -- withholding -----------------------------------------------------------------------------------


def with_values(given: Certificate, *values: Disclosed) -> Certificate:
    return replace(given, values={**given.values, **{value.digest: value for value in values}})


def test_value_that_is_taken_out_leaves_all_else_as_it_is(given: Certificate) -> None:
    """The ledger names it by its digest all the same."""
    output = given.runs[0].entries[1].receipt.output
    left = without(given, [output])
    assert given.values.keys() - left.values.keys() == {output}
    assert left.runs == given.runs
    assert output in named(left)
    assert without(given, ["0" * 64]) == given


def test_what_tells_the_salt_of_a_value_is_taken_out_with_it(given: Certificate) -> None:
    """By its digest and its salt a short value could be guessed."""
    whole = Disclosed(data=DONE.data, salt=DONE.salt)
    lines = Disclosed(data=[1, 2], salt=canonical.digest("field", [DONE.salt, "order", "lines"])[:32])
    item = Disclosed(data=2, salt=canonical.digest("item", [lines.salt, 1])[:32])
    parts = with_values(given, whole, lines, item)
    assert without(parts, [item.digest]).values.keys() == given.values.keys()
    assert without(parts, [whole.digest]).values.keys() == parts.values.keys() - {whole.digest}


def test_input_of_a_run_is_taken_out_with_the_arguments_of_its_calls(given: Certificate) -> None:
    """Their salt is made of the input's."""
    salt = canonical.digest("arguments", START.salt)[:32]
    arguments = Disclosed(data=call("pay").arguments, salt=salt)
    assert arguments.digest in named(given)
    left = without(with_values(given, arguments), [arguments.digest])
    assert left.values.keys() == given.values.keys() - {START.digest}

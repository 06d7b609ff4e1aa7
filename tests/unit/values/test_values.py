"""Labels and verdicts are values: compared by what they are, never taken for true, and silent about their content."""

from __future__ import annotations

import copy
import pickle
from dataclasses import FrozenInstanceError
from typing import Any

import pytest

from gatework import Approved, Block, Endorsed, Escalate, Pass, Retry, Untrusted, Verdict
from gatework.plan.labels import Label, combined
from gatework.values.verdict import MAX_REASON, short
from tests.unit.hostile import MARK

LABELS = [Untrusted, Endorsed, Approved]


@pytest.mark.parametrize("verdict", [Pass(), Retry("a"), Block("a"), Escalate("a")])
def test_verdict_is_neither_true_nor_false(verdict: Verdict) -> None:
    """`if guard(claim):` would pass a block."""
    with pytest.raises(TypeError, match="neither true nor false"):
        bool(verdict)
    with pytest.raises(FrozenInstanceError):
        verdict.reason = "b"  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]


@pytest.mark.parametrize("kind", [Retry, Block, Escalate])
@pytest.mark.parametrize("reason", ["", "  \n", None, 3])
def test_refusal_needs_a_reason(kind: Any, reason: Any) -> None:
    """An operator and a model have to be told something."""
    with pytest.raises(TypeError):
        kind(reason)
    with pytest.raises(TypeError):
        kind()


def test_verdict_by_itself_is_none() -> None:
    """There are four answers."""
    with pytest.raises(TypeError, match="Answer with Pass"):
        Verdict("fine")
    other: Verdict = Block("a")
    assert Retry("a") == Retry("a") != other


def test_reason_is_cut_and_printable() -> None:
    """What is kept fits a receipt."""
    assert short("  No.\n\x1b[31mRed ") == "No.  [31mRed"
    assert len(short("a" * 10_000_000)) == MAX_REASON
    assert short("a" * MAX_REASON) == "a" * MAX_REASON
    assert short("\ud800a") == "a"


@pytest.mark.parametrize("kind", LABELS)
def test_labelled_value_keeps_its_content_to_itself(kind: Any) -> None:
    """Representations end up in logs."""
    value = kind(MARK)
    assert MARK not in f"{value!r} {value}"
    assert value.value == MARK
    with pytest.raises(AttributeError):
        value.value = "other"
    with pytest.raises(AttributeError):
        value.other = "other"


@pytest.mark.parametrize("kind", LABELS)
def test_labelled_values_are_equal_by_label_and_value(kind: Any) -> None:
    """The same value under another label is another value."""
    others = [other for other in LABELS if other is not kind]
    assert kind(1) == kind(1) != kind(2)
    assert all(kind(1) != other(1) for other in others)
    assert hash(kind(1)) == hash(kind(1))
    assert copy.deepcopy(kind([1])) == kind([1]) == pickle.loads(pickle.dumps(kind([1])))


def test_labels_combine_to_the_least_trusted() -> None:
    """Approval is never inherited."""
    plain, untrusted, endorsed, approved = Label
    assert combined([]) is combined([plain]) is plain
    assert combined([approved]) is combined([endorsed, plain]) is endorsed
    assert combined([approved, endorsed, untrusted]) is untrusted
    assert [label.meets(endorsed) for label in Label] == [False, False, True, True]
    assert [label.meets(approved) for label in Label] == [False, False, False, True]
    assert [label.meets(plain) for label in Label] == [True, False, False, False]

"""Whether a call keeps to the limits of its grant: nothing fails open, nothing is repeated, nothing takes for ever."""

from __future__ import annotations

import time
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatework.plan import grant
from gatework.plan.expr import Const, Kind, Ref
from gatework.plan.plan import Limit, ToolUse
from gatework.values.canonical import Json

VALUES: dict[str, Json] = {
    "owed": {"order": "A-1", "amount": "12.50", "most": None, "names": ["ann", "bob"], "nan": "NaN", "text": "x"}
}


def use(*limits: tuple[str, str, Any, Kind | None], egress: bool = False) -> ToolUse:
    sources = [value if isinstance(value, Ref) else Const(value) for _, _, value, _ in limits]
    made = [
        Limit(argument=name, rule=rule, value=source, kind=kind)  # type: ignore[arg-type]
        for (name, rule, _, kind), source in zip(limits, sources, strict=True)
    ]
    return ToolUse(name="pay", limits=tuple(made), egress=egress)


def kept(rule: str, value: Any, kind: Kind | None, argument: Json, *, egress: bool = False) -> bool:
    return not grant.refusal(use(("a", rule, value, kind), egress=egress), {"a": argument}, VALUES.__getitem__)


WITHIN: list[tuple[str, Any, Kind | None, Json, Json]] = [
    # rule, limit, kind, an argument that keeps to it, one that does not
    ("is", "A-1", "text", "A-1", "a-1"),
    ("is", Ref("owed", ("order",)), "text", "A-1", "A-2"),
    ("is", "12.50", "number", "12.5", "12.51"),
    ("is", 3, "number", 3, True),
    ("is", True, "flag", True, 1),
    ("is", {"a": [1]}, None, {"a": [1]}, {"a": [1, 2]}),
    ("is", [], None, [], None),
    ("is", None, "number", None, 0),
    ("is", "2026-01-02T10:00:00Z", "time", "2026-01-02T11:00:00+01:00", "2026-01-02T10:00:00"),
    ("at_most", "100", "number", "100.00", "100.01"),
    ("at_most", Ref("owed", ("amount",)), "number", "-1E+3", "1e99999"),
    ("at_most", 100, "number", 99.5, "NaN"),
    ("at_most", 100, "number", "1e2", "Infinity"),
    ("at_least", 0, "number", "0", "-0.01"),
    ("at_least", "2026-01-02", "time", "2026-01-02", "2026-01-01"),
    ("at_most", "2026-01-02", "time", "2025-12-31", "2026-01-02T00:00:00Z"),
    ("at_most", 3, "number", 3, None),
    ("at_most", 3, "number", 3, [1]),
    ("one_of", ["a", "b"], "text", "b", "c"),
    ("one_of", ["1.0", None], "number", "1", "2"),
    ("one_of", [None, "a"], "text", None, ""),
    ("one_of", Ref("owed", ("names",)), "text", "bob", "eve"),
    ("one_of", [[1], [2]], None, [2], [1, 2]),
    ("matches", r"reports/[a-z]+\.md", "text", "reports/may.md", "reports/../may.md"),
    ("matches", "a|b", "text", "b", "ab"),
    ("matches", "(?i)a$", "text", "A", "A\n"),
    ("matches", "", "text", "", "a"),
    ("matches", ".*", "text", "\U0001f600", "a\nb"),
]


@pytest.mark.parametrize(("rule", "limit", "kind", "within", "outside"), WITHIN)
def test_call_within_its_limits_is_let_through_and_one_outside_is_not(
    rule: str, limit: Any, kind: Kind | None, within: Json, outside: Json
) -> None:
    """Compared as the argument is: decimals exactly, times by their moment, text in full, flags never as numbers."""
    assert kept(rule, limit, kind, within)
    assert not kept(rule, limit, kind, outside)


@pytest.mark.parametrize(
    ("rule", "limit", "kind"),
    [
        ("is", Ref("owed", ("number",)), "text"),
        ("is", Ref("gone", ()), "text"),
        ("at_most", Ref("owed", ("most",)), "number"),
        ("at_most", Ref("owed", ("nan",)), "number"),
        ("at_most", Ref("owed", ("text",)), "number"),
        ("at_most", "A", "text"),
        ("at_most", 3, None),
        ("one_of", Ref("owed", ("order",)), "text"),
        ("one_of", [], "text"),
        ("one_of", "abc", "text"),
        ("one_of", {"a": 1}, "text"),
        ("matches", "(", "text"),
        ("matches", "a)|(?:.*", "text"),
        ("matches", "(?=.*)", "text"),
        ("matches", 3, "text"),
        ("matches", ["a"], "text"),
        ("almost", "a", "text"),
        ("", None, None),
    ],
)
def test_limit_that_cannot_be_held_against_a_call_refuses_it(rule: str, limit: Any, kind: Kind | None) -> None:
    """Whatever is wrong with a limit, or with the value that it refers to: nothing passes."""
    arguments: list[Json] = ["a", "A-1", 3, True, None, [], {}, "12.50", "abc"]
    for argument in arguments:
        assert not kept(rule, limit, kind, argument)


def test_every_limit_must_hold() -> None:
    """Limits add up: one that is broken is enough."""
    granted = use(("a", "at_least", 1, "number"), ("a", "at_most", 3, "number"), ("b", "is", "x", "text"))
    assert not grant.refusal(granted, {"a": 2, "b": "x"}, VALUES.__getitem__)
    for call in ({"a": 0, "b": "x"}, {"a": 4, "b": "x"}, {"a": 2, "b": "y"}, {"a": 2}, {}):
        assert grant.refusal(granted, call, VALUES.__getitem__)


def test_refusal_says_what_is_granted_and_repeats_no_argument() -> None:
    """The model is told the limit in one sentence; what it wrote, and values of the plan, are left out."""
    said = grant.refusal(use(("a", "at_most", "100", "number")), {"a": "S3CRET"}, VALUES.__getitem__)
    assert said == 'pay is granted only with a of at most "100"'
    said = grant.refusal(use(("a", "is", Ref("owed", ("order",)), "text")), {"a": "S3CRET"}, VALUES.__getitem__)
    assert said == "pay is granted only with a equal to owed.order"
    said = grant.refusal(use(("a", "one_of", ["x" * 500], "text")), {"a": "S3CRET"}, VALUES.__getitem__)
    assert len(said) < 300
    said = grant.refusal(use(("a", "matches", "[0-9]", "text")), {"b": "S3CRET"}, VALUES.__getitem__)
    assert said == 'pay is granted only with a that fits the pattern "[0-9]", and the call names none'
    said = grant.refusal(use(("a", "is", Ref("owed", ("gone",)), "text")), {"a": "S3CRET"}, VALUES.__getitem__)
    assert said == "the limit of pay on a cannot be looked up: owed.gone has no value"


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("(a+)+b", "a" * 100_000),
        ("(a|a)*c", "a" * 100_000),
        ("(.*)*x", "y" * 100_000),
        (r"([a-z]+\.)+[a-z]{2}", "a." * 50_000),
    ],
)
def test_pattern_takes_no_longer_than_its_text(pattern: str, text: str) -> None:
    """The text may be hostile: the engine never goes back, as Python's own does for hours."""
    began = time.process_time()
    assert not kept("matches", pattern, "text", text)
    assert time.process_time() - began < 5


def test_number_with_a_huge_exponent_takes_no_longer() -> None:
    """Decimals are compared without being written out."""
    began = time.process_time()
    assert not kept("at_most", "100", "number", "1e999999999")
    assert kept("at_least", "-1e999999999", "number", "1")
    assert not kept("at_most", "100", "number", "1e99999999999999999999999")
    assert time.process_time() - began < 5


def test_spelling_of_what_can_carry_data_out_is_pinned_too() -> None:
    """How many noughts stand behind 12.50 can be a message; to a tool that reaches out it must be written as given."""
    assert kept("is", "12.50", "number", "12.500000")
    assert not kept("is", "12.50", "number", "12.500000", egress=True)
    assert kept("is", Ref("owed", ("amount",)), "number", "12.50", egress=True)
    assert not kept("one_of", ["12.50"], "number", "12.5", egress=True)


TEXTS = st.text(st.characters(codec="utf-8"), max_size=20)
JSONS = st.recursive(
    st.none() | st.booleans() | st.integers(-99, 99) | st.floats(-9, 9) | TEXTS | st.sampled_from(["1e2", "2026"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)  # fmt: skip
RULES = st.sampled_from(["is", "at_most", "at_least", "one_of", "matches", "other"])
KINDS = st.sampled_from(["number", "text", "flag", "time", None])


@settings(max_examples=400, deadline=None)
@given(rule=RULES, limit=JSONS, kind=KINDS, argument=JSONS, egress=st.booleans())
def test_any_limit_on_any_argument_is_answered(
    rule: str, limit: Json, kind: Kind | None, argument: Json, egress: bool
) -> None:
    """No limit and no argument breaks the check; what is let through is what the rule says, worked out by hand."""
    if not kept(rule, limit, kind, argument, egress=egress):
        return
    match rule:
        case "is":
            assert _equal(limit, argument)
        case "one_of":
            assert any(_equal(choice, argument) for choice in limit)
        case "at_most" | "at_least":
            assert kind in ("number", "time")
            if kind == "number":
                low, high = (argument, limit) if rule == "at_most" else (limit, argument)
                assert Decimal(str(low)) <= Decimal(str(high))
        case "matches":
            assert isinstance(argument, str)
        case _:
            raise AssertionError("a rule that nobody knows lets nothing through")


def _equal(one: Json, other: Json) -> bool:
    if type(one) is bool or type(other) is bool or one is None or other is None:
        return one is other
    try:
        return one == other or Decimal(str(one)) == Decimal(str(other))
    except ArithmeticError:
        return False


@given(pattern=st.text(max_size=12), text=TEXTS)
@settings(max_examples=300, deadline=None)
def test_any_pattern_that_is_let_into_a_plan_is_held_against_the_whole_text(pattern: str, text: str) -> None:
    """What fits with something before or behind it only, does not fit."""
    if grant.pattern_fault(pattern) or not kept("matches", pattern, "text", text):
        return
    again = rf"(?:{pattern})"
    assert kept("matches", again, "text", text)
    assert kept("matches", rf"{again}\z", "text", text)

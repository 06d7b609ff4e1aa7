"""Names of people: which are one person's, and which numbers stand for what they saw."""

from __future__ import annotations

import unicodedata
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatework.machine import identity
from gatework.plan.labels import Label
from gatework.plan.plan import By, Identity
from gatework.run.events import Decided
from gatework.run.held import UNNAMED
from gatework.run.state import Gate, Vote, digits
from gatework.testing.factories import Draft, approve, effect, plan_of, stage

LEVELS: tuple[Identity, ...] = get_args(Identity)
NAMES = st.text(min_size=1, max_size=12)
FORMS = st.sampled_from(["NFC", "NFD", "NFKC", "NFKD"])
HEX = st.text("0123456789abcdef", min_size=64, max_size=64)


def gate(**more: object) -> Gate:
    filled: dict[str, object] = {"id": 1, "kind": "approval", "node": "a", "by": By(role="finance", quorum=9)}
    filled |= {"place": "a", "evidence": "0" * 64, "shown": {}, "expires_seconds": 1}
    return Gate(**{**filled, **more})  # type: ignore[arg-type]


ALIKE = {
    "letter case": ("Ana Ortiz", "aNA oRTIZ"),
    "letters that fold into two": ("STRASSE", "straße"),
    "a capital that folds into two signs": ("İnci", "i\u0307nci"),
    "final sigma": ("ΣΊΣΥΦΟΣ", "σίσυφος"),
    "composed and decomposed": ("José", "Jose\u0301"),
    "a folded letter that decomposes": ("\u0390", "\u1fd3"),
    "full width": ("Ａｎａ", "ana"),
    "ligature": ("ﬁnn", "finn"),
    "spaces around": ("ana", " ana\t"),
    "other spaces": ("ana ortiz", "ana\u00a0 \u2003ortiz"),
    "a line break": ("ana ortiz", "ana\nortiz"),
    "zero-width space": ("ana", "a\u200bna"),
    "joiners": ("ana", "a\u200dn\u200ca\u2060"),
    "soft hyphen": ("ana", "an\u00ada"),
    "direction marks": ("ana", "\u202eana\u202c"),
    "byte order mark": ("ana", "\ufeffana"),
    "variation selectors": ("ana", "a\ufe0fna\U000e0101"),
    "tags": ("ana", "ana\U000e0061"),
    "fillers": ("ana", "ana\u3164\uffa0\u115f"),
    "empty braille": ("ana", "ana\u2800"),
    "a joiner within a letter": ("é", "e\u034f\u0301"),
}


@pytest.mark.parametrize(("one", "other"), ALIKE.values(), ids=ALIKE.keys())
def test_one_person_in_two_spellings_is_one(one: str, other: str) -> None:
    """Spellings that look the same, or differ in case, are one person's."""
    assert identity.alike(one, other)
    assert identity.alike(other, one)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ana", "anna"),
        ("ana ortiz", "anaortiz"),
        ("jose", "josé"),
        ("ana", "ben"),
        ("ana 1", "ana 2"),
        ("o'hara", "ohara"),
    ],
)
def test_two_people_are_two(one: str, other: str) -> None:
    """Accents, spaces within and signs that are seen tell people from each other."""
    assert not identity.alike(one, other)


@given(NAMES, FORMS, FORMS)
def test_no_form_of_unicode_makes_another_person(name: str, one: str, other: str) -> None:
    """However a text was normalised or folded on its way, it is the same name."""
    ours, theirs = unicodedata.normalize(one, name), unicodedata.normalize(other, name)  # type: ignore[arg-type]
    assert identity.alike(ours, theirs)
    assert identity.alike(ours, theirs.casefold())
    assert identity.alike(f"  {ours}\n", theirs)


@given(NAMES, NAMES, NAMES)
def test_being_alike_carries_over(one: str, other: str, third: str) -> None:
    """Two names that are alike are alike to the same others."""
    assert identity.alike(one, one)
    assert identity.alike(one, other) is identity.alike(other, one)
    if identity.alike(one, other):
        assert identity.alike(one, third) is identity.alike(other, third)


@pytest.mark.parametrize("given_", LEVELS)
@pytest.mark.parametrize("needed", LEVELS)
def test_identities_are_in_their_order(given_: Identity, needed: Identity) -> None:
    """Signed is more than authenticated, that more than a claim, and a claim more than nothing."""
    assert identity.surely(given_, needed) is (LEVELS.index(given_) >= LEVELS.index(needed))
    assert LEVELS == ("none", "claimed", "authenticated", "signed")


def test_numbers_of_a_gate_stay_what_they_are() -> None:
    """Histories hold decisions by number: the same evidence has the same numbers in every version."""
    one = "ec31682fde561917952ff78a7a8adeffd0febc372dd26871916c46c630381b45"
    other = "5e4a4501365904b94838dd24be8a53991d1603a594a63e164fc0eab361d325b5"
    assert (digits(1, one, 0), digits(1, one, 1)) == ("2141", "6641")
    assert (digits(12, other, 0), digits(12, other, 1)) == ("3012", "7512")


@given(st.integers(1, 10_000), HEX)
def test_numbers_of_a_gate_are_four_digits_and_never_the_same(number: int, evidence: str) -> None:
    """The two numbers of a gate differ, start with no zero, and end in the digit of the gate."""
    panel, full = digits(number, evidence, 0), digits(number, evidence, 1)
    assert panel != full
    for shown in (panel, full):
        assert len(shown) == 4
        assert shown.isdecimal()
        assert shown[0] != "0"
        assert shown[-1] == str(number)[-1]
    assert (gate(id=number, evidence=evidence).number, gate(id=number, evidence=evidence).full_number) == (panel, full)


@given(HEX, HEX, st.integers(1, 500), st.integers(1, 9))
def test_numbers_of_neighbouring_gates_never_meet(one: str, other: str, number: int, further: int) -> None:
    """No number of a gate is either number of one of the nine after it, whatever the evidence."""
    ours = {digits(number, one, which) for which in (0, 1)}
    theirs = {digits(number + further, other, which) for which in (0, 1)}
    assert not ours & theirs


@given(st.text(max_size=6))
def test_nobody_is_called_nothing(name: str) -> None:
    """A name of which nothing is to be seen is no name: whoever claims it is refused, whatever the gate asks."""
    event = Decided(action="approve", by=name, identity="claimed")
    unseen = not identity.plain(name)
    assert (identity.refused(gate(), event) == "Say who you are by name, or leave the name out.") is unseen


@pytest.mark.parametrize("name", ["", " ", "\u200b", "\u3164", "\u2800\u00a0", "\u00ad\U000e0020"])
def test_name_that_shows_nothing_is_no_name(name: str) -> None:
    """Spaces and signs that nobody sees name nobody."""
    assert "Say who you are by name" in identity.refused(gate(), Decided(action="approve", by=name, identity="signed"))


ASKED = By(role="finance", quorum=2, identity="claimed")
SENTENCES: dict[str, tuple[Gate, dict[str, Any], str]] = {
    "a name and no identity": (gate(), {"identity": "none"}, "Say who you are by name, or leave the name out."),
    "not in the role": (
        gate(),
        {"member": False},
        "By the list of people you are not in the role finance, which is asked here.",
    ),
    "no list": (
        gate(by=By(role="finance", identity="signed")),
        {"identity": "signed"},
        "No list of people says who is in the role finance; the worker needs one, see GATEWORK_PEOPLE.",
    ),
    "nobody known": (
        gate(by=ASKED, not_by=(UNNAMED,)),
        {},
        "It is not known who may not approve this, so nobody can: a value was edited without a name, or one that is to "
        "name somebody does not; edit it, by name.",
    ),
    "held off": (
        gate(by=ASKED, not_by=("ana",)),
        {},
        "You may not approve this: it is your own, or you have approved what it stands on.",
    ),
    "held off under the name that the server has": (
        gate(by=ASKED, not_by=("ana@corp.example",)),
        {"proof": {"principal": "ana@corp.example"}},
        "You may not approve this: it is your own, or you have approved what it stands on.",
    ),
    "twice": (
        gate(by=ASKED, votes=(Vote(by="ana", identity="claimed"),)),
        {},
        "You have approved this already; another of finance must.",
    ),
    "no name": (
        gate(by=ASKED),
        {"by": "", "identity": "none"},
        'Say who you are: {"number": …, "by": "your name"}, or "4821 your name" with the four digits.',
    ),
    "no name beside a note": (
        gate(by=ASKED),
        {"by": "", "identity": "none", "action": "reject"},
        'Say who you are: {"note": …, "by": "your name"}.',
    ),
    "no name beside a value": (
        gate(by=ASKED),
        {"by": "", "identity": "none", "action": "edit"},
        'Say who you are: {"value": …, "by": "your name"}.',
    ),
    "a claim": (
        gate(by=By(role="finance", identity="authenticated")),
        {"member": True},
        "It must be sure here who decides: sign it, see `gatework sign --help`. A typed name is a claim.",
    ),
    "no signature": (
        gate(by=By(role="finance", identity="signed")),
        {"member": True, "identity": "authenticated"},
        "This takes a signed decision, see `gatework sign --help`. A typed name is a claim.",
    ),
}


@pytest.mark.parametrize("case", SENTENCES)
def test_refusal_is_this_sentence(case: str) -> None:
    """Whoever may not decide is told why, and what to do, in one sentence without anything that was sent."""
    asked, sent, sentence = SENTENCES[case]
    usual: dict[str, Any] = {"action": "approve", "by": "Ana", "identity": "claimed"}
    event = Decided(**{**usual, **sent})
    assert identity.refused(asked, event) == sentence


def test_whoever_may_decide_is_told_nothing() -> None:
    """No sentence is no refusal."""
    assert identity.refused(gate(by=ASKED), Decided(action="approve", by="Ana", identity="claimed")) == ""


def test_gate_at_which_nobody_may_approve_says_so() -> None:
    """Where somebody is held off of whom it is not known who they are, everybody is."""
    assert identity.held_off(gate(not_by=("Ana", "Ben"))) == ("Ana", "Ben")
    assert identity.held_off(gate(not_by=("Ana", UNNAMED))) == ("anybody before an edit by name",)
    assert identity.held_off(gate()) == ()


SURE = By(role="ops", quorum=2, identity="signed")
ALONE = By(role="ops", identity="signed")
EDITS: dict[str, tuple[Draft, Identity]] = {
    "one decides": (approve("second", "first", role=ALONE), "none"),
    "one decides, in turn": (approve("second", "first", role=ALONE, otherwise=ALONE), "none"),
    "two decide": (approve("second", "first", role=SURE), "signed"),
    "two decide in the end": (approve("second", "first", role="f", otherwise=SURE), "signed"),
    "another decides": (approve("second", "first", role=ALONE, not_by=["start"]), "signed"),
    "two answer for the stage": (stage("second", "first", operator=SURE), "signed"),
    "one answers for the stage": (stage("second", "first", operator=ALONE), "none"),
    "two override the stage": (stage("second", "first", override=SURE), "signed"),
    "one overrides the stage": (stage("second", "first", override=ALONE), "none"),
    "two let calls happen": (effect("second", "first", approver=SURE), "signed"),
    "one lets calls happen": (effect("second", "first", approver=ALONE), "none"),
}


@pytest.mark.parametrize("case", EDITS)
def test_edit_needs_a_name_as_sure_as_what_may_rest_on_it(case: str) -> None:
    """The surest of all who are told apart at the node or after it; whoever decides alone asks for nothing more."""
    draft, needed = EDITS[case]
    plan = plan_of(stage("first"), draft, stage("third", "second"), start=Label.ENDORSED)
    for position, level in ((-1, needed), (0, needed), (1, needed), (2, "none")):
        assert identity.to_edit(plan, position) == level
    claimed = approve("fourth", "third", role=By(role="f", quorum=2, identity="claimed"))
    longer = plan_of(stage("first"), draft, stage("third", "second"), claimed, start=Label.ENDORSED)
    assert [identity.to_edit(longer, position) for position in (0, 2)] == [
        max(needed, "claimed", key=LEVELS.index),
        "claimed",
    ]


def test_edit_of_the_first_node_needs_what_is_asked_there() -> None:
    """Whoever answers for the node whose value is edited counts, be it the first."""
    plan = plan_of(stage("first", operator=SURE), start=Label.ENDORSED)
    assert (identity.to_edit(plan, -1), identity.to_edit(plan, 0), identity.to_edit(plan, 1)) == (
        "signed",
        "signed",
        "none",
    )


def test_name_is_compared_as_it_is_written_with_single_spaces() -> None:
    """What stands for a name keeps its words apart by one space."""
    assert identity.plain("  Ana\t\u00a0ORTIZ ") == "ana ortiz"


def test_nobody_is_kept_off_for_having_no_name() -> None:
    """Where it is not known who may not approve, that is said for itself, and no name that is missing stands for it."""
    gate = Gate(
        id=1, kind="approval", node="agreed", by=By(role="finance"), not_by=(UNNAMED,), evidence="0" * 64, shown={},
        place="owed", expires_seconds=1.0,
    )  # fmt: skip
    assert not identity.kept_off(gate, "")
    assert not identity.kept_off(gate, "\u200b")

"""The panel: whatever the values hold, it fits, says first what is needed of whom, and shows nothing that is not so."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from gatework.run.events import Overridden
from gatework.run.state import ALLOWED, Vote
from gatework.temporal.page.markdown import cleaned
from gatework.temporal.page.panel import cut, panel
from gatework.temporal.page.progress import Progress, Ruled, Said
from tests.unit.temporal.page import Page, honest, read_whole
from tests.unit.temporal.panels import HOSTILE, INLINE, TEXTS, VALUES, fits, progress_of, waiting

MARKDOWN = MarkdownIt("commonmark").enable("table")


def read(progress: Progress) -> Page:
    """The panel as it is read, once it is seen to fit. Raw HTML would be HTML on the page."""
    text = panel(progress)
    fits(text)
    return Page(MARKDOWN.render(text))


def read_honest(progress: Progress) -> Page:
    page = read(progress)
    honest(page, progress)
    return page


def plain(text: str) -> str:
    """A text without what is no letter to see."""
    return "".join(cleaned(text).split())


# -- what cannot be forged -------------------------------------------------------------------------


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_text_in_every_field_is_only_text(text: str) -> None:
    """No text in a reason, a value, a key of a mapping or a list forges a line, opens a fence or hides another."""
    shown: dict[str, Any] = {
        "owed": {"amount": text, text: "1", "list": [text, {text: text}], "tail": "THE-LAST-FIELD"},
        "text": text,
        "many": [text] * 20,
    }
    for kind in ALLOWED:
        read_honest(progress_of(waiting(kind=kind, reasons=(text, "A second reason"), shown=shown), result=text))


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_text_beside_the_values_is_only_text(text: str) -> None:
    """Names of people, titles, what guards and rules say: all that is not a value is text of others, too."""
    waits = waiting(
        title=f"pay {text}"[:160],
        guards=(Said(of="owed", guard="fits", verdict="escalate", reason=text),),
        quorum=2,
        identity="claimed",
        votes=(Vote(by=text, identity="claimed"),),
        not_by=(text,) * 3,
        handed_on=True,
    )
    progress = progress_of(waits, note=text, automatic=(Ruled(node="early", rule=text),), result=text)
    read_honest(progress)
    one = Overridden(
        node="owed", gate=1, lets="output", guards=("fits",) * 30, by=(text, text), identity="claimed", reason=text
    )
    read_honest(replace(progress, overrides=(one,) * 5))


@settings(max_examples=120, deadline=None)
@given(
    kind=st.sampled_from(list(ALLOWED)),
    reasons=st.lists(TEXTS, max_size=8),
    shown=st.dictionaries(st.from_regex(r"[a-z_]{1,30}", fullmatch=True), VALUES, max_size=6),
    nodes=st.integers(0, 80),
    result=TEXTS,
)
def test_panel_of_anything_fits_and_is_honest(
    kind: Any, reasons: list[str], shown: dict[str, Any], nodes: int, result: str
) -> None:
    """Of any values: it fits, its first line asks, its numbers and updates are the gate's, its tables hold."""
    read_honest(progress_of(waiting(kind=kind, reasons=tuple(reasons), shown=shown), nodes, result=result))


@settings(max_examples=120, deadline=None)
@given(fields=st.dictionaries(TEXTS, TEXTS, min_size=1, max_size=5))
def test_what_has_a_number_is_read_whole(fields: dict[str, str]) -> None:
    """Where the number stands, every name and text of the evidence can be read letter for letter."""
    progress = progress_of(waiting(shown={"owed": fields}))
    page = read_honest(progress)
    if cut(progress):
        assert "4821" not in panel(progress)
        return
    read_whole(page, fields)


@pytest.mark.parametrize("text", [*HOSTILE, *INLINE])
def test_hostile_text_is_read_as_it_is(text: str) -> None:
    """Not a letter of it means anything to the page, and none of it is swallowed."""
    fields = {"amount": text, text[:40]: "1"}
    progress = progress_of(waiting(shown={"owed": fields}))
    page = read_honest(progress)
    if not cut(progress):
        read_whole(page, fields)


# -- what is cut -----------------------------------------------------------------------------------


def test_letter_of_a_page_is_shown_whole() -> None:
    """A mail of 1,500 characters beside a dozen fields is nothing unusual, and can be approved from the panel."""
    letter = "\n\n".join(["Dear customer, we have looked at your order and are sorry for the trouble." * 3] * 7)[:1500]
    fields = {f"field_{n}": f"value {n}" for n in range(12)}
    progress = progress_of(waiting(shown={"owed": fields, "letter": {"text": letter}}), nodes=8)
    assert not cut(progress)
    assert plain(letter) in map(plain, read_honest(progress).fences)


def test_table_of_stages_is_cut_before_any_evidence() -> None:
    """How far the run is matters less than what is decided on."""
    shown = {"owed": {f"field_{n}": "some words of a value" for n in range(50)}}
    small, large = (progress_of(waiting(shown=shown), nodes=nodes, result="x" * 40) for nodes in (3, 300))
    assert not cut(small)
    assert not cut(large)
    assert "301 done" in read_honest(large).text
    some = read_honest(progress_of(waiting(), nodes=55, result="x" * 40))
    assert [cell.strip() for cell in some.rows[-1]] == ["agreed", "✔\u00a0done", "1"]


@pytest.mark.parametrize(
    "shown",
    [
        {"owed": {"text": "x" * 5_000}},
        {"owed": {f"field_{n}": "some words of a value" for n in range(120)}},
        {"owed": {"amount": "1"}, "claim": {"text": "x " * 5_000}},
        {"owed": {"x" * 50: "1"}},
        {f"value_{n}": "some words of a value" for n in range(250)},
        {"owed": ["some words"] * 500},
        {"owed": {"text": "漢" * 1_100}},
    ],
    ids=["long text", "many fields", "beside it", "long name", "many values", "long list", "long as a URL"],
)
@pytest.mark.parametrize("kind", ["approval", "unknown", "call", "escalated"])
def test_panel_that_is_cut_says_so_and_shows_no_number(shown: Any, kind: Any) -> None:
    """A number stands for all of the evidence; whoever sees a part of it is told where the rest and its number are."""
    tool = "owed" if kind == "call" else ""
    progress = progress_of(waiting(kind=kind, shown=shown, tool=tool))
    assert cut(progress)
    page = read_honest(progress)
    assert "4821" not in page.text
    assert "under Queries, run evidence for all of it, with the number at its end." in page.text
    sent = "approve" if kind != "unknown" else "retry"
    assert [sent, "evidence"] in [code[:2] for code in page.items]


def test_click_is_not_offered_where_the_panel_is_cut() -> None:
    """An approval without a number is one of what stands on the panel, or it is none."""
    assert "approve with nothing, or with 4821" in read(progress_of(waiting(click=True))).text
    assert "with nothing, or with" not in read(progress_of(waiting(click=True, shown={"owed": "x" * 5_000}))).text


def test_reason_that_is_cut_counts_as_evidence() -> None:
    """What a guard asks about is a part of what is decided on."""
    assert cut(progress_of(waiting(kind="escalated", reasons=("x " * 5_000,))))
    assert cut(progress_of(waiting(kind="escalated", reasons=("short",) * 500)))


def test_what_is_beside_the_evidence_is_cut_without_a_word() -> None:
    """Notes and results are no part of what is decided on."""
    assert not cut(progress_of(waiting(), note="x " * 5_000, result="x " * 5_000))
    assert not cut(progress_of(None))


# -- what is read ----------------------------------------------------------------------------------


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_reason_of_an_end_is_only_text(text: str) -> None:
    """A person's note at the end of a run is one line of text."""
    page = read(progress_of(None, status="rejected", reason=text))
    (heading,) = page.headings
    assert heading.startswith("Rejected")
    assert page.items == []


def test_long_value_does_not_hide_the_others() -> None:
    """However long one value is, the others are shown."""
    shown = {"owed": {"amount": "120", "text": "x" * 100_000}, "claim": {"reason": "THE-OTHER"}}
    page = read_honest(progress_of(waiting(shown=shown)))
    assert "120" in page.text
    assert "THE-OTHER" in page.text


def test_value_left_out_is_named() -> None:
    """What is too large for the query is named on the panel, which then has no number."""
    page = read_honest(progress_of(waiting(left_out=("scan",))))
    assert "Too large to show: scan" in page.text


def test_long_plan_fits() -> None:
    """A plan of hundreds of stages fits, with the question on top."""
    read_honest(progress_of(waiting(), nodes=400))


def _of_call(arguments: Any, **shown: Any) -> Progress:
    return progress_of(waiting(kind="call", tool="pay", reasons=(), shown={"pay()": arguments, **shown}), nodes=100)


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_arguments_of_a_call_are_only_text(text: str) -> None:
    """Neither the values nor the names of arguments forge a line, a number or what `approve` and `reject` do."""
    progress = _of_call({"order": text, text: "1", "list": [text] * 20}, pay={"amount": text}, owed=text)
    assert "the call is not made, agreed is told so, and the run does not end" in read_honest(progress).text


def test_number_of_a_call_says_what_it_does() -> None:
    """To let a call happen is not to approve a value."""
    page = read_honest(_of_call({"order": "A-1"}))
    assert "approve with 4821: pay is called once, with exactly the arguments below" in page.text


def test_arguments_of_a_call_are_whole_where_all_else_is_cut() -> None:
    """What is approved is not hidden by long evidence, nor by many stages."""
    order = "A-1, to be paid to the account that we have of old, and to no other, whatever the letter says of it"
    progress = _of_call({"order": order, "amount": "12.50"}, **{f"value_{n}": "x" * 5_000 for n in range(20)})
    page = read_honest(progress)
    assert ["order", order] in [[cell.strip() for cell in row] for row in page.rows]
    assert "not all of the arguments" not in page.text


@pytest.mark.parametrize("arguments", [{"text": "x" * 5_000}, {f"field_{n}": "x" for n in range(300)}, ["x"] * 3_000])
def test_panel_says_where_it_does_not_show_all_arguments(arguments: Any) -> None:
    """Whoever lets a call happen is told where its arguments are cut."""
    assert "These are not all of the arguments" in read_honest(_of_call(arguments)).text


@pytest.mark.parametrize(
    ("kind", "asked"),
    [
        ("escalated", "a guard asks before agreed runs"),
        ("blocked", "a guard blocks agreed before it runs"),
        ("unknown", "a guard blocks agreed, whose effect is in doubt"),
    ],
)
def test_guard_on_inputs_asks_before_the_stage_runs(kind: Any, asked: str) -> None:
    """What is decided is whether a stage may work, and the panel says so."""
    page = read_honest(progress_of(waiting(kind=kind, before=True)))
    assert asked in page.headings[0]
    assert ("agreed runs on exactly these inputs" in page.text) is (kind == "escalated")


def test_title_heads_the_question() -> None:
    """What is asked stands in the first line, in the words of the plan."""
    page = read_honest(progress_of(waiting(title="pay 212.40 EUR to order A204817"), nodes=7))
    assert page.headings == ["NEEDS YOU (finance): approve stage 8 of 8, pay 212.40 EUR to order A204817"]


def test_panel_says_who_has_approved_and_who_may_not_and_what_follows() -> None:
    """A second approver sees the first, as surely as that is known, and when others are asked."""
    waits = waiting(
        quorum=2,
        identity="claimed",
        votes=(Vote(by="Ada", identity="claimed"),),
        not_by=("Eve", "Mallory"),
        otherwise="board",
        handed_on=True,
    )
    text = read_honest(progress_of(waits)).text
    assert "1 of 2 have approved: Ada (as claimed)." in text
    assert "Not to be approved by Eve, Mallory." in text
    assert "until 2026-01-01 00:00 UTC, then board is asked:" in text
    assert "Those who were asked first did not answer in time." in text
    assert "then the run ends:" in read(progress_of(waiting())).text


@pytest.mark.parametrize(
    ("identity", "typed"),
    [
        ("none", "approve with 4821\n"),
        ("claimed", 'approve with 4821 and your name, as in "4821 your name"\n'),
        (
            "authenticated",
            "approve with 4821, signed: gatework approve RUN 4821 --key FILE, or what gatework sign prints",
        ),
        ("signed", "approve with 4821, signed: gatework approve RUN 4821 --key FILE, or what gatework sign prints"),
    ],
)
def test_panel_says_what_to_type_where_it_must_be_known_who_decides(identity: Any, typed: str) -> None:
    """Each way of saying who one is has its own form; to say no, a name is enough."""
    text = read_honest(progress_of(waiting(identity=identity))).text
    assert typed in text
    named = 'with the reason and your name, {"note": "…", "by": "your name"}'
    assert (f"reject {named}" in text) is (identity != "none")
    assert (f"abort {named}" in text) is (identity != "none")


@pytest.mark.parametrize("kind", ["blocked", "exhausted", "failed"])
@pytest.mark.parametrize("identity", ["none", "claimed", "signed"])
def test_panel_of_a_failure_says_how_to_retry_and_edit(kind: Any, identity: Any) -> None:
    """An operator who must be known is told how to say so with each decision."""
    text = read_honest(progress_of(waiting(kind=kind, identity=identity))).text
    ways = {
        "none": ('retry with nothing, or with a note for the model, "…"', "edit with a corrected owed as JSON\n"),
        "claimed": ('retry with your name, and a note for the model, {"by"', 'and your name, {"value": …, "by"'),
        "signed": ("signed: gatework retry RUN --key FILE", "signed: gatework edit RUN --key FILE"),
    }
    assert all(way in text for way in ways[identity])


def test_panel_says_which_guard_said_what() -> None:
    """Of each value: what passed, what did not, and whose words the reason is."""
    waits = waiting(
        kind="escalated",
        reasons=("It promises a date.",),
        guards=(
            Said(of="owed", guard="in_range", verdict="pass", reason=""),
            Said(of="letter", guard="polite", verdict="escalate", reason="It is curt."),
            Said(of="agreed", guard="promises", verdict="escalate", reason="It promises a date."),
        ),
    )
    text = read_honest(progress_of(waits)).text
    assert "promises asks: It promises a date." in text
    assert "Guards: owed: in_range ✔; letter: polite asks, “It is curt.”" in text


def test_what_was_approved_by_rule_is_said() -> None:
    """That no person was asked is shown at whatever point one looks, with the rule."""
    ruled = (Ruled(node="agreed", rule="no person is asked unless owed.amount > 100"),)
    for waits in (None, waiting()):
        text = read(progress_of(waits, automatic=ruled)).text
        assert "agreed was approved by rule: no person is asked unless owed.amount > 100" in text


def test_objects_in_a_value_are_rows_with_the_way_to_them() -> None:
    """A nested value is read as a table, too."""
    value = {
        "buyer": {"name": "Ada", "at": {"city": "Oslo"}},
        "lines": [{"item": "tea"}, {"item": "cup"}],
        "tags": ["a"],
    }
    page = read_honest(progress_of(waiting(shown={"owed": value})))
    assert [[cell.strip() for cell in row] for row in page.rows if len(row) == 2][1:] == [
        ["buyer › name", "Ada"],
        ["buyer › at › city", "Oslo"],
        ["lines › 1 › item", "tea"],
        ["lines › 2 › item", "cup"],
        ["tags", '["a"]'],
    ]


def test_value_that_is_approved_stands_first_also_where_it_is_a_long_text() -> None:
    """The order of the evidence is kept, whatever is a table and whatever a text."""
    text = panel(progress_of(waiting(shown={"letter": {"text": "x\ny"}, "owed": {"amount": "120"}})))
    assert text.index("**letter** text") < text.index("**owed**")


def test_words_of_the_ui_are_put_into_no_value() -> None:
    """The UI replaces `{workflowId}` before it reads Markdown, by an id that somebody has chosen."""
    fence = read_honest(
        progress_of(waiting(shown={"owed": {"text": "{workflowId}\n{namespace}{runId}{other}"}}))
    ).fences
    assert fence == ["{ workflowId}\n{ namespace}{ runId}{other}\n"]


def test_line_of_a_fence_is_no_wider_than_what_is_seen() -> None:
    """The UI does not wrap there, and wide letters take two columns."""
    for text in ("word " * 100, "x" * 1_000, "漢" * 200):
        for line in read_honest(progress_of(waiting(shown={"owed": text}))).fences[0].splitlines():
            assert len(line) <= (27 if "漢" in line else 54)


def test_note_is_said_of_a_run_that_waits_too() -> None:
    """That it was not moved to another plan, or that this deploy cannot run its plan, matters to who is to answer."""
    for waits in (None, waiting()):
        page = read(progress_of(waits, note="Not moved: <b>\n# no"))
        assert "blockquote" in page.tags
        assert "Not moved: <b> # no" in page.text

"""The panel: whatever the values hold, it fits, says first what is needed of whom, and shows nothing that is not so."""

from __future__ import annotations

import re
import unicodedata
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatework.state import ALLOWED
from gatework.temporal.panel import MAX_BYTES, panel
from gatework.temporal.progress import NodeProgress, Progress, Waiting

HOSTILE = (
    "### NEEDS YOU (nobody): approve with **0000**",
    "`approve` with **9999**",
    "| field | value |\n|---|---|\n| amount | 1 |",
    "```\n</code></pre>\n- `approve` with **9999**\n```",
    "`````` text ``````\n~~~\n~~~",
    "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "<details><summary>hidden</summary>",
    "</details></td></tr></table>",
    "<!-- hide the rest",
    "[click](javascript:alert(1)) ![](http://evil.example/x.png)",
    "http://evil.example www.evil.example eve@evil.example",
    "\u202e\u2066 reversed \u2069\u202d \u200b\u200d\ufeff",
    "a\u2028b\u2029c\x85d\x0ce\x0bf",
    "&lt;b&gt; &#42;&#42;bold&#42;&#42;",
    "\\`\\|\\<",
    "===\n---\n***",
    "> quoted\n> more",
    "1. one\n2. two\n- [ ] three",
    "    indented code",
    "x" * 100_000,
    " " * 100_000 + "far away",
    "\n" * 5_000 + "far below",
    "e" + "\u0301" * 2_000,
    "\u3164\u115f\u2800" * 50,
    "| " * 5_000,
    "`" * 5_000,
    "𝕏" * 5_000,
    "",
)


def _waiting(**changes: Any) -> Waiting:
    kind = changes.get("kind", "approval")
    fields: dict[str, Any] = {
        "gate": 1,
        "kind": kind,
        "node": "agreed",
        "role": "finance",
        "number": "4821",
        "evidence": "0" * 64,
        "reasons": ("amount > 100",),
        "allowed": ALLOWED[kind],
        "place": "owed",
        "expires": "2026-01-01T00:00:00+00:00",
        "shown": {"owed": {"amount": "120"}},
    }
    return Waiting(**{**fields, **changes})


def _progress(waiting: Waiting | None, nodes: int = 3, **changes: Any) -> Progress:
    shown = tuple(
        NodeProgress(name=name, kind="stage", status="done", attempts=1, label="endorsed")
        for name in [*(f"stage_{n}" for n in range(nodes)), "agreed"]
    )
    fields: dict[str, Any] = {
        "workflow": "refund",
        "plan": "0" * 64,
        "status": "waiting" if waiting else "running",
        "nodes": shown,
        "waiting": waiting,
        "reason": "",
        "receipts": 1,
        "head": "0" * 64,
    }
    return Progress(**{**fields, **changes})


def _outside_fences(text: str) -> list[str]:
    """The lines that a renderer reads as Markdown."""
    lines, fence = [], ""
    for line in text.split("\n"):
        ticks = re.match(r"`{3,}", line)
        if fence:
            if line == fence:
                fence = ""
        elif ticks:
            fence = ticks[0]
        else:
            lines.append(line)
    assert not fence, "a fence is left open"
    return lines


def _honest(text: str, waiting: Waiting) -> None:
    """What must be true of the panel of a run that waits."""
    assert len(text.encode()) <= MAX_BYTES
    first = text.split("\n", 1)[0]
    assert re.fullmatch(r"### NEEDS YOU \(finance\): .+, stage \d+ of \d+", first)
    outside = _outside_fences(text)
    assert sum(line.startswith("#") for line in outside) == 1
    offered = [line for line in outside if line.startswith("- ")]
    assert [re.findall(r"`(\w+)`", line)[0] for line in offered] == list(waiting.allowed)
    numbers = [line for line in outside if "**4821**" in line]
    assert len(numbers) == ("approve" in waiting.allowed or waiting.kind == "unknown")
    for line in outside:
        bare = re.sub(r"\\.|&#\d+;", "", line)
        assert not re.search(r"[<\[]|!\[|https?:|www\.", bare), line
        if line.startswith("|"):
            assert bare.count("|") in (3, 5), line
    for c in text:
        assert c == "\n" or unicodedata.category(c)[0] != "C", hex(ord(c))
        assert c not in "\u2028\u2029\u3164\u115f\u2800"
    runs = re.findall(r"`+", "\n".join(outside))
    assert all(len(run) == 1 for run in runs)


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_text_in_every_field_is_only_text(text: str) -> None:
    """No text in a reason, a value, a key of a mapping or a list forges a line, opens a fence or hides another."""
    shown: dict[str, Any] = {
        "owed": {"amount": text, text: "1", "list": [text, {text: text}], "tail": "THE-LAST-FIELD"},
        "text": text,
        "many": [text] * 20,
    }
    for kind in ALLOWED:
        waiting = _waiting(kind=kind, reasons=(text, "A second reason"), shown=shown)
        _honest(panel(_progress(waiting)), waiting)


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_reason_of_an_end_is_only_text(text: str) -> None:
    """A person's note at the end of a run is one line of text."""
    written = panel(_progress(None, status="rejected", reason=text))
    assert len(written.encode()) <= MAX_BYTES
    assert written.startswith("### Rejected")
    assert sum(line.startswith("#") for line in _outside_fences(written)) == 1


def test_long_value_does_not_hide_the_others() -> None:
    """However long one value is, the others are shown, and the panel says that it was cut."""
    shown = {"owed": {"amount": "120", "text": "x" * 100_000}, "claim": {"reason": "THE-OTHER"}}
    waiting = _waiting(shown=shown)
    written = panel(_progress(waiting))
    assert "120" in written
    assert "THE" in written
    assert "cut" in written.lower()
    _honest(written, waiting)


def test_value_left_out_is_named() -> None:
    """What is too large for the query is named on the panel."""
    written = panel(_progress(_waiting(left_out=("scan",))))
    assert "Too large to show: scan" in written


def test_long_plan_fits() -> None:
    """A plan of hundreds of stages fits, with the question on top."""
    waiting = _waiting()
    _honest(panel(_progress(waiting, nodes=400)), waiting)


_texts = st.text(max_size=300) | st.sampled_from(HOSTILE)
_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | _texts,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(_texts, inner, max_size=5),
    max_leaves=15,
)


def _of_call(arguments: Any, **shown: Any) -> Waiting:
    return _waiting(kind="call", tool="pay", reasons=(), shown={"pay()": arguments, **shown})


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_arguments_of_a_call_are_only_text(text: str) -> None:
    """Neither the values nor the names of arguments forge a line, a number or what `approve` and `reject` do."""
    waiting = _of_call({"order": text, text: "1", "list": [text] * 20}, pay={"amount": text}, owed=text)
    written = panel(_progress(waiting))
    _honest(written, waiting)
    offered = [line for line in _outside_fences(written) if line.startswith("- ")]
    assert offered[0] == "- `approve` with **4821**: pay is called once, with exactly the arguments below"
    assert offered[1].endswith("the call is not made, agreed is told so, and the run does not end")


def test_arguments_of_a_call_are_whole_where_all_else_is_cut() -> None:
    """What is approved is not hidden by long evidence, nor by many stages."""
    order = "A-1, to be paid to the account that we have of old, and to no other, whatever the letter says of it"
    waiting = _of_call({"order": order, "amount": "12.50"}, **{f"value_{n}": "x" * 5_000 for n in range(20)})
    written = panel(_progress(waiting, nodes=100))
    assert order.replace("-", "\\-").replace(".", "\\.") in written
    assert "12\\.50" in written
    assert "not all of the arguments" not in written
    _honest(written, waiting)


@pytest.mark.parametrize("arguments", [{"text": "x" * 5_000}, {f"field_{n}": "x" for n in range(60)}, ["x"] * 3_000])
def test_panel_says_where_it_does_not_show_all_arguments(arguments: Any) -> None:
    """Whoever approves what was cut is told where the rest is."""
    waiting = _of_call(arguments)
    written = panel(_progress(waiting))
    assert "**These are not all of the arguments" in written
    _honest(written, waiting)


@settings(max_examples=300, deadline=None)
@given(
    kind=st.sampled_from(list(ALLOWED)),
    reasons=st.lists(_texts, max_size=8),
    shown=st.dictionaries(st.from_regex(r"[a-z_]{1,30}", fullmatch=True), _values, max_size=6),
    nodes=st.integers(0, 80),
)
def test_panel_of_anything_fits_and_is_honest(kind: Any, reasons: list[str], shown: dict[str, Any], nodes: int) -> None:
    """Of any values: it fits, its first line asks, its numbers and updates are the gate's, its tables hold."""
    waiting = _waiting(kind=kind, reasons=tuple(reasons), shown=shown)
    _honest(panel(_progress(waiting, nodes=nodes)), waiting)


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
    written = panel(_progress(_waiting(kind=kind, before=True, allowed=ALLOWED[kind])))
    assert asked in written.splitlines()[0]
    assert ("agreed runs on exactly these inputs" in written) is (kind == "escalated")


def test_note_is_only_text() -> None:
    """That no worker takes a stage is said beside how far the run is."""
    written = panel(_progress(None, note="No worker <b>of</b> pay."))
    assert "\n\n> No worker \\<b\\>of\\</b\\> pay\\." in written


def test_note_is_said_of_a_run_that_waits_too() -> None:
    """That it was not moved to another plan, or that this deploy cannot run its plan, matters to who is to answer."""
    asked = _waiting()
    written = panel(_progress(asked, note="Not moved: <b>\n# no"))
    _honest(written, asked)
    assert "\n\n> Not moved\\: \\<b\\> \\# no\n\n" in written

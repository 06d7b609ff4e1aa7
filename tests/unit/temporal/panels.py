"""What the tests of the panel share: runs that wait, hostile texts, and what must be true of what is drawn of them."""

from __future__ import annotations

import unicodedata
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from hypothesis import strategies as st

from gatework.run.state import ALLOWED
from gatework.temporal.page.panel import MAX_BYTES, MAX_ENCODED_BYTES
from gatework.temporal.page.progress import Progress, Waiting
from gatework.temporal.page.standing import NodeProgress

LINK = "./namespaces/default/workflows?query=ExecutionStatus%3D%22Running%22"

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
    "[not]: http://evil.example 'a definition'\n[not]",
    "http://evil.example www.evil.example eve@evil.example",
    "\u202e\u2066 reversed \u2069\u202d \u200b\u200d\ufeff",
    "a\u2028b\u2029c\x85d\x0ce\x0bf",
    "&lt;b&gt; &#42;&#42;bold&#42;&#42;",
    "\\`\\|\\<",
    "\\\\| a | b",
    "===\n---\n***",
    "> quoted\n> more",
    "1. one\n2. two\n- [ ] three",
    "    indented code",
    "Term\n: a definition",
    "{workflowId} {namespace}\n{runId}",
    "[^1]\n\n[^1]: a footnote",
    "$x$ $$\ny\n$$ \\(z\\)",
    "x" * 100_000,
    " " * 100_000 + "far away",
    "\n" * 5_000 + "far below",
    "e" + "\u0301" * 2_000,
    "\u3164\u115f\u2800" * 50,
    "| " * 5_000,
    "`" * 5_000,
    "𝕏" * 5_000,
    "\u05d0\u05d1\u05d2 123 \u0645\u0631\u062d\u0628\u0627 456",
    "",
)

INLINE = ("a | b", "\\| a", "a\\", "`a`", "``a` b", "*a* _b_ **c** ~~d~~", "&amp; &lt; &#42;", "<b>a</b>", "[a](b)",
          "[a][b]", "1. a", "- a", "+ a", "# a", "> a", "a  \\", "(c) (r) (tm) ...", "-- ---", "1/2 3/4", "\"a\" 'b'",
          "a@b.example", "https://a.example", "www.a.example", "!a ![a](b)", ": a", "{a} {.b} {#c}", "a^b^", "H~2~O",
          "$a$", "=a=", ":::", "~~~", "    a")  # fmt: skip
"""Each of them fits into a cell of a table."""


def waiting(**changes: Any) -> Waiting:
    """A run that waits for finance."""
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


def progress_of(waits: Waiting | None, nodes: int = 3, **changes: Any) -> Progress:
    """How far a run is, of so many stages and an approval."""
    result = changes.pop("result", "120")
    shown = tuple(
        NodeProgress(name=name, kind="stage", status="done", attempts=1, label="endorsed", result=result)
        for name in [*(f"stage_{n}" for n in range(nodes)), "agreed"]
    )
    waits = replace(waits, stage=f"stage {nodes + 1} of {nodes + 1}") if waits else None
    fields: dict[str, Any] = {
        "workflow": "refund",
        "plan": "0" * 64,
        "status": "waiting" if waits else "running",
        "nodes": shown,
        "waiting": waits,
        "reason": "",
        "receipts": 1,
        "head": "0" * 64,
        "link": LINK,
        "linked": "All that waits for somebody",
    }
    return Progress(**{**fields, **changes})


TEXTS = st.text(max_size=300) | st.sampled_from(HOSTILE)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.floats(-1e9, 1e9) | TEXTS,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(TEXTS, inner, max_size=5),
    max_leaves=15,
)


def fits(text: str) -> None:
    """It travels in a URL, and holds nothing that moves or hides what stands around it."""
    assert len(text.encode()) <= MAX_BYTES
    assert len(quote(text, safe="-_.!~*'()")) <= MAX_ENCODED_BYTES
    for c in text:
        assert c == "\n" or unicodedata.category(c)[0] != "C", hex(ord(c))
        assert c not in "\u2028\u2029\u3164\u115f\u2800"
    # The UI would put its own words there.
    assert not any(word in text for word in ("{workflowId}", "{namespace}", "{runId}"))


def numbered(waits: Waiting) -> bool:
    """Whether the panel of such a gate has a number where all of it fits."""
    return "approve" in waits.allowed or waits.kind == "unknown"

"""What the specification names of a ledger is met in the recorded certificates: who can verify those has met it all.

The page is read as it stands: its tables of members, kinds of receipts and kinds of nodes, and what it says of actions.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from tests.proof.both import SPEC
from tests.proof.proven import KEYS
from tests.proof.record import FOLDER

PAGE = re.sub(r"\s*\n(?![|\n#-])\s*", " ", (SPEC / "ledger.md").read_text())
"""The page, with a paragraph or an item in a line."""

UNRECORDED = {"more": "where an attempt asked and called more than 200 times: a file of 40 KB for one number"}
"""What no recorded certificate has, and why."""


def section(number: str) -> str:
    """From its heading to the next of the same depth."""
    marks, start = re.escape("#" * (2 + number.count("."))), re.escape(number)
    found = re.search(rf"^{marks} {start} .*?(?=^#{{2,3}} |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert found, f"the page has no section {number}"
    return found[0]


def table(number: str, heading: str) -> list[list[str]]:
    """The rows of the table under a heading, cell by cell."""
    lines = section(number).split(f"| {heading} |")[1].split("\n")[2:]
    rows = lines[: next(n for n, line in enumerate(lines) if not line.startswith("|"))]
    return [[cell.strip() for cell in row.removeprefix("|").removesuffix("|").split("|")] for row in rows]


def named(text: str) -> list[str]:
    return re.findall(r"`([a-z_ ]+)`", text)


def inside(text: str) -> list[str]:
    """The members of the objects that are written out: `{a, b}`."""
    return [name for one in re.findall(r"\{(.*?)\}", text) for name in re.findall(r"[a-z_]+", one)]


def actions(text: str) -> set[str]:
    """What stands behind `action`."""
    lists = re.findall(r"`action`:?(?: is)?((?:[,;]?(?: and| or)? ?`[a-z ]+`)+)", text)
    return {name for found in lists for name in named(found)} - MEMBERS


TYPES = table("4", "Type | Members")
CALL = inside(re.findall(r"\*call\* `(.*?)`", section("4"))[0])
MEMBERS = set(named(section("4").split("A **receipt** is")[1].split("\n")[0]))
KINDS = {kind: row for row in table("4", "kind | What was accepted | `how`") for kind in named(row[0])}


def how(kind: str) -> set[str]:
    """The members of `how` that the page names for a kind of receipt."""
    text = KINDS[kind][2]
    like = re.findall(r"as with `(\w+)`", text)
    without = {name for found in re.findall(r"without (`\w+`(?: and `\w+`)*)", text) for name in named(found)}
    own = set(named(re.sub(r"with(?:out)? `\w+`(?: and `\w+`)*", "", text)))
    return {name for each in like for name in how(each)} | own | (set(CALL) - without if "*call*" in text else set())


# -- the recorded certificates ---------------------------------------------------------------------

CERTIFICATES: list[Any] = [json.loads(file.read_bytes()) for file in sorted(FOLDER.glob("*.json"))]
RECEIPTS: list[Any] = [
    entry["receipt"]
    for one in CERTIFICATES
    for run in one["runs"]
    for entries in (run["entries"], *(cut["entries"] for cut in run["superseded"]))
    for entry in entries
]


def members(value: Any) -> Iterator[tuple[str, Any]]:
    """Every member of every object in a value."""
    if isinstance(value, dict):
        yield from value.items()
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from members(item)


def test_every_kind_of_receipt_is_recorded_with_every_member_of_its_how() -> None:
    """As the table of section 4 has them, but what is named here as left out, of which none is recorded."""
    page = {(kind, name) for kind in KINDS for name in how(kind)}
    found = {(receipt["kind"], name) for receipt in RECEIPTS for name in receipt.get("how", {})}
    assert {receipt["kind"] for receipt in RECEIPTS} == KINDS.keys()
    assert len(page) > 60
    assert {(kind, name) for kind, name in page - found if name not in UNRECORDED} == set()
    assert not UNRECORDED.keys() & {name for _, name in found}


def test_no_receipt_is_recorded_with_a_member_that_the_page_does_not_name() -> None:
    """Neither of its own nor of its `how`."""
    for receipt in RECEIPTS:
        assert receipt.keys() <= MEMBERS, receipt["kind"]
        assert receipt.get("how", {}).keys() <= how(receipt["kind"]), receipt["kind"]


def test_every_action_is_recorded() -> None:
    """Of every kind of receipt what sections 4 and 5 say that its action may be; of gates and decisions, too."""
    page = {(tuple(named(row[0])), action) for row in KINDS.values() for action in actions(row[1])}
    for kind, text in re.findall(r"^- `([a-z]+)`:(.*)", section("5.3") + section("5.6"), re.MULTILINE):
        page |= {((kind,), action) for action in actions(text)}
    [allowed] = re.findall(r"one that the kind allows: (.*?); and `override`", section("5.4"))
    for part in allowed.split("; "):
        page |= {(("asked",), kind) for kind in named(part)}
        page |= {(("decided",), action) for action in re.findall(r"(?:` |, )(?!and )([a-z]+)", part)}
    # A run ends as its parent hears of it.
    page |= {(("ended",), action) for kinds, action in page if kinds == ("returned",)} | {(("decided",), "override")}
    some = {"acting": "call", "acted": "unknown", "asked": "spent", "decided": "answer", "returned": "undone"}
    assert {(("refused", "failed"), "timeout"), *(((kind,), action) for kind, action in some.items())} <= page
    found = {(receipt["kind"], receipt.get("action", "")) for receipt in RECEIPTS}
    assert [(kinds, action) for kinds, action in page if not {(kind, action) for kind in kinds} & found] == []


def test_every_member_and_every_word_of_a_list_is_recorded() -> None:
    """Verdicts, how surely people are known, what an attempt was answered and what it spent."""
    found = [member for one in CERTIFICATES for run in one["runs"] for member in members(run)]
    names = {name for name, _ in found}
    assert names >= MEMBERS
    words = {line: kind for line, kind in TYPES if line == "one of these"}["one of these"]
    page = {name for _, listed in TYPES if listed != words for name in named(listed)} - {"how", "suspended"}
    assert page - names == UNRECORDED.keys()
    for line, listed in TYPES:
        assert {*named(line), *inside(line)} <= names or listed == words, line

    def of(name: str) -> set[Any]:
        return {value for other, value in found if other == name and isinstance(value, str)}

    assert of("verdict") == set(named(words.split(";")[0])) - {"verdict"}
    [levels] = re.findall(r"identity one of ((?:`\w+`(?: < )?)+)", section("3"))
    assert of("identity") == set(named(levels))
    [entries] = re.findall(r"`how.entries` are .*?, kind (.*?)`how.calls`", section("5.3"))
    answered = [entry for receipt in RECEIPTS for entry in receipt.get("how", {}).get("entries", ())]
    told = {word for entry in answered for word in (entry["kind"], entry["outcome"])}
    assert told == set(named(entries)) - {"apart"}


def test_every_kind_of_node_has_left_a_receipt() -> None:
    """By the table of section 3: work, approvals and questions, ways, loops, pauses, child runs and their parts."""
    page = {kind for row in table("3", "kind | further members that matter here") for kind in named(row[0])}
    found = set()
    for one in CERTIFICATES:
        for run in one["runs"]:
            plan = one["plans"][run["entries"][0]["receipt"]["how"]["plan"]]
            left = {entry["receipt"].get("node") for entry in run["entries"]}
            found |= {node["kind"] for node in (*plan["nodes"], *plan["undos"]) if node["name"] in left}
    assert found == page


def test_everybody_on_the_list_has_decided_or_signed() -> None:
    """Workers, a guard, whoever exports, a person; and people by the word of the server."""
    keys = {value for one in CERTIFICATES for name, value in members(one["runs"]) if name == "key"}
    keys |= {signature["key"] for one in CERTIFICATES for signature in one["signatures"]}
    by = {receipt["by"] for receipt in RECEIPTS if "principal" in receipt.get("how", {})}
    assert {name for name, key in KEYS.items() if key.public.id in keys} | by == KEYS.keys()
    row = next(row for row in table("7", "WHAT | Who, in which role | Predicate") if "`decision`" in row[0])
    giving = named(re.findall(r"`output` of (.*)", row[2])[0])
    signed = {receipt["action"] for receipt in RECEIPTS if receipt.get("identity") == "signed"}
    assert {"approve", "edit", "answer", "override"} <= signed & {"approve", *giving}

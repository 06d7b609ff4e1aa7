"""Pictures: self-contained, well-formed, whole, and made of nothing that a name could forge."""

from __future__ import annotations

import dataclasses
import re
import sys
import xml.etree.ElementTree as ElementTree
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatework import picture
from gatework.cli.pictures import draw
from gatework.cli.session import Failure
from gatework.errors import ConfigError
from gatework.picture import layout
from gatework.picture.facts import OVERRIDDEN_COLOUR
from gatework.plan.plan import By, Plan
from gatework.temporal.page.progress import progress
from gatework.testing import Driver
from gatework.testing.factories import START, plan_of, stage
from gatework.testing.paths import choose, join, loop, question, until, way
from tests.unit.picture.test_drawing import HOSTILE, PLAN, branching, named
from workflows.refund import refund

SVG = "{http://www.w3.org/2000/svg}"
ELEMENTS = {"svg", "title", "desc", "defs", "marker", "path", "rect", "text", "tspan", "g", "polygon"}
LOOPED = plan_of(
    loop("text", START),
    stage("better", "text", like="text"),
    until("good", "text", "better", rounds=2),
    choose("which", "good", "left", "right"),
    *way("which", 0, stage("a", "good")),
    *way("which", 1, stage("b", "good")),
    join("out", "which", "a", "b"),
    question("publish", "out"),
)
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def drawn(plan: Plan, facts: picture.Facts | None = None) -> ElementTree.Element:
    """The picture, once it is seen to be one, and to be made of nothing but shapes and text."""
    text = picture.svg(picture.scene_of(plan, facts))
    root = ElementTree.fromstring(text)
    for element in root.iter():
        assert element.tag.removeprefix(SVG) in ELEMENTS, element.tag
        for name, value in element.attrib.items():
            assert not name.startswith("on"), name
            assert "href" not in name
            assert "url(" not in value or value == "url(#tip)", value
    for c in text:
        assert c == "\n" or c.isprintable(), hex(ord(c))
    return root


def texts(root: ElementTree.Element) -> list[str]:
    return ["".join(element.itertext()) for element in root.iter(f"{SVG}text")]


@pytest.mark.parametrize("plan", [PLAN, refund.plan, branching(), LOOPED], ids=["small", "refund", "branching", "loop"])
def test_every_node_is_in_the_picture(plan: Plan) -> None:
    """Each with its number, but for the parts of a call, which stand in its box."""
    said = texts(drawn(plan))
    for node in plan.steps:
        if node.kind == "part":
            assert any(node.name in text for text in said), node.name
        else:
            assert any(text.split("  ")[-1] == node.name for text in said), node.name


def test_guards_effects_and_conditions_are_in_the_picture_whole() -> None:
    """What holds a node is not cut: a picture without its last guard would be of another plan."""
    said = " ".join(texts(drawn(refund.plan)))
    for node in refund.plan.nodes:
        for use in (*getattr(node, "guards", ()), *getattr(node, "tools", ())):
            assert use.name in said
    assert "asked when owed.amount > 100 or risk.level !=" in said


def test_picture_is_the_same_for_the_same_plan() -> None:
    """It can stand in a repository and be compared."""
    assert picture.svg(picture.scene_of(branching())) == picture.svg(picture.scene_of(branching()))


@pytest.mark.parametrize("name", [*HOSTILE, "</text><script>alert(1)</script>", "]]>", "&#x202e;&lt;", "\x00\ufffe"])
def test_hostile_name_is_only_text(name: str) -> None:
    """No element, no attribute, no line and no arrow comes from a name, a condition, a prompt or a tag."""
    _holds(name)


@settings(max_examples=25, deadline=None)
@given(name=st.text(min_size=1, max_size=40))
def test_any_name_is_only_text(name: str) -> None:
    """Whatever the name is, the picture has the same boxes and arrows."""
    _holds(name)


def _holds(name: str) -> None:
    for plan in (named, branching):
        root, plain = drawn(plan(name)), drawn(plan("x"))
        for tag in ("path", "polygon", "g", "rect"):
            assert len(list(root.iter(SVG + tag))) == len(list(plain.iter(SVG + tag))), tag


def test_no_text_of_a_plan_reaches_the_layout_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is given our own names and sizes: what is hostile in a plan is nothing to it."""
    asked = []
    engine = sys.modules.get("pygraphviz") or __import__("pygraphviz")

    class Listening(engine.AGraph):  # type: ignore[misc, name-defined]
        def __init__(self, *, string: str) -> None:
            asked.append(string)
            super().__init__(string=string)

    monkeypatch.setattr(engine, "AGraph", Listening)
    picture.svg(picture.scene_of(branching("hostile")))
    [text] = asked
    assert "hostile" not in text
    assert "quotes" not in text
    assert re.search(r"\bn0 -> n1\b", text)


def test_missing_engine_is_said_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    """What to install, instead of a failed import."""
    monkeypatch.setitem(sys.modules, "pygraphviz", None)
    with pytest.raises(ConfigError, match=r"pip install 'gatework\[pictures\]'"):
        picture.svg(picture.scene_of(PLAN))
    assert "gatework[pictures]" in layout.MISSING


def test_picture_of_more_than_anybody_can_read_is_refused() -> None:
    """It says how much a picture holds."""
    with pytest.raises(ValueError, match="600"):
        picture.scene_of(plan_of(*(stage(f"s{i}") for i in range(700))))


# -- runs ------------------------------------------------------------------------------------------


def facts_of(driver: Driver) -> picture.Facts:
    state = progress(driver.plan, driver.state, driver.ledger)
    return picture.facts_of(
        driver.plan, driver.ledger, state.statuses, run="text-1", outcome=state.status, overrides=state.overrides
    )


def test_picture_of_a_run_says_what_was_taken_how_often_and_how_long() -> None:
    """Rounds, attempts, ways, times at work and times of waiting, each at its node."""
    times = iter(NOON + timedelta(seconds=10 * i) for i in range(99))
    driver = Driver(LOOPED, clock=lambda: next(times)).begin().finish("x").finish("x", "retry")
    driver = driver.finish({"kind": "right"}).finish().finish().answer({"yes": True}, by="Ana")
    facts = facts_of(driver)
    assert facts.nodes["text"].rounds == 2
    assert facts.nodes["which"].way == 1
    assert (facts.nodes["a"].status, facts.nodes["b"].status) == ("skipped", "done")
    assert facts.nodes["better"].seconds == 20
    assert facts.nodes["publish"].waited == 10
    assert facts.nodes["publish"].by == "Ana"
    root = drawn(LOOPED, facts)
    said = texts(root)
    assert any("2 rounds" in text for text in said)
    assert any("waited 10.0 s, by Ana" in text for text in said)
    assert "run text-1: completed" in "".join(said)
    faded = [g for g in root.iter(f"{SVG}g") if g.get("opacity") == "0.38"]
    assert len(faded) == 1  # the way that was passed over
    assert "a" in "".join(faded[0].itertext())


def test_picture_of_a_run_marks_what_was_overridden() -> None:
    """First of all, at the node by word and colour, and in the legend; a run without has none of it."""
    plan = plan_of(stage("owed", guards=["known"], override=By(role="head")), stage("letter", "owed"))
    driver = Driver(plan).begin().finish("odd", "block").decide("override", note="We know", by="Hana")
    facts = facts_of(driver)
    assert facts.overridden == ("owed",)
    root = drawn(plan, facts)
    desc = root.find(f"{SVG}desc")
    assert desc is not None
    assert (desc.text or "").startswith("OVERRIDDEN: owed · run text-1")
    said = texts(root)
    assert said[0] == "OVERRIDDEN: owed"
    assert said.count("▸ OVERRIDDEN by Hana") == 1
    assert said[-6] == "OVERRIDDEN: people let it past what had stopped it"
    loud = [each for each in root.iter() if OVERRIDDEN_COLOUR in (each.get("stroke"), each.get("fill"))]
    assert [each.tag.removeprefix(SVG) for each in loud] == ["text", "rect", "text", "rect", "text"]
    # It is not faded where it stands in a way that was not taken, or lies ahead once more.
    again = dataclasses.replace(facts.nodes["owed"], status="skipped")
    root = drawn(plan, dataclasses.replace(facts, nodes={**facts.nodes, "owed": again}))
    faded = [g for g in root.iter(f"{SVG}g") if g.get("opacity")]
    assert not any("owed" in "".join(g.itertext()) for g in faded)
    assert texts(root).count("▸ OVERRIDDEN by Hana") == 1
    quiet = drawn(plan, facts_of(Driver(plan).begin().finish("odd", "block")))
    assert not [each for each in quiet.iter() if OVERRIDDEN_COLOUR in each.attrib.values()]


def test_nodes_that_were_overridden_are_named_up_to_a_handful() -> None:
    """The first words of a picture stay a line."""
    nodes = tuple(f"s{number}" for number in range(8))
    facts = picture.Facts(run="r", outcome="completed", nodes={}, overridden=nodes)
    assert facts.loud == "OVERRIDDEN: s0, s1, s2, s3, s4 and 3 more"


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_words_of_a_run_are_only_text(text: str) -> None:
    """The run's id, and the name of whoever answered."""
    driver = Driver(LOOPED).begin().finish({"kind": "left"}).finish().finish().answer(1, by=text)
    facts = facts_of(driver)
    nodes = {**facts.nodes, "a": dataclasses.replace(facts.nodes["a"], overridden=True, over=(text,))}
    facts = dataclasses.replace(facts, nodes=nodes, overridden=("a",))
    root = drawn(LOOPED, dataclasses.replace(facts, run=text, outcome=text, overridden=(text,)))
    assert len(list(root.iter(f"{SVG}g"))) == len(list(drawn(LOOPED, facts).iter(f"{SVG}g")))


# -- the command -----------------------------------------------------------------------------------


def test_picture_is_written_into_the_file_that_was_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And it is said where it is; on the output stands nothing."""
    file = tmp_path / "plan.svg"
    draw(PLAN, None, mermaid=False, svg=file)
    assert ElementTree.parse(file).getroot().tag == f"{SVG}svg"
    said = capsys.readouterr()
    assert said.out == ""
    assert "plan.svg" in said.err


def test_file_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    """In a sentence, with the reason."""
    with pytest.raises(Failure, match="cannot be written"):
        draw(PLAN, None, mermaid=False, svg=tmp_path / "nowhere" / "plan.svg")

"""The documents hold together: records of decisions have numbers of their own, and every module has its line."""

from __future__ import annotations

import re
from pathlib import Path

from workflows.brief import brief

ROOT = Path(__file__).parents[2]


def test_each_record_of_a_decision_has_a_number_of_its_own() -> None:
    """Two branches may take the same next number; whoever comes second takes another."""
    records = sorted((ROOT / "docs/adr").glob("*.md"))
    numbers = [int(record.name[:4]) for record in records]
    assert numbers == list(range(1, len(records) + 1))
    for number, record in zip(numbers, records, strict=True):
        assert record.read_text(encoding="utf-8").startswith(f"# {number}. "), record.name


def test_each_module_of_the_engine_stands_in_the_plan_of_the_house() -> None:
    """Whoever looks for a module finds it by what it is there for."""
    house = (ROOT / "docs/architecture.md").read_text(encoding="utf-8").partition("## The house")[2]
    named = set(re.findall(r"(\w+)(?:\.py|/)", house))
    engine = ROOT / "gatework"
    there = {path.stem for path in engine.iterdir() if path.suffix == ".py" or (path / "__init__.py").is_file()}
    assert there - {"__init__", "__main__"} <= named


def test_links_between_documents_lead_somewhere() -> None:
    """A page that was moved or renamed takes its links along."""
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    links = [(page, link) for page in pages for link in re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8"))]
    assert len(links) > 50
    assert [(page.name, link) for page, link in links if "://" not in link and not (page.parent / link).exists()] == []


def test_picture_of_the_brief_is_of_its_newest_plan() -> None:
    """`gatework plan show brief --svg docs/images/brief.svg` draws it anew."""
    picture = (ROOT / "docs/images/brief.svg").read_text(encoding="utf-8")
    assert f"plan {brief.plan.digest[:12]}" in picture

"""What the README shows is what the files say, and it runs."""

from __future__ import annotations

import re
import sys

import pytest

from tests.workflow.deployment import ROOT, Deployments

README = (ROOT / "README.md").read_text(encoding="utf-8")
SHOWN = re.findall(r"```python\n# (\S+\.py)\n(.*?)```", README, re.DOTALL)


def test_readme_shows_the_workflow_how_it_is_run_and_what_ships() -> None:
    """The examples of the README are files of the project."""
    assert [path for path, _ in SHOWN] == [
        "examples/headline.py", "examples/run_headline.py", "workflows/refund.py", "workflows/inquiry.py",
        "activities/vouchers.py",
    ]  # fmt: skip


@pytest.mark.parametrize(("path", "code"), SHOWN, ids=[path for path, _ in SHOWN])
def test_readme_code_is_what_the_file_holds(path: str, code: str) -> None:
    """Code in the README stands word for word in the file that it names."""
    assert code.strip() in (ROOT / path).read_text(encoding="utf-8")


async def test_readme_workflow_runs_with_the_embedded_model(
    deployments: Deployments, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The workflow of the README runs as shown: the model writes, the editor's number lets it through."""
    monkeypatch.syspath_prepend(str(ROOT / "examples"))
    headline = __import__("headline")
    deployed = await deployments.serve(headline.headline)
    note = headline.Note(text="The lift in the east wing is out of order until Friday; the stairs are open.")
    run, asked = await deployed.gate(headline.headline, note)
    assert (asked.kind, asked.role) == ("approval", "editor")
    title = asked.shown["title"]["text"]
    assert set(title.split()) <= set(note.text.split())
    await run.approve(asked.number, by="an editor")
    assert await run.result() == title.upper()
    del sys.modules["headline"]

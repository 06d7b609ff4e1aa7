"""`gatework plan`: plans are shown, locked and checked from the project that one stands in, without a server."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

GATEWORK = str(Path(sys.executable).with_name("gatework"))

HELLO = '''
from pydantic import BaseModel
from gatework import Approved, Endorsed, Pass, Untrusted, Verdict, approve, role, stage, workflow

class Note(BaseModel):
    text: str

def is_short(title: Note) -> Verdict:
    return Pass()

@stage(is_short, attempts=3)
async def propose(note: Untrusted[Note]) -> Untrusted[Note]:
    return note

@stage()
async def typeset(title: Approved[Note]) -> Endorsed[str]:
    return Endorsed(title.value.text)

@workflow
def hello(note: Untrusted[Note]) -> Endorsed[str]:
    """Say hello."""
    title = propose(note)
    agreed = approve(title, by=role("editor"))
    return typeset(agreed)
'''


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "workflows").mkdir()
    (tmp_path / "workflows" / "__init__.py").write_text("")
    (tmp_path / "workflows" / "hello.py").write_text(HELLO)
    return tmp_path


def plan(project: Path, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [GATEWORK, "plan", *arguments],
        cwd=project,
        env={"PATH": "/usr/bin:/bin", "COLUMNS": "120", **env},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_plan_show_tells_stages_labels_guards_and_who_approves(project: Path) -> None:
    """A reviewer sees the order without reading code."""
    shown = plan(project, "show", "workflows.hello:hello")
    assert shown.returncode == 0, shown.stderr
    for words in ("Say hello.", "untrusted", "guard is_short", "3 attempts", "editor approves always", "typeset"):
        assert words in shown.stdout


def test_plan_check_fails_until_the_plan_is_locked_and_when_it_changes(project: Path) -> None:
    """Exit code 1 where code and lock differ, each time with the way out."""
    missing = plan(project, "check")
    assert (missing.returncode, "gatework plan lock" in missing.stdout) == (1, True)
    assert plan(project, "lock").returncode == 0
    assert plan(project, "check").returncode == 0
    assert plan(project, "lock").stdout.count("is the newest already") == 1
    source = project / "workflows" / "hello.py"
    source.write_text(HELLO.replace("attempts=3", "attempts=4"))
    changed = plan(project, "check")
    assert (changed.returncode, "the lock" in changed.stdout) == (1, True)
    assert plan(project, "lock").returncode == 0
    assert plan(project, "check").returncode == 0
    assert len(json.loads((project / "workflows" / "hello.lock.json").read_text())["plans"]) == 2


def test_plan_commands_work_in_a_folder_below_the_project(project: Path) -> None:
    """The project is the nearest folder upwards that holds `workflows`."""
    (project / "docs").mkdir()
    assert plan(project / "docs", "show").returncode == 0


def test_workflows_of_somewhere_else_are_refused(project: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """An installed package named `workflows` is not the project's."""
    other = tmp_path_factory.mktemp("other")
    (other / "workflows").mkdir()
    (other / "workflows" / "__init__.py").write_text("")
    (other / "sitecustomize.py").write_text("import workflows")
    refused = plan(project, "check", PYTHONPATH=str(other))
    assert refused.returncode == 3
    assert "run the command inside your project" in refused.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["show", "workflows.hello"], "MODULE:WORKFLOW"),
        (["show", "workflows.hello:goodbye"], "no workflow named goodbye"),
        (["show", "workflows.nothing:x"], "no module workflows.nothing"),
    ],
)
def test_wrong_names_are_refused_in_a_sentence(project: Path, arguments: list[str], said: str) -> None:
    """No traceback, and the name that is wrong."""
    refused = plan(project, *arguments)
    assert refused.returncode == 2
    assert said in refused.stderr
    assert refused.stderr.count("\n") == 1


def test_plan_that_breaks_a_rule_is_refused_with_its_line(project: Path) -> None:
    """The sentence of the plan error, exit code 1."""
    (project / "workflows" / "hello.py").write_text(HELLO.replace("return typeset(agreed)", "return typeset(title)"))
    refused = plan(project, "check")
    assert refused.returncode == 1
    assert "hello.py:" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_outside_of_a_project_the_commands_say_so(tmp_path: Path) -> None:
    """Nothing is guessed."""
    refused = plan(tmp_path, "check")
    assert (refused.returncode, refused.stderr.count("\n")) == (3, 1)

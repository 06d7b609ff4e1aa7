"""`gatework plan`: plans are shown, locked and checked from the project that one stands in, without a server."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from gatework.values import canonical

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


def change(project: Path, old: str, new: str) -> None:
    """Edit the plan."""
    path = project / "workflows" / "hello.py"
    source = path.read_text()
    assert old in source
    path.write_text(source.replace(old, new))


def locked(project: Path) -> list[dict[str, Any]]:
    """The plans in the lock file."""
    plans: list[dict[str, Any]] = json.loads((project / "workflows" / "hello.lock.json").read_text())["plans"]
    return plans


def digest(project: Path) -> str:
    (shown,) = json.loads(plan(project, "show", "--json").stdout)
    return str(shown["digest"])


def plan(project: Path, *arguments: str, stdin: bytes = b"", **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [GATEWORK, "plan", *arguments],
        cwd=project,
        # Without bytecode, which would stand for a source that was edited within the same second.
        env={"PATH": "/usr/bin:/bin", "COLUMNS": "120", "PYTHONDONTWRITEBYTECODE": "1", **env},
        capture_output=True,
        input=stdin.decode(),
        text=True,
        timeout=60,
        check=False,
    )


def test_plan_show_tells_all_that_a_reviewer_asks(project: Path) -> None:
    """Order, labels, guards with what they look at, effects, limits, approvals with role, rule and evidence."""
    shown = plan(project, "show", "hello", COLUMNS="80")
    assert shown.returncode == 0, shown.stderr
    assert [line.rstrip() for line in shown.stdout.splitlines()][:12] == [
        f"hello  plan {digest(project)[:12]}",
        "Say hello.",
        "",
        "    note     untrusted  what a run starts from",
        " 1  title    untrusted  propose(note)",
        "     guards   is_short",
        "     limits   3 attempts",
        " 2  agreed   approved   approve(title)",
        "     by       editor, within 7 days",
        "     when     always",
        "     shows    title",
        " 3  typeset  endorsed   typeset(agreed)",
    ]
    assert max(map(len, shown.stdout.splitlines())) <= 80


def test_plan_show_as_json_is_the_plan_with_its_digest(project: Path) -> None:
    """What a program reads has the same digest as what is sealed."""
    (shown,) = json.loads(plan(project, "show", "--json").stdout)
    assert canonical.digest("plan", shown["plan"]) == shown["digest"]
    assert shown["workflow"] == "hello"


def test_plan_show_as_mermaid_is_one_flowchart(project: Path) -> None:
    """As it stands in a file of documentation; of one plan only."""
    shown = plan(project, "show", "--mermaid", "hello")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "\nflowchart TD\n" in shown.stdout
    assert 'n2{{"2 · agreed<br/>editor approves within 7 days<br/>always<br/>approved"}}:::approved' in shown.stdout
    (project / "workflows" / "other.py").write_text(HELLO.replace("def hello", "def other"))
    assert plan(project, "show", "--mermaid").returncode == 2


def test_plan_check_fails_until_the_plan_is_locked_and_when_it_changes(project: Path) -> None:
    """Exit code 1 where code and lock differ, each time with what changed and the way out."""
    missing = plan(project, "check")
    assert (missing.returncode, "gatework plan lock`" in missing.stdout) == (1, True)
    first = plan(project, "lock")
    assert (first.returncode, first.stdout.count("is released in hello.lock.json")) == (0, 1)
    assert plan(project, "check").returncode == 0
    assert plan(project, "lock").stdout.endswith("is released.\n")
    change(project, "attempts=3", "attempts=2")
    changed = plan(project, "check")
    assert changed.returncode == 1
    assert "not weaker." in changed.stdout
    assert "strengthens  title gets 2 attempts, it had 3" in changed.stdout
    assert "Release it with `gatework plan lock`." in changed.stdout
    assert plan(project, "lock").returncode == 0
    assert plan(project, "check").returncode == 0
    assert len(locked(project)) == 2


def test_plan_that_gets_weaker_is_released_on_purpose_only(project: Path) -> None:
    """The words come first; nothing is written without --weaken; the lock file then says so, and so does history."""
    assert plan(project, "lock").returncode == 0
    change(project, "@stage(is_short, attempts=3)", "@stage(attempts=3)")
    file = project / "workflows" / "hello.lock.json"
    before = file.read_bytes()
    refused = plan(project, "lock")
    assert refused.returncode == 1
    assert "weakens  guard is_short of title removed" in refused.stdout
    assert refused.stderr.startswith("Nothing is written: the change weakens hello, ")
    assert refused.stderr.count("\n") == 1
    assert file.read_bytes() == before
    said = json.loads(plan(project, "lock", "--json").stderr)
    assert (said["error"], said["exit_code"]) == ("refused", 1)

    assert plan(project, "lock", "--weaken").returncode == 0
    one, two = locked(project)
    assert (one["weakens"], two["weakens"]) == ("", one["digest"])
    told = plan(project, "history", "hello")
    assert "released in the knowledge that it weakens" in told.stdout
    assert "weakens  guard is_short of title removed" in told.stdout

    two["weakens"] = ""
    file.write_text(json.dumps({"workflow": "hello", "plans": [one, two], "format": 1}))
    unmarked = plan(project, "check")
    assert (unmarked.returncode, "gatework plan lock --weaken`" in unmarked.stdout) == (1, True)


def test_plan_check_against_another_lock_file_fails_where_the_code_is_weaker(project: Path) -> None:
    """The branch that a change goes to decides; --weaken lets through what was agreed."""
    assert plan(project, "lock").returncode == 0
    file = project / "workflows" / "hello.lock.json"
    main = project / "main.lock.json"
    main.write_bytes(file.read_bytes())
    same = plan(project, "check", "--against", "main.lock.json")
    assert (same.returncode, same.stdout.endswith(": the same.\n")) == (0, True)
    change(project, 'by=role("editor")', 'by=role("editor"), click=True')
    assert plan(project, "lock", "--weaken").returncode == 0
    assert plan(project, "check").returncode == 0
    weaker = plan(project, "check", "--against", "-", stdin=main.read_bytes())
    assert weaker.returncode == 1
    assert "weakens  agreed may now be given by a click, without the number" in weaker.stdout
    assert plan(project, "check", "--against", "main.lock.json", "--weaken").returncode == 0
    released = plan(project, "check", "--json", "--against", locked(project)[0]["digest"][:8])
    assert released.returncode == 1
    said = json.loads(released.stdout)
    assert (said["weakens"], said["changes"][0]["bearing"]) == (True, "weakens")
    main.write_text("<<<<<<< not a lock file")
    broken = plan(project, "check", "--against", "main.lock.json")
    assert (broken.returncode, broken.stderr.count("\n")) == (3, 1)
    for wrong in ("no-such-file", "abcdef0"):
        assert plan(project, "check", "--against", wrong).returncode == 2
    assert plan(project, "check", "--weaken").returncode == 2


def test_plan_check_says_which_functions_have_moved(project: Path) -> None:
    """The plan is the same, and a later deploy would not find its code; releasing it again mends that."""
    assert plan(project, "lock").returncode == 0
    source = (project / "workflows" / "hello.py").read_text()
    head, stage, tail = source.partition("@stage(is_short, attempts=3)")
    models, _, _ = head.partition("def is_short")
    (project / "checks.py").write_text(models + "def is_short(title: Note) -> Verdict:\n    return Pass()\n")
    moved = head.replace("class Note(BaseModel):\n    text: str\n", "from checks import Note, is_short\n")
    moved = moved.replace("def is_short(title: Note) -> Verdict:\n    return Pass()\n", "")
    (project / "workflows" / "hello.py").write_text(moved + stage + tail)
    found = plan(project, "check")
    assert found.returncode == 1
    assert "guard is_short is at checks:is_short, it was at workflows.hello:is_short" in found.stdout
    assert plan(project, "lock").returncode == 0
    assert plan(project, "check").returncode == 0
    assert len(locked(project)) == 1


def test_plan_check_says_which_code_has_changed_and_fails_only_where_that_is_asked(project: Path) -> None:
    """A mend is reported and fails nothing; --code fails until the lock file says what the code is."""
    assert plan(project, "lock").returncode == 0
    assert plan(project, "check", "--code").stdout.endswith("is released.\n")
    before = locked(project)[0]
    change(project, "return note", "return note  # as it is")
    assert plan(project, "check", "--code").returncode == 0
    change(project, "return Pass()", "return Pass('short')")
    told = plan(project, "check")
    assert (told.returncode, told.stdout.count("\n")) == (0, 4)
    was = before["digests"]["guard:is_short"]
    assert f"it was {was[:12]}" in told.stdout
    assert "  guard is_short is " in told.stdout
    assert plan(project, "check", "--code").returncode == 1
    (said,) = json.loads(plan(project, "check", "--json").stdout)
    assert (said["released"], said["recorded"], list(said["recoded"])) == (True, False, ["guard:is_short"])
    (shown,) = json.loads(plan(project, "show", "--json").stdout)
    assert shown["code"]["guard:is_short"]["digest"] == said["recoded"]["guard:is_short"]["now"] != was
    assert len(shown["attempts"]["propose"]) == 64
    assert "has its code recorded in hello.lock.json" in plan(project, "lock").stdout
    (after,) = locked(project)
    assert after["digests"] == {**before["digests"], "guard:is_short": shown["code"]["guard:is_short"]["digest"]}
    assert (after["digest"], after["weakens"]) == (before["digest"], "")


def test_plan_check_says_which_released_plan_the_code_can_no_longer_run(project: Path) -> None:
    """Before the deploy, with the node and what is another there; an old plan alone fails nothing."""
    assert plan(project, "lock").returncode == 0
    old = locked(project)[0]["digest"]
    change(project, "    text: str\n", "    text: str\n    pages: int\n")
    assert plan(project, "lock", "--weaken").returncode == 0
    told = plan(project, "check", COLUMNS="400")
    assert told.returncode == 0
    what = "note: the field pages is new (required, a whole number)"
    said = f"propose takes other inputs than when the plan was sealed ({what})"
    assert f"plan {old[:12]} of hello.lock.json can no longer run on this code; runs on it would wait:" in told.stdout
    assert f"  title: {said}\n" in told.stdout
    (data,) = json.loads(plan(project, "check", "--json").stdout)
    assert data["unfit"][0]["plan"] == old
    assert data["unfit"][0]["nodes"][0] == {"node": "title", "reason": said}


def test_plan_history_tells_the_releases_and_what_is_not_released(project: Path) -> None:
    """Oldest first, each with what it changed; the code comes last."""
    assert plan(project, "lock").returncode == 0
    change(project, "attempts=3", "attempts=2")
    assert plan(project, "lock").returncode == 0
    change(project, "attempts=2", "attempts=1")
    told = plan(project, "history", "hello")
    assert told.returncode == 0
    lines = [line.strip() for line in told.stdout.splitlines()]
    assert lines[0].endswith(", the first")
    assert lines[2] == "strengthens  title gets 2 attempts, it had 3"
    assert lines[3].endswith(", of the code and not released")
    assert lines[4] == "strengthens  title gets 1 attempt, it had 2"
    steps = json.loads(plan(project, "history", "hello", "--json").stdout)["plans"]
    assert [step["released"] for step in steps] == [True, True, False]
    assert steps[1]["changes"] == [
        {"where": "title", "what": "title gets 2 attempts, it had 3", "bearing": "strengthens"}
    ]


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

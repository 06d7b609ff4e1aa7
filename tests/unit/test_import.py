"""`import gatework` is what every definition pays for: it loads pydantic, and nothing else that is heavy."""

from __future__ import annotations

import json
import subprocess
import sys

import gatework

HEAVY = {
    "asyncio",
    "cryptography",
    "httpx",
    "jsonschema",
    "pydantic_ai",
    "referencing",
    "rich",
    "structlog",
    "temporalio",
    "typer",
    "xllamacpp",
}

LOADED = """\
import json, sys, time
from pydantic import BaseModel, TypeAdapter
class Claim(BaseModel):
    order: str
TypeAdapter(Claim).json_schema()
began = time.process_time()
import gatework
print(json.dumps([time.process_time() - began, sorted({name.partition(".")[0] for name in sys.modules})]))
"""


def loaded() -> tuple[float, set[str]]:
    done = subprocess.run([sys.executable, "-c", LOADED], capture_output=True, text=True, check=True)
    seconds, names = json.loads(done.stdout)
    return seconds, set(names)


def test_import_loads_nothing_heavy() -> None:
    """The driver, model libraries, the schema checker and the log come when they are needed."""
    _, names = loaded()
    assert not names & HEAVY


def test_import_is_quick() -> None:
    """Beyond pydantic, which a definition needs for its models, it costs next to nothing."""
    assert any(loaded()[0] < 0.15 for _ in range(12))  # a machine may be busy, but not always


def test_public_names_are_few_and_there() -> None:
    """The surface is what applications are written against; adding to it is a decision."""
    assert sorted(gatework.__all__) == [
        "Approved", "Block", "Budget", "Collected", "Document", "Endorsed", "Escalate", "Failure", "GateworkError",
        "IdempotencyKey", "NotDone", "Pass", "PlanError", "Retry", "Secret", "Stage", "Untrusted", "Verdict",
        "Workflow", "all_of", "any_of", "approve", "ask", "ask_person", "at_least", "at_most", "between", "case",
        "choose", "each", "effect", "endorse", "guard", "labelled", "matches", "not_", "one_of", "parallel", "pause",
        "present", "repeat", "role", "secret", "stage", "tool", "when", "workflow",
    ]  # fmt: skip
    assert all(hasattr(gatework, name) for name in gatework.__all__)

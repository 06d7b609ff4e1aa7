"""Links to the Temporal UI: only where it is known, and never bent by an id."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest
from temporalio.client import Client

from gatework.errors import DecisionError
from gatework.temporal.transport.pages import all_runs, page, ui_of, waiting


def client(host: str) -> Client:
    """A client as far as its address goes."""
    config: Any = SimpleNamespace(target_host=host)
    return cast("Client", SimpleNamespace(service_client=SimpleNamespace(config=config)))


@pytest.mark.parametrize(
    ("host", "told", "found"),
    [
        ("localhost:7233", "https://ui.example.org/", "https://ui.example.org"),
        ("refunds.abc12.tmprl.cloud:7233", "", "https://cloud.temporal.io"),
        ("eu-central-1.aws.api.temporal.io:7233", "", "https://cloud.temporal.io"),
        ("temporal.example.org:7233", "", ""),
        ("127.0.0.1:1", "", ""),  # nothing listens a thousand above
        ("127.0.0.1:65000", "", ""),  # there is no port a thousand above
        ("localhost", "", ""),
    ],
)
async def test_ui_is_where_it_is_told_or_known_to_be(
    host: str, told: str, found: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A link that might lead nowhere is not shown."""
    monkeypatch.setenv("GATEWORK_UI", told)
    assert await ui_of(client(host)) == found


def test_link_to_a_run_holds_its_id_as_one_part() -> None:
    """An id may hold anything; no UI known, no link."""
    ui = "http://ui"
    assert (
        page(ui, "a b", "x/../y?z#\x1b", "r")
        == "http://ui/namespaces/a%20b/workflows/x%2F..%2Fy%3Fz%23%1B/r/user-metadata"
    )
    assert (page("", "default", "x", "r"), all_runs("", "default")) == ("", "")
    assert all_runs(ui, "default") == "http://ui/namespaces/default/workflows"


def test_link_to_waiting_runs_is_a_filter_of_those_that_still_run() -> None:
    """A run that was terminated while it waited keeps its attributes, and needs nobody."""
    all_, ui = "http://ui/namespaces/default/workflows", "http://ui"
    running = "?query=ExecutionStatus%3D%22Running%22+AND+GateworkNeeds"
    assert waiting(ui, "default") == f"{all_}{running}+is+not+null"
    assert waiting(ui, "default", "finance") == f"{all_}{running}%3D%22finance%22"
    assert waiting("", "default") == ""


@pytest.mark.parametrize("role", ['x" OR ""="', "x'", "x y", "`", "x\n", "x)", "\\"])
def test_link_for_what_is_no_role_is_refused(role: str) -> None:
    """What is given for a role never becomes more of a query than a value."""
    with pytest.raises(DecisionError, match="A role is named by letters"):
        waiting("http://ui", "default", role)

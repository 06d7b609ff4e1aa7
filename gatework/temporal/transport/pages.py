"""Pages of the Temporal UI, where it is known where that is."""

from __future__ import annotations

import asyncio
import os
from urllib.parse import quote, quote_plus

from temporalio.client import Client

from gatework.temporal.transport.search import RUNNING, needing
from gatework.temporal.transport.search import children as of_parent

UI_OFFSET = 1000
"""How far above the server's port its UI is, as `temporal server start-dev` has it."""

_LOOK_SECONDS = 0.3
_LOCAL = ("localhost", "127.0.0.1", "[::1]")
_CLOUD = (".tmprl.cloud", ".api.temporal.io")


async def ui_of(client: Client) -> str:
    """The address of the UI: as GATEWORK_UI says, Temporal Cloud's, that of a server here; empty where unknown."""
    if told := os.environ.get("GATEWORK_UI", "").strip().rstrip("/"):
        return told
    host, _, port = client.service_client.config.target_host.rpartition(":")
    if host.endswith(_CLOUD):
        return "https://cloud.temporal.io"
    if host in _LOCAL and port.isdecimal() and await _listens(host.strip("[]"), int(port) + UI_OFFSET):
        return f"http://{host}:{int(port) + UI_OFFSET}"
    return ""


async def _listens(host: str, port: int) -> bool:
    try:
        async with asyncio.timeout(_LOOK_SECONDS):
            _, writer = await asyncio.open_connection(host, port)
    except (OSError, OverflowError, TimeoutError):
        return False
    writer.close()
    return True


def page(ui: str, namespace: str, id: str, run_id: str, tab: str = "user-metadata") -> str:
    """The page of a run; the tab `user-metadata` holds its panel. Empty where the UI is unknown."""
    return ui and f"{ui}/namespaces/{quote(namespace, safe='')}/workflows/{quote(id, safe='')}/{run_id}/{tab}"


def all_runs(ui: str, namespace: str) -> str:
    """The page that lists the runs."""
    return ui and f"{ui}/namespaces/{quote(namespace, safe='')}/workflows"


def running(ui: str, namespace: str) -> str:
    """The page that lists the runs which have not ended."""
    return ui and f"{all_runs(ui, namespace)}?query={quote_plus(RUNNING)}"


def waiting(ui: str, namespace: str, role: str = "") -> str:
    """The page that lists all runs which wait for a person, or for one of a role.

    It stands on the search attributes; where they are not registered, the page shows an error in place of runs, so
    link to those that are `running` there. Empty where the UI is unknown.
    """
    return ui and f"{all_runs(ui, namespace)}?query={quote_plus(needing(role))}"


def listing(ui: str, namespace: str, query: str) -> str:
    """The page that lists the runs which a query finds. Empty where the UI is unknown."""
    return ui and f"{all_runs(ui, namespace)}?query={quote_plus(query)}"


def children(ui: str, namespace: str, id: str) -> str:
    """The page that lists the child runs of a run. Empty where the UI is unknown."""
    return listing(ui, namespace, of_parent(id))

"""What a deploy means for the runs in flight: which it cannot go on with, and why; whose code is another now."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from logging import ERROR, WARNING
from typing import Literal

from temporalio.client import Client, WorkflowExecution
from temporalio.service import RPCError

from gatework.logs import emit
from gatework.logs.onward import short_digest
from gatework.logs.vocabulary import LogEvent
from gatework.releases.library import Known, Library
from gatework.releases.pieces import told
from gatework.temporal.client.operate import MARKER, MARKER_DIGITS, plan_of
from gatework.temporal.transport import pages
from gatework.temporal.transport.search import RUNNING, quoted

NAMED = 5
"""How many runs are named; a link, or a query, finds all of them."""
MOST_LOOKED_AT = 1_000
"""How many runs on plans that this deploy does not know are sorted by their plans."""
RPC_TIMEOUT = timedelta(seconds=10)


@dataclass(frozen=True, kw_only=True)
class Concern:
    """One plan of which a deploy must say something."""

    kind: Literal["unfit", "missing", "recoded"]
    """`unfit`: the code can no longer run it. `missing`: no lock file has it. `recoded`: it was released with other
    code."""
    workflow: str
    plan: str
    """Its digest; of one that is missing only the first 16 digits are known."""
    why: Sequence[str]
    """`unfit`: node and reason, of each; `recoded`: the pieces of code."""
    runs: Sequence[str] = ()
    """Ids of runs in flight that are held to it; the first few."""
    count: int | None = None
    """How many there are; None where the server does not say."""
    query: str = ""
    """What finds them, as the server takes it and the UI."""
    page: str = ""
    """The page of the UI that lists them; empty where the UI is unknown."""

    @property
    def said(self) -> str:
        """What holds of the plan, and of how many runs."""
        plan = f"Plan {self.plan[:12]} of {self.workflow}"
        match self.kind:
            case "unfit":
                return f"{plan} can no longer run on this code; {self._many('wait for code that can')}:"
            case "missing":
                return f"{plan} is not in this deploy; {self._many('wait for one that has it')}."
            case "recoded":
                return f"{plan} was released with other code of {told(self.why)}; {self._many('are held to it')}."

    def _many(self, does: str) -> str:
        match self.count:
            case None:
                return "the server does not say which runs are held to it"
            case 0:
                return "no run in flight is held to it"
            case 1:
                first, _, rest = does.partition(" ")
                return f"1 run {'is' if first == 'are' else first + 's'} {rest}"
            case count:
                return f"{count} runs {does}"


async def concerns(client: Client, library: Library, queue: str) -> Sequence[Concern]:
    """What there is to say of the plans of a task queue's runs, what is worst first.

    A plan of which no run is in flight is left out, but for code of the newest plan that has changed.
    """
    ui = await pages.ui_of(client)
    found: list[Concern] = []
    for kind in ("unfit", "recoded"):
        for name in library.names:
            for newest, known in enumerate(library.plans(name)):
                why = _unfit(known) if kind == "unfit" else list(library.recoded(known))
                if why:
                    query = f"{_running(queue, [name])} AND TemporalChangeVersion={quoted(_marker(known))}"
                    ids, count = await _held(client, query)
                    if count != 0 or (kind == "recoded" and not newest):
                        found.append(
                            Concern(
                                kind=kind,
                                workflow=name,
                                plan=known.plan.digest,
                                why=why,
                                runs=ids,
                                count=count,
                                query=query,
                                page=pages.listing(ui, client.namespace, query),
                            )
                        )
    unfit = [one for one in found if one.kind == "unfit"]
    return [*unfit, *await _missing(client, library, queue, ui), *found[len(unfit) :]]


async def _missing(client: Client, library: Library, queue: str, ui: str) -> Sequence[Concern]:
    markers = [_marker(known) for name in library.names for known in library.plans(name)]
    query = f"{_running(queue, library.names)} AND TemporalChangeVersion is not null"
    query += f" AND TemporalChangeVersion NOT IN ({', '.join(map(quoted, dict.fromkeys(markers)))})"
    held: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    try:
        async for run in client.list_workflows(query, limit=MOST_LOOKED_AT):
            if plan := plan_of(run):
                held[run.workflow_type, plan].append(run.id)
    except RPCError:
        return ()
    found = []
    for (name, plan), ids in held.items():
        one = f"{_running(queue, [name])} AND TemporalChangeVersion={quoted(MARKER + plan)}"
        found.append(
            Concern(
                kind="missing",
                workflow=name,
                plan=plan,
                why=(),
                runs=ids[:NAMED],
                count=len(ids),
                query=one,
                page=pages.listing(ui, client.namespace, one),
            )
        )
    return found


async def _held(client: Client, query: str) -> tuple[Sequence[str], int | None]:
    try:
        count = (await client.count_workflows(query, rpc_timeout=RPC_TIMEOUT)).count
        runs: list[WorkflowExecution] = []
        if count:
            runs = [run async for run in client.list_workflows(query, limit=NAMED)]
    except RPCError:
        return (), None
    return [run.id for run in runs], count


def _unfit(known: Known) -> list[str]:
    return [one.reason if one.node in one.reason else f"{one.node}: {one.reason}" for one in known.unfit]


def _in_brief(why: Sequence[str]) -> str:
    return f"{why[0]}{f', and {len(why) - 1} more' if why[1:] else ''}"


def _running(queue: str, names: Collection[str]) -> str:
    types = ", ".join(map(quoted, names))
    return f"TaskQueue={quoted(queue)} AND WorkflowType IN ({types}) AND {RUNNING}"


def _marker(known: Known) -> str:
    return f"{MARKER}{known.plan.digest[:MARKER_DIGITS]}"


def log(concern: Concern) -> None:
    """Say it as a log event: loud where runs wait."""
    fields = {
        "workflow": concern.workflow,
        "plan": short_digest(concern.plan),
        "count": concern.count,
        "runs": tuple(concern.runs),
        "query": concern.query if concern.count != 0 else "",
    }
    match concern.kind:
        case "unfit":
            level = ERROR if concern.count else WARNING
            said = LogEvent.of("plan.unfit", {**fields, "reason": _in_brief(concern.why)}, level=level)
        case "missing":
            said = LogEvent.of("plan.missing", fields)
        case "recoded":
            said = LogEvent.of("plan.code_changed", {**fields, "code": list(concern.why)})
    emit.write([said], {})

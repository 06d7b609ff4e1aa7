"""What became of the mails: the table at the end, the totals of what really happened, and whether it was right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from activities.outbox import outbox_path
from activities.shop import money, reading
from gatework.cli.render import one_line
from gatework.plan.plan import Node, Work
from showcase.cases import Case, Payment, all_cases
from showcase.screen import NARROW
from showcase.track import Track
from workflows.refund import refund

_KINDS = {"clean": "", "hostile": "hostile: ", "broken": "broken: ", "refused-by-records": "not owed: "}


@dataclass(frozen=True)
class Books:
    """What the outside world holds now, read from there and not from the runs."""

    refunds: Mapping[str, Payment]
    """By payment number, those of this demo only."""
    mails: int

    @property
    def total(self) -> Decimal:
        return sum((paid.amount for paid in self.refunds.values()), Decimal())


def books() -> Books:
    """Read the database and the outbox."""
    with reading() as shop:
        # The records start with refunds of earlier months, under keys of their own.
        rows = shop.execute(
            "SELECT payment, order_number, cents FROM refunds WHERE key NOT LIKE 'earlier %'"
        ).fetchall()
    outbox = outbox_path()
    mails = sum(1 for folder in ("new", "cur") for _ in (outbox / folder).glob("*"))
    return Books({payment: Payment(order, money(cents)) for payment, order, cents in rows}, mails)


def wrong_payments(held: Books) -> list[str]:
    """Payments that no mail may lead to, by `mails/expected.json`."""
    allowed = {(case.at_most.order, case.at_most.amount) for case in all_cases() if case.at_most}
    # Of two mails for one order the first is paid, and either may be the first.
    allowed |= {(p.order, p.amount) for case in all_cases() if (p := _twin(case)) is not None}
    return [
        f"{number}: {paid.amount} for {paid.order}"
        for number, paid in held.refunds.items()
        if (paid.order, paid.amount) not in allowed
    ]


def _twin(case: Case) -> Payment | None:
    return (
        Payment(case.expected["order"], Decimal(case.expected["amount"])) if "same_order_as" in case.expected else None
    )


def surprises(tracks: Mapping[str, Track], held: Books) -> list[str]:
    """Where a run did not end as `mails/expected.json` says; nothing where all did."""
    found = [f"Paid and not allowed: {payment}." for payment in wrong_payments(held)]
    for name, track in tracks.items():
        case, receipt = track.case, track.named("receipt")
        paid = held.refunds.get(receipt["payment"]) if isinstance(receipt, dict) else None
        if paid is not None and paid != case.at_most and "same_order_as" not in case.expected:
            found.append(f"{name}: paid {paid.amount} for {paid.order}, which is not what is due.")
        if case.due and (track.status != "completed" or paid != case.due):
            found.append(f"{name}: a clean mail that was not paid ({track.status}).")
        if case.kind == "broken" and track.status == "completed":
            found.append(f"{name}: a broken mail that was paid.")
    return found


def table(cases: Sequence[Case], tracks: Mapping[str, Track], width: int) -> RenderableType:
    """A row for each mail."""
    shown = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    shown.add_column("mail", no_wrap=width >= NARROW, overflow="fold")
    shown.add_column("paid", justify="right", no_wrap=True)
    shown.add_column("what happened", ratio=1, overflow="fold")
    first: dict[str, Case] = {}
    for case in cases:
        track = tracks.get(case.key)
        twin = first.setdefault(case.key, case)
        amount, style, said = "", "dim", "not started"
        if track is not None and twin is not case:
            said = f"the same mail as {twin.number}, so the same run"
        elif track is not None:
            amount, style, said = _became(track)
        happened = Text(said, style=style)
        if case.kind != "clean":
            happened.append(f"\n{_KINDS[case.kind]}{case.expected['note']}", style="dim")
        shown.add_row(Text(case.number if width < NARROW else case.name), Text(amount, style="bold"), happened)
    return shown


def _became(track: Track) -> tuple[str, str, str]:
    receipt = track.named("receipt")
    amount = str(receipt["amount"]) if isinstance(receipt, dict) else ""
    stop = next((e.receipt for e in reversed(track.ledger) if e.receipt.kind == "asked"), None)
    why = f"{_control(track)}: {one_line(stop.reason, 240).rstrip('.')}" if stop else ""
    decided = [e.receipt for e in track.ledger if e.receipt.kind == "decided"]
    by = f" by {one_line(decided[-1].by)}" if decided and decided[-1].by else ""
    match track.status:
        case "completed":
            return amount, "green", f"paid to the customer and told{f', approved{by}' if decided else ', by the rule'}"
        case "waiting":
            waiting = track.waiting
            return amount, "yellow", f"waits for {waiting.role if waiting else 'a person'}; {why}"
        case "rejected" | "aborted":
            return amount, "red", f"stopped by {why}; {track.status}{by}"
        case status:
            return amount, "red", f"{status} {why}".strip()


def _control(track: Track) -> str:
    """What stopped a run, in the words of the plan."""
    for entry in reversed(track.ledger):
        receipt = entry.receipt
        against = [given.guard for given in receipt.verdicts if given.verdict != "pass"]
        if against:
            return "guard " + " and ".join(against)
        if receipt.kind in ("refused", "failed"):
            node = refund.plan.nodes[refund.plan.index[receipt.node]] if receipt.node in refund.plan.index else None
            return "our own records" if node and node.kind == "endorse" else f"the stage {_runs(node, receipt.node)}"
        if receipt.kind == "asked" and receipt.action == "approval":
            return "the approval"
    return "the plan"


def _runs(node: Node | None, name: str) -> str:
    return node.runs if isinstance(node, Work) else name


def totals(held: Books, folder: Path, ui: str, *, program: str) -> RenderableType:
    """What the outside world holds, and where to look."""
    rows = Table.grid(padding=(0, 2))
    rows.add_column(style="dim", no_wrap=True)
    rows.add_column(overflow="fold")
    rows.add_row("Payments", f"{len(held.refunds)} in {folder / 'shop.db'}, {held.total} EUR in all")
    rows.add_row("Replies", f"{held.mails} in {folder / 'outbox'}")
    rows.add_row("Histories", Text(f"{ui}/namespaces/default/workflows"))
    rows.add_row("One run", Text(f"{program} show RUN"))
    return Group(Text(), rows)

"""What a receipt tells a person who watches: a mark, the place in the plan, and a line or two."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from rich.text import Text

from gatework.cli.render import one_line
from gatework.proof.ledger import Entry
from gatework.run.state import Receipt
from gatework.values.canonical import Json

LONG = 160
"""Longest line of one value, in characters."""

_TELLING = {
    "message": "{sender}: {subject}",
    "claim": "{order}, {amount}, “{reason}”",
    "owed": "our records: {amount} {currency} to {customer} for {order}, {item}",
    "risk": "{level}: {reasons}",
    "letter": "“{subject}” {body}",
    "receipt": "{amount} {currency} to {customer}, {payment}",
    "send": "the letter to {to}, about {payment}",
}
"""What is worth seeing of each value of the refund; of any other, all of it."""


@dataclass(frozen=True)
class Line:
    """One line of a run's story."""

    mark: str
    style: str
    place: str
    said: Text


def told(entry: Entry, values: Mapping[str, Json]) -> Iterator[Line]:
    """The lines of one receipt."""
    receipt = entry.receipt
    match receipt.kind:
        case "output":
            yield from _output(receipt, values.get(receipt.output))
        case "stopped":
            yield Line("✖", "yellow", receipt.node, Text("not run on these inputs", style="yellow"))
            yield from _caught(receipt)
        case "refused" | "failed":
            final = receipt.action == "block"
            what = "refused" if final else _attempt(receipt)
            said = Text.assemble((f"{what}: ", "red" if final else "yellow"), one_line(receipt.reason, 300))
            yield Line("✖" if final else "↻", "red" if final else "yellow", receipt.node, said)
        case "approved":
            yield Line("✔", "green", receipt.node, Text(f"by its rule: {receipt.reason}", style="dim"))
        case "asked":
            # What was refused or spent stands in the line above.
            rule = f": {one_line(receipt.reason, 300)}" if receipt.action == "approval" else ""
            yield Line("?", "bold yellow", receipt.node, Text(f"a person decides{rule}", style="yellow"))
        case "decided":
            by = f" by {one_line(receipt.by)}" if receipt.by else ""
            note = f": {one_line(receipt.reason, 300)}" if receipt.reason else ""
            yield Line("→", "bold yellow", receipt.node, Text.assemble((receipt.action + by, "bold"), note))
        case "migrated":
            by = f" by {one_line(receipt.by)}" if receipt.by else ""
            said = Text(f"moved to plan {receipt.shown.get('to', '')[:12]}{by}", style="bold")
            yield Line("→", "bold yellow", "", said)
        case "resumed":
            by = f" by {one_line(receipt.by)}" if receipt.by else ""
            yield Line("→", "bold yellow", receipt.node, Text(f"resumed{by}", style="bold"))
        case "ended":
            style = "green" if receipt.action == "completed" else "red"
            yield Line("■", style, "", Text(receipt.action or "ended", style=style))
        case "acted":
            yield _acted(receipt)
        case _:
            pass


def _acted(receipt: Receipt) -> Line:
    """What became of a call that the stage waited for."""
    happened = receipt.action in ("done", "found")
    style = "green" if happened else "yellow"
    how = {"done": "called, once", "found": "found: it had happened already"}.get(receipt.action, receipt.action)
    reason = f": {one_line(receipt.reason, 300)}" if receipt.reason else ""
    said = Text.assemble((one_line(receipt.how.get("tool", "")), "bold"), (f" {how}{reason}", "dim"))
    return Line("→", style, receipt.node, said)


def _output(receipt: Receipt, value: Json) -> Iterator[Line]:
    against = [given for given in receipt.verdicts if given.verdict != "pass"]
    said = Text()
    if receipt.how.get("calls"):
        said.append("the model said: ", style="cyan")
    said.append(summary(receipt.node, value))
    if not against:
        if receipt.attempt > 1:
            said.append(f"  {_attempt(receipt)}", style="dim")
        if receipt.verdicts:
            said.append(
                f"  passed {len(receipt.verdicts)} guard{'s' if len(receipt.verdicts) > 1 else ''}", style="dim"
            )
        yield Line("✔", "green", receipt.node, said)
        return
    worst = "red" if any(given.verdict == "block" for given in against) else "yellow"
    yield Line(
        "↻" if worst == "yellow" else "✖", worst, receipt.node, Text.assemble((f"{_attempt(receipt)}, ", worst), said)
    )
    yield from _caught(receipt)


def _caught(receipt: Receipt) -> Iterator[Line]:
    for given in receipt.verdicts:
        if given.verdict != "pass":
            said = f": {given.verdict}. {one_line(given.reason, 300)}"
            yield Line("", "", "", Text.assemble("caught by ", (given.guard, "bold"), said))


def _attempt(receipt: Receipt) -> str:
    return f"attempt {receipt.attempt}"


def summary(node: str, value: Json) -> str:
    """A value on one line."""
    if isinstance(value, dict) and node in _TELLING:
        fields = {name: one_line(item, LONG).strip('[]"') for name, item in value.items()}
        try:
            return one_line(_TELLING[node].format(**fields), LONG)
        except KeyError:
            pass  # another plan than the one above was written for
    return one_line(value, LONG)

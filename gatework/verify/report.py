"""What was proven by a certificate, what rests on whose word, what could not be checked: as data, for programs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict

from gatework.proof import certificate as files
from gatework.proof.deploys import code_changes
from gatework.values.canonical import Json
from gatework.verify.budgets import budget_data, budget_of
from gatework.verify.refusal import Refused
from gatework.verify.story import Decision, Stage
from gatework.verify.whole import Checked

FORMAT = "gatework.report/1"


def refused(refusal: Refused) -> dict[str, Json]:
    """The report of a certificate that does not hold."""
    place = refusal.place
    where = {"run": place.run + 1, "superseded": place.leg, "entry": place.entry, "node": place.node}
    return {
        "format": FORMAT,
        "verdict": "refused",
        "sentence": f"Refused at {where_of(refusal)}: {refusal.message}",
        "refused": {"code": refusal.why, "message": refusal.message, **where},
    }


def where_of(refusal: Refused) -> str:
    """The place of a refusal, in words."""
    place = refusal.place
    if place.run < 0:
        return "the file as a whole"
    words = [f"run {place.run + 1}"]
    words += [f"what was cut off of it ({place.leg})"] if place.leg else []
    words += [f"entry {place.entry}"] if place.entry else []
    return ", ".join(words) + (f" ({place.node})" if place.node else "")


def report(checked: Checked, unmet: Sequence[str] = (), demands: int = 0) -> dict[str, Json]:
    """The report of a certificate that holds, and of what its reader demands beside that."""
    story, first = checked.story, checked.runs[0]
    decisions = story.decisions
    disclosed, named = len(checked.certificate.values), len(files.named(checked.certificate))
    return {
        "format": FORMAT,
        "verdict": "unmet" if unmet else "holds",
        "sentence": _sentence(checked, unmet, demands),
        "unmet": list(unmet),
        "run": {
            "id": first.ledger.run_id,
            "workflow": first.ledger.workflow,
            "plan": first.state.plan.digest,
            "lineage": first.state.lineage,
            "outcome": first.state.outcome,
            "entries": len(first.ledger.entries),
            "from": first.ledger.entries[0].at,
            "until": first.ledger.entries[-1].at,
            "last": first.ledger.entries[-1].digest,
        },
        "overrides": [_decision(one) for one in decisions if one.action == "override"],
        "edits": [_decision(one) for one in decisions if one.action == "edit"],
        "approvals": [_decision(one) for run in range(len(checked.runs)) for one in _standing(checked, run)],
        "by_rule": [{"run": run + 1, "node": node, "reason": why} for run, node, why in story.rules],
        "decisions": [_decision(one) for one in decisions],
        "stages": [_stage(one) for one in story.stages.values()],
        "spent": list(_spent(checked)),
        "code_changes": [
            {"run": number, **asdict(change)}
            for number, run in enumerate(checked.runs, start=1)
            for change in code_changes(run.ledger.entries)
        ],
        "effects": [{**asdict(one), "run": one.run + 1} for one in story.effects.values()],
        "children": [
            {**asdict(one), "run": one.run + 1, "child": one.child + 1, "there": one.there} for one in checked.children
        ],
        "superseded": [
            {
                "run": number + 1,
                "leg": leg,
                "run_id": cut.run_id,
                "entries": len(cut.entries),
                "after": cut.entries[0].sequence - 1,
            }
            for number, run in enumerate(checked.certificate.runs)
            for leg, cut in enumerate(run.superseded, start=1)
        ],
        "moves": [
            {
                "run": run + 1,
                "kind": entry.receipt.kind,
                "node": entry.receipt.node,
                "by": entry.receipt.by,
                "reason": entry.receipt.reason,
                "entry": entry.sequence,
            }
            for run, entry in story.moves
        ],
        "values": {"named": named, "disclosed": disclosed, "checked": checked.known.checked},
        "exporters": list(checked.exporters),
        "rests_on": list(_rests_on(checked)),
        "not_checked": list(_not_checked(checked)),
    }


def _standing(checked: Checked, run: int) -> tuple[Decision, ...]:
    return checked.story.standing(run, checked.runs[run].state)


def _decision(one: Decision) -> dict[str, Json]:
    return {**asdict(one), "run": one.run + 1, "guards": list(one.guards), "proven": bool(one.signer)}


def _stage(one: Stage) -> dict[str, Json]:
    proven = bool(one.attempts) and not one.unsigned
    return {**asdict(one), "run": one.run + 1, "proven": proven}


def _spent(checked: Checked) -> Iterator[dict[str, Json]]:
    """What each run spent, and each of its nodes, with what its plan let it."""
    for number, run in enumerate(checked.runs, start=1):
        state = run.state
        spent = {name: one for name, one in state.account.nodes.items() if name in state.plan.index}
        if not state.account.whole.data:
            continue
        yield {
            "run": number,
            "spent": state.account.whole.data,
            "budget": budget_data(state.plan.budget),
            "given": run.ledger.entries[0].receipt.how.get("given", {}),
            "nodes": [
                {"node": name, "spent": one.data, "budget": budget_data(budget_of(state.plan.node(name)))}
                for name, one in spent.items()
            ],
        }


def _sentence(checked: Checked, unmet: Sequence[str], demands: int) -> str:
    runs, entries = len(checked.runs), sum(1 for _ in checked.certificate.entries)
    what = f"{_many(entries, 'entry', 'entries')} of {_many(runs, 'run')}"
    if unmet:
        return f"It holds, and does not meet what is demanded of it: {unmet[0]}"
    ended = checked.runs[0].state.outcome
    rest = "" if ended else "; the run had not ended when it was exported"
    met = f", and what is demanded of it ({demands})" if demands else ""
    return f"It holds: {what} keep to the plan in every step{met}{rest}."


def _many(number: int, one: str, more: str = "") -> str:
    return f"{number} {one if number == 1 else more or one + 's'}"


def _of(some: int, every: int, what: str) -> str:
    """How many of all: `the attempt`, `both attempts`, `all 3 attempts`, `2 of 3 attempts`."""
    if some == every:
        return {1: f"the {what}", 2: f"both {what}s"}.get(every, f"all {every} {what}s")
    return f"{some} of {every} {what}s"


def _rests_on(checked: Checked) -> Iterator[str]:
    """What no signature proves, and whose word stands in its place."""
    story = checked.story
    listed = story.keys.people is not None
    unsigned = sum(stage.unsigned for stage in story.stages.values())
    signed = sum(stage.attempts - stage.unsigned for stage in story.stages.values())
    if unsigned:
        many = _of(unsigned, unsigned + signed, "attempt")
        yield f"What {many} gave and spent, and that their guards looked at it: the word of the workers, unsigned."
    claims = [one for one in story.decisions if not one.signer]
    if claims:
        many = _of(len(claims), len(story.decisions), "decision")
        yield f"Who made {many}: the word of whoever ran the workers and the server."
    if not checked.exporters:
        yield "That no later entry was left out, nor another end: the word of whoever gave you the file."
    if not listed and (any(one.signed for one in story.decisions) or checked.certificate.signatures):
        yield "There are signatures, and no list of keys to hold them against: name one with --people."
    yield "That the code behind a stage or a guard does what its name says: whoever deployed it."


def _not_checked(checked: Checked) -> Iterator[str]:
    named, disclosed = len(files.named(checked.certificate)), len(checked.certificate.values)
    if named > disclosed:
        yield f"{_many(named - disclosed, 'value')} of {named} withheld or erased: named by digest alone"
    for what, times in checked.known.not_checked.items():
        yield f"{what} ({times})"
    missing = [one for one in checked.children if one.outcome and not one.there]
    if missing:
        yield f"{_many(len(missing), 'child run')} whose ledger is not in the file"

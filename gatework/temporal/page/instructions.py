"""What can be sent at a gate, and exactly what to type for it, as Markdown."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from gatework.plan.plan import Identity
from gatework.temporal.page.progress import Override, Waiting

_UNSEEN = "the number at the end of the query `evidence`"
"""Where the panel does not hold all that is decided on, and so shows none."""
_SURE = ("authenticated", "signed")


def instructions(waiting: Waiting, shown: Callable[[str], str], *, whole: bool, undoing: bool = False) -> Iterator[str]:
    """What each update that is allowed does, and what to type; `shown` makes a name fit.

    `whole`: whether all that is decided on stands beside it. Only then does the number. `undoing`: whether the run is
    ending, and takes back what it did.
    """
    place, node, tool = shown(waiting.place), shown(waiting.node), shown(waiting.tool)
    number = f"**{waiting.number}**" if whole else _UNSEEN
    identity = waiting.identity
    call = waiting.kind == "call"
    for action in waiting.allowed:
        match action:
            case "approve":
                yield f"`approve` with {_approve(waiting, number)}{_let(waiting, node, tool)}"
            case "reject" if call:
                said = f"the call is not made, {node} is told so, and the run does not end"
                yield f"`reject` with {_why(identity)}: {said}"
            case "reject":
                yield f"`reject` with {_why(identity)}: the run ends"
            case "answer":
                yield f"`answer` with JSON, as below{_value(identity, 'answer') if identity in _SURE else ''}"
            case "retry" if waiting.kind == "spent":
                yield f"`retry` with {_note(identity)}: as many rounds again"
            case "retry" if waiting.kind == "unknown":
                # A plain retry, sent twice, could repeat the effect.
                yield f"`retry` with {number}, once you know that it did not happen{_signed(identity, 'retry')}"
            case "retry":
                yield f"`retry` with {_note(identity)}"
            case "edit" if waiting.kind == "unknown":
                yield f"`edit` with what {place} came to, as JSON{_value(identity)}, if it did happen"
            case "edit":
                yield f"`edit` with a corrected {place} as JSON{_value(identity)}"
            case "override":
                assert waiting.override is not None
                yield f"`override`, as {shown(waiting.override.role)}, with {_override(waiting.override, number, node)}"
            case "abort":
                why = f"with {_why(identity)}" if identity != "none" else "with the reason, or nothing"
                ends = f"{node} stays undone, and what is left is undone" if undoing else "the run ends"
                yield f"`abort` {why}: {ends}{', without the call' if call else ''}"


def _override(who: Override, number: str, node: str) -> str:
    """What to type to get past what stopped the node."""
    digits = "NUMBER" if number == _UNSEEN else number.strip("*")
    goes = {
        "output": f"{node} goes on as it is",
        "inputs": f"{node} runs on exactly these inputs",
        "value": f"{node} has the value, without its work",
    }[who.lets]
    options = f" --value 'JSON of {node}'" if who.lets == "value" else ""
    if who.identity in _SURE:
        command = f"override RUN {digits} 'WHY'{options}"
        typed = f"{number} and the reason{_signed(who.identity, command)}"
    elif who.lets == "value":
        typed = f'`{{"number": {digits}, "by": "your name", "note": "why", "value": …}}`'
    else:
        typed = f'{number}, your name and the reason, `"{digits} your name: why"`'
    return f"{typed}: {goes}, and every report shows it"


def _approve(waiting: Waiting, number: str) -> str:
    if waiting.identity == "claimed":
        return f'{number} and your name, as in `"{_digits(waiting, number)} your name"`'
    if waiting.click and number != _UNSEEN:
        return f"nothing, or with {number}"
    digits = _digits(waiting, number)
    vouched = f'; or where the server knows you as the signal `approve`, `{{"number": {digits}}}`'
    said = _signed(waiting.identity, f"approve RUN {digits}")
    return number + said + (vouched if waiting.identity == "authenticated" else "")


def _digits(waiting: Waiting, number: str) -> str:
    return "NUMBER" if number == _UNSEEN else waiting.number


def _let(waiting: Waiting, node: str, tool: str) -> str:
    if waiting.kind == "call":
        return f": {tool} is called once, with exactly the arguments below"
    if waiting.kind == "spent":
        return ": it is taken as it is"
    return f": {node} runs on exactly these inputs" if waiting.before else ""


def _signed(identity: Identity, command: str) -> str:
    command = command if " " in command else f"{command} RUN"
    return f", signed: `gatework {command} --key FILE`, or what `gatework sign` prints" if identity in _SURE else ""


def _why(identity: Identity) -> str:
    if identity == "none":
        return 'the reason in double quotes, `"…"`'
    return 'the reason and your name, `{"note": "…", "by": "your name"}`'


def _note(identity: Identity) -> str:
    if identity == "none":
        return 'nothing, or with a note for the model, `"…"`'
    if identity == "claimed":
        return 'your name, and a note for the model, `{"by": "your name", "note": "…"}`'
    return f"a note for the model, or nothing{_signed(identity, 'retry')}"


def _value(identity: Identity, action: str = "edit") -> str:
    return ' and your name, `{"value": …, "by": "your name"}`' if identity == "claimed" else _signed(identity, action)

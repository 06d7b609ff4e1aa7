"""How a model handles a tool: whether it calls one when it must, with what, and what it then answers.

    python bench/tool_calls.py                                  # the embedded model: about three minutes
    python bench/tool_calls.py --temperatures 0 --only 2        # a look
    GATEWORK_MODEL=openai:gpt-5 python bench/tool_calls.py      # another model

Ten mails name an order. Asked what was paid for it, the model must look the order up, since no mail says so; asked for
the number of the order, it must not. Nothing is called in earnest: each call of `find_order` is answered from a table.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from gatework.models import Material, Model, Question, ToolResult, ToolSpec, Turn, connect

MAILS = {
    "204817": "My order 204817 (a kettle) arrived broken. I want my money back.",
    "117203": "The lamp of 117203 does not light.",
    "559931": "Hello, please refund 559931. The headphones only work on one side.",
    "400212": "I never received order number 400212.",
    "733018": "Regarding 733018: wrong size, I return the shoes.",
    "120045": "Where is my parcel? Order 120045.",
    "891276": "891276 came with a scratch.",
    "345678": "Order 345678: the book lacks pages 40 to 60.",
    "650099": "Hi, the jacket from order 650099 is torn.",
    "287364": "I bought a mixer, order 287364, and it smokes.",
}
ORDER = {"type": "string", "pattern": "^[0-9]{6}$"}
AMOUNT = {"type": "string", "pattern": "^[0-9]{1,3}\\.[0-9]{2}$"}
ROUNDS = 4
"""Answers after which nobody waits for a model that goes on calling."""


def closed(**members: Any) -> dict[str, Any]:
    return {"type": "object", "properties": members, "required": list(members), "additionalProperties": False}


FIND = ToolSpec(
    name="find_order",
    description="Look up an order by its number: what was bought, what was paid.",
    schema=closed(order=ORDER),
)


async def rehearsed(model: Model, asked: Question, order: str, paid: str) -> tuple[Counter[str], dict[str, Any]]:
    """One question to its answer; counts of what happened on the way."""
    counts: Counter[str] = Counter()
    for _ in range(ROUNDS):
        answer = await model.answer(asked)
        if not answer.calls:
            return counts, json.loads(answer.text)
        counts["called"] += not asked.turns
        for call in answer.calls:
            well_formed = call.name == FIND.name and set(json.loads(call.arguments)) == {"order"}
            counts["ill-formed"] += not well_formed
            counts["right order"] += well_formed and json.loads(call.arguments) == {"order": order}
        told = f"item: {MAILS[order].split()[-1]}\npaid: {paid}"
        results = tuple(ToolResult(name=call.name, text=told, untrusted=False) for call in answer.calls)
        asked = replace(asked, turns=(*asked.turns, Turn(calls=answer.calls, results=results)))
    return counts, {}


async def main() -> None:
    """Ask, and print what came of it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--temperatures", type=float, nargs="+", default=[0.0, 0.4])
    parser.add_argument("--only", type=int, default=len(MAILS), help="how many mails")
    arguments = parser.parse_args()
    model = connect()
    for temperature in arguments.temperatures:
        for field, schema, instructions in (
            ("paid", AMOUNT, "Say what the customer paid for the order."),
            ("order", ORDER, "Copy the number of the order from the mail."),
        ):
            counts: Counter[str] = Counter()
            mails = list(MAILS.items())[: arguments.only]
            for number, (order, mail) in enumerate(mails):
                asked = Question(
                    instructions=instructions,
                    material=(Material(name="mail", text=mail, untrusted=True),),
                    schema=closed(**{field: schema}),
                    schema_name="Said",
                    feedback=(),
                    max_output_tokens=80,
                    seed=1,
                    temperature=temperature,
                    tools=(FIND,),
                )
                paid = f"{20 + 7 * number}.{10 + number}"
                found, answer = await rehearsed(model, asked, order, paid)
                counts += found
                counts["right answer"] += answer.get(field) == {"paid": paid, "order": order}[field]
            print(
                f"{model.name} at {temperature:g}, asked for `{field}`: called {counts['called']} of {len(mails)} "
                f"times, with the right order {counts['right order']}, ill-formed {counts['ill-formed']}; "
                f"right answers {counts['right answer']} of {len(mails)}"
            )


if __name__ == "__main__":
    asyncio.run(main())

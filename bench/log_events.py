"""What an event of the log costs: where nobody listens, as a record, and written in each format.

    .venv/bin/python bench/log_events.py

Medians, in microseconds of CPU, written to /dev/null.
"""

from __future__ import annotations

import argparse
import logging
import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime

from gatework import logs
from gatework.logs import emit
from gatework.logs.story import told
from gatework.proof.ledger import Entry
from gatework.run.events import Given
from gatework.run.state import Receipt

ABOUT: emit.Fields = {"run": "refund-4711", "run_id": "0" * 36, "workflow": "refund", "plan": "a" * 12}
VERDICTS = tuple(Given(guard=f"guard_{number}", on="b" * 64, verdict="pass") for number in range(2))
RECEIPT = Receipt(kind="output", node="claim", attempt=1, inputs="c" * 64, output="b" * 64, verdicts=VERDICTS)
ENTRY = Entry.after(None, RECEIPT, datetime(2026, 1, 1, tzinfo=UTC))
STARTED: emit.Fields = {"stage": "claim", "attempt": 1, "digest": "c" * 12, "try": 1}


def started() -> None:
    """What the activity logs."""
    emit.say("stage.started", STARTED)


def accepted() -> None:
    """What the workflow logs of an output that two guards let pass: one event at info level, three at debug level."""
    if emit.wanted(logging.INFO):
        emit.write(told([ENTRY], None), ABOUT)


def microseconds(call: Callable[[], None], rounds: int, calls: int = 2_000) -> float:
    found = []
    for _ in range(rounds):
        began = time.thread_time()
        for _ in range(calls):
            call()
        found.append((time.thread_time() - began) / calls * 1e6)
    return statistics.median(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=20, metavar="N")
    rounds: int = parser.parse_args().rounds
    print(f"{'':28}{'stage.started':>16}{'output.accepted':>18}")
    with open("/dev/null", "w", encoding="utf-8") as nowhere:

        def row(name: str) -> None:
            with emit.bound(ABOUT):
                print(f"{name:28}{microseconds(started, rounds):13.1f} µs{microseconds(accepted, rounds):15.1f} µs")

        row("nobody listens")
        emit.LOGGER.addHandler(logging.NullHandler())
        emit.LOGGER.setLevel(logging.INFO)
        emit.LOGGER.propagate = False
        row("a record, written nowhere")
        emit.LOGGER.handlers.clear()
        emit.LOGGER.propagate = True
        for style in ("json", "pretty"):
            logs.configure(style=style, level="info", values=False, stream=nowhere)
            row(f"{style}, info")
        logs.configure(style="json", level="debug", values=False, stream=nowhere)
        row("json, debug")


if __name__ == "__main__":
    main()

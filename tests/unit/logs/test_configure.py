"""What a process of our own writes: one line an event, of ours and of others, which nothing in it can forge."""

from __future__ import annotations

import io
import json
import logging
import logging.handlers
import queue
import subprocess
import sys
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import structlog
from temporalio.exceptions import ApplicationError

from gatework import logs
from gatework.errors import ConfigError, GateworkError
from gatework.logs import emit
from gatework.logs.vocabulary import LogEvent
from gatework.temporal.transport.payloads import application_error
from tests.unit.logs.test_text import HOSTILE

RUN: emit.Fields = {"run": "refund-7", "run_id": "r", "workflow": "refund", "plan": "a" * 12}
LOGGERS = ("gatework", "gatework.values", "temporalio", "httpx", "httpcore", "openai", "anthropic")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def untouched(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The logging of the process as it was."""
    for name in ("GATEWORK_LOG", "GATEWORK_LOG_LEVEL", "GATEWORK_LOG_VALUES", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    root = logging.getLogger()
    handlers, levels = list(root.handlers), {name: logging.getLogger(name).level for name in ("", *LOGGERS)}
    yield
    root.handlers[:] = handlers
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


def written(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_json_lines_have_the_fields_of_the_event() -> None:
    """One object a line: time, level, event, then what names the run, then the rest."""
    stream = io.StringIO()
    logs.configure(stream=stream)
    emit.write([LogEvent.of("stage.failed", {"stage": "pay", "attempt": 2, "why": "error", "reason": "No."})], RUN)
    [line] = written(stream)
    assert list(line) == [
        "time", "level", "event", "run", "run_id", "workflow", "plan", "stage", "attempt", "why", "reason",
    ]  # fmt: skip
    assert (line["level"], line["event"], line["attempt"]) == ("warning", "stage.failed", 2)
    assert line["time"].endswith("+00:00")


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("style", ["json", "pretty"])
def test_hostile_values_forge_nothing_in_either_format(style: Any, text: str) -> None:
    """Ids, names, notes and reasons stay inside their field, on the one line of their event."""
    plain, evil = Terminal(), Terminal()
    for stream, value in ((plain, "x y"), (evil, text)):
        logs.configure(style=style, stream=stream)
        taken = {"stage": "agreed", "by": value, "note": value, "identity": "claimed", "shown": (f"{value}:a",)}
        emit.write([LogEvent.of("decision.taken", taken)], {**RUN, "run": value})
        logging.getLogger("app").warning("they said %s", value, extra={"said": value, value: value})
    assert evil.getvalue().count("\n") == plain.getvalue().count("\n") == 2
    assert evil.getvalue().count("\x1b") == plain.getvalue().count("\x1b")
    kept = evil.getvalue().replace("\n", "").replace("\x1b", "")
    assert kept.isprintable()
    if style == "json":
        ours, theirs = written(evil)
        assert (ours["event"], ours["level"], theirs["logger"]) == ("decision.taken", "info", "app")


def test_terminal_gets_colours_and_a_pipe_gets_json(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not asked for follows from where it goes; NO_COLOR is heeded."""
    terminal, pipe = Terminal(), io.StringIO()
    for stream in (terminal, pipe):
        logs.configure(stream=stream)
        emit.say("run.begun", RUN)
    assert "\x1b[" in terminal.getvalue()
    assert written(pipe)[0]["event"] == "run.begun"
    monkeypatch.setenv("NO_COLOR", "1")
    plain = Terminal()
    logs.configure(stream=plain)
    emit.say("run.begun", RUN)
    assert "\x1b" not in plain.getvalue()


def test_environment_chooses_and_a_wrong_word_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Names of formats and levels are the documented ones; the sentence says which."""
    stream = Terminal()
    monkeypatch.setenv("GATEWORK_LOG", "json")
    monkeypatch.setenv("GATEWORK_LOG_LEVEL", "WARNING")
    logs.configure(stream=stream)
    emit.say("run.begun", RUN)
    emit.say("effect.unknown", RUN)
    assert [line["event"] for line in written(stream)] == ["effect.unknown"]
    monkeypatch.setenv("GATEWORK_LOG", "xml")
    with pytest.raises(ConfigError, match="GATEWORK_LOG is none of pretty, json"):
        logs.configure(stream=stream)


def test_refusal_of_ours_has_no_stack_and_no_double() -> None:
    """Temporal's line about an attempt to be tried again repeats ours; that about another refusal is one sentence."""
    stream = io.StringIO()
    logs.configure(stream=stream)
    temporal = logging.getLogger("temporalio.activity")
    for error in (
        application_error(ConfigError("Broke."), retryable=True),
        application_error(GateworkError("Not asked.")),
        ApplicationError("SECRET", type="Theirs"),
    ):
        try:
            raise error
        except ApplicationError:
            details = {"temporal_activity": {"activity_type": "pay", "workflow_id": "refund-7", "attempt": 2}}
            temporal.warning("Completing activity as failed ({'a': 1})", exc_info=True, extra=details)
    refused, failed = written(stream)
    assert (refused["event"], refused["error"]) == ("Completing activity as failed", "gatework.gatework")
    assert (refused["reason"], refused["run"], refused["try"], "stack" in refused) == (
        "Not asked.",
        "refund-7",
        2,
        False,
    )
    assert failed["error"] == "ApplicationError"
    assert "SECRET" not in failed["stack"].replace('ApplicationError("SECRET"', "")
    assert "reason" not in failed


def test_core_of_temporal_says_a_thing_once() -> None:
    """While a server is away its pollers say so many times a second; the reason is one sentence, and nothing else."""
    stream = io.StringIO()
    logs.configure(stream=stream)
    said = SimpleNamespace(
        fields={"error": 'Status { code: Unavailable, message: "tcp \\"x", source: SECRET }', "failure": "SECRET"}
    )
    core = logging.getLogger("temporalio.core")
    for times in range(7, 20):
        core.warning("gRPC call poll retried %s times", times, extra={"temporal_log": said})
    core.warning("Something else")
    first, other = written(stream)
    assert first["event"] == "gRPC call poll retried 7 times"
    assert first["reason"] == 'Unavailable: tcp \\"x'
    assert "SECRET" not in stream.getvalue()
    assert other["event"] == "Something else"


def test_messages_of_exceptions_stay_out_unless_values_are_asked_for() -> None:
    """Where they are, the log says so loudly, once, at its beginning."""
    for values in (False, True):
        stream = io.StringIO()
        logs.configure(values=values, level="error", stream=stream)
        try:
            raise ValueError("".join(["SEC", "RET"]))
        except ValueError as error:
            emit.say_broke("stage.broke", error, RUN)
        emit.say_value("output", "SECRET")
        lines = written(stream)
        broke = next(line for line in lines if line["event"] == "stage.broke")
        assert (broke["error"], "SECRET" in json.dumps(broke)) == ("ValueError", False)
        assert ("SECRET" in stream.getvalue()) is values
        assert ("GATEWORK_LOG_VALUES is on" in lines[0]["event"]) is values


def test_debug_is_for_our_events_only() -> None:
    """At debug level others log what they send and receive, which would be the prompts."""
    stream = io.StringIO()
    logs.configure(level="debug", stream=stream)
    for name in ("openai", "httpx", "temporalio.worker", "activities.mail"):
        logging.getLogger(name).debug("SECRET")
    logging.getLogger("httpx").info("HTTP Request")
    logging.getLogger("activities.mail").info("read")
    assert [line["event"] for line in written(stream)] == ["read"]


def test_lines_of_a_stage_carry_its_run() -> None:
    """What the code of a stage logs by itself is found by the run as well."""
    stream = io.StringIO()
    logs.configure(stream=stream)
    with emit.bound({**RUN, "stage": "pay", "attempt": 1}):
        logging.getLogger("activities.bank").info("asked %s", "the bank")
    [line] = written(stream)
    assert (line["logger"], line["run"], line["stage"]) == ("activities.bank", "refund-7", "pay")
    assert line["event"] == "asked the bank"


@pytest.mark.parametrize("style", ["json", "pretty"])
def test_extra_fields_of_others_pass_for_none_of_ours(style: Any) -> None:
    """What a library adds to its records can be neither their time, their level, their event nor their logger."""
    stream = io.StringIO()
    logs.configure(stream=stream, style=style)
    extra = {"event": "run.ended", "time": "never", "level": "info", "logger": "gatework", "stack": 7, "outcome": "ok"}
    logging.getLogger("library").warning("said", extra=extra)
    text = stream.getvalue()
    assert "said" in text
    assert "outcome" in text
    assert "run.ended" not in text
    if style == "json":
        [line] = written(stream)
        assert (line["event"], line["level"], line["logger"]) == ("said", "warning", "library")


def test_structlog_of_the_application_goes_the_same_way() -> None:
    """A stage that logs by structlog, sent to the standard library, gets the same lines, as clean."""
    stream = io.StringIO()
    logs.configure(stream=stream)
    structlog.configure(
        processors=[structlog.stdlib.add_log_level, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )
    try:
        structlog.get_logger("activities.bank").warning("asked\x1b[2J", said="a\nb")
    finally:
        structlog.reset_defaults()
    [line] = written(stream)
    assert (line["event"], line["level"], line["said"]) == ("asked\ufffd[2J", "warning", "a b")


# -- applications that bring their own logging -----------------------------------------------------

QUIET = """
import gatework
from gatework.logs import emit
emit.say("run.begun", {"run": "r"})
emit.say("stage.failed", {"run": "r", "stage": "pay", "reason": "No."})
emit.say_value("output", "SECRET")
"""


def test_application_that_configures_nothing_sees_warnings_only() -> None:
    """On standard error, with the fields in the message; and structlog is not even loaded."""
    done = subprocess.run(
        [sys.executable, "-c", f"{QUIET}\nimport sys\nassert 'structlog' not in sys.modules"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert (done.stdout, done.stderr) == ("", "stage.failed run=r stage=pay reason=No.\n")


def test_values_stay_off_for_an_application_at_debug_level() -> None:
    """Only who asks the logger of the values by its name gets them."""
    stream = io.StringIO()
    root = logging.getLogger()
    root.handlers[:] = [logging.StreamHandler(stream)]
    root.setLevel(logging.DEBUG)
    emit.LOGGER.setLevel(logging.NOTSET)
    emit.say_value("output", "SECRET")
    assert stream.getvalue() == ""
    emit.VALUES.setLevel(logging.DEBUG)
    emit.say_value("output", "SECRET")
    assert "SECRET" in stream.getvalue()


def test_application_with_structlog_gets_our_fields() -> None:
    """Its own `ProcessorFormatter`, with `ExtraAdder` as structlog documents it, has each field by its name."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[structlog.stdlib.add_log_level, structlog.stdlib.ExtraAdder()],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.JSONRenderer(),
        ],
    )
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    emit.LOGGER.setLevel(logging.INFO)
    emit.write([LogEvent.of("output.accepted", {"stage": "read", "guards": 2})], RUN)
    [line] = written(stream)
    assert line == {"event": "output.accepted", "level": "info", **RUN, "stage": "read", "guards": 2}


def test_application_that_queues_its_records_loses_none_of_them() -> None:
    """A `QueueHandler` copies records; what a listener writes in another thread is the same line."""
    stream, waiting = io.StringIO(), queue.SimpleQueue[Any]()
    root = logging.getLogger()
    root.handlers[:] = [logging.handlers.QueueHandler(waiting)]
    emit.LOGGER.setLevel(logging.INFO)
    emit.write([LogEvent.of("output.accepted", {"stage": "read", "guards": 2})], RUN)
    written = logging.StreamHandler(stream)
    written.setFormatter(logging.Formatter("%(levelname)s %(message)s [%(stage)s]"))
    written.handle(waiting.get())
    assert stream.getvalue() == f"INFO output.accepted run=refund-7 run_id=r workflow=refund plan={'a' * 12} " + (
        "stage=read guards=2 [read]\n"
    )

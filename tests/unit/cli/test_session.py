"""How commands end: an exit code, at most one sentence, never a traceback; and what they load before they begin."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from gatework.cli.session import Failure, UsageError, ended, fail
from gatework.errors import ConfigError, ContractError, DecisionError

GATEWORK = str(Path(sys.executable).with_name("gatework"))
SECRET = "\x1b[31mcard 4111"


def raising(error: BaseException) -> Callable[[], object]:
    def command() -> object:
        raise error

    return command


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (DecisionError("Not so."), 1, "Not so.\n"),
        (ContractError("not so", field="x"), 1, "field x: not so\n"),
        (ConfigError("No server."), 3, "No server.\n"),
        (UsageError("No such name."), 2, "No such name.\n"),
        (fail("Wrong.", 2), 2, "Wrong.\n"),
        (Failure("", 143), 143, ""),
        (ExceptionGroup("", [ExceptionGroup("", [ConfigError("Two\nlines.")])]), 3, "Two lines.\n"),
        (KeyboardInterrupt(), 130, ""),
        (asyncio.CancelledError(), 130, ""),
        (BrokenPipeError(), 141, ""),
        (SystemExit(7), 7, ""),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else None,
)
def test_command_that_fails_ends_with_a_code_and_one_sentence(
    error: BaseException, code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same error ends the same way in every command."""
    with pytest.raises(SystemExit) as left:
        ended(raising(error), as_json=False)
    assert (left.value.code, capsys.readouterr()) == (code, ("", said))


def test_error_that_nobody_foresaw_tells_where_and_nothing_of_what_it_holds(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its message may hold anything; the traceback is there for who asks."""
    with pytest.raises(SystemExit) as left:
        ended(raising(ValueError(SECRET)), as_json=False)
    said = capsys.readouterr().err
    assert left.value.code == 70
    assert "ValueError at test_session.py:" in said
    assert said.count("\n") == 1
    assert "4111" not in said
    monkeypatch.setenv("GATEWORK_DEBUG", "1")
    with pytest.raises(SystemExit):
        ended(raising(ValueError(SECRET)), as_json=False)
    assert "Traceback" in capsys.readouterr().err


def test_failure_as_json_is_one_object(capsys: pytest.CaptureFixture[str]) -> None:
    """With the kind of error, the sentence and the exit code."""
    with pytest.raises(SystemExit):
        ended(raising(ConfigError("No server.")), as_json=True)
    assert json.loads(capsys.readouterr().err) == {"error": "config", "message": "No server.", "exit_code": 3}


def test_sentence_on_the_terminal_holds_no_control_characters(capsys: pytest.CaptureFixture[str]) -> None:
    """An error may name what was typed, or what a server said."""
    with pytest.raises(SystemExit):
        ended(raising(DecisionError(SECRET)), as_json=False)
    assert capsys.readouterr().err == "\ufffd[31mcard 4111\n"


def test_command_whose_reader_has_gone_is_quiet() -> None:
    """As with `gatework … | head -1`: no word on standard error, and the exit code that shells know."""
    for arguments in (["plan", "show"], ["plan", "check"], ["--version"]):
        read, write = os.pipe()
        os.close(read)
        done = subprocess.run(
            [GATEWORK, *arguments],
            stdout=write,
            stderr=subprocess.PIPE,
            cwd=Path(__file__).parents[3],
            timeout=60,
            check=False,
        )
        os.close(write)
        assert (done.returncode, done.stderr) == (141, b"")


def test_command_line_loads_nothing_that_it_may_not_need() -> None:
    """Help and the commands on plans wait for no server's client, no log, no event loop."""
    heavy = "asyncio jsonschema jsonschema_rs pydantic_ai structlog temporalio watchfiles"
    program = f"import sys, gatework.cli.main; print(*set({heavy.split()}) & sys.modules.keys())"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert loaded.stdout.split() == []


def test_names_of_the_driver_are_loaded_when_they_are_used() -> None:
    """Each name that the driver exports is there, is no module, and costs nothing before."""
    program = (
        "import sys, gatework.temporal as t; before = 'temporalio' in sys.modules; import types;"
        "print(before, [n for n in t.__all__ if isinstance(getattr(t, n), types.ModuleType)],"
        "{*t.__all__} <= {*dir(t)})"
    )
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert said.split() == ["False", "[]", "True"]

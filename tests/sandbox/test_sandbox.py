"""The sandbox as its users have it: what goes in and out, what is refused, and what happens where there is none."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gatework.errors import ConfigError
from gatework.sandbox import FolderError, Sandbox, SandboxError, new_folder, view
from tests.sandbox.arena import MIB, Outside

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="sandboxes are Linux's"),
    pytest.mark.skipif(shutil.which("bwrap") is None and not os.environ.get("CI"), reason="no bubblewrap on the PATH"),
]


@pytest.fixture
def folder() -> Iterator[Path]:
    with new_folder() as made:
        yield made


@pytest.fixture
def box(folder: Path) -> Sandbox:
    return Sandbox(folder=folder, seconds=10)


def sh(text: str, *arguments: str) -> list[str]:
    return ["sh", "-c", text, "sh", *arguments]


async def test_program_gets_its_input_and_gives_output_errors_and_code(box: Sandbox) -> None:
    """As any program: three streams and a number."""
    ran = await box.run(sh("wc -c"), stdin=b"x" * 300_000)
    assert ran.output.strip() == b"300000"
    ran = await box.run(sh("cat; echo no >&2; exit 3"), stdin=b"yes")
    assert (ran.code, ran.output, ran.errors, ran.ended, ran.note) == (3, b"yes", b"no\n", "exited", "")


async def test_input_that_nobody_reads_holds_nothing_up(box: Sandbox) -> None:
    """A program may end before it has read anything."""
    ran = await box.run(["true"], stdin=b"x" * 5 * MIB)
    assert (ran.code, ran.ended) == (0, "exited")


async def test_arguments_are_handed_over_as_they_are(box: Sandbox) -> None:
    """No shell reads them."""
    hostile = ["$(touch /work/x)", "; touch /work/x", "--", "-c", "a\nb", "'\"", ""]
    ran = await box.run(["printf", "%s|", *hostile])
    assert ran.output_text == "|".join([*hostile, ""])
    assert box.names() == []


async def test_program_that_does_not_exist_says_so(box: Sandbox) -> None:
    """127, as in a shell."""
    ran = await box.run(["/usr/bin/no-such-program"])
    assert ran.code == 127
    assert "not found" in ran.errors_text


async def test_output_that_is_no_text_is_made_text(box: Sandbox) -> None:
    """For models and logs: no broken UTF-8, no zero bytes."""
    ran = await box.run(["printf", r"a\0b\377"])
    assert ran.output == b"a\0b\xff"
    assert ran.output_text == "a\ufffdb\ufffd"


async def test_files_are_kept_between_programs(box: Sandbox) -> None:
    """The folder is one; /tmp is another one each time."""
    box.put("in/data.txt", b"3 4")
    await box.run(sh("wc -w < in/data.txt > out.txt; echo gone > /tmp/x"))
    ran = await box.run(sh("cat out.txt; ls /tmp"))
    assert ran.output_text.split() == ["2"]
    assert box.get("out.txt").split() == [b"2"]
    assert box.names() == ["in/data.txt", "out.txt"]
    box.put("out.txt", b"anew")
    assert box.get("out.txt") == b"anew"
    with pytest.raises(FolderError, match="larger than the 3 bytes"):
        box.get("out.txt", max_bytes=3)
    with pytest.raises(FolderError, match="more than 1 files"):
        box.names(most=1)


async def test_folder_is_shut_to_everybody_else(box: Sandbox) -> None:
    """A program that opens it finds it shut with the next."""
    await box.run(["chmod", "777", "/work"])
    await box.run(["true"])
    assert box.folder.stat().st_mode & 0o777 == 0o700


async def test_what_may_be_read_can_be_read_and_no_more(outside: Outside) -> None:
    """Read-only, at its own place; what stands beside it is not there."""
    shown = outside.folder / "shown"
    shown.mkdir()
    (shown / "a.txt").write_text("seen")
    (shown / "link.txt").symlink_to(outside.key)
    with new_folder() as folder:
        box = Sandbox(folder=folder, read=[shown])
        program = 'cat "$1/a.txt"; cat "$1/link.txt"; ls "$2"; echo x > "$1/a.txt"'
        ran = await box.run(sh(program, str(shown), str(outside.folder)))
    assert ran.output_text == "seenshown\n"
    assert "Read-only file system" in ran.errors_text
    assert (shown / "a.txt").read_text() == "seen"


@pytest.mark.parametrize("path", ["/", "relative", "/usr/../etc", ""])
def test_not_all_of_the_machine_may_be_read(folder: Path, path: str) -> None:
    """Whole paths, and never all of it."""
    with pytest.raises(ConfigError, match="never all of the machine"):
        Sandbox(folder=folder, read=[path])


async def test_what_may_be_read_must_be_there(folder: Path) -> None:
    """A sandbox that cannot be made is an error, and no program runs."""
    with pytest.raises(SandboxError, match="could not make the sandbox"):
        await Sandbox(folder=folder, read=["/no/such/folder"]).run(["touch", "/work/ran"])
    assert not (folder / "ran").exists()


@pytest.mark.parametrize("limit", ["memory_bytes", "seconds", "processes", "file_bytes"])
def test_limits_are_above_zero(folder: Path, limit: str) -> None:
    """Nothing would run."""
    limits: Any = {limit: 0}
    with pytest.raises(ConfigError, match=limit):
        Sandbox(folder=folder, **limits)


async def test_program_must_be_named(box: Sandbox) -> None:
    """An empty command, and one that no system call takes."""
    for command in ([], ["a\0b"]):
        with pytest.raises(ConfigError, match="needs a program"):
            await box.run(command)


async def test_folder_of_somebody_else_is_not_taken(tmp_path: Path) -> None:
    """A worker that is root would give it away."""
    (tmp_path / "file").write_text("x")
    with pytest.raises(ConfigError, match=r"belongs to another user|is in use"):
        await Sandbox(folder=tmp_path if os.geteuid() == 0 else Path("/usr")).run(["true"])
    (tmp_path / "link").symlink_to("/usr")
    with pytest.raises(ConfigError, match="is not a folder"):
        await Sandbox(folder=tmp_path / "link").run(["true"])


async def test_many_run_side_by_side_and_the_loop_goes_on(folder: Path) -> None:
    """Each in a thread that waits for it, here until all ten have begun; nobody else waits."""
    box = Sandbox(folder=folder, seconds=60, processes=200)  # of all that share the folder
    meets = "touch begun.$1; until [ $(ls begun.* | wc -l) -eq 10 ]; do sleep 0.1; done; echo $1"
    beats = 0

    async def beat() -> None:
        nonlocal beats
        while True:
            await asyncio.sleep(0.01)
            beats += 1

    beating = asyncio.create_task(beat())
    ran = await asyncio.gather(*(box.run(sh(meets, str(number))) for number in range(10)))
    beating.cancel()
    assert [each.output_text for each in ran] == [f"{number}\n" for number in range(10)]
    assert beats > 5


async def test_program_that_nobody_waits_for_ends_at_once(box: Sandbox) -> None:
    """A stage that is cancelled leaves nothing running."""
    running = asyncio.create_task(box.run(sh("echo $$ > pid; while true; do date > beat; sleep 0.05; done")))
    while not (box.folder / "beat").exists():
        await asyncio.sleep(0.02)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    before = (box.folder / "beat").stat().st_mtime_ns
    await asyncio.sleep(0.3)
    assert (box.folder / "beat").stat().st_mtime_ns == before


# -- where there is none -------------------------------------------------------------------------------


@pytest.fixture
def none_here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """A machine without bubblewrap."""
    monkeypatch.setenv("PATH", str(tmp_path))
    view.missing.cache_clear()
    yield
    view.missing.cache_clear()


@pytest.mark.usefixtures("none_here")
async def test_nothing_runs_without_a_sandbox(box: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """One sentence that says what to install, and how it is allowed without. Nothing but 1 allows it."""
    for value in ("", "0", "yes"):
        monkeypatch.setenv("GATEWORK_UNSANDBOXED", value)
        with pytest.raises(ConfigError) as caught:
            await box.run(["/usr/bin/touch", str(box.folder / "ran")])
        assert caught.value.message == (
            "bubblewrap is not installed; install it (on Debian and Ubuntu: apt install bubblewrap). "
            "Without a sandbox this runs only where GATEWORK_UNSANDBOXED=1 says so."
        )
    assert box.names() == []


@pytest.mark.usefixtures("none_here")
@pytest.mark.parametrize("by", ["variable", "argument"])
async def test_who_allows_it_is_told_each_time(
    folder: Path, by: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Loudly: an error in the log for each program."""
    if by == "variable":
        monkeypatch.setenv("GATEWORK_UNSANDBOXED", "1")
    box = Sandbox(folder=folder, allow_unsandboxed=by == "argument", seconds=5)
    with caplog.at_level(logging.WARNING, logger="gatework"):
        for _ in range(2):
            ran = await box.run(["/bin/sh", "-c", "/usr/bin/printenv HOME; pwd"])
            assert ran.output_text == f"{folder}\n{folder}\n"
    said = [record for record in caplog.records if "sandbox.missing" in record.getMessage()]
    assert [record.levelno for record in said] == [logging.ERROR] * 2


@pytest.mark.usefixtures("none_here")
async def test_limits_hold_without_a_sandbox_as_far_as_they_can(folder: Path) -> None:
    """Time, output, one's own environment, and that nothing stays: not even what has left its session."""
    box = Sandbox(folder=folder, allow_unsandboxed=True, seconds=0.5, memory_bytes=100 * MIB)
    assert (await box.run(["/bin/sleep", "5"])).ended == "timeout"
    assert (await box.run(["/usr/bin/yes"])).ended == "output"
    ran = await box.run(["/usr/bin/env"])
    assert {line.split("=")[0] for line in ran.output_text.split()} == {"PATH", "HOME", "TMPDIR", "LANG"}
    ran = await box.run(["/bin/sh", "-c", "/usr/bin/setsid /bin/sleep 60 >/dev/null 2>&1 & echo $!"])
    assert ran.ended == "exited"
    assert not Path(f"/proc/{int(ran.output)}").exists()


async def test_sandbox_is_taken_where_there_is_one(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Being allowed to go without does not mean to."""
    monkeypatch.setenv("GATEWORK_UNSANDBOXED", "1")
    ran = await Sandbox(folder=folder, allow_unsandboxed=True).run(["pwd"])
    assert ran.output_text == "/work\n"


def test_machine_that_makes_no_namespaces_is_told_what_to_allow(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A bubblewrap that always fails, as in most containers."""
    (tmp_path / "bwrap").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "bwrap").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    view.missing.cache_clear()
    try:
        assert view.missing().startswith("bubblewrap may make no namespaces here; ")
    finally:
        view.missing.cache_clear()

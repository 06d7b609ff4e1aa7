"""The command line against a real server: decisions, where runs stand, plans; and its exit codes."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from contextlib import aclosing
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from temporalio.client import WorkflowFailureError

from gatework.temporal import GateworkPlugin, find
from gatework.temporal.client import operate, watching
from gatework.temporal.page.progress import Progress
from gatework.temporal.workflow import answering
from gatework.values import wire
from tests.workflow.conftest import Typed
from tests.workflow.deployment import ROOT, Deployments, end, until
from tests.workflow.plans import RETRY, Note, Paper, hasty, signed, single, world
from tests.workflow.project import Project

GATEWORK = str(Path(sys.executable).with_name("gatework"))
NOWHERE = "127.0.0.1:1"
EVIL = "\x1b[2J\x1b]0;owned\x07 [bold]not bold[/bold] \u202e txt"


# -- decisions -------------------------------------------------------------------------------------


async def test_approve_with_the_number_completes_the_run(deployments: Deployments, typed: Typed) -> None:
    """The decision is the same update that the UI sends, and the name is recorded as claimed."""
    run, waits = await (await deployments.serve(signed)).gate(signed, Note(text="fine"))
    done = await typed("approve", run.id, waits.number, "--by", "ana", "--note", "seen")
    assert (done.exit_code, done.stdout) == (0, "approve taken at agreed by ana (as claimed).\n")
    assert await run.result() == Paper(text="fine")
    (decided,) = [entry.receipt for entry in await run.ledger() if entry.receipt.kind == "decided"]
    assert (decided.by, decided.reason) == ("ana", "seen")


async def test_approve_with_another_number_is_refused_in_a_sentence(deployments: Deployments, typed: Typed) -> None:
    """Exit code 1, nothing on standard output, and the run still waits."""
    run, waits = await (await deployments.serve(signed)).gate(signed, Note(text="fine"))
    wrong = "1000" if waits.number != "1000" else "1001"
    refused = await typed("approve", run.id, wrong)
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert refused.stderr.startswith("That is not the number on the panel")
    assert refused.stderr.count("\n") == 1
    assert (await run.state()).status == "waiting"
    await run.abort("test")


async def test_run_is_found_by_the_beginning_of_its_id(deployments: Deployments, typed: Typed) -> None:
    """Enough of it is enough; too little, nothing and nonsense are refused."""
    deployed = await deployments.serve(signed)
    one, waits = await deployed.gate(signed, Note(text="one"), id=f"{deployments.queue}-one")
    two, _ = await deployed.gate(signed, Note(text="two"), id=f"{deployments.queue}-two")
    assert (await typed("approve", f"{deployments.queue}-o", waits.number)).exit_code == 0
    for name, said in ((deployments.queue, "More than one run"), ("no-such-run", "There is no run"), (" ", "Name the")):
        refused = await typed("approve", name, "1234")
        assert (refused.exit_code, refused.stderr.split(said)[0]) == (1, ""), refused.stderr
    assert "There is no run" in (await typed("approve", "x' OR 'a' = 'a", "1234")).stderr
    assert await one.result() == Paper(text="one")
    await two.abort("test")


async def test_reject_and_abort_end_the_run_with_the_reason(deployments: Deployments, typed: Typed) -> None:
    """Both say why, and who."""
    deployed = await deployments.serve(signed)
    for command, ending in (("reject", "gatework.rejected"), ("abort", "gatework.aborted")):
        run, _ = await deployed.gate(signed, Note(text="no"))
        assert (await typed(command, run.id, "too much", "--by", "ana")).exit_code == 0
        cause = await end(run)
        assert cause.type == ending
        assert "by ana" in cause.message
        assert "too much" in cause.message


async def test_retry_hands_the_note_to_the_stage(deployments: Deployments, typed: Typed) -> None:
    """The note is feedback to the next attempt."""
    world.verdicts[:] = [RETRY] * 3
    run, _ = await (await deployments.serve(single)).gate(single, Note(text="x"))
    assert (await typed("retry", run.id, "look closer")).exit_code == 0
    assert await run.result() == Paper(text="x")
    assert "look closer" in world.feedback[-1]


async def test_edit_takes_json_from_the_line_or_the_input(deployments: Deployments, typed: Typed) -> None:
    """What cannot be read is wrong usage, what breaks the contract is refused, and neither changes anything."""
    run, _ = await (await deployments.serve(signed)).gate(signed, Note(text="x"))
    assert (await typed("edit", run.id, "{bad")).exit_code == 2
    assert (await typed("edit", run.id, '{"pages": 2}')).exit_code == 1
    assert (await typed("edit", run.id, "-", "--place", "paper", stdin='{"text": "better", "pages": 2}')).exit_code == 0
    waits = (await run.waiting()).waiting
    assert waits is not None
    assert (await typed("approve", run.id, waits.number)).exit_code == 0
    assert await run.result() == Paper(text="better", pages=2)


async def test_decision_on_a_run_that_has_ended_is_refused(deployments: Deployments, typed: Typed) -> None:
    """One sentence, exit code 1."""
    run = await (await deployments.serve(single)).start(single, Note(text="x"))
    await run.result()
    refused = await typed("abort", run.id, "late")
    assert (refused.exit_code, refused.stderr.count("\n")) == (1, 1)
    assert f"{run.id} has ended; nothing is decided in it any more" in refused.stderr


# -- where runs stand ------------------------------------------------------------------------------


async def test_show_tells_what_is_asked_and_nothing_in_it_is_obeyed(deployments: Deployments, typed: Typed) -> None:
    """Evidence is shown as text: no escape codes, no markup, no turned direction."""
    run, waits = await (await deployments.serve(signed)).gate(signed, Note(text=EVIL))
    shown = await typed("show", run.id)
    assert shown.exit_code == 0
    assert "boss: approve paper?" in shown.stdout
    assert f"gatework approve {run.id} {waits.number}" in shown.stdout
    assert "[bold]not bold[/bold]" in shown.stdout
    assert not set("\x1b\x07\u202e") & set(shown.stdout)
    data = json.loads((await typed("show", run.id, "--json")).stdout)
    assert data["state"]["waiting"]["number"] == waits.number
    assert data["state"]["waiting"]["shown"]["paper"]["text"] == EVIL
    await run.abort("test")


async def test_id_of_a_run_is_shown_as_text_and_never_obeyed(deployments: Deployments, typed: Typed) -> None:
    """Whoever starts runs chooses their ids."""
    hostile = f"{deployments.queue}-{EVIL}"
    run, _ = await (await deployments.serve(signed)).gate(signed, Note(text="x"), id=hostile)
    one = find((await deployments.calling()).client, signed, hostile)

    async def listed() -> bool:
        return "owned" in (await typed("runs")).stdout

    await until(listed, "the run")
    outputs = [await typed("show", hostile), await typed("runs", "--json"), await typed("runs", "--all")]
    outputs.append(await typed("run", "tests.workflow.plans:signed", '{"text": "x"}', "--id", hostile))
    outputs.append(await typed("abort", hostile, "test"))
    outputs += [await typed("abort", hostile, "again"), await typed("watch", hostile), await typed("logs", hostile)]
    for said in outputs:
        assert not set("\x1b\x07\u202e") & set(said.stdout + said.stderr)
    assert (await one.state()).status == "aborted"
    assert run.id == hostile


async def test_show_tells_which_guard_stopped_what(deployments: Deployments, typed: Typed) -> None:
    """Refused outputs are part of the story."""
    world.verdicts[:] = [RETRY]
    run = await (await deployments.serve(single)).start(single, Note(text="first words"))
    await run.result()
    shown = (await typed("show", run.id)).stdout
    assert "attempt 1 gave" in shown
    assert "first words" in shown
    assert "guard judged: retry" in shown
    assert "completed" in shown


async def test_runs_lists_those_that_wait_and_on_request_all(deployments: Deployments, typed: Typed) -> None:
    """An operator sees what needs them, with the number."""
    deployed = await deployments.serve(signed, single)
    assert (await typed("runs")).stdout == "No run waits for a person.\n"
    run, waits = await deployed.gate(signed, Note(text="x"))
    ended = await deployed.start(single, Note(text="x"))
    await ended.result()
    # The server lists what has happened a moment later.
    everything = ""
    while run.id not in everything or ended.id not in everything:
        everything = (await typed("runs", "--all")).stdout
    assert "completed" in everything
    listed = (await typed("runs")).stdout
    assert run.id in listed
    assert waits.number in listed
    assert ended.id not in listed
    (one,) = json.loads((await typed("runs", "--json")).stdout)
    assert one["waiting"]["role"] == "boss"
    await run.abort("test")


async def test_runs_are_listed_where_a_worker_answers_in_words_of_another_version(
    deployments: Deployments, typed: Typed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """During a deploy a run whose worker cannot be understood is unknown, and hides no other run."""

    def of_tomorrow(value: object) -> bytes:
        return b'{"tomorrow": 1}' if isinstance(value, Progress) else wire.encode(value)

    deployed = await deployments.serve(signed)
    run, _ = await deployed.gate(signed, Note(text="x"))
    monkeypatch.setattr(answering, "wire", SimpleNamespace(encode=of_tomorrow, decode=wire.decode))
    (one,) = json.loads((await typed("runs", "--json")).stdout)
    assert (one["id"], one["status"]) == (run.id, "unknown")
    found = await operate.find_run(deployed.client, run.id)
    async with aclosing(watching.watched(deployed.client, found)) as moments:
        assert (await anext(moments)).silent == "worker"
    monkeypatch.undo()
    await run.abort("test")


async def test_runs_say_how_they_ended_and_not_that_temporal_calls_it_failed(
    deployments: Deployments, typed: Typed
) -> None:
    """Rejected, aborted, expired, cancelled: each is said as it was, with the reason, with no worker asked."""
    async with deployments.serving(signed, hasty) as deployed:
        ways = ("rejected", "aborted", "expired", "cancelled")
        ids = {way: f"{deployments.queue}-{way}" for way in ways}
        for way in ways:
            run, _ = await deployed.gate(hasty if way == "expired" else signed, Note(text="x"), id=ids[way])
            if way == "rejected":
                await run.reject("too much", by="ana")
            elif way == "aborted":
                await run.abort("not today")
            elif way == "cancelled":
                await run.handle.cancel()
            with pytest.raises(WorkflowFailureError):
                await run.result()

    async def listed() -> dict[str, tuple[str, str]]:
        found = json.loads((await typed("runs", "--all", "--json")).stdout)
        said = {run["id"]: (run["status"], run["reason"]) for run in found}
        return said if set(ids.values()) <= set(said) else {}

    said = await until(listed, "the list of those that ended")
    assert {way: said[ids[way]][0] for way in ways} == {way: way for way in ways}
    assert "by ana at agreed: too much" in said[ids["rejected"]][1]
    shown = (await typed("runs", "--all")).stdout
    assert "rejected by ana at agreed: too much" in shown
    assert "failed" not in shown


async def test_runs_are_listed_by_plan_and_by_workflow(deployments: Deployments, typed: Typed) -> None:
    """Any beginning of the digest names the plan, and what is no digest is refused."""
    deployed = await deployments.serve(signed, single)
    one, _ = await deployed.gate(signed, Note(text="x"))
    other = await deployed.start(single, Note(text="x"))
    await other.result()

    async def ids(*arguments: str) -> set[str]:
        return {run["id"] for run in json.loads((await typed("runs", "--all", "--json", *arguments)).stdout)}

    async def both() -> bool:
        return await ids() == {one.id, other.id}

    await until(both, "both runs in the list")
    for digest in (signed.plan.digest, signed.plan.digest[:16], signed.plan.digest[:6].upper()):
        assert await ids("--plan", digest) == {one.id}
    assert await ids("--workflow", "single") == {other.id}
    cut = await typed("runs", "--all", "--limit", "1", "--json")
    assert [run["id"] for run in json.loads(cut.stdout)] == [one.id]  # the one that runs
    assert "Only 1 runs were looked at, and there are more" in cut.stderr
    assert "there are more" not in (await typed("runs", "--all", "--limit", "2")).stderr
    assert await ids("--workflow", "single", "--plan", signed.plan.digest) == set()
    assert signed.plan.digest[:8] in (await typed("runs")).stdout
    for wrong in (("--plan", "xyz!"), ("--plan", "abc"), ("--workflow", "a' OR 'b")):
        refused = await typed("runs", *wrong)
        assert (refused.exit_code, refused.stderr.count("\n")) == (1, 1)
    await one.abort("test")


async def test_shell_completes_the_ids_of_runs(deployments: Deployments) -> None:
    """What a shell asks for when Tab is typed; nothing, and no error, where no server answers."""
    run = await (await deployments.calling()).start(single, Note(text="x"), f"{deployments.queue}-completed")

    async def completed(address: str) -> str:
        env = {"TEMPORAL_ADDRESS": address, "PATH": "/usr/bin:/bin", "_GATEWORK_COMPLETE": "complete_bash"}
        env |= {"COMP_WORDS": f"gatework watch {deployments.queue}-c", "COMP_CWORD": "2"}
        done = await asyncio.to_thread(subprocess.run, [GATEWORK], env=env, capture_output=True, text=True, timeout=60)
        assert done.stderr == ""
        return done.stdout.strip()

    async def listed() -> bool:
        return await completed(deployments.address) == run.id

    await until(listed, "the id")
    assert await completed(NOWHERE) == ""
    await run.handle.terminate()


# -- for programs ----------------------------------------------------------------------------------


async def test_decision_as_json_says_which_run_took_it(deployments: Deployments, typed: Typed) -> None:
    """One object on standard output, nothing else."""
    run, waits = await (await deployments.serve(signed)).gate(signed, Note(text="fine"))
    done = await typed("approve", run.id, waits.number, "--by", "ana", "--json")
    said = json.loads(done.stdout)
    assert (said["id"], said["said"]) == (run.id, "approve taken at agreed by ana (as claimed).")
    assert done.stderr == ""


async def test_errors_as_json_are_one_object_on_standard_error(deployments: Deployments, typed: Typed) -> None:
    """Refusals, a missing server, wrong usage: the same form, and the exit code in it."""
    for arguments, kind, code in (
        (("approve", "no-such-run", "1234", "--json"), "decision", 1),
        (("approve", "x", "--json"), "usage", 2),
        (("nonsense", "--json"), "usage", 2),
        (("edit", "x", "{bad", "--json"), "usage", 2),
    ):
        refused = await typed(*arguments)
        said = json.loads(refused.stderr)
        assert (refused.exit_code, said["exit_code"], said["error"]) == (code, code, kind), said
        assert said["message"]
        assert refused.stdout == ""
    missing = await typed("runs", "--json", address=NOWHERE)
    assert (missing.exit_code, json.loads(missing.stderr)["error"]) == (3, "config")


async def test_json_holds_nothing_that_a_terminal_obeys(deployments: Deployments, typed: Typed) -> None:
    """Control characters of a value are escaped, also those that JSON lets through."""
    hostile = "\x9b2J \u202e \U000e0041 ü 表"
    run, _ = await (await deployments.serve(signed)).gate(signed, Note(text=hostile))
    shown = await typed("show", run.id, "--json")
    assert json.loads(shown.stdout)["state"]["waiting"]["shown"]["paper"]["text"] == hostile
    assert not set("\x9b\u202e\U000e0041") & set(shown.stdout)
    assert "ü 表" in shown.stdout
    await run.abort("test")


# -- where something is missing --------------------------------------------------------------------


async def test_command_without_a_server_says_so_and_exits_with_3(typed: Typed) -> None:
    """Which server, and how to have one."""
    for command in (("runs",), ("show", "x"), ("approve", "x", "1234")):
        failed = await typed(*command, address=NOWHERE)
        assert failed.exit_code == 3
        assert "No Temporal server answers at 127.0.0.1:1" in failed.stderr


async def test_decision_without_a_worker_says_so_and_exits_with_3(
    deployments: Deployments, typed: Typed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It does not hang, and says that the decision may still be taken."""
    monkeypatch.setattr("gatework.temporal.client.operate.ANSWER_TIMEOUT", timedelta(seconds=2))
    async with deployments.serving(signed) as deployed:
        run, waits = await deployed.gate(signed, Note(text="x"))
    failed = await typed("approve", run.id, waits.number)
    assert failed.exit_code == 3
    assert "No worker" in failed.stderr
    client = await deployments.client(GateworkPlugin(signed))
    await client.get_workflow_handle(run.id).terminate()


async def test_console_script_exits_with_what_it_means() -> None:
    """As a process: 0, 2 for wrong usage, 3 without a server; one sentence, no traceback, no abort at the end."""
    for arguments, code in ((["--version"], 0), (["approve", "x"], 2), (["runs"], 3), (["nonsense"], 2)):
        done = await asyncio.to_thread(
            subprocess.run,
            [GATEWORK, *arguments],
            env={"TEMPORAL_ADDRESS": NOWHERE, "PATH": "/usr/bin:/bin"},
            capture_output=True,
            text=True,
            timeout=60,
            cwd=ROOT,
        )
        assert done.returncode == code, done.stderr
        assert "Traceback" not in done.stderr


# -- migrate ---------------------------------------------------------------------------------------


async def test_migrate_shows_asks_and_moves(deployments: Deployments, typed: Typed, tmp_path: Path) -> None:
    """A dry run changes nothing; without a terminal nothing is moved unasked; --yes moves, with who and why."""
    folder = tmp_path / f"project_{tmp_path.name}"
    folder.mkdir()
    project = Project(folder)
    v1 = project.loaded(last="polish")
    async with deployments.serving(v1) as deployed:
        run, _ = await deployed.gate(v1, v1.input.annotation(text="a"))
    v2 = project.loaded(last="stamp", hours=2)
    async with deployments.serving(v2):
        dry = await typed("migrate", run.id, "--dry-run")
        assert dry.exit_code == 0, dry.stderr
        assert f"from plan {v1.plan.digest[:12]} to {v2.plan.digest[:12]}" in dry.stdout
        assert "kept       paper" in dry.stdout
        assert "stamp" in dry.stdout
        told = json.loads((await typed("migrate", run.id, "--dry-run", "--json")).stdout)
        assert (told["kept"], told["refused"]) == (["paper"], "")
        unasked = await typed("migrate", run.id)
        assert (unasked.exit_code, unasked.stderr) == (
            2,
            "Nothing was moved: add --yes to do it, or --dry-run to look only.\n",
        )
        assert (await run.state()).plan == v1.plan.digest
        done = await typed("migrate", run.id, "--yes", "--by", "ana", "--note", "stamps")
        assert done.exit_code == 0, done.stderr
        assert f"the run goes on with plan {v2.plan.digest[:12]}." in done.stdout

        async def moved() -> bool:
            return (await run.state()).plan == v2.plan.digest

        await until(moved, "the run is on the other plan")
        again = await typed("migrate", run.id, "--yes")
        assert (again.exit_code, again.stderr) == (1, "The run is held to that plan already.\n")
        nowhere = await typed("migrate", run.id, "--to", "0" * 12, "--yes")
        assert (nowhere.exit_code, nowhere.stderr.count("\n")) == (1, 1), nowhere.stderr
        assert "This deploy has no plan of" in nowhere.stderr
        await run.abort("test")

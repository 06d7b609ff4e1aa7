"""Exports of runs on a real server: whole ledgers, whatever became of the run, and only the values that may leave."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client

from gatework.errors import DecisionError
from gatework.proof import certificate, ledger
from gatework.proof.ledger import broken_at
from gatework.releases.library import Library
from gatework.signing import attest, dsse
from gatework.signing.keys import PrivateKey
from gatework.temporal import Execution
from gatework.temporal.client.exporting import Disclosure, ForgottenError, exported
from gatework.temporal.client.history import HistoryError
from gatework.verify import whole
from gatework.verify.refusal import Refused
from tests.proof import both
from tests.proof.runs import SERVED, Played, Stage, errand_undone, gone_on, played, reset, undone, waits
from tests.unit.verify.forging import changed, forged
from tests.workflow.conftest import Typed, typed_at
from tests.workflow.deployment import Deployments, payload, waiting
from tests.workflow.errands import errands
from tests.workflow.families import calls, child, part, result, started
from tests.workflow.plans import Note, chain, signed, single
from tests.workflow.test_resume import NOWHERE

PRIVATE = "called twice"


@pytest.fixture(scope="module")
async def stage(address: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    folder = tmp_path_factory.mktemp("proof")
    async with Deployments(address, folder) as deployments:
        yield Stage(deployments, await deployments.serve(*SERVED), folder)


@pytest.fixture(scope="module")
async def scenes(stage: Stage) -> Mapping[str, Played]:
    """Played once for all tests here; the others are among the certificates that are kept."""
    return {scene.__name__: await played(scene, stage) for scene in (undone, waits, errand_undone, gone_on, reset)}


def kinds(one: Played) -> list[str]:
    return [entry.receipt.kind for entry in one.exported.certificate.runs[0].entries]


Forget = Callable[[str], None]


@pytest.fixture
def forget(monkeypatch: pytest.MonkeyPatch) -> Forget:
    """Has the server answer of a run as it does once its time is over; to delete one takes it half a minute."""
    gone: set[str] = set()
    handle_of = Client.get_workflow_handle

    def asked(client: Client, id: str, *, run_id: str | None = None, **more: Any) -> Any:
        return handle_of(client, id, run_id=NOWHERE if run_id in gone else run_id, **more)

    monkeypatch.setattr(Client, "get_workflow_handle", asked)
    return gone.add


# -- the ledger ------------------------------------------------------------------------------------


async def test_ledger_is_that_of_the_run(scenes: Mapping[str, Played]) -> None:
    """Digest by digest what a worker says of it, over resumption and reset; the lineage is the run's."""
    for one in scenes.values():
        top = one.exported.certificate.runs[0]
        assert list(top.entries) == await one.run.ledger()
        assert top.run_id == (await one.run.handle.describe()).run_id
        assert str(top.entries[0].receipt.how["run"]).startswith(f"default/{one.run.id}/")
        assert certificate.read(one.file) == one.exported.certificate


async def test_run_that_has_not_ended_is_exported_as_it_stands(scenes: Mapping[str, Played]) -> None:
    """One of two approvals is there, and nothing says that it ended."""
    one = scenes["waits"]
    assert (one.exported.open, one.exported.ended) == (True, "")
    assert kinds(one)[-2:] == ["asked", "decided"]
    assert [scenes[name].exported.open for name in ("undone", "gone_on")] == [False, False]


async def test_what_was_undone_says_how_it_ended(scenes: Mapping[str, Played]) -> None:
    """The run was aborted once its work was taken back."""
    one = scenes["undone"]
    assert one.exported.ended == "aborted"
    assert kinds(one)[-6:] == ["undoing", "suspended", "acting", "acted", "output", "ended"]


async def test_child_runs_come_with_it_and_theirs(scenes: Mapping[str, Played]) -> None:
    """Each that a ledger names, also one that took back what an earlier run of it did, whose ledger goes on."""
    found = scenes["errand_undone"].exported
    top, *children = found.certificate.runs
    named = [entry.receipt.how for entry in found.certificate.entries if entry.receipt.kind == "returned"]
    assert [child.run_id for child in children] == [how["run"] for how in named]
    heads = {child.run_id: child.entries[-1].digest for child in children}
    assert all(heads[how["run"]] == how["ledger"] for how in named)
    took_back = [child for child in children if any(entry.receipt.kind == "resumed" for entry in child.entries)]
    assert len(took_back) == 2
    assert all(child.entries[0].receipt.kind == "begun" for child in took_back)
    assert {top.workflow, *(child.workflow for child in children)} <= set(Library([errands]).names)
    assert found.left_out == ()


async def test_what_resets_cut_off_stays_beside_the_ledger(scenes: Mapping[str, Played]) -> None:
    """The payment that followed the first, and the gate that followed the second, each once."""
    one = scenes["reset"]
    [top] = one.exported.certificate.runs
    cut = [[entry.receipt.kind for entry in each.entries] for each in top.superseded]
    assert any("acted" in each and each[-1] == "ended" for each in cut)
    assert len(cut) == 2
    digests = [entry.digest for entry in one.exported.certificate.entries]
    assert len(set(digests)) == len(digests)


async def test_ledger_that_is_handed_on_in_part_is_whole(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, forget: Forget
) -> None:
    """Of a long run each leg knows the end alone; the export has all of it, of every leg."""
    monkeypatch.setattr(ledger, "WHOLE", 4)
    monkeypatch.setattr(ledger, "RECENT", 2)
    inner = part(single, "outer.found")
    outer = calls(inner, at_most=2)
    async with stage.deployments.serving(inner, outer, continue_after_events=30, queue="long") as deployed:
        run = await started(deployed, outer, [{"text": str(number)} for number in range(14)])
        await result(run)
    assert broken_at(await run_ledger(run)) is not None
    found = await exported(stage.deployed.client, Library([inner, outer]), run.id)
    top, *children = found.certificate.runs
    assert broken_at(top.entries) is None
    assert len(children) == 14
    assert [entry.receipt.kind for entry in top.entries].count("returned") == 14
    certificate.written(found.certificate)

    first = (await run.handle.describe()).raw_description.workflow_execution_info.first_run_id
    third = await stage.deployed.client.get_workflow_handle(f"{run.id}/found/3").describe()
    forget(third.run_id)
    without = await exported(stage.deployed.client, Library([inner, outer]), run.id)
    assert without.left_out == (f"The child run {run.id}/found/3: the server has forgotten it.",)
    assert len(without.certificate.runs) == len(found.certificate.runs) - 1
    forget(first)
    with pytest.raises(ForgottenError, match="forgotten the beginning"):
        await exported(stage.deployed.client, Library([inner, outer]), run.id)


async def test_child_runs_that_are_under_way_come_as_far_as_they_are(stage: Stage) -> None:
    """Their lineage says whose they are, and a verifier holds them to it. What the server ended just ends."""
    inner, outer = signed, calls(signed, at_most=2)
    progress: list[tuple[int, int]] = []
    async with stage.deployments.serving(inner, outer, queue="under_way") as deployed:
        run = await started(deployed, outer, [{"text": "a"}, {"text": "b"}])
        first, second = [await child(run, f"found/{number}", inner) for number in (1, 2)]
        await waiting(second)
        await first.approve((await waiting(first)).number, by="Ada")
        await first.handle.result()
        found = await exported(
            stage.deployed.client, Library([inner, outer]), run.id, progress=lambda *far: progress.append(far)
        )
        await second.handle.terminate("enough")
        await waiting(run)
        after = await exported(stage.deployed.client, Library([inner, outer]), run.id)
    assert progress == [(3, 0)]
    assert (found.open, found.left_out) == (True, ())
    checked = whole.check(found.certificate)
    (going_on,) = [one.id for one in checked.children if (one.child, one.outcome, one.there) == (1, "", True)]
    assert going_on == (await second.handle.describe()).run_id
    (number,) = [n for n, one in enumerate(found.certificate.runs) if one.run_id == going_on]
    begun = found.certificate.runs[number].entries[0].receipt
    stranger = forged(found.certificate, changed("begun", how={**begun.how, "run": f"{begun.how['run']}0"}), number)
    with pytest.raises(Refused, match="started by none of the others"):
        whole.check(stranger)
    # The run that started it says that it failed, and nobody says more.
    lost = whole.check(after.certificate)
    assert ("failed", False) in {(one.outcome, one.there) for one in lost.children}
    said = [both.second(certificate.written(one)) for one in (found.certificate, stranger, after.certificate)]
    assert said == ["", "child", ""]


async def run_ledger(run: Execution[Any]) -> list[Any]:
    """What the last leg was handed on, with what came to it."""
    from gatework.temporal.client.history import legs, rebuilt  # of the plans of this run

    chain_ = await legs(run.handle._client, run.id, (await run.handle.describe()).run_id)
    library = Library([run._workflow, part(single, "outer.found")])
    return list((await rebuilt(chain_[-1], library, run.handle._client.data_converter)).ledger)


async def test_beginning_that_was_handed_on_whole_need_not_be_remembered(stage: Stage, forget: Forget) -> None:
    """The first leg is gone, and its entries are not; what only its history held is withheld."""
    async with stage.deployments.serving(chain, continue_after_events=12, queue="short") as deployed:
        run = await deployed.start(chain, Note(text="a"))
        await run.result()
        whole = await exported(deployed.client, Library([chain]), run.id)
        first = (await run.handle.describe()).raw_description.workflow_execution_info.first_run_id
        forget(first)
        left = await exported(deployed.client, Library([chain]), run.id)
    assert left.certificate.runs == whole.certificate.runs
    assert left.certificate.values.keys() <= whole.certificate.values.keys()


async def test_values_in_a_store_that_is_not_there_are_said(stage: Stage) -> None:
    """A ledger is made from what the stages were given; with the store it is whole."""
    store = stage.folder / "store"
    store.mkdir()
    async with stage.deployments.serving(single, store=str(store), queue="stored") as deployed:
        run = await deployed.start(single, Note(text="x" * 300_000))
        await run.result()
        found = await exported(deployed.client, Library([single]), run.id)
    assert [len(value.data["text"]) for value in found.certificate.values.values()] == [300_000, 300_000]
    with pytest.raises(HistoryError, match="set GATEWORK_STORE"):
        await exported(stage.deployed.client, Library([single]), run.id)


async def test_run_that_never_began_proves_nothing(stage: Stage) -> None:
    """Its input broke the contract."""
    id_ = await stage.deployed.start_raw("signed", payload(b'{"text": 1}'))
    run = stage.deployed.client.get_workflow_handle(id_)
    with pytest.raises(Exception, match="Workflow execution failed"):
        await run.result()
    with pytest.raises(DecisionError, match="ended before it began"):
        await exported(stage.deployed.client, Library([signed]), id_)


async def test_plan_that_is_nowhere_is_said(stage: Stage, scenes: Mapping[str, Played]) -> None:
    """Nothing is made up for a plan of another version, or a workflow that is not here."""
    run = scenes["gone_on"].run
    with pytest.raises(HistoryError, match="There is no workflow signed here"):
        await exported(stage.deployed.client, Library([single]), run.id)
    other = Library([signed])
    [known] = other.plans("signed")
    other._plans["signed"] = (replace(known, plan=replace(known.plan, acknowledged=("paper",))),)
    with pytest.raises(HistoryError, match="lock file"):
        await exported(stage.deployed.client, other, run.id)


# -- values ----------------------------------------------------------------------------------------


async def test_what_is_private_stays_behind(stage: Stage, scenes: Mapping[str, Played]) -> None:
    """Nothing that a private tool said is in the file, until it is asked for by name; the ledger is the same."""
    one = scenes["undone"]
    given = one.exported.certificate
    assert PRIVATE not in one.file.decode()
    assert one.exported.withheld > 0
    past = next(entry.receipt.output for entry in given.entries if entry.receipt.node == "past")
    assert past in certificate.named(given) - given.values.keys()
    also = await exported(stage.deployed.client, one.library, one.run.id, Disclosure(also=["past"]))
    assert also.certificate.values[past].data["text"] == f"The customer of A-4 {PRIVATE}."
    assert also.certificate.runs == given.runs
    bare = await exported(stage.deployed.client, one.library, one.run.id, Disclosure(values=False, also=["letter"]))
    assert [value.data["text"] for value in bare.certificate.values.values()] == ["You are owed 80 for A-4."]
    with pytest.raises(DecisionError, match="no value of nothing in the run; there are those of"):
        await exported(stage.deployed.client, one.library, one.run.id, Disclosure(never=["nothing"]))


async def test_value_that_would_tell_others_is_withheld_though_it_is_asked_for(
    stage: Stage, scenes: Mapping[str, Played]
) -> None:
    """The salt of the input is that of the arguments of calls: by it they could be guessed. It is said, with why."""
    one = scenes["undone"]
    both = Disclosure(values=False, also=["note", "receipt", "letter"])
    bare = await exported(stage.deployed.client, one.library, one.run.id, both)
    assert "A-4 80" not in str(bare.certificate.values)
    assert len(bare.left_out) == 1
    assert bare.left_out[0].startswith("All values of note: others could be guessed from them")


async def test_every_value_that_a_receipt_names_is_found(stage: Stage, scenes: Mapping[str, Played]) -> None:
    """Inputs, outputs, results and arguments of calls, edits, what children were given: all with their salts."""
    for name in ("undone", "waits", "errand_undone", "gone_on"):
        one = scenes[name]
        with pytest.raises(DecisionError) as told:
            await exported(stage.deployed.client, one.library, one.run.id, Disclosure(also=[""]))
        there = told.value.message.partition("those of ")[2].rstrip(".").split(", ")
        seen = await exported(stage.deployed.client, one.library, one.run.id, Disclosure(also=there))
        assert (seen.withheld, seen.left_out) == (0, ())


# -- the command -----------------------------------------------------------------------------------


@pytest.fixture
def typed(stage: Stage, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Typed:
    """Runs a command outside of any project."""
    monkeypatch.chdir(tmp_path)
    return typed_at(stage.deployments)


CODE = ("--code", "tests.proof.plans:payout")


async def test_export_writes_one_file_and_never_over_another(
    scenes: Mapping[str, Played], typed: Typed, tmp_path: Path
) -> None:
    """Named after the run, for its owner alone, and replaced only where that is said."""
    one = scenes["undone"]
    done = await typed("export", "undone", *CODE)
    assert done.exit_code == 0, done.stderr
    file = tmp_path / "undone.certificate.json"
    assert file.read_bytes() == one.file
    assert file.stat().st_mode & 0o077 == 0
    assert "18 receipts, it was aborted." in done.stdout
    assert "1 withheld" in done.stdout
    assert (await typed("verify", file.name)).exit_code == 0
    again = await typed("export", "undone", *CODE)
    assert (again.exit_code, again.stderr.strip()) == (
        1,
        "undone.certificate.json is there already; name another with --output, or add --force.",
    )
    assert (await typed("export", "undone", *CODE, "--digests-only", "--force", "--json")).exit_code == 0
    assert certificate.read(file.read_bytes()).values == {}
    assert os.listdir(tmp_path) == [file.name]


async def test_export_to_standard_output_is_the_certificate_alone(scenes: Mapping[str, Played], typed: Typed) -> None:
    """What is said of it goes elsewhere, and both cannot be had as JSON."""
    done = await typed("export", "undone", *CODE, "--output", "-")
    assert done.stdout_bytes == scenes["undone"].file
    assert "receipts" in done.stderr
    assert (await typed("export", "undone", *CODE, "--output", "-", "--json")).exit_code == 2


async def test_export_says_what_it_wrote_as_json(scenes: Mapping[str, Played], typed: Typed, tmp_path: Path) -> None:
    """With the head of the ledger, by which a program finds it again."""
    done = await typed("export", "waits", *CODE, "--json", "--output", str(tmp_path / "c.json"))
    said = json.loads(done.stdout)
    top = scenes["waits"].exported.certificate.runs[0]
    assert (said["run"], said["workflow"], said["open"], said["outcome"]) == ("waits", "payout", True, "")
    assert (said["entries"], said["head"]) == (len(top.entries), top.entries[-1].digest)
    assert said["bytes"] == (tmp_path / "c.json").stat().st_size


async def test_export_that_cannot_be_is_a_sentence(scenes: Mapping[str, Played], typed: Typed, tmp_path: Path) -> None:
    """No run, no project, no place to write to."""
    assert "There is no run" in (await typed("export", "nobody", *CODE)).stderr
    assert "no folder `workflows`" in (await typed("export", "undone")).stderr
    nowhere = await typed("export", "undone", *CODE, "--output", str(tmp_path / "no" / "c.json"))
    assert (nowhere.exit_code, nowhere.stderr.strip().endswith("No such file or directory.")) == (1, True)


SERVICE = """
from pathlib import Path
from gatework.signing.keys import PrivateKey

def exporter():
    return PrivateKey.read(Path(__file__).parent / "2.pem", lambda: "")
"""


async def test_export_is_signed_by_every_key(
    scenes: Mapping[str, Played], typed: Typed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From a file, a variable or a service of the project; values taken out later leave the signatures good."""
    keys = [PrivateKey.made(), PrivateKey.made(), PrivateKey.made()]
    for number, key in enumerate(keys):
        key.write(tmp_path / f"{number}.pem")
    monkeypatch.setenv("EXPORTER", (tmp_path / "1.pem").read_text())
    (tmp_path / "key_service.py").write_text(SERVICE)
    for missing in ("env:NOTHING", "call:key_service:nothing", "call:key_service", "file:"):
        refused = await typed("export", "undone", *CODE, "--key", missing)
        assert (refused.exit_code, refused.stderr.count("\n")) == (3, 1), refused.stderr
    sources = ("--key", "0.pem", "--key", "env:EXPORTER", "--key", "call:key_service:exporter")
    done = await typed("export", "undone", *CODE, *sources, "--output", "c.json")
    assert done.exit_code == 0, done.stderr
    before = certificate.read((tmp_path / "c.json").read_bytes()).signatures
    assert [signature.key for signature in before] == [key.public.id for key in keys]
    assert (await typed("redact", "c.json", "letter")).exit_code == 0
    left = certificate.read((tmp_path / "c.json").read_bytes())
    assert left.signatures == before
    message = dsse.encoded(attest.of_certificate(left))
    assert all(
        key.public.verifies(base64.b64decode(signature.signature), message)
        for key, signature in zip(keys, before, strict=True)
    )


async def test_program_exports_what_the_command_does(scenes: Mapping[str, Played]) -> None:
    """By the handle of a run, with the plans of its workflow."""
    one = scenes["gone_on"]
    assert await one.run.export() == one.file


async def test_redact_takes_values_out_of_a_file(scenes: Mapping[str, Played], typed: Typed, tmp_path: Path) -> None:
    """The ledger stands, the file stays one certificate, and what tells the arguments of a call goes, too."""
    file = tmp_path / "c.json"
    file.write_bytes(scenes["undone"].file)
    done = await typed("redact", "c.json", "letter")
    assert done.exit_code == 0, done.stderr
    left = certificate.read(file.read_bytes())
    assert left.runs == scenes["undone"].exported.certificate.runs
    assert "You are owed" not in file.read_text()
    unknown = await typed("redact", "c.json", "nothing")
    assert unknown.exit_code == 1
    assert unknown.stderr.strip().startswith("No input, node or value of the certificate is named nothing; it has ")
    held = scenes["undone"].exported.certificate
    for name in certificate.names_disclosed(certificate.without(held, certificate.standing_under(held, ["letter"]))):
        assert name in unknown.stderr
    assert "letter" not in unknown.stderr
    assert (await typed("redact", "c.json", "receipt", "--output", "d.json")).exit_code == 0
    assert "A-4 80" in file.read_text()
    assert "A-4 80" not in (tmp_path / "d.json").read_text()

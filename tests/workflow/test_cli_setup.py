"""`gatework setup`: what it finds of a server and a project, what it makes, and what it exits with."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest
from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest
from temporalio.client import Client

from gatework.temporal.worker import checks
from tests.conftest import server_in
from tests.workflow.deployment import Deployments
from tests.workflow.plans import Note, signed
from tests.workflow.project import Project

GATEWORK = str(Path(sys.executable).with_name("gatework"))


@pytest.fixture(scope="module")
async def address(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """A server of these tests' own, since setup registers search attributes."""
    async with await server_in(tmp_path_factory.mktemp("server")) as environment:
        yield environment.client.service_client.config.target_host


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project whose only workflow is `letter`."""
    folder = tmp_path / "project" / "workflows"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text("")
    Project(folder).write(last="polish", stages="workflows.stages")
    return folder.parent


async def gatework(
    project: Path,
    *arguments: str,
    address: str,
    queue: str = "nobody",
    namespace: str = "default",
    model: str = "",
    more: Mapping[str, str] | None = None,
) -> tuple[int, dict[str, dict[str, str]], str]:
    """A command in the project: exit code, what was found by check, and standard error."""
    env = {"PATH": "/usr/bin:/bin", "TEMPORAL_ADDRESS": address, "GATEWORK_TASK_QUEUE": queue, "COLUMNS": "100"}
    env |= {"TEMPORAL_NAMESPACE": namespace, "GATEWORK_MODEL": model, **(more or {})}
    done = await asyncio.to_thread(
        subprocess.run, [GATEWORK, *arguments], cwd=project, env=env, capture_output=True, text=True, timeout=90
    )
    found = {check["check"]: check for check in json.loads(done.stdout)} if "--json" in arguments else {}
    return done.returncode, found, done.stderr


async def test_setup_without_a_server_says_so_and_what_it_can_say_besides(project: Path) -> None:
    """Exit code 1; what needs the server is skipped; plans and model are looked at all the same."""
    code, found, said = await gatework(project, "setup", "--json", address="127.0.0.1:1")
    assert (code, said) == (1, "")
    marks = {name: check["mark"] for name, check in found.items()}
    assert marks == {
        "server": "missing",
        "namespace": "skipped",
        "search": "skipped",
        "plans": "missing",
        "worker": "skipped",
        "runs in flight": "skipped",
        "model": "ok",
        "people": "ok",
        "notify": "note",
        "store": "ok",
    }
    assert "127.0.0.1:1" in found["server"]["said"]
    assert "gatework plan lock" in found["plans"]["todo"]


async def test_setup_makes_the_namespace_once_and_sets_its_retention_when_told(
    project: Path, deployments: Deployments
) -> None:
    """The second time there is nothing to do."""
    name = f"made-{uuid.uuid4()}"
    (_, first, _), (_, second, _), (_, third, _), (_, fourth, _) = [
        await gatework(project, "setup", "--json", *more, address=deployments.address, namespace=name)
        for more in ((), (), ("--retention", "3"), ())
    ]
    assert [found["namespace"]["mark"] for found in (first, second, third, fourth)] == ["done", "ok", "done", "note"]
    assert "30 days" in second["namespace"]["said"]
    assert "3 days" in fourth["namespace"]["said"]
    client = await Client.connect(deployments.address, namespace=name)
    assert (await client.count_workflows("")).count == 0


async def test_setup_registers_search_attributes_once_and_names_one_of_another_type(
    project: Path, deployments: Deployments
) -> None:
    """They are optional: what cannot be registered is a note, and no failure."""
    name = f"found-{uuid.uuid4()}"
    (_, first, _), (_, second, _) = [
        await gatework(project, "setup", "--json", address=deployments.address, namespace=name) for _ in range(2)
    ]
    assert [found["search"]["mark"] for found in (first, second)] == ["done", "ok"]
    assert "GateworkNeeds" in first["search"]["said"]
    assert "started again" in first["search"]["todo"]

    other = f"other-{uuid.uuid4()}"
    client = await Client.connect(deployments.address, namespace=other)
    assert (await checks.namespace(client)).mark == "done"
    text = {"GateworkNeeds": IndexedValueType.INDEXED_VALUE_TYPE_TEXT}
    await client.operator_service.add_search_attributes(
        AddSearchAttributesRequest(namespace=other, search_attributes=text)
    )
    _, found, _ = await gatework(project, "setup", "--json", address=deployments.address, namespace=other)
    assert (found["search"]["mark"], found["search"]["said"]) == (
        "note",
        "GateworkNeeds is of type text, and not keyword",
    )


async def test_setup_is_content_with_a_locked_project_that_a_worker_serves(
    project: Path, deployments: Deployments
) -> None:
    """Exit code 0, every mark good; a human reads the same."""
    assert (await gatework(project, "plan", "lock", address=deployments.address))[0] == 0
    await deployments.serve(signed)
    code, found, _ = await gatework(
        project,
        "setup",
        "--json",
        address=deployments.address,
        queue=deployments.queue,
        more={"GATEWORK_NOTIFY": "true", "GATEWORK_UI": "https://ui.example"},
    )
    marks = {name: check["mark"] for name, check in found.items() if name not in ("namespace", "search")}
    checks = ("server", "plans", "worker", "runs in flight", "model", "people", "notify", "store")
    assert marks == dict.fromkeys(checks, "ok")
    assert (code, "letter" in found["plans"]["said"]) == (0, True)


async def test_setup_names_the_runs_whose_plan_the_code_has_not(project: Path, deployments: Deployments) -> None:
    """Runs of another plan, or of a workflow that is gone, would wait for ever for this deploy."""
    deployed = await deployments.serve(signed)
    run, _ = await deployed.gate(signed, Note(text="x"), f"{deployments.queue}-held")

    async def looked() -> dict[str, str]:
        _, found, _ = await gatework(project, "setup", "--json", address=deployments.address, queue=deployments.queue)
        return found["runs in flight"]

    while (found := await looked())["mark"] == "ok":  # the server lists what has happened a moment later
        await asyncio.sleep(0.2)
    assert found["mark"] == "missing"
    assert run.id in found["said"]
    assert f"1 of signed held to plan {signed.plan.digest[:12]}" in found["said"]
    await run.abort("test")


async def test_setup_looks_whether_the_model_could_be_asked(project: Path, deployments: Deployments) -> None:
    """A key that is missing, and a name that is none, are said; no call is made."""
    for model, words in (("openai:gpt-5", "OPENAI_API_KEY"), ("nonsense", "names no model")):
        _, found, _ = await gatework(project, "setup", "--json", address=deployments.address, model=model)
        # No stage of this project asks a model, so that it is worth a note and no failure.
        assert found["model"]["mark"] == "note"
        assert words in found["model"]["said"]


async def test_setup_looks_whether_people_could_be_told(
    project: Path, deployments: Deployments, tmp_path: Path
) -> None:
    """No hook and no link are worth a note; a hook that can be none is a failure. Nothing is sent."""
    sent = tmp_path / "sent"
    for more, mark, words in (
        ({}, "note", "nobody is told"),
        ({"GATEWORK_NOTIFY": f"touch {sent}"}, "note", "GATEWORK_UI"),
        ({"GATEWORK_NOTIFY": f"touch {sent}", "GATEWORK_UI": "https://ui.example"}, "ok", "a command"),
        ({"GATEWORK_NOTIFY": "http://hooks.example.org/s3cret"}, "missing", "use https"),
    ):
        code, found, _ = await gatework(project, "setup", "--json", address=deployments.address, more=more)
        assert found["notify"]["mark"] == mark
        assert words in found["notify"]["said"] + found["notify"]["todo"]
        assert code == 1  # no worker, and no lock
        assert "s3cret" not in str(found)
    assert not sent.exists()


async def test_setup_looks_whether_documents_can_be_stored(
    project: Path, deployments: Deployments, tmp_path: Path
) -> None:
    """A store that is set and cannot be used is missing; one that can holds nothing afterwards."""
    (folder := tmp_path / "store").mkdir()
    for place, mark in ((folder, "ok"), (tmp_path / "none", "missing"), (Path("relative"), "missing")):
        more = {"GATEWORK_STORE": str(place)}
        _, found, _ = await gatework(project, "setup", "--json", address=deployments.address, more=more)
        assert found["store"]["mark"] == mark, found["store"]
    assert [path for path in folder.rglob("*") if path.is_file()] == []


async def test_setup_of_a_broken_project_says_where_it_breaks(project: Path, deployments: Deployments) -> None:
    """One sentence with file and line, no traceback; the other checks go on."""
    (project / "workflows" / "letter.py").write_text("import stages_that_are_not_there\n")
    code, found, said = await gatework(project, "setup", "--json", address=deployments.address)
    assert (code, said) == (1, "")
    assert "workflows/letter.py:1" in found["plans"]["said"]
    assert found["server"]["mark"] == "ok"


async def test_commands_in_a_namespace_that_is_not_there_name_the_way_out(
    project: Path, deployments: Deployments
) -> None:
    """It is not mistaken for a run that is gone."""
    code, _, said = await gatework(project, "runs", address=deployments.address, namespace="never-made")
    assert (code, said.count("\n")) == (3, 1)
    assert "gatework setup" in said

"""`--file FIELD=PATH`: files that go into the store, and into the input of a run as documents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gatework.cli.session import USAGE, fail, ran
from gatework.define.workflow import Workflow
from gatework.errors import ContractError
from gatework.values import canonical
from gatework.values.canonical import Json
from gatework.values.document import Document


def attached(workflow: Workflow[Any, Any], data: bytes, files: Sequence[str]) -> bytes:
    """The input with documents in the fields that are named; the files are stored first."""
    if not files:
        return data
    if workflow.input.annotation is Document:
        if len(files) > 1 or data.strip():
            raise fail(f"{workflow.name} starts from one document; give one --file PATH and nothing else.", USAGE)
        return canonical.dumps(_stored(files[0]))
    try:
        value = canonical.loads(data, max_bytes=canonical.MAX_STORED_VALUE_BYTES) if data.strip() else {}
    except ContractError as error:
        raise fail(f"The input cannot be read: {error}; give it as JSON in single quotes.", USAGE) from None
    if not isinstance(value, dict):
        raise fail(f"{workflow.name} has no fields that could hold a document in this input.", USAGE)
    places = [_place(workflow, file) for file in files]
    for names, path, many in places:
        for file in _files(path, many):
            _put(value, names, _stored(file), many)
    return canonical.dumps(value)


def _place(workflow: Workflow[Any, Any], file: str) -> tuple[Sequence[str], str, bool]:
    """Where a file goes: the names on the way, its path, and whether a list of documents is there."""
    field, _, path = file.partition("=")
    names = field.split(".")
    schema: Json = workflow.input.schema
    for name in names:
        properties = _followed(workflow, schema).get("properties", {})
        if name not in properties or not path:
            known = ", ".join(f"{one}=PATH" for one in properties) or "nothing"
            raise fail(f"--file is written FIELD=PATH, and {workflow.name} takes {known} there.", USAGE)
        schema = properties[name]
    return names, path, _followed(workflow, schema).get("type") == "array"


def _files(path: str, many: bool) -> list[str]:
    """The file of a path; where a list of documents is wanted and it is a folder, the files in it, by name."""
    if not many or not Path(path).is_dir():
        return [path]
    shown = sorted(one for one in Path(path).iterdir() if not one.name.startswith("."))
    files = [str(one) for one in shown if one.is_file() and not one.is_symlink()]
    if not files:
        raise fail(f"The folder {Path(path).name} holds no files; name one that does, or single files.", USAGE)
    return files


def _followed(workflow: Workflow[Any, Any], schema: Json) -> Mapping[str, Json]:
    while isinstance(schema, dict) and (ref := schema.get("$ref", "")).startswith("#/$defs/"):
        schema = workflow.input.schema["$defs"][ref.removeprefix("#/$defs/")]
    return schema if isinstance(schema, dict) else {}


def _put(value: dict[str, Json], names: Sequence[str], document: Json, many: bool) -> None:
    for name in names[:-1]:
        inner = value.setdefault(name, {})
        if not isinstance(inner, dict):
            raise fail(f"What the input has as {name} has no fields; leave it out, or give it as an object.", USAGE)
        value = inner
    last = names[-1]
    if many:
        found = value.setdefault(last, [])
        if isinstance(found, list):
            found.append(document)
            return
    elif last not in value:
        value[last] = document
        return
    raise fail(f"{'.'.join(names)} is given twice; give it by --file or in the input, and once.", USAGE)


def _stored(path: str) -> Json:
    from gatework.temporal.transport.storing import documents

    return ran(documents().put(Path(path))).model_dump()

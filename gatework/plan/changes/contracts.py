"""Where two sealed JSON Schemas differ, field by field, and which of them accepts more.

A contract that accepts more lets through what was refused before, and so weakens. Every keyword that is not known
here and differs is unclear.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from gatework.errors import ContractError
from gatework.plan.changes import words
from gatework.plan.changes.bearing import Bearing, grown
from gatework.values.canonical import Json
from gatework.values.schema import Schema

Difference = tuple[str, Bearing]
"""What differs, in words."""

_WIDER, _NARROWER, _UNCLEAR = Bearing.WEAKENS, Bearing.STRENGTHENS, Bearing.UNCLEAR

_TYPES = {
    "string": "text",
    "integer": "a whole number",
    "number": "any number",
    "boolean": "true or false",
    "null": "null",
    "array": "a list",
    "object": "an object",
}
_LEAST = {
    "minimum": "at least {}",
    "exclusiveMinimum": "more than {}",
    "minLength": "at least {} characters long",
    "minItems": "at least {} long",
    "minProperties": "of at least {} keys",
}
_MOST = {
    "maximum": "at most {}",
    "exclusiveMaximum": "less than {}",
    "maxLength": "at most {} characters long",
    "maxItems": "at most {} long",
    "maxProperties": "of at most {} keys",
}
_UNIONS = ("anyOf", "oneOf")
_FOLLOWED = {
    *_LEAST,
    *_MOST,
    *("$defs", "type", "enum", "const", "pattern", "format", "uniqueItems"),
    *("items", "prefixItems", "properties", "required", "additionalProperties"),
}
"""Keywords whose meaning is compared. `$defs` matters only where something refers to it."""
_DEFINITIONS = "#/$defs/"

MAX_NESTING = 64
MAX_FORMS = 200
MAX_STEPS = 5_000
"""Above this many places in two schemas the answer is that it cannot be told."""


def differences(old: Json, new: Json) -> list[Difference]:
    """What a value must be by the newer contract that it need not have been by the older, and the other way round.

    Empty where both accept the same and are only written otherwise.
    """
    if not (_is_schema(old) and _is_schema(new)):
        return [("one of them is no JSON Schema", _UNCLEAR)]
    return list(_Two(_Document(old), _Document(new)).compare(old, new, ""))


def _is_schema(document: Json) -> bool:
    # Loaded here: the check of a run does not need it.
    import jsonschema_rs

    return isinstance(document, dict) and "$schema" not in document and jsonschema_rs.meta.is_valid(document)


def at(document: Json, path: Sequence[str]) -> tuple[Json, bool, bool]:
    """The schema of a field, with whether the way to it may end before it and whether it may be null.

    An empty schema where the contract does not say.
    """
    place = _Document(document)
    found, null = place.present(document)
    missing = False
    for step in path:
        properties = found.get("properties", {})
        missing = missing or null or step not in properties or step not in found.get("required", ())
        found, null = place.present(properties.get(step, {}))
    return found, missing, null


@dataclass(frozen=True)
class _Document:
    """A schema with its definitions."""

    root: Json

    def resolved(self, schema: Json) -> Json:
        """A schema, or what it refers to."""
        for _ in range(MAX_NESTING):
            alone = isinstance(schema, dict) and set(schema) - {"$defs"} == {"$ref"}
            if not alone or not str(schema["$ref"]).startswith(_DEFINITIONS):
                return schema
            schema = self.root.get("$defs", {}).get(schema["$ref"].removeprefix(_DEFINITIONS), {"$ref": ""})
        return {"$ref": ""}

    def branches(self, schema: Json) -> list[Json]:
        """The forms that a schema allows; itself where it is no choice."""
        pending, found = [schema], []
        for _ in range(MAX_FORMS):
            if not pending:
                break
            form = self.resolved(pending.pop(0))
            keys = set(form) - {"discriminator", "$defs"} if isinstance(form, dict) else set()
            if keys == {"anyOf"} or (keys == {"oneOf"} and self._told_apart(form)):
                pending[:0] = form[keys.pop()]
            else:
                found.append(form)
        return found + pending

    def _told_apart(self, schema: Json) -> bool:
        """Whether a field tells the forms apart, so that no value fits two of them."""
        tag = schema.get("discriminator", {}).get("propertyName")
        seen: set[str] = set()
        for form in map(self.resolved, schema["oneOf"]):
            listed = _listed(form.get("properties", {}).get(tag, {})) if tag in form.get("required", ()) else None
            tags = set(map(_text, listed or ()))
            if not tags or tags & seen:
                return False
            seen |= tags
        return True

    def present(self, schema: Json) -> tuple[Mapping[str, Any], bool]:
        """A schema without null, with whether null was among its forms. Empty where it is not one form."""
        forms = self.branches(schema)
        left = [form for form in forms if form != {"type": "null"}]
        if len(left) != 1 or not isinstance(left[0], dict):
            return {}, True
        listed = _listed(left[0])
        null = "null" in _types(left[0]) if listed is None else None in listed
        return left[0], null or len(left) < len(forms)

    def listed(self, schema: Json) -> list[Json] | None:
        """The values that a schema lists and accepts, or None where it lists none."""
        listed = _listed(schema)
        return None if listed is None else [item for item in listed if self.accepts(schema, item)]

    def accepts(self, schema: Json, value: Json) -> bool:
        try:
            Schema({**schema, "$defs": self.root.get("$defs", {})}).check(value)
        except ContractError:
            return False
        return True


@dataclass(frozen=True)
class _Two:
    """The comparison of two documents, at some place in both."""

    old: _Document
    new: _Document
    open: frozenset[str] = frozenset()
    """The pairs inside which this place lies: a schema that holds itself further down is compared once."""
    here: frozenset[str] = frozenset()
    """Those of them that are about this very value: a schema that is itself says nothing."""
    steps: Iterator[int] = field(default_factory=lambda: iter(range(MAX_STEPS)))

    def compare(self, old: Json, new: Json, path: str) -> Iterator[Difference]:
        ours, theirs = self.old.branches(old), self.new.branches(new)
        pair = _text([ours, theirs])
        if pair in self.here or next(self.steps, None) is None:
            yield f"{_field(path)} is too large to be compared", _UNCLEAR
            return
        if pair in self.open:
            return
        inside = replace(self, open=self.open | {pair}, here=self.here | {pair})
        if len(ours) == len(theirs) == 1:
            yield from inside._form(ours[0], theirs[0], path)
        else:
            yield from inside._choice(ours, theirs, path)

    def _choice(self, ours: list[Json], theirs: list[Json], path: str) -> Iterator[Difference]:
        gone = list(ours)
        come = []
        for form in theirs:
            same = next((other for other in gone if not any(self.compare(other, form, ""))), None)
            if same is None:
                come.append(form)
            else:
                gone.remove(same)
        if len(gone) == len(come) == 1 and len(ours) == len(theirs):
            yield from self.compare(gone[0], come[0], path)
        else:
            if come:
                yield f"{_field(path)} may also be {words.listed([_said(f) for f in come], 'or')}", _WIDER
            if gone:
                yield f"{_field(path)} may no longer be {words.listed([_said(f) for f in gone], 'or')}", _NARROWER

    def _form(self, old: Json, new: Json, path: str) -> Iterator[Difference]:
        if not (isinstance(old, dict) and isinstance(new, dict)):
            if _text(old) != _text(new):
                yield f"{_field(path)} is of another form", _UNCLEAR
            return
        was, now = self.old.listed(old), self.new.listed(new)
        if was is not None or now is not None:
            yield from self._list(old, new, was, now, path)
            return
        kinds = _types(old), _types(new)
        if kinds[0] != kinds[1]:
            bearing = _wider(*kinds)
            verb = "must" if bearing is _NARROWER else "may"
            yield f"{_field(path)} {verb} be {_kinds(kinds[1])}, it was {_kinds(kinds[0])}", bearing
            if bearing is _UNCLEAR:
                return
        yield from _bounds(old, new, path)
        for keyword in ("pattern", "format"):
            yield from _demand(keyword, old.get(keyword), new.get(keyword), path)
        if bool(old.get("uniqueItems")) != bool(new.get("uniqueItems")):
            bearing = _NARROWER if new.get("uniqueItems") else _WIDER
            yield f"{_field(path)} {'must not' if bearing is _NARROWER else 'may'} hold an item twice", bearing
        inside = replace(self, here=frozenset())
        yield from inside._items(old, new, path)
        yield from inside._properties(old, new, path)
        for keyword in sorted((set(old) | set(new)) - _FOLLOWED):
            ours, theirs = _text(old.get(keyword)), _text(new.get(keyword))
            # What is not followed may refer to definitions that have changed.
            if ours != theirs or '"$ref"' in ours or keyword == "$ref":
                yield f"{words.name(keyword)} of {_field(path)} may differ", _UNCLEAR

    def _list(
        self, old: Json, new: Json, was: list[Json] | None, now: list[Json] | None, path: str
    ) -> Iterator[Difference]:
        """A field of which one contract, or both, lists the values."""
        if now is None:
            bearing = _WIDER if all(self.new.accepts(new, item) for item in was or ()) else _UNCLEAR
            yield f"{_field(path)} may be {_said(new)}, it was {_said(old)}", bearing
        elif was is None:
            bearing = _NARROWER if all(self.old.accepts(old, item) for item in now) else _UNCLEAR
            yield f"{_field(path)} must be {_said(new)}, it was {_said(old)}", bearing
        else:
            before, after = ({_text(item): item for item in items} for items in (was, now))
            if come := [item for key, item in after.items() if key not in before]:
                yield f"{_field(path)} may also be {_values(come)}", _WIDER
            if gone := [item for key, item in before.items() if key not in after]:
                yield f"{_field(path)} may no longer be {_values(gone)}", _NARROWER

    def _items(self, old: Json, new: Json, path: str) -> Iterator[Difference]:
        inside = f"{path}[]"
        firsts = old.get("prefixItems", []), new.get("prefixItems", [])
        if len(firsts[0]) != len(firsts[1]):
            yield f"{_field(path)} has items of other forms", _UNCLEAR
            return
        for index, (ours, theirs) in enumerate(zip(*firsts, strict=True)):
            yield from self.compare(ours, theirs, f"{path}[{index}]")
        yield from self._optional(old.get("items", True), new.get("items", True), inside)

    def _optional(self, old: Json, new: Json, path: str) -> Iterator[Difference]:
        """Two schemas of which each may be true, for anything, or false, for nothing."""
        if isinstance(old, dict) and isinstance(new, dict):
            yield from self.compare(old, new, path)
        elif old != new:
            bearing = _NARROWER if old is True or new is False else _WIDER if old is False or new is True else _UNCLEAR
            shown = "anything" if new is True else "nothing" if new is False else _said(new)
            yield f"{_field(path)} may be {shown}", bearing

    def _properties(self, old: Json, new: Json, path: str) -> Iterator[Difference]:
        ours, theirs = old.get("properties", {}), new.get("properties", {})
        demanded = set(old.get("required", ())), set(new.get("required", ()))
        for name in dict.fromkeys((*ours, *theirs)):
            inside = f"{path}.{words.name(name)}" if path else words.name(name)
            needed = name in demanded[0], name in demanded[1]
            if name in ours and name in theirs:
                yield from self.compare(ours[name], theirs[name], inside)
                if needed[0] != needed[1]:
                    bearing = _NARROWER if needed[1] else _WIDER
                    yield f"{_field(inside)} {'must be there' if needed[1] else 'may be left out'}", bearing
            elif name in theirs:
                wider = not needed[1] and old.get("additionalProperties", True) is False
                how = "required" if needed[1] else "optional"
                yield f"{_field(inside)} is new ({how}, {_said(theirs[name])})", _WIDER if wider else _UNCLEAR
            else:
                narrower = not needed[0] and new.get("additionalProperties", True) is False
                yield f"{_field(inside)} is gone ({_said(ours[name])})", _NARROWER if narrower else _UNCLEAR
        for name in sorted((demanded[0] ^ demanded[1]) - set(ours) - set(theirs)):
            yield f"{_field(words.name(name))} is demanded by one of them", _UNCLEAR
        keys = f"{path}.*" if path else "*"
        yield from self._optional(old.get("additionalProperties", True), new.get("additionalProperties", True), keys)


def _bounds(old: Mapping[str, Any], new: Mapping[str, Any], path: str) -> Iterator[Difference]:
    for table, sign in ((_LEAST, -1), (_MOST, 1)):
        for keyword, phrase in table.items():
            was, now = old.get(keyword), new.get(keyword)
            if was == now:
                continue
            said = f"must be {phrase.format(words.value(now))}" if now is not None else "has one limit fewer"
            before = f"it had to be {phrase.format(words.value(was))}" if was is not None else "it had no such limit"
            bearing = _NARROWER if was is None else _WIDER if now is None else grown(sign * was, sign * now)
            yield f"{_field(path)} {said}, {before}", bearing


def _demand(keyword: str, was: Json, now: Json, path: str) -> Iterator[Difference]:
    if was == now:
        return
    bearing = _NARROWER if was is None else _WIDER if now is None else _UNCLEAR
    said = f"must match the {keyword} {words.value(now)}" if now is not None else f"need match no {keyword}"
    before = f"it had to match {words.value(was)}" if was is not None else "it had to match none"
    yield f"{_field(path)} {said}, {before}", bearing


def _wider(old: frozenset[str], new: frozenset[str]) -> Bearing:
    """How a change of the types that are allowed bears; every whole number is a number."""
    ours, theirs = (kinds | {"integer"} if "number" in kinds else kinds for kinds in (old, new))
    return _WIDER if ours < theirs else _NARROWER if ours > theirs else _UNCLEAR


def _types(schema: Mapping[str, Any]) -> frozenset[str]:
    kinds = schema.get("type", list(_TYPES))
    return frozenset([kinds] if isinstance(kinds, str) else kinds)


def _listed(schema: Mapping[str, Any]) -> list[Json] | None:
    """The values that a schema lists, if it does."""
    if "const" in schema:
        return [schema["const"]]
    listed: list[Json] | None = schema.get("enum")
    return listed


def _text(value: Json) -> str:
    """A JSON value as text, where Python's own `==` takes 1 for true."""
    return json.dumps(value, sort_keys=True)


def _kinds(kinds: frozenset[str]) -> str:
    if kinds >= set(_TYPES):
        return "anything"
    return words.listed([_TYPES.get(kind, words.name(kind)) for kind in sorted(kinds)], "or")


def _field(path: str) -> str:
    return f"the field {path}" if path else "the value"


def _values(items: Sequence[Json]) -> str:
    return words.plain(words.listed([words.value(item) for item in items], "or"))


def _said(schema: Json) -> str:
    """A schema in a few words."""
    if not isinstance(schema, dict):
        return "anything" if schema else "nothing"
    listed = _listed(schema)
    if listed is not None:
        return _values(listed)
    if "$ref" in schema:
        return words.name(str(schema["$ref"]).rpartition("/")[2])
    for keyword in _UNIONS:
        if keyword in schema:
            return words.plain(words.listed([_said(form) for form in schema[keyword]], "or"))
    return _kinds(_types(schema)) + (" of a pattern" if "pattern" in schema else "")

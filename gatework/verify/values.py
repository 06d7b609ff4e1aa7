"""The values that a certificate discloses, each under its digest, and what is still not known of the others."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from gatework.errors import ContractError
from gatework.plan.expr import ExprError, Ref, resolve
from gatework.plan.plan import Plan
from gatework.values import canonical
from gatework.values.canonical import Json, Sealed
from gatework.values.schema import Schema
from gatework.verify.refusal import Refused, must
from gatework.verify.state import Held

Value = tuple[Json, str]
"""Data, and its salt as hex."""


@dataclass(kw_only=True)
class Disclosed:
    """The plans and values of a certificate; beside them what could not be checked, how often."""

    plans: Mapping[str, Plan]
    values: Mapping[str, Value] = field(default_factory=dict)
    not_checked: dict[str, int] = field(default_factory=dict)
    given: Mapping[str, Held] = field(default_factory=dict)
    """Of a run that another started: its inputs as they were held there, where that is known."""
    gave: Mapping[str, Held] = field(default_factory=dict)
    """What runs that this one started gave, by the server's ids of them, where that is known."""
    checked: int = 0
    """How many disclosed values keep to their contracts."""
    _fields: dict[tuple[str, tuple[str, ...]], str] = field(default_factory=dict)
    _kept: dict[tuple[str, str], None] = field(default_factory=dict)
    _schemas: dict[str, Schema | None] = field(default_factory=dict)

    def has(self, digest: str) -> bool:
        """Whether the value of a digest is disclosed."""
        return digest in self.values

    def data(self, digest: str) -> Json:
        """The value of a digest. Raises `KeyError` where it is withheld."""
        return self.values[digest][0]

    def salt(self, digest: str) -> str:
        """Its salt. Raises `KeyError`."""
        return self.values[digest][1]

    def field(self, held: str, ref: Ref) -> str | None:
        """The digest of a field of a value; empty where there is no such field, None where the value is withheld."""
        if held not in self.values:
            return None
        key = held, ref.path
        if key not in self._fields:
            try:
                data = resolve(ref, lambda _: self.data(held))
                salt = canonical.digest("field", [self.salt(held), *ref.path])[:32]
                self._fields[key] = Sealed.of(data, bytes.fromhex(salt)).digest
            except ExprError:
                self._fields[key] = ""
        return self._fields[key]

    def contract(self, contract: str, digest: str) -> None:
        """Note that a value is to keep to a contract. Raises `Refused` where it is disclosed, and does not."""
        if digest not in self.values or (contract, digest) in self._kept or not contract:
            return
        schema = self._schema(contract)
        if schema is None:
            self.unchecked("values under contracts that cannot be checked in a bounded time")
            return
        try:
            schema.check(self.data(digest))
        except ContractError:
            raise Refused("contract", "A disclosed value breaks the contract of its place.") from None
        self._kept[contract, digest] = None
        self.checked += 1

    def _schema(self, contract: str) -> Schema | None:
        """The schema of a contract; None where it could send us elsewhere, or take for ever."""
        if contract not in self._schemas:
            found = next((plan.contracts[contract] for plan in self.plans.values() if contract in plan.contracts), None)
            schema = Schema(found) if isinstance(found, dict) else None
            self._schemas[contract] = None if schema is None or _unsafe(schema) else schema
        return self._schemas[contract]

    def unchecked(self, what: str) -> None:
        """Note that something could not be checked."""
        self.not_checked[what] = self.not_checked.get(what, 0) + 1


def _unsafe(schema: Schema) -> bool:
    try:
        return any("refers" in fault or "looks around" in fault or "pattern" in fault for fault in schema.faults())
    except Exception:  # noqa: BLE001  # a schema that somebody wrote to break what reads it
        return True


def check(values: Mapping[str, Value]) -> None:
    """Raise `Refused` unless each value has the digest under which it stands."""
    for digest, (data, salt) in values.items():
        try:
            same = canonical.digest("value", data, salt=bytes.fromhex(salt)) == digest
        except (ContractError, ValueError):
            same = False
        must(same, "value", "A disclosed value is not that of its digest.")


def stray(values: Mapping[str, Value], named: Iterable[str]) -> None:
    """Raise `Refused` where a value is disclosed that no receipt names."""
    must(values.keys() <= set(named), "stray", "A value is disclosed that no receipt names.")

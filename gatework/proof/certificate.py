"""The certificate of a run, one file: plans, ledgers, the values that are disclosed, signatures. Pure.

docs/spec/ledger.md says what must hold of one. Here it is written, and read as far as its own shape goes: JSON in
canonical form, and nothing in it that the specification does not name. Whether what it says is true, `gatework.verify`
finds out.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeVar

from gatework.errors import ContractError, GateworkError
from gatework.plan.plan import Plan
from gatework.proof import ledger
from gatework.proof.ledger import Entry
from gatework.proof.shape import is_digest, is_salt, is_signature, misshapen
from gatework.run.events import Signed
from gatework.run.state import Receipt
from gatework.values import canonical, wire
from gatework.values.canonical import Json

T = TypeVar("T")

FORMAT = "gatework.certificate/1"

MAX_BYTES = 64 * 1024 * 1024
"""Largest certificate that is written or read."""

MAX_DEPTH = 80
"""Deepest nesting: that of a value, and what lies around it."""

Fault = Literal["json", "canonical", "format", "faults"]
"""`json`: no such JSON. `canonical`: not in the form of RFC 8785. `format`: not what a certificate is made of.
`faults`: all is of that form but a plan, which is none.
"""


class CertificateError(GateworkError):
    """A file that is no certificate, or a certificate that cannot be made."""

    code = "certificate"

    def __init__(self, message: str, *, fault: Fault = "format") -> None:
        super().__init__(message)
        self.fault: Fault = fault
        """By the name that the specification has for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Superseded:
    """What a reset cut off: an end of the ledger that another one has taken the place of."""

    run_id: str
    """The server's id of the run that was reset, or of the last that went on from there."""
    entries: tuple[Entry, ...]
    """What followed the cut. The first follows on an entry that was kept, or begins the ledger."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunLedger:
    """The ledger of one run as a whole."""

    run_id: str
    """The server's id of the run; of those that went on as each other, that of the last."""
    workflow: str
    """The name of its plan."""
    entries: tuple[Entry, ...]
    superseded: tuple[Superseded, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Disclosed:
    """A value with the salt by which its digest can be computed again."""

    data: Json
    salt: str
    """16 bytes as hex; empty for a constant."""

    @property
    def digest(self) -> str:
        """64 hex digits by which receipts name it."""
        return canonical.digest("value", self.data, salt=bytes.fromhex(self.salt))


@dataclass(frozen=True, kw_only=True)
class Certificate:
    """What a certificate says."""

    plans: Mapping[str, Plan]
    """By the digests under which they stand there."""
    runs: tuple[RunLedger, ...]
    """The run itself first, then its child runs, theirs and so on."""
    values: Mapping[str, Disclosed] = field(default_factory=dict)
    """Those that are disclosed, by the digests under which they stand there."""
    signatures: tuple[Signed, ...] = ()

    @property
    def data(self) -> Json:
        """The certificate as JSON."""
        return {
            "format": FORMAT,
            "plans": {digest: plan.data for digest, plan in self.plans.items()},
            "runs": [
                {
                    "run_id": run.run_id,
                    "workflow": run.workflow,
                    "entries": [ledger.data(entry) for entry in run.entries],
                    "superseded": [
                        {"run_id": cut.run_id, "entries": [ledger.data(entry) for entry in cut.entries]}
                        for cut in run.superseded
                    ],
                }
                for run in self.runs
            ],
            "values": {digest: {"data": value.data, "salt": value.salt} for digest, value in self.values.items()},
            "signatures": [wire.data(signature) for signature in self.signatures],
        }

    @property
    def entries(self) -> Iterator[Entry]:
        """All entries: of each run its ledger, then what was cut off of it."""
        for run in self.runs:
            yield from run.entries
            for cut in run.superseded:
                yield from cut.entries


def written(certificate: Certificate) -> bytes:
    """The file of a certificate. Raises `CertificateError` where nobody could read it."""
    data = canonical.dumps(certificate.data) + b"\n"
    if len(data) > MAX_BYTES:
        raise CertificateError(
            f"The certificate would be {len(data):,} bytes, more than the {MAX_BYTES:,} that are read: disclose "
            "less, or export its child runs one by one."
        )
    read(data)
    return data


def read(data: bytes) -> Certificate:
    """The certificate in a file. Raises `CertificateError` where it has not exactly the shape of one."""
    text = data[:-1] if data.endswith(b"\n") else data
    try:
        said = canonical.loads(text, max_bytes=MAX_BYTES, max_depth=MAX_DEPTH)
    except ContractError as error:
        raise CertificateError(f"That is no certificate: {error.reason}.", fault="json") from None
    if canonical.dumps(said) != text:
        raise CertificateError(
            "That is no certificate: it is JSON, and not in canonical form (RFC 8785), in which it was written.",
            fault="canonical",
        )
    try:
        file = _decoded(_File, text)
    except ContractError as error:
        fault: Fault = "faults" if _is(_Planless, text) else "format"
        message = f"That is no certificate of this format, {FORMAT}: {error.message}."
        raise CertificateError(message, fault=fault) from None
    certificate = Certificate(plans=file.plans, runs=file.runs, values=file.values, signatures=file.signatures)
    if problem := next(_misshapen(certificate, said), ""):
        raise CertificateError(f"That is no certificate of this format, {FORMAT}: {problem}.")
    return certificate


@dataclass(frozen=True, kw_only=True)
class _Planless:
    """A certificate, whatever stands there for its plans."""

    format: Literal["gatework.certificate/1"]
    plans: Mapping[str, Any]
    runs: tuple[RunLedger, ...]
    values: Mapping[str, Disclosed]
    signatures: tuple[Signed, ...]


@dataclass(frozen=True, kw_only=True)
class _File(_Planless):
    plans: Mapping[str, Plan]


def _decoded(type_: type[T], text: bytes) -> T:
    said: T = wire.decode(type_, text, what="certificate", max_bytes=MAX_BYTES, max_depth=MAX_DEPTH)
    return said


def _is(type_: type[_Planless], text: bytes) -> bool:
    try:
        _decoded(type_, text)
    except ContractError:
        return False
    return True


def _misshapen(certificate: Certificate, said: Json) -> Iterator[str]:
    """What types alone do not say: what texts are, and that nothing is written that says nothing, or left out."""
    for number, run in enumerate(certificate.runs, start=1):
        ledgers = [("", run.entries), *((" (superseded)", cut.entries) for cut in run.superseded)]
        for where, entries in ledgers:
            if not entries:
                yield f"run {number}{where} has no entries"
            for entry in entries:
                if name := misshapen(entry):
                    yield f"run {number}{where}, entry {entry.sequence}: `{name}` is not what stands there"
    if not certificate.runs:
        yield "it holds no run"
    if not all(map(is_digest, (*certificate.plans, *certificate.values))):
        yield "a plan or a value stands under something else than a digest"
    if not all(is_salt(value.salt) for value in certificate.values.values()):
        yield "a salt is not 32 hex digits"
    if not all(is_signature(one.signature) for one in certificate.signatures):
        yield "a signature is not 64 bytes in base64"
    # What has a default may be left out of what is read; of a certificate there is one way to write it.
    if certificate.data != said:
        yield "a member is missing, or one is written out that says nothing"


# -- values ----------------------------------------------------------------------------------------


def named(certificate: Certificate) -> frozenset[str]:
    """The digests of all values that some receipt names."""
    return frozenset(digest for entry in certificate.entries for _, digest in _named_in(entry.receipt) if digest)


def standing_under(certificate: Certificate, names: Collection[str]) -> frozenset[str]:
    """The digests of the values of some inputs and nodes: what they held, gave, and were answered, in all runs."""
    found = (pair for entry in certificate.entries for pair in _named_in(entry.receipt))
    return frozenset(digest for name, digest in found if name in names and digest)


def names_disclosed(certificate: Certificate) -> tuple[str, ...]:
    """The inputs and nodes of which there are values, in the order of the ledger."""
    found = (pair for entry in certificate.entries for pair in _named_in(entry.receipt))
    return tuple(dict.fromkeys(name for name, digest in found if digest in certificate.values))


def _named_in(receipt: Receipt) -> Iterator[tuple[str, str]]:
    """The values that a receipt names: of which input or node, and the digest."""
    yield str(receipt.how.get("place") or receipt.node), receipt.output
    if receipt.kind != "migrated":
        yield from receipt.shown.items()
    yield receipt.node, str(receipt.how.get("arguments", ""))
    if receipt.kind == "suspended":
        yield from ((receipt.node, str(answer["digest"])) for answer in receipt.how.get("entries", ()))
        yield from ((receipt.node, str(call["arguments"])) for call in receipt.how.get("calls", ()))


def without(certificate: Certificate, digests: Collection[str]) -> Certificate:
    """The certificate without some values, and all that it proves still holds of their digests.

    Where the salt of one of them could be computed from that of another value, that one goes too: a short value could
    be guessed by its digest and salt.
    """
    gone = set(digests) & certificate.values.keys()
    left = {digest: value for digest, value in certificate.values.items() if digest not in gone}
    salts = {certificate.values[digest].salt for digest in gone} - {""}
    if salts:
        made = [(frozenset([digest]), frozenset(_made_of(value))) for digest, value in left.items()]
        made += [(starts, frozenset([salt])) for starts, salt in _arguments_of(certificate)]
        while telling := [digests for digests, known in made if digests <= left.keys() and salts & known]:
            for digest in (digest for digests in telling for digest in digests):
                salts |= {left.pop(digest).salt} if digest in left else set()
    return replace(certificate, values=left)


def _made_of(value: Disclosed) -> Iterator[str]:
    """The salts of the parts of a value, which follow from its own."""
    for number in range(len(value.data) if isinstance(value.data, list) else 0):
        yield canonical.digest("item", [value.salt, number])[:32]
    waiting: list[tuple[tuple[str, ...], Json]] = [((), value.data)]
    while waiting:
        path, data = waiting.pop()
        for name, member in data.items() if isinstance(data, dict) else ():
            yield canonical.digest("field", [value.salt, *path, name])[:32]
            waiting.append(((*path, name), member))


def _arguments_of(certificate: Certificate) -> Iterator[tuple[frozenset[str], str]]:
    """What each run starts from → the salt of the arguments of its calls, where all of that is disclosed."""
    for run in certificate.runs:
        for entries in (run.entries, *(cut.entries for cut in run.superseded)):
            starts = [entry.receipt.output for entry in entries if entry.receipt.kind == "begun"]
            salts = [certificate.values[digest].salt for digest in starts if digest in certificate.values]
            if salts and len(salts) == len(starts):
                salt = salts[0] if len(salts) == 1 else canonical.digest("salts", salts)[:32]
                yield frozenset(starts), canonical.digest("arguments", salt)[:32]

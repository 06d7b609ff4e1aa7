"""Certificates of runs in memory, with every value disclosed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from gatework.plan.plan import Plan
from gatework.proof.certificate import Certificate, Disclosed, RunLedger, named, written
from gatework.testing.driver import Driver
from gatework.values.canonical import Sealed


def certificate_of(run: Driver, *plans: Plan, disclose: bool = True) -> Certificate:
    """The certificate of a run, its child runs behind it."""
    runs = list(_all(run))
    ledgers = tuple(RunLedger(run_id=one.id, workflow=one.plan.name, entries=one.ledger) for one in runs if one.ledger)
    known = {one.digest: one for one in (run.plan, *plans, *(child.plan for child in runs))}
    certificate = Certificate(plans=known, runs=ledgers)
    if not disclose:
        return certificate
    sealed = {one.digest: one for driver in runs for one in _sealed([driver.events, driver.state])}
    values = {
        digest: Disclosed(data=one.data, salt=one.salt)
        for digest, one in sealed.items()
        if digest in named(certificate) and len(one.salt) in (0, 32)
    }
    return Certificate(plans=known, runs=ledgers, values=values)


def file_of(run: Driver, *plans: Plan, disclose: bool = True) -> bytes:
    """The file of it."""
    return written(certificate_of(run, *plans, disclose=disclose))


def _all(run: Driver) -> Iterator[Driver]:
    yield run
    for child in run.children:
        yield from _all(child)


def _sealed(value: Any) -> Iterator[Sealed]:
    if isinstance(value, Sealed):
        yield value
    elif is_dataclass(value):
        for field in fields(value):
            yield from _sealed(getattr(value, field.name))
    elif isinstance(value, Mapping):
        yield from _sealed(list(value.values()))
    elif isinstance(value, Iterable) and not isinstance(value, str | bytes):
        for item in value:
            yield from _sealed(item)

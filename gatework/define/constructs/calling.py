"""Calls of workflows: a child run of another plan."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from gatework.define import trace
from gatework.define.builder import Builder
from gatework.define.signature import Signature, accepts
from gatework.errors import PlanError
from gatework.plan.expr import Ref
from gatework.plan.facts import facts_of
from gatework.plan.labels import Label
from gatework.plan.plan import Call, Child, Param, Plan
from gatework.values.contract import name_of


class Startable(ABC):
    """What a plan can start runs of: a workflow, sealed."""

    name: str
    plan: Plan
    declared: Signature

    @abstractmethod
    def __call__(self, value: Any) -> Any:
        """A node that starts one run of it, in the plan that is being traced."""


def called(workflow: Startable, value: object, *, name: str = "") -> Any:
    """A node that starts one run of a workflow, under a name, else that of its variable or of the workflow."""
    builder = trace.required(f"the workflow {workflow.name}")
    given_ = trace.traced(value, f"what {workflow.name} starts from")
    started, plan, made = child_of(
        builder, workflow, trace.ref_of(given_), trace.label_of(given_), trace.type_of(given_)
    )
    digest = plan.contract(plan.result)
    builder.contracts[digest] = plan.contracts[digest]
    node = Call(
        name=builder.name(workflow.name, name),
        kind="call",
        children=(started,),
        label=plan.label(plan.result),
        contract=digest,
    )
    return builder.add(node, made)


def child_of(builder: Builder, workflow: Startable, ref: Ref, label: Label, type_: Any) -> tuple[Child, Plan, Any]:
    """A child that is another workflow, with its plan and the type of what it gives."""
    place = builder.here()[0]
    plan, start = workflow.plan, next(iter(workflow.declared.params.values()))
    if not accepts(start.type, type_):
        problem = f"{workflow.name} starts from a {name_of(start.type)} and gets a {name_of(type_)}."
        raise PlanError(problem, fix="Pass a value of that type.", where=place)
    if not label.meets(start.label):
        problem = f"{workflow.name} starts from {start.label} data and gets {label}."
        raise PlanError(problem, fix="Pass a value with that label.", where=place)
    builder.calls(workflow)
    builder.contracts[plan.input.contract] = plan.contracts[plan.input.contract]
    param = Param(name=plan.input.name, label=plan.input.label, contract=plan.input.contract, source=ref)
    return child(plan, (param,)), plan, workflow.declared.result.type


def child(plan: Plan, params: tuple[Param, ...]) -> Child:
    """A child that starts from these, with what is known of its plan."""
    facts = facts_of(plan)
    return Child(
        workflow=plan.name,
        plan=plan.digest,
        params=params,
        effects=facts.effects,
        private=facts.private,
        identity=facts.identity,
    )

"""The rules of labels at each node, and what outside text may not steer."""

from __future__ import annotations

from collections.abc import Iterator

from gatework.plan.expr import Ref, render
from gatework.plan.faults.children import call_faults, part_faults
from gatework.plan.faults.people import approval_faults, constant, question_faults
from gatework.plan.faults.structure import AGAIN, Fault, ways
from gatework.plan.flow import label_joined, leak, reads_outside, steering, vouched
from gatework.plan.labels import Label, combined
from gatework.plan.plan import Approval, Call, Choice, Join, Loop, Node, Part, Plan, Question, Work


def label_faults(plan: Plan, node: Node, private: set[str]) -> Iterator[Fault]:
    """What is wrong with the labels at a node, where the values of the nodes `private` must not leave."""
    match node:
        case Work() if node.until is not None:
            yield from _end_faults(plan, node)
        case Work():
            yield from _work_faults(plan, node, private)
        case Approval():
            yield from approval_faults(plan, node)
        case Question():
            yield from question_faults(node)
        case Choice():
            yield from _choice_faults(node)
        case Join():
            yield from _join_faults(plan, node)
        case Loop():
            yield from _loop_faults(plan, node)
        case Call():
            yield from call_faults(plan, node, private)
        case Part():
            yield from part_faults(plan, node)
        case _:
            pass
    if isinstance(node, Work | Call) and node.effects and not vouched(plan, node):
        yield (
            node.name,
            f"{node.name} holds an effect that outside text would pick, and nobody vouches for it there.",
            "In that way, pass it what was endorsed, approved or asked of a person in the same way.",
        )


def _work_faults(plan: Plan, node: Work, private: set[str]) -> Iterator[Fault]:
    labels = []
    for param in node.params:
        label = plan.label(param.source.node) if isinstance(param.source, Ref) else Label.PLAIN
        labels.append(label)
        if not label.meets(param.label):
            yield node.name, f"{node.runs} asks for {param.label} {param.name} and gets {label}.", _way_up(param.label)
    made = combined([*labels, Label.UNTRUSTED] if reads_outside(node.tools) else labels)
    if node.kind == "endorse":
        if labels != [Label.UNTRUSTED] or node.label is not Label.ENDORSED:
            yield node.name, f"{node.name} endorses what is not untrusted.", "Endorse one untrusted value."
        if node.tools:
            yield node.name, f"the endorser {node.runs} holds tools.", "Let it look at our own records only."
    elif made not in (Label.PLAIN, node.label):
        yield node.name, f"{node.runs} makes {node.label} of {made}.", "Labels are contagious; keep them."
    elif node.label is Label.APPROVED:
        yield node.name, f"{node.runs} approves by itself.", "Only approve(…) makes Approved."
    if node.effects:
        if Label.UNTRUSTED in labels:
            yield node.name, f"{node.runs} holds an effect and reads untrusted data.", "Endorse or approve it first."
        if reads_outside(node.tools):
            yield node.name, f"{node.runs} holds an effect beside a tool that gives outside text.", "Use two stages."
        if not {Label.ENDORSED, Label.APPROVED} & set(labels):
            yield node.name, f"{node.runs} holds an effect without any labelled input.", "Pass it what was endorsed."
    for use in node.tools:
        for ref in use.reads:
            if plan.label(ref.node) is Label.UNTRUSTED:
                yield (
                    node.name,
                    f"{use.name} of {node.runs} is limited by the untrusted {render(ref)}.",
                    "Use a value that was endorsed or approved.",
                )
    yield from _leaks(plan, node, labels, private)


def _leaks(plan: Plan, node: Work, labels: list[Label], private: set[str]) -> Iterator[Fault]:
    steers = steering(plan, node)
    read = [ref.node for ref in (*node.reads, *steers) if ref.node in private]
    outside = Label.UNTRUSTED in (*labels, *(plan.label(ref.node) for ref in steers))
    found = leak(node.tools, plan.contracts, outside=outside, private=bool(read))
    if found is not None:
        use, loose = found
        source = read[0] if read else next(tool.name for tool in node.tools if tool.private)
        yield (
            node.name,
            f"outside text could make {node.runs} send what is private ({source}) through {use.name}.",
            f"Pin {', '.join(loose)} with {use.name}.only(…) to a constant or a value of the plan, or use two stages.",
        )


def _choice_faults(node: Choice) -> Iterator[Fault]:
    if node.kind == "when":
        if node.when is None or node.on is not None or node.ways or node.tag:
            yield node.name, f"{node.name} is decided by no condition.", AGAIN
        elif why := constant(node.when):
            yield node.name, why, "Compare a value of the plan."
        return
    tags = [tag for way in node.ways for tag in way]
    if node.on is None or node.on.path or node.when is not None or not node.tag or len(node.ways) < 2:
        yield node.name, f"{node.name} is not about a value that is one of several models.", AGAIN
    elif not all(node.ways) or len(set(tags)) < len(tags):
        yield node.name, f"the ways of {node.name} are not told apart.", AGAIN


def _join_faults(plan: Plan, node: Join) -> Iterator[Fault]:
    choice = plan.node(node.choice)
    assert isinstance(choice, Choice)
    decided = [plan.label(ref.node) for ref in choice.reads]
    given = [plan.label(option.node) for option in node.options]
    label = label_joined(given, Label.UNTRUSTED if Label.UNTRUSTED in decided else Label.PLAIN)
    if len(node.options) != ways(choice) or any(option.path for option in node.options):
        yield node.name, f"{node.name} does not give a whole value for each way of {node.choice}.", AGAIN
    elif any(plan.contract(option.node) != node.contract for option in node.options):
        yield node.name, f"the ways of {node.choice} give another type than {node.name}.", AGAIN
    elif label is None:
        yield node.name, f"some ways of {node.choice} give labelled data, and some do not.", "Label all or none."
    elif label is not node.label:
        yield node.name, f"{node.name} gives {node.label} data, and is {label}.", "Labels are contagious; keep them."


def _loop_faults(plan: Plan, node: Loop) -> Iterator[Fault]:
    label = plan.label(node.start.node)
    if node.start.path or plan.contract(node.start.node) != node.contract:
        yield node.name, f"{node.name} does not start from a whole value of its type.", AGAIN
    if not label.meets(node.label) or node.label is Label.APPROVED:
        yield (
            node.name,
            f"{node.name} is {node.label} and starts from {label} data.",
            "Labels are contagious; keep them.",
        )


def _end_faults(plan: Plan, node: Work) -> Iterator[Fault]:
    assert node.until is not None
    loop = plan.node(node.until.loop)
    assert isinstance(loop, Loop)
    read = [param.source for param in node.params]
    if len(read) != 1 or not isinstance(read[0], Ref) or read[0].path or node.kind != "until":
        yield node.name, f"{node.name} does not end a loop with one whole value.", AGAIN
        return
    source = plan.index.get(read[0].node, -1)
    if source <= plan.index[loop.name]:
        yield node.name, f"a round of {loop.name} does nothing.", "Let a stage make a new value of the one it is given."
    if {plan.contract(read[0].node), node.params[0].contract, node.contract} != {loop.contract}:
        yield node.name, f"a round of {loop.name} gives another type than it takes.", AGAIN
    label = plan.label(read[0].node)
    if not (label.meets(loop.label) and node.label is loop.label and node.params[0].label is loop.label):
        yield (
            node.name,
            f"a round of {loop.name} takes {loop.label} data and gives {label}.",
            "Let it give what it takes.",
        )
    if len(node.guards) != 1 or node.before or node.tools or node.undo or node.runs != node.guards[0].name:
        yield node.name, f"{node.name} is more than one guard at the end of a loop.", AGAIN
    if node.until.rounds < 1:
        yield node.name, f"{node.name} ends after no round.", "Give rounds= a number from 1."


def _way_up(demanded: Label) -> str:
    return {
        Label.ENDORSED: "Use endorse(…, by=…), or approve(…).",
        Label.APPROVED: "Use approve(…, by=role(…)).",
        Label.PLAIN: "Declare the parameter with the label; a label cannot be taken off.",
        Label.UNTRUSTED: "Pass the untrusted value itself.",
    }[demanded]

"""Tools and who may hold them, as they are declared; and every way to declare them wrongly."""

from __future__ import annotations

from typing import Any

import pytest

from gatework.errors import ContractError
from gatework.plan.plan import By, ToolUse
from gatework.values import canonical
from tests.unit.defining import Definitions

# -- tools -----------------------------------------------------------------------------------------

SEARCH = """\
@tool(untrusted=True, egress=True)
async def search(query: str, most: Annotated[int, Field(gt=0)] = 3, *, token: Secret = secret("SEARCH_TOKEN")) \
-> list[Letter]:
    'Look the words up.'
    raise NotImplementedError
"""


def test_tool_is_sealed_with_its_flags_and_contracts(defining: Definitions) -> None:
    """A use of it in a plan says what it takes and gives, and whatever rules depend on."""
    module = defining.load(
        "@tool(untrusted=True, private=True, egress=True, on='web', approve_calls=role('ops'),\n"
        "      timeout=timedelta(seconds=5), name='web_search')\n"
        "async def search(query: str) -> list[Letter] | Block: ..."
    )
    use: ToolUse = module.search.use
    interface = module.search.interface
    assert use == ToolUse(
        name="web_search", kind="tool", arguments=interface.arguments.digest, result=interface.result.digest,
        untrusted=True, private=True, egress=True, approver=By(role="ops"), queue="web", timeout_seconds=5.0,
    )  # fmt: skip
    assert use.apart
    assert interface.arguments.schema == {
        "type": "object",
        "properties": {"query": {"type": "string"}},
        "required": ["query"],
        "additionalProperties": False,
    }
    assert interface.result.schema["type"] == "array"


def test_tool_without_flags_needs_no_brackets(defining: Definitions) -> None:
    """`@tool` is `@tool()`; it runs inside of the stage."""
    module = defining.load("@tool\nasync def clock() -> datetime: ...\n@tool()\nasync def day() -> date: ...")
    assert not module.clock.use.apart
    assert module.day.use.kind == "tool"
    assert module.day.interface.arguments.schema["properties"] == {}


def test_default_of_an_argument_is_offered_and_sealed_in(defining: Definitions) -> None:
    """Whoever calls may leave it out; what is checked and recorded always holds it."""
    interface = defining.load(SEARCH).search.interface
    assert interface.asked["required"] == ["query"]
    assert interface.asked["properties"]["most"]["default"] == 3
    assert interface.arguments.schema["required"] == ["query", "most"]
    assert interface.bound(("words",), {}) == {"query": "words", "most": 3}
    assert interface.admitted({"query": "words"}) == {"query": "words", "most": 3}
    assert interface.values({"query": "words", "most": 3}) == {"query": "words", "most": 3}


def test_secret_of_a_tool_is_no_argument(defining: Definitions) -> None:
    """It stands in no contract, and no caller can pass it."""
    search = defining.load(SEARCH).search
    assert "token" not in canonical.dumps(search.interface.asked).decode()
    assert "token" not in canonical.dumps(search.interface.arguments.schema).decode()
    assert list(search.interface.secrets) == ["token"]
    with pytest.raises(ContractError, match="takes other arguments: query, most"):
        search.interface.bound(("a",), {"token": "x"})
    with pytest.raises(ContractError, match="a field that the contract does not know"):
        search.interface.admitted({"query": "a", "token": "x"})


WRONG_CALLS: list[Any] = [
    {},
    {"query": 3},
    {"query": "a", "most": 0},
    {"query": "a", "most": "3"},
    {"query": "a", "most": 3.5},
    {"query": "a", "more": 1},
    {"query": None},
    [],
    "query",
    None,
    {"query": "\ud800"},
]


@pytest.mark.parametrize("given", WRONG_CALLS)
def test_call_that_breaks_the_contract_is_refused_without_repeating_it(given: Any, defining: Definitions) -> None:
    """Arguments that a model wrote are checked as strictly as any other boundary, and are outside text."""
    interface = defining.load(SEARCH).search.interface
    with pytest.raises(ContractError, match="arguments of search"):
        interface.admitted(given)


def test_unknown_name_of_an_argument_is_not_repeated(defining: Definitions) -> None:
    """Names may be outside text, too."""
    interface = defining.load(SEARCH).search.interface
    given = {"query": "a", "S3CRET": 1}
    with pytest.raises(ContractError) as by_code:
        interface.bound((), given)
    with pytest.raises(ContractError) as by_model:
        interface.admitted(given)
    assert "S3CRET" not in f"{by_code.value} {by_model.value}"


TOOLS = {
    "not async": ("@tool  # here\ndef act(order: str) -> str: ...", "not async", "async def"),
    "without types": ("@tool  # here\nasync def act(order) -> str: ...", "order has no type", "Annotate"),
    "without a result": ("@tool  # here\nasync def act(order: str): ...", "does not say what it returns", "Annotate"),
    "of anything": ("@tool  # here\nasync def act(order: Any) -> str: ...", "order is no contract: Any", "JSON"),
    "that gives anything": ("@tool  # here\nasync def act() -> dict[str, Any]: ...", "output is no contract", "JSON"),
    "of starred arguments": ("@tool  # here\nasync def act(*orders: str) -> str: ...", r"takes \*orders", "Name each"),
    "of any keywords": ("@tool  # here\nasync def act(**o: str) -> str: ...", r"takes \*\*o", "Name each"),
    "of unnamed arguments": ("@tool  # here\nasync def act(o: str, /) -> str: ...", "no name to callers", "Drop the /"),
    "of a labelled value": (
        "@tool  # here\nasync def act(mail: Untrusted[Mail]) -> str: ...", "takes or gives labels", "plain values"
    ),
    "that gives a labelled value": (
        "@tool  # here\nasync def act() -> Endorsed[Mail]: ...", "takes or gives labels", "plain values"
    ),
    "with a wrong default": (
        "@tool  # here\nasync def act(most: Annotated[int, Field(gt=5)] = 3) -> str: ...",
        "the default of most breaks its contract", "Correct",
    ),
    "with a mutable default": (
        "@tool  # here\nasync def act(most: int = 'three') -> str: ...", "the default of most breaks", "Correct"
    ),
    "with a secret among its arguments": (
        "@tool  # here\nasync def act(token: Secret = secret('T')) -> str: ...",
        "could be passed as an argument", "star",
    ),
    "with a secret without its name": (
        "@tool  # here\nasync def act(*, token: Secret) -> str: ...", "token is half a secret", r"secret\(\"NAME\"\)"
    ),
    "with a secret as text": (
        "@tool  # here\nasync def act(*, token: str = secret('T')) -> str: ...", "token is half a secret", "Secret"
    ),
    "that gives a secret": ("@tool  # here\nasync def act() -> Secret: ...", "output is no contract", "JSON"),
    "with a name that is none": (
        "@tool(name='web search')  # here\nasync def act() -> str: ...", "'web search' is no name of a tool", "letters"
    ),
    "with a hostile name": (
        "@tool(name='a\\n')  # here\nasync def act() -> str: ...", r"'a\\n' is no name of a tool", "letters"
    ),
    "on no task queue": (
        "@tool(on='pay ments')  # here\nasync def act() -> str: ...", "no name of a task queue", "letters"
    ),
    "approved by no role": (
        "@tool(approve_calls='ops')  # here\nasync def act() -> str: ...", "does not say who approves", "role"
    ),
    "without time": ("@tool(timeout=timedelta())  # here\nasync def act() -> str: ...", "has no time", "timedelta"),
    "made of a lambda": ("tool(lambda: 3)  # here", "no usable name", "def"),
    "an effect that gives outside text": (
        "@effect(once='order')  # here\nasync def act(key: IdempotencyKey, order: str) -> str: ...\n"
        "from gatework.define.tool import Effect\nEffect(act.interface, once='order', untrusted=True)",
        "gives back outside text", "tool of its own",
    ),
    "an effect with two keys": (
        "@effect(once='order')  # here\n"
        "async def act(key: IdempotencyKey, order: str, other: IdempotencyKey) -> str: ...",
        "takes two keys", "Take one",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", TOOLS)
def test_tool_that_breaks_a_rule_is_refused(case: str, defining: Definitions) -> None:
    """Where it is declared, naming the fix."""
    defining.refused(*TOOLS[case])


# -- tools of other programs -----------------------------------------------------------------------

FOREIGN = """\
from gatework.define.interface import of_schemas
from gatework.define.tool import Tool, Effect

async def call(arguments: Any) -> Any:
    return {"text": arguments["path"]}

TEXT = {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}
"""


def test_tool_of_another_program_is_made_of_its_schemas(defining: Definitions) -> None:
    """Its arguments are closed whatever it says of them; limits are compared by what the schema says they are."""
    module = defining.load(
        FOREIGN
        + """\
PATHS = {"type": "object", "additionalProperties": True, "required": ["path"], "properties": {
    "path": {"type": "string", "description": "Where it lies."}, "head": {"type": ["integer", "null"]},
    "since": {"type": "string", "format": "date-time"}, "tags": {"type": "array", "items": {"type": "string"}}}}
read = Tool(of_schemas("read-text_file", call, arguments=PATHS, result=TEXT, description="Read a file."),
            untrusted=True, private=True, descriptor="d" * 64)
few = read.only(path=matches(r"reports/[a-z]+\\.md"), head=at_most(20), since=at_least("2026-01-01T00:00:00Z"),
                tags=["a"])
"""
    )
    assert module.read.use.descriptor == "d" * 64
    assert module.read.interface.arguments.schema["additionalProperties"] is False
    assert module.read.interface.asked["properties"]["path"]["description"] == "Where it lies."
    assert module.read.interface.admitted({"path": "a"}) == {"path": "a"}
    assert [(limit.argument, limit.rule, limit.kind) for limit in module.few.limits] == [
        ("path", "matches", "text"),
        ("head", "at_most", "number"),
        ("since", "at_least", "time"),
        ("tags", "is", None),
    ]


FOREIGN_WRONG = {
    "of no object": ("{'type': 'array', 'items': {'type': 'string'}}", "are no object", "as one"),
    "of anything": ("{'type': 'object', 'properties': {'path': {}}}", "may be anything", "schema of your own"),
    "of a schema elsewhere": (
        "{'type': 'object', 'properties': {'path': {'$ref': 'https://example.com/path.json'}}}",
        "refers to more than its own", "of your own",
    ),
    "of keys that follow a pattern": (
        "{'type': 'object', 'patternProperties': {'^a': {'type': 'string'}}}", "follow a pattern", "of your own"
    ),
    "of a pattern that looks around": (
        "{'type': 'object', 'properties': {'path': {'type': 'string', 'pattern': '(?=a)a'}}}", "looks around", "of your"
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", FOREIGN_WRONG)
def test_tool_of_schemas_that_say_nothing_is_refused(case: str, defining: Definitions) -> None:
    """What cannot be held against a value bounds nothing."""
    schema, problem, fix = FOREIGN_WRONG[case]
    defining.refused(f"{FOREIGN}of_schemas('read', call, arguments={schema}, result=TEXT)  # here", problem, fix)


# -- what a stage may hold -------------------------------------------------------------------------

TOOLBOX = """\
@tool(untrusted=True)
async def web(order: str) -> str: ...
@tool(private=True)
async def diary(order: str) -> str: ...
@tool(egress=True)
async def post(order: str, text: str = "") -> str: ...
"""

HOLDS = {
    "what is no tool": (
        "@stage(tools=[quotes])  # here\nasync def work(mail: Untrusted[Mail]) -> Untrusted[Letter]: ...",
        "given a tool that is none", "@tool or @effect",
    ),
    "one tool twice": (
        "@stage(tools=[web, web.only(order='a')])  # here\n"
        "async def work(mail: Untrusted[Mail]) -> Untrusted[Letter]: ...",
        "work names web twice", "Name it once",
    ),
    "outside text and gives it endorsed": (
        "@stage(tools=[web])  # here\nasync def work(owed: Endorsed[Owed]) -> Endorsed[Letter]: ...",
        "holds web, which gives outside text, and returns endorsed", r"Return Untrusted\[…\]",
    ),
    "outside text and gives it plain": (
        "@stage(tools=[web])  # here\nasync def work(text: str) -> Letter: ...",
        "holds web, which gives outside text, and returns plain", r"Return Untrusted\[…\]",
    ),
    "outside text beside an effect": (
        "@stage(tools=[web, refund_order])  # here\nasync def work(owed: Approved[Owed]) -> Untrusted[Letter]: ...",
        "holds the effect refund_order beside web", "two stages",
    ),
    "an effect on outside data": (
        "@stage(tools=[refund_order])  # here\nasync def work(mail: Untrusted[Mail]) -> Untrusted[Letter]: ...",
        "holds an effect and takes untrusted data", "Endorsed or Approved",
    ),
    "an effect on nothing": (
        "@stage(tools=[refund_order.only(order='A')])  # here\nasync def work(text: str) -> Letter: ...",
        "holds an effect without any labelled input", "Endorsed or Approved",
    ),
    "a budget of no money": (
        "@stage(budget=Budget(money='0'))  # here\nasync def work(text: str) -> Letter: ...", "has money", "Correct"
    ),
    "a budget of money that is no number": (
        "@stage(budget=Budget(money='a lot'))  # here\nasync def work(text: str) -> Letter: ...", "has money", "Correct"
    ),
    "a budget of no calls": (
        "@stage(tools=[web], budget=Budget(tool_calls={'web': 0}))  # here\n"
        "async def work(text: str) -> Untrusted[Letter]: ...", "counts calls of web", "Correct",
    ),
    "a budget of no time": (
        "@stage(budget=Budget(seconds=float('inf')))  # here\nasync def work(text: str) -> Letter: ...",
        "has seconds", "Correct",
    ),
    "a budget of half a byte": (
        "@stage(budget=Budget(output_bytes=0.5))  # here\nasync def work(text: str) -> Letter: ...",
        "has output_bytes", "Correct",
    ),
    "a budget of a flag": (
        "@stage(budget=Budget(model_calls=True))  # here\nasync def work(text: str) -> Letter: ...",
        "has model_calls", "Correct",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", HOLDS)
def test_stage_that_holds_what_it_must_not_is_refused(case: str, defining: Definitions) -> None:
    """Where it is declared, whatever plan it would be used in."""
    source, problem, fix = HOLDS[case]
    defining.refused(TOOLBOX + source, problem, fix)


def test_stage_may_hold_what_keeps_the_rules(defining: Definitions) -> None:
    """Tools without a mark leave labels as they are; a tool of outside text makes the output untrusted."""
    defining.load(
        TOOLBOX
        + """\
@stage(tools=[diary, post])
async def one(owed: Endorsed[Owed]) -> Endorsed[Letter]: ...
@stage(tools=[web, post])
async def two(owed: Endorsed[Owed]) -> Untrusted[Letter]: ...
@stage(tools=[refund_order.only(amount=at_most(100)), diary, post])
async def three(owed: Approved[Owed]) -> Endorsed[Letter]: ...
@stage(tools=[diary])
async def four(text: str) -> Letter: ...
@stage(tools=[web], budget=Budget(model_calls=8, tokens=20_000, money="0.25", tool_calls={"web": 5}, seconds=120,
                                  output_bytes=20_000))
async def five(mail: Untrusted[Mail]) -> Untrusted[Letter]: ...
"""
    )


def test_budget_of_a_workflow_is_sealed_in_its_plan(defining: Definitions) -> None:
    """What a run may spend over all its stages."""
    module = defining.load(
        "@workflow(budget=Budget(tokens=9, tool_calls={'refund_order': 1}))\n"
        "def plan(owed: Endorsed[Owed]) -> Endorsed[Receipt]:\n"
        "    agreed = approve(owed, by=role('f'))\n    return pay(agreed)\n"
    )
    assert module.plan.plan.budget.tokens == 9


@pytest.mark.parametrize("budget", ["Budget(tokens=0)", "Budget(tool_calls={'web': 1})"])
def test_budget_of_a_workflow_that_bounds_nothing_is_refused(budget: str, defining: Definitions) -> None:
    """Numbers above zero, of tools that some stage holds."""
    defining.refused(
        f"@workflow(budget={budget})  # here\n"
        "def plan(mail: Untrusted[Mail]) -> Untrusted[Claim]:\n    return extract(mail)",
        "the budget of plan",
        "Correct|Name a tool",
    )

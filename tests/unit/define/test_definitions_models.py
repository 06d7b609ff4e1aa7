"""A model that would come back from JSON as something else is refused where a stage takes it."""

from __future__ import annotations

import re

import pytest

from tests.unit.defining import Definitions

UNFAITHFUL = {
    "computed field": (
        "a: int\n    @computed_field\n    def b(self) -> int: return 1",
        r"M\.b is computed",
        "make it a field",
    ),
    "excluded field": ("a: int = Field(exclude=True)", r"M\.a is excluded", "remove exclude"),
    "field excluded at times": ("a: int = Field(exclude_if=bool)", r"M\.a is excluded", "remove exclude"),
    "secret": ("a: SecretStr", r"M\.a: SecretStr is written as asterisks", "name of a secret"),
    "secret in a list": ("a: list[SecretStr | None]", r"M\.a: SecretStr", "name of a secret"),
    "alias": ("a: int = Field(alias='b')", r"M\.a has an alias", "remove it"),
    "alias on reading": ("a: int = Field(validation_alias='b')", r"M\.a has an alias", "remove it"),
    "alias on writing": ("a: int = Field(serialization_alias='b')", r"M\.a has an alias", "remove it"),
    "aliases for all": (
        "model_config = ConfigDict(alias_generator=str.upper)\n    a: int",
        r"M\.a has an alias",
        "remove it",
    ),
    "bytes": ("a: bytes", r"M\.a: bytes are not JSON", "base64"),
    "new type of bytes": ("a: NewType('B', bytes)", r"M\.a: bytes are not JSON", "base64"),
    "set": ("a: set[int]", r"M\.a: set has no order", "list"),
    "frozenset": ("a: frozenset[str]", r"M\.a: frozenset has no order", "list"),
    "complex": ("a: complex", r"M\.a: complex has no order", "str"),
    "any": ("a: Any", r"M\.a: Any says nothing", "name its type"),
    "object": ("a: object", r"M\.a: Any says nothing", "name its type"),
    "any in a dict": ("a: dict[str, Any]", r"M\.a: Any says nothing", "name its type"),
    "bare list": ("a: list", r"M\.a: list does not say what it holds", r"list\["),
    "bare dict": ("a: dict", r"M\.a: dict does not say what it holds", r"dict\["),
    "class": ("a: type[int]", "may be anything", "name its type"),
    "function": ("a: Callable[[], int]", "no JSON Schema", ""),
    "foreign class": ("model_config = ConfigDict(arbitrary_types_allowed=True)\n    a: Foreign", "no JSON Schema", ""),
    "unknown fields kept": (
        "model_config = ConfigDict(extra='allow')\n    a: int",
        "allows unknown fields",
        "remove extra",
    ),
    "field serializer": (
        "a: str\n    @field_serializer('a')\n    def short(self, value: str) -> str: return value[:1]",
        r"M\.short writes something else",
        "remove the serializer",
    ),
    "model serializer": (
        "a: str\n    @model_serializer\n    def nothing(self) -> dict[str, str]: return {}",
        r"M\.nothing writes something else",
        "remove the serializer",
    ),
    "serializer in the type": ("a: Annotated[str, PlainSerializer(len)]", r"M\.a: a serializer", "remove it"),
    "serializer inside the type": ("a: list[Annotated[str, PlainSerializer(len)]]", r"M\.a: a serializer", "remove it"),
    "in another model": ("a: Inner", r"M\.a: Inner\.b: bytes are not JSON", "base64"),
    "in a dataclass": ("a: Data", r"M\.a: Data\.b: bytes are not JSON", "base64"),
    "enumeration of floats": ("a: Weird", r"M\.a: Weird\.ONE is not a string or integer", "give it such a value"),
    "pattern that looks ahead": (
        "model_config = ConfigDict(regex_engine='python-re')\n    a: str = Field(pattern='(?=a)b')",
        "looks around",
        "write one without",
    ),
    "keys of a pattern": (
        "a: dict[Annotated[str, Field(pattern='^a+$')], int]",
        "keys that follow a pattern",
        "list of models",
    ),
    "generic without its type": ("a: Box", r"M\.a: Box\.item: Any says nothing", "name its type"),
}

FAITHFUL = [
    "a: int | None = None", "a: list[int]", "a: dict[str, list[str]]", "a: tuple[int, str]", "a: Literal['x', 3]",
    "a: Kind", "a: Decimal = Field(gt=0)", "a: date | datetime", "a: timedelta", "a: UUID4", "a: 'M | None' = None",
    "a: Box[int]", "a: Annotated[str, Field(max_length=3, pattern='^a+$')]", "a: OrderId", "a: Data2", "a: Names",
    "model_config = ConfigDict(extra='ignore', frozen=True)\n    a: float", "a: HttpUrl", "a: Customer | Mail",
]  # fmt: skip

MODELS = """\
T = TypeVar("T")

class Foreign: ...
class Weird(Enum):
    ONE = 1.5
class Inner(BaseModel):
    b: bytes
@dataclass
class Data:
    b: bytes
@dataclass
class Data2:
    b: int
class Box(BaseModel, Generic[T]):
    item: T
class M(BaseModel):
    {fields}

@stage()  # here
async def work(value: M) -> Letter: ...
"""


@pytest.mark.parametrize("case", UNFAITHFUL)
def test_model_that_does_not_round_trip_is_refused(case: str, defining: Definitions) -> None:
    """What would come back from JSON as something else is refused where a stage takes it, saying why."""
    fields, problem, fix = UNFAITHFUL[case]
    error = defining.refused(MODELS.format(fields=fields), problem, "JSON")
    assert re.search(fix, error.problem)


@pytest.mark.parametrize("fields", FAITHFUL)
def test_model_that_round_trips_is_accepted(fields: str, defining: Definitions) -> None:
    """The types of everyday models."""
    assert defining.load(MODELS.format(fields=fields)).work.declared.params["value"].contract

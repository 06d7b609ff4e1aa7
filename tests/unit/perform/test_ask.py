"""What a model answers is held to the contract, to the choices and to the budget, and is labelled by what it read."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from gatework import Budget, Endorsed, Stage, Untrusted, ask, stage
from gatework.errors import ModelError
from gatework.models.question import Answer, Question
from tests.unit.attempts import Claim, Mail, Owed, failed, finished
from tests.unit.hostile import MARK, WRONG_BYTES

GOOD = '{"order": "7", "amount": 3}'


class Scripted:
    """A model that gives these answers, one after the other."""

    name = "scripted"

    def __init__(self, *answers: Any, tokens: int = 10) -> None:
        self.answers = list(answers)
        self.tokens = tokens
        self.questions: list[Question] = []

    async def answer(self, question: Question) -> Answer:
        self.questions.append(question)
        text = self.answers.pop(0)
        if isinstance(text, Exception):
            raise text
        return Answer(text=text, input_tokens=self.tokens, output_tokens=0, model="scripted")


def asking(budget: Budget | None = None, **options: Any) -> Stage[Any, Any]:
    @stage(budget=budget)
    async def extract(mail: Untrusted[Mail]) -> Untrusted[Claim]:
        return await ask(Claim, instructions="Read.", about=mail, **options)

    return extract


async def test_answer_that_keeps_to_the_contract_is_the_output() -> None:
    """The receipt names model, digests and tokens, and nothing that was said."""
    model = Scripted(GOOD)
    event = await finished(asking(), model=model)
    assert event.output.data == {"amount": 3, "order": "7"}
    (call,) = event.evidence["calls"]
    assert (call["model"], call["input_tokens"]) == ("scripted", 10)
    assert MARK not in str(event.evidence)
    (question,) = model.questions
    assert [(material.name, material.untrusted) for material in question.material] == [("mail", True)]
    assert question.schema["additionalProperties"] is False


@pytest.mark.parametrize("case", WRONG_BYTES)
async def test_hostile_answer_breaks_the_contract(case: str) -> None:
    """Whatever a model writes, the error names stage and boundary, and repeats nothing."""
    text = WRONG_BYTES[case]().decode("utf-8", "surrogateescape")
    event = await failed(asking(), model=Scripted(text))
    assert event.failure == "contract"
    assert event.reason.startswith("answer of the model in extract")


@pytest.mark.parametrize(
    "text",
    [
        '{"order": 7, "amount": 3}',
        '{"order": "7", "amount": "3"}',
        '{"order": "7", "amount": true}',
        '{"order": "7", "amount": 3.0}',
        '{"order": "7", "amount": null}',
        '{"order": "7"}',
        f'{{"order": "7", "amount": 3, "{MARK}": "{MARK}"}}',
        f'{{"order": "{MARK}", "amount": "{MARK}"}}',
        f"Sure! Here it is: {GOOD}",
        f"```json\n{GOOD}\n```",
    ],
)
async def test_answer_that_is_almost_right_is_refused(text: str) -> None:
    """Nothing is coerced, and nothing is picked out of prose."""
    event = await failed(asking(), model=Scripted(text))
    assert event.failure == "contract"
    assert event.reason.startswith("answer of the model in extract")


async def test_answer_outside_of_the_choices_is_refused() -> None:
    """`one_of` narrows the schema, and is checked whatever the model promises."""
    model = Scripted(GOOD, f'{{"order": "{MARK}", "amount": 3}}')
    await finished(asking(one_of={"order": ["7", "8"]}), model=model)
    assert model.questions[0].schema["properties"]["order"] == {"type": "string", "enum": ["7", "8"]}
    event = await failed(asking(one_of={"order": ["7", "8"]}), model=model)
    assert event.reason == "answer of the model in extract field order: must be one of the choices given"


@pytest.mark.parametrize("one_of", [{"nothing": ["7"]}, {"order": []}])
async def test_choices_of_no_field_are_refused(one_of: dict[str, list[str]]) -> None:
    """A choice that narrows nothing would look as if it did."""
    event = await failed(asking(one_of=one_of), model=Scripted(GOOD))
    assert "one_of names no field with choices" in event.reason


async def test_label_of_an_answer_is_that_of_what_was_read() -> None:
    """Endorsed throughout stays endorsed; one untrusted value is enough for the other."""
    seen: list[Any] = []

    @stage(budget=Budget(model_calls=9, tokens=9_000))
    async def mix(mail: Untrusted[Mail], owed: Endorsed[Owed]) -> Untrusted[Claim]:
        seen.clear()
        for about in (owed, [owed, owed], (), mail, [owed, mail]):
            seen.append(await ask(Claim, instructions="Read.", about=about))
        return Untrusted(seen[-1].value)

    inputs = {"mail": {"text": "a"}, "owed": {"order": "7", "amount": 3}}
    await finished(mix, inputs=inputs, model=Scripted(*[GOOD] * 5))
    assert [type(answer) for answer in seen] == [Endorsed, Endorsed, Endorsed, Untrusted, Untrusted]


async def test_endorsed_answer_does_not_serve_where_untrusted_is_declared() -> None:
    """A stage gives the label that it declares, and no other."""

    @stage()
    async def extract(mail: Untrusted[Mail]) -> Untrusted[Claim]:
        answer: Any = await ask(Claim, instructions=f"Read: {mail.value.text}")
        return answer  # type: ignore[no-any-return]

    event = await failed(extract, model=Scripted(GOOD))
    assert event.reason == "output of extract: must be Untrusted(…), and is a Endorsed"


async def test_calls_beyond_the_budget_are_not_made() -> None:
    """A call is counted before it is made, and tokens too."""

    def calling(times: int, budget: Budget | None, at_once: bool = False) -> Stage[Any, Any]:
        @stage(budget=budget)
        async def extract(mail: Untrusted[Mail]) -> Untrusted[Claim]:
            def call() -> Coroutine[Any, Any, Untrusted[Claim]]:
                return ask(Claim, instructions="Read.", about=mail, max_output_tokens=100)

            if at_once:
                return (await asyncio.gather(*(call() for _ in range(times))))[-1]
            return [await call() for _ in range(times)][-1]

        return extract

    for budget, made in (
        (Budget(model_calls=2, tokens=9_000), 2),
        (Budget(model_calls=1), 1),
        (Budget(model_calls=9, tokens=950), 2),
    ):
        for at_once in (False, True):
            model = Scripted(*[GOOD] * 9, tokens=100)
            stopped = await failed(calling(4, budget, at_once), model=model)
            assert stopped.failure == "block"
            assert "budget" in stopped.reason
            assert len(model.questions) <= made
    negative = Scripted(*[GOOD] * 9, tokens=-1_000_000)
    await failed(calling(9, Budget(model_calls=5, tokens=2_000)), model=negative)
    assert len(negative.questions) == 5
    event = await finished(calling(2, Budget(model_calls=2, tokens=2_000)), model=Scripted(GOOD, GOOD))
    assert len(event.evidence["calls"]) == 2


async def test_model_that_fails_is_an_error_without_its_words() -> None:
    """A `ModelError` is for people to read; anything else stays in the log."""
    event = await failed(asking(), model=Scripted(ModelError("No answer from the model.")))
    assert (event.failure, event.reason) == ("error", "No answer from the model.")
    event = await failed(asking(), model=Scripted(ConnectionError(MARK)))
    assert event.reason.startswith("ConnectionError at ")
    event = await failed(asking())
    assert "the worker has none; set GATEWORK_MODEL" in event.reason


async def test_retry_asks_with_feedback_and_another_seed() -> None:
    """What the guards said comes before the model, which is then less sure of itself."""
    model = Scripted(GOOD, GOOD)
    await finished(asking(), model=model)
    await finished(asking(), model=model, number=2, feedback=("Quote it.",))
    first, second = model.questions
    assert (first.feedback, first.temperature) == ((), 0.0)
    assert (second.feedback, second.temperature) == (("Quote it.",), 0.4)
    assert first.seed != second.seed

"""A stage that does not stand still: what it leaves running, reorders, holds back or asks for from elsewhere."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from gatework import Endorsed, Stage, Untrusted, stage
from gatework.define.roles import role
from gatework.define.tool import Effect, Tool, tool
from gatework.errors import GrantError
from gatework.run.events import Suspended
from gatework.run.journal import Entry
from tests.unit.attempts import Claim, Mail, Owed, Receipt, failed, finished
from tests.unit.hostile import MARK
from tests.unit.shops import DONE, INPUTS, Shop, looking, never, paying

Work = Callable[[Effect[[str, int], Receipt], Tool[[str], str]], Awaitable[Any]]


async def catches(refund: Any, look: Any) -> Any:
    try:
        return await refund("7", 3)
    except BaseException:  # noqa: BLE001
        return Receipt(payment=MARK)


async def catches_and_goes_on(refund: Any, look: Any) -> Any:
    for _ in range(100_000):
        try:
            return await refund("7", 3)
        except BaseException:  # noqa: BLE001
            continue
    return Receipt(payment=MARK)


async def catches_and_looks(refund: Any, look: Any) -> Any:
    try:
        return await refund("7", 3)
    except BaseException:  # noqa: BLE001
        await look("after")
        return Receipt(payment=MARK)


async def cleans_up_for_long(refund: Any, look: Any) -> Any:
    try:
        return await refund("7", 3)
    finally:
        await asyncio.sleep(30)


async def cleans_up_by_a_call(refund: Any, look: Any) -> Any:
    try:
        return await refund("7", 3)
    finally:
        await look("cleaned")


async def gathers(refund: Any, look: Any) -> Any:
    return (await asyncio.gather(refund("7", 3), refund("8", 3), refund("9", 3)))[0]


async def gathers_errors(refund: Any, look: Any) -> Any:
    found = await asyncio.gather(refund("7", 3), refund("8", 3), return_exceptions=True)
    return next((one for one in found if isinstance(one, Receipt)), Receipt(payment=MARK))


async def groups(refund: Any, look: Any) -> Any:
    async with asyncio.TaskGroup() as group:
        one, _ = group.create_task(refund("7", 3)), group.create_task(refund("8", 3))
    return one.result()


async def groups_and_catches(refund: Any, look: Any) -> Any:
    try:
        return await groups(refund, look)
    except BaseException:  # noqa: BLE001
        return Receipt(payment=MARK)


async def leaves_a_task(refund: Any, look: Any) -> Any:
    left.append(asyncio.create_task(lingers(look)))
    return await refund("7", 3)


async def lingers(look: Any) -> None:
    while True:
        await asyncio.sleep(0.001)
        await look("lingering")


async def does_not_wait(refund: Any, look: Any) -> Any:
    left.append(asyncio.create_task(refund("7", 3)))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    return Receipt(payment="p")


async def shields(refund: Any, look: Any) -> Any:
    return await asyncio.shield(refund("7", 3))


async def waits_for_a_moment(refund: Any, look: Any) -> Any:
    return await asyncio.wait_for(refund("7", 3), 5)


async def waits_as_completed(refund: Any, look: Any) -> Any:
    for found in asyncio.as_completed([refund("7", 3), refund("8", 3)]):
        await found
    return Receipt(payment="p")


async def calls_from_a_thread(refund: Any, look: Any) -> Any:
    loop = asyncio.get_running_loop()
    return await asyncio.to_thread(lambda: asyncio.run_coroutine_threadsafe(refund("7", 3), loop).result(5))


left: list[asyncio.Task[Any]] = []

STAGES: dict[str, tuple[Work, int]] = {
    "catches": (catches, 1),
    "catches and goes on": (catches_and_goes_on, 1),
    "catches and looks": (catches_and_looks, 1),
    "cleans up for long": (cleans_up_for_long, 1),
    "cleans up by a call": (cleans_up_by_a_call, 1),
    "gathers": (gathers, 3),
    "gathers errors": (gathers_errors, 2),
    "groups": (groups, 2),
    "groups and catches": (groups_and_catches, 2),
    "leaves a task": (leaves_a_task, 1),
    "does not wait": (does_not_wait, 1),
    "shields": (shields, 1),
    "waits for a moment": (waits_for_a_moment, 1),
    "waits as completed": (waits_as_completed, 2),
    "calls from a thread": (calls_from_a_thread, 1),
}


@pytest.mark.parametrize("case", STAGES)
async def test_stage_that_stands_still_can_do_nothing_until_it_is_answered(case: str) -> None:
    """Whatever it catches and goes on to do, each effect is done once, by nobody but who makes the calls."""
    work, effects = STAGES[case]
    shop, stands = Shop(), list[Suspended]()
    refund, look = shop.refund(), shop.look()
    left.clear()
    options: dict[str, Any] = {"inputs": INPUTS, "stands": stands, "timeout_seconds": 3.0}
    if case == "cleans up for long":
        # It is left behind; once it is answered its time is up.
        event: Any = await failed(paying(refund, lambda _: work(refund, look), refund, look), **options)
        assert event.failure == "timeout"
    else:
        event = await finished(paying(refund, lambda _: work(refund, look), refund, look), **options)
        assert event.output.data == {"payment": "p"}
    assert len(shop.keys) == len(set(shop.keys)) == effects
    assert [len(stood.calls) for stood in stands] == [effects]
    looked = list(shop.looked)
    assert "after" not in looked
    await asyncio.sleep(0.05)
    assert shop.looked == looked
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)


async def test_calls_that_were_under_way_are_kept() -> None:
    """What ran beside the call that must wait is not done again."""
    shop = Shop()
    look, refund = shop.look(), shop.refund()
    shop.answer = DONE

    @tool
    async def slow(order: str) -> str:
        shop.looked.append(f"slow {order}")
        await asyncio.sleep(0.05)
        return order

    async def both(owed: Owed) -> Receipt:
        found = await asyncio.gather(slow("a"), look("b"), refund("7", 3))
        return found[2]

    stands: list[Suspended] = []
    await finished(paying(refund, both, refund, look, slow), inputs=INPUTS, stands=stands)
    assert sorted(shop.looked) == ["b", "slow a"]
    assert sorted(entry.tool for entry in stands[0].entries) == ["look_up", "slow"]


async def test_stage_that_reorders_its_calls_gets_the_same_answers() -> None:
    """An answer belongs to what was asked, not to when."""
    shop, turn = Shop(), 0
    refund = shop.refund()

    async def fickle(owed: Owed) -> Receipt:
        nonlocal turn
        turn += 1
        for order in ("7", "8", "9") if turn % 2 else ("9", "8", "7"):
            await refund(order, 3)
        return DONE

    await finished(paying(refund, fickle), inputs=INPUTS)
    assert len(shop.keys) == len(set(shop.keys)) == 3


async def test_what_a_stage_raises_counts_more_than_what_it_asked_for() -> None:
    """Nobody needs the call of an attempt that has failed, so it is not made."""
    shop = Shop()
    refund = shop.refund()

    async def breaks(owed: Owed) -> Receipt:
        task = asyncio.create_task(refund("7", 3))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        task.cancel()
        raise ValueError(MARK)

    event = await failed(paying(refund, breaks), inputs=INPUTS, acted=never)
    assert event.failure == "error"


@pytest.mark.parametrize("how", ["run", "thread"])
async def test_tool_is_not_reached_from_another_thread(how: str) -> None:
    """Another event loop has none of what holds a stage; the context it was given does not help."""
    shop = Shop()
    look = shop.look()
    said: list[str] = []

    def reach() -> None:
        try:
            asyncio.run(look("7"))
        except GrantError as error:
            said.append(error.message)

    async def work(mail: Mail) -> str:
        if how == "run":
            await asyncio.to_thread(reach)
        else:
            thread = threading.Thread(target=reach)
            thread.start()
            await asyncio.to_thread(thread.join)
        return "7"

    await finished(looking(work, look))
    assert shop.looked == []
    assert ("another thread" if how == "run" else "only inside a stage") in said[0]


async def test_cancelled_run_leaves_nothing_behind() -> None:
    """A run that is cancelled while a stage works takes the stage with it."""
    ended = asyncio.Event()

    async def waits(mail: Mail) -> str:
        try:
            await asyncio.sleep(30)
        finally:
            ended.set()
        return "7"

    task = asyncio.create_task(finished(looking(waits)))
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended.is_set()


async def test_refused_call_of_the_stage_is_an_answer_of_the_journal() -> None:
    """A person who refuses a call of the stage's own code stops it with the reason given."""
    look = Shop().look(approve_calls=role("ops"))

    async def rejected(call: Any) -> Entry:
        return Entry(kind="tool", id=call.id, outcome="refused", reason="Not today.", tool=call.tool)

    event = await failed(looking(lambda mail: look("7"), look), acted=rejected)
    assert (event.failure, event.reason) == ("block", "Not today.")


async def test_endless_stage_is_stopped() -> None:
    """A stage that does something new each time it is run again ends, if nothing else ends it."""
    count = 0
    look = Shop().look(on="elsewhere")

    async def fickle(mail: Mail) -> str:
        nonlocal count
        count += 1
        return await look(str(count))

    journal = tuple(Entry(kind="tool", id=f"{n:064x}", outcome="refused", reason="-", tool="t") for n in range(256))
    event = await failed(looking(fickle, look), journal=journal)
    assert event.failure == "block"
    assert "answered too much" in event.reason


async def test_labels_of_what_a_stage_gives_hold_whatever_its_tools_gave() -> None:
    """A stage cannot say of outside text that it is endorsed."""
    look = Shop().look(untrusted=True)

    async def launder(mail: Untrusted[Mail]) -> Any:
        return Endorsed(Claim(order=await look("7"), amount=3))

    @stage(tools=[look])
    async def extract(mail: Untrusted[Mail]) -> Untrusted[Claim]:
        return await launder(mail)  # type: ignore[no-any-return]

    event = await failed(extract)
    assert event.reason == "output of extract: must be Untrusted(…), and is a Endorsed"


def test_every_hostile_stage_is_a_coroutine() -> None:
    """The table would show nothing if an entry were never run."""
    assert all(inspect.iscoroutinefunction(work) for work, _ in STAGES.values())
    assert isinstance(paying(Shop().refund()), Stage)


async def test_arguments_of_calls_that_wait_count_as_what_an_attempt_keeps() -> None:
    """What is larger than a message would never reach the machine, and be tried again until the worker is given up."""
    look = Shop().look(approve_calls=role("ops"))

    async def many(_: Mail) -> Any:
        return await asyncio.gather(*(look(f"{n}" + "x" * 200_000) for n in range(3)))

    event = await failed(looking(many, look))
    assert "was answered too much" in event.reason

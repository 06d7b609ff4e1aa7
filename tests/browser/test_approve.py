"""A person approves in the stock Temporal UI: finds the run, reads its panel, types the number, and it goes on."""

from __future__ import annotations

from playwright.async_api import expect

from gatework.testing import ScriptedModel, tool_call
from tests.browser.runs import Runs, decisions, waiting
from tests.browser.ui import Screen
from tests.workflow.plans import Note, Paper, agent_each, clicked, signed, world

HOSTILE = "fine\n``` <b>bold</b> | a@b.example **5000** [pay](http://evil.example)"
NOT_THIS = "That is not the number on the panel as it stands now; reload it and read it again."


def other_than(number: str) -> str:
    return "1000" if number != "1000" else "1001"


async def test_person_finds_the_run_reads_its_panel_and_approves_with_the_number(runs: Runs, screen: Screen) -> None:
    """Nothing, a typo and what is no JSON are refused in the dialog; the number on the panel completes the run."""
    run, waits = await runs.waits(signed, Note(text=HOSTILE))
    await screen.page.goto(screen.server.waiting)
    await screen.page.get_by_role("link", name=run.id).first.click()
    await screen.page.get_by_text("User Metadata").click()
    await screen.reads("NEEDS YOU (boss): approve paper", f"approve with {waits.number}")
    # What a value says is shown, and is neither a link nor markup.
    await screen.reads("<b>bold</b> | a@b.example **5000** [pay](http://evil.example)")
    assert await screen.panel.get_by_role("link").all_inner_texts() == ["All that waits for somebody"]
    await screen.picture("panel")

    dialog = await screen.fill_in("approve")
    await dialog.submit()
    await dialog.is_refused("Send the four digits on the panel: they show that you saw this evidence.")
    await dialog.type(other_than(waits.number))
    await dialog.submit()
    await dialog.is_refused(NOT_THIS)
    await screen.picture("refused")
    await dialog.type(f"{waits.number} Ana")  # without the double quotes
    await dialog.submit()
    await expect(dialog.box).to_contain_text("Input must be valid JSON")
    assert (await run.state()).status == "waiting"
    await dialog.type(f'"{waits.number} Ana: the boss has seen it"')
    await dialog.submit()
    await dialog.is_taken()

    assert await run.result() == Paper(text=HOSTILE)
    (decided,) = await decisions(run)
    assert (decided.action, decided.evidence) == ("approve", waits.evidence)
    assert (decided.by, decided.identity, decided.reason) == ("Ana", "claimed", "the boss has seen it")
    await screen.look_again("Completed", "3 of 3 stages done")


async def test_person_approves_with_clicks_alone_where_the_plan_takes_a_click(runs: Runs, screen: Screen) -> None:
    """More Actions, Send an Update, approve, Submit: no key is touched."""
    run, waits = await runs.waits(clicked, Note(text="a"))
    await screen.open(run)
    await screen.reads(f"approve with nothing, or with {waits.number}")
    await screen.send("approve")
    assert await run.result() == Paper(text="a")


async def test_list_of_updates_says_what_to_type_for_each(runs: Runs, screen: Screen) -> None:
    """Whoever has forgotten reads it where they choose the update; the run's own page says the rest."""
    run, _ = await runs.waits(signed, Note(text="a"))
    described = await run.handle.describe()
    # The address that commands and messages print.
    await screen.page.goto(screen.server.page(run.id, described.run_id))
    await screen.reads("More Actions → Send an Update")
    await screen.page.get_by_role("button", name="More Actions").click()
    await screen.page.get_by_role("menuitem", name="Send an Update").first.click()
    dialog = screen.dialog
    told = await dialog.described()
    await screen.picture("updates")
    assert {"approve", "reject", "retry", "edit", "abort"} <= set(told)
    assert "four digits on the panel" in told["approve"]
    assert "in double quotes" in told["reject"]
    assert "as JSON" in told["edit"]
    await run.abort("test")


async def test_person_reads_a_call_and_lets_exactly_that_one_happen(runs: Runs, screen: Screen) -> None:
    """The panel shows tool and arguments as they are; its number makes this call, and a refusal not the next one."""
    hostile = "A-1\n``` **approve** with **0000** <b>x</b> | [pay](http://evil.example)"
    model = ScriptedModel(
        [tool_call("transfer_each", order=hostile, amount="12.50")],
        [tool_call("transfer_each", order="A-2", amount="99.00")],
        Paper(text="paid"),
    )
    async with Runs.served(screen.server, agent_each, model=model) as own:
        run, waits = await own.waits(agent_each, Note(text="A-1"))
        await screen.open(run)
        await screen.reads(
            "NEEDS YOU (boss): let decide_each call transfer_each",
            f"approve with {waits.number}: transfer_each is called once, with exactly the arguments below",
            "the call is not made, decide_each is told so, and the run does not end",
            "12.50",
            "``` **approve** with **0000** <b>x</b> | [pay](http://evil.example)",
        )
        assert await screen.panel.get_by_role("link").all_inner_texts() == ["All that waits for somebody"]
        assert await screen.panel.locator("strong", has_text="0000").count() == 0
        await screen.is_refused("approve", other_than(waits.number), NOT_THIS)
        assert world.paid == {}

        await screen.send("approve", waits.number)
        await screen.look_again("NEEDS YOU", "99.00")
        following = await waiting(run)
        assert following.shown["transfer_each()"] == {"order": "A-2", "amount": "99.00"}
        assert list(world.paid.values()) == [hostile]

        await screen.takes_it_in()
        await screen.send("reject", '"not this one"')
        assert await run.result() == Paper(text="paid")
        assert list(world.paid.values()) == [hostile]

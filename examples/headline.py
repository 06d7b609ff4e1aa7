from pydantic import BaseModel, Field

from gatework import Approved, Endorsed, Pass, Retry, Untrusted, Verdict, approve, ask, role, stage, workflow


class Note(BaseModel):
    text: str


class Title(BaseModel):
    text: str = Field(min_length=3, max_length=60)


def keeps_to_the_note(title: Title, note: Note) -> Verdict:
    foreign = set(title.text.split()) - set(note.text.split())
    return Retry("Use only words of the note.") if foreign else Pass()


@stage(keeps_to_the_note, attempts=5)
async def propose(note: Untrusted[Note]) -> Untrusted[Title]:
    return await ask(Title, instructions="Write a title for this note.", about=note)


@stage()
async def typeset(title: Approved[Title]) -> Endorsed[str]:
    return Endorsed(title.value.text.upper())


@workflow
def headline(note: Untrusted[Note]) -> Endorsed[str]:
    title = propose(note)
    agreed = approve(title, by=role("editor"))
    return typeset(agreed)

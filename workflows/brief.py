"""Write a research brief: quote documents, write on the quotations, let an editor accept or edit it, publish."""

from __future__ import annotations

from datetime import timedelta

from activities.briefs import compose, criticise, draft_brief, revise
from activities.documents import gather, transcribe
from activities.evidence import Evidence, Note, Request, Silence
from activities.passages import quote, weigh
from activities.press import Published, publish, publish_note, publish_text
from gatework import Budget, Endorsed, Untrusted, approve, ask_person, case, choose, each, repeat, role, workflow
from guards.briefs import nothing_to_mend


@workflow(budget=Budget(model_calls=400, tokens=1_000_000))
def brief(request: Untrusted[Request]) -> Untrusted[Published]:
    """Write a research brief: quote documents, write on the quotations, let an editor accept or edit it, publish."""
    documents = gather(request)
    found = each(lambda document: quote(transcribe(document), request), documents, at_most=4, failed="collect")
    evidence = weigh(found, request)

    def write(evidence: Untrusted[Evidence]) -> Endorsed[Published]:
        first = criticise(draft_brief(evidence, request), evidence, request)
        text = repeat(
            lambda text: criticise(revise(text, evidence, request), evidence, request),
            first,
            until=nothing_to_mend,
            rounds=2,
            spent="accept",
        )
        composed = compose(text, evidence, found, request)
        agreed = approve(composed, by=role("editor"), title="publish {title}", within=timedelta(days=7))
        return publish.limited(publish_text.only(name=agreed.value.name))(agreed)

    def tell(silence: Untrusted[Silence]) -> Endorsed[Published]:
        note = ask_person(
            Note,
            "The documents say too little. What are readers told?",
            by=role("editor"),
            show=[silence],
            within=timedelta(days=7),
        )
        return publish_note(note)

    published: Untrusted[Published] = choose(evidence, case(Evidence, write), case(Silence, tell))
    return published

"""HTML as the text that its reader sees, and nothing that its reader does not see."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from activities.html_text import text_of
from activities.mail_text import own_words, plain

RANDOM = settings(deadline=timedelta(seconds=10), suppress_health_check=[HealthCheck.too_slow])


@pytest.mark.parametrize(
    "hidden",
    [
        "<!-- {} -->",
        "<!--> <!-- {} -->",
        "<!-- > {} -->",
        "<!x {}>",
        "<?php {} ?>",
        "<script>{}</script>",
        "<style>{}</style>",
        "<title>{}</title>",
        "<textarea>{}</textarea>",
        "<template><p>{}</p></template>",
        "<p hidden>{}</p>",
        "<p style='display:none'>{}</p>",
        "<p STYLE=display:none>{}</p>",
        "<p style='color:red; DISPLAY : NONE !important'>{}</p>",
        "<p style='dis/* */play:none'>{}</p>",
        "<p style='d\\69splay:none'>{}</p>",
        "<p style='display&#58;none'>{}</p>",
        "<p style='visibility:hidden'>{}</p>",
        "<p style='font-size:0'>{}</p>",
        "<p style='font-size: 0.0px'>{}</p>",
        "<p style='font-size:1px'>{}</p>",
        "<p style='font:0/0 a'>{}</p>",
        "<p style='opacity:0'>{}</p>",
        "<p style='max-height:0;overflow:hidden'>{}</p>",
        "<p style='text-indent:-9999px'>{}</p>",
        "<p style='position:absolute;left:-5000px'>{}</p>",
        "<p style='mso-hide:all'>{}</p>",
        "<p style='color:transparent'>{}</p>",
        "<p style='color:rgba(0,0,0,0)'>{}</p>",
        "<p style='color:#fff'>{}</p>",
        "<p style='color:white;background:#fefefe'>{}</p>",
        "<div style='background-color:#000'><p style='color:#010101'>{}</p></div>",
        "<table bgcolor='#336699'><tr><td><font color='#336699'>{}</font></td></tr></table>",
        "<style>.q{{display:none}}</style><p class='a q'>{}</p>",
        "<p class='q'>{}</p><style>p.q, i{{color:red}} div p.q{{ font-size:0 }}</style>",
        "<style>@media all{{#q{{visibility:hidden}}}}</style><p id=q>{}</p>",
        "<style>[data-q]{{display:none}}</style><p data-q>{}</p>",
        "<style>/* {{}} */ p:not(.x){{display:none}}</style><p>{}</p><style>p{{}}</style>",
        "<div style='display:none'><b></div-x></b></span></p>{}</div>",
        "<div style='display:none'><table><tr><td></div>{}</td></tr></table></div>",
        "<span style='display:none'><div></span>{}</div></span>",
        "<div hidden><p>{}<p>{}<li>{}</div>",
        "<a title='>' hidden>{}</a>",
        "<img alt='{}'>",
        "<a href='{}'></a>",
    ],
)
def test_hidden_html_does_not_reach_the_text(hidden: str) -> None:
    """A reader of the mail does not see it, so nor does a model."""
    body = "<i>seen</i><br>" + hidden.format(*["SECRET"] * 3) + "<br><i>also</i>"
    assert "SECRET" not in text_of(body)
    assert text_of(body).startswith("seen")


@pytest.mark.parametrize(
    ("body", "seen"),
    [
        ("<p>one</p><p>two<br>three</p>", "one\n\ntwo\nthree"),
        ("<div>one</div><div>two</div>", "one\ntwo"),
        ("a &lt;b&gt; &euro;&nbsp;5 &#8364; &#x20AC; &unknown;", "a <b> € 5 € € &unknown;"),
        ("<table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table>", "a b\nc"),
        ("<ul><li>a<li>b</ul>", "a\nb"),
        ("no <b>mark</b>up <unknown>tag</unknown>", "no markup tag"),
        ("5 < 6 and 7 > 6", "5 < 6 and 7 > 6"),
        ("<p style='font:bold 11pt Arial;width:auto;height:10px;opacity:0.9'>seen</p>", "seen"),
        ("<p style='width:100%;max-width:600px;left:0;line-height:0;color:#333'>seen</p>", "seen"),
        ("<td style='background:#036'><a style='color:#fff'>seen</a></td>", "seen"),
        ("<style>.b{display:block} a:after{display:none}</style><p class=b>se<a>en</a></p>", "seen"),
        ("<head><title>no</title></head><body>seen</body>", "seen"),
        ("<p>new</p><blockquote>old<br>words</blockquote>", "new"),
        ("new<div class=gmail_quote>On Monday Shop wrote:<br><blockquote>old</blockquote></div>", "new"),
        ("seen<a href='x", "seen"),
        ("seen<!-- never closed", "seen"),
    ],
)
def test_html_becomes_the_text_that_a_reader_sees(body: str, seen: str) -> None:
    """Lines, cells, characters and quotations come out as they look."""
    assert own_words(plain(text_of(body))) == seen


@RANDOM
@given(
    st.lists(
        st.sampled_from(
            ["<", ">", "<!--", "-->", "<p hidden>", "</p>", "<a b='", "'", "=", " ", "x", "</", "&#", "<style>"]
        )
    )
)
def test_arbitrary_markup_becomes_text(parts: list[str]) -> None:
    """Tags that never end and ends without tags are taken as they come."""
    assert isinstance(text_of("".join(parts)), str)

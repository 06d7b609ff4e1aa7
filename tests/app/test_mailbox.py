"""Reading mails: what becomes text, what is refused, and that nothing makes it raise or hang."""

from __future__ import annotations

import base64
import random
import time
import unicodedata
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from activities.mailbox import Mail, RawMail, mail_key, message_key, read, read_message, sentences
from gatework import Block, Untrusted

MAILS = sorted((Path(__file__).parents[2] / "mails").glob("*.eml"))
FROM = b"From: Ann <ann@example.com>\n"


def eml(body: bytes | str, *headers: str, sender: bytes = FROM) -> bytes:
    """The bytes of a mail, UTF-8 and plain unless its headers say otherwise."""
    kind = (
        []
        if any(h.lower().startswith("content-type") for h in headers)
        else ["Content-Type: text/plain; charset=utf-8"]
    )
    head = "\n".join([*headers, *kind, "MIME-Version: 1.0"]).encode()
    return sender + head + b"\n\n" + (body.encode() if isinstance(body, str) else body)


def text(body: bytes | str, *headers: str) -> str:
    mail = read_message(eml(body, *headers))
    assert isinstance(mail, Mail), mail
    return mail.text


def refusal(raw: bytes) -> str:
    mail = read_message(raw)
    assert isinstance(mail, Block), mail
    return mail.reason


# -- the sender ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "address", "name"),
    [
        (b"From: ann@Example.COM\n", "ann@example.com", ""),
        (b"From: Ann.Lee@example.com (Ann)\n", "Ann.Lee@example.com", ""),
        (b'From: "Lee, Ann" <ann@example.com>\n', "ann@example.com", "Lee, Ann"),
        (b"From: =?utf-8?q?Zo=C3=AB?= <zoe@example.com>\n", "zoe@example.com", "Zoë"),
        (b'From: "boss@shop.example" <ann@example.com>\n', "ann@example.com", "boss@shop.example"),
    ],
)
def test_sender_is_the_one_address_in_from(header: bytes, address: str, name: str) -> None:
    """The address counts, never the name beside it; the domain is compared in lower case."""
    mail = read_message(eml("hello", sender=header))
    assert isinstance(mail, Mail)
    assert (mail.sender, mail.sender_name) == (address, name)


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"From:\n",
        b"From: nobody\n",
        b"From: <>\n",
        b"From: ann@example.com, bob@example.com\n",
        b"From: ann@example.com\nFrom: bob@example.com\n",
        b"From: Us: ann@example.com;\n",
        b"From: ann@example.com <bob@example.com>\n",
        b"From: <ann@example.com> <bob@example.com>\n",
        b'From: "a b"@example.com\n',
        b"From: ann@exa\xc3\xa4mple.com\n",
        b"From: =?utf-8?q?ann=40example=2Ecom?=\n",
        b"From: ann@example.com@evil.example\n",
        b"From: ann@[192.0.2.1]\n",
        b"From: ann..lee@example.com\n",
        b"From: \xe2\x80\xaeann@example.com\n",
    ],
)
def test_sender_that_is_not_exactly_one_address_is_refused(header: bytes) -> None:
    """No sender is guessed at."""
    assert any(word in refusal(eml("hello", sender=header)) for word in ("sender", "who sent", "From", "malformed"))


def test_sender_is_not_taken_from_other_headers() -> None:
    """Reply-To, Sender and Return-Path say nothing of who wrote."""
    raw = eml("hello", "Reply-To: eve@evil.example", "Sender: eve@evil.example", "Return-Path: <eve@evil.example>")
    mail = read_message(raw)
    assert isinstance(mail, Mail)
    assert mail.sender == "ann@example.com"


# -- the text -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("charset", "words"),
    [
        ("utf-8", "Grüße, 5 €"),
        ("us-ascii", "Grüße"),  # says ASCII and is UTF-8, as many do
        ("windows-1252", "naïve “quotes” – 5 €"),
        ("iso-8859-15", "œuvre, 5 €"),
        ("iso-8859-2", "zażółć gęślą jaźń"),
        ("koi8-r", "верните деньги"),
        ("shift_jis", "返金してください"),
        ("iso-2022-jp", "返金してください"),
        ("gb18030", "请退款"),
        ("utf-16", "Grüße, 返金"),
        ("utf-16-le", "Grüße"),
    ],
)
def test_text_is_decoded_from_its_charset(charset: str, words: str) -> None:
    """Base64 carries bytes of every charset."""
    encoded = base64.encodebytes(words.encode("utf-8" if charset == "us-ascii" else charset))
    assert text(encoded, f"Content-Type: text/plain; charset={charset}", "Content-Transfer-Encoding: base64") == words


@pytest.mark.parametrize(
    "charset", ["unicode_escape", "utf-7", "punycode", "rot13", "idna", "zlib", "undefined", "nope"]
)
def test_text_in_what_is_no_charset_is_read_as_utf8_or_refused(charset: str) -> None:
    """Python's codecs that make text out of other text are not for mails."""
    header = f"Content-Type: text/plain; charset={charset}"
    assert text("r+AGU-fund \\u0041", header) == "r+AGU-fund \\u0041"
    assert "decoded" in refusal(eml(b"refund \xff\xfe\xfa", header))


def test_text_loses_invisible_characters() -> None:
    """Zero-width, direction, tag, private and control characters say what no reader sees."""
    hidden = "\u200b\u200d\u2060\ufeff\u202e\u2066\u061c\u00ad\u180e\U000e0041\ue000\x07\x1b\u034f\u3164\ufe0f"
    assert text("re" + hidden + "fund") == "refund"


def test_text_has_plain_spaces_and_line_ends() -> None:
    """All spaces become one space, all line ends one, and one empty line parts two paragraphs."""
    assert text("a\u00a0\u202f\t b  \r\nc\rd\u2028e\n\n\n \nf\n") == "a b\nc\nd\ne\n\nf"


def test_text_is_composed() -> None:
    """Letters with their marks apart are put together, so that words compare."""
    assert text("cafe\u0301") == "café"


def test_flowed_text_is_joined() -> None:
    """RFC 3676: a space before the line's end means that the paragraph goes on, unless it is a signature's mark."""
    flowed = "Content-Type: text/plain; charset=utf-8; format=flowed"
    assert text("one \ntwo\n three\n> old \n> words\n-- \nAnn\n", flowed) == "one two\nthree"
    assert text("Wasser \nkocher\n", flowed + "; delsp=yes") == "Wasserkocher"


def test_plain_part_is_taken_and_an_empty_one_passed_over() -> None:
    """Of a plain and an HTML part the plain one counts, if it says something."""

    def both(plain: str) -> str:
        return text(
            f"--x\nContent-Type: text/plain\n\n{plain}\n--x\nContent-Type: text/html\n\n<p>rich</p>\n--x--\n",
            "Content-Type: multipart/alternative; boundary=x",
        )

    assert both("poor") == "poor"
    assert both(" \n\n -- \n") == "rich"


def test_attachments_are_not_text() -> None:
    """An attached text is a file, whatever it says."""
    body = (
        "--x\nContent-Type: text/plain; name=a.txt\nContent-Disposition: attachment\n\nattached\n"
        "--x\nContent-Type: text/plain\n\nwritten\n--x--\n"
    )
    assert text(body, "Content-Type: multipart/mixed; boundary=x") == "written"


# -- refusals -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (eml(b"x" * 1_000_001), "The mail is larger than one megabyte."),
        (eml("a" * 20_001), "The text of the mail is longer than 20,000 characters."),
        (eml("\n" * 210_000), "The mail has too many lines."),
        (eml("hello", "Subject: " + "a" * 5_000), "A header of the mail is too long."),
        (eml(""), "The mail holds no text of its own."),
        (eml(" .,;\n-- \nAnn"), "The mail holds no text of its own."),
        (eml("x", "Content-Transfer-Encoding: x-uuencode"), "The mail is encoded in a way that is not known."),
        (eml("x", "Content-Type: application/pdf"), "The mail holds no text of its own."),
        (eml("x", "Content-Type: multipart/mixed"), "The mail is cut short or its parts are malformed."),
        (
            eml("--b\n\nx", "Content-Type: multipart/mixed; boundary=b"),
            "The mail is cut short or its parts are malformed.",
        ),
        (eml("<div>" * 400 + "x", "Content-Type: text/html"), "The HTML is nested too deeply."),
    ],
)
def test_mail_that_cannot_be_read_is_refused_with_a_sentence(raw: bytes, reason: str) -> None:
    """The sentence says what is wrong and repeats nothing of the mail."""
    assert refusal(raw) == reason


async def test_read_stage_takes_base64_and_gives_an_untrusted_mail() -> None:
    """What comes out of a mail stays untrusted."""
    raw = base64.b64encode(eml("hello")).decode()
    mail = await read.function(Untrusted(RawMail(eml=raw)))
    assert isinstance(mail, Untrusted)
    assert mail.value.text == "hello"
    for bad in ("not base64!", "AAA", "ä", "A" * 2_000_000):
        assert isinstance(await read.function(Untrusted(RawMail(eml=bad))), Block)


# -- whatever comes in --------------------------------------------------------------------------------------


def check(raw: bytes) -> None:
    """What holds of every answer."""
    key = message_key(raw)
    assert key.startswith("mail-")
    assert len(key) == 37
    assert key == message_key(raw)
    mail = read_message(raw)
    if isinstance(mail, Block):
        assert mail.reason.endswith(".")
        return
    assert 0 < len(mail.text) <= 20_000
    assert mail.text == mail.text.strip()
    for value in (mail.text.replace("\n", ""), mail.sender, mail.sender_name, mail.subject, mail.message_id):
        assert not any(unicodedata.category(character)[0] == "C" for character in value)
    assert Mail.model_validate_json(mail.model_dump_json()) == mail
    found = sentences(mail.text)
    assert found
    assert len(set(found)) == len(found)
    assert all(sentence in mail.text and sentence == sentence.strip() != "" for sentence in found)


RANDOM = settings(deadline=timedelta(seconds=10), suppress_health_check=[HealthCheck.too_slow])


@RANDOM
@given(st.binary(max_size=3_000))
@example(b"")
@example(b"\n\n")
@example(b"From: a@b\n" * 3)
def test_arbitrary_bytes_are_read_or_refused(raw: bytes) -> None:
    """Never an error, never a hang."""
    check(raw)


@RANDOM
@given(st.binary(max_size=1_000), st.binary(max_size=1_000), st.sampled_from(["plain", "html", "enriched"]))
def test_arbitrary_headers_and_bodies_are_read_or_refused(head: bytes, body: bytes, kind: str) -> None:
    """The same behind a header that leads further in."""
    check(FROM + b"Subject: " + head + b"\nContent-Type: text/" + kind.encode() + b"\n\n" + body)


@RANDOM
@given(st.sampled_from(MAILS), st.randoms(use_true_random=False))
def test_damaged_mails_are_read_or_refused(path: Path, chance: random.Random) -> None:
    """Real mails with bytes cut out, doubled, changed and put in."""
    raw = bytearray(path.read_bytes())
    for _ in range(chance.randint(1, 6)):
        at = chance.randrange(len(raw) + 1)
        length = chance.choice([1, 2, 10, 100])
        match chance.randrange(4):
            case 0:
                del raw[at : at + length]
            case 1:
                raw[at:at] = raw[at : at + length]
            case 2:
                raw[at : at + 1] = bytes([chance.randrange(256)])
            case _:
                raw[at:at] = chance.choice(
                    [b"\n\n", b"\r", b"\0", b"=?utf-8?q?", b"<!--", b'"', b"--", b"\xff", b";", b"("]
                )
    check(bytes(raw))


PLAIN = FROM + b"Content-Type: text/plain; charset=utf-8\n\n"
HTML = FROM + b"Content-Type: text/html; charset=utf-8\n\n"
BOMBS = {
    "nested": FROM
    + b"".join(b'Content-Type: multipart/mixed; boundary="b%d"\n\n--b%d\n' % (i, i) for i in range(49))
    + b"x\n" * 90_000,
    "nested deeper": FROM + b"".join(b"Content-Type: multipart/mixed; boundary=b\n\n--b\n" for _ in range(9_000)),
    "parts": FROM + b"Content-Type: multipart/mixed; boundary=b\n\n" + b"--b\n\nx\n" * 60_000 + b"--b--\n",
    "headers": b"a: b\n" * 90_000 + PLAIN + b"x",
    "long header": b"From: " + b"(" * 900_000 + b"\n\nx",
    "comments": b"From: " + b"(" * 3_900 + b"\n\nx",
    "quoted": b"From: " + b'"' * 3_900 + b"\n\nx",
    "encoded words": FROM + b"Subject: " + b"=?utf-8?q?a?= " * 280 + b"\n\nx",
    "parameters": FROM + b"Content-Type: text/plain; " + b"".join(b"a*%d=b;" % i for i in range(350)) + b"\n\nx",
    "quotes": PLAIN + b"> x\n" * 90_000,
    "separators": PLAIN + b"-----Original Message-----\n" * 30_000,
    "fields": PLAIN + b"From: a\nTo: b\nDate: c\n" * 30_000,
    "attributions": PLAIN + b"On " * 60 + b"schrieb" * 8 + b":\n" * 3_000,
    "full stops": PLAIN + b"." * 19_990 + b"x",
    "one line": PLAIN + b"x" * 990_000,
    "spaces": PLAIN + b"x" + b" " * 900_000 + b"x",
    "marks": PLAIN + ("x" + "\u05b0\u05bc" * 9_900).encode(),
    "tags": HTML + b"<a " * 160_000,
    "open comments": HTML + b"<!--" * 120_000,
    "open declarations": HTML + b"<!" * 240_000 + b">",
    "attributes": HTML + b"<a" + b" a='" * 120_000 + b">",
    "elements": HTML + b"<p>x" * 120_000,
    "stray ends": HTML + b"<b></i>" * 70_000,
    "quotations": HTML + b"<blockquote>x" * 200 + b"x<br>" * 90_000,
    "references": HTML + b"&#" + b"9" * 400_000,
    "rules": HTML + b"<style>" + b"p{display:none}" * 30_000 + b"</style>x",
    "styles": HTML + b"<p style='" + b"color:rgba(" * 40_000 + b"'>x",
}


@pytest.mark.parametrize("bomb", BOMBS.values(), ids=BOMBS.keys())
def test_mail_made_to_take_long_is_answered_soon(bomb: bytes) -> None:
    """Nothing in a mail makes reading it take more than linear time worth mentioning; each takes about a second."""
    started = time.process_time()
    check(bomb[:1_000_000])
    assert time.process_time() - started < 8


# -- the key ------------------------------------------------------------------------------------------------

KEYED = eml("It leaks.\n", "To: shop@shop.example", "Subject: Kettle", "Message-ID: <1@example.com>")


def test_message_key_is_the_same_by_another_way() -> None:
    """What servers add on the way, and how lines end, does not make another mail."""
    relayed = b"Received: from a by b;\n\tMon\nDelivered-To: x@example.com\nX-Spam: no\n" + KEYED
    assert message_key(relayed) == message_key(KEYED)
    assert message_key(KEYED.replace(b"\n", b"\r\n")) == message_key(KEYED)
    assert message_key(KEYED + b"\n") == message_key(KEYED)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"It leaks", b"It shines"),
        (b"ann@example.com", b"eve@evil.example"),
        (b"Subject: Kettle", b"Subject: Kettles"),
        (b"<1@example.com>", b"<2@example.com>"),
        (b"charset=utf-8", b"charset=utf-16"),
        (b"From:", b"From: eve@evil.example\nFrom:"),
        (b"Subject:", b"Content-Disposition: attachment\nSubject:"),
        (b"Subject:", b"X-Spam: no\rContent-Disposition: attachment\nSubject:"),
        (b"Subject:", b"no header\nSubject:"),
        (b"Subject:", b"\nSubject:"),
    ],
)
def test_message_key_differs_for_another_mail(old: bytes, new: bytes) -> None:
    """A mail that borrows the Message-ID of another cannot take its place."""
    assert old in KEYED
    assert message_key(KEYED.replace(old, new)) != message_key(KEYED)


@pytest.mark.parametrize(
    "header", [b"", b"Message-ID: x\n", b"Message-ID: <a b@c>\n", b"Message-ID: <a@b>\nMessage-ID: <c@d>\n"]
)
def test_message_key_without_a_message_id_covers_every_byte(header: bytes) -> None:
    """Where nothing names the mail, only the same bytes are the same mail."""
    raw = FROM + header + b"\nhello\n"
    assert message_key(raw) != message_key(b"Received: x\n" + raw)


def test_key_of_a_mail_is_that_of_its_bytes() -> None:
    """However it is written in Base64, and also where it is none, every mail has a key."""
    eml = b"From: a@b.example\r\n\r\nHello"
    assert mail_key(RawMail(eml=base64.b64encode(eml).decode())) == message_key(eml)
    broken = mail_key(RawMail(eml="not base64!"))
    assert broken.startswith("mail-")
    assert broken != mail_key(RawMail(eml="not base64?"))
    assert broken != message_key(b"not base64!")

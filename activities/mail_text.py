"""Text of a mail: made plain, cut to what the sender wrote in this mail, and split into sentences."""

from __future__ import annotations

import itertools
import re
import unicodedata

MAX_SENTENCE = 400
"""Longest sentence in characters; longer ones are cut at a comma or a space."""

_LINE_ENDS = re.compile(r"\r\n|[\r\n\v\f\x1c-\x1e\x85\u2028\u2029]")
_INVISIBLE = frozenset(
    [0x034F, 0x115F, 0x1160, 0x3164, 0xFFA0, *range(0x180B, 0x1810), *range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0)]
)
"""Characters that show nothing although their category says otherwise: joiners, fillers, variation selectors."""

_WRAP_LEAST, _WRAP_MOST = 56, 80
"""Between these lengths the longest line of a paragraph shows that a mail program broke its lines."""

# -- what is not the sender's own text --------------------------------------------------------------------

_FORWARD_WORDS = (
    "original message|forwarded message|begin forwarded message|"
    "ursprüngliche nachricht|weitergeleitete nachricht|anfang der weitergeleiteten nachricht|"
    "message d'origine|message transféré|message original|début du message réexpédié|début du message transféré|"
    "mensaje original|mensaje reenviado|inicio del mensaje reenviado|"
    "mensagem original|mensagem encaminhada|oorspronkelijk bericht|doorgestuurd bericht|begin doorgestuurd bericht|"
    "messaggio originale|messaggio inoltrato|inizio messaggio inoltrato|"
    "wiadomość oryginalna|oryginalna wiadomość|wiadomość przekazana|przekazana wiadomość|"
    "początek przekazywanej wiadomości"
)
_SEPARATOR = re.compile(rf"[-_ ]{{0,40}}(?:{_FORWARD_WORDS})\s?(?::|[-_ ]{{2,40}})", re.IGNORECASE)
_RULE = re.compile(r"_{16,200}|-{16,200}")
_FIELD = re.compile(
    r"\*?(?:(from|von|de|da|van|od|expéditeur|mittente|afzender)|sent|gesendet|envoyé|enviado|enviado el|inviato|"
    r"verzonden|wysłano|date|datum|fecha|data|to|an|à|para|a|aan|do|cc|kopie|"
    r"subject|betreff|objet|asunto|assunto|oggetto|onderwerp|temat|reply-to)\s?:\*?(?:\s|$)",
    re.IGNORECASE,
)
_ATTRIBUTION = re.compile(
    r"(?:On|Am|Le|El|Em|Il|Op|W dniu|Dnia|Den|Den \w+)\s.{3,250}?"
    r"(?:wrote|schrieb.{0,120}|a écrit|escribió|escreveu|ha scritto|schreef.{0,120}|napisał\(?a?\)?|pisze)\s?:",
    re.IGNORECASE | re.DOTALL,
)
_SENT_FROM = re.compile(
    r"(?:sent from my|sent via|get outlook for|von meinem .{1,40} gesendet|gesendet von|envoyé de mon|envoyé depuis|"
    r"enviado desde mi|enviado do meu|inviato da|verstuurd vanaf|wysłane z)\b.{0,60}",
    re.IGNORECASE,
)


def plain(text: str) -> str:
    """Text without what cannot be seen: control, format, private and unassigned characters; every space a space."""
    lines = _LINE_ENDS.sub("\n", text)
    table = {ord(character): _plain(character) for character in set(lines)}
    return lines.translate(table)


def one_line(text: str, limit: int) -> str:
    """A header's text: plain, on one line, cut at `limit` characters."""
    return composed(" ".join(plain(text[: 4 * limit]).split())[:limit]).strip()


def composed(text: str) -> str:
    """Text in Unicode's composed form. Takes quadratic time for long runs of combining marks: limit texts first."""
    return unicodedata.normalize("NFC", text)


def own_words(text: str) -> str:
    """What the sender wrote in this mail: no quoted history, no signature, no line breaks of a mail program.

    For a forwarded mail with nothing written above it, that is the forwarded text.
    """
    lines = [line.rstrip() for line in text.split("\n")]
    for _ in range(5):  # a forward of a forward of a forward
        history, start = _history(lines)
        written = _written(lines[:history])
        if written or history == len(lines):
            return tidy(written)
        lines = _unquoted(lines[start:])
    return ""


def unflowed(text: str, *, delete_space: bool) -> str:
    """Text of the format `flowed` (RFC 3676) with its paragraphs on one line each."""
    lines: list[str] = []
    open_depth = -1
    for line in text.split("\n"):
        content = line.lstrip(">")
        depth = len(line) - len(content)
        content = content[1:] if content.startswith(" ") else content
        signature = content == "-- "
        if depth == open_depth and not signature:
            lines[-1] += content
        else:
            lines.append(("> " if depth else "") + content)
        open_depth = -1
        if content.endswith(" ") and not signature:
            open_depth = depth
            if delete_space:
                lines[-1] = lines[-1][:-1]
    return "\n".join(lines)


def tidy(lines: list[str]) -> str:
    """Lines as text: single spaces, paragraphs on one line each, at most one empty line between them."""
    paragraphs: list[list[str]] = [[]]
    for line in (" ".join(line.split()) for line in lines):
        if line:
            paragraphs[-1].append(line)
        elif paragraphs[-1]:
            paragraphs.append([])
    return "\n\n".join("\n".join(_unwrapped(paragraph)) for paragraph in paragraphs if paragraph)


# -- sentences --------------------------------------------------------------------------------------------

_ABBREVIATIONS = frozenset(
    (
        "mr mrs ms dr prof st approx incl excl vs eg ie inc ltd co dept ref tel "
        "nr ca inkl zzgl bzw usw evtl ggf abs str hr fr vgl bspw gem "
        "mme mlle env réf tél apr av sr sra srta ud uds núm pág aprox exmo exma "
        "dott sig geom ing art dhr mevr bijv incl jl blz t.a.v o.a m.a.w d.w.z zł zam ul np itd tj al godz"
    ).split()
)
_BEFORE_NUMBERS = frozenset("no nos nº n.º order ord best bestell".split())
"""Words that are an abbreviation only where a number follows."""
_MONTH = re.compile(
    r"(?:jan|feb|mär|maer|mar|apr|mai|may|jun|jul|aug|sep|okt|oct|nov|dez|dec|stycz|lut|kwie|maj|czerw|lip|sierp|wrze|paźdz|list|grud)",
    re.IGNORECASE,
)
_END = re.compile(r"""(?<![.!?…])[.!?…]++["'”’»)\]]*+(?=\s)|[。！？]+[」』”）]*""")


def sentences(text: str) -> list[str]:
    """The sentences of a text in order, each a verbatim part of it, none twice.

    No sentence runs over the end of a line: `tidy` has put each paragraph on one.
    """
    found: dict[str, None] = {}
    for line in text.split("\n"):
        start = 0
        for end in [*_ends(line), len(line)]:
            for piece in _cut(line[start:end].strip()):
                found.setdefault(piece)
            start = end
    return list(found)


def _ends(line: str) -> list[int]:
    """Where sentences end in a line."""
    ends = []
    for found in _END.finditer(line):
        following = line[found.end() : found.end() + 40].lstrip()
        if found[0] != "." or not _abbreviates(line[max(0, found.start() - 40) : found.start()], following):
            ends.append(found.end())
    return ends


def _abbreviates(before: str, following: str) -> bool:
    """Whether a full stop between these belongs to the word before it."""
    words = before.split()
    word = words[-1].strip("(\"'„“«").lower() if words else ""
    if not word or word in _ABBREVIATIONS or (len(word) == 1 and word.isalpha()):
        return True
    if word[-1].isalpha() and re.fullmatch(r"(?:[^\W\d_]\.)+[^\W\d_]", word):
        return True  # z.B. and its like
    if word in _BEFORE_NUMBERS and following[:1].isdigit():
        return True
    if re.fullmatch(r"\d{1,2}", word) and _MONTH.match(following):
        return True
    # Before a small letter, a word that nobody can pronounce; other writers just do not care for capitals.
    return following[:1].islower() and re.fullmatch(r"[b-df-hj-np-tv-xzł]{1,5}", word) is not None


def _cut(sentence: str) -> list[str]:
    """A sentence, in pieces of at most `MAX_SENTENCE` characters."""
    pieces = []
    while len(sentence) > MAX_SENTENCE:
        at = max(sentence.rfind(mark, 1, MAX_SENTENCE) for mark in (", ", "; ", ": "))
        at = at + 1 if at > 0 else sentence.rfind(" ", 1, MAX_SENTENCE)
        at = at if at > 0 else MAX_SENTENCE
        pieces.append(sentence[:at].strip())
        sentence = sentence[at:].strip()
    return [piece for piece in [*pieces, sentence] if piece]


# -- the parts --------------------------------------------------------------------------------------------


def _plain(character: str) -> str:
    if character == "\n":
        return "\n"
    category = unicodedata.category(character)
    if category == "Zs" or character in "\t\u2800":
        return " "
    return "" if category[0] == "C" or ord(character) in _INVISIBLE else character


def _history(lines: list[str]) -> tuple[int, int]:
    """Where the history that a mail carries along begins, and where its text does; both the end if there is none."""
    unquoted = False
    for i, line in enumerate(lines):
        unquoted = unquoted or (line != "" and not line.startswith(">"))
        if line.startswith(">") and unquoted:
            continue  # inside of a quotation, which is cut by its marks
        bare = line.lstrip("> ")
        if len(line) < 200 and _SEPARATOR.fullmatch(bare.strip()):
            return i, _after_fields(lines, i + 1)
        if _is_header_block(lines, i):
            above = i - 1 if i and _RULE.fullmatch(lines[i - 1].strip()) else i
            return above, _after_fields(lines, i)
    return len(lines), len(lines)


def _is_header_block(lines: list[str], i: int) -> bool:
    """Whether the header fields of a mail stand here, as some programs put them above what they quote."""
    first = _FIELD.match(lines[i].lstrip("> "))
    if first is None or first[1] is None:
        return False
    fields = [_FIELD.match(line.lstrip("> ")) for line in lines[i : i + 6]]
    return sum(found is not None for found in fields) >= 3


def _after_fields(lines: list[str], i: int) -> int:
    """The first line after header fields."""
    while i < len(lines) and not lines[i].strip("> "):
        i += 1
    while i < len(lines) and _FIELD.match(lines[i].lstrip("> ")):
        i += 1
    return i


def _unquoted(lines: list[str]) -> list[str]:
    """Lines without the marks of a quotation, where every line has one."""
    if all(line.startswith(">") for line in lines if line):
        return [line[1:].removeprefix(" ") for line in lines]
    return lines


def _written(lines: list[str]) -> list[str]:
    """Lines without quotations, the words that introduce them, and the signature. Empty if none holds a word."""
    kept: list[str] = []
    i = 0
    while i < len(lines):
        line = lines[i].strip()
        if line == "--":
            break
        length = _attribution(lines, i)
        if length:
            following = next((later for later in lines[i + length :] if later), "")
            if not following.startswith(">"):
                break  # history without marks: nothing tells it from what is written below
            i += length
            continue
        if not line.startswith(">"):
            kept.append(line)
        i += 1
    while kept and (not kept[-1] or _SENT_FROM.fullmatch(kept[-1])):
        kept.pop()
    return kept if any(character.isalnum() for line in kept for character in line) else []


def _attribution(lines: list[str], i: int) -> int:
    """How many lines here introduce a quotation, as "On Monday Ann wrote:" does; 0 if none."""
    if not lines[i] or len(lines[i]) > 250:
        return 0
    for length in (1, 2, 3):
        joined = " ".join(lines[i : i + length])
        if joined.endswith(":") and len(joined) < 400 and _ATTRIBUTION.fullmatch(joined):
            return length
    return 0


def _unwrapped(lines: list[str]) -> list[str]:
    """A paragraph's lines, joined where a mail program broke them: where the next word would not have fitted."""
    width = max(len(line) for line in lines)
    if not _WRAP_LEAST <= width <= _WRAP_MOST:
        return lines
    joined = [lines[0]]
    for before, line in itertools.pairwise(lines):
        if len(before) + 1 + len(line.split(" ", 1)[0]) > width and not re.match(r"[-*•–] ", line):
            joined[-1] += " " + line
        else:
            joined.append(line)
    return joined

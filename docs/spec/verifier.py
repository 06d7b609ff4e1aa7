"""A second verifier of certificates, written from ledger.md alone, in the standard library and `cryptography`.

    python docs/spec/verifier.py FILE [--people people.toml] [--lock lock.json]

It prints its verdict with the code of section 9, then what is proven, consistent and not checked. It leaves out
contracts and conditions (`contract`, `rule`), and computes not who is kept off an approval, nor what people are told
apart by. The numbers in comments are those of the sections of ledger.md.
"""

import base64
import hashlib
import json
import re
import sys
import tomllib
import unicodedata
from collections import Counter
from datetime import UTC, datetime, time
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

Json = Any


class Refused(Exception):
    """The certificate is refused, with this code."""


def need(code: str, *holds: object) -> None:
    """Refuse unless all of it holds."""
    if not all(holds):
        raise Refused(code)


# -- 1 JSON, 2 digests -----------------------------------------------------------------------------


def once(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    """An object that names no member twice."""
    need("json", len(dict(pairs)) == len(pairs))
    return dict(pairs)


def number(text: str) -> int | float:
    """A number that is written in one way only; NaN and infinity are none."""
    value = float(text) if re.search("[.eE]", text) else int(text)
    need("json", abs(value) < 2**53 or (isinstance(value, float) and 1e21 <= abs(value) < float("inf")))
    return value


def parse(data: bytes) -> Json:
    """The value in a text that is canonical JSON, with or without a line feed behind."""
    decoder = json.JSONDecoder(object_pairs_hook=once, parse_int=number, parse_float=number, parse_constant=number)
    try:
        value = decoder.decode(data.decode())
        text = canonical(value).encode()
    except (ValueError, RecursionError):
        raise Refused("json") from None
    need("canonical", text == data.removesuffix(b"\n"))
    return value


def canonical(value: Json, depth: int = 0) -> str:
    """RFC 8785: members in the order of their UTF-16, numbers as ECMAScript writes them."""
    need("json", depth <= 80)
    if isinstance(value, dict):
        members = sorted(value.items(), key=lambda member: member[0].encode("utf-16-be"))
        return "{" + ",".join(f"{canonical(name)}:{canonical(item, depth + 1)}" for name, item in members) + "}"
    if isinstance(value, list):
        return "[" + ",".join(canonical(item, depth + 1) for item in value) + "]"
    if not isinstance(value, float) or not value:
        return "0" if isinstance(value, float) else json.dumps(value, ensure_ascii=False)
    _, figures, exponent = Decimal(repr(abs(value))).normalize().as_tuple()
    digits, sign = "".join(map(str, figures)), "-" if value < 0 else ""
    point = len(digits) + int(exponent)  # how many digits stand before it
    if 0 < point <= 21:
        return sign + digits[:point].ljust(point, "0") + f".{digits[point:]}" * (len(digits) > point)
    if -6 < point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    return sign + digits[0] + f".{digits[1:]}" * (len(digits) > 1) + f"e{point - 1:+d}"


def digest(domain: str, value: Json, salt: str = "") -> str:
    """The digest of a value for one use; its salt as hex."""
    head = f"gatework/1/{domain}\n{len(salt) // 2}\n".encode()
    return hashlib.sha256(head + bytes.fromhex(salt) + canonical(value).encode()).hexdigest()


# -- 4, 6 The form of receipts and certificates ----------------------------------------------------

FORMS = """certificate: format plans=object runs=runs values=object signatures=envelopes
run: run_id workflow entries superseded=cuts
cut: run_id entries
entrie: sequence=number at receipt before=digest digest
value: data=any salt
envelope: payload payloadType signatures=sigs
sig: keyid sig=text
signed: key signature
given: guard on=digest verdict reason signed
ask: tool key call arguments=digest by_model=flag
turn: kind tool outcome digest=text
begun: node output label | plan=digest run=text asks=flag
output: node attempt inputs output label verdicts=givens action reason | {came}
stopped: node attempt inputs verdicts=givens reason | code=digest signed
refused failed: node attempt inputs action reason | before=givens {came}
suspended: node attempt inputs verdicts=givens | entries=turns calls=asks spent signed
acting: node attempt action | tool key call arguments=digest by_model=flag
acted: node attempt output action reason | tool key call arguments=digest by_model=flag recorded=flag run=text \
code=digest signed
chose: node action reason |
joined: node output label |
round: node output label | round=number
waited: node |
called: node attempt shown | child=number workflow plan=digest
returned: node attempt output label action reason | child=number run=text ledger spent acted=flag undoable=flag \
overridden=texts
gathered: node output label |
approved: node output label action reason |
asked: node attempt gate shown evidence action reason | tool key call not_by=texts handed_on=flag
decided: node output inputs label gate evidence action by identity reason | key signature principal type \
place approvals=number quorum=number guards=givens skipped=flag
migrated: shown by reason | kept=number
resumed: node action by reason | run=text
undoing: node action by reason | undo=texts
ended: node output label action by reason |"""
CAME = "calls=list tools=list refused=list more=any code=digest spent signed"
DIGEST = "[0-9a-f]{64}"
PATTERNS = {
    "salt": "([0-9a-f]{32})?",
    "verdict": "pass|retry|block|escalate",
    "identity": "none|claimed|authenticated|signed",
    "at": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00",
    **dict.fromkeys(("digest", "inputs", "output", "evidence"), DIGEST),
}
PLAIN = {"number": int, "attempt": int, "gate": int, "flag": bool, "list": list, "object": dict}
OBJECTS: dict[str, list[dict[str, str]]] = {}
"""Type → its members, each with its type; and those of the `how` of a receipt."""
for line in FORMS.format(came=CAME).splitlines():
    for name in line.partition(":")[0].split():
        parts = [[one.partition("=") for one in part.split()] for part in line.partition(":")[2].split("|")]
        OBJECTS[name] = [{member: kind or member for member, _, kind in part} for part in parts]


def fits(kind: str, value: Json) -> bool:
    """Whether a value is of a type, or a list of what the type names in the plural."""
    if kind == "receipt" and isinstance(value, dict):
        kind, said = str(value.get("kind")), {name: value[name] for name in value if name not in ("kind", "how")}
        forms = OBJECTS.get(kind, [])
        return len(forms) == 2 and _has(said, forms[0]) and _has(value.get("how", {}), forms[1]) and all(value.values())
    if kind in PLAIN:
        return type(value) is PLAIN[kind] and (type(value) is not int or value >= 0)
    if kind == "shown" or kind in PATTERNS:
        texts = list(value.values()) if isinstance(value, dict) and kind == "shown" else [value]
        return all(isinstance(text, str) and re.fullmatch(PATTERNS.get(kind, "[0-9a-f]{64}"), text) for text in texts)
    if kind == "spent" and isinstance(value, dict):
        numbers = {
            "model_calls": "number",
            "tokens": "number",
            "money": "text",
            "tool_calls": "object",
            "seconds": "any",
        }
        return _has(value, numbers) and all(fits("number", one) for one in value.get("tool_calls", {}).values())
    if kind in OBJECTS:
        return _has(value, OBJECTS[kind][0]) and value.keys() | {"signed"} >= OBJECTS[kind][0].keys()
    if kind[:-1] in (*OBJECTS, "text"):
        return isinstance(value, list) and all(fits(kind[:-1], one) for one in value)
    return kind == "any" or isinstance(value, str)


def _has(value: Json, form: dict[str, str]) -> bool:
    return isinstance(value, dict) and all(name in form and fits(form[name], item) for name, item in value.items())


# -- 5 The order -----------------------------------------------------------------------------------

ATTEMPTS = ("output", "stopped", "refused", "failed", "suspended")
GIVES = {"joined": "join part", "round": "loop", "waited": "pause", "chose": "choose when", "approved": "approve"}
NODES = GIVES | dict.fromkeys(("called", "returned", "gathered"), "call parallel each")
NODES |= dict.fromkeys((*ATTEMPTS, "acting", "acted"), "stage endorse until")
MAY_COME = {"gate": "decided asked resumed migrated ended undoing", "end": "ended undoing", "over": "resumed"}
JUDGE, REPAIR = "approve reject edit abort", "retry edit abort override"
DECIDE = {"approval": JUDGE, "escalated": JUDGE, "spent": f"{JUDGE} retry", "call": "approve reject abort"}
DECIDE |= {"question": "answer abort"} | dict.fromkeys(("blocked", "exhausted", "failed", "unknown"), REPAIR)
SURE, COUNTED = ("none", "claimed", "authenticated", "signed"), (*ATTEMPTS, "acting", "acted", "called", "returned")
ANSWERS = {"model answered": True, "tool done": True, "tool failed": False, "tool refused": False}
COVERS = {"untrusted": "untrusted plain endorsed approved", "endorsed": "endorsed approved"}
ENDS, NOBODY = {"reject": "rejected", "abort": "aborted"}, {"role": "", "quorum": 1, "identity": "none"}
EMPTY: Json = dict.fromkeys(("node", "output", "inputs", "label", "action", "by", "reason", "evidence"), "")
EMPTY |= {"how": {}, "verdicts": [], "shown": {}, "attempt": 0, "gate": 0, "identity": "none"}


class Unknown(Exception):
    """What is asked for is not disclosed."""


def plain(name: str) -> str:
    """A name as names are compared, nearly."""
    text = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    return " ".join("".join(c for c in text if unicodedata.category(c) != "Cf").split())


class Ledger:
    """A run, receipt by receipt. It stands at a node, and may wait there: at a gate, for its end, or behind it."""

    over = wait = held_to = end = ending = ""
    gates, start, by = 0, dict[str, Json](), dict[str, Json]()
    node: Json
    head: Json
    gate: Json

    def __init__(self, file: "Certificate") -> None:
        self.file, self.last, self.returns, self.undo = file, Counter[str](), list[Json](), list[Json]()
        self.held, self.given, self.mark, self.acts, self.shown = (dict[Json, Json]() for _ in range(5))

    def follow(self, plan: str) -> None:
        """Be held to a plan. Before its nodes stand the inputs, and behind them the end."""
        need("plan", plan in self.file.plans)
        self.plan, self.held_to = self.file.plans[plan], plan
        inputs = [one | {"kind": "input"} for one in self.plan["inputs"] or [{"name": "", "label": ""}]]
        self.works = {one["name"]: one | {"arm": None} for one in [*self.plan["nodes"], *self.plan["undos"]]}
        self.steps = [*inputs, *self.plan["nodes"], self.works[self.plan["result"]] | {"kind": "end"}]
        self.inputs = len(inputs)

    def arrive(self, at: int) -> None:
        """Pass on to a position, or behind it where nodes stand in ways that are not taken."""
        while (arm := self.steps[at].get("arm")) and self.mark.get(arm["choice"]) != arm["way"]:
            at += 1
        self.at, self.node, self.edited, self.let_in, self.kids = at, self.steps[at], "", "", dict[int, Json]()
        self.held = self.node.get("held", self.held)
        self.fresh()

    def fresh(self) -> None:
        """Begin anew at the node; what child runs gave stays."""
        kind = self.node["kind"]
        self.left, self.going, self.sent, self.question = self.node.get("attempts", 0), False, "", ("", "")
        self.calls, self.leave, self.against = dict[str, Json](), set[str](), list[Json]()
        self.ask = {"approve": "approval", "ask": "question"}.get(kind, "")
        self.kids = {child: kid for child, kid in self.kids.items() if kid and kid[0]} | self.node.get("kid", {})
        self.last[self.node["name"]] += "children" in self.node
        self.end = {"end": "completed", "left": self.ending}.get(kind, "")
        self.wait = "end" if self.end else ""

    def back(self, name: str, since: int = 0) -> None:
        """Go back to a node: no effect has happened behind it, and none at it, but with `since`."""
        names = [step["name"] for step in self.steps]
        to = self.at if name == self.node["name"] else names.index(name)
        happened = {of[0] for became, of, _ in self.acts.values() if became not in ("refused", "failed")}
        need("order", to <= self.at)
        need("effects", self.ending or happened <= {*names[: to + since]})
        kept, self.let_in = {*names[: max(to, self.inputs)]}, ""
        self.held = {one: value for one, value in self.held.items() if one.partition("/")[0] in kept}
        self.mark = {one: value for one, value in self.mark.items() if one in {*kept, name}}
        self.fresh() if self.steps[to] is self.node else self.arrive(to)
        need("order", self.at == to)

    def hold(self, output: str) -> None:
        """The node holds a value, and the run goes on behind it."""
        self.held = {**self.held, self.node["name"]: output} if output else self.held
        self.undo += [(self.node["undo"], {}, self.held)] if self.node.get("undo") else []
        self.arrive(self.at + 1)

    def value(self, source: Json) -> tuple[Json, str]:
        """What a source stands for, and its salt. Raises `Unknown`."""
        if "data" in source:
            return source["data"], ""
        if (whole := self.file.values.get(self.held[source["node"]])) is None:
            raise Unknown
        value, salt = whole["data"], whole["salt"]
        for name in source["path"]:
            value = value[name]
        return value, digest("field", [salt, *source["path"]])[:32] if source["path"] else salt

    def digests(self, params: list[Json]) -> dict[str, str]:
        """The digest of what each of some parameters is given. Raises `Unknown`."""
        known = {one["name"]: one["source"] for one in params}
        whole = {name: self.held[source["node"]] for name, source in known.items() if source.get("path") == []}
        return {name: whole.get(name) or digest("value", *self.value(source)) for name, source in known.items()}

    def values(self, r: Json) -> None:
        """Refuse what a receipt says of values, and they are not. Raises `Unknown`."""
        node, child = self.node, r.how.get("child", 0)
        if r.kind in ATTEMPTS:
            given = self.digests(node["params"])
            need("order", r.inputs == digest("inputs", given))
            need("order", not (node["until"] and r.output) or self.edited or r.output in given.values())
        if r.kind == "chose" and node["on"]:
            tag, _ = self.value({**node["on"], "path": [*node["on"]["path"], node["tag"]]})
            need("rule", tag in node["ways"][int(r.action)])
        if r.kind not in ("called", "gathered"):
            return
        items, salt = self.value(node["items"]) if node["items"] else (node["children"], "")
        if r.kind == "called":
            params = node["children"][0 if node["items"] else child]["params"]
            shown = self.digests([one for one in params if one["name"] != node["item"]])
            item = digest("value", items[child], digest("item", [salt, child])[:32]) if node["items"] else ""
            return need("order", r.shown == shown | ({node["item"]: item} if item else {}))
        need("order", len(items) == len(self.kids))
        if node["items"]:
            kids = [(child, *self.kids[child]) for child in range(len(items))]
            gave = [self.value({"node": f"{node['name']}/{child}", "path": []}) for child, output, *_ in kids if output]
            lost = [{"index": child, "reason": why} for child, output, _, why in kids if not output]
            whole: Json = [one for one, _ in gave]
            whole = {"values": whole, "failed": lost} if node["failed"] == "collect" else whole
            salt = digest("gathered", [salt, *(one for _, one in gave)])[:32]
            need("order", r.output == digest("value", whole, salt))

    def take(self, receipt: Json) -> None:
        """Take the next receipt: one that may come, of the node, with its label and the number of the attempt."""
        r = SimpleNamespace(raw=receipt, **EMPTY | receipt)
        if not self.held_to:
            self.start, self.lineage = r.how, r.how["run"]
            self.follow(r.how["plan"])
            self.arrive(0)
        node, name, kind = self.node, self.node["name"], self.node["kind"]
        if r.kind == "acted" and "run" in r.how:  # what a run before a reset did
            need("order", r.how.get("recorded"), not r.attempt, self.wait != "over", kind != "input")
            self.acts[r.how["key"]] = r.action, [r.node, r.how["tool"], r.how["arguments"]], r.output
            return
        need("order", r.kind in MAY_COME.get(self.wait, r.kind).split(), r.kind != "decided" or self.wait == "gate")
        need("order", (kind == "input") == (r.kind == "begun"), kind in NODES.get(r.kind, kind).split())
        need("order", r.node == name or r.kind in ("resumed", "migrated", "ended", "undoing") or r.action == "edit")
        gives = r.output and r.kind != "acted" and r.action != "edit"
        need("order", r.kind == "returned" or r.label == (node["label"] if gives else ""))
        self.last[name] += r.kind in ATTEMPTS and not self.going
        need("order", r.attempt == (self.last[name] if r.kind in COUNTED or "call" in r.how else 0))
        try:
            self.values(r)
        except Unknown:
            self.file.found["not checked", f"values of {r.kind}"] += 1
        getattr(self, "attempt" if r.kind in ATTEMPTS else "gives" if r.kind in GIVES else r.kind)(r)

    def begun(self, r: Json) -> None:
        need("order", r.how == self.start, bool(r.output) == bool(r.node))
        self.given |= {r.node: r.output} if r.node else {}
        self.hold(r.output)

    def attempt(self, r: Json) -> None:
        """5.2: the verdicts of an attempt, and what follows."""
        node, until, failed = self.node, self.node["until"], r.kind in ("refused", "failed")
        need("order", not any(self.calls.values()) if self.going else self.left, bool(r.output) == (r.kind == "output"))
        need("order", not self.edited or failed or r.output == self.edited)
        self.left, self.calls = (self.left, self.calls) if self.going else (self.left - 1, {})
        before = [] if failed or self.edited or self.let_in == r.inputs else node["before"]
        words, uses = [one["verdict"] for one in r.verdicts], [(use["name"], r.inputs) for use in before]
        uses += [(use["name"], r.output) for use in node["guards"] if r.output]
        need("guards", [(one["guard"], one["on"]) for one in r.verdicts] == uses)
        need("guards", ({*words[: len(before)]} <= {"pass"}) == (r.kind != "stopped"))
        worst = next((word for word in ("block", "retry", "escalate") if word in words), "pass")
        self.against = [{x: one[x] for x in one if x != "signed"} for one in r.verdicts if one["verdict"] != "pass"]
        self.going, self.question = r.kind == "suspended", (r.output, r.inputs if r.kind == "stopped" else "")
        another = r.output and until and worst == "retry" and not self.edited
        spent = another and self.mark[until["loop"]] % until["rounds"] == 0
        need("order", r.kind != "output" or r.action == ("accepted" if spent and until["spent"] == "accept" else ""))
        self.ask = "spent" if spent else "escalated" if worst == "escalate" else ""
        again = (r.output and worst == "retry" and not spent) or r.action in ("contract", "refused", "timeout")
        self.left *= bool(self.going or (again and not self.edited))
        if self.going:
            self.suspended(r)
        elif r.output and (worst == "pass" or r.action):
            self.hold(r.output)
        elif another and not spent:
            self.round()

    def round(self) -> None:
        """Go back for another round of a loop, with what the last one gave."""
        question = self.question
        self.back(self.node["until"]["loop"], len(self.steps))
        self.question = question

    def suspended(self, r: Json) -> None:
        """5.3: what an attempt was answered, and the calls that it asks for."""
        tools = {tool["name"]: tool for tool in self.node["tools"] if tool["apart"]}
        here = {tool["name"] for tool in self.node["tools"]} - {*tools}
        for one in r.how["entries"]:
            told = f"{one['kind']} {one['outcome']}"
            may = {"model answered": {""}, "tool refused": {"", *tools, *here}}.get(told, here)
            need("order", ANSWERS.get(told) == bool(one["digest"]), one["tool"] in may)
        for call in r.how["calls"]:
            use, of = tools.get(call["tool"]), [r.node, call["tool"], call["arguments"]]
            need("order", use, call["call"] not in self.calls)
            need("effects", use and bool(call["key"]) == (use["kind"] == "effect"))
            self.calls[call["call"]] = SimpleNamespace(said=call, use=use, of=of, key=call["key"])

    def due(self, r: Json) -> tuple[Json, Json]:
        """The call of a receipt, and what became of its key."""
        call: Json = self.calls.get(r.how.get("call"))
        names = ("tool", "key", "call") if r.kind == "asked" else ("tool", "key", "call", "arguments", "by_model")
        need("order", call and all(r.how.get(one) == call.said[one] for one in names))
        record = self.acts.get(call.key, ("", call.of, ""))
        need("effects", record[1][:2] == call.of[:2])
        return call, record

    def acting(self, r: Json) -> None:
        """A call is sent: with leave where the plan asks for it, and an effect once."""
        call, (became, of, _) = self.due(r)
        happened, probe = became not in ("", "refused", "failed"), call.use["probe"]
        need("effects", not self.sent, not happened or (of == call.of and became in ("asked", "unknown")))
        need("effects", not happened or probe or call.key in self.leave)
        need("order", not call.use["approver"] or r.how["call"] in self.leave)
        need("order", r.action == ("call again" if happened and probe else "call"))
        self.acts |= {call.key: ("unknown" if happened else "asked", call.of, "")} if call.key else {}
        self.leave -= {call.key}
        self.sent = r.how["call"]

    def acted(self, r: Json) -> None:
        """What became of a call that was sent; or, of an effect that was done before, what its record says."""
        call, (became, of, result) = self.due(r)
        gave, no, probe, record = r.action in ("done", "found"), r.action == "refused", call.use["probe"], not self.sent
        need("order", gave == bool(r.output), self.sent in ("", r.how["call"]), record == r.how.get("recorded", False))
        need("effects", not record or (r.action, of, result) == ("found", call.of, r.output))
        need("effects", record or probe or r.action != "found")
        if call.key and not record and (became != "unknown" or gave or (no and probe)):
            self.acts[call.key] = r.action, call.of, r.output
        self.sent = ""
        if gave or (no and call.said["by_model"]):
            self.calls[r.how["call"]] = None

    def asked(self, r: Json) -> None:
        """5.4: a person is asked."""
        node, waits, person = self.node, self.wait == "gate", r.action in ("approval", "question")
        due = self.gate.action if waits else "call" if "call" in r.how else self.ask
        need("order", r.gate == self.gates + 1, r.action in (due, "blocked", "exhausted", "failed", "unknown"))
        need("order", waits == r.how.get("handed_on", False), not waits or (person and self.by is node["by"]))
        shown = {ref["node"]: self.held[ref["node"]] for ref in node["reads"] if ref["node"] in self.held}
        shown |= {node["name"]: self.question[0]} if self.question[0] and not person else {}
        self.by = node.get("otherwise" if waits else "by" if person else "operator", NOBODY)
        if "call" in r.how:
            call, _ = self.due(r)
            shown[f"{call.of[1]}()"] = call.of[2]
            self.by = call.use["approver"] if r.action == "call" else self.by
        said = {one: item for one, item in r.raw.items() if one != "evidence"}
        need("order", self.by)
        need("evidence", r.shown == shown, r.evidence == digest("gate", {"plan": self.held_to, **said}))
        self.question = (self.held[node["value"]["node"]], "") if r.action == "approval" else self.question
        self.gate, self.gates, self.votes, self.wait = r, r.gate, list[str](), "gate"

    def decided(self, r: Json) -> None:
        gate, node, how, name, lets = self.gate, self.node, r.how, plain(r.by), r.action in ("approve", "override")
        by = node.get("override") if r.action == "override" else self.by
        need("evidence", (r.gate, r.evidence) == (gate.gate, gate.evidence))
        need("order", by, r.action in DECIDE[gate.action].split(), how.get("place", r.node) == r.node)
        sure, enough, self.role = SURE.index(r.identity), SURE.index(by["identity"]), by["role"]
        need("identity", sure >= (min(enough, 1) if r.action in ENDS else enough), bool(sure) == bool(name))
        kept_off = {*map(plain, gate.how.get("not_by", ()))} & {name, plain(how.get("principal", "")), ""}
        need("identity", sure < 3 or {"key", "signature"} <= how.keys(), not (lets and kept_off))
        counts = (len(self.votes) + 1, by["quorum"]) if lets and by["quorum"] > 1 else (None, None)
        need("quorum", (how.get("approvals"), how.get("quorum")) == counts, not lets or name not in self.votes)
        self.votes.append(name)
        if lets and len(self.votes) < by["quorum"]:
            return need("quorum", not r.output, not r.inputs)
        gives = r.action in ("edit", "answer") or (lets and gate.action != "call")
        question = self.question if lets and not how.get("skipped") else (r.output, "")
        need("guards", r.action != "override" or how.get("guards", []) == self.against)
        need("quorum", by["quorum"] == 1 or not how.get("skipped"))
        need("order", (r.output, r.inputs) == question, any(question) == gives, r.action != "override" or r.reason)
        self.wait = ""
        if gate.action == "call" and r.action != "abort":
            self.leave |= {gate.how["call"]} if lets else set()
            if not lets and self.calls[gate.how["call"]].said["by_model"]:
                self.calls[gate.how["call"]] = None
        elif r.action == "retry" and gate.action == "spent":
            self.round()
        elif r.action == "retry" or r.inputs:
            self.fresh()
            self.leave |= {gate.how.get("key")} if gate.action == "unknown" else set()
            self.edited, self.let_in = "", r.inputs or self.let_in
        elif r.action == "edit":
            self.edit(r)
        elif r.output:
            self.acts |= {f"by hand: {r.node}": ("done", [r.node], "")} if how.get("skipped") and node["acts"] else {}
            self.file.found["overridden", r.node] += r.action == "override"
            self.hold(r.output)
        elif self.ending:
            self.arrive(self.at + 1)
        else:
            self.wait, self.end = "end", ENDS[r.action]

    def edit(self, r: Json) -> None:
        """A person gives the value of a place, which records that its effects have happened."""
        need("order", not self.ending or r.node == self.node["name"])
        self.back(r.node, int(r.node == self.node["name"]))
        need("order", self.node["kind"] in "input stage endorse until call each".split())
        if self.node["kind"] == "input":
            self.held[r.node] = r.output
            return self.arrive(self.inputs)
        self.acts |= {f"by hand: {r.node}": ("done", [r.node], "")} if self.node["acts"] else {}
        self.edited = r.output
        if not self.node.get("guards"):
            self.hold(r.output)

    def gives(self, r: Json) -> None:
        """5.6: a node gives on a value, takes a way, or is over."""
        node, name = self.node, self.node["name"]
        own = [self.held.get(ref["node"]) for ref in node["gives"]]
        value = self.question[0] or own[self.mark[node["choice"]] if "choice" in node else 0] if own else ""
        count = self.mark.get(name, 0) + 1 if self.question[0] else 1
        need("order", r.output == value, r.kind != "round" or r.how.get("round") == count)
        need("order", r.kind != "approved" or (r.action == "auto" and node["when"]))
        need("rule", r.kind != "chose" or r.action in [str(way) for way in range(len(node["ways"]) or 2)])
        self.mark[name] = int(r.action) if r.kind == "chose" else count
        self.hold(r.output)

    def called(self, r: Json) -> None:
        node, child, name, kids = self.node, r.how["child"], self.node["name"], self.kids
        use = node["children"][0 if node["items"] else child]
        need("order", child not in kids, [*kids.values()].count(None) < node["at_most"], not self.ending)
        need("order", r.how["workflow"] == use["workflow"], r.how["plan"] == use["plan"])
        need("order", node["failed"] != "stop" or all(kid is None or kid[0] for kid in kids.values()))
        kids[child], self.shown[name, child] = None, r.shown
        self.acts |= {(name, child): self.acts.get((name, child), ("asked", [name], ""))} if use["effects"] else {}

    def returned(self, r: Json) -> None:
        node, how, key = self.node, r.how, (self.node["name"], r.how["child"])
        need("order", self.kids.get(key[1], 0) is None, bool(r.output) == (r.action == "completed") == bool(r.label))
        need("order", r.output or not how.get("undoable"))
        self.kids[key[1]] = r.output, r.label, (node["label"] == "untrusted" and r.reason) or r.action
        self.held = {**self.held, f"{key[0]}/{key[1]}": r.output} if r.output else self.held
        if how.get("acted") or self.acts.get(key, " ")[0] == "asked":
            self.acts[key] = "done" if how.get("acted") else "failed", [key[0]], ""
        self.returns.append((how.get("run"), how.get("ledger"), r.action, r.output, self.shown.get(key)))
        self.undo += [(key[0], {key[1]: None}, self.held)] if how.get("undoable") else []
        if self.ending and r.action == "undone":
            self.arrive(self.at + 1)

    def gathered(self, r: Json) -> None:
        node, kids = self.node, [self.kids[child] for child in range(len(self.kids))]
        labels, side = COVERS.get(node["label"], node["label"]).split(), node["kind"] == "parallel"
        need("order", None not in kids, not self.ending, node["failed"] == "collect" or all(kid[0] for kid in kids))
        need("order", side or all(kid[1] in labels for kid in kids if kid[0]), bool(r.output) != side)
        need("order", node["kind"] != "call" or r.output == kids[0][0])
        self.hold(r.output)

    def ended(self, r: Json) -> None:
        """5.1: the run ends, and before that undoes what can be undone."""
        left = self.ending and not self.end  # of what is undone, what nobody answers
        need("order", r.action in ((self.end,) if self.end else ("cancelled", "expired", "failed")))
        need("order", r.action != "failed" or self.start.get("asks") is False, not left or r.kind == "undoing")
        if r.action == "expired" and not self.end:
            need("order", self.wait == "gate", not self.node.get("otherwise") or self.gate.how.get("handed_on"))
        need("order", r.output == (self.held[r.node] if r.action == "completed" else ""))
        if left:
            need("order", r.action == "expired", not r.how)
            self.arrive(self.at + 1)
        elif r.kind == "undoing":
            need("order", not self.ending, r.action != "completed")
            need("order", r.how.get("undo") == [name for name, _, _ in self.undo[::-1]] != [])
            works = [self.works[name] | {"kid": kid, "held": held} for name, kid, held in self.undo[::-1]]
            self.ending, self.steps, self.undo = r.action, [*works, {"name": "", "kind": "left"}], []
            self.arrive(0)
        else:
            need("order", self.ending or r.action == "completed" or not self.undo)
            self.wait, self.over, self.end = "over", r.action, ""

    undoing = ended

    def resumed(self, r: Json) -> None:
        """A run goes on where it has ended, or takes back what it has done."""
        here = r.node == self.node["name"]
        if r.action == "completed":
            need("order", self.over == "completed", self.undo, not r.node)
            self.wait, self.end = "end", "undone"
        else:
            need("order", r.action, self.over not in ("completed", "rejected"), not self.over or not self.ending)
            need("order", here or not self.ending, r.node in self.works)
            self.back(r.node, len(self.steps) * here)
            need("order", self.node["kind"] != "part")
        self.over = ""

    def migrated(self, r: Json) -> None:
        """A run goes on in another plan, behind nodes that are the same in both."""
        old, works, plan, shown = self.steps, self.works, self.plan, {"from": self.held_to, "to": r.shown.get("to")}
        need("order", r.shown == shown, not self.ending, plan["name"] == self.file.plans[shown["to"]]["name"])
        self.follow(shown["to"])
        to = self.inputs + r.how["kept"]
        need("order", old[:to] == self.steps[:to], plan is not self.plan)
        need("order", all(works[name] == self.works.get(name) for name, _, _ in self.undo))
        self.back(self.steps[to]["name"])


# -- 7 Signatures ----------------------------------------------------------------------------------

IN_TOTO = "application/vnd.in-toto+json"


class Key(NamedTuple):
    """A key on the list of people."""

    name: str
    roles: list[str]
    public: bytes
    since: datetime
    until: datetime


def people_of(text: str) -> dict[str, Key]:
    """The keys on a list, by their ids."""

    def moment(day: Any, otherwise: int) -> datetime:
        ever = datetime(otherwise, 1, 1, tzinfo=UTC)
        return ever if day is None else day if isinstance(day, datetime) else datetime.combine(day, time(), UTC)

    keys = dict[str, Key]()
    for name, entry in tomllib.loads(text).items():
        for key in entry.get("keys", []):
            public = base64.b64decode(key["key"].removeprefix("ed25519:"), validate=True)
            since, until = moment(key.get("from"), 1), moment(key.get("until"), 9999)
            id_ = hashlib.sha256(b"gatework/1/key\n" + public).hexdigest()[:16]
            keys[id_] = Key(name, entry["roles"], public, since, until)
    return keys


def is_base64(text: str) -> bool:
    """Whether bytes are written in base64 as they are always written."""
    try:
        return base64.b64encode(base64.b64decode(text, validate=True)).decode() == text
    except ValueError:
        return False


def statement(name: str, kind: str, value: Json, what: str, predicate: Json) -> Json:
    """An in-toto Statement; of its predicate only what says something, but for that of a certificate."""
    said = predicate if what == "certificate" else {name: item for name, item in predicate.items() if item}
    whole = {"subject": [{"name": name, "digest": {kind: value}}], "predicate": said}
    return {"_type": "https://in-toto.io/Statement/v1", "predicateType": f"urn:gatework:{what}:1", **whole}


def signatures(ledger: Ledger, r: Json, at: str, plan: str) -> None:
    """7.1 and 7.2: the signatures of a receipt. `plan` is the digest of the plan that it was held to."""
    how, check = r.get("how", {}), ledger.file.signed
    if r["kind"] == "decided" and {"key", "signature"} & how.keys():
        need("signature", {"key", "signature"} <= how.keys(), r.get("identity") == "signed")
        said = {"type": "gatework.decision/1", "run": ledger.lineage, "workflow": ledger.plan["name"]}
        said |= {name: r[name] for name in ("gate", "evidence", "action", "by")} | {"note": r.get("reason", "")}
        gives = r["action"] in ("edit", "answer") or how.get("skipped")
        said |= {"place": how.get("place", ""), "value": r["output"] if gives else ""}
        kind = "application/vnd.gatework.decision+json"
        check(ledger.role, how["key"], how["signature"], at, said, kind, r["by"])
    common = {"run": ledger.lineage, "plan": plan, "node": r.get("node", ""), "attempt": r.get("attempt", 0)}
    steps = [step for step in ledger.steps if step["name"] == common["node"]]
    uses = [use for step in steps for name in ("before", "guards") for use in step.get(name, ())]
    queued = {use["name"] for use in uses if use["queue"]}
    if signed := how.get("signed"):
        need("signature", not how.get("recorded"))
        names = ("kind", "inputs", "output", "action", "reason")[: 3 if r["kind"] == "output" else None]
        told = {name: how[name] for name in how if name not in ("signed", "arguments")}
        if r["kind"] == "suspended":
            told["calls"] = [{name: call[name] for name in call if name != "arguments"} for call in how["calls"]]
        said = common | {name: r[name] for name in names if name in r} | {"how": told, "at": at}
        said |= {"verdicts": [one for one in r.get("verdicts", ()) if one["guard"] not in queued]}
        by = next(name for name in ("output", "inputs", "call") if name in {**how, **r})
        kind = {"output": "gateworkValue1", "inputs": "gateworkInputs1", "call": "gateworkCall1"}[by]
        payload = statement(r["node"], kind, {**how, **r}[by], "attempt", said)
        check("worker", signed["key"], signed["signature"], at, payload)
    for one in [*r.get("verdicts", ()), *how.get("before", ())]:
        if signed := one.get("signed"):
            need("signature", one["guard"] in queued)
            said = common | {name: one[name] for name in ("guard", "on", "verdict", "reason")} | {"inputs": r["inputs"]}
            payload = statement(r["node"], "gateworkValue1", one["on"], "verdict", said)
            check("guard", signed["key"], signed["signature"], at, payload)


# -- 6 Certificates --------------------------------------------------------------------------------


class Certificate:
    """A certificate. Raises `Refused`; `found` counts what is proven, consistent and not checked."""

    def __init__(self, data: bytes, people: dict[str, Key] | None = None) -> None:
        self.people, self.found, file = people, Counter[tuple[str, str]](), parse(data)
        need("format", fits("certificate", file) and file["format"] == "gatework.certificate/1", file and file["runs"])
        need("format", all(fits("value", value) for value in file["values"].values()))
        need("format", *(one["signatures"] for one in file["signatures"]))
        texts = [
            text for one in file["signatures"] for text in (one["payload"], *(sig["sig"] for sig in one["signatures"]))
        ]
        need("format", *map(is_base64, texts))
        self.plans, self.values, ids = file["plans"], file["values"], [run["run_id"] for run in file["runs"]]
        need("plan", *(digest("plan", plan) == name for name, plan in self.plans.items()))
        need("value", *(digest("value", one["data"], one["salt"]) == name for name, one in self.values.items()))
        ledgers = {run["run_id"]: self.ledger(run["entries"], run["workflow"]) for run in file["runs"]}
        cuts = [self.cut(run, cut) for run in file["runs"] for cut in run["superseded"]]
        returns = [one for ledger in (*ledgers.values(), *cuts) for one in ledger.returns]
        for id_, head, action, output, shown in returns:
            if child := ledgers.get(id_):
                need("child", [child.head["digest"], child.head["receipt"].get("output", "")] == [head, output])
                need("child", child.over == action, action == "undone" or shown == child.given)
        need("child", len({*ids}) == len(ids), {*ids[1:]} <= {one[0] for one in returns})
        receipts = json.dumps([[run["entries"], run["superseded"]] for run in file["runs"]])
        need("stray", *(name in receipts for name in self.values))
        first, head = ledgers[ids[0]], ledgers[ids[0]].head
        said = {"plan": first.held_to, "entries": head["sequence"], "outcome": first.over}
        said["superseded"] = [cut.head["digest"] for cut in cuts]
        payload = statement(first.lineage, "gateworkEntry1", head["digest"], "certificate", said)
        for one in file["signatures"]:
            need("signature", one["payloadType"] == IN_TOTO)
            need("signature", one["payload"] == base64.b64encode(canonical(payload).encode()).decode())
            for sig in one["signatures"]:
                self.signed("exporter", sig["keyid"], sig["sig"], head["at"], payload)

    def ledger(self, entries: list[Json], workflow: str) -> Ledger:
        """Step through the entries of a run."""
        ledger, head = Ledger(self), "0" * 64
        for count, entry in enumerate(entries, start=1):
            whole = {name: item for name, item in entry.items() if name != "digest"}
            need(
                "chain", entry["sequence"] == count, entry["before"] == head, entry["digest"] == digest("entry", whole)
            )
            head, plan = entry["digest"], ledger.held_to
            try:
                ledger.take(entry["receipt"])
            except KeyError:  # a member that the rule needs
                raise Refused("order") from None
            signatures(ledger, entry["receipt"], entry["at"], plan or ledger.held_to)
            ledger.head = entry
            self.found["consistent", "receipts"] += 1
        need("plan", ledger.held_to and ledger.plan["name"] == workflow)
        return ledger

    def cut(self, run: Json, cut: Json) -> Ledger:
        """What a reset cut off, behind what it follows on."""
        others = [one for other in run["superseded"] if other is not cut for one in other["entries"]]
        known, chain = {one["digest"]: one for one in [*run["entries"], *others]}, list(cut["entries"])
        need("superseded", chain)
        while chain[0]["before"] in known:
            chain.insert(0, known.pop(chain[0]["before"]))
        try:
            return self.ledger(chain, run["workflow"])
        except Refused as refused:
            raise Refused("superseded") from refused

    def signed(self, role: str, key: str, sig: str, at: str, payload: Json, kind: str = IN_TOTO, by: str = "") -> None:
        """Check a signature. One of a key that is not on the list is not checked, but for that of a certificate."""
        known = {one.name for one in self.people.values()} if self.people is not None else set()
        if self.people is None or (key not in self.people and by not in known and role != "exporter"):
            self.found["not checked", f"signatures of {role}"] += 1
            return
        need("signature", key in self.people)
        name, roles, public, since, until = self.people[key]
        moment, text = datetime.fromisoformat(at), canonical(payload).encode()
        need("signature", role in roles, by in ("", name), since <= moment or role == "exporter", moment < until)
        try:
            need("signature", is_base64(sig))
            message = b"DSSEv1 %d %s %d %s" % (len(kind), kind.encode(), len(text), text)
            Ed25519PublicKey.from_public_bytes(public).verify(base64.b64decode(sig), message)
        except (InvalidSignature, ValueError):
            raise Refused("signature") from None
        self.found["proven", f"signatures of {role}"] += 1


def verify(data: bytes, people: dict[str, Key] | None = None) -> Certificate:
    """Check the file of a certificate. Raises `Refused`, also for plans that are none."""
    try:
        return Certificate(data, people)
    except (KeyError, TypeError, AttributeError, IndexError, ValueError, ArithmeticError, RecursionError):
        raise Refused("format") from None


def main(arguments: list[str]) -> int:
    """Verify a file, and say what was found."""
    options = dict(zip(arguments[1::2], arguments[2::2], strict=True))
    people = people_of(Path(options["--people"]).read_text()) if "--people" in options else None
    try:
        file = verify(Path(arguments[0]).read_bytes(), people)
        if "--lock" in options:
            lock = json.loads(Path(options["--lock"]).read_text())
            need("policy", {*file.plans} & {one["digest"] for one in lock["plans"]})
    except Refused as refused:
        print(f"refused: {refused}")
        return 1
    print("accepted", *(f"{how}: {count} {what}" for (how, what), count in sorted(file.found.items())), sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

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
from collections.abc import Callable
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
suspended: node attempt inputs verdicts=givens | turn=number entries=turns calls=asks spent signed
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
asked: node gate shown evidence action reason | reasons=texts tool key call not_by=texts handed_on=flag
decided: node output inputs label gate evidence action by identity reason | key signature principal type \
place approvals=number quorum=number guards=givens skipped=flag
migrated: node shown action by identity reason | kept=texts
resumed: node action by identity reason | run=text kept=texts
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

RUN = {"output", "stopped", "refused", "failed", "suspended"}
SURE = ("none", "claimed", "authenticated", "signed")
FAILS = {"asked blocked", "asked exhausted", "asked failed", "asked spent"}
REPAIRS, JUDGES = {"retry", "edit", "abort", "override"}, {"approve", "reject", "edit", "abort", "override"}
MAY = {
    "approval": JUDGES,
    "escalated": JUDGES,
    "spent": REPAIRS | JUDGES,
    "question": {"answer", "abort"},
    "call": {"approve", "reject", "abort"},
}
NEXT = {
    "approve": {"asked approval"},
    "ask": {"asked question"},
    "pause": {"waited"},
    "loop": {"round"},
    "join": {"joined"},
    "part": {"joined"},
    "choose": {"chose"},
    "when": {"chose"},
}
ANYWHERE = {"begun", "round", "migrated", "resumed", "undoing", "ended"}
CALL = ("tool", "key", "call")


class Unknown(Exception):
    """What is asked for is not disclosed."""


class Held(NamedTuple):
    """What a node or an input holds. By hand where a person gave it, or it was made of such a value."""

    digest: str
    label: str
    hand: bool = False


def plain(name: str) -> str:
    """A name as names are compared, nearly."""
    text = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    return " ".join("".join(c for c in text if unicodedata.category(c) != "Cf").split())


class Ledger:
    """A run, receipt by receipt. `want` has the kinds that may come next, of gates and ends with their action."""

    plan: Json
    node: Json
    gate: Json
    head: Json
    kids: Json
    pending: Json
    undoable: Json

    def __init__(self, file: "Certificate") -> None:
        self.file, self.want, self.begun, self.held = file, {"begun"}, dict[str, str](), dict[str, Held]()
        self.mark, self.last, self.parts, self.undoable = dict[str, int](), Counter[str](), dict[Json, Json](), []
        self.acts = dict[str, tuple[str, list[str], str]]()  # key → what became of it; node, tool, arguments; result
        self.returns, self.ending, self.ended, self.said, self.held_to, self.gates = list[Json](), "", "", "", "", 0

    def follow(self, name: str) -> None:
        """Be held to a plan from now on."""
        self.plan, self.held_to = self.file.plans[name], name
        self.steps = self.plan["nodes"] + self.plan["undos"]
        self.names = [step["name"] for step in self.steps]

    def arrive(self, at: int) -> None:
        """Pass on to a position, or behind it where nodes stand in ways that are not taken."""
        end = len(self.plan["nodes"])
        while at < end and (arm := self.steps[at]["arm"]) and self.mark.get(arm["choice"]) != arm["way"]:
            at += 1
        self.at, self.node = at, self.steps[at] if at < len(self.steps) else {"name": "", "kind": ""}
        self.kids, self.shown, self.reasons, self.gate = dict[int, Json](), dict[int, Json](), dict[int, str](), None
        self.edited, self.running, self.let_in, self.again, self.tries = "", False, "", "", 0
        self.pending, self.leave, self.sent, self.output, self.answers = list[Json](), False, 0, "", 0
        self.want = {"ended completed"} if at == end and not self.ending else self.fresh()

    def fresh(self) -> set[str]:
        """What may come where nothing is under way."""
        kind = self.node["kind"]
        if "params" in self.node:
            return {*(RUN if self.tries < self.node["attempts"] else ()), "asked exhausted", "asked failed"}
        if "children" in self.node:
            return {"called", "returned", "gathered", "asked failed", "asked exhausted"}
        return NEXT[kind] | ({"approved"} if kind == "approve" and self.node["when"] else {"asked failed"} - NEXT[kind])

    def hold(self, held: Held) -> None:
        """The node holds a value, and the run goes on behind it."""
        if self.ending:
            return self.undo_next()
        self.held[self.node["name"]] = held
        if undo := self.node.get("undo"):
            self.undoable.append((undo, None, dict(self.held)))
        self.arrive(self.at + 1)

    def undo_next(self) -> None:
        """Go on to what is undone next, with what was held then."""
        self.want, self.gate = {f"ended {self.ending}"}, None
        if self.undo:
            name, child, held = self.undo.pop()
            self.held = dict(held)
            self.arrive(self.names.index(name))
            self.kids, self.want = ({}, self.want) if child is None else ({child: None}, {"returned", "asked failed"})

    def back(self, at: int) -> None:
        """Drop what nodes at a position or behind it hold."""
        for name in self.names[at:]:
            self.held.pop(name, None)
            self.mark.pop(name, None)

    def acted(self, at: int) -> bool:
        """Whether an effect at a position or behind it has happened, or may have."""
        happened = [of for became, of, _ in self.acts.values() if became not in ("refused", "failed")]
        return any(of[0] in self.names[at:] for of in happened)

    # Values

    def data(self, source: Json) -> Json:
        """What a source stands for. Raises `Unknown`."""
        if "data" in source:
            return source["data"]
        need("order", source["node"] in self.held)
        value = self.file.values.get(self.held[source["node"]].digest, {})
        for name in ("data", *source["path"]):
            if not isinstance(value, dict) or name not in value:
                raise Unknown
            value = value[name]
        return value

    def salt(self, source: Json) -> str:
        """The salt of what a source stands for. Raises `Unknown`."""
        if "data" in source:
            return ""
        if (value := self.file.values.get(self.held[source["node"]].digest)) is None:
            raise Unknown
        salt: str = value["salt"]
        return digest("field", [salt, *source["path"]])[:32] if source["path"] else salt

    def digest(self, source: Json) -> str:
        """The digest of what a source stands for. Raises `Unknown`."""
        if "data" not in source and not source["path"]:
            need("order", source["node"] in self.held)
            return self.held[source["node"]].digest
        return digest("value", self.data(source), self.salt(source))

    def check(self, what: str, expected: Callable[[], Json], found: Json, code: str = "order") -> None:
        """Refuse what is not as expected; what is not disclosed is not checked."""
        try:
            need(code, expected() == found)
        except Unknown:
            self.file.found["not checked", what] += 1

    def reads(self) -> list[Json]:
        """The references that the node reads."""
        node = self.node
        own = [node[name] for name in ("value", "on", "start", "items") if node.get(name)]
        own += [one["source"] for many in (node, *node.get("children", ())) for one in many.get("params", ())]
        own += [limit["value"] for tool in node.get("tools", ()) for limit in tool["limits"]]
        own += [one for many in ("not_by", "show", "options") for one in node.get(many, ())]
        return [one for one in [*own, *refs(node.get("when"))] if "node" in one]

    def made(self, output: str) -> Held:
        """A value that the node made of what it reads."""
        hand = self.node["kind"] != "endorse" and any(self.held[ref["node"]].hand for ref in self.reads())
        return Held(output, self.node["label"], hand or bool(self.edited))

    # Receipts

    def take(self, r: Json) -> None:
        """Take the next receipt."""
        kind, how, action, output = r["kind"], r.get("how", {}), r.get("action", ""), r.get("output", "")
        word, may = f"{kind} {action}" if kind in ("asked", "ended", "undoing") else kind, set(self.want)
        if self.want != {"begun"} and not self.ended:
            may |= {"resumed"} | ({"migrated"} if not self.ending else set())
            ends = ["cancelled"] * (None not in self.kids.values() and not self.ending) + ["expired"] * bool(self.gate)
            may |= {f"{end} {one}" for end in ("ended", "undoing") for one in ends}
            if not self.asks and not self.ending and may & FAILS:
                may = may - FAILS | {"ended failed", "undoing failed"}
        if kind == "acted" and "run" in how and self.want != {"begun"}:  # what a run before a reset did
            need("order", how.get("recorded"), action in ("found", "unknown"), not {"attempt", "reason"} & r.keys())
            self.acts[how["key"]] = action, [r["node"], how["tool"], how["arguments"]], output
            return
        at_place = kind in ANYWHERE or action == "edit" or r["node"] == self.node["name"]
        need("order", word in may, at_place)
        if kind in RUN:
            self.attempt(r, how)
        getattr(self, f"on_{kind}")(r, how, action, output)
        self.said = kind

    def on_begun(self, r: Json, how: Json, _action: str, output: str) -> None:
        if not self.said:
            need("plan", how.get("plan") in self.file.plans)
            self.follow(how["plan"])
            self.lineage, self.asks, self.how = how["run"], how.get("asks", True), how
        starts = self.plan["inputs"][len(self.begun) :] or [{"name": None, "label": None}]
        need("order", how == self.how, bool(output) == ("node" in r), how.get("asks") is not True)
        need("order", r.get("node") == starts[0]["name"], r.get("label") == starts[0]["label"])
        if output:
            self.begun[r["node"]], self.held[r["node"]] = output, Held(output, r["label"])
        if len(starts) == 1:
            self.arrive(0)

    # 5.2 Work

    def attempt(self, r: Json, how: Json) -> None:
        """What holds of every receipt of an attempt."""
        node, output = self.node, r["kind"] == "output"
        need("order", r["attempt"] == self.last[node["name"]] + (not self.running))
        self.answers = self.answers if self.running else 0
        self.last[node["name"]], self.running = r["attempt"], r["kind"] == "suspended"
        self.tries += not self.running
        names = {one["name"]: one["source"] for one in node["params"]}
        self.check("inputs", lambda: digest("inputs", {n: self.digest(one) for n, one in names.items()}), r["inputs"])
        given, asked = how.get("before", r.get("verdicts", [])), not self.edited and self.let_in != r["inputs"]
        asked = asked and ("before" in how or r["kind"] not in ("refused", "failed"))
        uses = [(use["name"], r["inputs"]) for use in node["before"]] if asked else []
        words = [one["verdict"] for one in given]
        need("guards", ({*words[: len(uses)]} <= {"pass"}) == (r["kind"] != "stopped"))
        self.words = {*words[len(uses) :]} if output else {*words}
        uses += [(use["name"], r["output"]) for use in node["guards"]] if output else []
        need("guards", [(one["guard"], one["on"]) for one in given] == uses)

    def on_output(self, r: Json, _how: Json, action: str, output: str) -> None:
        node, until, words = self.node, self.node["until"], self.words
        need("order", r["label"] == node["label"], not self.pending, output, output == (self.edited or output))
        if until and not self.edited:
            self.check("values of rounds", lambda: self.digest(node["params"][0]["source"]), output)
        spent = until and self.mark[until["loop"]] % until["rounds"] == 0
        self.output, accepted = output, False
        if until and not self.edited and "retry" in words and "block" not in words:
            accepted = spent and until["spent"] == "accept"
            self.want = {"asked spent" if spent else "round"}
        elif words & {"block", "retry"} and self.in_doubt():
            self.want = {"asked unknown"}
        elif words & {"block", "escalate"}:
            self.want = {"asked blocked"} if "block" in words else self.want
        if "retry" in words and self.want & RUN:
            self.want = {"asked exhausted"} if self.edited else self.fresh() - {"asked failed"}
        elif words == {"escalate"} or words == {"escalate", "pass"}:
            self.want = {"asked escalated"}
        need("order", action == "accepted" * bool(accepted))
        if accepted or words <= {"pass"}:
            self.hold(self.made(output))

    def in_doubt(self) -> bool:
        """Whether a person gave the value of work that holds an effect without a probe."""
        return bool(self.edited) and any(tool["kind"] == "effect" and not tool["probe"] for tool in self.node["tools"])

    def on_stopped(self, r: Json, _how: Json, _action: str, _output: str) -> None:
        self.stopped, self.output = r["inputs"], ""
        self.want = {"asked escalated" if self.words <= {"pass", "escalate"} else "asked blocked"}

    def on_refused(self, r: Json, _how: Json, action: str, _output: str) -> None:
        failures = {"refused": ("contract", "refused", "block"), "failed": ("timeout", "error")}
        need("order", action in failures[r["kind"]])
        self.output, self.pending = "", []
        again = {"asked exhausted"} if self.edited else self.fresh() - {"asked failed"}
        self.want = {"block": {"asked blocked"}, "error": {"asked failed"}}.get(action, again)
        self.want = {"asked unknown"} if self.in_doubt() else self.want

    on_failed = on_refused

    # 5.3 Calls

    def on_suspended(self, r: Json, how: Json, _action: str, _output: str) -> None:
        tools = {tool["name"]: tool for tool in self.node["tools"]}
        calls = [(call, tools.get(call["tool"])) for call in how["calls"]]
        need("order", not self.pending, not self.edited, how["calls"] or how["entries"], how["turn"] == self.answers)
        for one in how["entries"]:
            alone = {name for name, tool in tools.items() if tool["kind"] != "effect" and not tool["approver"]}
            told = one["kind"], one["outcome"], bool(one["digest"])
            fits_tool = {"answered": {""}, "refused": {"", *tools}}.get(one["outcome"], alone)
            answers = [("model", "answered", True), ("tool", "done", True), ("tool", "failed", False)]
            need("order", told in [*answers, ("tool", "refused", False)], one["tool"] in fits_tool)
        self.answers += len(how["entries"])
        apart = [tool and (tool["kind"] == "effect" or tool["approver"] or tool["queue"]) for _, tool in calls]
        need("order", *apart)
        need("effects", all(tool and bool(call["key"]) == (tool["kind"] == "effect") for call, tool in calls))
        need("effects", len({call["call"] for call, _ in calls}) == len(calls))
        self.pending = calls
        self.call_next()

    def call_next(self) -> None:
        """Wait for what becomes of the next call, or for the end of the attempt."""
        self.leave, self.sent, self.want = False, 0, {*RUN, "asked exhausted", "asked failed"} - {"stopped"}
        if self.pending:
            asks = {"asked call"} if self.pending[0][1]["approver"] else set[str]()
            self.want = {"acting", "acted", "asked failed", "asked blocked", "asked unknown"} | asks

    def due(self, r: Json, how: Json) -> tuple[str, list[str], tuple[str, list[str], str]]:
        """The key of the call that is due, what it is, and the record of that key."""
        need("order", self.pending and how.items() >= self.pending[0][0].items())
        need("order", r.get("attempt") == self.last[r["node"]])
        of = [r["node"], how["tool"], how["arguments"]]
        record = self.acts.get(how["key"], ("", of, "")) if how["key"] else ("", of, "")
        need("effects", record[1][:2] == of[:2])
        return how["key"], of, record

    def on_acting(self, r: Json, how: Json, action: str, _output: str) -> None:
        key, of, (became, before, _) = self.due(r, how)
        tool, happened = self.pending[0][1], became not in ("", "refused", "failed")
        need("effects", became not in ("done", "found"), not happened or before == of, self.sent < 3)
        need("effects", not happened or tool["probe"] or self.again == key)
        need("order", self.leave or not tool["approver"])
        need("order", action == ("call again" if happened and tool["probe"] else "call"))
        self.acts |= {key: ("unknown" if happened else "asked", of, "")} if key else {}
        self.again, self.sent, self.want = "", self.sent + 1, {"acted"}

    def on_acted(self, r: Json, how: Json, action: str, output: str) -> None:
        key, of, (became, before, result) = self.due(r, how)
        probe, gave = self.pending[0][1]["probe"], action in ("done", "found")
        need("order", action in ("done", "found", "refused", "failed", "unknown"), gave == bool(output))
        if how.get("recorded") or self.want != {"acted"}:
            need("effects", how.get("recorded"), self.want != {"acted"}, action == "found", became in ("done", "found"))
            need("effects", (before, result) == (of, output))
        else:
            need("effects", action != "found" or probe)
            sure = became != "unknown" or gave or (action == "refused" and probe)
            self.acts |= {key: (action if sure else "unknown", of, output)} if key else {}
        doubt = key and self.acts[key][0] == "unknown"
        again = {"acting"} if self.sent < 3 and (not doubt or probe) else set[str]()
        self.want = again or {"asked unknown" if doubt else "asked failed"}
        self.want = {"asked blocked"} if action == "refused" else self.want
        if output or (action == "refused" and how["by_model"]):
            self.pending, self.answers = self.pending[1:], self.answers + 1
            self.call_next()

    # 5.4 Gates and decisions

    def on_asked(self, r: Json, how: Json, kind: str, _output: str) -> None:
        node, (call, tool) = self.node, (self.pending or [({}, {})])[0]
        about = {name: call[name] for name in CALL if call}
        shown = {ref["node"]: self.held[ref["node"]].digest for ref in self.reads() if ref["node"] in self.held}
        shown |= {node["name"]: self.output} if self.output else {}
        shown |= {f"{call['tool']}()": call["arguments"]} if call else {}
        need("order", r["gate"] == self.gates + 1, about == {name: how[name] for name in CALL if name in how})
        need("order", how.get("handed_on", False) == bool(self.gate), r.get("reason", "") == "; ".join(how["reasons"]))
        about |= {"kind": kind, "attempt": self.last[node["name"]]} if call else {}
        seen = {"plan": self.held_to, "gate": r["gate"], "node": node["name"], "reasons": how["reasons"]}
        need(
            "evidence", shown == r.get("shown", {}), digest("gate", {**seen, "shown": shown, **about}) == r["evidence"]
        )
        person, nobody = kind in ("approval", "question"), {"role": "", "quorum": 1, "identity": "none"}
        asked = node["otherwise" if self.gate else "by"] if person else node.get("operator", nobody)
        self.want = {"decided"} | ({f"asked {kind}"} if person and node["otherwise"] and not self.gate else set())
        self.gate = SimpleNamespace(kind=kind, call=call, seen=(r["gate"], r["evidence"]), votes=frozenset[str]())
        self.gate.asked = tool["approver"] if kind == "call" else asked
        self.gates, self.gate.not_by = r["gate"], {*map(plain, how.get("not_by", ()))}

    def on_decided(self, r: Json, how: Json, action: str, output: str) -> None:
        gate, node, by = self.gate, self.node, plain(r.get("by", ""))
        need("evidence", (r["gate"], r["evidence"]) == gate.seen)
        asked = node.get("override") if action == "override" else gate.asked
        need("order", asked, action in MAY.get(gate.kind, REPAIRS), how.get("place", r["node"]) == r["node"])
        surely, enough = SURE.index(r.get("identity", "none")), SURE.index(asked["identity"])
        enough = min(enough, 1) if action in ("reject", "abort") else enough
        need("identity", surely >= enough, bool(surely) == bool(by))
        kept_off = {by, plain(str(how.get("principal", "")))} & gate.not_by or "" in gate.not_by
        need("identity", action not in ("approve", "override") or not kept_off)
        need("identity", surely != 3 or {"key", "signature"} <= how.keys())
        votes, quorum, self.role = gate.votes | {by}, asked["quorum"], asked["role"]
        counted = (len(votes), quorum) if action in ("approve", "override") and quorum > 1 else (None, None)
        need("quorum", (how.get("approvals"), how.get("quorum")) == counted, counted[0] is None or by not in gate.votes)
        if counted[0] and len(votes) < quorum:
            need("quorum", not output, not r.get("label"))
            gate.votes = votes
            return
        self.gate, self.tries, gives = None, 0, (output, r.get("label"))
        match action:
            case "approve" if gate.kind == "call":
                need("order", gives == ("", None))
                self.leave, self.want = True, {"acting"}
            case "approve" if gate.kind == "approval":
                need("order", gives == (self.held[node["value"]["node"]].digest, "approved"))
                self.hold(Held(output, "approved"))
            case "approve" if self.output:
                need("order", gives == (self.output, node["label"]))
                self.hold(self.made(output))
            case "approve" | "override" if not output:
                need("order", r.get("inputs") == self.stopped, action == "approve" or r.get("reason"))
                self.let_in, self.want = self.stopped, self.fresh()
            case "override":
                self.file.found["overridden", node["name"]] += 1
                need("order", r.get("reason"), how.get("skipped") or output == self.output, gives[1] == node["label"])
                self.hold(Held(output, node["label"], True))
            case "reject" if gate.kind == "call":
                self.want = {"asked blocked"}
                if gate.call["by_model"]:
                    self.pending, self.answers = self.pending[1:], self.answers + 1
                    self.call_next()
            case "reject" | "abort":
                end = {"reject": "rejected", "abort": "aborted"}[action]
                self.want = {f"ended {end}", f"undoing {end}"}
                if self.ending:
                    self.undo_next()
            case "retry":
                self.again = gate.call["key"] if gate.call and gate.kind == "unknown" else ""
                self.pending, self.running, self.output, self.edited = [], False, "", ""
                self.kids = {child: held for child, held in self.kids.items() if held}
                self.want = {"round"} if gate.kind == "spent" else self.fresh()
            case "answer":
                need("order", output, gives[1] == node["label"])
                self.hold(Held(output, node["label"]))
            case _:
                self.edit(r["node"], gives)
        need("order", action in ("approve", "override", "answer", "edit") or gives == ("", None))

    def edit(self, place: str, gives: tuple[str, str | None]) -> None:
        """A person gives the value of a place."""
        labels, here = {one["name"]: one["label"] for one in self.plan["inputs"]}, place == self.node["name"]
        need("order", gives[0], gives[1] is None, here or (not self.ending and place in [*labels, *self.names]))
        at = 0 if place in labels else self.names.index(place)
        need("order", at <= self.at)
        need("effects", here or not self.acted(at))
        self.back(at)
        if place in labels:
            self.held[place] = Held(gives[0], labels[place], True)
            return self.arrive(0)
        self.arrive(at)
        need("order", self.node["name"] == place, self.node.get("params") or self.node["kind"] in ("call", "each"))
        self.edited = gives[0]
        if not self.node.get("guards"):
            self.hold(Held(gives[0], self.node["label"], True))

    # 5.6 Ways, loops, child runs

    def on_chose(self, _r: Json, _how: Json, action: str, _output: str) -> None:
        node = self.node
        need("order", action in [str(way) for way in range(len(node["ways"]) or 2)])

        def way() -> str:
            if node["kind"] == "when":
                raise Unknown
            tag = self.data({**node["on"], "path": [*node["on"]["path"], node["tag"]]})
            return next((str(way) for way, tags in enumerate(node["ways"]) if tag in tags), "")

        self.check("choices", way, action, "rule")
        self.mark[node["name"]] = int(action)
        self.arrive(self.at + 1)

    def on_joined(self, r: Json, _how: Json, _action: str, output: str) -> None:
        node = self.node
        found: Json = self.parts.get((node.get("call"), node.get("child")))
        if node["kind"] == "join":
            found = self.held.get(node["options"][self.mark[node["choice"]]]["node"])
        need("order", found and (output, r["label"]) == (found.digest, node["label"]))
        self.hold(Held(output, node["label"], found.hand))

    def on_round(self, r: Json, how: Json, _action: str, output: str) -> None:
        until = self.node.get("until")
        source = self.node["params"][0]["source"] if until else self.node["start"]
        loop = until["loop"] if until else self.node["name"]
        number, made = self.mark[loop] + 1 if until else 1, self.made(output)
        self.check("values of rounds", lambda: self.digest(source), output)
        self.back(self.names.index(loop))
        self.arrive(self.names.index(loop))
        need("order", [r["node"], r["label"], how["round"]] == [loop, self.node["label"], number])
        self.mark[loop] = number
        self.hold(made._replace(label=r["label"]))

    def on_waited(self, *_receipt: Json) -> None:
        self.mark[self.node["name"]] = 1
        self.arrive(self.at + 1)

    def on_approved(self, r: Json, _how: Json, action: str, output: str) -> None:
        node = self.node
        seen = [self.held[ref["node"]] for ref in [node["value"], *refs(node["when"])] if "node" in ref]
        need("order", (action, output, r["label"]) == ("auto", seen[0].digest, "approved"))
        need("rule", all(held.label != "untrusted" and not held.hand for held in seen))
        self.file.found["not checked", "rules of approvals"] += 1
        self.hold(Held(output, "approved"))

    def items(self) -> list[Json]:
        """One for each child run. Raises `Unknown`."""
        items: list[Json] = self.data(self.node["items"]) if self.node["items"] else self.node["children"]
        return items

    def on_called(self, r: Json, how: Json, _action: str, _output: str) -> None:
        node, child, name = self.node, how["child"], self.node["name"]
        use = node["children"][0 if node["items"] else min(child, len(node["children"]) - 1)]
        need("order", r["attempt"] == self.last[name] + (not self.running) or self.said in ("decided", "resumed"))
        need("order", child not in self.kids, [how["workflow"], how["plan"]] == [use["workflow"], use["plan"]])
        need("order", sum(one is None for one in self.kids.values()) < node["at_most"])
        need("order", node["failed"] != "stop" or False not in self.kids.values())

        def inputs() -> Json:
            need("order", child < len(self.items()))
            given = {one["name"]: self.digest(one["source"]) for one in use["params"] if one["name"] != node["item"]}
            if node["items"]:
                salt = digest("item", [self.salt(node["items"]), child])[:32]
                given[node["item"]] = digest("value", self.items()[child], salt)
            return given

        self.check("inputs of child runs", inputs, r.get("shown", {}))
        self.last[name], self.running = r["attempt"], True
        self.kids[child], self.shown[child] = None, r.get("shown", {})

    def on_returned(self, r: Json, how: Json, action: str, output: str) -> None:
        node, child = self.node, how["child"]
        need("order", self.kids.get(child, 0) is None, self.ending or r["attempt"] == self.last[node["name"]])
        need("order", bool(output) == (action == "completed") == ("label" in r), output or not how.get("undoable"))
        need("order", r.get("label", "plain") in ("untrusted", "plain", "endorsed", "approved"))
        self.kids[child] = Held(output, r["label"]) if output else False
        self.reasons[child] = (node["label"] == "untrusted" and r.get("reason")) or action
        self.returns.append((how.get("run"), how.get("ledger"), action, output, self.shown.get(child)))
        self.acts |= {f"{node['name']}/{len(self.returns)}": ("done", [node["name"]], "")} if how.get("acted") else {}
        self.undoable += [(node["name"], child, dict(self.held))] if how.get("undoable") else []
        if self.ending:
            self.want = {"asked failed"}
            return self.undo_next() if action == "undone" else None

    def on_gathered(self, r: Json, _how: Json, _action: str, output: str) -> None:
        node, kids = self.node, [self.kids[child] for child in sorted(self.kids)]
        self.check("numbers of child runs", lambda: len(self.items()), len(kids))
        need("order", None not in kids, node["failed"] == "collect" or all(kids))
        self.parts |= {(node["name"], child): held for child, held in self.kids.items() if held}
        need("order", bool(output) == ("label" in r) == (node["kind"] != "parallel"))
        need("order", r.get("label", node["label"]) == node["label"])
        given_on = {node["label"], *(["approved"] if node["label"] == "endorsed" else [])}
        fit = [kid.label in given_on or node["label"] == "untrusted" for kid in kids if kid]
        need("order", node["kind"] == "parallel" or all(fit))
        if node["kind"] == "parallel":
            return self.on_waited()

        def value() -> str:
            if node["kind"] == "call":
                return str(kids[0].digest)
            gave, salt = [self.file.values.get(kid.digest) for kid in kids if kid], self.salt(node["items"])
            if None in gave:
                raise Unknown
            lost = [{"index": child, "reason": self.reasons[child]} for child, kid in enumerate(kids) if not kid]
            whole: Json = [one["data"] for one in gave if one]
            whole = {"values": whole, "failed": lost} if node["failed"] == "collect" else whole
            return digest("value", whole, digest("gathered", [salt, *(one["salt"] for one in gave if one)])[:32])

        self.check("lists of what child runs gave", value, output)
        self.hold(self.made(output))

    # 5.1 The end, and what comes behind it

    def on_undoing(self, _r: Json, how: Json, action: str, _output: str) -> None:
        if self.ending:
            need("order", "undo" not in how)
            return self.undo_next()
        need("order", how.get("undo") == [name for name, _, _ in reversed(self.undoable)] != [])
        self.stood, self.ending, self.undo, self.undoable = (self.at, dict(self.held)), action, self.undoable, []
        self.undo_next()

    def on_ended(self, r: Json, _how: Json, action: str, output: str) -> None:
        result, gives = self.plan["result"], [r.get("node"), output, r.get("label")]
        need("order", action == "completed" or self.ending or not self.undoable)
        if action == "completed":
            need("order", gives == [result, self.held[result].digest, self.held[result].label])
        need("order", action == "completed" or gives[1:] == ["", None])
        self.stood = self.stood if self.ending else (self.at, dict(self.held))
        self.ended, self.want, self.gate = action, set() if action == "rejected" else {"resumed"}, None

    def on_resumed(self, r: Json, how: Json, action: str, _output: str) -> None:
        need("order", action, (action == "completed") == (self.ended == "completed"))
        if action == "completed":
            need("order", "node" not in r, "kept" not in how, self.undoable)
            self.ended, self.want = "", {"undoing undone"}
            return
        at, held = self.stood if self.ended else (self.at, self.held)
        need("order", r.get("node") in self.names)
        to = self.names.index(r["node"])
        need("order", to <= at)
        need("effects", to == at or not self.acted(to))
        self.ending, self.ended, self.held = "", "", held
        self.back(to)
        self.acts = {key: ("unknown" if one[0] == "asked" else one[0], *one[1:]) for key, one in self.acts.items()}
        kept = [name for name in self.names[:to] if name in self.held or name in self.mark]
        need("order", how.get("kept", []) == kept)
        self.arrive(to)

    def on_migrated(self, r: Json, how: Json, _action: str, _output: str) -> None:
        kept, old, to = how.get("kept", []), self.plan, r["shown"].get("to")
        need("plan", to in self.file.plans)
        need("order", r["shown"] == {"from": self.held_to, "to": to}, len(kept) <= self.at)
        self.back(len(kept))
        self.follow(to)
        need("order", (old["name"], old["inputs"]) == (self.plan["name"], self.plan["inputs"]))
        need("order", old["nodes"][: len(kept)] == self.steps[: len(kept)], kept == self.names[: len(kept)])
        self.arrive(len(kept))


def refs(condition: Json) -> list[Json]:
    """The sources that a condition looks at, in order."""
    if not isinstance(condition, dict):
        return []
    own = [condition[name] for name in ("left", "right", "ref") if name in condition]
    return own + [one for part in [*condition.get("parts", []), condition.get("part")] for one in refs(part)]


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
                need("child", child.ended == action, action == "undone" or shown == child.begun)
        need("child", len({*ids}) == len(ids), {*ids[1:]} <= {one[0] for one in returns})
        receipts = json.dumps([[run["entries"], run["superseded"]] for run in file["runs"]])
        need("stray", *(name in receipts for name in self.values))
        first, head = ledgers[ids[0]], ledgers[ids[0]].head
        said = {"plan": first.held_to, "entries": head["sequence"], "outcome": first.ended}
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

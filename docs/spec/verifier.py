"""A second verifier of certificates, written from ledger.md alone: `python docs/spec/verifier.py FILE [PEOPLE]`.

PEOPLE is a list of keys. Section 8 says what it leaves out. The numbers in comments are those of the sections.
"""

import base64
import hashlib
import json
import re
import sys
import tomllib
import unicodedata
from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

Json = Any


class Refused(Exception):
    """The certificate is refused, with this code."""


def need(code: str, *holds: object) -> None:
    """Refuse unless all of it holds."""
    if not all(holds):
        raise Refused(code)


# 1 and 2: canonical JSON and digests


def canonical(value: Json, depth: int = 0) -> str:
    """RFC 8785: members in the order of their UTF-16, numbers as ECMAScript writes them."""
    need("json", depth <= 80, not isinstance(value, int) or abs(value) < 2**53)
    if isinstance(value, dict):
        members = sorted(value.items(), key=lambda member: member[0].encode("utf-16-be"))
        return "{" + ",".join(f"{canonical(name)}:{canonical(item, depth + 1)}" for name, item in members) + "}"
    if isinstance(value, list):
        return "[" + ",".join(canonical(item, depth + 1) for item in value) + "]"
    if isinstance(value, float):
        plain = not value or 1e-6 <= abs(value) < 1e21
        return f"{Decimal(repr(value or 0.0)).normalize():f}" if plain else repr(value).replace("e-0", "e-")
    return json.dumps(value, ensure_ascii=False)


def digest(domain: str, value: Json, salt: str = "") -> str:
    """The digest of a value for one use; its salt as hex."""
    head = f"gatework/1/{domain}\n{len(salt) // 2}\n".encode()
    return hashlib.sha256(head + bytes.fromhex(salt) + canonical(value).encode()).hexdigest()


# 4 and 6: the form of receipts and certificates

FORMS = """certificate: format plans runs values signatures. value: data salt. signatures signed: key signature
runs: run_id workflow entries superseded. superseded: run_id entries. entries: sequence at receipt before digest
verdicts: guard on verdict reason signed. turns: kind tool outcome digest. calls: tool key call arguments by_model
begun: node output label; plan run asks given. called: node attempt shown; child workflow plan given
output: node attempt inputs output label verdicts action reason; calls=list tools refused more code spent signed
refused failed: node attempt inputs action reason; before=verdicts calls=list tools refused more code spent signed
suspended: node attempt inputs verdicts; entries=turns calls spent signed
stopped: node attempt inputs verdicts; code signed. joined gathered: node output label
acting: node attempt action; tool key call arguments by_model. approved: node output label action reason
acted: node attempt output action reason; tool key call arguments by_model recorded run code signed
returned: node attempt output label action reason; child run ledger spent acted undoable overridden more
asked: node attempt gate shown evidence action reason; tool key call not_by handed_on. round: node output label; round
decided: node output inputs label gate evidence action by identity reason; signed principal type place approvals \
quorum guards=verdicts skipped. undoing: node action by reason; undo. chose: node action reason
migrated: shown by reason; kept. waited: node
resumed: node action by reason; run. ended: node output label action by reason"""
FORM = {one: form for names, form in re.findall(r"([\w ]+): ([^.\n]+)", FORMS) for one in names.split()}
"""What is in an object; of a receipt, by its kind, what may be in it, and behind a semicolon in its `how`."""
SPENT = r'"(model_calls|tokens)":\d+,?|"money":"[^"]*",?|"seconds":[\d.e-]+,?|"tool_calls":\{("[^"]*":\d+,?)*\},?'
PATTERNS = {
    '"[0-9a-f]{64}"': "inputs output evidence on plan code",
    '"([0-9a-f]{64})?"': "before digest ledger call arguments",
    r"\d+": "sequence attempt gate kept round child more approvals quorum",
    "true|false": "by_model acted undoable",
    "true": "recorded handed_on skipped",
    "false": "asks",
    r'\[("([^"\\]|\\.)*",?)*\]': "not_by overridden undo",
    r'\{("([^"\\]|\\.)*":"[0-9a-f]{64}",?)*\}': "shown",
    r"\[(\{.*\})?\]": "list tools refused",
    rf"\{{({SPENT})*\}}": "spent",
    rf'\{{({SPENT}|"output_bytes":\d+,?)+\}}': "given",
    r"\{.*\}": "plans values",
    r".*": "data",
    r'"([0-9a-f]{32})?"': "salt",
    r'"[\w+/]{85}[AQgw]=="': "signature",
    '"(pass|retry|block|escalate)"': "verdict",
    '"(none|claimed|authenticated|signed)"': "identity",
    r'"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00"': "at",
}
PATTERN = {name: pattern for pattern, names in PATTERNS.items() for name in names.split()}
"""How the canonical JSON of a member is written; of any other it is a text."""


def fits(name: str, value: Json) -> bool:
    """Whether a value may stand under a name."""
    if name == "receipt":
        own, _, how = FORM[value["kind"]].partition(";")
        said = {one: item for one, item in value.items() if one not in ("kind", "how")}
        return all(value.values()) and has(own, said) and has(how, value.get("how", {}))
    if name in PATTERN or name not in FORM:
        return re.fullmatch(PATTERN.get(name, '".*"'), canonical(value), re.DOTALL | re.ASCII) is not None
    many, whole = [value] if name in ("certificate", "value", "signed") else value, {*FORM[name].split()} - {"signed"}
    return isinstance(many, list) and all(has(FORM[name], one) and one.keys() >= whole for one in many)


def has(form: str, value: Json) -> bool:
    """Whether an object has no members but those of a form."""
    types = dict([*one.split("="), one][:2] for one in form.split())
    return isinstance(value, dict) and all(one in types and fits(types[one], item) for one, item in value.items())


# -- 5 The order -----------------------------------------------------------------------------------

ATTEMPTS = ("output", "stopped", "refused", "failed", "suspended")
GIVES = {"joined": "join part", "round": "loop", "waited": "pause", "chose": "choose when", "approved": "approve"}
CALLING, WORKING = ("called", "returned", "gathered"), (*ATTEMPTS, "acting", "acted")
NODES: Json = {**GIVES, **dict.fromkeys(CALLING, "call parallel each"), **dict.fromkeys(WORKING, "stage endorse until")}
MAY_COME = {"gate": "decided asked resumed migrated ended undoing", "end": "ended undoing", "over": "resumed"}
JUDGE, REPAIR = "approve reject edit abort", "retry edit abort override"
DECIDE = dict.fromkeys(("blocked", "exhausted", "failed", "unknown"), REPAIR) | {"question": "answer abort"}
DECIDE.update(approval=JUDGE, escalated=JUDGE, spent=f"{JUDGE} retry", call="approve reject abort")
SURE, COUNTED = ("none", "claimed", "authenticated", "signed"), (*WORKING, "called", "returned")
ANSWERS = {"model answered": True, "tool done": True, "tool failed": False, "tool refused": False}
COVERS = {"untrusted": "untrusted plain endorsed approved", "endorsed": "endorsed approved"}
NO_EFFECT, CAME_TO = ("", "refused", "failed"), ("done", "found", "refused", "failed", "unknown")
OUTCOMES = ("completed", "rejected", "aborted", "expired", "cancelled", "failed", "undone")
ENDS, NOBODY = {"reject": "rejected", "abort": "aborted"}, {"role": "", "quorum": 1, "identity": "none"}
UNSEEN = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0000-\U000e0fff]")
TEXTS = dict.fromkeys(("node", "output", "inputs", "label", "action", "by", "reason", "evidence"), "")
EMPTY: Json = {**TEXTS, "how": {}, "verdicts": [], "shown": {}, "attempt": 0, "gate": 0, "identity": ""}


class Unknown(Exception):
    """What is asked for is not disclosed."""


def plain(name: str) -> str:
    """A name as names are compared."""
    text = "".join(c for c in UNSEEN.sub("", name) if unicodedata.category(c) != "Cf")
    for form in ("NFD", "NFKC"):
        text = unicodedata.normalize(form, text).casefold()
    return " ".join(unicodedata.normalize("NFKC", text).split())


class Ledger:
    """A run, receipt by receipt. It stands at a node, and may wait there: at a gate, for its end, or behind it."""

    over = wait = held_to = end = ending = ""
    going, gates, told, start, by = False, 0, 0, dict[str, Json](), dict[str, Json]()
    node: Json
    head: Json
    gate: Json
    moment: datetime

    def __init__(self, file: "Certificate") -> None:
        self.file, self.last, self.returns, self.undo = file, Counter[str](), list[Json](), list[Json]()
        self.held, self.given, self.mark, self.acts, self.shown = (dict[Json, Json]() for _ in range(5))
        self.over_by, self.untold = list[str](), 0

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

    def back(self, name: str, since: int = 0, question: tuple[str, str] = ("", "")) -> None:
        """Go back to a node: no effect has happened behind it, and none at it, but with `since`."""
        names = [step["name"] for step in self.steps]
        to = self.at if name == self.node["name"] else names.index(name)
        happened = {of[0] for became, of, _ in self.acts.values() if became not in NO_EFFECT}
        need("order", to <= self.at)
        need("effects", self.ending or happened <= {*names[: to + since]})
        kept, self.let_in = {*names[: max(to, self.inputs)]}, ""
        if not self.ending:
            self.held = {one: value for one, value in self.held.items() if one.partition("/")[0] in kept}
            self.mark = {one: value for one, value in self.mark.items() if one in {*kept, name}}
        self.fresh() if self.steps[to] is self.node else self.arrive(to)
        self.question = question
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
            self.began = [r.how["plan"], r.how.get("given"), self.given]
            self.follow(r.how["plan"])
            self.arrive(0)
        node, name, kind = self.node, self.node["name"], self.node["kind"]
        if r.kind == "acted" and "run" in r.how:  # what a run before a reset did
            need("format", r.how.keys() >= {*FORM["calls"].split()}, r.how["key"], r.how["call"])
            need("order", r.how.get("recorded"), not r.attempt, not r.reason, self.wait != "over", kind != "input")
            need("order", bool(r.output) == (r.action == "found"))
            need("effects", r.action in ("found", "unknown"), self.acts.get(r.how["key"], ["failed"])[0] in NO_EFFECT)
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
        if not self.going:
            self.left, self.calls, self.told = self.left - 1, {}, 0
        verdicts = r.how.get("before", []) if failed else r.verdicts
        before = [] if (failed and not verdicts) or self.edited or self.let_in == r.inputs else node["before"]
        words, uses = [one["verdict"] for one in verdicts], [(use["name"], r.inputs) for use in before]
        uses += [(use["name"], r.output) for use in node["guards"] if r.output]
        need("guards", [(one["guard"], one["on"]) for one in verdicts] == uses)
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
            self.back(until["loop"], len(self.steps), self.question)

    def suspended(self, r: Json) -> None:
        """5.3: what an attempt was answered, and the calls that it asks for."""
        tools = {tool["name"]: tool for tool in self.node["tools"] if tool["apart"]}
        here = {tool["name"] for tool in self.node["tools"]} - {*tools}
        self.told += len(r.how["entries"])
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
        happened, probe = became not in NO_EFFECT, call.use["probe"]
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
        need(
            "order",
            r.action in CAME_TO,
            gave == bool(r.output),
            self.sent in ("", r.how["call"]),
            record == r.how.get("recorded", False),
        )
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
        need("order", "call" in r.how or not r.how.keys() & {"tool", "key"})
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
        over = r.action == "override"
        by = node.get("override") if over else self.by
        need("evidence", (r.gate, r.evidence) == (gate.gate, gate.evidence))
        need("order", by, r.action in DECIDE[gate.action].split(), how.get("place", r.node) == r.node)
        need("identity", r.identity in SURE)
        sure, enough, self.role = SURE.index(r.identity), SURE.index(by["identity"]), by["role"]
        need("identity", sure >= (min(enough, 1) if r.action in ENDS else enough), bool(sure) == bool(name))
        kept_off = {*map(plain, gate.how.get("not_by", ()))} & {name, plain(how.get("principal", "")), ""}
        need("identity", sure < 3 or "signed" in how, not (lets and kept_off))
        counts = (len(self.votes) + 1, by["quorum"]) if lets and by["quorum"] > 1 else (None, None)
        need("quorum", (how.get("approvals"), how.get("quorum")) == counts, not lets or name not in self.votes)
        need("order", r.reason.strip() if over else not how.keys() & {"guards", "skipped"})
        need("guards", not over or how.get("guards", []) == self.against)
        self.votes.append(name)
        if lets and len(self.votes) < by["quorum"]:
            return need("quorum", not r.output, not r.inputs)
        gives = r.action in ("edit", "answer") or (lets and gate.action != "call")
        question = self.question if lets and not how.get("skipped") else (r.output, "")
        need("quorum", by["quorum"] == 1 or not how.get("skipped"))
        need("order", (r.output, r.inputs) == question, any(question) == gives)
        self.file.found["overridden", r.node] += over
        self.wait, self.over_by = "", self.over_by + [r.node] * over
        if gate.action == "call" and r.action != "abort":
            self.leave |= {gate.how["call"]} if lets else set()
            if not lets and self.calls[gate.how["call"]].said["by_model"]:
                self.calls[gate.how["call"]] = None
        elif r.action == "retry" and gate.action == "spent":
            self.back(node["until"]["loop"], len(self.steps), self.question)
        elif r.action == "retry" or r.inputs:
            self.fresh()
            self.leave |= {gate.how.get("key")} if gate.action == "unknown" else set()
            self.edited, self.let_in = "", r.inputs or self.let_in
        elif r.action == "edit":
            self.edit(r)
        elif r.output:
            self.acts |= {f"by hand: {r.node}": ("done", [r.node], "")} if how.get("skipped") and node["acts"] else {}
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
        kids[child], self.shown[name, child] = None, [r.how["plan"], r.how.get("given"), r.shown]
        self.acts |= {(name, child): self.acts.get((name, child), ("asked", [name], ""))} if use["effects"] else {}

    def returned(self, r: Json) -> None:
        node, how, key = self.node, r.how, (self.node["name"], r.how["child"])
        need("order", self.kids.get(key[1], 0) is None, bool(r.output) == (r.action == "completed") == bool(r.label))
        need("order", r.output or not how.get("undoable"), r.action in OUTCOMES)
        need("order", bool(how.get("run")) == bool(how.get("ledger")) >= bool(r.output))
        self.kids[key[1]] = r.output, r.label, (node["label"] == "untrusted" and r.reason) or r.action
        self.held = {**self.held, f"{key[0]}/{key[1]}": r.output} if r.output else self.held
        if how.get("acted") or self.acts.get(key, " ")[0] == "asked":
            self.acts[key] = "done" if how.get("acted") else "failed", [key[0]], ""
        self.returns.append((how.get("run"), how, r.action, r.output, r.label, self.shown.get(key)))
        kid = key[0] + f"/{key[1] + 1}" * (node["kind"] != "call")
        self.over_by += [f"{kid} {one}" for one in how.get("overridden", []) if not self.ending]
        self.untold += 0 if self.ending else how.get("more", 0)
        self.undo += [(key[0], {key[1]: None}, self.held)] if how.get("undoable") else []
        if self.ending and r.action == "undone":
            self.arrive(self.at + 1)

    def gathered(self, r: Json) -> None:
        node, kids = self.node, [self.kids[child] for child in range(len(self.kids))]
        labels, side = str(COVERS.get(node["label"], node["label"])).split(), node["kind"] == "parallel"
        need("order", None not in kids, not self.ending, node["failed"] == "collect" or all(kid[0] for kid in kids))
        need("order", side or all(kid[1] in labels for kid in kids if kid[0]), bool(r.output) != side)
        need("order", node["kind"] != "call" or r.output == kids[0][0])
        self.hold(r.output)

    def under_way(self) -> list[str]:
        """The child runs of which nothing has been heard: the lineage of each, and what it began with."""
        name, many = self.node["name"], self.node["kind"] != "call"
        going = [child for child, kid in self.kids.items() if kid is None]
        own = {child: f"{self.lineage}/{name}" + f"/{child + 1}" * many for child in going}
        return [canonical([own[child], self.shown.get((name, child))]) for child in going]

    def ended(self, r: Json) -> None:
        """5.1: the run ends, and before that undoes what can be undone."""
        left = self.ending and not self.end  # of what is undone, what nobody answers
        need("order", r.action in ((self.end,) if self.end else ("cancelled", "expired", "failed")))
        need("order", r.action != "failed" or self.start.get("asks") is False, not left or r.kind == "undoing")
        if r.action == "expired" and not self.end:
            need("order", self.wait == "gate", not self.node.get("otherwise") or self.gate.how.get("handed_on"))
        result = (self.node["name"], self.held[self.node["name"]]) if r.action == "completed" else (r.node, "")
        need("order", (r.node, r.output) == result)
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


# 6 and 7: certificates and signatures


def keys_of(people: str) -> dict[str, tuple[str, list[str], bytes, datetime, datetime]]:
    """The keys on a list, by their ids: whose each is, the roles, and from when until when it holds."""
    keys = {}
    for name, person in tomllib.loads(people).items():
        for key in person.get("keys", []):
            public = base64.b64decode(key["key"].removeprefix("ed25519:"))
            days = str(key.get("from", "0001-01-01")), str(key.get("until", "9999-01-01"))
            since, until = (day if day.tzinfo else day.replace(tzinfo=UTC) for day in map(datetime.fromisoformat, days))
            id_ = hashlib.sha256(b"gatework/1/key\n" + public).hexdigest()[:16]
            keys[id_] = name, person["roles"], public, since, until
    return keys


class Certificate:
    """A certificate that holds, else `Refused`. `found` counts what is proven, consistent and not checked."""

    def __init__(self, data: bytes, people: str) -> None:
        file, self.keys, self.found = json.loads(data.decode()), keys_of(people), Counter[tuple[str, str]]()
        need("canonical", canonical(file).encode() == data.removesuffix(b"\n"))
        need("format", fits("certificate", file), file["format"] == "gatework.certificate/1", file["runs"])
        self.plans, self.values, ledgers, cuts = file["plans"], file["values"], dict[str, Ledger](), list[Ledger]()
        need("format", *(fits("value", value) for value in self.values.values()))
        need("plan", *(digest("plan", plan) == name for name, plan in self.plans.items()))
        need("value", *(digest("value", one["data"], one["salt"]) == name for name, one in self.values.items()))
        for run in file["runs"]:
            need("child", run["run_id"] not in ledgers)
            ledger = ledgers[run["run_id"]] = self.ledger(run["entries"], run["workflow"])
            known = {entry["digest"]: entry for entry in run["entries"]}
            for entries in [cut["entries"] for cut in run["superseded"]]:
                while entries[0]["before"] in known:
                    entries = [known[entries[0]["before"]], *entries]
                need("superseded", entries[0]["sequence"] == 1)
                known |= {entry["digest"]: entry for entry in entries}
                cuts.append(self.ledger(entries, run["workflow"]))
                need("superseded", cuts[-1].lineage == ledger.lineage)
        returns = [one for ledger in (*ledgers.values(), *cuts) for one in ledger.returns]
        for id_, how, action, *gave, shown in returns:
            if child := ledgers.get(id_):
                lost = (action, child.over) in (("failed", "completed"), ("failed", ""), ("cancelled", ""))
                last = {**EMPTY, **child.head["receipt"]}
                came = [child.over, last["output"], last["label"]] == [action, *gave]
                over = [child.over_by[-9:], child.untold + len(child.over_by[:-9])]
                need("child", over == [how.get("overridden", []), how.get("more", 0)])
                need("child", child.head["digest"] == how.get("ledger"), came or lost)
                acted = any(became not in NO_EFFECT for became, *_ in child.acts.values())
                need("child", child.began == shown, acted <= how.get("acted", False))
                need("child", how.get("undoable", False) == (action == "completed" and child.undo != []))
        named, going = {*list(ledgers)[:1], *(one[0] for one in returns)}, Counter[str]()
        going.update(kid for ledger in ledgers.values() for kid in ledger.under_way())
        going.subtract(canonical([one.lineage, one.began]) for id_, one in ledgers.items() if id_ not in named)
        need("child", min(going.values(), default=0) >= 0)
        need("stray", {*self.values} <= {*re.findall("[0-9a-f]{64}", json.dumps(file["runs"]))})
        first = ledgers[file["runs"][0]["run_id"]]
        said = {"ledger": first.head["digest"], "entries": first.head["sequence"], "outcome": first.over}
        said["superseded"] = [cut.head["digest"] for cut in cuts]
        for signed in file["signatures"]:
            self.signed("exporter", signed, first, said)

    def ledger(self, entries: list[Json], workflow: str) -> Ledger:
        """Step through the entries of a run."""
        ledger, before = Ledger(self), "0" * 64
        for count, entry in enumerate(entries, start=1):
            own = digest("entry", {name: item for name, item in entry.items() if name != "digest"})
            need("chain", (entry["sequence"], entry["before"], entry["digest"]) == (count, before, own))
            before, ledger.head, ledger.moment = own, entry, datetime.fromisoformat(entry["at"])
            answers = ledger.told + [*ledger.calls.values()].count(None) if ledger.going else 0
            ledger.take(entry["receipt"])
            self.receipt(entry["receipt"], ledger, answers)
            self.found["consistent", "receipts"] += 1
        need("plan", ledger.plan["name"] == workflow)
        return ledger

    def receipt(self, r: Json, ledger: Ledger, answers: int) -> None:
        """Check the signatures of a receipt. Nobody signs what is hidden from them."""
        how, decided = r.get("how", {}), r["kind"] == "decided"
        step = ledger.works.get(r.get("node"), {})
        apart = [use["name"] for name in ("before", "guards") for use in step.get(name, ()) if use["queue"]]
        for one in [*r.get("verdicts", ()), *how.get("before", ())]:
            if "signed" in one:
                need("signature", one["guard"] in apart)
                self.signed("guard", one["signed"], ledger, one | {x: r[x] for x in ("node", "attempt", "inputs")})
        need("identity", not decided or ("signed" in how) == (r.get("identity") == "signed"))
        if "signed" in how and decided:
            gives = r["action"] in ("edit", "answer") or how.get("skipped")
            names = "gate evidence action by reason place".split() + ["output"] * bool(gives)
            self.signed(ledger.role, how["signed"], ledger, {name: {**r, **how}.get(name) for name in names})
        elif "signed" in how:
            hidden = ("how", "arguments", "label", *(("action", "reason") if r["kind"] == "output" else ()))
            said = {name: item for name, item in {**r, **how}.items() if name not in hidden} | {"at": ledger.head["at"]}
            said["verdicts"] = [one for one in r.get("verdicts", ()) if one["guard"] not in apart]
            said["answers"] = answers * (r["kind"] != "acted")
            if r["kind"] == "suspended":
                said["calls"] = [{name: call[name] for name in call if name != "arguments"} for call in how["calls"]]
            self.signed("worker", how["signed"], ledger, said)

    def signed(self, role: str, signed: Json, ledger: Ledger, said: Json) -> None:
        """Check a signature. One of whom the list does not have is not checked."""
        listed = signed["key"] in self.keys or said.get("by") in [name for name, *_ in self.keys.values()]
        self.found["proven" if listed else "not checked", f"signatures of {role}"] += 1
        if not listed:
            return
        need("signature", signed["key"] in self.keys)
        name, roles, public, since, until = self.keys[signed["key"]]
        need("signature", role in roles, said.get("by", name) == name, ledger.moment < until)
        need("signature", since <= ledger.moment or role == "exporter")
        what = {"worker": "attempt", "guard": "verdict", "exporter": "certificate"}.get(role, "decision")
        statement: Json = {"_type": "https://in-toto.io/Statement/v1", "predicateType": f"urn:gatework:{what}:1"}
        statement["subject"] = [{"name": ledger.lineage, "digest": {"gateworkPlan1": ledger.held_to}}]
        statement["predicate"] = {name: item for name, item in said.items() if item and name != "signed"}
        text = canonical(statement).encode()
        message = b"DSSEv1 28 application/vnd.in-toto+json %d %s" % (len(text), text)
        Ed25519PublicKey.from_public_bytes(public).verify(base64.b64decode(signed["signature"]), message)


def verify(data: bytes, people: str = "") -> Certificate:
    """Check the file of a certificate. Raises `Refused`."""
    try:
        return Certificate(data, people)
    except (json.JSONDecodeError, UnicodeDecodeError):
        raise Refused("json") from None
    except InvalidSignature:
        raise Refused("signature") from None
    except (LookupError, TypeError, AttributeError, ArithmeticError, ValueError, RecursionError):
        raise Refused("format") from None


if __name__ == "__main__":
    try:
        found = verify(Path(sys.argv[1]).read_bytes(), *(Path(name).read_text() for name in sys.argv[2:3])).found
        said = sorted((how != "overridden", how, what, count) for (how, what), count in found.items() if count)
        print("accepted", *(f"{how}: {count} {what}" for _, how, what, count in said), sep="\n")
    except Refused as refused:
        sys.exit(f"refused: {refused}")
    except (OSError, IndexError, ValueError) as wrong:
        sys.exit(f"Nothing was verified ({wrong}); type: python verifier.py CERTIFICATE [PEOPLE]")

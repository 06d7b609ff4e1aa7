"""A local server that speaks the protocols of OpenAI and Anthropic, as strictly about tools as they do.

It answers from a script and remembers what it was asked. What the real ones refuse with status 400 it refuses, too:
names of other letters, results without their call, calls without their result, calls where no tools are offered.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Said = str | Sequence[tuple[str, Any]]
"""Text, or calls: name and arguments, as an object or, where the protocol carries text, as any text."""

_NAME = re.compile(r"^[a-zA-Z0-9_-]{1,64}$")
_ID = re.compile(r"^[a-zA-Z0-9_-]+$")


@dataclass
class Asked:
    """One request, in the words of no protocol."""

    path: str
    body: dict[str, Any]
    tools: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Name → description and schema of each tool offered."""
    calls: list[tuple[str, str, Any]] = field(default_factory=list)
    """Id, name and arguments of each call in the transcript."""
    results: list[tuple[str, str]] = field(default_factory=list)
    """Id and text of each result in the transcript."""
    texts: list[str] = field(default_factory=list)

    def refusal(self) -> str:
        """Why a provider would not take this request; empty where it would."""
        if any(not _NAME.match(name) for name in (*self.tools, *(name for _, name, _ in self.calls))):
            return "a name of other letters"
        ids = [id for id, _, _ in self.calls]
        if len(set(ids)) != len(ids) or any(not _ID.match(id) for id in ids):
            return "ids that are not unique"
        if ids != [id for id, _ in self.results]:
            return "calls and results that do not match"
        if "messages" in self.path and self.calls and not self.tools:
            return "calls without tools"
        return ""


@dataclass
class Server:
    """What it will say, what it was asked."""

    address: str
    says: list[Said | int] = field(default_factory=list)
    """The next answers; a number is a status to fail with."""
    asked: list[Asked] = field(default_factory=list)


@contextmanager
def serving() -> Generator[Server]:
    """A server on a free port of the loopback."""
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server = Server(f"http://127.0.0.1:{httpd.server_address[1]}")
    httpd.gatework = server  # type: ignore[attr-defined]  # where the handler finds it
    thread = threading.Thread(target=httpd.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        httpd.shutdown()
        httpd.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_POST(self) -> None:
        server: Server = self.server.gatework  # type: ignore[attr-defined]
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        path = self.path.partition("?")[0]
        asked = {"/v1/chat/completions": _chat, "/v1/responses": _responses, "/v1/messages": _anthropic}[path](
            path, body
        )
        server.asked.append(asked)
        says = server.says.pop(0)
        if refused := asked.refusal():
            self._reply(400, {"type": "error", "error": {"type": "invalid_request_error", "message": refused}})
        elif isinstance(says, int):
            self._reply(says, {"type": "error", "error": {"type": "some_error", "message": json.dumps(body)}})
        else:
            self._reply(200, {"chat": _say_chat, "resp": _say_response, "mess": _say_anthropic}[path[4:8]](says))

    def _reply(self, status: int, content: object) -> None:
        data = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def _chat(path: str, body: dict[str, Any]) -> Asked:
    asked = Asked(path, body)
    for tool in body.get("tools", []):
        function = tool["function"]
        asked.tools[function["name"]] = {"said": function.get("description", ""), "schema": function["parameters"]}
    for message in body["messages"]:
        asked.texts.append(str(message.get("content")))
        for call in message.get("tool_calls", []):
            asked.calls.append((call["id"], call["function"]["name"], call["function"]["arguments"]))
        if message["role"] == "tool":
            asked.results.append((message["tool_call_id"], message["content"]))
    return asked


def _responses(path: str, body: dict[str, Any]) -> Asked:
    asked = Asked(path, body, texts=[body.get("instructions") or ""])
    for tool in body.get("tools", []):
        asked.tools[tool["name"]] = {"said": tool.get("description", ""), "schema": tool["parameters"]}
    for item in body["input"]:
        if item.get("type") == "function_call":
            asked.calls.append((item["call_id"], item["name"], item["arguments"]))
        elif item.get("type") == "function_call_output":
            asked.results.append((item["call_id"], item["output"]))
        else:
            asked.texts.append(str(item["content"]))
    return asked


def _anthropic(path: str, body: dict[str, Any]) -> Asked:
    asked = Asked(path, body, texts=[str(body.get("system"))])
    for tool in body.get("tools", []):
        asked.tools[tool["name"]] = {"said": tool.get("description", ""), "schema": tool["input_schema"]}
    for message in body["messages"]:
        for block in message["content"] if isinstance(message["content"], list) else []:
            if block["type"] == "tool_use":
                asked.calls.append((block["id"], block["name"], block["input"]))
            elif block["type"] == "tool_result":
                content = block["content"]
                text = content if isinstance(content, str) else "".join(each["text"] for each in content)
                asked.results.append((block["tool_use_id"], text))
            else:
                asked.texts.append(block["text"])
        if isinstance(message["content"], str):
            asked.texts.append(message["content"])
    return asked


def _text(arguments: Any) -> str:
    return arguments if isinstance(arguments, str) else json.dumps(arguments)


def _say_chat(says: Said) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": says if isinstance(says, str) else None}
    if not isinstance(says, str):
        message["tool_calls"] = [
            {"id": f"call_{n}", "type": "function", "function": {"name": name, "arguments": _text(arguments)}}
            for n, (name, arguments) in enumerate(says)
        ]
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "gpt-4o-2024-11-20",
        "choices": [{"index": 0, "finish_reason": "stop", "message": message}],
        "usage": {"prompt_tokens": 70, "completion_tokens": 9, "total_tokens": 79},
    }


def _say_response(says: Said) -> dict[str, Any]:
    output: list[dict[str, Any]] = (
        [
            {
                "type": "message",
                "id": "msg_1",
                "role": "assistant",
                "status": "completed",
                "content": [{"type": "output_text", "text": says, "annotations": []}],
            }
        ]
        if isinstance(says, str)
        else [
            {
                "type": "function_call",
                "id": f"fc_{n}",
                "call_id": f"call_{n}",
                "name": name,
                "arguments": _text(arguments),
                "status": "completed",
            }
            for n, (name, arguments) in enumerate(says)
        ]
    )
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 1,
        "model": "gpt-5-2025-08-07",
        "status": "completed",
        "output": output,
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "usage": {
            "input_tokens": 70,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": 9,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": 79,
        },
    }


def _say_anthropic(says: Said) -> dict[str, Any]:
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-sonnet-4-5-20250929",
        "content": (
            [{"type": "text", "text": says}]
            if isinstance(says, str)
            else [
                {"type": "tool_use", "id": f"toolu_{n}", "name": name, "input": arguments}
                for n, (name, arguments) in enumerate(says)
            ]
        ),
        "stop_reason": "end_turn" if isinstance(says, str) else "tool_use",
        "stop_sequence": None,
        "usage": {"input_tokens": 70, "output_tokens": 9},
    }

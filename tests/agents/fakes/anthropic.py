"""The Messages API of Anthropic, as far as Claude Code 2.1.330 asks for it."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple

from fakes.directives import PATTERN, directive_of, tools_of
from fakes.serving import FakeApi, Refusal, Reply, Request, json_reply

REMINDER = re.compile(r"<system-reminder>.*?</system-reminder>", re.DOTALL)
FRAME = re.compile(r'\n*<pasted_content id="(\w+)">\n(.*)\n</pasted_content id="\1">\n*', re.DOTALL)
SUMMARISE = "an <analysis> block followed by a <summary> block"
"""What Claude Code asks for when it compacts a conversation; ``SUMMARY`` is answered."""
SUMMARY = "Much was said, and this is the fake summary of it."
ERRORS = {
    400: "invalid_request_error",
    401: "authentication_error",
    429: "rate_limit_error",
    529: "overloaded_error",
}
Block = Mapping[str, Any]


class Turn(NamedTuple):
    """One question to the model. ``said``: every text of the user so far, as it was typed.

    ``results``: what tools have answered so far.
    """

    system: str
    said: tuple[str, ...]
    results: tuple[str, ...]


class AnthropicApi(FakeApi[Turn]):
    def turns(self) -> list[Turn]:
        """What the model was asked in the conversation itself; titles and the like left out."""
        asked = [one.body for one in self.requests() if one.body.get("tools")]
        return [_turn(body) for body in asked]

    def answer(self, request: Request) -> Reply:
        body = request.body
        if "count_tokens" in request.path:
            return json_reply({"input_tokens": 10})
        if request.method != "POST" or not request.path.startswith("/v1/messages"):
            return json_reply({})
        content = self._content(request)
        if isinstance(content, Refusal):
            error = {"type": ERRORS.get(content.status, "api_error"), "message": content.message}
            return json_reply({"type": "error", "error": error}, content.status, content.headers)
        events = _events(content, str(body.get("model")), next(self.numbers))
        if not body.get("stream"):
            return json_reply(_assembled(events))
        lines = (f"event: {e['type']}\ndata: {json.dumps(e)}\n\n".encode() for e in events)
        return Reply(200, {"content-type": "text/event-stream"}, lines)

    def _content(self, request: Request) -> Iterator[str] | list[Block] | Refusal:
        """Texts to stream, tools to use, or a refusal."""
        if not request.body.get("tools"):
            return iter(['{"title": "Fake title"}'])
        if refusal := self.owed():
            return refusal
        prompt, after_tool = _newest(request.body)
        if after_tool:
            return iter(["TOOL DONE"])
        if SUMMARISE in prompt:
            return iter([f"<analysis>fake</analysis>\n<summary>{SUMMARY}</summary>"])
        return self._obey(request, prompt)

    def _obey(self, request: Request, prompt: str) -> Iterator[str] | list[Block] | Refusal:
        verb, argument = directive_of(prompt)
        match verb:
            case "text":
                return iter([argument])
            case "bash":
                given = {"command": argument, "description": "Run a fake command"}
                return [{"name": "Bash", "input": given}]
            case "tool":
                return list(map(_tool, tools_of(prompt)))
            case "slow":
                return chain(self.words(request, float(argument)), ["SLOW DONE"])
            case "status":
                return self.refused_by(prompt, argument) or iter([f"RECOVERED from {argument}"])


def _blocks(message: Mapping[str, Any]) -> Sequence[Block]:
    content = message.get("content") or []
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def _users(body: Mapping[str, Any]) -> list[Sequence[Block]]:
    return [_blocks(one) for one in body.get("messages", ()) if one.get("role") == "user"]


def _texts(blocks: Sequence[Block]) -> list[str]:
    texts = (REMINDER.sub("", one["text"]) for one in blocks if one.get("type") == "text")
    return [text.strip() for text in texts if text.strip()]


def _turn(body: Mapping[str, Any]) -> Turn:
    blocks = [block for many in _users(body) for block in many]
    results = [one["content"] for one in blocks if one.get("type") == "tool_result"]
    said = [FRAME.sub(lambda framed: framed[2], text) for text in _texts(blocks)]
    return Turn(json.dumps(body.get("system")), tuple(said), tuple(map(str, results)))


def _newest(body: Mapping[str, Any]) -> tuple[str, bool]:
    """The newest prompt, and whether the result of a tool came instead of one."""
    blocks = (_users(body) or [[]])[-1]
    results = [at for at, one in enumerate(blocks) if one.get("type") == "tool_result"]
    prompt = "\n".join(_texts(blocks[results[-1] + 1 :] if results else blocks))
    return prompt, bool(results) and not PATTERN.search(prompt)


def _tool(argument: str) -> Block:
    name, _, raw = argument.partition(" ")
    return {"name": name, "input": json.loads(raw or "{}")}


def _events(
    content: Iterator[str] | list[Block], model: str, number: int
) -> Iterator[dict[str, Any]]:
    """One message of the model, as it is streamed."""
    cached = {"cache_creation_input_tokens": 0, "cache_read_input_tokens": 0}
    message: dict[str, Any] = {
        "id": f"msg_fake{number:06}",
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {"input_tokens": 10, "output_tokens": 1, **cached},
    }
    yield {"type": "message_start", "message": message}
    if isinstance(content, list):
        stop = "tool_use"
        for index, tool in enumerate(content):
            ident = f"toolu_fake{number:06}x{index}"
            given = {"type": "input_json_delta", "partial_json": json.dumps(tool["input"])}
            begun = {"type": "tool_use", "id": ident, "name": tool["name"], "input": {}}
            yield from _block(index, begun, iter([given]))
    else:
        stop = "end_turn"
        texts = ({"type": "text_delta", "text": text} for text in content)
        yield from _block(0, {"type": "text", "text": ""}, texts)
    end = {"stop_reason": stop, "stop_sequence": None}
    yield {"type": "message_delta", "delta": end, "usage": {"output_tokens": 12}}
    yield {"type": "message_stop"}


def _block(index: int, begun: Block, deltas: Iterator[Block]) -> Iterator[dict[str, Any]]:
    yield {"type": "content_block_start", "index": index, "content_block": begun}
    for delta in deltas:
        yield {"type": "content_block_delta", "index": index, "delta": delta}
    yield {"type": "content_block_stop", "index": index}


def _assembled(events: Iterator[dict[str, Any]]) -> dict[str, Any]:
    """The same message whole. Only texts are asked for in this way."""
    seen = list(events)
    text = "".join(one["delta"].get("text", "") for one in seen if one["type"].endswith("k_delta"))
    content = [{"type": "text", "text": text}]
    return {**seen[0]["message"], "content": content, "stop_reason": "end_turn"}

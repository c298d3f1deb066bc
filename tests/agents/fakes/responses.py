"""The Responses API of OpenAI, as far as Codex 0.169.0 asks for it."""

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple

from fakes.directives import directive_of
from fakes.serving import FakeApi, Refusal, Reply, Request, json_reply

ERRORS = {401: "invalid_api_key", 429: "rate_limit_exceeded"}
MODELS = {"models": [], "object": "list", "data": []}
USAGE = {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15}
SURROUNDINGS = ("<environment_context>", "# AGENTS.md instructions")
"""How texts begin that Codex itself puts into the mouth of the user."""
Item = Mapping[str, Any]


class Turn(NamedTuple):
    """One question to the model. ``told``: every text of the developer so far.

    ``said``: every text of the user. ``results``: what tools have answered. Without outer blanks.
    """

    told: tuple[str, ...]
    said: tuple[str, ...]
    results: tuple[str, ...]


class ResponsesApi(FakeApi[Turn]):
    def turns(self) -> list[Turn]:
        """What the model was asked in the conversation itself; titles and the like left out."""
        return [_turn(one.body) for one in self.requests() if one.body.get("tools")]

    def answer(self, request: Request) -> Reply:
        if request.method != "POST":
            return json_reply(MODELS)
        if not request.path.endswith("/responses"):
            return json_reply({})
        content = self._content(request)
        if isinstance(content, Refusal):
            code = ERRORS.get(content.status)
            error = {"message": content.message, "type": "fake_error", "code": code}
            return json_reply({"error": error}, content.status, content.headers)
        events = _events(content, next(self.numbers))
        lines = (f"event: {e['type']}\ndata: {json.dumps(e)}\n\n".encode() for e in events)
        return Reply(200, {"content-type": "text/event-stream"}, lines)

    def _content(self, request: Request) -> Iterator[str] | Item | Refusal:
        """Texts to stream, a function to call, or a refusal."""
        if not request.body.get("tools"):
            return iter(["Fake title"])
        if refusal := self.owed():
            return refusal
        if _type(_items(request.body)[-1]).endswith("call_output"):
            return iter(["TOOL DONE"])
        return self._obey(request, (_turn(request.body).said or ("",))[-1])

    def _obey(self, request: Request, prompt: str) -> Iterator[str] | Item | Refusal:
        verb, argument = directive_of(prompt)
        match verb:
            case "text":
                return iter([argument])
            case "bash":
                return _call("exec_command", json.dumps({"cmd": argument}))
            case "tool":
                name, _, given = argument.partition(" ")
                return _call(name, given or "{}")
            case "slow":
                return chain(self.words(request, float(argument)), ["SLOW DONE"])
            case "status":
                return self.refused_by(prompt, argument) or iter([f"RECOVERED from {argument}"])


def _items(body: Mapping[str, Any]) -> Sequence[Item]:
    return body.get("input") or [{}]


def _type(item: Item) -> str:
    return str(item.get("type", ""))


def _turn(body: Mapping[str, Any]) -> Turn:
    items = _items(body)
    results = [str(one["output"]) for one in items if _type(one).endswith("call_output")]
    said = [text for text in _texts(items, "user") if not text.startswith(SURROUNDINGS)]
    return Turn(tuple(_texts(items, "developer")), tuple(said), tuple(results))


def _texts(items: Sequence[Item], role: str) -> list[str]:
    contents = [one["content"] for one in items if one.get("role") == role]
    return [part["text"].strip() for parts in contents for part in parts if "text" in part]


def _call(name: str, arguments: str) -> Item:
    return {"type": "function_call", "name": name, "arguments": arguments}


def _events(content: Iterator[str] | Item, number: int) -> Iterator[dict[str, Any]]:
    """One response of the model, as it is streamed."""
    response: dict[str, Any] = {"id": f"resp_fake{number:06}"}
    yield {"type": "response.created", "response": response}
    if isinstance(content, Mapping):
        item = {**content, "id": f"fc_fake{number:06}", "call_id": f"call_fake{number:06}"}
    else:
        item = {"type": "message", "role": "assistant", "id": f"msg_fake{number:06}"}
        yield {
            "type": "response.output_item.added",
            "output_index": 0,
            "item": {**item, "content": []},
        }
        at = {"item_id": item["id"], "output_index": 0, "content_index": 0}
        whole = ""
        for text in content:
            whole += text
            yield {"type": "response.output_text.delta", **at, "delta": text}
        item["content"] = [{"type": "output_text", "text": whole}]
    yield {"type": "response.output_item.done", "output_index": 0, "item": item}
    done = {**response, "output": [item], "usage": USAGE}
    yield {"type": "response.completed", "response": done}

"""The chat completions API of OpenAI, as far as opencode 1.18.33 and aider 0.86.2 ask for it."""

import json
import re
from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any, NamedTuple

from fakes.directives import directive_of
from fakes.serving import FakeApi, Refusal, Reply, Request, json_reply

TITLE = "You are a title generator"
REMINDER = re.compile(
    r"\n\n(To suggest changes to a file you MUST |# \*SEARCH/REPLACE block\* Rules:).*\Z", re.DOTALL
)
"""What aider adds to the newest prompt."""
ERRORS = {401: "invalid_api_key", 429: "rate_limit_exceeded"}
Message = Mapping[str, Any]


class Turn(NamedTuple):
    """One question to the model. ``told``: all of its texts; ``said``: each text of the user.

    ``results``: what tools have answered so far.
    """

    told: str
    said: tuple[str, ...]
    results: tuple[str, ...]


class ChatApi(FakeApi[Turn]):
    def turns(self) -> list[Turn]:
        """What the model was asked in the conversation itself; titles left out."""
        asked = [_messages(one) for one in self.requests() if _is_chat(one)]
        return [_turn(messages) for messages in asked if not _is_for_a_title(messages)]

    def answer(self, request: Request) -> Reply:
        if not _is_chat(request):
            return json_reply({"object": "list", "data": []})
        content = self._content(request)
        if isinstance(content, Refusal):
            error = {"message": content.message, "code": ERRORS.get(content.status)}
            return json_reply({"error": error}, content.status, content.headers)
        chunks = _chunks(content, str(request.body.get("model")), next(self.numbers))
        if not request.body.get("stream"):
            return json_reply(_assembled(chunks))
        lines = (f"data: {json.dumps(chunk)}\n\n".encode() for chunk in chunks)
        return Reply(
            200, {"content-type": "text/event-stream"}, chain(lines, [b"data: [DONE]\n\n"])
        )

    def _content(self, request: Request) -> Iterator[str] | Message | Refusal:
        """Texts to stream, a call of a tool, or a refusal."""
        messages = _messages(request)
        if _is_for_a_title(messages):
            return iter(["Fake title"])
        if refusal := self.owed():
            return refusal
        if messages[-1].get("role") == "tool":
            return iter(["TOOL DONE"])
        return self._obey(request, _turn(messages).said[-1])

    def _obey(self, request: Request, prompt: str) -> Iterator[str] | Message | Refusal:
        verb, argument = directive_of(prompt)
        match verb:
            case "text":
                return iter([argument])
            case "bash" if not request.body.get("tools"):
                return iter([f"Run this:\n\n```bash\n{argument}\n```\n"])
            case "bash":
                given = {"command": argument, "description": "Run a fake command"}
                return self._call("bash", json.dumps(given))
            case "tool":
                name, _, raw = argument.partition(" ")
                return self._call(name, raw or "{}")
            case "slow":
                return chain(self.words(request, float(argument)), ["SLOW DONE"])
            case "status":
                return self.refused_by(prompt, argument) or iter([f"RECOVERED from {argument}"])

    def _call(self, name: str, arguments: str) -> Message:
        function = {"name": name, "arguments": arguments}
        number = f"call_fake{next(self.numbers):06}"
        return {"index": 0, "id": number, "type": "function", "function": function}


def _is_chat(request: Request) -> bool:
    return request.method == "POST" and request.path.endswith("/chat/completions")


def _messages(request: Request) -> list[Message]:
    return list(request.body.get("messages", ()))


def _is_for_a_title(messages: list[Message]) -> bool:
    return any(_text(one).startswith(TITLE) for one in messages if one.get("role") == "system")


def _text(message: Message) -> str:
    content = message.get("content") or ""
    if isinstance(content, str):
        return content
    return "\n".join(part.get("text", "") for part in content)


def _turn(messages: list[Message]) -> Turn:
    of_role = {
        role: [_text(one) for one in messages if one.get("role") == role]
        for role in ("user", "tool")
    }
    said = (_as_typed(text) for text in of_role["user"])
    return Turn("\n".join(map(_text, messages)), tuple(said), tuple(of_role["tool"]))


def _as_typed(text: str) -> str:
    """Without what an agent added: aider puts blanks at the ends of lines that it has restored."""
    return "\n".join(line.rstrip() for line in REMINDER.sub("", text).splitlines()).strip()


def _chunks(content: Iterator[str] | Message, model: str, number: int) -> Iterator[dict[str, Any]]:
    """One message of the model, as it is streamed."""
    reason = "stop"
    deltas: Iterator[dict[str, Any]]
    if isinstance(content, Mapping):
        reason = "tool_calls"
        deltas = iter([{"role": "assistant", "content": None, "tool_calls": [content]}])
    else:
        deltas = ({"role": "assistant", "content": text} for text in content)
    about = {"id": f"fake{number:06}", "object": "chat.completion.chunk", "created": 0}
    for delta in deltas:
        yield {**about, "model": model, "choices": [{"index": 0, "delta": delta}]}
    last = {"index": 0, "delta": {}, "finish_reason": reason}
    usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
    yield {**about, "model": model, "choices": [last], "usage": usage}


def _assembled(chunks: Iterator[dict[str, Any]]) -> dict[str, Any]:
    """The same message whole. Only texts are asked for in this way."""
    seen = list(chunks)
    text = "".join(one["choices"][0]["delta"].get("content", "") for one in seen)
    message = {"role": "assistant", "content": text}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    return {**seen[-1], "object": "chat.completion", "choices": [choice]}

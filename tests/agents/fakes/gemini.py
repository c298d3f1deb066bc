"""The Gemini API, as far as Gemini CLI 0.61.0 asks for it.

Directives stand in double brackets, ``[[bash touch x.txt]]``: the agent takes ``@name`` for a file.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple

from fakes.directives import directive_of
from fakes.serving import FakeApi, Refusal, Reply, Request, json_reply

BRACKETS = re.compile(r"\[\[(.*?)\]\]", re.DOTALL)
CONTEXT = re.compile(r"<session_context>.*?</session_context>\n*", re.DOTALL)
"""What the agent puts in front of the first prompt."""
ERRORS = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
}
Part = Mapping[str, Any]


class Turn(NamedTuple):
    """One question to the model. ``system``: its instructions, and the context of the session.

    ``said``: every prompt so far, as it was typed. ``results``: what tools have answered so far.
    """

    system: str
    said: tuple[str, ...]
    results: tuple[str, ...]


class GeminiApi(FakeApi[Turn]):
    def turns(self) -> list[Turn]:
        """What the model was asked in the conversation itself; summaries and the like left out."""
        return [_turn(one.body) for one in self.requests() if one.body.get("tools")]

    def answer(self, request: Request) -> Reply:
        if "countTokens" in request.path:
            return json_reply({"totalTokens": 10})
        if "enerateContent" not in request.path:
            return _refused(Refusal(404, "fake 404"))
        parts = self._parts(request)
        if isinstance(parts, Refusal):
            return _refused(parts)
        if "stream" not in request.path:
            return json_reply(_chunk(parts, end=True))
        return Reply(200, {"content-type": "text/event-stream"}, _streamed(parts))

    def _parts(self, request: Request) -> Iterable[Part] | Refusal:
        """The parts of an answer, to be streamed one at a time, or a refusal."""
        if not request.body.get("tools"):
            return [{"text": "{}"}]
        if refusal := self.owed():
            return refusal
        newest = (_users(request.body) or [[]])[-1]
        if any("functionResponse" in part for part in newest):
            return [{"text": "TOOL DONE"}]
        return self._obey(request, _text(newest))

    def _obey(self, request: Request, prompt: str) -> Iterable[Part] | Refusal:
        verb, argument = directive_of(BRACKETS.sub(r"@@\1@@", prompt))
        match verb:
            case "text":
                return [{"text": argument}]
            case "bash":
                given = {"command": argument, "description": "Run a fake command"}
                return [self._call("run_shell_command", given)]
            case "tool":
                name, _, raw = argument.partition(" ")
                return [self._call(name, json.loads(raw or "{}"))]
            case "slow":
                words = chain(self.words(request, float(argument)), ["SLOW DONE"])
                return ({"text": word} for word in words)
            case "status":
                answered = [{"text": f"RECOVERED from {argument}"}]
                return self.refused_by(prompt, argument) or answered

    def _call(self, name: str, given: Mapping[str, Any]) -> Part:
        call = {"id": f"fake{next(self.numbers):06}", "name": name, "args": given}
        return {"functionCall": call}


def _users(body: Mapping[str, Any]) -> list[Sequence[Part]]:
    return [one["parts"] for one in body.get("contents", ()) if one.get("role") == "user"]


def _text(parts: Sequence[Part]) -> str:
    return "\n".join(part["text"] for part in parts if "text" in part)


def _turn(body: Mapping[str, Any]) -> Turn:
    texts = [*map(_text, _users(body))]
    contexts = [context for text in texts for context in CONTEXT.findall(text)]
    said = (CONTEXT.sub("", text) for text in texts)
    responses = [part.get("functionResponse") for many in _users(body) for part in many]
    return Turn(
        "\n".join([_text(body.get("systemInstruction", {}).get("parts", ())), *contexts]),
        tuple(text for text in said if text),
        tuple(json.dumps(one["response"]) for one in responses if one),
    )


def _chunk(parts: Iterable[Part], *, end: bool) -> dict[str, Any]:
    content = {"role": "model", "parts": [*parts]}
    used = {"promptTokenCount": 10, "candidatesTokenCount": 5, "totalTokenCount": 15}
    candidate = {"content": content, "index": 0, **({"finishReason": "STOP"} if end else {})}
    return {"candidates": [candidate], "usageMetadata": used, "modelVersion": "fake"}


def _streamed(parts: Iterable[Part]) -> Iterator[bytes]:
    for part in parts:
        yield _event(_chunk([part], end=False))
    yield _event(_chunk([{"text": ""}], end=True))


def _event(chunk: Mapping[str, Any]) -> bytes:
    return f"data: {json.dumps(chunk)}\r\n\r\n".encode()


def _refused(refusal: Refusal) -> Reply:
    told = {"code": refusal.status, "message": refusal.message, "details": []}
    error = {**told, "status": ERRORS.get(refusal.status, "UNKNOWN")}
    return json_reply({"error": error}, refusal.status, refusal.headers)

"""What a prompt may tell a fake model to do; the same words for every protocol.

    @@text hello@@             answer this text
    @@bash touch x.txt@@       ask for the shell tool, then "TOOL DONE" once its result is in
    @@tool Write {"a": 1}@@    ask for any tool, with this input
    @@slow 20@@                stream a word ten times a second for 20 s, or until ``hurry``
    @@status 529 3@@           refuse this prompt three times with HTTP 529, then answer it

The last one of the newest prompt counts; a prompt without any is echoed. Several tools are asked
for at once (by the stand-in for Anthropic).
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple, cast

Verb = Literal["text", "bash", "tool", "slow", "status"]
PATTERN = re.compile(r"@@(text|bash|tool|slow|status)\s+(.*?)@@", re.DOTALL)


class Directive(NamedTuple):
    verb: Verb
    argument: str


def directive_of(prompt: str) -> Directive:
    found = PATTERN.findall(prompt)
    if not found:
        return Directive("text", f"ECHO {len(prompt)} chars: {prompt[-80:]}")
    verb, argument = found[-1]
    return Directive(cast(Verb, verb), argument.strip())


def tools_of(prompt: str) -> list[str]:
    """The arguments of every ``tool`` of a prompt."""
    return [argument.strip() for verb, argument in PATTERN.findall(prompt) if verb == "tool"]


def tool(name: str, given: Mapping[str, object]) -> str:
    """The directive for a tool, so that a screen which shows it does not show what is asked."""
    return f"@@tool {name} {_hidden(given)}@@"


def _hidden(value: object) -> str:
    """JSON with every letter of a text escaped."""
    if isinstance(value, str):
        units = value.encode("utf-16-be")
        pairs = zip(units[::2], units[1::2], strict=True)
        return '"' + "".join(f"\\u{high:02x}{low:02x}" for high, low in pairs) + '"'
    if isinstance(value, Mapping):
        members = (f"{_hidden(name)}: {_hidden(one)}" for name, one in value.items())
        return "{" + ", ".join(members) + "}"
    if isinstance(value, Sequence):
        return "[" + ", ".join(map(_hidden, value)) + "]"
    return json.dumps(value)

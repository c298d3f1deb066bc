"""Claude Code forgets a conversation but for a summary of it, and still knows where it works."""

import json

from caving import eventually
from claude_code import Claude
from fakes.anthropic import SUMMARISE, SUMMARY

ANSWER = "the first answer"
PROMPT = f"Begin @@text {ANSWER}@@"


def test_after_it_was_compacted_it_is_told_of_its_working_context_again(claude: Claude) -> None:
    claude.begin(PROMPT)
    before = claude.row()
    done = claude.send("/compact")
    eventually(lambda: is_summarising(claude))
    assert ANSWER in newest(claude)
    claude.becomes("idle")
    claude.send("Go on")
    claude.is_asked("Go on")
    claude.becomes("idle")
    assert len(claude.api.turns()) == 3
    assert claude.last_turn().said[-1] == "Go on"
    assert claude.heard(PROMPT) == 0
    assert ANSWER not in newest(claude)
    assert SUMMARY in newest(claude)
    assert str(claude.file(".cave")) in claude.last_turn().system
    after = claude.row()
    assert (after["conversation"], after["pid"]) == (before["conversation"], before["pid"])
    assert done.out.startswith("sent to api/claude")


def is_summarising(claude: Claude) -> bool:
    return SUMMARISE in claude.last_turn().said[-1]


def newest(claude: Claude) -> str:
    """The last request of the conversation, with all that was said and answered before."""
    asked = [one.body for one in claude.api.requests() if one.body.get("tools")]
    return json.dumps(asked[-1])

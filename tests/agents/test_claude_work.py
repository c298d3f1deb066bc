"""Claude Code while it works: its status, prompts that wait for it, and what its API refuses."""

from caving import eventually, finish
from claude_code import Claude

SLOW = "@@slow 60@@"
LONG = (
    "".join(f"{number:03}: 'a' \"b\" `c` $(d) #{{e}} -f \\g; 日本 🦊\n" for number in range(120))
    + "end"
)


def test_it_works_until_its_turn_ends(claude: Claude) -> None:
    claude.declare(prompt=SLOW)
    claude.up()
    eventually(lambda: claude.asked(SLOW))
    claude.becomes("working")
    claude.api.hurry()
    claude.becomes("idle")


def test_an_interrupted_turn_leaves_it_idle(claude: Claude) -> None:
    claude.declare(prompt=SLOW)
    claude.up()
    eventually(lambda: claude.asked(SLOW))
    claude.becomes("working")
    eventually(lambda: "word3" in claude.screen())
    claude.press("Escape")
    claude.becomes("idle", within="5s")


def test_a_long_prompt_arrives_whole_and_once_while_it_is_idle(claude: Claude) -> None:
    assert len(LONG.encode()) > 5000
    claude.declare()
    claude.idle()
    done = claude.send(LONG)
    eventually(lambda: claude.asked(LONG))
    claude.becomes("idle")
    assert len(claude.api.turns()) == 1
    assert claude.heard(LONG) == 1
    assert done.out.startswith("delivered to api/claude")


def test_a_long_prompt_arrives_whole_and_once_while_it_works(claude: Claude) -> None:
    claude.declare(prompt=SLOW)
    claude.up()
    eventually(lambda: claude.asked(SLOW))
    claude.becomes("working")
    done = claude.send(LONG)
    assert not claude.asked(LONG)
    claude.api.hurry()
    eventually(lambda: claude.asked(LONG))
    claude.becomes("idle")
    assert claude.heard(LONG) == 1
    assert done.out.startswith("delivered to api/claude")


def test_prompts_of_several_senders_do_not_mix(claude: Claude) -> None:
    claude.declare()
    claude.idle()
    texts = [f"{name} " * 60 + name for name in ("one", "two", "three")]
    senders = [claude.cave.popen("send", "-f", "caves.yaml", "api", text) for text in texts]
    done = [finish(sender) for sender in senders]
    assert [one.code for one in done] == [0, 0, 0], done
    eventually(lambda: all(claude.heard(text) for text in texts))
    assert sorted(map(claude.heard, texts)) == [1, 1, 1]


def test_what_a_person_has_begun_to_type_is_left_alone(claude: Claude) -> None:
    claude.declare()
    claude.idle()
    claude.press("-l", "half a thought")
    eventually(lambda: "half a thought" in claude.screen())
    refused = claude.send("hello", code=1)
    assert "hello" not in claude.screen()
    assert claude.api.turns() == []
    assert "half a thought" in refused.err


def test_a_rate_limit_is_shown_and_a_later_prompt_goes_through(claude: Claude) -> None:
    claude.api.refuse(429, times=20, message="enough for now", retry_after=1000)
    claude.declare(prompt="Begin")
    claude.up()
    claude.becomes("limited")
    reason = claude.row()["reason"]
    assert "rate or usage limit" in reason
    assert "enough for now" in reason
    claude.api.accept()
    claude.send("go on")
    claude.becomes("idle")
    assert claude.heard("go on") == 1


def test_an_overloaded_api_is_asked_again(claude: Claude) -> None:
    claude.declare(prompt="@@status 529 2@@")
    claude.up()
    eventually(lambda: "RECOVERED" in claude.screen())
    claude.becomes("idle")
    assert len(claude.api.turns()) == 3


def test_a_key_that_is_not_accepted_is_shown(claude: Claude) -> None:
    claude.cave.environ["CLAUDE_CODE_MAX_RETRIES"] = "0"
    claude.api.refuse(401)
    claude.declare(prompt="Begin")
    claude.up()
    claude.becomes("limited")
    assert "not logged in, or the key is not valid" in claude.row()["reason"]

"""``approve``, ``deny``, ``answer``, and what is told of what agents ask."""

import pytest
from caving import Cave, eventually

CAVES = """
version: 1
name: shop
caves:
  api:
    agents: {demo: {}}
"""
LIAR = r"""
import json, os, sys, time
folder = os.environ["AGENTCAVE_SESSION_DIR"]
nasty = "\x1b[2J\x1b]0;own\x07\ud800 Which\n way?\x9b"
said = {"activity": "question", "reason": nasty, "id": "\x1b[31m7"}
open(f"{folder}/new", "w").write(json.dumps(said))
os.rename(f"{folder}/new", f"{folder}/status.event")
print("May I push? (y/n)", flush=True)
time.sleep(600)
"""


@pytest.fixture
def demo(cave: Cave) -> Cave:
    cave.declare(CAVES)
    cave.up()
    eventually(lambda: told(cave)["activity"] == "idle")
    return cave


def told(cave: Cave) -> dict[str, object]:
    found: dict[str, object] = cave.ps()["api/demo"]
    return found


def asked(cave: Cave, directive: str) -> str:
    """The id of the dialog that a directive opens."""
    cave.run("send", "-f", "caves.yaml", "api", directive)
    eventually(lambda: told(cave)["dialog"])
    dialog = told(cave)["dialog"]
    assert isinstance(dialog, dict)
    return str(dialog["id"])


def test_what_is_asked_is_told_and_answered(demo: Cave) -> None:
    first = asked(demo, "approve delete it")
    assert (told(demo)["activity"], told(demo)["reason"]) == ("approval", "delete it")
    assert told(demo)["dialog"] == {
        "kind": "approval",
        "text": "delete it",
        "id": first,
        "options": None,
    }
    done = demo.run("approve", "-f", "caves.yaml", "--dialog", first, "api")
    eventually(lambda: "* approved" in demo.screen("shop/api/demo"))
    assert done.out == "approved api/demo: delete it\n"

    second = asked(demo, "approve delete it")
    assert second != first
    refused = demo.run("approve", "-f", "caves.yaml", "--dialog", first, "api", code=1)
    assert told(demo)["activity"] == "approval"
    assert "asks something else by now: delete it" in refused.err
    assert demo.run("deny", "-f", "caves.yaml", "api").out == "denied api/demo: delete it\n"
    eventually(lambda: "* denied" in demo.screen("shop/api/demo"))

    asked(demo, "ask Which colour?")
    refused = demo.run("approve", "-f", "caves.yaml", "api", code=1)
    assert told(demo)["activity"] == "question"
    assert "asks a question: Which colour?" in refused.err
    done = demo.run("answer", "-f", "caves.yaml", "api", "dark -red; #{pane_id}")
    eventually(lambda: "* answered: dark -red; #{pane_id}" in demo.screen("shop/api/demo"))
    assert done.out == "answered api/demo: Which colour?\n"


def test_where_nothing_is_asked_nothing_is_pressed(demo: Cave) -> None:
    before = demo.screen("shop/api/demo")
    for words in (["approve", "api"], ["deny", "api"], ["answer", "api", "x"]):
        refused = demo.run(words[0], "-f", "caves.yaml", *words[1:], code=1)
        assert "shop/api/demo asks nothing: it is idle" in refused.err
    assert demo.screen("shop/api/demo") == before
    asked(demo, "approve delete it")
    refused = demo.run("answer", "-f", "caves.yaml", "api", "yes", code=1)
    assert told(demo)["activity"] == "approval"
    assert "waits for an approval: delete it" in refused.err


@pytest.mark.parametrize("text", ["", " ", "two\nlines", "\x1b[A", "tab\t"])
def test_an_answer_is_one_line_of_plain_text(cave: Cave, text: str) -> None:
    done = cave.run("answer", "-f", "caves.yaml", "api", text, code=64)
    assert "one line of plain text" in done.err


def test_a_lying_agent_cannot_act_on_the_terminal_of_who_looks(cave: Cave) -> None:
    cave.write("liar.py", LIAR)
    cave.declare(
        "version: 1\nname: shop\ncaves:\n  api:\n    workspace: {type: directory, path: .}\n"
        "    agents:\n      liar:\n        type: command\n        command: [python3, liar.py]\n"
        "        screen: [{activity: approval, match: '^May I (.*)\\?'}]\n"
    )
    cave.up()
    eventually(lambda: cave.ps()["api/liar"]["activity"] == "question")
    status = ("status", "-f", "caves.yaml", "api", "--explain")
    for words in (("ps", "-f", "caves.yaml"), status, (*status, "--json")):
        out = cave.run(*words).out
        assert "Which way?" in out.replace("\\n", "").replace("  ", " ")
        assert all(c.isprintable() or c == "\n" for c in out)
    explained = cave.run(*status).out.splitlines()
    assert [line.split()[:3] for line in explained[-2:]] == [
        ["won", "live", "question"],
        ["doubts", "screen", "approval"],
    ]
    refused = cave.run("answer", "-f", "caves.yaml", "api", "left", code=1)
    assert "cannot be given this answer from outside" in refused.err


def test_the_status_explains_itself(demo: Cave) -> None:
    asked(demo, "approve delete it")
    lines = demo.run("status", "-f", "caves.yaml", "api", "--explain").out.splitlines()
    assert lines[0] == "api/demo is running, approval: delete it"
    assert lines[1] == "it asks (approval): delete it"
    assert lines[-1].split()[:3] == ["won", "live", "approval"]
    assert lines[-1].endswith("status.event: delete it")
    (source,) = demo.run("status", "-f", "caves.yaml", "api", "--json").json["sources"]
    assert (source["source"], source["rule"], source["verdict"]) == ("live", "status.event", "won")


def test_an_agent_in_the_middle_of_a_turn_is_not_restarted_for_drift(demo: Cave) -> None:
    before = demo.agents()
    asked(demo, "approve delete it")
    demo.declare(CAVES.replace("demo: {}", "demo: {environment: {A: b}}"))
    held = demo.up(code=1)
    assert demo.agents() == before
    assert "it is mid-turn (approval)" in held.out + held.err
    demo.run("deny", "-f", "caves.yaml", "api")
    eventually(lambda: told(demo)["activity"] == "idle")
    demo.up()
    assert demo.agents()["shop/api/demo"].pid != before["shop/api/demo"].pid

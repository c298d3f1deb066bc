"""Claude Code from its start to its first answer."""

import json

from caving import eventually
from claude_code import Claude


def test_up_waits_until_it_takes_prompts(claude: Claude) -> None:
    claude.declare()
    claude.up("--wait")
    assert claude.row()["activity"] == "idle"


def test_the_first_prompt_arrives_whole_and_once(claude: Claude) -> None:
    prompt = "First line; -x $(no) 'quoted'\n# second\n" + "a line of many\n" * 40 + "the end"
    claude.declare(prompt=prompt.replace("$", "$$"))
    claude.up()
    eventually(lambda: claude.asked(prompt))
    claude.becomes("idle")
    assert len(claude.api.turns()) == 1
    assert claude.heard(prompt) == 1


def test_what_is_sent_right_after_up_arrives_once(claude: Claude) -> None:
    claude.declare()
    claude.up()
    done = claude.send("right away")
    eventually(lambda: claude.asked("right away"))
    assert claude.heard("right away") == 1
    assert done.out == "delivered to api/claude\n"


def test_the_model_is_told_of_the_working_context(claude: Claude) -> None:
    claude.declare(prompt="Begin")
    claude.up()
    eventually(lambda: claude.asked("Begin"))
    told = claude.last_turn().system
    assert str(claude.file(".cave")) in told
    assert "working-log.md" in told
    assert "results-summary.md" in told
    assert claude.cave.git("status", "--porcelain", cwd=claude.cave.workspace()) == ""


def test_only_a_person_answers_whether_a_folder_is_trusted(claude: Claude) -> None:
    claude.seed(trusted=False)
    claude.declare(prompt="Begin")
    claude.up()
    claude.becomes("question")
    pid = claude.pid()
    assert claude.row()["reason"] == "trust this folder?"
    refused = claude.send("hello", code=1)
    for verb, *text in (["approve"], ["deny"], ["answer", "1"]):
        claude.tell(verb, "api", *text, code=1)
    assert claude.row()["activity"] == "question"
    assert claude.pid() == pid
    assert "hello" not in claude.screen()
    assert claude.api.turns() == []
    assert "not-delivered: shop/api/claude has not started: trust this folder?" in refused.err


def test_up_that_waits_for_an_untrusted_folder_says_what_is_asked(claude: Claude) -> None:
    claude.seed(trusted=False)
    claude.declare(ready={"status": True, "timeout": "3s"})
    done = claude.cave.try_run("up", "-f", "caves.yaml", "--wait")
    assert done.code != 0
    assert claude.row()["activity"] == "question"
    assert "trust this folder?" in done.err


def test_declared_trust_is_recorded_beside_what_was_there(claude: Claude) -> None:
    claude.seed(trusted=False)
    path = claude.config / ".claude.json"
    before = json.loads(path.read_text())
    path.write_text(json.dumps({**before, "projects": {"/elsewhere": {"allowedTools": ["Bash"]}}}))
    claude.declare(prompt="Begin", trust_workspace=True)
    claude.up("--wait")
    eventually(lambda: claude.asked("Begin"))
    known = json.loads(path.read_text())
    assert known["projects"]["/elsewhere"] == {"allowedTools": ["Bash"]}
    assert known["customApiKeyResponses"] == before["customApiKeyResponses"]


def test_a_program_that_is_not_there_is_said_before_anything_is_created(claude: Claude) -> None:
    claude.declare(command=["/nonexistent/claude"])
    done = claude.up(code=69)
    assert claude.cave.panes() == []
    assert not claude.cave.workspace().exists()
    assert "npm install -g @anthropic-ai/claude-code" in done.err

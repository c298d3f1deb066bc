"""Exit codes, signals and outputs that scripts rely on."""

import json
import signal
import subprocess
import sys

import pytest
from caving import DEADLINE, ONE_CAVE, SLEEPER, Cave, eventually, finish, snapshot

VERBS = (
    *("up", "down", "plan", "ps", "attach", "logs", "send", "start", "stop", "restart", "exec"),
    *("context", "config", "trust", "untrust", "doctor", "init", "schema", "completion", "version"),
)
SLOW = f"""\
version: 1
name: shop
caves:
  db:
    agents: {{shell: {SLEEPER}}}
  api:
    depends_on: {{db: {{condition: completed}}}}
    agents: {{shell: {SLEEPER}}}
"""


def test_every_command_explains_itself(cave: Cave) -> None:
    overview = cave.run("--help").out
    for verb in VERBS:
        assert f"\n  {verb} " in overview
    for verb in VERBS[:3]:
        assert "usage: agentcave" in cave.run(verb, "--help").out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "usage"),
        (("upp",), "did you mean up?"),
        (("up", "--forse"), "--forse"),
        (("-f", "caves.yaml"), "a command is missing"),
        (("up", "-f", "caves.yaml", "apj"), "did you mean api?"),
        (("stop", "-f", "caves.yaml", "api/shel"), "did you mean shell?"),
        (("up", "-f", "caves.yaml", "--timeout", "5"), "5m"),
        (("exec", "-f", "caves.yaml", "api"), "exec api -- COMMAND"),
        (("send", "-f", "caves.yaml", "api", " "), "no text"),
        (("down", "-p", "nothing"), "no live project"),
        (("up", "-f"), "-f"),
        (("logs", "--tail", "x", "--file", "caves.yaml"), "--tail"),
        (("up", "-f", "caves.yaml", "--profile", "nosuch"), "nosuch"),
    ],
)
def test_a_wrong_command_line_is_64_and_touches_nothing(
    cave: Cave, words: tuple[str, ...], said: str
) -> None:
    done = cave.run(*words, code=64 if words else 0)
    assert cave.panes() == []
    assert not cave.workspace().exists()
    assert said in done.err + done.out


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("version: 2\ncaves: {}\n", "caves.yaml:1:10: version"),
        (ONE_CAVE.replace("agents:", "agent:"), "did you mean agents?"),
        (ONE_CAVE + "  api: {}\n", "caves.yaml:7:3"),
        (ONE_CAVE.replace("sleep, infinity", "'${UNSET_NAME}'"), "UNSET_NAME"),
        (ONE_CAVE.replace("name: shop", "name: Shop!"), "caves.yaml:2:7: name: not a legal name"),
        ("", "caves.yaml"),
        ("\x00", "caves.yaml"),
        ("a: &x [*x]\n", "caves.yaml:1"),
        ("- 1\n", "caves.yaml:1"),
        (ONE_CAVE.replace("infinity", "ghp_" + "a" * 36), "this looks like a key"),
    ],
)
def test_a_wrong_file_is_78_with_its_place_and_touches_nothing(
    cave: Cave, text: str, said: str
) -> None:
    cave.declare(text)
    done = cave.up(code=78)
    assert cave.panes() == []
    assert not (cave.root / ".agentcave").exists()
    assert said in done.err


def test_a_missing_file_is_named(cave: Cave) -> None:
    done = cave.run("up", "-f", "nosuch.yaml", code=78)
    assert "nosuch.yaml" in done.err
    assert "does not exist" in done.err


def test_no_file_at_all_says_how_to_get_one(cave: Cave) -> None:
    (cave.root / "caves.yaml").unlink()
    assert "agentcave init" in cave.run("up", code=64).err


def test_a_program_that_is_missing_is_69_and_nothing_is_touched(cave: Cave) -> None:
    cave.declare(ONE_CAVE.replace("[sleep,", "[no-such-program-here,"))
    done = cave.up(code=69)
    assert cave.panes() == []
    assert not cave.workspace().exists()
    assert "no-such-program-here" in done.err


def test_a_project_that_another_one_works_on_is_75_and_says_who(cave: Cave) -> None:
    cave.declare(ONE_CAVE + "    setup: [[sh, -c, 'touch ../../../begun; sleep 300']]\n")
    first = cave.popen("up", "-f", "caves.yaml", "--timeout", "60s")
    eventually((cave.root / "begun").exists)
    done = cave.up("--timeout", "300ms", code=75)
    assert f"agentcave up (pid {first.pid})" in done.err
    first.send_signal(signal.SIGTERM)
    first.communicate(timeout=30)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_up_ends_at_once_and_can_be_run_again(
    cave: Cave, number: signal.Signals, code: int
) -> None:
    cave.declare(SLOW)
    begun = cave.popen("up", "-f", "caves.yaml")
    eventually(lambda: "shop/db/shell" in cave.agents())
    eventually(lambda: list((cave.state() / "launch").iterdir()) == [])
    begun.send_signal(number)
    assert finish(begun).code == code
    db = cave.agents()["shop/db/shell"]
    cave.declare(SLOW.replace("completed", "started"))
    cave.up()
    assert sorted(cave.agents()) == ["shop/api/shell", "shop/db/shell"]
    assert cave.agents()["shop/db/shell"] == db


def test_plan_tells_by_its_exit_code_whether_there_is_something_to_do(cave: Cave) -> None:
    words = ("plan", "-f", "caves.yaml", "--detailed-exitcode")
    cave.run(*words, code=2)
    cave.up()
    cave.run(*words, code=0)


def test_a_reader_that_goes_away_is_no_error(cave: Cave) -> None:
    caves = "".join(f"  c{n}:\n    agents: {{shell: {SLEEPER}}}\n" for n in range(300))
    cave.declare(f"version: 1\nname: shop\ncaves:\n{caves}")
    for verb in ("plan", "ps", "config", "schema"):
        named = "" if verb == "schema" else " -f caves.yaml"
        done = cave.shell(f"$agentcave {verb}{named} | head -1")
        assert done.code == 0
        assert len(done.out.splitlines()) == 1
        assert done.err == ""


@pytest.mark.parametrize("verb", ["ps", "doctor", "up"])
def test_a_closed_stdout_is_no_traceback(cave: Cave, verb: str) -> None:
    named = "" if verb in ("doctor", "version") else " -f caves.yaml"
    done = cave.shell(f"$agentcave {verb}{named} >&-")
    assert "bug" not in done.err
    assert done.code == 0


@pytest.mark.parametrize("verb", ["plan", "version"])
def test_a_full_stdout_is_said_and_is_no_bug(cave: Cave, verb: str) -> None:
    named = "" if verb == "version" else " -f caves.yaml"
    done = cave.shell(f"$agentcave {verb}{named} >/dev/full")
    assert "bug" not in done.err
    assert done.code == 1
    assert "No space left on device" in done.err


@pytest.mark.parametrize("streams", ["<&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_standard_streams_do_not_matter_to_up(cave: Cave, streams: str) -> None:
    assert cave.shell(f"$agentcave up -f caves.yaml {streams}").code == 0
    assert list(cave.agents()) == ["shop/api/shell"]


def test_json_has_the_keys_that_were_promised(cave: Cave) -> None:
    planned = cave.run("plan", "-f", "caves.yaml", "--json").json
    done = cave.up("--json").json
    shown = cave.run("ps", "-f", "caves.yaml", "--json", "--workspaces").json
    assert planned.keys() >= {"project", "uid", "steps", "summary"}
    assert [step["outcome"] for step in planned["steps"]] == ["planned"] * 3
    assert [step["outcome"] for step in done["steps"]] == ["done"] * 3
    assert [step["action"] for step in done["steps"]] == [
        *("create-workspace", "seed-context", "start-session")
    ]
    assert done["steps"][0].keys() == {
        *("id", "action", "cave", "agent", "cause", "after", "outcome", "error")
    }
    assert done["summary"] == {
        **dict.fromkeys(("restart", "update", "remove", "refuse", "hold", "keep"), 0),
        "create": 1,
    }
    (session,) = shown["sessions"]
    pane = cave.agents()["shop/api/shell"]
    assert (session["pid"], session["pane"], session["phase"]) == (pane.pid, pane.id, "running")
    assert session["workspace"] == {
        "path": str(cave.workspace()),
        "type": "worktree",
        "branch": "cave/api",
        "dirty": 0,
        "ahead": 0,
    }
    assert shown["orphans"] == []


def test_json_is_all_there_is_on_stdout(cave: Cave) -> None:
    for words in (("up",), ("stop",), ("start",), ("down",), ("config",)):
        cave.run(*words, "-f", "caves.yaml", "--json").json  # noqa: B018  # parsing is the check


def test_colour_is_for_terminals_and_for_those_who_ask(cave: Cave) -> None:
    cave.up()
    assert "\x1b" not in cave.run("ps", "-f", "caves.yaml").out
    assert "\x1b[32m" in cave.run("ps", "-f", "caves.yaml", "--color", "always").out
    assert "\x1b" not in cave.run("ps", "-f", "caves.yaml", "--color", "always", "--json").out


def test_global_options_work_before_and_after_the_command(cave: Cave) -> None:
    cave.run("-f", "caves.yaml", "--quiet", "up")
    assert cave.run("--file", "caves.yaml", "ps", "-q").out == "api/shell\n"
    assert cave.run("ps", "-q", "--file", "caves.yaml").out == "api/shell\n"


def test_init_writes_a_file_that_up_understands_and_overwrites_none(cave: Cave) -> None:
    (cave.root / "caves.yaml").unlink()
    cave.run("init", "--type", "demo")
    cave.run("config", "-f", "caves.yaml", "-q")
    before = (cave.root / "caves.yaml").read_bytes()
    assert "exists already" in cave.run("init", code=1).err
    assert (cave.root / "caves.yaml").read_bytes() == before
    cave.up()
    assert [name.split("/")[1:] for name in cave.agents()] == [["first", "demo"]]


def test_schema_and_completions_are_what_they_say(cave: Cave) -> None:
    assert json.loads(cave.run("schema").out)["$schema"].startswith(
        "http://json-schema.org/draft-07"
    )
    for shell in ("bash", "zsh", "fish"):
        script = cave.run("completion", shell).out
        assert "restart" in script
    (cave.home / "c.bash").write_text(cave.run("completion", "bash").out)
    assert cave.shell("bash -n $HOME/c.bash").code == 0


def test_doctor_and_version_say_what_is_there(cave: Cave) -> None:
    assert "fail" not in {found["verdict"] for found in cave.run("doctor", "--json").json}
    assert "tmux 3" in cave.run("version").out


@pytest.mark.parametrize("verb", ["logs", "events"])
def test_a_count_below_zero_is_refused(cave: Cave, verb: str) -> None:
    done = cave.run(verb, "--file", "caves.yaml", "--tail", "-1", code=64)
    assert "-1 is no whole number from 0 on" in done.err


def test_a_caller_that_ignores_the_ends_of_its_children_is_no_bug(cave: Cave) -> None:
    assert cave.shell("trap '' CHLD; $agentcave up -f caves.yaml").code == 0
    assert cave.shell("trap '' CHLD; $agentcave ps -f caves.yaml").code == 0
    script = "import os, signal, sys; signal.signal(signal.SIGCHLD, signal.SIG_IGN); "
    words = [sys.executable, "-c", f"{script}os.execv(sys.argv[1], sys.argv[1:])"]
    done = subprocess.run(
        [*words, sys.executable, "-P", "-m", "agentcave", "restart", "-f", "caves.yaml"],
        cwd=cave.root,
        env=cave.environ,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("verb", ["up", "ps", "doctor", "send"])
def test_another_system_than_linux_is_refused_by_name(cave: Cave, verb: str) -> None:
    pretend = "import sys; sys.platform = 'darwin'; from agentcave.cli.main import main"
    done = subprocess.run(
        [sys.executable, "-P", "-c", f"{pretend}; sys.exit(main(sys.argv[1:]))", verb],
        cwd=cave.root,
        env=cave.environ,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
    )
    assert (done.returncode, done.stdout) == (69, "")
    assert done.stderr.startswith("agentcave: only Linux is supported, and this is darwin")


def test_reading_commands_write_nothing_at_all(cave: Cave) -> None:
    before = snapshot(cave.home)
    for words in (("plan",), ("ps",), ("config", "--resolve"), ("plan", "--json")):
        cave.run(*words, "-f", "caves.yaml", XDG_CACHE_HOME="/nonexistent")
    cave.run("logs", "--file", "caves.yaml", XDG_CACHE_HOME="/nonexistent")
    cave.run("doctor", XDG_CACHE_HOME="/nonexistent")
    assert snapshot(cave.home) == before

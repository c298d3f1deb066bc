"""``attach``, ``logs``, ``send`` and ``exec``: dealing with live agents."""

import signal
from collections.abc import Callable
from functools import partial

import pytest
from caving import AGENTCAVE, Cave, Terminal, eventually, finish

DEMO = "version: 1\nname: shop\ncaves:\n  api:\n    agents: {demo: {}}\n"
TWO = "version: 1\nname: shop\ncaves:\n  api:\n    agents: {demo: {}, other: {type: demo}}\n"
BY_KEYS = """\
version: 1
name: shop
caves:
  api:
    agents: {demo: {size: {columns: 150, rows: 40}}}
  web:
    agents:
      shell:
        type: command
        command: [sh, -c, "trap 'echo ended by its key; exit' INT; while :; do sleep 0.1; done"]
        stop: {keys: [C-c], grace: 60s}
"""

Opener = Callable[..., Terminal]


@pytest.fixture
def demo(cave: Cave) -> Cave:
    cave.declare(DEMO)
    cave.up()
    eventually(lambda: "\n>" in cave.screen("shop/api/demo"))
    return cave


def test_what_is_sent_arrives_whole_and_once(demo: Cave) -> None:
    text = "echo " + "".join(f"{number:04}-" for number in range(300))
    demo.run("send", "-f", "caves.yaml", "api", text)
    eventually(lambda: f"You said: {text[5:]}" in demo.screen("shop/api/demo"))
    assert demo.screen("shop/api/demo").count("You said") == 1


def test_several_lines_are_sent_from_stdin_as_one_prompt(demo: Cave) -> None:
    text = "echo one\necho $(two) 'x\";\n"
    done = demo.run("send", "-f", "caves.yaml", "api/demo", "-", stdin=text)
    eventually(lambda: "You said: one\\necho $(two) 'x\";" in demo.screen("shop/api/demo"))
    assert done.out == "delivered to api/demo\n"


@pytest.mark.parametrize("text", ["-n", "--", "#{pane_id}", "Enter", "a;", "~", "\\n", "日本 🦊"])
def test_text_that_means_something_to_tmux_is_sent_as_it_is(demo: Cave, text: str) -> None:
    demo.run("send", "-f", "caves.yaml", "api", "-", stdin=text)
    eventually(partial(shows, demo, f"You said: {text}"))


def shows(cave: Cave, text: str) -> bool:
    return text in cave.screen("shop/api/demo")


def test_without_enter_the_text_waits_in_the_line(demo: Cave) -> None:
    demo.run("send", "-f", "caves.yaml", "--no-enter", "api", "echo later")
    eventually(lambda: "> echo later" in demo.screen("shop/api/demo"))
    assert "You said" not in demo.screen("shop/api/demo")


def test_control_characters_are_not_delivered(demo: Cave) -> None:
    done = demo.run("send", "-f", "caves.yaml", "api", "echo \x1b[201~\x03", code=1)
    assert "not-delivered" in done.err
    assert "You said" not in demo.screen("shop/api/demo")


def test_sending_to_an_agent_that_does_not_run_is_not_delivered(cave: Cave) -> None:
    done = cave.run("send", "-f", "caves.yaml", "api", "hello", code=1)
    assert cave.try_tmux("list-sessions").returncode != 0
    assert "not-delivered: api/shell of shop has no session" in done.err


def test_a_cave_of_several_agents_has_to_be_told_which(cave: Cave) -> None:
    cave.declare(TWO)
    cave.up()
    done = cave.run("send", "-f", "caves.yaml", "api", "hello", code=64)
    assert "api/demo, api/other" in done.err


def test_logs_show_what_was_printed_and_its_tail(demo: Cave) -> None:
    demo.run("send", "-f", "caves.yaml", "api", "flood 500")
    eventually(lambda: "flood 500\n" in demo.screen("shop/api/demo"))
    lines = demo.run("logs", "--file", "caves.yaml", "api").out.splitlines()
    assert [line for line in lines if line.startswith("flood")] == [
        f"flood {number}" for number in range(1, 501)
    ]
    tail = demo.run("logs", "--file", "caves.yaml", "--tail", "2", "api").out
    assert tail.split() == ["flood", "500", ">"]


def test_logs_follow_until_the_agent_ends(demo: Cave) -> None:
    following = demo.popen("logs", "--file", "caves.yaml", "-f", "api")
    eventually(lambda: demo.tmux("list-sessions"))
    for number in range(3):
        demo.run("send", "-f", "caves.yaml", "api", f"echo line-{number}")
        eventually(partial(shows, demo, f"You said: line-{number}"))
    demo.run("down", "-f", "caves.yaml")
    done = finish(following)
    assert done.code == 0
    said = [line for line in done.out.splitlines() if line.startswith("You said")]
    assert said[-1] == "You said: line-2"
    assert len(said) == len(set(said))


def test_the_last_screen_is_shown_after_the_end(demo: Cave) -> None:
    demo.run("send", "-f", "caves.yaml", "api", "echo goodbye")
    eventually(lambda: "You said: goodbye" in demo.screen("shop/api/demo"))
    demo.run("down", "-f", "caves.yaml")
    assert "You said: goodbye" in demo.run("logs", "--file", "caves.yaml", "api").out


def test_logs_hold_no_escape_sequence_unless_they_are_raw(cave: Cave) -> None:
    script = "printf '\\\\033[31mred\\\\033[0m\\\\n'; exec sleep infinity"
    cave.declare(
        "version: 1\nname: shop\ncaves:\n  api:\n"
        f'    agents: {{shell: {{type: command, command: [sh, -c, "{script}"]}}}}\n'
    )
    cave.up()
    eventually(lambda: "red" in cave.screen("shop/api/shell"))
    assert cave.run("logs", "--file", "caves.yaml", "api").out == "red\n"
    assert "\x1b[31mred" in cave.run("logs", "--file", "caves.yaml", "--raw", "api").out


def test_exec_runs_in_the_workspace_with_the_environment_of_the_cave(cave: Cave) -> None:
    cave.declare(
        "version: 1\nname: shop\ncaves:\n  api:\n    environment: {PRICE: $$5, HOME: null}\n"
        "    agents: {demo: {}}\n"
    )
    cave.up()
    script = "pwd; echo $PRICE ${HOME-gone} $AGENTCAVE_CAVE; exit 9"
    done = cave.run("exec", "-f", "caves.yaml", "api", "--", "sh", "-c", script, code=9)
    assert done.out.splitlines() == [str(cave.workspace()), "$5 gone api"]


def test_exec_in_a_cave_without_workspace_says_how_to_get_one(cave: Cave) -> None:
    done = cave.run("exec", "-f", "caves.yaml", "api", "--", "true", code=1)
    assert not cave.workspace().exists()
    assert "`agentcave up` makes it" in done.err


def test_attach_is_the_live_terminal_and_leaving_it_leaves_the_agent(
    demo: Cave, on_terminal: Opener
) -> None:
    before = demo.agents()
    terminal = on_terminal(*AGENTCAVE, "attach", "-f", "caves.yaml", "api")
    eventually(lambda: terminal.reads("agentcave demo agent: api/demo"))
    terminal.type("echo typed\n")
    eventually(lambda: "You said: typed" in demo.screen("shop/api/demo"))
    terminal.type("\x02d")
    eventually(terminal.ended)
    assert terminal.code == 0
    assert demo.agents() == before


def test_attach_read_only_types_nothing(demo: Cave, on_terminal: Opener) -> None:
    terminal = on_terminal(*AGENTCAVE, "attach", "-f", "caves.yaml", "--read-only", "api")
    eventually(lambda: terminal.reads("agentcave demo agent: api/demo"))
    assert demo.tmux("list-clients", "-F", "#{client_readonly}") == "1"
    terminal.type("echo typed\n")
    demo.run("send", "-f", "caves.yaml", "api", "echo sent")
    eventually(lambda: "You said: sent" in demo.screen("shop/api/demo"))
    assert "typed" not in demo.screen("shop/api/demo")


def test_somebody_who_only_watches_hinders_nothing(demo: Cave, on_terminal: Opener) -> None:
    demo.declare(BY_KEYS)
    demo.up("--force")
    for cave in ("api", "web"):
        on_terminal(*AGENTCAVE, "attach", "-f", "caves.yaml", "--read-only", cave)
    eventually(lambda: demo.tmux("list-clients", "-F", "#{client_readonly}") == "1\n1")
    demo.run("send", "-f", "caves.yaml", "api", "approve rm -r build")
    demo.run("wait", "-f", "caves.yaml", "--for", "attention")
    assert demo.run("approve", "-f", "caves.yaml", "api").out == "approved api/demo: rm -r build\n"
    demo.run("wait", "-f", "caves.yaml", "--for", "idle", "api")
    assert demo.run("send", "-f", "caves.yaml", "api", "echo on").out.startswith("delivered")
    demo.run("stop", "-f", "caves.yaml", "web")
    assert "by its key" in demo.run("logs", "--file", "caves.yaml", "web").out
    demo.declare(BY_KEYS.replace("columns: 150", "columns: 120"))
    demo.up()
    demo.run("restart", "-f", "caves.yaml", "api", "web")
    assert set(demo.agents()) == {"shop/api/demo", "shop/web/shell"}
    demo.run("down", "-f", "caves.yaml")
    assert demo.agents() == {}


def test_attach_works_from_inside_another_tmux(demo: Cave, on_terminal: Opener) -> None:
    terminal = on_terminal(
        *AGENTCAVE, "attach", "-f", "caves.yaml", "api", TMUX="/nonexistent/default,1,0"
    )
    eventually(lambda: demo.tmux("list-clients"))
    assert not terminal.ended()


def test_attach_without_a_terminal_says_what_does_without(demo: Cave) -> None:
    done = demo.run("attach", "-f", "caves.yaml", "api", code=1)
    assert "agentcave logs api" in done.err


def test_following_logs_end_with_130_when_interrupted(demo: Cave) -> None:
    following = demo.popen("logs", "--file", "caves.yaml", "-f", "api")
    assert following.stdout is not None
    assert "demo agent" in following.stdout.readline()
    following.send_signal(signal.SIGINT)
    assert finish(following).code == 130
    assert list(demo.agents()) == ["shop/api/demo"]

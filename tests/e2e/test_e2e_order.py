"""``depends_on`` and how agents end: ready, completed, failed, stopped."""

import time

from caving import SLEEPER, Cave, eventually

HEADER = "version: 1\nname: shop\ncaves:\n"


def one_shot(script: str) -> str:
    return f'{{type: command, command: [sh, -c, "{script}"]}}'


def test_a_cave_waits_until_its_dependency_is_ready(cave: Cave) -> None:
    db = one_shot("until test -e $HOME/go; do sleep 0.05; done; echo UP; exec sleep infinity")
    db = db[:-1] + ", ready: {output: ^UP, timeout: 30s}}"
    cave.declare(
        f"{HEADER}  db:\n    agents: {{shell: {db}}}\n"
        f"  api:\n    depends_on: {{db: {{condition: ready}}}}\n    agents: {{shell: {SLEEPER}}}\n"
    )
    begun = cave.popen("up", "-f", "caves.yaml")
    eventually(lambda: "shop/db/shell" in cave.agents())
    assert list(cave.agents()) == ["shop/db/shell"]
    (cave.home / "go").touch()
    begun.communicate(timeout=30)
    assert begun.returncode == 0
    assert sorted(cave.agents()) == ["shop/api/shell", "shop/db/shell"]


def test_a_dependency_that_is_not_ready_in_time_is_exit_124_and_says_who_waits(cave: Cave) -> None:
    slow = SLEEPER[:-1] + ", ready: {output: never, timeout: 300ms}}"
    cave.declare(
        f"{HEADER}  db:\n    agents: {{shell: {slow}}}\n"
        f"  api:\n    depends_on: {{db: {{condition: ready}}}}\n    agents: {{shell: {SLEEPER}}}\n"
    )
    done = cave.up(code=124)
    assert list(cave.agents()) == ["shop/db/shell"]
    assert "api/shell waits for db" in done.err
    assert "run the same command again" in done.err


def test_completed_is_waited_for_at_most_the_timeout(cave: Cave) -> None:
    cave.declare(
        f"{HEADER}  db:\n    agents: {{shell: {SLEEPER}}}\n  api:\n"
        f"    depends_on: {{db: {{condition: completed}}}}\n    agents: {{shell: {SLEEPER}}}\n"
    )
    began = time.monotonic()
    done = cave.up("--timeout", "500ms", code=124)
    assert time.monotonic() - began < 10
    assert list(cave.agents()) == ["shop/db/shell"]
    assert "api/shell waits for db: db/shell was not completed within 0.5 s" in done.err


def test_a_dependency_that_failed_is_not_waited_for(cave: Cave) -> None:
    cave.declare(
        f"{HEADER}  db:\n    agents: {{shell: {one_shot('exit 3')}}}\n  api:\n"
        f"    depends_on: {{db: {{condition: completed}}}}\n    agents: {{shell: {SLEEPER}}}\n"
    )
    done = cave.up(code=1)
    assert cave.agents() == {}
    assert "exit 3" in done.err


def test_a_completed_agent_is_left_alone_unless_it_is_named(cave: Cave) -> None:
    agent = one_shot("echo x >>$HOME/ran; exit 0")
    cave.declare(f"{HEADER}  api:\n    agents: {{shell: {agent}}}\n")
    cave.up()
    eventually(lambda: cave.ps()["api/shell"]["phase"] == "completed")
    cave.up()
    assert (cave.home / "ran").read_text() == "x\n"
    cave.up("api")
    eventually(lambda: (cave.home / "ran").read_text() == "x\nx\n")


def test_a_failed_agent_is_started_again_by_the_next_up(cave: Cave) -> None:
    agent = one_shot("echo x >>$HOME/ran; exit 7")
    cave.declare(f"{HEADER}  api:\n    agents: {{shell: {agent}}}\n")
    cave.try_run("up", "-f", "caves.yaml")
    eventually(lambda: cave.ps()["api/shell"]["phase"] == "failed")
    assert cave.ps()["api/shell"]["exit_status"] == 7
    cave.try_run("up", "-f", "caves.yaml")
    eventually(lambda: (cave.home / "ran").read_text() == "x\nx\n")


def test_an_agent_that_a_signal_ended_says_which(cave: Cave) -> None:
    cave.declare(f"{HEADER}  api:\n    agents: {{shell: {one_shot('kill -SEGV $$$$')}}}\n")
    cave.try_run("up", "-f", "caves.yaml")
    eventually(lambda: cave.ps()["api/shell"]["phase"] == "failed")
    assert cave.ps()["api/shell"]["signal"] == 11
    assert "SIGSEGV" in cave.ps()["api/shell"]["reason"]


def test_a_stopped_agent_stays_stopped_until_it_is_started(cave: Cave) -> None:
    cave.up()
    cave.run("stop", "-f", "caves.yaml", "api")
    assert cave.agents() == {}
    assert cave.ps()["api/shell"]["phase"] == "stopped"
    cave.up()
    assert cave.agents() == {}
    cave.run("start", "-f", "caves.yaml", "api")
    assert list(cave.agents()) == ["shop/api/shell"]


def test_down_forgets_that_an_agent_was_stopped(cave: Cave) -> None:
    cave.up()
    cave.run("stop", "-f", "caves.yaml")
    cave.run("down", "-f", "caves.yaml")
    cave.up()
    assert list(cave.agents()) == ["shop/api/shell"]


def test_restart_gives_a_new_process_in_the_same_workspace(cave: Cave) -> None:
    cave.up()
    (cave.workspace() / "work.txt").write_text("here")
    before = cave.agents()["shop/api/shell"].pid
    cave.run("restart", "-f", "caves.yaml", "api/shell")
    assert cave.agents()["shop/api/shell"].pid != before
    assert (cave.workspace() / "work.txt").read_text() == "here"


def test_a_prompt_is_sent_once_and_again_only_when_fresh(cave: Cave) -> None:
    agent = "{type: demo, prompt: echo hello}"
    cave.declare(f"{HEADER}  api:\n    agents: {{demo: {agent}}}\n")
    cave.up()
    eventually(lambda: "You said: hello" in cave.screen("shop/api/demo"))
    cave.run("restart", "-f", "caves.yaml", "api")
    eventually(lambda: cave.screen("shop/api/demo").rstrip().endswith("\n>"))
    assert "hello" not in cave.screen("shop/api/demo")
    cave.run("restart", "-f", "caves.yaml", "api", "--fresh")
    eventually(lambda: "You said: hello" in cave.screen("shop/api/demo"))

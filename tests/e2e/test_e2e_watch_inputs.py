"""What else a project is read from, beside a controller: env files, seeds, trust, and holding."""

from collections.abc import Callable

from caving import ONE_CAVE, Cave, Terminal, eventually
from watching import API, WATCH, Watcher, pid_of, watching

Opener = Callable[..., Terminal]
FOUND = ("up", "--watch", "--json")
WITH_ENV = ONE_CAVE.replace("caves:", "env_file: [{path: .env.caves, required: false}]\ncaves:")
WITH_SEED = ONE_CAVE.replace(
    "    agents:", "    context: {plan.md: {file: docs/plan.md}}\n    agents:"
)
COLORED = ONE_CAVE.replace("    agents:", "    environment: {COLOR: blue}\n    agents:")


def attach(cave: Cave, on_terminal: Opener) -> Terminal:
    terminal = on_terminal("tmux", "-S", cave.socket, "attach", "-t", f"={API}")
    eventually(lambda: cave.ps()["api/shell"]["attached"])
    return terminal


def test_an_env_file_that_appears_and_changes_gives_new_processes(cave: Cave) -> None:
    cave.declare(WITH_ENV)
    with watching(cave) as watcher:
        for number, value in enumerate(("1", "2"), 1):
            cave.write(".env.caves", f"PRICE={value}\n")
            eventually(lambda: len(watcher.saw("restart-session")) == number)  # noqa: B023
        causes = {event["cause"] for event in watcher.saw("restart-session")}
        assert causes == {"environment.PRICE changed"}


def test_a_seed_whose_source_changes_is_written_again_and_restarts_nobody(cave: Cave) -> None:
    cave.write("docs/plan.md", "one\n")
    cave.declare(WITH_SEED)
    with watching(cave) as watcher:
        before, seeded = pid_of(cave), cave.workspace() / ".cave" / "plan.md"
        assert seeded.read_text() == "one\n"
        cave.write("docs/plan.md", "two\n")
        eventually(lambda: seeded.read_text() == "two\n")
        seeded.write_text("mine\n")
        cave.write("docs/plan.md", "three\n")
        watcher.looks_again()
        assert seeded.read_text() == "mine\n"
        assert pid_of(cave) == before
        assert watcher.saw("restart-session") == []


def test_a_found_file_that_changed_waits_for_trust_and_goes_on_by_itself(cave: Cave) -> None:
    cave.run("trust", "--yes")
    with watching(cave, *FOUND) as watcher:
        before = pid_of(cave)
        cave.declare(COLORED)
        eventually(lambda: watcher.saw("reload", "failed"))
        watcher.rests()
        assert pid_of(cave) == before
        (event,) = watcher.saw("reload", "failed")
        assert "has changed since it was trusted" in event["error"]
        assert "agentcave trust" in event["error"]
        cave.run("trust", "--yes")
        eventually(lambda: watcher.saw("restart-session"))
        assert pid_of(cave) != before


def test_a_found_file_that_is_not_trusted_begins_no_controller(cave: Cave) -> None:
    cave.run(*FOUND, code=77)
    assert cave.panes() == []


def test_drift_of_an_agent_that_somebody_looks_at_is_held_until_he_has_gone(
    cave: Cave, on_terminal: Opener
) -> None:
    with watching(cave) as watcher:
        before = pid_of(cave)
        terminal = attach(cave, on_terminal)
        cave.declare(COLORED)
        eventually(lambda: watcher.saw("restart-session", "held"))
        watcher.looks_again()
        assert pid_of(cave) == before
        (held,) = watcher.saw("restart-session", "held")
        assert "somebody is attached" in held["error"]
        assert cave.ps()["api/shell"]["drift"] == ["environment.COLOR"]
        cave.tmux("detach-client", "-s", f"={API}")
        eventually(lambda: watcher.saw("restart-session"))
        eventually(terminal.ended)
        assert pid_of(cave) != before
        assert cave.ps()["api/shell"]["drift"] == []


def test_with_force_nobody_is_waited_for(cave: Cave, on_terminal: Opener) -> None:
    with watching(cave, *WATCH, "--force") as watcher:
        before = pid_of(cave)
        attach(cave, on_terminal)
        cave.declare(COLORED)
        eventually(lambda: watcher.saw("restart-session"))
        assert pid_of(cave) != before
        assert watcher.saw("restart-session", "held") == []


def test_a_cave_that_left_the_file_stays_as_long_as_somebody_is_attached(
    cave: Cave, on_terminal: Opener
) -> None:
    with watching(cave) as watcher:
        before = pid_of(cave)
        attach(cave, on_terminal)
        cave.declare(ONE_CAVE.replace("  api:", "  web:"))
        eventually(lambda: watcher.saw("stop-session", "held"))
        eventually(lambda: "shop/web/shell" in cave.agents())
        assert pid_of(cave) == before
        cave.tmux("detach-client", "-s", f"={API}")
        eventually(lambda: list(cave.agents()) == ["shop/web/shell"])


def test_a_cave_that_cannot_be_set_up_is_tried_again_and_when_the_file_changes_at_once(
    cave: Cave,
) -> None:
    setup = '    setup: [[sh, -c, "test -e $HOME/ok"]]\n    agents:'
    cave.declare(ONE_CAVE.replace("    agents:", setup))
    watcher = Watcher(cave)
    try:
        eventually(lambda: len(watcher.saw("run-setup", "failed")) == 3)
        at = [event["at"] for event in watcher.saw("run-setup", "failed")]
        assert at[1] - at[0] >= 1.0
        assert at[2] - at[1] >= 2.0
        (cave.home / "ok").touch()
        watcher.looks_again()
        assert API in cave.agents()
    finally:
        watcher.end()

"""Drift of agents that are in the middle of a turn: held by a controller until they are idle."""

import os
import signal
from collections.abc import Callable

import pytest
from caving import Cave, Terminal, alive, environment_of, eventually
from watching import WATCH, Told, Watcher, history, pid_of, watching

Opener = Callable[..., Terminal]
API, WEB = "shop/api/demo", "shop/web/demo"
KEY = "api/demo"
API_CAVE = "version: 1\nname: shop\ncaves:\n  api:\n    agents: {demo: {}}\n"
WEB_CAVE = "  web:\n    agents: {demo: {}}\n"
TWO = API_CAVE + WEB_CAVE
MID_TURN = "it is mid-turn (working); `--force` does it all the same"


def colored(text: str, color: str = "blue") -> str:
    return text.replace("    agents:", f"    environment: {{COLOR: {color}}}\n    agents:")


@pytest.fixture(autouse=True)
def two_caves(cave: Cave) -> None:
    cave.declare(TWO)


def activity(cave: Cave, key: str = KEY) -> object:
    return cave.ps()[key]["activity"]


def works(cave: Cave, directive: str = "work 1h", shown: str = "working") -> int:
    """Give the agent of the first cave a turn that goes on; its process."""
    eventually(lambda: activity(cave) == "idle")
    cave.run("send", "-f", "caves.yaml", "api", directive)
    eventually(lambda: activity(cave) == shown)
    pid = pid_of(cave, API)
    assert pid is not None
    return pid


def becomes_idle(cave: Cave) -> None:
    """End the turn, as a person would."""
    cave.tmux("send-keys", "-t", cave.agents()[API].id, "C-c")


def held(watcher: Watcher, action: str = "restart-session") -> list[Told]:
    return watcher.saw(action, "held", "api")


def is_colored(pid: int | None, color: str = "blue") -> bool:
    return pid is not None and f"COLOR={color}".encode() in environment_of(pid)


def is_held(cave: Cave, watcher: Watcher, pid: int) -> None:
    """It is told of, and stays so over another look."""
    eventually(lambda: held(watcher))
    watcher.looks_again()
    assert pid_of(cave, API) == pid
    assert not is_colored(pid)


def is_replaced(cave: Cave, watcher: Watcher, pid: int) -> None:
    """By one process that has what was declared, and by no second one."""
    eventually(lambda: watcher.saw("restart-session", cave="api"))
    watcher.looks_again()
    assert not alive(pid)
    assert is_colored(pid_of(cave, API))
    assert len(watcher.saw("restart-session", cave="api")) == 1
    row = cave.ps()[KEY]
    assert (row["phase"], row["drift"], row["restarts"]) == ("running", [], 0)


def test_one_that_works_is_held_and_restarted_when_it_is_idle_and_the_other_at_once(
    cave: Cave,
) -> None:
    with watching(cave) as watcher:
        api, web = works(cave), pid_of(cave, WEB)
        cave.declare(colored(TWO))
        eventually(lambda: watcher.saw("restart-session", cave="web"))
        is_held(cave, watcher, api)
        assert pid_of(cave, WEB) != web
        assert is_colored(pid_of(cave, WEB))
        assert watcher.saw("restart-session", cave="api") == []
        becomes_idle(cave)
        is_replaced(cave, watcher, api)
        assert len(watcher.saw("restart-session")) == 2


def test_ps_and_events_and_plan_say_why_it_is_held_and_once(cave: Cave) -> None:
    with watching(cave) as watcher:
        api = works(cave)
        cave.declare(colored(TWO))
        is_held(cave, watcher, api)
        row = cave.ps()[KEY]
        assert (row["phase"], row["activity"], row["drift"]) == (
            "running",
            "working",
            ["environment.COLOR"],
        )
        why = "environment.COLOR changed; restarted when it is idle and detached"
        assert row["reason"] == why
        assert why in cave.run("ps", "-f", "caves.yaml").out
        told = [event for event in history(cave) if event["outcome"] == "held"]
        assert told == held(watcher)
        assert [(event["cause"], event["error"]) for event in told] == [
            ("environment.COLOR changed", MID_TURN)
        ]
        plan = cave.run("plan", "-f", "caves.yaml", "--detailed-exitcode", code=1).out
        assert MID_TURN in plan
        assert "1 held" in plan


def test_up_beside_it_holds_it_too_and_with_force_restarts_it(cave: Cave) -> None:
    with watching(cave) as watcher:
        api = works(cave)
        cave.declare(colored(TWO))
        is_held(cave, watcher, api)
        refused = cave.up(code=1)
        assert pid_of(cave, API) == api
        assert MID_TURN in refused.err
        cave.up("--force")
        after = pid_of(cave, API)
        assert is_colored(after)
        watcher.looks_again()
        assert pid_of(cave, API) == after
        assert not alive(api)
        assert watcher.saw("restart-session", cave="api") == []
        assert cave.ps()[KEY]["drift"] == []


def test_a_restart_by_name_waits_for_no_turn(cave: Cave) -> None:
    with watching(cave) as watcher:
        api = works(cave)
        cave.declare(colored(TWO))
        is_held(cave, watcher, api)
        cave.run("restart", "-f", "caves.yaml", "api")
        after = pid_of(cave, API)
        assert is_colored(after)
        watcher.looks_again()
        assert pid_of(cave, API) == after


def test_with_force_the_controller_waits_for_no_turn(cave: Cave) -> None:
    with watching(cave, *WATCH, "--force") as watcher:
        api = works(cave)
        cave.declare(colored(TWO))
        is_replaced(cave, watcher, api)
        assert held(watcher) == []


def test_an_edit_that_is_taken_back_restarts_nobody_later(cave: Cave) -> None:
    with watching(cave) as watcher:
        api = works(cave)
        cave.declare(colored(TWO))
        is_held(cave, watcher, api)
        cave.declare(TWO)
        eventually(lambda: len(watcher.saw("restart-session", cave="web")) == 2)
        becomes_idle(cave)
        eventually(lambda: activity(cave) == "idle")
        watcher.looks_again()
        assert pid_of(cave, API) == api
        assert cave.ps()[KEY]["drift"] == []
        assert watcher.saw("restart-session", cave="api") == []


def test_edits_while_it_is_held_make_one_restart(cave: Cave) -> None:
    with watching(cave) as watcher:
        api = works(cave)
        cave.declare(colored(TWO, "red"))
        is_held(cave, watcher, api)
        before = len(watcher.saw("reload"))
        cave.declare(colored(TWO))
        eventually(lambda: len(watcher.saw("reload")) > before)
        becomes_idle(cave)
        is_replaced(cave, watcher, api)


def test_one_that_asks_something_is_held_until_it_is_answered(cave: Cave) -> None:
    with watching(cave) as watcher:
        api = works(cave, "ask Which colour?", "question")
        cave.declare(colored(TWO))
        is_held(cave, watcher, api)
        assert "it is mid-turn (question)" in held(watcher)[0]["error"]
        cave.run("answer", "-f", "caves.yaml", "api", "blue")
        is_replaced(cave, watcher, api)


def test_who_is_attached_to_one_that_works_goes_and_it_is_held_until_it_is_idle(
    cave: Cave, on_terminal: Opener
) -> None:
    with watching(cave) as watcher:
        api = works(cave)
        terminal = on_terminal("tmux", "-S", cave.socket, "attach", "-t", f"={API}")
        eventually(lambda: cave.ps()[KEY]["attached"])
        cave.declare(colored(TWO))
        is_held(cave, watcher, api)
        cave.tmux("detach-client", "-s", f"={API}")
        eventually(terminal.ended)
        eventually(lambda: len(held(watcher)) == 2)
        watcher.looks_again()
        assert pid_of(cave, API) == api
        first, second = [event["error"] for event in held(watcher)]
        assert "somebody is attached" in first
        assert second == MID_TURN
        becomes_idle(cave)
        is_replaced(cave, watcher, api)


def test_one_that_becomes_idle_under_the_eyes_of_somebody_is_held_until_he_goes(
    cave: Cave, on_terminal: Opener
) -> None:
    with watching(cave) as watcher:
        api = works(cave)
        terminal = on_terminal("tmux", "-S", cave.socket, "attach", "-t", f"={API}")
        eventually(lambda: cave.ps()[KEY]["attached"])
        cave.declare(colored(TWO))
        is_held(cave, watcher, api)
        becomes_idle(cave)
        eventually(lambda: activity(cave) == "idle")
        watcher.looks_again()
        assert pid_of(cave, API) == api
        cave.tmux("detach-client", "-s", f"={API}")
        eventually(terminal.ended)
        is_replaced(cave, watcher, api)


def test_a_cave_that_left_the_file_goes_when_its_turn_is_over(cave: Cave) -> None:
    with watching(cave) as watcher:
        api = works(cave)
        cave.declare(TWO.replace("  api:", "  new:"))
        eventually(lambda: held(watcher, "stop-session"))
        watcher.looks_again()
        assert pid_of(cave, API) == api
        assert [event["error"] for event in held(watcher, "stop-session")] == [MID_TURN]
        orphan = cave.ps()[KEY]
        assert (orphan["desired"], orphan["activity"]) == ("absent", "working")
        assert orphan["reason"] == "not in caves.yaml"
        becomes_idle(cave)
        eventually(lambda: watcher.saw("stop-session", cave="api"))
        assert not alive(api)
        assert cave.workspace("api").is_dir()
        assert sorted(cave.agents()) == ["shop/new/demo", WEB]


def test_one_that_dies_while_it_is_held_comes_back_as_declared_now(cave: Cave) -> None:
    with watching(cave) as watcher:
        api = works(cave)
        cave.declare(colored(TWO))
        is_held(cave, watcher, api)
        os.kill(api, signal.SIGKILL)
        eventually(lambda: len(watcher.saw("start-session", cave="api")) == 2)
        watcher.rests()
        assert is_colored(pid_of(cave, API))
        assert watcher.saw("restart-session", cave="api") == []
        assert cave.ps()[KEY]["drift"] == []


def test_what_needs_no_new_process_is_done_at_once(cave: Cave) -> None:
    seeded = cave.workspace() / ".cave" / "plan.md"
    cave.declare(TWO.replace("  api:\n", "  api:\n    context: {plan.md: {text: one}}\n"))
    with watching(cave) as watcher:
        api = works(cave)
        assert seeded.read_text().strip() == "one"
        edited = colored(TWO).replace("  api:\n", "  api:\n    context: {plan.md: {text: two}}\n")
        cave.declare(edited)
        eventually(lambda: seeded.read_text().strip() == "two")
        is_held(cave, watcher, api)


def test_the_next_controller_holds_it_and_says_so(cave: Cave) -> None:
    with watching(cave) as first:
        api = works(cave)
        cave.declare(colored(TWO))
        is_held(cave, first, api)
        first.kill()
    with watching(cave) as second:
        is_held(cave, second, api)
        becomes_idle(cave)
        is_replaced(cave, second, api)

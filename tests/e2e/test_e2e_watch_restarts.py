"""What has ended comes back as its restart policy says, while a controller watches."""

import time
from collections.abc import Sequence
from datetime import datetime

import pytest
from caving import ONE_CAVE, SLEEPER, Cave, eventually
from watching import API, Told, comes_back, crash, pid_of, watching

KEY = "api/shell"
SHELL = "{type: command, command: [sh]}"
CRASHES = '{type: command, command: [sh, -c, "test -e $HOME/ok && exec sleep infinity; exit 3"]}'
SLOW = "initial: 1h, max: 1h"


def declare(cave: Cave, agent: str, policy: str = "on-failure", how: str = SLOW) -> None:
    restart = f"restart: {{policy: {policy}, max_restarts: 2, {how}}}"
    cave.declare(ONE_CAVE.replace(SLEEPER, f"{agent[:-1]}, {restart}}}"))


def type_in(cave: Cave, text: str) -> None:
    cave.tmux("send-keys", "-t", cave.agents()[API].id, text, "Enter")


def causes(events: Sequence[Told], action: str) -> list[str]:
    return [event["cause"] for event in events if event["action"] == action]


@pytest.mark.parametrize(
    ("policy", "script", "how"),
    [
        ("on-failure", "exit 3", "exit 3"),
        ("always", "exit 3", "exit 3"),
        ("always", "exit 0", "exit 0"),
        ("on-failure", "kill -KILL $$", "ended by SIGKILL"),
    ],
)
def test_what_ends_is_replaced_at_once_and_how_it_ended_is_known(
    cave: Cave, policy: str, script: str, how: str
) -> None:
    declare(cave, SHELL, policy)
    with watching(cave) as watcher:
        before = pid_of(cave)
        type_in(cave, script)
        comes_back(cave, before)
        eventually(lambda: len(watcher.saw("start-session")) == 2)
        assert causes(watcher.events, "session-ended") == [how]
        assert causes(watcher.events, "start-session") == ["missing", f"{how}, restart 1 of 2"]
        row = cave.ps()[KEY]
        assert (row["phase"], row["restarts"], row["exit_status"]) == ("running", 1, None)


@pytest.mark.parametrize(
    ("policy", "script", "phase"),
    [
        ("on-failure", "exit 0", "completed"),
        ("never", "exit 0", "completed"),
        ("never", "exit 3", "failed"),
    ],
)
def test_what_its_policy_leaves_alone_stays_as_it_ended(
    cave: Cave, policy: str, script: str, phase: str
) -> None:
    declare(cave, SHELL, policy)
    with watching(cave) as watcher:
        type_in(cave, script)
        eventually(lambda: watcher.saw("session-ended", phase))
        watcher.looks_again()
        assert cave.ps()[KEY]["phase"] == phase
        assert len(watcher.saw("start-session")) == 1


def test_one_that_crashes_again_waits_and_ps_says_until_when(cave: Cave) -> None:
    declare(cave, CRASHES, how=SLOW)
    with watching(cave) as watcher:
        eventually(lambda: cave.ps()[KEY]["phase"] == "backoff")
        row = cave.ps()[KEY]
        due = datetime.fromisoformat(row["next_restart_at"]).timestamp()
        assert 0.9 * 3600 - 60 < due - time.time() <= 3600
        assert row["reason"].startswith("exit 3; restart 2 of 2 in ")
        assert (row["exit_status"], row["restarts"]) == (3, 1)
        assert len(watcher.saw("start-session")) == 2


def test_one_that_crashes_too_often_is_given_up(cave: Cave) -> None:
    declare(cave, CRASHES, how="initial: 300ms")
    with watching(cave) as watcher:
        eventually(lambda: cave.ps()[KEY]["phase"] == "failed")
        assert "given up after 2 of 2 restarts" in cave.ps()[KEY]["reason"]
        assert causes(watcher.events, "start-session") == [
            "missing",
            "exit 3, restart 1 of 2",
            "exit 3, restart 2 of 2",
        ]
        watcher.looks_again()
        assert len(watcher.saw("start-session")) == 3
        _, second, third = [event["at"] for event in watcher.saw("start-session")]
        assert third - second >= 0.27


@pytest.mark.parametrize("verb", ["up", "start", "restart"])
def test_a_person_starts_what_was_given_up_and_its_counters_begin_anew(
    cave: Cave, verb: str
) -> None:
    declare(cave, CRASHES, how="initial: 1ms")
    with watching(cave) as watcher:
        eventually(lambda: cave.ps()[KEY]["phase"] == "failed")
        (cave.home / "ok").touch()
        cave.run(verb, "-f", "caves.yaml", *([] if verb == "up" else ["api"]))
        comes_back(cave, crash(cave))
        eventually(lambda: len(watcher.saw("start-session")) == 4)
        assert watcher.saw("start-session")[-1]["cause"] == "ended by SIGKILL, restart 1 of 2"


def test_counters_survive_the_controller(cave: Cave) -> None:
    declare(cave, SLEEPER, how=SLOW)
    with watching(cave) as first:
        comes_back(cave, crash(cave))
        eventually(lambda: len(first.saw("start-session")) == 2)
        first.kill()
    with watching(cave) as second:
        crash(cave)
        eventually(lambda: cave.ps()[KEY]["phase"] == "backoff")
        assert cave.ps()[KEY]["reason"].startswith("ended by SIGKILL; restart 2 of 2 in ")
        assert second.saw("start-session") == []


def test_a_session_that_was_killed_is_put_back_whatever_the_policy(cave: Cave) -> None:
    declare(cave, SLEEPER, "never")
    with watching(cave) as watcher:
        before = pid_of(cave)
        cave.tmux("kill-session", "-t", f"={API}")
        comes_back(cave, before)
        eventually(lambda: len(watcher.saw("start-session")) == 2)
        assert causes(watcher.events, "start-session")[-1] == "missing, put back"


def test_each_agent_has_its_own_clock(cave: Cave) -> None:
    declare(cave, CRASHES, how=SLOW)
    text = (cave.root / "caves.yaml").read_text()
    cave.declare(f"{text}  web:\n    agents: {{shell: {SLEEPER}}}\n")
    with watching(cave) as watcher:
        eventually(lambda: cave.ps()[KEY]["phase"] == "backoff")
        crash(cave, "shop/web/shell")
        eventually(lambda: len(watcher.saw("start-session", cave="web")) == 2)
        assert cave.ps()[KEY]["phase"] == "backoff"

"""``agentcave events``: what was done, when and why."""

import json
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from caving import AGENTCAVE, ONE_CAVE, Cave, eventually
from watching import history, watching

from agentcave.state import open_state

KEYS = {"at", "action", "cave", "agent", "cause", "outcome", "error", "duration_ms"}
KEPT = 10_000


@contextmanager
def following(cave: Cave, *words: str) -> Iterator[Path]:
    """``events -f``; the file that it prints to."""
    path = cave.home / "followed"
    with path.open("w") as out:
        process = subprocess.Popen(
            [*AGENTCAVE, "events", "-f", "--file", "caves.yaml", *words],
            cwd=cave.root,
            env=cave.environ,
            stdout=out,
            stderr=subprocess.PIPE,
            text=True,
        )
    try:
        yield path
    finally:
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "Traceback" not in err


def actions(path: Path) -> list[str]:
    return [json.loads(line)["action"] for line in path.read_text().splitlines()]


def test_without_a_history_there_is_nothing_to_tell(cave: Cave) -> None:
    assert cave.run("events", "--file", "caves.yaml").out == ""


def test_everything_that_was_done_is_one_line_with_time_cause_and_outcome(cave: Cave) -> None:
    began = time.time()
    cave.up()
    cave.run("stop", "-f", "caves.yaml", "api")
    told = history(cave)
    assert [event["action"] for event in told] == [
        "create-workspace",
        "seed-context",
        "start-session",
        "stop-session",
    ]
    assert {event["outcome"] for event in told} == {"done"}
    assert [event["cause"] for event in told] == ["missing", "missing", "missing", "stop"]
    assert all(event.keys() == KEYS for event in told)
    times = [event["at"] for event in told]
    assert began - 0.01 <= times[0]
    assert times == sorted(times)
    assert times[-1] <= time.time()


def test_what_failed_says_why(cave: Cave) -> None:
    setup = "    setup: [[sh, -c, 'echo no such thing >&2; exit 4']]\n    agents:"
    cave.declare(ONE_CAVE.replace("    agents:", setup))
    cave.up(code=1)
    (failed,) = [event for event in history(cave) if event["outcome"] == "failed"]
    assert (failed["action"], failed["cave"]) == ("run-setup", "api")
    assert "exit status 4" in failed["error"]
    assert "no such thing" in failed["error"]
    (skipped,) = [event for event in history(cave) if event["action"] == "start-session"]
    assert (skipped["outcome"], skipped["agent"]) == ("skipped", "shell")


def test_what_a_controller_did_is_told_in_the_same_words_as_its_own(cave: Cave) -> None:
    with watching(cave) as watcher:
        cave.tmux("kill-session", "-t", "=shop/api/shell")
        eventually(lambda: len(watcher.saw("start-session")) == 2)
        watcher.looks_again()
        assert history(cave) == watcher.events
        assert [event["action"] for event in watcher.events[-3:]] == [
            "session-ended",
            "start-session",
            "reload",
        ]


def test_the_tail_is_the_last_ones(cave: Cave) -> None:
    cave.up()
    told = history(cave)
    for number in (0, 1, 2, 100):
        out = cave.run("events", "--file", "caves.yaml", "--tail", str(number)).out
        assert [json.loads(line) for line in out.splitlines()] == told[len(told) - number :][-100:]


def test_following_tells_what_is_done_from_now_on(cave: Cave) -> None:
    cave.up()
    with following(cave, "--tail", "1") as path:
        eventually(lambda: actions(path) == ["start-session"])
        cave.run("stop", "-f", "caves.yaml", "api")
        eventually(lambda: actions(path) == ["start-session", "stop-session"])
        cave.run("start", "-f", "caves.yaml", "api")
        eventually(lambda: len(actions(path)) == 3)
    assert actions(path)[-1] == "start-session"


def test_following_begins_before_there_is_a_history(cave: Cave) -> None:
    with following(cave) as path:
        cave.up()
        eventually(lambda: "start-session" in actions(path))
    assert actions(path)[0] == "create-workspace"


def test_the_history_keeps_the_last_ten_thousand(cave: Cave) -> None:
    cave.up()
    first = history(cave)[0]
    state = open_state(str(cave.state()))
    state.add_events({**first, "duration_ms": number} for number in range(KEPT + 50))
    state.close()
    told = history(cave)
    assert len(told) == KEPT
    assert [told[0]["duration_ms"], told[-1]["duration_ms"]] == [50, KEPT + 49]


def test_events_are_told_when_the_file_is_broken(cave: Cave) -> None:
    cave.up()
    cave.declare("caves: {\n")
    done = cave.run("events", "--file", "caves.yaml")
    assert len(done.out.splitlines()) == 3
    assert "caves.yaml" in done.err

"""An event of the history as one line for people."""

import time
from collections.abc import Iterator
from typing import Any

import pytest

from agentcave.report.events import event_text

EVENT = {
    "at": 1_800_000_000.5,
    "action": "start-session",
    "cave": "api",
    "agent": "claude",
    "cause": "missing",
    "outcome": "done",
    "error": None,
    "duration_ms": 12,
}


@pytest.fixture(autouse=True)
def in_utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patched:
        patched.setenv("TZ", "UTC")
        time.tzset()
        yield
    time.tzset()


def line(**changes: Any) -> str:
    return " ".join(event_text({**EVENT, **changes}).split())


def test_it_says_when_what_and_why() -> None:
    assert line() == "08:00:00 api/claude start-session done missing"


def test_a_step_of_a_whole_cave_names_no_agent() -> None:
    told = line(agent=None, action="create-workspace")
    assert told == "08:00:00 api create-workspace done missing"


def test_what_failed_says_how() -> None:
    told = line(outcome="failed", cause="exit 3, restart 2 of 5", error="no such program")
    assert told == (
        "08:00:00 api/claude start-session failed exit 3, restart 2 of 5: no such program"
    )


def test_what_is_about_the_file_names_the_file() -> None:
    told = line(cave=None, agent=None, action="reload", cause="/p/caves.yaml")
    assert told == "08:00:00 reload done /p/caves.yaml"


def test_an_error_of_many_lines_becomes_one() -> None:
    told = line(outcome="failed", error="/p/caves.yaml:3:5: name\n/p/caves.yaml:9:1: agents")
    assert "\n" not in told
    assert "/p/caves.yaml:3:5: name" in told
    assert "/p/caves.yaml:9:1: agents" in told


def test_control_characters_reach_no_terminal() -> None:
    told = line(error="\x1b[31mred\x07\x9b2J")
    assert not any(ord(char) < 32 or 127 <= ord(char) < 160 for char in told)

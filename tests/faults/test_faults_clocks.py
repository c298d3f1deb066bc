"""Clocks that jump by more than a year between and during the commands."""

import shutil
import subprocess
import sys
from collections.abc import Sequence

import pytest
from caving import AGENTCAVE, DEADLINE, Cave
from invariants import check, heal
from scenarios import SCENARIOS, edited, living

JUMPS = ["+400d", "-400d"]


def at(cave: Cave, jump: str, words: Sequence[str]) -> "subprocess.CompletedProcess[str]":
    """A command that takes another day for today, by every clock."""
    faketime = shutil.which("faketime")
    assert faketime is not None
    return subprocess.run(
        [faketime, "-m", "-f", jump, *words],
        cwd=cave.root,
        env=cave.environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        start_new_session=True,
    )


@pytest.mark.parametrize("jump", JUMPS)
def test_the_clock_of_python_does_jump(cave: Cave, jump: str) -> None:
    now = (sys.executable, "-c", "import time; print(time.time())")
    here = float(at(cave, "+0d", now).stdout)
    there = float(at(cave, jump, now).stdout)
    assert abs(there - here) > 399 * 86400


@pytest.mark.parametrize("jump", JUMPS)
def test_a_world_from_another_year_stands_still(cave: Cave, jump: str) -> None:
    promise = edited(cave)
    done = at(cave, jump, (*AGENTCAVE, "up", "-f", "caves.yaml"))
    assert done.returncode == 0, done
    check(cave, promise)


@pytest.mark.parametrize("name", ["ending", "restarting"])
@pytest.mark.parametrize("jump", JUMPS)
def test_what_is_done_in_another_year_is_whole(cave: Cave, jump: str, name: str) -> None:
    promise = living(cave)
    done = at(cave, jump, (*AGENTCAVE, *SCENARIOS[name].words, "-f", "caves.yaml"))
    assert done.returncode == 0, done
    heal(cave, promise)

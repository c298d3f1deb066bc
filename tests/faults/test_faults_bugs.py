"""A bug of ours in one place: it is told with its traceback's file, and all the rest goes on."""

import re
from pathlib import Path

import pytest
from caving import ONE_CAVE, SLEEPER, Cave, eventually
from watching import API, comes_back, crash, watching

TWO = f"{ONE_CAVE}  bad:\n    agents: {{shell: {SLEEPER}}}\n"
IN_A_STEP = """\
from agentcave.apply import perform

real = perform.Hands.perform


async def broken(self, step):
    if step.cave == "bad":
        raise ZeroDivisionError("a bug")
    return await real(self, step)


perform.Hands.perform = broken
"""
IN_A_LOOK = """\
import os

from agentcave.reconcile import loop

real = loop.Loop._with_ready


async def broken(self, view):
    if os.path.exists(os.path.join(os.environ["HOME"], "broken")):
        raise ZeroDivisionError("a bug")
    return await real(self, view)


loop.Loop._with_ready = broken
"""


def traceback_of(said: str) -> str:
    (path,) = set(re.findall(r"/\S+/bug-\w+\.txt", said))
    return Path(path).read_text()


@pytest.mark.parametrize("json", [(), ("--json",)])
def test_in_one_step_of_up(cave: Cave, json: tuple[str, ...]) -> None:
    cave.declare(TWO)
    cave.change_python(IN_A_STEP)
    done = cave.up(*json, code=1)
    said = done.out if json else done.err
    assert "bug: ZeroDivisionError" in said
    assert "perform" in traceback_of(said.replace('"', " "))
    assert list(cave.agents()) == [API]
    assert cave.ps()["bad/shell"]["phase"] == "pending"


def test_in_one_step_of_a_controller(cave: Cave) -> None:
    cave.declare(TWO)
    cave.change_python(IN_A_STEP)
    with watching(cave) as watcher:
        eventually(lambda: watcher.saw("create-workspace", "failed", "bad"))
        comes_back(cave, crash(cave))
        (event, *_) = watcher.saw("create-workspace", "failed", "bad")
        assert "perform" in traceback_of(event["error"])


def test_in_the_look_of_a_controller(cave: Cave) -> None:
    cave.change_python(IN_A_LOOK)
    with watching(cave) as watcher:
        (cave.home / "broken").touch()
        before = crash(cave)
        eventually(lambda: watcher.saw("look", "failed"))
        (cave.home / "broken").unlink()
        comes_back(cave, before)
        assert "_with_ready" in traceback_of(watcher.saw("look", "failed")[0]["error"])

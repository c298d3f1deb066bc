"""A git that outlives its agentcave is left to its work; one that has died leaves no lock."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from calls import wrap
from caving import SLEEPER, Cave, alive, command_line_of, eventually, finish
from invariants import Promise, heal, record

CHECKED_OUT = """\
echo x >>"{home}/begun"
while [ -e "{home}/held" ]; do sleep 0.02; done
cat"""
KINDS = ["worktree", "clone"]
WHILE = 1.5
"""Seconds in which a second git would have begun."""
LONG_AGO = 60.0


class Slow:
    """A project whose check-out takes until it is released, by a filter of its repository."""

    def __init__(self, cave: Cave) -> None:
        self.cave = cave
        cave.program("smudge", CHECKED_OUT.format(home=cave.home))
        cave.git("config", "--global", "filter.slow.smudge", f"{cave.home}/bin/smudge")
        cave.write(".gitattributes", "*.big filter=slow\n")
        cave.write("file.big", "big\n" * 1000)
        cave.git("add", "-A")
        cave.git("commit", "-qm", "slow")
        self.hold = cave.home / "held"
        self.hold.touch()

    def declare(self, kind: str) -> Promise:
        place = f"workspace: {{type: {kind}}}"
        self.cave.declare(
            f"version: 1\nname: shop\ncaves:\n  api: {{{place}, agents: {{shell: {SLEEPER}}}}}\n"
        )
        return Promise(["api/shell"], record(self.cave))

    def begun(self) -> int:
        """How many check-outs have begun."""
        file = self.cave.home / "begun"
        return len(file.read_text().split()) if file.exists() else 0

    def left(self) -> list[int]:
        """The processes of a check-out whose agentcave was killed."""
        killed = self.cave.popen("up", "-f", "caves.yaml")
        eventually(self.begun)
        killed.kill()
        finish(killed)
        left = self.cave.processes()
        assert len(left) >= 2, "git and its filter live on"
        return left


@pytest.fixture
def slow(cave: Cave) -> Iterator[Slow]:
    world = Slow(cave)
    yield world
    world.hold.unlink(missing_ok=True)


@pytest.mark.parametrize("kind", KINDS)
def test_a_check_out_without_its_agentcave_is_waited_for(cave: Cave, slow: Slow, kind: str) -> None:
    promise = slow.declare(kind)
    slow.left()
    second = cave.popen("up", "-f", "caves.yaml")
    deadline = time.monotonic() + WHILE
    eventually(lambda: slow.begun() > 1 or time.monotonic() > deadline)
    begun_meanwhile = slow.begun()
    slow.hold.unlink()
    done = finish(second)
    assert (done.code, begun_meanwhile) == (0, 1), done
    heal(cave, promise)


@pytest.mark.parametrize("kind", KINDS)
def test_the_lock_of_an_index_whose_git_was_killed_is_dropped(
    cave: Cave, slow: Slow, kind: str
) -> None:
    promise = slow.declare(kind)
    for pid in sorted(slow.left(), key=lambda pid: b"git" not in command_line_of(pid)):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    eventually(lambda: not any(map(alive, cave.processes())))
    (lock,) = cave.root.rglob("index.lock")
    slow.hold.unlink()
    heal(cave, promise)
    assert not lock.exists()


def test_the_lock_of_a_branch_whose_git_was_killed_is_dropped(cave: Cave) -> None:
    promise = Promise(["api/shell"], record(cave))
    lock = abandoned(cave.root / ".git" / "refs" / "heads" / "cave" / "api.lock")
    heal(cave, promise)
    assert not lock.exists()


def test_the_lock_of_a_branch_that_somebody_holds_is_left_alone(cave: Cave) -> None:
    promise = Promise(["api/shell"], record(cave))
    lock = abandoned(cave.root / ".git" / "refs" / "heads" / "cave" / "api.lock")
    with lock.open():
        assert "api.lock" in cave.up(code=1).err
        assert lock.exists()
    heal(cave, promise)


def test_the_lock_of_a_head_whose_git_was_killed_goes_with_its_worktree(cave: Cave) -> None:
    promise = Promise(["api/shell"], record(cave))
    calls = wrap(cave, 'case $* in *"worktree add"*) true ;; *) false ;; esac', "after")
    finish(cave.popen("up", "-f", "caves.yaml", PATH=calls.path))
    lock = abandoned(cave.root / ".git" / "worktrees" / "api" / "HEAD.lock")
    heal(cave, promise)
    assert not lock.exists()


def abandoned(lock: Path) -> Path:
    lock.parent.mkdir(parents=True, exist_ok=True)
    lock.touch()
    then = time.time() - LONG_AGO
    os.utime(lock, (then, then))
    return lock

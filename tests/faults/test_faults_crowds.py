"""Many at once, and some that are stopped in the middle: one writer, and the last one converges."""

import os
import random
import signal
import subprocess
from collections.abc import Sequence

from calls import wrap
from caving import Cave, Done, eventually, finish
from invariants import heal
from matrix import SEED
from scenarios import edited, living, nothing_yet

BUSY = {0, 1, 75}
VERBS = (("up",), ("down",), ("up", "api"), ("restart",), ("stop", "lib"), ("start",))


def test_twenty_ups_and_downs_at_once_end_in_a_sound_world(cave: Cave) -> None:
    promise = living(cave)
    chance = random.Random(SEED)
    words = [chance.choice((("up",), ("down",))) for _ in range(20)]
    done = together(cave, words)
    assert {one.code for one in done} <= {0, 75}, done
    heal(cave, promise)


def test_every_verb_at_once_ends_in_a_sound_world(cave: Cave) -> None:
    promise = edited(cave)
    chance = random.Random(SEED)
    done = together(cave, [chance.choice(VERBS) for _ in range(12)])
    assert {one.code for one in done} <= BUSY, done
    cave.run("start", "-f", "caves.yaml")
    heal(cave, promise)


def test_an_up_beside_one_that_is_stopped_waits_or_says_who_works(cave: Cave) -> None:
    promise = nothing_yet(cave)
    calls = wrap(cave, "[ $n = 20 ]", "hangs")
    stopped = cave.popen("up", "-f", "caves.yaml", PATH=calls.path)
    eventually(lambda: len(calls.made()) >= 20)
    stopped.send_signal(signal.SIGSTOP)
    other = cave.try_run("up", "-f", "caves.yaml", "--timeout", "1s")
    assert other.code == 75
    assert str(stopped.pid) in other.err
    stopped.send_signal(signal.SIGCONT)
    stopped.kill()
    finish(stopped)
    end_sleepers(cave)
    heal(cave, promise)


def test_an_up_that_was_stopped_for_a_while_goes_on_and_the_waiting_one_follows(
    cave: Cave,
) -> None:
    promise = edited(cave)
    calls = wrap(cave)
    stopped = cave.popen("up", "-f", "caves.yaml", PATH=calls.path)
    eventually(lambda: len(calls.made()) >= 12)
    stopped.send_signal(signal.SIGSTOP)
    waiting = cave.popen("up", "-f", "caves.yaml")
    assert said(waiting).startswith("waiting for agentcave up")
    stopped.send_signal(signal.SIGCONT)
    assert [finish(one).code for one in (stopped, waiting)] == [0, 0]
    heal(cave, promise)


def together(cave: Cave, commands: Sequence[tuple[str, ...]]) -> list[Done]:
    begun = [cave.popen(*words, "-f", "caves.yaml") for words in commands]
    return [finish(process) for process in begun]


def said(process: "subprocess.Popen[str]") -> str:
    """The first line that a command says while it works."""
    assert process.stderr is not None
    return process.stderr.readline()


def end_sleepers(cave: Cave) -> None:
    """End the hanging call that its killed caller has left."""
    for pid in cave.processes():
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            if file.read() == b"sleep\x00300\x00":
                os.kill(pid, signal.SIGKILL)

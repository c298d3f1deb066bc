"""A wall clock that jumps by more than a year while a controller watches, and what waits then."""

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
from caving import ONE_CAVE, SLEEPER, Cave, eventually
from invariants import Promise, heal
from treasure import bury, record
from watching import (
    API,
    Told,
    Watcher,
    comes_back,
    controller,
    crash,
    history,
    pid_of,
    watching,
)

DAY = 86400.0
WEB = "shop/web/shell"
KEY = "api/shell"
SLOW = "initial: 1h, max: 1h"
CRASHES = '{type: command, command: [sh, -c, "test -e $HOME/ok && exec sleep infinity; exit 3"]}'
THRIVES = '{type: command, command: [sh, -c, "sleep 1; echo well; exec sleep infinity"]}'
SHIM = """\
import time

_real = time.time


def _faked():
    with open({file!r}) as file:
        return _real() + float(file.read())


time.time = _faked
"""
TELLS = "import time\nwhile not input(): print(time.time(), time.clock_gettime(7))"


class WallClock(NamedTuple):
    """That of every Python program of a world; its other clocks go on as they do.

    ``libfaketime`` 0.9.10 cannot do that: when the monotonic clocks are left alone, every sleep
    until a point in time (as in ``time.sleep``) fails with EINVAL.
    """

    file: Path

    def jump(self, days: int) -> None:
        fresh = self.file.with_suffix(".new")
        fresh.write_text(str(days * DAY))
        fresh.rename(self.file)


@pytest.fixture
def clock(cave: Cave) -> WallClock:
    folder = cave.home / "clock"
    folder.mkdir()
    made = WallClock(folder / "jump")
    made.jump(0)
    (folder / "sitecustomize.py").write_text(SHIM.format(file=str(made.file)))
    others = cave.environ.get("PYTHONPATH")
    cave.environ["PYTHONPATH"] = f"{folder}:{others}" if others else str(folder)
    return made


@pytest.fixture(params=[400, -400], ids=["forth", "back"])
def jump(request: pytest.FixtureRequest, clock: WallClock) -> Callable[[], None]:
    days: int = request.param
    return lambda: clock.jump(days)


def declare(cave: Cave, agent: str, restart: str, web: str = SLEEPER) -> None:
    """Two caves; the agent of the first is restarted like that."""
    one = f"{agent[:-1]}, restart: {{policy: on-failure, {restart}}}}}"
    text = ONE_CAVE.replace(SLEEPER, one)
    cave.declare(f"{text}  web:\n    agents:\n      shell: {web}\n")


@contextmanager
def kept(cave: Cave) -> Iterator[Watcher]:
    """A controller with work in a workspace; when it has ended, `up` heals everything."""
    with watching(cave) as watcher:
        bury(cave, "api")
        promise = Promise([KEY, "web/shell"], record(cave, "api", "web"))
        yield watcher
    (cave.home / "ok").touch()
    heal(cave, promise)


def starts(watcher: Watcher) -> list[Told]:
    return watcher.saw("start-session", cave="api")


def crashes_into_backoff(cave: Cave, watcher: Watcher) -> str:
    """Crash twice, the second time to wait for long; until when."""
    comes_back(cave, crash(cave))
    watcher.rests()
    crash(cave)
    eventually(lambda: cave.ps()[KEY]["phase"] == "backoff")
    due: str = cave.ps()[KEY]["next_restart_at"]
    return due


def waits_until(cave: Cave, due: str) -> None:
    row = cave.ps()[KEY]
    assert (row["phase"], row["restarts"], row["next_restart_at"]) == ("backoff", 1, due)
    assert row["reason"].startswith("ended by SIGKILL; restart 2 of 5 in ")


def test_only_the_wall_clock_jumps_and_in_the_middle_of_a_program(
    cave: Cave, clock: WallClock
) -> None:
    words = [sys.executable, "-P", "-u", "-c", TELLS]
    seen: list[list[float]] = []
    with subprocess.Popen(
        words, env=cave.environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as program:
        assert program.stdin is not None
        assert program.stdout is not None
        for days in (0, 400, -400):
            clock.jump(days)
            program.stdin.write("\n")
            program.stdin.flush()
            seen.append([float(word) for word in program.stdout.readline().split()])
        program.kill()
    (here, boot), (forth, later), (back, last) = seen
    assert round((forth - here) / DAY) == 400
    assert round((back - here) / DAY) == -400
    assert boot <= later <= last < boot + 60


def test_what_crashes_after_a_jump_is_replaced_at_once(
    cave: Cave, jump: Callable[[], None]
) -> None:
    declare(cave, SLEEPER, SLOW)
    with kept(cave) as watcher:
        jump()
        comes_back(cave, crash(cave))
        eventually(lambda: len(starts(watcher)) == 2)
        assert starts(watcher)[-1]["cause"] == "ended by SIGKILL, restart 1 of 5"
        row = cave.ps()[KEY]
        assert (row["phase"], row["restarts"]) == ("running", 1)


def test_a_jump_is_no_healthy_spell_and_clears_no_counter(
    cave: Cave, jump: Callable[[], None]
) -> None:
    declare(cave, SLEEPER, SLOW)
    with kept(cave) as watcher:
        comes_back(cave, crash(cave))
        watcher.rests()
        jump()
        crash(cave)
        eventually(lambda: cave.ps()[KEY]["phase"] == "backoff")
        waits_until(cave, cave.ps()[KEY]["next_restart_at"])
        watcher.looks_again()
        assert len(starts(watcher)) == 2


def test_a_healthy_spell_is_one_in_spite_of_a_jump(cave: Cave, jump: Callable[[], None]) -> None:
    declare(cave, THRIVES, f"{SLOW}, reset_after: 500ms")
    with kept(cave) as watcher:
        comes_back(cave, crash(cave))
        watcher.rests()
        jump()
        eventually(lambda: "well" in cave.screen(API))
        comes_back(cave, crash(cave))
        eventually(lambda: len(starts(watcher)) == 3)
        assert starts(watcher)[-1]["cause"] == "ended by SIGKILL, restart 1 of 5"


def test_what_waited_before_a_jump_waits_as_long_as_it_was_to(
    cave: Cave, jump: Callable[[], None]
) -> None:
    declare(cave, SLEEPER, SLOW)
    with kept(cave) as watcher:
        due = crashes_into_backoff(cave, watcher)
        jump()
        before = pid_of(cave, WEB)
        comes_back(cave, crash(cave, WEB), WEB)
        watcher.looks_again()
        assert pid_of(cave, WEB) != before
        assert len(starts(watcher)) == 2
        waits_until(cave, due)


def test_what_waited_before_a_jump_is_restarted_when_that_is_over(
    cave: Cave, jump: Callable[[], None]
) -> None:
    declare(cave, SLEEPER, "initial: 5s, max: 5s")
    with kept(cave) as watcher:
        crashes_into_backoff(cave, watcher)
        jump()
        eventually(lambda: len(starts(watcher)) == 3)
        assert starts(watcher)[-1]["cause"] == "ended by SIGKILL, restart 2 of 5"
        row = cave.ps()[KEY]
        assert (row["phase"], row["restarts"]) == ("running", 2)


def test_a_crash_loop_is_slowed_down_over_a_jump_and_given_up(
    cave: Cave, jump: Callable[[], None]
) -> None:
    declare(cave, CRASHES, "initial: 600ms, factor: 2, max_restarts: 4")
    with kept(cave) as watcher:
        eventually(lambda: len(starts(watcher)) >= 2)
        with watcher.holding():
            jump()
        eventually(lambda: cave.ps()[KEY]["phase"] == "failed")
        watcher.looks_again()
        assert "given up after 4 of 4 restarts" in cave.ps()[KEY]["reason"]
        assert [event["cause"] for event in starts(watcher)] == [
            "missing",
            *[f"exit 3, restart {number} of 4" for number in (1, 2, 3, 4)],
        ]
        gaps = told_gaps(starts(watcher))
        assert gaps
        assert all(gap >= 0.85 * 0.6 * 2**number for number, gap in gaps.items())


def told_gaps(events: list[Told]) -> dict[int, float]:
    """The seconds before each start that had to wait, by its number; not over a jump."""
    times = [event["at"] for event in events[1:]]
    gaps = {number: after - times[number] for number, after in enumerate(times[1:])}
    return {number: gap for number, gap in gaps.items() if abs(gap) < DAY}


def test_what_is_told_after_a_jump_lasted_as_long_as_it_did(
    cave: Cave, jump: Callable[[], None]
) -> None:
    declare(cave, SLEEPER, SLOW)
    with kept(cave) as watcher:
        begun = controller(cave)
        crashes_into_backoff(cave, watcher)
        jump()
        comes_back(cave, crash(cave, WEB), WEB)
        eventually(lambda: len(watcher.saw("start-session", cave="web")) == 2)
        watcher.rests()
        told = history(cave)
        assert told == watcher.events
        assert [event for event in told if not 0 <= event["duration_ms"] < 1000 * DAY] == []
        assert controller(cave) == begun
        lines = cave.run("ps", "-f", "caves.yaml").out.splitlines()[1:]
        assert [line.split()[2] for line in lines] == ["backoff", "running"]
        assert not re.search(r"-\d", "".join(lines))


def test_commands_after_a_jump_do_what_they_say_beside_it(
    cave: Cave, jump: Callable[[], None]
) -> None:
    declare(cave, SLEEPER, SLOW)
    with kept(cave) as watcher:
        api, web = pid_of(cave), pid_of(cave, WEB)
        jump()
        cave.run("restart", "-f", "caves.yaml", "web")
        assert pid_of(cave, WEB) not in (None, web)
        cave.run("stop", "-f", "caves.yaml", "web")
        watcher.looks_again()
        assert pid_of(cave, WEB) is None
        cave.run("start", "-f", "caves.yaml", "web")
        comes_back(cave, crash(cave, WEB), WEB)
        eventually(lambda: watcher.saw("start-session", cave="web")[1:])
        assert watcher.saw("start-session", cave="web")[-1]["cause"].endswith("restart 1 of 5")
        assert pid_of(cave) == api


def test_the_next_controller_after_a_jump_neither_waits_a_year_nor_forgets(
    cave: Cave, clock: WallClock
) -> None:
    declare(cave, SLEEPER, SLOW)
    with watching(cave) as first:
        comes_back(cave, crash(cave))
        first.rests()
        first.kill()
    clock.jump(-400)
    with kept(cave) as second:
        crash(cave)
        eventually(lambda: cave.ps()[KEY]["phase"] == "backoff")
        assert cave.ps()[KEY]["restarts"] == 1
        cave.run("restart", "-f", "caves.yaml", "api")
        comes_back(cave, crash(cave))
        eventually(lambda: starts(second))
        assert starts(second)[-1]["cause"] == "ended by SIGKILL, restart 1 of 5"


def test_an_end_is_told_once_though_the_clock_was_set_back(cave: Cave, clock: WallClock) -> None:
    declare(cave, CRASHES, "max_restarts: 0")
    with watching(cave) as first:
        eventually(lambda: first.saw("session-ended", "failed", "api"))
        first.rests()
        first.kill()
    clock.jump(-400)
    (cave.home / "ok").touch()
    with kept(cave) as second:
        eventually(lambda: starts(second))
        second.rests()
    assert len([event for event in history(cave) if event["action"] == "session-ended"]) == 1


def test_ps_says_after_a_jump_how_long_is_left(cave: Cave, jump: Callable[[], None]) -> None:
    declare(cave, SLEEPER, SLOW)
    with kept(cave) as watcher:
        crashes_into_backoff(cave, watcher)
        jump()
        words = cave.ps()[KEY]["reason"].split()
        assert words[-3] == "in"
        assert 0 < int(words[-2]) <= 3600


@pytest.mark.parametrize("words", [("restart", "web"), ("up", "web")])
def test_a_command_for_another_cave_shortens_no_backoff_after_a_jump(
    cave: Cave, jump: Callable[[], None], words: tuple[str, str]
) -> None:
    declare(cave, SLEEPER, SLOW)
    with kept(cave) as watcher:
        due = crashes_into_backoff(cave, watcher)
        jump()
        cave.run(words[0], "-f", "caves.yaml", words[1])
        watcher.looks_again()
        waits_until(cave, due)
        assert len(starts(watcher)) == 2


def test_events_are_written_by_one_clock_whoever_writes_them(
    cave: Cave, jump: Callable[[], None]
) -> None:
    declare(cave, SLEEPER, SLOW)
    with kept(cave) as watcher:
        jump()
        comes_back(cave, crash(cave))
        watcher.rests()
        cave.run("restart", "-f", "caves.yaml", "web")
        times = [event["at"] for event in history(cave)]
        assert max(times) - min(times) < DAY

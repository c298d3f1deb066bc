"""What wakes a controller, and what does not."""

import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import anyio
import pytest

from agentcave.reconcile.wakeups import Wakeups

LONG, SHORT = 20.0, 0.15
"""Seconds in which something comes that is to come, and in which nothing is to come."""


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "project").mkdir()
    return tmp_path / "project"


@pytest.fixture
async def wakeups(tmp_path: Path) -> AsyncIterator[Wakeups]:
    (tmp_path / "lock").touch()
    made = Wakeups(str(tmp_path / "lock"))
    yield made
    made.close()


@pytest.fixture
def child() -> Iterator["subprocess.Popen[bytes]"]:
    process = subprocess.Popen(["sleep", "60"])
    yield process
    process.kill()
    process.wait()


def write(path: Path, text: str = "x") -> None:
    path.write_text(text)


def watched() -> int:
    """How many folders this process watches."""
    told = [path.read_text() for path in Path("/proc/self/fdinfo").iterdir() if path.exists()]
    return sum(text.count("inotify wd:") for text in told)


async def is_quiet(wakeups: Wakeups) -> bool:
    return not await wakeups.wait(SHORT)


async def test_nothing_wakes_until_the_time_is_over(wakeups: Wakeups) -> None:
    began = anyio.current_time()
    assert not await wakeups.wait(SHORT)
    assert SHORT - 0.01 <= anyio.current_time() - began < LONG


async def test_the_end_of_a_process_wakes_once(
    wakeups: Wakeups, child: "subprocess.Popen[bytes]"
) -> None:
    assert wakeups.follow({child.pid})
    assert await is_quiet(wakeups)
    child.kill()
    assert await wakeups.wait(LONG)
    assert await is_quiet(wakeups)
    assert not wakeups.follow({child.pid})  # it is still there to be looked at
    assert wakeups.follow(())


async def test_the_end_of_one_that_is_not_followed_any_more_does_not_wake(
    wakeups: Wakeups, child: "subprocess.Popen[bytes]"
) -> None:
    wakeups.follow({child.pid})
    wakeups.follow(())
    child.kill()
    child.wait()
    assert await is_quiet(wakeups)


async def test_one_that_ended_while_somebody_worked_wakes_at_once(
    wakeups: Wakeups, child: "subprocess.Popen[bytes]"
) -> None:
    wakeups.follow({child.pid})
    child.kill()
    child.wait()
    assert await wakeups.wait(LONG)


async def test_one_that_is_gone_cannot_be_waited_for(
    wakeups: Wakeups, child: "subprocess.Popen[bytes]"
) -> None:
    child.kill()
    child.wait()
    assert not wakeups.follow({child.pid, os.getpid()})
    assert await is_quiet(wakeups)
    assert wakeups.follow({os.getpid()})


async def test_following_leaks_no_descriptors(
    wakeups: Wakeups, child: "subprocess.Popen[bytes]"
) -> None:
    wakeups.follow({child.pid})
    before = len(os.listdir("/proc/self/fd"))
    for number in range(200):
        wakeups.follow({child.pid, os.getpid()} if number % 2 else {child.pid})
        wakeups.watch_files([f"/proc/self/{number}", "/etc/hosts"])
    wakeups.follow({child.pid})
    assert len(os.listdir("/proc/self/fd")) == before


async def test_closing_gives_everything_back(
    tmp_path: Path, child: "subprocess.Popen[bytes]"
) -> None:
    before = sorted(os.listdir("/proc/self/fd"))
    for _ in range(3):
        made = Wakeups(str(tmp_path / "lock"))
        made.follow({child.pid})
        made.close()
    assert sorted(os.listdir("/proc/self/fd")) == before


async def test_a_file_that_is_edited_in_place_wakes(wakeups: Wakeups, folder: Path) -> None:
    write(folder / "caves.yaml")
    wakeups.watch_files([str(folder / "caves.yaml")])
    assert await is_quiet(wakeups)
    write(folder / "caves.yaml", "y")
    assert await wakeups.wait(LONG)
    assert await is_quiet(wakeups)


async def test_a_file_that_is_replaced_wakes_as_often_as_that_happens(
    wakeups: Wakeups, folder: Path
) -> None:
    write(folder / "caves.yaml")
    wakeups.watch_files([str(folder / "caves.yaml")])
    for _ in range(3):
        write(folder / ".caves.yaml.swp")
        assert await is_quiet(wakeups)
        os.rename(folder / ".caves.yaml.swp", folder / "caves.yaml")
        assert await wakeups.wait(LONG)


async def test_a_file_that_is_deleted_or_moved_away_wakes(wakeups: Wakeups, folder: Path) -> None:
    write(folder / "caves.yaml")
    write(folder / ".env")
    wakeups.watch_files([str(folder / "caves.yaml"), str(folder / ".env")])
    os.unlink(folder / "caves.yaml")
    assert await wakeups.wait(LONG)
    os.rename(folder / ".env", folder / ".env~")
    assert await wakeups.wait(LONG)


async def test_a_file_that_comes_into_being_wakes(wakeups: Wakeups, folder: Path) -> None:
    wakeups.watch_files([str(folder / "caves.local.yaml")])
    write(folder / "caves.local.yaml")
    assert await wakeups.wait(LONG)


async def test_a_folder_that_is_not_there_yet_is_watched_once_it_is(
    wakeups: Wakeups, folder: Path
) -> None:
    files = [str(folder / "docs" / "plan.md"), str(folder / "caves.yaml")]
    wakeups.watch_files(files)
    (folder / "docs").mkdir()
    write(folder / "caves.yaml")
    assert await wakeups.wait(LONG)
    wakeups.watch_files(files)
    assert await is_quiet(wakeups)
    write(folder / "docs" / "plan.md")
    assert await wakeups.wait(LONG)


async def test_a_folder_that_was_replaced_is_watched_anew(wakeups: Wakeups, folder: Path) -> None:
    plan = folder / "docs" / "plan.md"
    plan.parent.mkdir()
    write(plan)
    wakeups.watch_files([str(plan)])
    os.unlink(plan)
    plan.parent.rmdir()
    assert await wakeups.wait(LONG)
    plan.parent.mkdir()
    wakeups.watch_files([str(plan)])
    await wakeups.wait(SHORT)
    write(plan)
    assert await wakeups.wait(LONG)


async def test_other_files_beside_it_do_not_wake(wakeups: Wakeups, folder: Path) -> None:
    wakeups.watch_files([str(folder / "caves.yaml")])
    write(folder / "README.md")
    write(folder / "caves.yaml.bak")
    (folder / ".agentcave").mkdir()
    os.unlink(folder / "README.md")
    assert await is_quiet(wakeups)


async def test_a_place_wakes_when_it_goes_away_and_not_when_it_comes(
    wakeups: Wakeups, folder: Path
) -> None:
    places = [folder / "api", folder / "web"]
    wakeups.watch_files([], list(map(str, places)))
    for place in places:
        place.mkdir()
        write(place / "README.md")
    assert await is_quiet(wakeups)
    shutil.rmtree(places[0])
    assert await wakeups.wait(LONG)
    os.rename(places[1], folder / "elsewhere")
    assert await wakeups.wait(LONG)


async def test_a_file_that_is_only_read_does_not_wake(wakeups: Wakeups, folder: Path) -> None:
    write(folder / "caves.yaml")
    wakeups.watch_files([str(folder / "caves.yaml")])
    assert (folder / "caves.yaml").read_text() == "x"
    assert await is_quiet(wakeups)


async def test_files_that_are_not_meant_any_more_do_not_wake(
    wakeups: Wakeups, folder: Path
) -> None:
    wakeups.watch_files([str(folder / "old.md")])
    wakeups.watch_files([str(folder / "new.md")])
    write(folder / "old.md")
    assert await is_quiet(wakeups)
    assert watched() == 2
    wakeups.watch_files([])
    write(folder / "new.md")
    assert await is_quiet(wakeups)
    assert watched() == 1


async def test_a_lock_file_that_another_one_closes_wakes(wakeups: Wakeups, tmp_path: Path) -> None:
    with (tmp_path / "lock").open("r+"):
        assert await is_quiet(wakeups)
    assert await wakeups.wait(LONG)


async def test_what_is_written_to_the_lock_file_and_kept_open_does_not_wake(
    wakeups: Wakeups, tmp_path: Path
) -> None:
    with (tmp_path / "lock").open("r+b", buffering=0) as ours:
        for number in range(3):
            ours.truncate(0)
            ours.write(b"agentcave up --watch (pid %d)\n" % number)
        assert await is_quiet(wakeups)
        for neighbour in ("state.db", "controller"):
            write(tmp_path / neighbour)
        assert await is_quiet(wakeups)


async def test_a_call_wakes_who_waits_and_who_waits_next(wakeups: Wakeups) -> None:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(call_after, 0.05, wakeups)
        assert await wakeups.wait(LONG)
    wakeups.call()
    wakeups.call()
    assert await wakeups.wait(LONG)
    assert await is_quiet(wakeups)


async def call_after(seconds: float, wakeups: Wakeups) -> None:
    await anyio.sleep(seconds)
    wakeups.call()


async def test_many_changes_at_once_wake_once(
    wakeups: Wakeups, folder: Path, child: "subprocess.Popen[bytes]"
) -> None:
    wakeups.watch_files([str(folder / "caves.yaml")])
    wakeups.follow({child.pid})
    for number in range(100):
        write(folder / "caves.yaml", str(number))
    child.kill()
    child.wait()
    assert await wakeups.wait(LONG)
    assert await is_quiet(wakeups)

"""One writer per project."""

import errno
import fcntl
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from agentcave.errors import Busy, CaveError
from agentcave.reconcile.controllers import NAME, being_controller, controller_of
from agentcave.reconcile.lock import Turn, lock_of_clients, project_lock

ROOT = str(Path(__file__).resolve().parents[2])
HOLD = """
import sys, subprocess
from agentcave.reconcile.lock import project_lock
with project_lock(sys.argv[1], "up", 5, print):
    child = subprocess.Popen(["sleep", "60"], close_fds=False)
    print(child.pid, flush=True)
    sys.stdin.read()
child.kill()
"""


@contextmanager
def holder(folder: Path) -> Iterator[tuple["subprocess.Popen[str]", int]]:
    """Another process that holds the lock, and its child that inherits all it can."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": ROOT},
    )
    assert process.stdin is not None
    assert process.stdout is not None
    child = int(process.stdout.readline())
    try:
        yield process, child
    finally:
        process.kill()
        process.stdin.close()
        process.stdout.close()
        process.wait()
        os.kill(child, signal.SIGKILL)


def test_the_second_is_told_who_holds_it_once_and_gives_up_in_time(tmp_path: Path) -> None:
    told: list[str] = []
    with holder(tmp_path) as (process, _):
        with pytest.raises(Busy) as caught, project_lock(str(tmp_path), "down", 0.3, told.append):
            pass
        assert told == [f"agentcave up (pid {process.pid})"]
        assert str(caught.value).startswith(
            f"agentcave up (pid {process.pid}) works on this project, and did not end within 0.3 s"
        )
        assert caught.value.exit_code == 75


def test_the_second_goes_on_when_the_first_is_killed_though_its_children_live(
    tmp_path: Path,
) -> None:
    with holder(tmp_path) as (process, child):

        def kill(_: str) -> None:
            process.send_signal(signal.SIGKILL)

        with project_lock(str(tmp_path), "down", 10, kill):
            assert process.wait(10) == -signal.SIGKILL
            os.kill(child, 0)
            assert (tmp_path / "lock").read_text() == f"agentcave down (pid {os.getpid()})\n"


def test_the_lock_is_free_again_afterwards_also_after_an_error(tmp_path: Path) -> None:
    told: list[str] = []
    with pytest.raises(ZeroDivisionError), project_lock(str(tmp_path), "up", 1, told.append):
        raise ZeroDivisionError
    with project_lock(str(tmp_path), "up", 1, told.append):
        pass
    assert told == []


def test_two_projects_do_not_wait_for_each_other(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    with project_lock(str(tmp_path), "up", 1, print), project_lock(str(other), "up", 1, print):
        pass


def test_a_lock_that_cannot_be_made_is_an_error_with_the_place(tmp_path: Path) -> None:
    with (
        pytest.raises(CaveError, match=f"cannot lock the project in {tmp_path}/gone"),
        project_lock(f"{tmp_path}/gone", "up", 1, print),
    ):
        pass


def test_what_a_holder_has_begun_of_tmux_is_waited_for_when_it_is_killed(tmp_path: Path) -> None:
    with project_lock(str(tmp_path), "up", 1, print), lock_of_clients(str(tmp_path)) as clients:
        client = subprocess.Popen(["sleep", "60"], pass_fds=(clients.descriptor,))
    told: list[str] = []
    with pytest.raises(Busy), project_lock(str(tmp_path), "down", 0.1, told.append):
        pass
    assert told == [f"agentcave up (pid {os.getpid()})"]
    client.kill()
    client.wait()
    with project_lock(str(tmp_path), "down", 0, print):
        pass


def test_the_clients_of_a_holder_are_not_in_each_others_way(tmp_path: Path) -> None:
    with lock_of_clients(str(tmp_path)), lock_of_clients(str(tmp_path)):
        pass
    with project_lock(str(tmp_path), "up", 0, print):
        pass


def test_a_file_system_without_locks_is_named_with_the_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unsupported(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", unsupported)
    with pytest.raises(CaveError, match=f"cannot lock {tmp_path}/lock: No locks available") as told:
        project_lock(str(tmp_path), "up", 0, print).__enter__()
    assert "XDG_STATE_HOME" in str(told.value.hint)


def plant(kind: str, place: Path) -> None:
    """Something that is no file of ours."""
    other = place.parent / "other"
    match kind:
        case "link":
            other.write_text("somebody else's\n")
            place.symlink_to(other)
        case "link to nothing":
            place.symlink_to(other)
        case "link to a fifo":
            os.mkfifo(other)
            place.symlink_to(other)
        case "fifo":
            os.mkfifo(place)
        case "folder":
            place.mkdir()
        case "socket":
            with socket.socket(socket.AF_UNIX) as server:
                server.bind(str(place))


def work_and_watch(folder: str) -> None:
    """Open each file that a controller at work has open."""
    with (
        project_lock(folder, "up", 1, print),
        lock_of_clients(folder),
        being_controller(folder, detached=False),
    ):
        pass


KINDS = ["link", "link to nothing", "link to a fifo", "fifo", "folder", "socket"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["lock", "clients", NAME])
def test_what_is_no_file_of_ours_is_refused_by_its_name(
    tmp_path: Path, kind: str, name: str
) -> None:
    plant(kind, tmp_path / name)
    told = f"cannot lock the project in {tmp_path}: {name} is not a regular file"
    with pytest.raises(CaveError, match=told) as caught:
        work_and_watch(str(tmp_path))
    assert caught.value.hint == f"move {tmp_path / name} away, then run the same command again"
    other = tmp_path / "other"
    assert not other.is_file() or other.read_text() == "somebody else's\n"
    assert kind != "link to nothing" or not other.exists()


@pytest.mark.parametrize("kind", KINDS)
def test_a_controller_is_not_looked_for_in_what_is_no_file_of_ours(
    tmp_path: Path, kind: str
) -> None:
    with being_controller(str(tmp_path), detached=False):
        ours = (tmp_path / NAME).read_text()
    (tmp_path / NAME).unlink()
    plant(kind, tmp_path / NAME)
    if kind == "link":
        (tmp_path / "other").write_text(ours)
    assert controller_of(str(tmp_path)) is None


async def test_a_turn_is_given_and_taken_back_and_tells_whether_others_had_one(
    tmp_path: Path,
) -> None:
    left: list[str] = []
    folder = str(tmp_path)
    with project_lock(folder, "up", 1, print) as lock, lock_of_clients(folder) as clients:
        turn = Turn(lock, clients, lambda: left.append("written"), 0.1)
        assert not await turn.resume()
        turn.rest()
        turn.rest()
        assert left == ["written"]
        assert not await turn.resume()
        turn.rest()
        with (
            project_lock(folder, "stop", 0, print),
            pytest.raises(Busy, match="agentcave stop"),
        ):
            await turn.resume()
        assert await turn.resume()
        assert (tmp_path / "lock").read_text().startswith("agentcave up ")
        with pytest.raises(Busy), project_lock(folder, "down", 0, print):
            pass


def test_what_cannot_be_written_down_keeps_the_turn(tmp_path: Path) -> None:
    def full() -> None:
        raise CaveError("no space")

    folder = str(tmp_path)
    with project_lock(folder, "up", 1, print) as lock, lock_of_clients(folder) as clients:
        Turn(lock, clients, full, 0.1).rest()
        with pytest.raises(Busy), project_lock(folder, "down", 0, print):
            pass

"""The line that an agent runs at an event, run by the shell that runs it."""

import os
import stat
import subprocess
import time
from pathlib import Path
from subprocess import PIPE

import pytest

from agentcave.agents.hooks import BYTES, hook

MEGABYTE = 1 << 20


def run(
    line: str,
    folder: Path | str | None,
    data: bytes = b'{"a": 1}',
    *,
    cwd: Path | None = None,
) -> bytes:
    """Run a hook as agents do; what it printed. It reads all, says nothing wrong, and ends with 0.

    Agents write to its stdin without care for whether it is still there.
    """
    environment = {"PATH": os.environ["PATH"]}
    if folder is not None:
        environment["AGENTCAVE_SESSION_DIR"] = str(folder)
    with subprocess.Popen(
        ["/bin/sh", "-c", line], stdin=PIPE, stdout=PIPE, stderr=PIPE, env=environment, cwd=cwd
    ) as process:
        assert process.stdin is not None
        process.stdin.write(data)
        process.stdin.flush()
        out, errors = process.communicate()
    assert (process.returncode, errors) == (0, b"")
    return out


def test_all_that_is_told_is_kept_and_nothing_is_printed(tmp_path: Path) -> None:
    data = "é 🦊 \\ $(id) `id` \"' %s \x00\n".encode() * 100
    assert run(hook("Stop"), tmp_path, data) == b""
    assert os.listdir(tmp_path) == ["Stop.event"]
    assert (tmp_path / "Stop.event").read_bytes() == data


def test_only_its_owner_may_read_it(tmp_path: Path) -> None:
    run(hook("Stop"), tmp_path)
    assert stat.S_IMODE((tmp_path / "Stop.event").stat().st_mode) == 0o600


def test_a_later_event_takes_the_place_of_an_earlier_one_as_another_file(tmp_path: Path) -> None:
    run(hook("Stop"), tmp_path, b"first, and longer")
    with (tmp_path / "Stop.event").open("rb") as reader:
        run(hook("Stop"), tmp_path, b"second")
        assert reader.read() == b"first, and longer"  # who reads it never sees half of two
    assert (tmp_path / "Stop.event").read_bytes() == b"second"
    assert os.listdir(tmp_path) == ["Stop.event"]


def test_what_is_too_long_is_cut_off_and_read_to_its_end(tmp_path: Path) -> None:
    data = os.urandom(MEGABYTE)
    run(hook("Stop"), tmp_path, data)
    assert (tmp_path / "Stop.event").read_bytes() == data[:BYTES]
    run(hook("Prompt", 2 * MEGABYTE), tmp_path, data)
    assert (tmp_path / "Prompt.event").read_bytes() == data


@pytest.mark.parametrize("size", [0, 1, BYTES - 1, BYTES, BYTES + 1])
def test_whatever_fits_is_whole(tmp_path: Path, size: int) -> None:
    run(hook("Stop"), tmp_path, b"x" * size)
    assert (tmp_path / "Stop.event").stat().st_size == min(size, BYTES)


@pytest.mark.parametrize("folder", [None, "", "gone", "file"])
def test_without_its_folder_it_is_silent_and_writes_nowhere(
    tmp_path: Path, folder: str | None
) -> None:
    (tmp_path / "file").write_text("a file")
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    where = tmp_path / folder if folder else folder
    run(hook("Stop"), where, os.urandom(MEGABYTE), cwd=workspace)
    assert list(workspace.iterdir()) == []
    assert sorted(os.listdir(tmp_path)) == ["file", "workspace"]


def test_a_folder_with_a_strange_name_is_a_folder(tmp_path: Path) -> None:
    folder = tmp_path / "$(touch oops) 'a' \"b\" *"
    folder.mkdir()
    run(hook("Stop"), folder, cwd=tmp_path)
    assert (folder / "Stop.event").exists()
    assert not (tmp_path / "oops").exists()


def test_a_folder_that_cannot_be_written_is_no_harm(tmp_path: Path) -> None:
    (tmp_path / "Stop.event").mkdir()
    (tmp_path / "Stop.event" / "kept").touch()
    run(hook("Stop"), tmp_path, os.urandom(MEGABYTE))
    assert (tmp_path / "Stop.event" / "kept").exists()


def test_a_file_of_the_session_is_told_to_the_agent(tmp_path: Path) -> None:
    (tmp_path / "briefing.md").write_text("Read the plan. ü\n")
    line = hook("SessionStart", told="briefing.md")
    assert run(line, tmp_path).decode() == "Read the plan. ü\n"
    assert (tmp_path / "SessionStart.event").exists()
    (tmp_path / "briefing.md").unlink()
    assert run(line, tmp_path) == b""
    assert run(line, None) == b""


def test_two_at_once_leave_one_whole_event(tmp_path: Path) -> None:
    line, data = hook("Stop", MEGABYTE), [b"a" * MEGABYTE, b"b" * MEGABYTE]
    begun = [
        subprocess.Popen(
            ["/bin/sh", "-c", line],
            stdin=subprocess.PIPE,
            env={"PATH": os.environ["PATH"], "AGENTCAVE_SESSION_DIR": str(tmp_path)},
        )
        for _ in data
    ]
    for process, each in zip(begun, data, strict=True):
        process.communicate(each)
    assert os.listdir(tmp_path) == ["Stop.event"]
    assert (tmp_path / "Stop.event").read_bytes() in data


def test_a_hook_is_two_small_processes(tmp_path: Path) -> None:
    line, best = hook("Stop"), 1.0
    for _ in range(20):
        began = time.perf_counter()
        run(line, tmp_path)
        best = min(best, time.perf_counter() - began)
    assert best < 0.03  # with the start of the shell; benchmarks/ measures it apart

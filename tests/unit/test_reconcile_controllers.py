"""One controller per project, known by its process."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from agentcave.errors import Busy
from agentcave.hosts.processes import identify
from agentcave.reconcile.controllers import (
    NAME,
    Controller,
    being_controller,
    clock_of,
    controller_of,
)

ROOT = str(Path(__file__).resolve().parents[2])
BE = """
import sys
from agentcave.reconcile.controllers import being_controller
with being_controller(sys.argv[1], detached=True) as identity:
    identity.is_watching()
    print("here", flush=True)
    sys.stdin.read()
"""


@contextmanager
def another(folder: Path) -> Iterator["subprocess.Popen[str]"]:
    """A controller in another process."""
    process = subprocess.Popen(
        [sys.executable, "-c", BE, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": ROOT},
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "here\n"
        yield process
    finally:
        process.kill()
        process.stdin.close()
        process.stdout.close()
        process.wait()


def test_there_is_none_at_first(tmp_path: Path) -> None:
    assert controller_of(str(tmp_path)) is None
    assert controller_of(str(tmp_path / "missing")) is None


def test_it_is_known_by_its_process_and_watches_once_it_has_looked(tmp_path: Path) -> None:
    with being_controller(str(tmp_path), detached=False) as identity:
        seen = controller_of(str(tmp_path))
        assert seen is not None
        assert seen.process == identify(os.getpid())
        assert (seen.detached, seen.watching, identity.watching) == (False, False, False)
        identity.is_watching()
        assert controller_of(str(tmp_path)) == seen._replace(watching=True)
        assert identity.watching


def test_it_is_gone_when_it_ends(tmp_path: Path) -> None:
    with being_controller(str(tmp_path), detached=False):
        pass
    assert controller_of(str(tmp_path)) is None
    assert (tmp_path / NAME).read_bytes() == b""


def test_it_is_gone_when_it_fails(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), being_controller(str(tmp_path), detached=False):
        _ = 1 / 0
    assert controller_of(str(tmp_path)) is None


def test_a_second_one_is_told_who_is_there_and_leaves_it_alone(tmp_path: Path) -> None:
    with another(tmp_path) as first:
        before = controller_of(str(tmp_path))
        with pytest.raises(Busy) as caught, being_controller(str(tmp_path), detached=False):
            pass
        assert before is not None
        assert (before.pid, before.detached, before.watching) == (first.pid, True, True)
        assert controller_of(str(tmp_path)) == before
        assert caught.value.exit_code == 75
        assert f"agentcave up --watch (pid {first.pid})" in str(caught.value)


def test_one_that_was_killed_is_none_and_its_place_is_free(tmp_path: Path) -> None:
    with another(tmp_path) as first:
        first.send_signal(signal.SIGKILL)
        first.wait()
        assert (tmp_path / NAME).read_bytes() != b""
        assert controller_of(str(tmp_path)) is None
        with being_controller(str(tmp_path), detached=False):
            seen = controller_of(str(tmp_path))
            assert seen is not None
            assert seen.pid == os.getpid()


def test_another_process_with_its_number_is_none(tmp_path: Path) -> None:
    ours = identify(os.getpid())
    assert ours is not None
    known = Controller(ours.pid, ours.start - 1, detached=False, since=0)
    (tmp_path / NAME).write_text(json.dumps(known._asdict()))
    assert controller_of(str(tmp_path)) is None
    (tmp_path / NAME).write_text(json.dumps(known._replace(start=ours.start)._asdict()))
    assert controller_of(str(tmp_path)) is not None


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", "3", '{"pid": 1}', '{"pid": 1, "other": 2}', "\xff" * 5000]
)
def test_a_file_that_says_nothing_sensible_names_nobody(tmp_path: Path, text: str) -> None:
    (tmp_path / NAME).write_text(text, encoding="latin-1")
    assert controller_of(str(tmp_path)) is None


def test_the_clock_goes_on_from_its_beginning_whatever_becomes_of_the_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with being_controller(str(tmp_path), detached=False) as identity:
        before = identity.clock()
        assert abs(before - time.time()) < 5
        monkeypatch.setattr(time, "time", lambda: 0.0)
        assert 0 <= identity.clock() - before < 60
        assert 0 <= clock_of(str(tmp_path))() - before < 60
    assert clock_of(str(tmp_path))() == 0.0

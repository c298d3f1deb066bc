"""Ending whole process trees: real ones, made by the demo agent."""

import os
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import anyio
import pytest
from storm import SLOTS, STORM

from agentcave.demo_children import SPAWNS
from agentcave.hosts import ending
from agentcave.hosts.ending import Ended, Family, end_families, end_family, send
from agentcave.hosts.processes import (
    Families,
    Process,
    ProcessId,
    family,
    identify,
    look,
    marked,
    parse,
    protected,
    snapshot,
)

START = Callable[..., "Root"]
MARKERS = [b"AGENTCAVE_SESSION_DIR=/nowhere/storm"]
HELD_BY_A_SUBREAPER = {"orphan", "stray"}  # tests/contract/test_strays.py


class Root:
    """A demo agent that leads its own session, as a pane does."""

    def __init__(self, script: str, marker: str) -> None:
        self.marker = marker.encode()
        self.said = ""
        name, _, value = marker.partition("=")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "agentcave.demo_agent", "--script", script],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
            env={**os.environ, name: value},
        )
        found = identify(self.process.pid)
        assert found is not None
        self.id = found

    def read_until(self, pattern: str, seconds: float = 10) -> re.Match[str]:
        """Wait for the pattern, and forget what came before its end."""
        assert self.process.stdout is not None
        deadline = time.monotonic() + seconds
        while not (match := re.search(pattern, self.said)):
            left = max(0.0, deadline - time.monotonic())
            ready = select.select([self.process.stdout], [], [], left)[0]
            chunk = os.read(self.process.stdout.fileno(), 65536) if ready else b""
            assert chunk, f"{pattern!r} never came: {self.said!r}"
            self.said += chunk.decode()
        self.said = self.said[match.end() :]
        return match


@pytest.fixture
def start() -> Iterator[START]:
    roots: list[Root] = []

    def begin(script: str, marker: str | None = None) -> Root:
        marker = marker or f"AGENTCAVE_SESSION_DIR=/nowhere/{os.getpid()}/{len(roots)}"
        roots.append(Root(script, marker))
        return roots[-1]

    yield begin
    for root in roots:
        for member in family(root.id, snapshot(), [root.marker]):
            send(member, signal.SIGKILL)
        with root.process as process:
            process.kill()


def is_gone(pid: int) -> bool:
    return identify(pid) is None


def until(condition: Callable[[], bool], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition never held"
        time.sleep(0.01)


def spawned(root: Root) -> list[int]:
    return [int(pid) for pid in root.read_until(r"spawned \S+: ([\d ]+)\n")[1].split()]


def test_a_command_may_hold_parentheses_spaces_and_newlines() -> None:
    fields = [b"S", b"7", b"8", b"9", *[b"0"] * 13, b"3", b"0", b"4242", b"0", b"0"]
    process = parse(b"12 (a) b) (\n c) " + b" ".join(fields))
    assert process == Process(12, 4242, 7, 8, 9, "S", 3, "a) b) (\n c")


def test_the_snapshot_knows_this_process() -> None:
    me = snapshot()[os.getpid()]
    assert (me.parent, me.group, me.session) == (os.getppid(), os.getpgrp(), os.getsid(0))
    assert not me.is_gone


def test_a_zombie_is_gone() -> None:
    process = subprocess.Popen(["true"])
    until(lambda: (seen := look(process.pid)) is not None and seen.state == "Z")
    assert identify(process.pid) is None
    process.wait()


def test_init_ourselves_our_ancestors_and_the_spared_are_protected() -> None:
    assert {1, os.getpid(), os.getppid(), 4711} <= protected(snapshot(), [4711])


def test_a_marker_is_the_whole_entry(start: START) -> None:
    root = start("print up")
    root.read_until("up")
    prefix = root.marker[:-1]
    assert marked({root.marker: "x", prefix: "y"}, snapshot().values()) == {root.id: "x"}
    assert marked({prefix: "y"}, snapshot().values()) == {}


@pytest.mark.parametrize("how", sorted(SPAWNS.keys() - HELD_BY_A_SUBREAPER))
async def test_children_that_outlive_their_agent_are_ended_with_it(start: START, how: str) -> None:
    root = start(f"spawn {how} 2")
    children = spawned(root)
    grace = 1 if how == "stubborn" else 60
    ended = await end_family(root.id, markers=[root.marker], grace=grace)
    assert all(map(is_gone, [root.id.pid, *children]))
    assert {member.pid for member in ended.ended | ended.killed} >= {root.id.pid, *children}
    assert not ended.left
    assert bool(ended.killed) == (how == "stubborn")


@pytest.mark.parametrize("how", ["nohup", "setsid", "double-fork", "stubborn"])
async def test_what_an_agent_left_behind_is_found_by_its_marker(start: START, how: str) -> None:
    root = start(f"spawn {how}; exit 0")
    (child,) = spawned(root)
    root.process.wait()
    await end_family(None, markers=[root.marker], grace=0.2)
    assert is_gone(child)


async def test_children_without_a_marker_are_found_while_their_agent_lives(start: START) -> None:
    root = start("spawn clean-env; spawn nohup")
    children = [*spawned(root), *spawned(root)]
    assert {child.pid for child in family(root.id, snapshot())} == {root.id.pid, *children}
    await end_family(root.id, grace=5)
    assert all(map(is_gone, children))


async def test_a_stubborn_agent_is_killed_after_its_grace(start: START) -> None:
    root = start("ignore TERM HUP INT; print deaf")
    root.read_until("deaf\n> ")
    begun = time.monotonic()
    ended = await end_family(root.id, grace=0.4)
    assert ended == Ended(frozenset(), frozenset({root.id}), {})
    assert 0.4 <= time.monotonic() - begun < 3


async def test_the_signal_asked_for_is_the_one_that_is_sent(start: START) -> None:
    root = start("print up")
    root.read_until("up\n> ")
    await end_family(root.id, signal=signal.SIGHUP, grace=5)
    assert root.process.wait() == 129


async def test_a_stopped_agent_is_woken_to_end_politely(start: START) -> None:
    root = start("print up")
    root.read_until("up\n> ")
    root.process.send_signal(signal.SIGSTOP)
    until(lambda: (seen := look(root.id.pid)) is not None and seen.is_stopped)
    await end_family(root.id, grace=5)
    assert root.process.wait() == 143


async def test_a_fork_storm_is_ended(start: START) -> None:
    root = start("fork-storm 300")
    root.read_until("storm of")
    until(lambda: len(marked({root.marker: 1}, snapshot().values())) > 5)
    ended = await end_family(root.id, markers=[root.marker], grace=0.05)
    assert not marked({root.marker: 1}, snapshot().values())
    assert len(ended.killed) > 5
    assert not ended.left


@pytest.fixture
def storm(tmp_path: Path) -> Iterator[ProcessId]:
    script, on = tmp_path / "storm.py", tmp_path / "on"
    script.write_text(STORM)
    on.touch()
    environ = {**os.environ, "AGENTCAVE_SESSION_DIR": "/nowhere/storm"}
    program = [sys.executable, script, on]
    with subprocess.Popen(program, start_new_session=True, env=environ) as root:
        try:
            found = identify(root.pid)
            assert found is not None
            # Not by kinship alone: on a busy machine, most are orphans when they are seen.
            until(lambda: len(family(found, snapshot(), MARKERS)) > SLOTS // 4, seconds=30)
            yield found
        finally:
            on.unlink()


async def test_a_storm_that_is_faster_than_the_looks_is_ended(
    storm: ProcessId, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slowly() -> dict[int, Process]:
        time.sleep(0.2)
        return snapshot()

    monkeypatch.setattr(ending, "snapshot", slowly)
    with anyio.fail_after(30):
        ended = await end_family(storm, markers=MARKERS, grace=0.1)
    assert ended.left == {}
    assert family(None, snapshot(), MARKERS) == set()


async def test_many_families_are_ended_at_once_with_one_scan_a_look(
    start: START, monkeypatch: pytest.MonkeyPatch
) -> None:
    roots = [start("spawn setsid; print up") for _ in range(6)]
    children = [child for root in roots for child in spawned(root)]
    looks = 0

    def counted() -> dict[int, Process]:
        nonlocal looks
        looks += 1
        return snapshot()

    monkeypatch.setattr(ending, "snapshot", counted)
    wanted = {root.id.pid: Family(root.id, (root.marker,), grace=5) for root in roots}
    results = await end_families(wanted)
    for root, child in zip(roots, children, strict=True):
        ended = results[root.id.pid].ended
        assert {member.pid for member in ended} >= {root.id.pid, child}
        assert child not in {
            m.pid for key in wanted if key != root.id.pid for m in results[key].ended
        }
    assert looks < 30


async def test_each_family_has_its_own_grace(start: START) -> None:
    patient, hasty = (start("ignore TERM; print deaf") for _ in range(2))
    for root in (patient, hasty):
        root.read_until("deaf\n> ")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(
            end_families,
            {"patient": Family(patient.id, grace=60), "hasty": Family(hasty.id, grace=0.1)},
        )
        with anyio.fail_after(10):
            while not is_gone(hasty.id.pid):
                await anyio.sleep(0.02)
        assert not is_gone(patient.id.pid)
        tasks.cancel_scope.cancel()


async def test_unrelated_processes_survive(start: START) -> None:
    root, other = start("spawn setsid"), start("spawn setsid")
    (child,), (others_child,) = spawned(root), spawned(other)
    await end_family(root.id, markers=[root.marker], grace=5)
    assert is_gone(child)
    assert not is_gone(other.id.pid)
    assert not is_gone(others_child)


async def test_a_pid_that_was_used_again_is_never_signalled(start: START) -> None:
    root = start("spawn setsid")
    spawned(root)
    stale = ProcessId(root.id.pid, root.id.start - 1)
    assert send(stale, signal.SIGKILL) is None
    assert await end_family(stale, grace=0.1) == Ended()
    assert not is_gone(root.id.pid)


async def test_without_pidfds_the_start_is_checked_all_the_same(
    start: START, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(pid: int) -> int:
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(os, "pidfd_open", missing)
    root = start("print up")
    root.read_until("up\n> ")
    assert send(ProcessId(root.id.pid, root.id.start - 1), signal.SIGKILL) is None
    assert not is_gone(root.id.pid)
    await end_family(root.id, grace=5)
    assert root.process.wait() == 143


async def test_what_may_not_be_signalled_is_reported(
    start: START, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(descriptor: int, number: int) -> None:
        raise PermissionError(1, "Operation not permitted")

    root = start("print up")
    root.read_until("up\n> ")
    monkeypatch.setattr(signal, "pidfd_send_signal", refused)
    ended = await end_family(root.id, grace=0.1)
    monkeypatch.undo()
    assert ended.left == {root.id: "cannot send SIGSTOP: Operation not permitted"}
    assert not ended.ended | ended.killed


async def test_we_and_what_we_run_under_are_reported_and_left_alone() -> None:
    me = identify(os.getpid())
    assert me is not None
    ended = await end_family(me, grace=0.1)
    assert ended.left == {me: "it is agentcave itself, or something it depends on"}


async def test_the_spared_survive_and_so_do_their_children(start: START) -> None:
    root = start("spawn setsid")
    (child,) = spawned(root)
    (middle,) = (m for m in family(root.id, snapshot()) if m.pid == child)
    await end_family(root.id, spare=[middle.pid], grace=5)
    assert is_gone(root.id.pid)
    assert not is_gone(child)


async def test_cancelled_nothing_is_left_stopped(start: START) -> None:
    root = start("ignore TERM; print deaf")
    root.read_until("deaf\n> ")
    with anyio.move_on_after(0.3):
        await end_family(root.id, grace=60)
    process = look(root.id.pid)
    assert process is not None
    assert not process.is_stopped


def process(pid: int, parent: int, session: int, start: int = 10) -> Process:
    return Process(pid, start, parent, pid, session, "S", 1, "x")


def world(*processes: Process) -> dict[int, Process]:
    return {each.pid: each for each in processes}


def test_a_member_is_followed_after_its_parent_has_gone() -> None:
    families = Families({"a": ProcessId(100_001, 10)}, {})
    root, child = process(100_001, 1, 100_001), process(100_002, 100_001, 100_002)
    families.follow(world(root, child), (), environments=False)
    orphan, grandchild = process(100_002, 1, 100_002), process(100_003, 100_002, 100_003)
    later = world(orphan, grandchild)
    families.follow(later, (), environments=False)
    assert set(families.living(later)) == {orphan.id, grandchild.id}


def test_members_of_a_session_stay_in_the_family_when_its_leader_has_gone() -> None:
    families = Families({"a": ProcessId(100_001, 10)}, {})
    families.follow(world(process(100_001, 1, 100_001)), (), environments=False)
    later = world(process(100_009, 1, 100_001))
    families.follow(later, (), environments=False)
    assert [member.pid for member in families.living(later)] == [100_009]


def test_an_orphan_in_the_session_of_a_living_root_is_found_at_the_first_look() -> None:
    root, orphan = process(100_001, 1, 100_001), process(100_002, 1, 100_001)
    assert family(root.id, world(root, orphan)) == {root.id, orphan.id}


def test_a_session_of_a_reused_pid_belongs_to_nobody() -> None:
    families = Families({"a": ProcessId(100_001, 10)}, {})
    families.follow(world(process(100_001, 1, 100_001)), (), environments=False)
    stranger = process(100_001, 1, 100_001, start=99)
    later = world(stranger, process(100_009, 100_001, 100_001, start=99))
    families.follow(later, (), environments=False)
    assert families.living(later) == {}


def test_an_older_process_is_no_child_of_a_younger_one() -> None:
    families = Families({"a": ProcessId(100_001, 10)}, {})
    seen = world(process(100_001, 1, 1), process(100_002, 100_001, 1, start=5))
    families.follow(seen, (), environments=False)
    assert [member.pid for member in families.living(seen)] == [100_001]


def test_a_family_within_a_family_keeps_its_own() -> None:
    outer, inner = process(100_001, 1, 100_001), process(100_002, 100_001, 100_002)
    grandchild = process(100_003, 100_002, 100_002)
    families = Families({"outer": outer.id, "inner": inner.id}, {})
    seen = world(outer, inner, grandchild)
    families.follow(seen, (), environments=False)
    assert families.living(seen) == {
        outer.id: "outer",
        inner.id: "inner",
        grandchild.id: "inner",
    }


def test_signalling_what_has_ended_is_no_problem() -> None:
    process = subprocess.Popen(["true"])
    found = ProcessId(process.pid, 1)
    process.wait()
    assert send(found, signal.SIGTERM) is None

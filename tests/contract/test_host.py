"""What hosts/base.py promises, kept by every place where processes run and files lie."""

import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import anyio
import pytest

from agentcave.errors import CaveError, DeadlineExceeded, Unavailable
from agentcave.hosts import Completed, Host, LocalHost
from agentcave.hosts.processes import identify

Runner = Callable[..., Awaitable[Completed]]
MEGABYTE = 1 << 20


CROWDED = """
import os, resource
import anyio
from agentcave.errors import Unavailable
from agentcave.hosts import LocalHost
async def run():
    return await LocalHost().run(("/bin/true",))
ways = (lambda: LocalHost().read(("/bin/true",)), lambda: anyio.run(run))
for way in ways:
    way()  # which imports what it needs
if os.getuid() == 0:  # root may start any number
    os.setgroups([]); os.setgid(65534); os.setuid(65534)
resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
for way in ways:
    try:
        way()
    except Unavailable as exc:
        print(exc)
"""


@pytest.fixture(params=[LocalHost])
def host(request: pytest.FixtureRequest) -> Host:
    made: Host = request.param()
    return made


@pytest.fixture(params=["run", "read", "begin"])
def run(request: pytest.FixtureRequest, host: Host) -> Runner:
    """The three ways of running a process to its end."""

    async def runner(*argv: str, **options: object) -> Completed:
        if request.param == "run":
            return await host.run(argv, **options)  # type: ignore[arg-type]
        if request.param == "read":
            return host.read(argv, **options)  # type: ignore[arg-type]
        return host.begin(argv, **options).result()  # type: ignore[arg-type]

    return runner


async def gone(pid: int) -> None:
    with anyio.fail_after(10):
        while identify(pid) is not None:
            await anyio.sleep(0.01)


async def read_pids(path: Path, count: int) -> list[int]:
    with anyio.fail_after(10):
        while not path.exists() or len(words := path.read_text().split()) < count:
            await anyio.sleep(0.01)
    return [int(word) for word in words]


async def test_a_process_is_run_to_its_end(run: Runner) -> None:
    done = await run("sh", "-c", "echo out; echo err >&2; exit 3")
    assert (done.returncode, done.stdout, done.stderr) == (3, b"out\n", b"err\n")


@pytest.mark.parametrize("options", [{}, {"cwd": "/"}])
async def test_a_time_out_names_the_program_and_none_of_its_arguments(
    run: Runner, options: dict[str, str]
) -> None:
    with pytest.raises(DeadlineExceeded, match=r"sleep …` gave no answer within 0\.05 s") as told:
        await run("sleep", "60", "3600", timeout=0.05, **options)
    assert "60" not in str(told.value)


async def test_a_signal_is_a_negative_returncode(run: Runner) -> None:
    done = await run("sh", "-c", "kill -TERM $$")
    assert done.returncode == -signal.SIGTERM


async def test_arguments_are_no_shell_words(run: Runner) -> None:
    words = ("$HOME", "`id`", "a b", "", "'", '"', "-n", "ü\n")
    done = await run("printf", "[%s]", *words)
    assert done.stdout.decode() == "".join(f"[{word}]" for word in words)


async def test_without_stdin_a_process_reads_nothing(run: Runner) -> None:
    assert (await run("cat", timeout=10.0)).stdout == b""


async def test_stdin_is_fed_whole_while_output_is_read(run: Runner) -> None:
    data = os.urandom(3 * MEGABYTE)
    done = await run("cat", stdin=data)
    assert done.stdout == data


async def test_a_process_that_ignores_its_stdin_is_no_error(run: Runner) -> None:
    done = await run("true", stdin=b"x" * MEGABYTE)
    assert done.returncode == 0


async def test_the_environment_given_is_the_whole_one(
    run: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OURS", "1")
    assert b"OURS=1" in (await run("env")).stdout.splitlines()
    done = await run("/usr/bin/env", environment={"ONLY": "this"})
    assert done.stdout == b"ONLY=this\n"


async def test_a_process_starts_in_the_directory_given(run: Runner, tmp_path: Path) -> None:
    place = tmp_path / "-a b'$(x)"
    place.mkdir()
    done = await run("pwd", "-P", cwd=str(place))
    assert done.stdout.decode() == f"{place}\n"


async def test_a_missing_program_is_unavailable(run: Runner) -> None:
    with pytest.raises(Unavailable, match="no-such-program"):
        await run("no-such-program")
    with pytest.raises(Unavailable, match="/no/such"):
        await run("/no/such/program")


async def test_a_file_that_cannot_be_executed_is_unavailable(run: Runner, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("hello")
    with pytest.raises(Unavailable):
        await run(str(tmp_path / "text"))


async def test_at_the_deadline_the_whole_process_group_is_killed(
    run: Runner, tmp_path: Path
) -> None:
    pids = tmp_path / "pids"
    script = f"trap '' TERM; sleep 300 & echo $$ $! > '{pids}'; wait"
    began = time.monotonic()
    with pytest.raises(DeadlineExceeded, match="`sh …`"):
        await run("sh", "-c", script, timeout=0.5)
    assert time.monotonic() - began < 10
    for pid in await read_pids(pids, 2):
        await gone(pid)


QUIET = ("sh", "-c", "exec >&- 2>&-; exec sleep 15")


async def test_falling_silent_does_not_outwit_the_deadline(host: Host) -> None:
    with pytest.raises(DeadlineExceeded):
        await host.run(QUIET, timeout=0.5)


def test_falling_silent_does_not_outwit_the_deadline_of_a_read(host: Host) -> None:
    with pytest.raises(DeadlineExceeded):
        host.read(("sh", "-c", "exec >&- 2>&-; exec sleep 2"), timeout=0.2)


async def test_cancelling_a_run_kills_the_whole_process_group(host: Host, tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    script = f"sleep 300 & echo $$ $! > '{pids}'; wait"
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(host.run, ("sh", "-c", script))
        both = await read_pids(pids, 2)
        tasks.cancel_scope.cancel()
    for pid in both:
        await gone(pid)


def test_what_has_begun_runs_beside_its_starter(host: Host, tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    begun = host.begin(("cat", str(fifo)))
    fifo.write_text("written after the start")
    assert begun.result().stdout == b"written after the start"


async def test_a_stream_is_talked_to(host: Host) -> None:
    async with host.stream(("cat",)) as stream:
        await stream.send(b"ping\n")
        assert await stream.receive() == b"ping\n"
        pid = stream.pid
    await gone(pid)


async def test_the_end_of_a_stream_is_no_bytes_and_a_returncode(host: Host) -> None:
    async with host.stream(("sh", "-c", "echo out; echo err >&2; exit 4")) as stream:
        heard = b""
        with anyio.fail_after(10):
            while chunk := await stream.receive():
                heard += chunk
        assert sorted(heard.split()) == [b"err", b"out"]
        assert await stream.wait() == 4


async def test_a_stream_that_clings_to_life_is_gone_at_the_end(host: Host) -> None:
    script = "trap '' TERM HUP; echo $$; while :; do sleep 1; done"
    async with host.stream(("sh", "-c", script)) as stream:
        pid = int(await stream.receive())
    await gone(pid)


async def test_a_stream_of_a_missing_program_is_unavailable(host: Host) -> None:
    with pytest.raises(Unavailable):
        async with host.stream(("no-such-program",)):
            pass


def test_a_program_is_looked_up_in_the_path_given(host: Host, tmp_path: Path) -> None:
    program = tmp_path / "tool"
    program.write_text("#!/bin/sh\n")
    assert host.which("tool", str(tmp_path)) is None
    program.chmod(0o755)
    assert host.which("tool", f"/nowhere:{tmp_path}") == str(program)
    assert host.which("tool") is None
    assert host.which(str(program), "/nowhere") == str(program)


def test_a_directory_is_no_program(host: Host, tmp_path: Path) -> None:
    (tmp_path / "tool").mkdir()
    assert host.which("tool", str(tmp_path)) is None


def test_a_file_is_read_up_to_the_limit(host: Host, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"0123456789" * 20_000)
    assert host.read_file(str(path), 5) == b"01234"
    assert len(host.read_file(str(path), MEGABYTE)) == 200_000


@pytest.mark.parametrize("kind", ["missing", "symlink", "dangling", "directory", "fifo"])
def test_only_regular_files_are_read(host: Host, tmp_path: Path, kind: str) -> None:
    path, target = tmp_path / "path", tmp_path / "target"
    if kind in ("symlink", "dangling"):
        path.symlink_to(target)
    if kind == "symlink":
        target.write_text("elsewhere")
    if kind == "directory":
        path.mkdir()
    if kind == "fifo":
        os.mkfifo(path)
    with pytest.raises(CaveError, match=str(path)):
        host.read_file(str(path), 100)


def test_a_written_file_is_private_unless_told_otherwise(host: Host, tmp_path: Path) -> None:
    host.write_file(str(tmp_path / "private"), b"data")
    host.write_file(str(tmp_path / "public"), b"", 0o644)
    assert (tmp_path / "private").read_bytes() == b"data"
    assert stat.S_IMODE((tmp_path / "private").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "public").stat().st_mode) == 0o644


def test_a_symlink_is_replaced_and_not_followed(host: Host, tmp_path: Path) -> None:
    path, target = tmp_path / "path", tmp_path / "target"
    target.write_text("precious")
    path.symlink_to(target)
    host.write_file(str(path), b"new")
    assert target.read_text() == "precious"
    assert not path.is_symlink()
    assert path.read_bytes() == b"new"


def test_whoever_reads_during_a_write_sees_the_old_file_whole(host: Host, tmp_path: Path) -> None:
    path = tmp_path / "path"
    host.write_file(str(path), b"old")
    with path.open("rb") as reader:
        host.write_file(str(path), b"new and longer")
        assert reader.read() == b"old"
    assert path.read_bytes() == b"new and longer"


@pytest.mark.parametrize("place", ["gone/file", "folder"])
def test_a_write_that_fails_leaves_everything_as_it_was(
    host: Host, tmp_path: Path, place: str
) -> None:
    (tmp_path / "folder" / "inside").mkdir(parents=True)
    with pytest.raises(CaveError, match="cannot write"):
        host.write_file(str(tmp_path / place), b"data")
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_a_limit_of_processes_is_named_where_none_can_be_started() -> None:
    done = subprocess.run([sys.executable, "-c", CROWDED], capture_output=True, text=True)
    said = "cannot start /bin/true: no more processes can be started (`ulimit -u` is 0)"
    assert [line.startswith(said) for line in done.stdout.splitlines()] == [True, True], done

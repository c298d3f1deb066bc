import os
import subprocess
import sys
from typing import NamedTuple

import pytest

from agentcave.tmux import (
    CommandFailed,
    Garbage,
    NoServer,
    Server,
    ServerMismatch,
    TmuxBroken,
    TmuxError,
    TmuxTooOld,
    Unreachable,
    check_version,
    formats,
    interpret,
    parse_panes,
    scrubbed,
)
from agentcave.tmux.versions import DEATHS_LOST, PASTE_REWRITES, Version, parse_version

SERVER = Server("agentcave")


class Done(NamedTuple):
    returncode: int
    stdout: bytes = b""
    stderr: bytes = b""


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("tmux 3.2a\n", (3, 2, "a")),
        ("tmux 3.3a\n", (3, 3, "a")),
        ("3.4", (3, 4, "")),
        ("tmux next-3.5", (3, 5, "")),
        ("tmux 3.5-rc2", (3, 5, "")),
        ("tmux 3.10b", (3, 10, "b")),
    ],
)
def test_versions_are_read(text: str, version: tuple[int, int, str]) -> None:
    assert parse_version(text) == version


@pytest.mark.parametrize("text", ["tmux master", "tmux openbsd-7.5"])
def test_a_version_without_a_number_is_new(text: str) -> None:
    assert parse_version(text).is_newer_than_seen


@pytest.mark.parametrize("text", ["tmux 1.8", "tmux 3.1c", "tmux 3.2"])
def test_old_versions_are_refused_by_name(text: str) -> None:
    with pytest.raises(TmuxTooOld, match=text.removeprefix("tmux ")):
        parse_version(text)


@pytest.mark.parametrize("text", ["", "tmux", "GNU screen", "tmux three.four", "3"])
def test_a_version_that_is_none_is_garbage(text: str) -> None:
    with pytest.raises(Garbage):
        parse_version(text)


def test_a_quirk_comes_and_goes_with_its_versions() -> None:
    assert not Version(3, 6, "b").has(PASTE_REWRITES)
    assert Version(3, 7).has(PASTE_REWRITES)
    assert Version(3, 5, "a").has(DEATHS_LOST)
    assert not Version(3, 6).has(DEATHS_LOST)


ROW = b"$0 %1 12 0   0 34 0 name sh title\n"
END = formats.END.encode() + b"\n"
LACKS = b"tmux: error while loading shared libraries: libjemalloc.so.2: cannot open\n"


def test_a_program_that_cannot_start_is_not_taken_for_missing() -> None:
    for run in (check_version, lambda done: interpret(SERVER, done, "list-panes", {})):
        with pytest.raises(TmuxBroken, match=r"is installed and cannot start: .*libjemalloc"):
            run(Done(127, stderr=LACKS))
        with pytest.raises(TmuxBroken, match="cannot start"):
            run(Done(-4))


@pytest.mark.parametrize(
    ("said", "error"),
    [
        ("no server running on /tmp/s", NoServer),
        ("error connecting to /tmp/s (No such file or directory)", NoServer),
        ("error connecting to /tmp/s (Connection refused)", NoServer),
        ("error connecting to /tmp/s (Permission denied)", Unreachable),
        ("error creating /tmp/s (Read-only file system)", Unreachable),
        ("error connecting to /tmp/s (File name too long)", Unreachable),
        ("directory /tmp/tmux-0 has unsafe permissions", Unreachable),
        ("protocol version mismatch (client 9, server 8)", ServerMismatch),
        ("can't find session: x", CommandFailed),
        ("", CommandFailed),
        ("ERROR: ld.so: object 'x.so' cannot be preloaded\nno server running on /tmp/s", NoServer),
    ],
)
def test_failures_are_told_apart(said: str, error: type[TmuxError]) -> None:
    with pytest.raises(error) as caught:
        interpret(SERVER, Done(1, stderr=said.encode() + b"\n"), "list-panes", {})
    assert str(caught.value).endswith(".")


def test_only_nothing_is_read_as_nothing() -> None:
    nothing = Done(1, stderr=b"no server running on /tmp/s\n")
    assert parse_panes(SERVER, nothing, {}) == []
    assert parse_panes(SERVER, Done(1, stderr=b"no current target\n"), {}) == []
    with pytest.raises(Unreachable):
        parse_panes(SERVER, Done(1, stderr=b"error connecting to /s (Permission denied)"), {})
    for output in (b"", b"hello\n", ROW, ROW[:-1], ROW + END[:-1], END, ROW + END + b"$1 %"):
        with pytest.raises(Garbage):
            parse_panes(SERVER, Done(0, stdout=output), {})
    (row,) = parse_panes(SERVER, Done(0, stdout=ROW + END), {})
    assert row.pane_id == "%1"


def test_a_name_and_a_path_are_told_apart() -> None:
    assert SERVER.argv("a")[:4] == ["tmux", "-u", "-L", "agentcave"]
    assert Server("/tmp/s").argv("a")[:4] == ["tmux", "-u", "-S", "/tmp/s"]
    assert SERVER.socket_path({}) == f"/tmp/tmux-{os.getuid()}/agentcave"
    assert SERVER.socket_path({"TMUX_TMPDIR": "/x"}) == f"/x/tmux-{os.getuid()}/agentcave"


def test_a_final_semicolon_is_protected() -> None:
    assert SERVER.argv("send-keys", "a;", ";", "a\\;")[-3:] == ["a\\;", "\\;", "a\\\\;"]


def test_a_path_too_long_for_a_socket_is_refused() -> None:
    with pytest.raises(Unreachable, match="107 bytes"):
        Server("/" + "é" * 60).argv("list-panes")


def test_the_environment_is_scrubbed() -> None:
    given = {"PATH": "/bin", "LC_ALL": "C", "TMUX": "x", "AGENTCAVE_CAVE": "x", "API_KEY": "x"}
    assert scrubbed(given) == {"PATH": "/bin", "LC_ALL": "C", "TERM": "dumb"}


def test_the_read_only_path_stays_cheap_to_import() -> None:
    code = "import agentcave.tmux, sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {"anyio", "asyncio", "subprocess", "socket", "logging", "dataclasses", "pathlib"}
    assert not heavy & set(done.stdout.split())

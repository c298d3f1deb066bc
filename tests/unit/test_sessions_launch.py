"""The launch file, carried out by the shell that will do so."""

import os
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentcave.sessions.launch import WRONG_DIRECTORY, is_taken, process_in, quote, script

DUMP = (sys.executable, "-c", "import os,sys; sys.stdout.buffer.write(os.environb[b'V'])")
HOSTILE = (
    "",
    "plain",
    "it's",
    "'; echo pwned; '",
    '"double" \\ back\\\\slash',
    "$(id) `id` ${HOME} $HOME $$ !!",
    "line one\nline two\n",
    "\n\n",
    "tab\tand \r return",
    "-n --rf",
    "~ * ? [a] {b,c} # & | ; < > ( )",
    "grüße 日本語 🦊",
    "\x1b[31m\x07\x7f",
    os.fsdecode(b"\xff\xfe not utf-8"),
    "x" * 100_000,
)


def run(
    tmp_path: Path,
    argv: Sequence[str],
    environment: Mapping[str, str],
    server_names: Iterable[str] = (),
    cwd: Path | None = None,
    inherited: Mapping[str, str] | None = None,
) -> tuple[subprocess.CompletedProcess[bytes], Path]:
    launch = tmp_path / "launch it's $me"
    place = os.path.realpath(tmp_path if cwd is None else cwd)
    launch.write_bytes(script(argv, place, environment, server_names))
    started_with = {"TERM": "tmux-256color", **(inherited or {})}
    done = subprocess.run(
        ["/bin/sh", str(launch)], capture_output=True, env=started_with, timeout=30, check=False
    )
    return done, launch


def environment_of(done: subprocess.CompletedProcess[bytes]) -> dict[str, str]:
    entries = (entry.partition(b"=") for entry in done.stdout.split(b"\0") if entry)
    return {os.fsdecode(name): os.fsdecode(value) for name, _, value in entries}


def test_no_value_is_in_the_argv_of_the_shell_or_of_what_it_becomes() -> None:
    """Only what a shell will not export goes through ``env``: no secret has such a name."""
    lines = script(("/bin/agent", "--fast"), "/w", {"TOKEN": "canary", "UID": "0"}, ()).split(b"\n")
    (becomes,) = [line for line in lines if line.startswith(b"exec '")]
    assert becomes == b"exec '/usr/bin/env' 'UID=0' '/bin/agent' '--fast'"
    assert b"export TOKEN='canary'" in lines


@pytest.mark.parametrize("value", HOSTILE)
def test_every_value_arrives_as_it_is(tmp_path: Path, value: str) -> None:
    done, _ = run(tmp_path, DUMP, {"V": value})
    assert done.stdout == os.fsencode(value)


@pytest.mark.parametrize("value", HOSTILE)
def test_every_argument_arrives_as_it_is(tmp_path: Path, value: str) -> None:
    echo = "import os,sys; sys.stdout.buffer.write(os.fsencode(sys.argv[1]))"
    done, _ = run(tmp_path, (sys.executable, "-c", echo, value), {"LC_ALL": "C.UTF-8"})
    assert done.stdout == os.fsencode(value)


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
def test_a_quoted_word_is_one_word_for_the_shell(value: str) -> None:
    words = ["/bin/sh", "-c", f"printf %s {quote(value)}"]
    assert subprocess.run(words, capture_output=True, check=True).stdout == value.encode()


@pytest.mark.parametrize("shell", ["/bin/sh", "bash"])
def test_the_folder_of_the_session_is_held_open_for_children(tmp_path: Path, shell: str) -> None:
    folder = tmp_path / "sessions" / "it's $me"
    look = ("readlink", "/proc/self/fd/9")
    launch = tmp_path / "launch"
    for exists in (False, True):
        environment = {"AGENTCAVE_SESSION_DIR": str(folder)}
        launch.write_bytes(script(look, os.path.realpath(tmp_path), environment, ()))
        done = subprocess.run([shell, launch], capture_output=True, check=False)
        assert done.stdout == (b"%s\n" % os.fsencode(folder.resolve()) if exists else b"")
        folder.mkdir(parents=True, exist_ok=True)


def test_the_file_holds_a_process_id_alone_before_the_program_runs(tmp_path: Path) -> None:
    look = ("/bin/sh", "-c", 'echo $$; cat "$0"', str(tmp_path / "launch it's $me"))
    done, launch = run(tmp_path, look, {"SECRET": "hunter2"})
    mine, held = map(int, done.stdout.split())
    assert (held, process_in(str(launch))) == (mine, mine)


def test_a_file_that_was_not_taken_holds_no_process_id(tmp_path: Path) -> None:
    launch = tmp_path / "launch"
    for text in (script(("/bin/true",), "/", {}, ()), b"", b"12", b"12345678901\n", b"-1\n"):
        launch.write_bytes(text)
        assert not is_taken(str(launch))


def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    pipe, folder, link = tmp_path / "pipe", tmp_path / "folder", tmp_path / "link"
    os.mkfifo(pipe)
    folder.mkdir()
    assert process_in(str(pipe)) is None
    assert process_in(str(folder)) is None
    link.symlink_to(pipe)
    with pytest.raises(OSError, match="symbolic"):
        process_in(str(link))


def test_the_shell_becomes_the_program(tmp_path: Path) -> None:
    tell = ("/bin/sh", "-c", "readlink /proc/$$/exe; cat /proc/$$/cmdline")
    done, _ = run(tmp_path, tell, {})
    assert b"launch it" not in done.stdout


def test_the_program_starts_in_its_directory(tmp_path: Path) -> None:
    place = tmp_path / "-odd 'name' $(x)\nü"
    place.mkdir()
    done, _ = run(tmp_path, ("/bin/pwd",), {}, cwd=place)
    assert done.stdout == os.fsencode(f"{os.path.realpath(place)}\n")


@pytest.mark.parametrize("how", ["gone", "replaced by a link"])
def test_another_directory_is_refused_by_name(tmp_path: Path, how: str) -> None:
    place, elsewhere = tmp_path / "place", tmp_path / "elsewhere"
    elsewhere.mkdir()
    text = script(("/bin/echo", "started"), str(place), {}, ())
    if how != "gone":
        place.symlink_to(elsewhere)
    launch = tmp_path / "launch"
    launch.write_bytes(text)
    done = subprocess.run(["/bin/sh", str(launch)], capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (WRONG_DIRECTORY, b"")
    assert f"cannot enter {place}".encode() in done.stderr
    assert is_taken(str(launch))


def test_the_environment_is_what_was_handed_over_and_the_terminals_own(tmp_path: Path) -> None:
    lent = {
        "TMUX": "/s,1,0",
        "TMUX_PANE": "%1",
        "AGENTCAVE_STAMP": "abc",
        "OF_THE_SERVER": "x",
        "BOTH": "server",
    }
    handed = {"A": "1", "BOTH": "ours", "TERM": "dumb", "TMUX": "/theirs", "TMUX_PANE": "%9"}
    server_names = ("OF_THE_SERVER", "BOTH", "TMUX", "TERM", "not a name; echo pwned")
    done, _ = run(tmp_path, ("/usr/bin/env", "-0"), handed, server_names, inherited=lent)
    seen = environment_of(done)
    for of_the_shell in ("PWD", "_", "SHLVL"):
        seen.pop(of_the_shell, None)
    assert seen == {
        "A": "1",
        "BOTH": "ours",
        "COLORTERM": "truecolor",
        "TERM": "tmux-256color",
        "TMUX": "/s,1,0",
        "TMUX_PANE": "%1",
    }
    assert done.stderr == b""


def test_names_that_no_shell_can_hold_are_left_out(tmp_path: Path) -> None:
    handed = {"BASH_FUNC_x%%": "() { :; }", "a.b": "1", "A B": "2", "1X": "3", "": "4", "OK": "5"}
    done, _ = run(tmp_path, ("/usr/bin/env", "-0"), handed)
    seen = environment_of(done)
    assert done.returncode == 0
    assert seen["OK"] == "5"
    assert not set(seen) & (set(handed) - {"OK"})


def test_names_that_some_shells_refuse_to_assign_arrive_too(tmp_path: Path) -> None:
    handed = {"UID": "7", "PPID": "8", "SHELLOPTS": "x", "A": "it's"}
    done, _ = run(tmp_path, ("/usr/bin/env", "-0"), handed)
    seen = environment_of(done)
    assert {name: seen.get(name) for name in handed} == handed


def test_a_program_that_is_not_there_fails_as_in_a_shell(tmp_path: Path) -> None:
    done, launch = run(tmp_path, ("/no/such/program",), {"SECRET": "hunter2"})
    assert done.returncode == 127
    assert b"hunter2" not in done.stderr
    assert is_taken(str(launch))

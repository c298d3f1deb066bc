"""The table of agentcave/tmux/versions.py, held against the version that runs here.

Not here: ``deaths-lost`` comes by chance (tests/tmux/test_tmux_real_panes.py bears it), and
``refuses-older`` takes two versions (tests/systems).
"""

import os
import pty

import pytest

from agentcave.tmux.versions import (
    ESCAPES_CONTROLS,
    FORGETS_PROCESS,
    KEEPS_NAMES,
    PASTE_REWRITES,
    VIEWER_REFUSES_KEYS,
    Version,
    parse_version,
)
from tests.tmux.conftest import World, eventually, read, write


@pytest.fixture
def version(world: World) -> Version:
    world.tmux("new-session", "-d", "-s", "first", "--", "sleep", "600")
    return parse_version(world.tmux("display-message", "-p", "#{version}"))


def test_control_characters_are_printed_as_they_are_or_escaped(
    world: World, version: Version
) -> None:
    printed = world.tmux("display-message", "-p", "a\x01b\tc\\037")
    assert printed == ("a\\001b\tc\\037" if version.has(ESCAPES_CONTROLS) else "a\x01b\tc\\037")


def test_a_paste_is_rewritten_unless_told_otherwise(world: World, version: Version) -> None:
    write(f"{world.home}/text", b"a\x01b\x1b[c")
    got = f"{world.home}/got"
    world.tmux("new-session", "-d", "--", "sh", "-c", f"stty raw -echo; : >{got}; cat >>{got}")
    eventually(lambda: os.path.exists(got))
    world.tmux("load-buffer", "-b", "x", f"{world.home}/text")
    (pane,) = [row.pane_id for row in world.rows() if row.session_name != "first"]
    world.tmux("paste-buffer", "-r", "-b", "x", "-t", pane)
    eventually(lambda: b"c" in read(got))
    assert read(got) == (b"a^Ab^[[c" if version.has(PASTE_REWRITES) else b"a\x01b\x1b[c")
    with_flag = world.try_tmux("paste-buffer", "-r", "-S", "-b", "x", "-t", pane)
    assert (with_flag.returncode == 0) == version.has(PASTE_REWRITES)


def test_a_name_keeps_its_dots_and_colons_or_loses_them(world: World, version: Version) -> None:
    world.tmux("new-session", "-d", "-s", "a.b:c", "--", "sleep", "600")
    names = {row.session_name for row in world.rows()} - {"first"}
    assert names == ({"a.b:c"} if version.has(KEEPS_NAMES) else {"a_b_c"})


def test_a_dead_pane_tells_its_process_or_not(world: World, version: Version) -> None:
    world.tmux("set-option", "-g", "remain-on-exit", "on")
    world.tmux("set-hook", "-gu", "after-new-session[90]")
    world.tmux("new-session", "-d", "-s", "ends", "--", "sh", "-c", "exit 3")
    eventually(lambda: world.row("ends").dead)
    assert (world.row("ends").pane_pid is None) == version.has(FORGETS_PROCESS)


def test_one_who_only_watches_refuses_keys_or_does_not(world: World, version: Version) -> None:
    pid, terminal = pty.fork()
    if not pid:
        argv = world.server.argv("attach-session", "-r", "-t", "=first:")
        os.execvpe(argv[0], argv, {**world.environ, "TERM": "xterm"})
    try:
        eventually(lambda: world.tmux("list-clients", "-F", "#{client_readonly}") == "1")
        world.tmux("new-session", "-d", "-s", "other", "--", "sleep", "600")
        refused = world.try_tmux("send-keys", "-t", "=other:", "x").returncode != 0
        assert refused == version.has(VIEWER_REFUSES_KEYS)
    finally:
        os.close(terminal)
        os.waitpid(pid, 0)

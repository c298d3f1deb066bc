"""The launch file: a shell script that turns a tmux pane into the agent and leaves nothing behind.

Before anything else it writes its process id over itself, which costs no process (``rm`` would cost
one a session): the shell has read the whole compound command by then. That is also the proof that
the process has its environment and is about to be the agent. The file is then kept under another
name, for tmux from 3.8 on does not tell which process a dead pane had.
"""

import os
import re
import stat
from collections.abc import Iterable, Mapping, Sequence

IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
TERMINALS_OWN = ("TERM", "TMUX", "TMUX_PANE", "COLORTERM")
# bash, where it is /bin/sh, refuses to assign these, which people do export.
READ_ONLY = frozenset({"UID", "EUID", "PPID", "BASHOPTS", "SHELLOPTS"})
SOFT_LIMIT = "AGENTCAVE_NOFILE"
"""Set by a tmux server of ours that has raised its soft limit of descriptors: what it was."""
WRONG_DIRECTORY = 126
PIDS = "pids"
"""The folder, beside that of the launch files, of the files that hold a process id each."""
MOST_DIGITS = 10
HELD = 9
"""The highest descriptor that a POSIX shell can name with one digit, so the last to be used."""


def script(
    argv: Sequence[str], cwd: str, environment: Mapping[str, str], server_names: Iterable[str]
) -> bytes:
    """The text of a launch file.

    ``cwd`` is a real path: it is entered and compared, so that an agent never works in another
    checkout (tmux would start it silently elsewhere). ``server_names`` are the variables that the
    tmux server hands to every pane; those not in ``environment`` are taken away. Names that a
    shell cannot hold are left out.
    """
    handed = {
        name: value
        for name, value in environment.items()
        if IDENTIFIER.fullmatch(name) and name not in TERMINALS_OWN
    }
    handed["COLORTERM"] = "truecolor"
    gone = [
        name
        for name in ("AGENTCAVE_STAMP", SOFT_LIMIT, *server_names)
        if name not in handed and name not in TERMINALS_OWN and IDENTIFIER.fullmatch(name)
    ]
    through_env = [f"{name}={handed.pop(name)}" for name in sorted(READ_ONLY & handed.keys())]
    words = ["/usr/bin/env", *through_env, *argv] if through_env else list(argv)
    place = quote(cwd)
    complaint = quote(f"agentcave: cannot enter {cwd}: it is gone, or is not what it was")
    lines = [
        '{ echo "$$" >"$0"',
        f'[ -z "${SOFT_LIMIT}" ] || ulimit -S -n "${SOFT_LIMIT}"',
        f"unset {' '.join(gone)}",
        *(f"export {name}={quote(value)}" for name, value in handed.items()),
        f'cd -P -- {place} && [ "$PWD" = {place} ] || '
        # Of what a process prints in its last moment, tmux 3.3a now and then shows nothing.
        f"{{ printf '%s\\n' {complaint} >&2; /bin/sleep 0.3; exit {WRONG_DIRECTORY}; }}",
        "unset OLDPWD",
        *_hold(environment.get("AGENTCAVE_SESSION_DIR")),
        "exec " + " ".join(map(quote, words)),
        "}",
        "",
    ]
    return os.fsencode("\n".join(lines))


def is_taken(path: str) -> bool:
    """Whether the shell has begun, and nothing of the launch is in its file any more."""
    return process_in(path) is not None


def process_in(path: str) -> int | None:
    """The process id that a regular file holds, if it holds nothing else. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        regular = stat.S_ISREG(os.fstat(descriptor).st_mode)
        text = os.read(descriptor, MOST_DIGITS + 1) if regular else b""
    finally:
        os.close(descriptor)
    return int(text) if text.endswith(b"\n") and text[:-1].isdigit() else None


def _hold(folder: str | None) -> list[str]:
    """Open the session's folder: what children inherit tells whose they are (``strays``)."""
    if folder is None:
        return []
    place = quote(folder)
    return [f"[ -d {place} ] && exec {HELD}<{place}"]  # a failing exec would end the shell


def quote(text: str) -> str:
    """One word for a POSIX shell, whatever is in it."""
    return "'" + text.replace("'", "'\\''") + "'"

"""One tmux server, seen from a process that wants to talk to it. Opens nothing itself."""

import os
import sys
from collections.abc import Mapping
from typing import NamedTuple, Protocol

from agentcave.tmux import formats
from agentcave.tmux.errors import (
    CommandFailed,
    Garbage,
    NoServer,
    ServerMismatch,
    TmuxBroken,
    TmuxError,
    Unreachable,
)
from agentcave.tmux.versions import Version, parse_version

HERE = os.path.dirname(os.path.abspath(__file__))
DEFAULTS = os.path.join(HERE, "defaults.conf")
SUBREAPER = os.path.join(HERE, "subreaper.py")
MARK = "@agentcave"
CONFIGURED = ("if-shell", "-F", f"#{{?#{{==:#{{{MARK}}},1}},,1}}", "run-shell -d 0.2")
"""A server that another client has just begun may still read its configuration (seen on 3.8)."""
MAX_SOCKET_PATH = 107
NO_SESSION = b"no current target"  # what list-panes -a says on a server without any session

_PASSED = {"PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "TZ", "TERM", "TMPDIR"} | {
    "TMUX_TMPDIR",
    "XDG_RUNTIME_DIR",
    "XDG_CONFIG_HOME",
}


_LOCALE = [
    *("LC_ALL", "LC_COLLATE", "LC_CTYPE", "LC_MESSAGES", "LC_MONETARY", "LC_NUMERIC", "LC_TIME"),
    *("LC_ADDRESS", "LC_IDENTIFICATION", "LC_MEASUREMENT", "LC_NAME", "LC_PAPER", "LC_TELEPHONE"),
]


class Completed(Protocol):
    """A process that has ended."""

    @property
    def returncode(self) -> int: ...
    @property
    def stdout(self) -> bytes: ...
    @property
    def stderr(self) -> bytes: ...


class Server(NamedTuple):
    """Where a server listens: a name for -L or, when it holds a slash, a path for -S."""

    socket: str
    config: str = DEFAULTS
    program: str = "tmux"

    def argv(self, *words: str) -> list[str]:
        """One command for a process of its own. Raises ``Unreachable`` for a path too long."""
        return [*self._client(), *map(_protect_semicolon, words)]

    def script_argv(self) -> list[str]:
        """Run the commands that come on stdin, on a server that runs already."""
        return [*self._client(), "source-file", "-"]

    def batch_argv(self) -> list[str]:
        """The same on a server that tmux starts when there is none."""
        return [*self._client(), "start-server", ";", *CONFIGURED, ";", "source-file", "-"]

    def start_argv(self, environ: Mapping[str, str]) -> list[str]:
        """The same on a server that holds its orphans, started when there is none."""
        if not can_hold_orphans():
            return self.batch_argv()
        path, client = self.socket_path(environ), len(self._client())
        python = [sys.executable, "-I", "-S", SUBREAPER, path, _identity(path), str(client)]
        return [*python, *self.batch_argv()]

    def version_argv(self) -> list[str]:
        return [self.program, "-V"]

    def list_panes_argv(self) -> list[str]:
        """The one read; its result goes to ``parse_panes``."""
        read = self.argv("list-panes", "-a", "-F", formats.ROW)
        return [*read, ";", "display-message", "-p", formats.END]

    def socket_path(self, environ: Mapping[str, str]) -> str:
        if "/" in self.socket:
            return self.socket
        root = environ.get("TMUX_TMPDIR") or "/tmp"
        return os.path.join(root, f"tmux-{os.getuid()}", self.socket)

    def handed(self, environ: Mapping[str, str]) -> str:
        """How to name it to a program that may not have TMUX_TMPDIR as we have."""
        return self.socket_path(environ) if environ.get("TMUX_TMPDIR") else self.socket

    def _client(self) -> list[str]:
        where = "-S" if "/" in self.socket else "-L"
        if where == "-S" and len(os.fsencode(self.socket)) > MAX_SOCKET_PATH:
            raise Unreachable(self.socket, f"its path is longer than {MAX_SOCKET_PATH} bytes")
        return [self.program, "-u", where, self.socket, "-f", self.config]


def can_hold_orphans() -> bool:
    """Whether another Python can be started, which an embedded one does not know how to."""
    return bool(sys.executable)


def _identity(path: str) -> str:
    """As ``subreaper.identity`` has it, which is costly to import."""
    try:
        status = os.stat(path)
    except OSError:
        return ""
    return f"{status.st_ino}:{status.st_ctime_ns}"


def _protect_semicolon(word: str) -> str:
    """tmux takes a final semicolon of an argument for the end of the command."""
    return f"{word[:-1]}\\;" if word.endswith(";") else word


def lent_names(environ: Mapping[str, str]) -> tuple[str, ...]:
    """What a server that does not run yet can come to lend to its panes, whoever starts it."""
    return (*_PASSED, *_LOCALE, *scrubbed(environ))


def scrubbed(environ: Mapping[str, str]) -> dict[str, str]:
    """What every tmux client gets: the one that starts the server lends it to all panes."""
    kept = {
        name: value for name, value in environ.items() if name in _PASSED or name.startswith("LC_")
    }
    return {"TERM": "dumb", **kept}


def check_version(completed: Completed) -> Version:
    """Whether this program will do. Raises ``TmuxBroken``, ``TmuxTooOld``, ``Garbage``."""
    if completed.returncode != 0:
        raise TmuxBroken("tmux", _first_line(completed.stderr))
    return parse_version(completed.stdout.decode(errors="replace"))


def refuse_broken(server: Server, completed: Completed) -> None:
    """Raises ``TmuxBroken`` for what a shell, a loader and the kernel say of a program."""
    if completed.returncode in (126, 127) or completed.returncode < 0:
        how = f"signal {-completed.returncode} ended it" if completed.returncode < 0 else ""
        raise TmuxBroken(server.program, _first_line(completed.stderr) or how)


def interpret(
    server: Server, completed: Completed, command: str, environ: Mapping[str, str]
) -> bytes:
    """The output of a finished client, or what its failure means."""
    if completed.returncode == 0:
        return completed.stdout
    refuse_broken(server, completed)
    said = completed.stderr.decode(errors="replace").strip()
    raise failure(server, said, command, environ)


def parse_panes(
    server: Server, completed: Completed, environ: Mapping[str, str]
) -> list[formats.PaneRow]:
    """All panes; none when no server runs, or one that just ends: then there truly are none."""
    if completed.returncode == 1 and completed.stderr.strip().rstrip(b".") == NO_SESSION:
        return []
    try:
        output = interpret(server, completed, "list-panes", environ)
    except NoServer:
        return []
    text = output.decode(errors="surrogateescape")
    rows, end, rest = text.rpartition(f"{formats.END}\n")
    if not end or rest or not rows:
        raise Garbage(f"asked for all panes it printed {text[-200:]!r}, which is not whole")
    return formats.parse_rows(rows)


_CANNOT_CONNECT = ("error connecting to", "error creating", "couldn't create directory")
_LOST = ("server exited", "lost server", "[server", "[lost")
_KNOWN = (*_CANNOT_CONNECT, *_LOST, "no server running on", "protocol version mismatch")


def failure(server: Server, said: str, command: str, environ: Mapping[str, str]) -> TmuxError:
    """What a client means by what it said on stderr, where others (ld.so) may say something too."""
    said = next((line for line in said.splitlines() if line.startswith(_KNOWN)), said)
    if said.startswith("no server running on"):
        return NoServer(server.socket)
    if said.startswith(_CANNOT_CONNECT):
        nothing = said.startswith("error connecting to") and said.endswith(
            ("(No such file or directory)", "(Connection refused)")
        )
        return NoServer(server.socket) if nothing else Unreachable(server.socket, said)
    if "has unsafe permissions" in said or "socket file name too long" in said.lower():
        return Unreachable(server.socket, said)
    mismatch = said.startswith("protocol version mismatch")
    if mismatch or said.startswith(_LOST):
        pid = _listener(server.socket_path(environ))
        if pid is not None or mismatch:
            return ServerMismatch(server.socket, said, pid or 0, _program(pid))
        return NoServer(server.socket)
    return CommandFailed(command, said.rstrip(".") or "it gave no reason")


def _listener(path: str) -> int | None:
    """The process that listens on a socket (0: in another pid namespace); None for nobody."""
    import socket
    import struct

    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(1)
        try:
            client.connect(path)
            peer = client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        except OSError:
            return None
    pid: int = struct.unpack("3i", peer)[0]
    return pid


def _program(pid: int | None) -> str:
    """The path of the program that a process runs; it ends in " (deleted)" when it is gone."""
    try:
        return os.readlink(f"/proc/{pid}/exe") if pid else ""
    except OSError:
        return ""


def _first_line(text: bytes) -> str:
    return text.decode(errors="replace").strip().partition("\n")[0]

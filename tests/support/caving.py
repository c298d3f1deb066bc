"""A repository with a caves file in a private world, and short words for what tests do there."""

import json
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

AGENTCAVE = (sys.executable, "-P", "-m", "agentcave")
DEADLINE = 60.0
SLEEPER = "{type: command, command: [sleep, infinity]}"
ONE_CAVE = f"version: 1\nname: shop\ncaves:\n  api:\n    agents:\n      shell: {SLEEPER}\n"
PANES = "#{session_name}\t#{pane_id}\t#{pane_pid}\t#{pane_dead}\t#{pane_start_command}"


class Pane(NamedTuple):
    """A pane as tmux tells of it; ``stamped`` when it carries the mark of an agent.

    ``pid`` is 0 where tmux does not tell it: of dead panes from 3.8 on.
    """

    session: str
    id: str
    pid: int
    dead: bool
    command: str

    @property
    def stamped(self) -> bool:
        return "AGENTCAVE_STAMP=" in self.command


class Done(NamedTuple):
    """A command that has ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Cave:
    """One project, its user's home and its tmux server."""

    def __init__(self, home: Path, root: Path) -> None:
        self.home, self.root = home, root
        self.socket = str(home / "s")
        self.environ = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "XDG_STATE_HOME": str(home / "state"),
            "XDG_CACHE_HOME": str(home / "cache"),
            "XDG_CONFIG_HOME": str(home / "config"),
            "AGENTCAVE_SOCKET": self.socket,
            "GIT_CONFIG_NOSYSTEM": "1",
            "TMPDIR": str(home),
            "LANG": "C.UTF-8",
            "TERM": "xterm-256color",
        }
        if "PYTHONPATH" in os.environ:
            self.environ["PYTHONPATH"] = os.environ["PYTHONPATH"]

    # -- doing ---------------------------------------------------------------------------------

    def popen(
        self, *words: str, cwd: Path | None = None, **environ: str | None
    ) -> "subprocess.Popen[str]":
        """Begin a command in a process group of its own; its output is collected."""
        return subprocess.Popen(
            [*AGENTCAVE, *words],
            cwd=cwd or self.root,
            env=self.with_changes(environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(
        self,
        *words: str,
        code: int = 0,
        stdin: str = "",
        cwd: Path | None = None,
        **environ: str | None,
    ) -> Done:
        """Run a command to its end; fails unless it ends with ``code`` and without a traceback."""
        done = self._run(words, stdin, cwd, environ)
        assert done.code == code, f"{words}: exit {done.code}\n{done.out}\n{done.err}"
        return done

    def try_run(
        self, *words: str, stdin: str = "", cwd: Path | None = None, **environ: str | None
    ) -> Done:
        """The same for a command whose exit code is not known before."""
        return self._run(words, stdin, cwd, environ)

    def up(self, *words: str, code: int = 0, **environ: str | None) -> Done:
        done = self._run(("up", "-f", "caves.yaml", *words), "", None, environ)
        assert done.code == code, f"up {words}: exit {done.code}\n{done.out}\n{done.err}"
        return done

    def shell(self, script: str, **environ: str | None) -> Done:
        """A shell line in the project, with the command as ``$agentcave``."""
        done = subprocess.run(
            ["bash", "-c", script],
            cwd=self.root,
            env={**self.with_changes(environ), "agentcave": " ".join(AGENTCAVE)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=DEADLINE,
            start_new_session=True,
        )
        assert "Traceback" not in done.stderr, done.stderr
        return Done(done.returncode, done.stdout, done.stderr)

    def declare(self, text: str) -> None:
        self.write("caves.yaml", text)

    def write(self, relative: str, text: str, *, executable: bool = False) -> Path:
        path = self.root / relative
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        if executable:
            path.chmod(0o755)
        return path

    def program(self, name: str, script: str) -> str:
        """A shell script that stands first in PATH under that name; the PATH to run with."""
        folder = self.home / "bin"
        folder.mkdir(exist_ok=True)
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)
        return f"{folder}:{os.environ['PATH']}"

    def change_python(self, code: str) -> None:
        """Have every Python of this world run this first."""
        folder = self.home / "changed"
        folder.mkdir()
        (folder / "sitecustomize.py").write_text(code)
        others = self.environ.get("PYTHONPATH")
        self.environ["PYTHONPATH"] = f"{folder}:{others}" if others else str(folder)

    def git(self, *words: str, cwd: Path | None = None) -> str:
        done = subprocess.run(
            ["git", *words],
            cwd=cwd or self.root,
            env=self.environ,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    # -- seeing --------------------------------------------------------------------------------

    def try_tmux(self, *words: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            ["tmux", "-u", "-S", self.socket, "-f", "/dev/null", *words],
            env=self.environ,
            capture_output=True,
            text=True,
            timeout=DEADLINE,
        )

    def tmux(self, *words: str) -> str:
        done = self.try_tmux(*words)
        assert done.returncode == 0, done.stderr
        return done.stdout.rstrip("\n")

    def panes(self) -> list[Pane]:
        """Every pane of the server, none when there is no server."""
        lines = self.try_tmux("list-panes", "-a", "-F", PANES).stdout.splitlines()
        rows = [line.split("\t", 4) for line in lines]
        return [Pane(row[0], row[1], int(row[2] or 0), row[3] == "1", row[4]) for row in rows]

    def agents(self) -> dict[str, Pane]:
        """The live agents by session name."""
        return {pane.session: pane for pane in self.panes() if pane.stamped and not pane.dead}

    def screen(self, session: str) -> str:
        return self.tmux("capture-pane", "-p", "-J", "-S", "-", "-t", f"={session}:")

    def ps(self, *words: str) -> dict[str, dict[str, Any]]:
        """What ``ps`` says, by ``cave/agent``."""
        found = self.run("ps", "-f", "caves.yaml", "--json", *words).json
        rows = found["sessions"] + found["orphans"]
        return {f"{row['cave']}/{row['agent']}": row for row in rows}

    def workspace(self, cave: str = "api") -> Path:
        return self.root / ".agentcave" / "caves" / cave

    def state(self) -> Path:
        """The folder of the project's history."""
        (folder,) = (self.home / "state" / "agentcave").iterdir()
        return folder

    def processes(self) -> list[int]:
        """Every living process of this world, by what its environment says."""
        mark = os.fsencode(f"{self.home}/")
        return [pid for pid in pids() if mark in environment_of(pid) and pid != os.getpid()]

    def _run(
        self,
        words: Sequence[str],
        stdin: str,
        cwd: Path | None,
        environ: Mapping[str, str | None],
    ) -> Done:
        done = subprocess.run(
            [*AGENTCAVE, *words],
            cwd=cwd or self.root,
            env=self.with_changes(environ),
            input=stdin,
            capture_output=True,
            text=True,
            errors="surrogateescape",
            timeout=DEADLINE,
            start_new_session=True,
        )
        assert "Traceback" not in done.stderr, done.stderr
        assert "this is a bug" not in done.stderr, done.stderr + self._bug_reports()
        return Done(done.returncode, done.stdout, done.stderr)

    def with_changes(self, environ: Mapping[str, str | None]) -> dict[str, str]:
        merged: dict[str, str | None] = {**self.environ, **environ}
        return {name: value for name, value in merged.items() if value is not None}

    def _bug_reports(self) -> str:
        return "\n".join(path.read_text() for path in self.home.glob("agentcave-bug-*"))


def make_project(home: Path, root: Path) -> Cave:
    root.mkdir(parents=True)
    cave = Cave(home, root)
    cave.git("init", "-q")
    cave.write(".gitignore", "*.log\nnode_modules\n")
    cave.write("README.md", "# shop\n")
    cave.git("add", "-A")
    cave.git("commit", "-qm", "first")
    cave.declare(ONE_CAVE)
    return cave


class Terminal:
    """A command on a pseudo terminal; what it prints is collected."""

    def __init__(self, cave: Cave, argv: Sequence[str], **environ: str | None) -> None:
        self.pid, self.descriptor = pty.fork()
        if not self.pid:
            os.chdir(cave.root)
            os.execvpe(argv[0], list(argv), cave.with_changes(environ))
        os.set_blocking(self.descriptor, False)
        self.seen = ""
        self.code: int | None = None

    def reads(self, text: str) -> bool:
        """Whether the text has been printed by now."""
        try:
            while chunk := os.read(self.descriptor, 1 << 16):
                self.seen += chunk.decode(errors="replace")
        except OSError:
            pass  # nothing more for now, or the terminal is gone
        return text in self.seen

    def type(self, text: str) -> None:
        os.write(self.descriptor, text.encode())

    def ended(self) -> bool:
        self.reads("")
        if self.code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.code = os.waitstatus_to_exitcode(status)
        return self.code is not None

    def close(self) -> None:
        if not self.ended():
            os.kill(self.pid, signal.SIGKILL)
            eventually(self.ended)
        os.close(self.descriptor)


def eventually(condition: Callable[[], object], seconds: float = 20.0) -> None:
    """Wait for the world to change; fails with the condition's last value."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"still {value!r} after {seconds} s"
        time.sleep(0.02)


def finish(process: "subprocess.Popen[str]") -> Done:
    """Wait for a command that was begun."""
    out, err = process.communicate(timeout=DEADLINE)
    assert "Traceback" not in err, err
    return Done(process.returncode, out, err)


def pids() -> Iterator[int]:
    return (int(name) for name in os.listdir("/proc") if name.isdigit())


def environment_of(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return b""


def command_line_of(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def alive(pid: int) -> bool:
    """Whether a process runs; one that waits to be reaped does not."""
    try:
        return b") Z" not in Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return False


def snapshot(root: Path) -> dict[str, tuple[int, int, bytes]]:
    """Every file and folder below a root: inode, time of the last change, content."""
    found = {}
    for path in sorted(root.rglob("*")):
        status = path.lstat()
        content = b""
        if path.is_symlink():
            content = os.fsencode(os.readlink(path))
        elif path.is_file():
            content = path.read_bytes()
        found[str(path.relative_to(root))] = (status.st_ino, status.st_mtime_ns, content)
    return found

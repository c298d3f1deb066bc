"""What a user would have instead of ``agentcave up``: other ways to start N sessions."""

import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from program import Program
from sandbox import AGENT, SIZE, Sandbox, directories, sandbox, write_directory_caves
from timing import Contender, Sample, timed

RIVALS = Path(__file__).with_name("rivals")
TMUX = ("tmux", "-f", "/dev/null")


def agentcave(program: Program, count: int, *, known: bool = False) -> Contender:
    """``known``: the file was checked once before, as it is after any `plan` or `config`."""

    def run() -> Sample:
        with sandbox() as place:
            file = write_directory_caves(place.folder, count)
            if known:
                check = (program.agentcave, "config", "-q", "-f", file)
                subprocess.run(check, env=place.environ, cwd=place.folder, check=True)
            return _measured(place, count, program.agentcave, "up", "-f", file)

    return Contender("agentcave up", run)


def own_start_lines(program: Program, count: int) -> Contender:
    """The very start lines and launch files of agentcave, and nothing else."""

    def run() -> Sample:
        with _with_start_lines(program, count) as place:
            argv = json.loads((place.folder / "batch.json").read_text())
            return _measured(place, count, *argv, stdin=place.folder / "lines")

    return Contender("bare `tmux source-file -`, same lines", run)


def own_start_lines_each(program: Program, count: int) -> Contender:
    def run() -> Sample:
        with _with_start_lines(program, count) as place:
            script, starts = RIVALS / "one_process_each.py", place.folder / "each.json"
            return _measured(place, count, program.rivals_python, script, starts)

    return Contender("a subprocess per session, same lines", run)


def source_file(count: int) -> Contender:
    def run() -> Sample:
        with sandbox() as place:
            lines = [" ".join(words) for words in _plain_starts(place, count)]
            script = place.folder / "lines"
            script.write_text("\n".join([*lines, ""]))
            start = (*TMUX, "-S", place.socket, "start-server", ";", "source-file", "-")
            return _measured(place, count, *start, stdin=script)

    return Contender("bare `tmux source-file -`", run)


def process_each(program: Program, count: int) -> Contender:
    def run() -> Sample:
        with sandbox() as place:
            server = [*TMUX, "-S", str(place.socket)]
            starts = place.folder / "starts.json"
            starts.write_text(json.dumps([[*server, *w] for w in _plain_starts(place, count)]))
            script = RIVALS / "one_process_each.py"
            return _measured(place, count, program.rivals_python, script, starts)

    return Contender("a subprocess per tmux command", run)


def libtmux(program: Program, count: int) -> Contender:
    def run() -> Sample:
        with sandbox() as place:
            spaces = place.folder / "spaces.json"
            spaces.write_text(json.dumps([str(p) for p in directories(place.folder, count)]))
            script = RIVALS / "with_libtmux.py"
            python = program.rivals_python
            return _measured(place, count, python, script, place.socket, spaces)

    return Contender("libtmux", run)


def tmuxp(program: Program, count: int) -> Contender:
    def run() -> Sample:
        with sandbox() as place:
            files = [
                _write_tmuxp(place.folder / f"{path.name}.yaml", path)
                for path in directories(place.folder, count)
            ]
            load = (program.rival("tmuxp"), "load", "-d", "-y", "-S", place.socket)
            return _measured(place, count, *load, *files)

    return Contender("`tmuxp load`", run)


def tmuxinator(program: Program, count: int) -> Contender:
    """One process a project: it takes one at a time."""

    def run() -> Sample:
        with sandbox() as place:
            files = [
                _write_tmuxinator(place, path.with_suffix(".yml"), path)
                for path in directories(place.folder, count)
            ]
            starts = place.folder / "starts.json"
            begin = ["tmuxinator", "start", "--no-attach", "-p"]
            starts.write_text(json.dumps([[*begin, str(file)] for file in files]))
            script = RIVALS / "one_process_each.py"
            return _measured(place, count, program.rivals_python, script, starts)

    return Contender("tmuxinator", run)


def floor(binary: Path, count: int) -> Contender:
    def run() -> Sample:
        with sandbox() as place:
            argv = (binary, str(count), *AGENT)
            return timed(argv, environ=place.environ, cwd=place.folder)

    return Contender("floor: fork, pty, exec", run)


@contextmanager
def compiled_floor() -> Iterator[Path | None]:
    """None where there is no C compiler."""
    compiler = shutil.which("cc")
    if compiler is None:
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="acb-") as folder:
        binary = Path(folder, "floor")
        subprocess.run([compiler, "-O2", "-o", binary, RIVALS / "floor.c", "-lutil"], check=True)
        yield binary


def _measured(place: Sandbox, count: int, *argv: str | Path, stdin: Path | None = None) -> Sample:
    return timed(
        argv,
        environ=place.environ,
        cwd=place.folder,
        stdin=stdin,
        until=lambda: place.wait_for_agents(count),
    )


def _plain_starts(place: Sandbox, count: int) -> list[list[str]]:
    shape = ["-x", str(SIZE[0]), "-y", str(SIZE[1])]
    return [
        ["new-session", "-d", "-s", f"bench-{path.name}", *shape, "-c", str(path), *AGENT]
        for path in directories(place.folder, count)
    ]


@contextmanager
def _with_start_lines(program: Program, count: int) -> Iterator[Sandbox]:
    with sandbox() as place:
        directories(place.folder, count)
        subprocess.run(
            [program.python, RIVALS / "start_lines.py", place.folder],
            env=place.environ,
            check=True,
        )
        yield place


def _write_tmuxp(file: Path, directory: Path) -> Path:
    command = " ".join(AGENT)
    file.write_text(
        f"session_name: bench-{directory.name}\n"
        f"start_directory: {directory}\n"
        f"windows:\n- window_name: agent\n  window_shell: {command}\n  panes: [shell: {command}]\n"
    )
    return file


def _write_tmuxinator(place: Sandbox, file: Path, directory: Path) -> Path:
    file.write_text(
        f"name: bench-{directory.name}\n"
        f"root: {directory}\n"
        f"socket_path: {place.socket}\n"
        f"windows:\n- agent: exec {' '.join(AGENT)}\n"
    )
    return file

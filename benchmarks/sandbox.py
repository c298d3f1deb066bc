"""A place of its own for one run: home, state, cache and tmux server, gone afterwards."""

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from timing import wait_until

SIZE = (200, 50)
AGENT = ("sleep", "infinity")
_LEFT_OUT = ("PYTHONDONTWRITEBYTECODE", "PYTHONPATH", "TMUX", "TMUX_PANE", "TMUX_TMPDIR")


class Sandbox:
    """Made by ``sandbox``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.socket = folder / "s"
        self.environ = {
            **{name: value for name, value in os.environ.items() if _passes(name)},
            "HOME": str(folder / "home"),
            "XDG_CONFIG_HOME": str(folder / "home/config"),
            "XDG_STATE_HOME": str(folder / "home/state"),
            "XDG_CACHE_HOME": str(folder / "home/cache"),
            "AGENTCAVE_SOCKET": str(self.socket),
        }
        (folder / "home").mkdir()

    def tmux(self, *words: str) -> str:
        done = subprocess.run(
            ["tmux", "-S", self.socket, *words], env=self.environ, capture_output=True, text=True
        )
        return done.stdout

    def agents(self) -> list[int]:
        return [int(pid) for pid in self.tmux("list-panes", "-a", "-F", "#{pane_pid}").split()]

    def wait_for_agents(self, count: int) -> None:
        """Until every pane is its agent, not the shell or the tmux that becomes it."""
        pids = self.agents()
        if len(pids) != count:
            raise AssertionError(f"{len(pids)} sessions were started, not {count}")
        coming = set(pids)

        def all_run() -> bool:
            coming.difference_update([pid for pid in coming if program_of(pid) == AGENT[0]])
            return not coming

        wait_until(all_run, "agents run")

    def end(self) -> None:
        """End the server, and see that all its agents have gone with it."""
        agents = self.agents()
        server = [int(pid) for pid in self.tmux("display-message", "-p", "#{pid}").split()]
        self.tmux("kill-server")
        try:
            wait_until(
                lambda: not any(map(program_of, server + agents)), "the tmux server ends", 60
            )
        finally:
            for pid in filter(_is_agent, agents):
                os.kill(pid, signal.SIGKILL)


@contextlib.contextmanager
def sandbox() -> Iterator[Sandbox]:
    folder = Path(tempfile.mkdtemp(prefix="acb-"))
    made = Sandbox(folder)
    try:
        yield made
    finally:
        try:
            made.end()
        finally:
            shutil.rmtree(folder)


def program_of(pid: int) -> str | None:
    """None for a process that has ended, or is only waited for."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    name, _, rest = status.partition("(")[2].rpartition(")")
    return None if rest.split()[0] == "Z" else name


def directories(folder: Path, count: int) -> list[Path]:
    """The workspaces of caves c0, c1, …"""
    made = [folder / "w" / f"c{number}" for number in range(count)]
    for path in made:
        path.mkdir(parents=True)
    return made


def write_caves(folder: Path, workspaces: Sequence[str]) -> Path:
    """A caves file with one cave of one agent for each workspace (a YAML flow mapping)."""
    command = ", ".join(AGENT)
    agents = f"{{agent: {{type: command, command: [{command}]}}}}"
    lines = [
        f"  c{number}: {{workspace: {workspace}, agents: {agents}}}"
        for number, workspace in enumerate(workspaces)
    ]
    path = folder / "caves.yaml"
    path.write_text("\n".join(["version: 1", "name: bench", "caves:", *lines, ""]))
    return path


def write_directory_caves(folder: Path, count: int) -> Path:
    directories(folder, count)
    spaces = [f"{{type: directory, path: w/c{number}}}" for number in range(count)]
    return write_caves(folder, spaces)


def _passes(name: str) -> bool:
    return name not in _LEFT_OUT and not name.startswith("AGENTCAVE_")


def _is_agent(pid: int) -> bool:
    return program_of(pid) == AGENT[0]

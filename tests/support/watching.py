"""A controller on its own process: what it tells is collected, and it is always ended."""

import fcntl
import json
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO

from caving import DEADLINE, Cave, Done, eventually

Told = dict[str, Any]
API = "shop/api/shell"
WATCH = ("up", "-f", "caves.yaml", "--watch", "--json")


class Watcher:
    """``up --watch --json`` in a world; ``events`` holds what it has told so far."""

    def __init__(self, cave: Cave, *words: str, **environ: str | None) -> None:
        self.cave = cave
        self.events: list[Told] = []
        self.talk = ""
        self.process = cave.popen(*(words or WATCH), cwd=None, **environ)
        self._readers = [threading.Thread(target=read) for read in (self._listen, self._hear)]
        for reader in self._readers:
            reader.start()

    @property
    def pid(self) -> int:
        return self.process.pid

    def saw(self, action: str, outcome: str = "done", cave: str | None = None) -> list[Told]:
        """What it has told of one kind of thing."""
        return [
            event
            for event in list(self.events)
            if event["action"] == action
            and event["outcome"] == outcome
            and cave in (None, event["cave"])
        ]

    def settles(self) -> None:
        """Wait until it has looked for the first time, and what was to start has started."""
        eventually(lambda: self._watches() or self._fails(), 40)
        self.rests()

    def rests(self) -> None:
        """Wait until nothing is on its way: it holds the project's lock meanwhile."""
        with self.holding():
            pass

    @contextmanager
    def holding(self) -> Iterator[None]:
        """While it can begin nothing; it looks again afterwards."""
        with open(self.cave.state() / "lock") as file:
            eventually(lambda: _taken(file), 40)
            yield

    def looks_again(self) -> None:
        """Change the file without a consequence; wait until that has been taken over."""
        before = len(self.saw("reload"))
        with (self.cave.root / "caves.yaml").open("a") as file:
            file.write("# again\n")
        eventually(lambda: len(self.saw("reload")) > before)
        self.rests()

    def kill(self) -> None:
        self.process.kill()
        self._end()

    def end(self, number: int = signal.SIGTERM) -> Done:
        """Signal it, and wait for its end; fails with a traceback of it."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self._end()

    def _end(self) -> Done:
        try:
            self.process.wait(DEADLINE)
        finally:
            self.process.kill()
            for reader in self._readers:
                reader.join(DEADLINE)
        assert "Traceback" not in self.talk, self.talk
        assert "this is a bug" not in self.talk, self.talk
        return Done(self.process.returncode, "", self.talk)

    def _watches(self) -> bool:
        files = self.cave.home.glob("state/agentcave/*/controller")
        told = [json.loads(file.read_text() or "{}") for file in files]
        return any(one.get("pid") == self.pid and one["watching"] for one in told)

    def _fails(self) -> bool:
        assert self.process.poll() is None, f"it ended: {self.talk}"
        return False

    def _listen(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as stream:
            for line in stream:
                self.events.append(json.loads(line))

    def _hear(self) -> None:
        assert self.process.stderr is not None
        with self.process.stderr as stream:
            for line in stream:
                self.talk += line


@contextmanager
def watching(cave: Cave, *words: str, **environ: str | None) -> Iterator[Watcher]:
    """A controller that has looked at everything once; it ends with the block."""
    watcher = Watcher(cave, *words, **environ)
    try:
        watcher.settles()
        yield watcher
    finally:
        watcher.end()


def pid_of(cave: Cave, name: str = API) -> int | None:
    """The process of an agent, if it lives."""
    pane = cave.agents().get(name)
    return pane.pid if pane else None


def crash(cave: Cave, name: str = API) -> int:
    """Kill an agent; the process that was killed."""
    pid = pid_of(cave, name)
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    return pid


def comes_back(cave: Cave, pid: int | None, name: str = API) -> None:
    """Wait until an agent lives as another process."""
    eventually(lambda: pid_of(cave, name) not in (None, pid))


def controller(cave: Cave) -> Told | None:
    """Who keeps the project, as `ps` says."""
    found: Told | None = cave.run("ps", "-f", "caves.yaml", "--json").json["controller"]
    return found


def history(cave: Cave) -> list[Told]:
    """What `events` prints."""
    return [
        json.loads(line) for line in cave.run("events", "--file", "caves.yaml").out.splitlines()
    ]


def _taken(file: TextIO) -> bool:
    """Whether the project's lock was free; it is again when the file is closed."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True

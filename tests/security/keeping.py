"""A controller beside a test, and what every process was called while it ran."""

import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self

from caving import AGENTCAVE, Cave, command_line_of, eventually, pids


@contextmanager
def controller(cave: Cave, **environ: str | None) -> Iterator["subprocess.Popen[bytes]"]:
    """``up --watch``; what it says is kept in ``watch.log`` of the home."""
    with open(cave.home / "watch.log", "wb") as log:
        process = subprocess.Popen(
            [*AGENTCAVE, "up", "-v", "--watch", "-f", "caves.yaml"],
            cwd=cave.root,
            env=cave.with_changes(environ),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        yield process
        said = watch_log(cave)
        assert process.poll() is None, said
        assert "Traceback" not in said, said
    finally:
        process.terminate()
        process.wait(30)


def watch_log(cave: Cave) -> str:
    logs = [cave.home / "watch.log", *cave.home.glob("agentcave-bug-*")]
    return "".join(path.read_text(errors="replace") for path in logs)


def runs(cave: Cave, *names: str) -> None:
    """Wait until exactly these are live."""
    try:
        eventually(lambda: sorted(cave.agents()) == sorted(names), 40)
    except AssertionError as exc:
        exc.add_note(watch_log(cave))
        raise


class Witness:
    """Looks at the arguments of all processes again and again, for one text."""

    def __init__(self, text: bytes) -> None:
        self.text = text
        self.seen: list[bytes] = []
        self.looks = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def _watch(self) -> None:
        while not self._over.wait(0.005):
            lines = [command_line_of(pid) for pid in pids() if pid != os.getpid()]
            self.seen += [line for line in lines if self.text in line]
            self.looks += 1

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._over.set()
        self._thread.join()

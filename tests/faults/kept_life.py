"""The same life beside a controller, which comes and goes; where it lives, it alone heals."""

import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from caving import Done, eventually
from hypothesis import strategies as st
from hypothesis.stateful import rule
from life import Life
from watching import Watcher

PLAN = ("plan", "-f", "caves.yaml", "--detailed-exitcode")
ENDS = {-signal.SIGKILL, -signal.SIGTERM, -signal.SIGINT, 128 + signal.SIGTERM}
"""By a signal itself where it meets the first or the last steps of the program."""
SENT = st.sampled_from([signal.SIGKILL, signal.SIGTERM])


class KeptLife(Life):
    """``watcher``: the last controller, if there was one."""

    def __init__(self) -> None:
        super().__init__()
        self.watcher: Watcher | None = None

    @rule()
    def begin_to_watch(self) -> None:
        if not self.lives():
            self.leave()
            self.watcher = Watcher(self.cave)

    @rule()
    def let_it_settle(self) -> None:
        if watcher := self.lives():
            watcher.settles()

    @rule(sent=SENT)
    def end_it(self, sent: signal.Signals) -> None:
        self.leave(sent)

    @rule()
    def break_the_file(self) -> None:
        """Where none was good before, a controller does not begin."""
        self.let_it_settle()
        super().break_the_file()

    @rule()
    def pause_it(self) -> None:
        """It is met wherever it is, perhaps with the lock in its hand."""
        if watcher := self.lives():
            watcher.process.send_signal(signal.SIGSTOP)
            self.kill_an_agent()
            self.write()
            watcher.process.send_signal(signal.SIGCONT)

    @contextmanager
    def at_rest(self) -> Iterator[None]:
        with ExitStack() as stack:
            if watcher := self.lives():
                watcher.settles()
                stack.enter_context(watcher.holding())
            yield

    def mend(self, started: Done) -> None:
        """Without a command of ours, unless nobody is there who would do it."""
        watcher = self.lives()
        if watcher is None:
            super().mend(started)
            return
        try:
            eventually(lambda: self.cave.try_run(*PLAN).code == 0, 60)
        except AssertionError as exc:
            told = "\n".join(map(str, watcher.events[-20:]))
            facts = started, self.cave.try_run(*PLAN), self.cave.try_run("ps", "-f", "caves.yaml")
            raise AssertionError(f"{facts}\n{told}\n{watcher.talk}") from exc
        watcher.rests()
        self.leave(signal.SIGTERM)

    def lives(self) -> Watcher | None:
        """The controller; a `down` ends it too."""
        if self.watcher is not None and self.watcher.process.poll() is None:
            return self.watcher
        return None

    def save(self, text: str) -> None:
        """As editors do: where a controller begins, half a file would be the end of it."""
        self.cave.write("caves.yaml.new", text).rename(self.cave.root / "caves.yaml")

    def leave(self, sent: signal.Signals = signal.SIGKILL) -> None:
        """End the controller, if there is one, and read what it said to its end."""
        if self.watcher is not None:
            ended, self.watcher = self.watcher.end(sent), None
            assert ended.code in ENDS, ended

    def teardown(self) -> None:
        try:
            super().teardown()
        finally:
            self.leave()

"""The terminal of the demo agent: whole prompts in, text out. Standard library only."""

import json
import os
import re
import termios
import time
from types import TracebackType
from typing import Any, Self

BOUND = 1 << 16
PASTE, PASTED = b"\x1b[200~", b"\x1b[201~"
SPECIAL = re.compile(rb"\x1b\[200~|[\r\n\x7f\x08\x15\x04]")
NEVER_SPLIT = len(PASTE) - 1


class Gone(Exception):
    """Nobody reads or writes any more."""


class Terminal:
    """Prompts from standard input, text to standard output.

    On a terminal a paste is one prompt, however many lines it has, and lines are as long as they
    like: the terminal's own line editing, which cuts them at 4095 bytes, is switched off meanwhile.
    """

    def __init__(self) -> None:
        self._pending = b""
        self._before: list[Any] | None = None

    def __enter__(self) -> Self:
        try:
            self._before = termios.tcgetattr(0)
        except (termios.error, OSError):
            return self  # a pipe or a file
        changed = termios.tcgetattr(0)
        changed[3] &= ~(termios.ICANON | termios.ECHO)
        termios.tcsetattr(0, termios.TCSANOW, changed)
        self.say("\x1b[?2004h")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.restore()

    def restore(self) -> None:
        if self._before is not None:
            before, self._before = self._before, None
            try:
                os.write(1, b"\x1b[?2004l")
                termios.tcsetattr(0, termios.TCSANOW, before)
            except (termios.error, OSError):
                pass  # the terminal is gone, and its settings with it

    def say(self, text: str) -> None:
        rest = memoryview(text.encode(errors="replace"))
        try:
            while rest:
                rest = rest[os.write(1, rest) :]
        except OSError:
            raise Gone from None

    def line(self) -> str | None:
        """The next prompt, None at the end of the input."""
        text = b""
        while True:
            if not self._pending and not self._more():
                return text.decode(errors="replace") if text else None
            found = SPECIAL.search(self._pending)
            if found is None:
                kept = _beginning_of_mark(self._pending)
                text += self._echo(self._pending[: len(self._pending) - kept])
                self._pending = self._pending[len(self._pending) - kept :]
                if kept and not self._more():
                    self._pending = b""
                continue
            text += self._echo(self._pending[: found.start()])
            self._pending = self._pending[found.end() :]
            match found[0]:
                case b"\n" | b"\r":
                    self._echo(b"\n")
                    return text.decode(errors="replace")
                case mark if mark == PASTE:
                    text += self._echo(self._paste())
                case b"\x04" if not text and self._before is not None:
                    return None
                case b"\x7f" | b"\x08":
                    text = text.decode(errors="replace")[:-1].encode()
                    self._echo(b"\x08 \x08")
                case b"\x15":
                    text = b""
                    self._echo(b"^U\n")
                case _:
                    pass

    def _paste(self) -> bytes:
        while PASTED not in self._pending:
            if not self._more():
                break
        pasted, _, self._pending = self._pending.partition(PASTED)
        return pasted.replace(b"\r\n", b"\n").replace(b"\r", b"\n")

    def _more(self) -> bool:
        try:
            chunk = os.read(0, BOUND)
        except OSError:
            chunk = b""  # EIO: the terminal is gone
        self._pending += chunk
        return bool(chunk)

    def _echo(self, text: bytes) -> bytes:
        if self._before is not None and text:
            self.say(re.sub(r"[\x00-\x07\x0b-\x1f]", "?", text.decode(errors="replace")))
        return text


def _beginning_of_mark(data: bytes) -> int:
    """How many bytes at the end may be the beginning of a paste."""
    return next((n for n in range(NEVER_SPLIT, 0, -1) if data.endswith(PASTE[:n])), 0)


class Events:
    """What the demo agent tells of itself, as any program may (agents/command.py)."""

    def __init__(self, folder: str | None) -> None:
        self._folder = folder

    def status(self, activity: str, reason: str = "") -> None:
        self._tell("status", activity=activity, reason=reason, id=str(time.time_ns()))

    def prompt(self, text: str) -> None:
        self._tell("prompt", prompt=text)

    def _tell(self, kind: str, **said: str) -> None:
        if self._folder is None:
            return
        path = os.path.join(self._folder, f"{kind}.event")
        try:
            descriptor = os.open(f"{path}.new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with open(descriptor, "w", encoding="utf-8") as file:
                json.dump(said, file)
            os.replace(f"{path}.new", path)
        except OSError:
            self._folder = None  # taken away: an agent needs it for nothing else

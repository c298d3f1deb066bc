"""The files that prompts and seeds are read from."""

import os
import stat

from .anchor import absolute, base_of, written
from .files import RealPaths, Unreadable, contains, read_regular, size

MAX_BYTES = 1 << 20


class SourceFiles:
    """Looks at every file once, however many caves name it."""

    def __init__(self, directory: str, home: str) -> None:
        self._directory = directory
        self._home = home
        self._real = RealPaths()
        self._seeds: dict[str, str | None] = {}
        self._texts: dict[str, tuple[str, str | None]] = {}

    def seed_problem(self, path: str) -> str | None:
        """Why this file cannot be the source of a seed, None when it can."""
        if path not in self._seeds:
            self._seeds[path] = self._seed_problem(path)
        return self._seeds[path]

    def _seed_problem(self, path: str) -> str | None:
        base = base_of(path, self._directory)
        real = self._real(absolute(path, self._directory, self._home))
        if written(path).startswith("~") or not contains(self._real(base), real):
            return "must stay inside the directory of the caves file"
        try:
            status = os.stat(real)
        except OSError as exc:
            return f"this file cannot be read: {exc.strerror}"
        if not stat.S_ISREG(status.st_mode):
            return "this is not a regular file"
        return f"this file is larger than {size(MAX_BYTES)}" if status.st_size > MAX_BYTES else None

    def text(self, path: str) -> tuple[str, str | None]:
        """The text of a prompt, and why it cannot be read."""
        if path not in self._texts:
            self._texts[path] = self._text(path)
        return self._texts[path]

    def _text(self, path: str) -> tuple[str, str | None]:
        try:
            data = read_regular(absolute(path, self._directory, self._home), MAX_BYTES)
            return data.decode(), None
        except Unreadable as exc:
            return "", f"this file cannot be read: {exc}"
        except UnicodeDecodeError:
            return "", "this file is not valid UTF-8"

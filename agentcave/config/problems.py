"""What is wrong with a caves file, where, and how it is said."""

import os
from collections.abc import Iterable
from typing import NamedTuple

from agentcave.errors import SpecError

Path = tuple[str | int, ...]


class Flaw(NamedTuple):
    """Something wrong at a path of the document; ``at_key`` points at the key, not the value."""

    path: Path
    message: str
    hint: str | None = None
    at_key: bool = False


class Problem(NamedTuple):
    """A flaw with its place; ``order`` is the position of the file among those given."""

    order: int
    line: int
    column: int
    file: str
    path: str
    message: str
    hint: str | None = None

    def __str__(self) -> str:
        where = f"{shown(self.file)}:{self.line}:{self.column}: "
        what = f"{self.path}: {self.message}" if self.path else self.message
        return printable(where + what + (f" ({self.hint})" if self.hint else ""))


def spec_error(problems: Iterable[Problem]) -> SpecError:
    """All problems as one error, sorted by place, each said once."""
    return SpecError(list(dict.fromkeys(map(str, sorted(problems, key=_place)))))


def _place(problem: Problem) -> tuple[int, int, int, str]:
    return problem.order, problem.line, problem.column, problem.path


def shown(file: str) -> str:
    """A file as people know it: relative when it lies in the working directory."""
    try:
        here = os.path.realpath(os.getcwd())
    except FileNotFoundError:
        return file
    return file[len(here) + 1 :] if here != "/" and file.startswith(here + "/") else file


def dotted(path: Path) -> str:
    """``caves.api.setup[0]`` for ("caves", "api", "setup", 0)."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text


def printable(text: str) -> str:
    """Without control characters, and without anything that looks like a key."""
    from .suspicious import redact

    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in redact(text))


def nearest(word: str, known: Iterable[str]) -> str | None:
    """A hint with the most similar known word, if any is similar."""
    from difflib import get_close_matches

    close = get_close_matches(word, sorted(known), n=1)
    return f"did you mean {close[0]}?" if close else None

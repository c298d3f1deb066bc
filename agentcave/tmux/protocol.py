"""A batch of commands as the bytes of one source file, and its output as one outcome for each.

Pure. Not control mode: before 3.7 a control client that connects while any session, window or
client comes, goes or is renamed can crash the server, and with it every agent (tmux/tmux#4980).
Text of panes appears in the output unescaped, so what ends a reply is a word that nothing in a
pane can know.
"""

from collections.abc import Sequence
from typing import NamedTuple

from agentcave.tmux.commands import Choice, Command, line
from agentcave.tmux.formats import SEPARATOR


class Outcome(NamedTuple):
    """How one command went: the lines it printed, or why tmux refused it (``error``)."""

    lines: list[bytes]
    error: str | None = None


class Answer(NamedTuple):
    """What came back. ``about`` is None when the server did not even begin with the batch.

    ``refused`` is the index of a command that tmux could not parse: then *nothing* was done.
    ``whole`` is False when the server died before the last command was done.
    """

    about: tuple[bytes, ...] | None
    outcomes: list[Outcome]
    refused: int | None = None
    whole: bool = True


def name(command: Command) -> str:
    return command.then[0] if isinstance(command, Choice) else command[0]


def compose(batch: Sequence[Command], token: str, about: Sequence[str]) -> bytes:
    """One line for each command; ``about`` are formats to be told before the first."""
    head = ("display-message", "-p", SEPARATOR.join((token, *about)))
    lines = [line(head, None)]
    lines += [line(command, f"{token}-{i}") for i, command in enumerate(batch)]
    lines.append(line(("display-message", "-p", _end(token)), None))
    return b"".join(lines)


def _end(token: str) -> str:
    return f"{token}.end"


def parse(batch: Sequence[Command], token: str, stdout: bytes, stderr: bytes) -> Answer:
    """The outcome of each command. A failed one prints nothing but its error, in order."""
    lines = stdout.split(b"\n")
    head = lines[0].split(SEPARATOR.encode())
    if head[0] != token.encode():
        return _refused(lines[0], len(batch))
    replies = _replies(lines[1:], token)
    errors = stderr.decode(errors="replace").splitlines()
    failed = [i for i in range(len(batch)) if i not in replies]
    reasons = dict(zip(failed, errors, strict=False)) if len(errors) == len(failed) else {}
    everything = "; ".join(errors) or "it gave no reason"
    outcomes = [
        Outcome(replies[i]) if i in replies else Outcome([], reasons.get(i, everything))
        for i in range(len(batch))
    ]
    return Answer(tuple(head[1:]), outcomes, whole=_end(token).encode() in lines[-2:])


def _refused(said: bytes, size: int) -> Answer:
    """``-:3: unknown command: x``: tmux reads the whole file before it runs any of it."""
    start, number, reason = [*said.split(b":", 2), b"", b""][:3]
    if start != b"-" or not number.isdigit() or not 2 <= int(number) <= size + 1:
        return Answer(None, [])
    index = int(number) - 2
    error = Outcome([], reason.decode(errors="replace").strip())
    return Answer(None, [error], index)


def _replies(lines: Sequence[bytes], token: str) -> dict[int, list[bytes]]:
    replies: dict[int, list[bytes]] = {}
    prefix = f"{token}-".encode()
    current: list[bytes] = []
    for text in lines:
        if text.startswith(prefix) and text[len(prefix) :].isdigit():
            replies[int(text[len(prefix) :])] = current
            current = []
        else:
            current.append(text)
    return replies

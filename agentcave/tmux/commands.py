"""tmux commands as words, and words as one line of a source file. Pure.

Where servers differ, a command takes the version of the *server* that is to carry it out.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

from agentcave.tmux.versions import PASTE_REWRITES, VIEWER_REFUSES_KEYS, Version

Words = tuple[str, ...]

_BARE = re.compile(r"[A-Za-z0-9_/.:@+,-]+")
_SPECIAL = re.compile('[\\x01-\\x1f\\x7f"$~\\\\]')
_EXPANDING_HASHES = re.compile(r"#+(?![#\[])")
_UNFIT = frozenset(
    {"", "source-file", "source", "run-shell", "run", "wait-for", "wait", "if-shell", "if"}
)


class Choice(NamedTuple):
    """Two commands of which the server runs one, decided there and then by a format."""

    target: str
    condition: str
    then: Words
    otherwise: Words


Command = Words | Choice


def quote(word: str) -> str:
    """One word for tmux's own parser, which reads back exactly ``word``.

    Raises ValueError for NUL, which tmux cannot carry.
    """
    if "\0" in word:
        raise ValueError("tmux cannot carry a NUL character")
    if _BARE.fullmatch(word):
        return word
    return '"' + _SPECIAL.sub(_escape, word) + '"'


def _escape(match: re.Match[str]) -> str:
    character = match[0]
    return "\\" + (character if character in '"$~\\' else f"{ord(character):03o}")


def line(command: Command, mark: str | None) -> bytes:
    """One line, which prints ``mark`` last and only if the command succeeds.

    Raises ValueError for what cannot be sent: some commands would hold up or hide all others,
    and lone surrogates are no UTF-8.
    """
    if isinstance(command, Choice):
        then, otherwise = (_marked(branch, mark) for branch in (command.then, command.otherwise))
        text = _join(("if-shell", "-F", "-t", command.target, command.condition, then, otherwise))
    else:
        text = _marked(command, mark)
    return text.encode() + b"\n"


def _marked(words: Words, mark: str | None) -> str:
    if not words or words[0] in _UNFIT:
        raise ValueError(f"{words[:1]} cannot share a batch with other commands")
    return _join(words) + (f" ; display-message -p {mark}" if mark else "")


def _join(words: Words) -> str:
    return " ".join(map(quote, words))


def literal(text: str) -> str:
    """Text for a place where tmux expands formats, such that it stands for itself.

    ``#[`` is left alone: there tmux keeps the hashes as they are.
    """
    return _EXPANDING_HASHES.sub(lambda match: match[0] * 2, text)


def new_session(
    name: str, size: tuple[int, int], argv: Sequence[str], directory: str | None = None
) -> Words:
    """A detached session; the reply is its session id and pane id, separated by a space.

    ``argv`` needs two words or more: tmux gives a single one to a shell. ``directory`` must
    exist, or tmux silently takes another one.
    """
    where = ("-c", literal(directory)) if directory is not None else ()
    shape = ("-x", str(size[0]), "-y", str(size[1]))
    head = ("new-session", "-d", "-P", "-F", "#{session_id} #{pane_id}", "-s", literal(name))
    return (*head, *shape, *where, "--", *_exec(argv))


def respawn_pane(pane: str, argv: Sequence[str]) -> Words:
    """Start another program in a pane whose program has ended."""
    return ("respawn-pane", "-t", pane, "--", *_exec(argv))


def clear_title(pane: str) -> Words:
    """Take away the title that a program has set, and that outlives it."""
    return ("select-pane", "-t", pane, "-T", "")


def _exec(argv: Sequence[str]) -> Words:
    if len(argv) < 2:
        raise ValueError("tmux would give a single word to a shell")
    return tuple(argv)


def keep_when_dead(session: str, start: str) -> Choice:
    """Keep the pane of a session just made on a server with its own settings.

    Only if its start command begins with ``start``: the name may belong to somebody else.
    """
    if re.search(r"[^A-Za-z0-9_/ =.-]", start):
        raise ValueError("the start of a start command must hold no pattern")
    target = f"={session}:"
    ours = f"#{{m:{start}*,#{{pane_start_command}}}}"
    keep = ("set-option", "-p", "-t", target, "remain-on-exit", "on")
    return Choice(target, ours, keep, ("display-message", "-p", ""))


def kill_pane(pane: str) -> Words:
    return ("kill-pane", "-t", pane)


def kill_session(session: str) -> Words:
    return ("kill-session", "-t", session)


NOBODY = "agentcave-nobody"
"""No client has this name; tmux would ask any client for leave, also one that may only look on."""


def _send_keys(version: Version, *flags: str) -> Words:
    for_nobody = ("-c", NOBODY) if version.has(VIEWER_REFUSES_KEYS) else ()
    return ("send-keys", *for_nobody, *flags)


def send_keys(version: Version, pane: str, *keys: str) -> Words:
    """Named keys (``Enter``, ``C-c``); harmless and without effect in a dead pane."""
    return (*_send_keys(version, "-t", pane, "--"), *keys)


def send_text(version: Version, pane: str, text: str) -> Words:
    """Literal characters; lost while the pane is in copy mode. ``paste`` is for anything long."""
    return (*_send_keys(version, "-l", "-t", pane, "--"), text)


NOT_PRESSED = b"agentcave: not pressed"


def press(
    version: Version, pane: str, key: str, *, literally: bool, shown: str = "", hidden: str = ""
) -> Choice:
    """Press a key in a pane that takes keys and, at that very moment, shows what it should.

    ``shown`` is a POSIX extended expression that a line of the screen must match, ``hidden`` one
    that none may; "" for no such condition. The server checks the screen that it holds itself;
    its reply is ``NOT_PRESSED`` when the key was not pressed.
    """
    fit = _both("#{?#{||:#{pane_dead},#{pane_in_mode}},0,1}", _lines(shown, "1"))
    fit = _both(fit, f"#{{?{_lines(hidden, '0')},0,1}}")
    do = (send_text if literally else send_keys)(version, pane, key)
    return Choice(pane, fit, do, ("display-message", "-p", NOT_PRESSED.decode()))


def _both(one: str, other: str) -> str:
    return f"#{{&&:{one},{other}}}"


def _lines(pattern: str, default: str) -> str:
    if set(pattern) & set("#{},"):
        raise ValueError("these mean something in a format")
    return f"#{{C/r:{pattern}}}" if pattern else default


def leave_mode(pane: str) -> Words:
    """Leave any mode (copy, a chooser, the clock), in which a pane takes no keys."""
    return ("copy-mode", "-q", "-t", pane)


def load_buffer(buffer: str, path: str) -> Words:
    return ("load-buffer", "-b", buffer, path)


def delete_buffer(buffer: str) -> Words:
    return ("delete-buffer", "-b", buffer)


PANE_IS_DEAD = b"agentcave: the pane is dead"


def paste(version: Version, pane: str, buffer: str, *, bracketed: bool = True) -> Choice:
    """Paste a buffer and delete it, never into a dead pane: that crashes tmux 3.3a.

    The check is made inside the server; the reply to a dead pane is ``PANE_IS_DEAD``, and the
    buffer stays.
    """
    raw = "S" if version.has(PASTE_REWRITES) else ""
    flags = "-dr" + ("p" if bracketed else "") + raw
    do = ("paste-buffer", flags, "-b", buffer, "-t", pane)
    refuse = ("display-message", "-p", PANE_IS_DEAD.decode())
    return Choice(pane, "#{pane_dead}", refuse, do)


def capture_pane(pane: str, start: int | None = None, *, escapes: bool = False) -> Words:
    """The screen; ``start`` lines of history before it as a negative number, None for none.

    Cost is by the line and blocks the whole server (facts: 0.3 s for 50 000 with escapes).
    """
    flags = "-peJ" if escapes else "-pJ"
    return ("capture-pane", flags, "-t", pane, *(() if start is None else ("-S", str(start))))


def resize(pane: str, size: tuple[int, int]) -> Words:
    """Resize the window that a pane is in."""
    return ("resize-window", "-t", pane, "-x", str(size[0]), "-y", str(size[1]))


def list_panes(row: str) -> Words:
    return ("list-panes", "-a", "-F", row)


def show_environment() -> Words:
    return ("show-environment", "-g")

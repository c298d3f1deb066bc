"""What a command needs to know before it reads tmux, and no more: the rest of the program is loaded
while tmux answers.
"""

import argparse
import os
import stat
from typing import NamedTuple

from agentcave.errors import Unavailable, UsageError
from agentcave.hosts import LocalHost, state_root
from agentcave.model.hashing import sha256_hex
from agentcave.sessions.panes import Reading
from agentcave.tmux import Server


class Located(NamedTuple):
    """The caves files as config names them; ``found`` when by search and not by name."""

    files: tuple[str, ...]
    found: bool

    @property
    def uid(self) -> str:
        return sha256_hex(os.fsencode(self.files[0]))[:16]


def locate(args: argparse.Namespace, changes: bool = False) -> Located:
    """Find the caves files. ``changes``: for a command that changes something.

    A worktree holds a copy of the caves file: inside a workspace of ours, the project that owns
    it is meant, and to change that one it has to be named. Raises UsageError.
    """
    if args.project:
        raise UsageError(
            f"-p selects among live projects, and `{args.verb}` goes by a file"
            if not args.file
            else "-f and -p both name a project",
            "use -f FILE alone",
        )
    if args.file:
        return Located(tuple(_placed(absolute(file)) for file in args.file), False)
    here = absolute("")
    from agentcave import config
    from agentcave.cli.owner import owning_file

    owner = owning_file(here, state_root(os.environ))
    if owner is not None:
        if changes:
            raise UsageError(
                f"this is a cave of {owner}: from inside it nothing is changed by accident",
                f"name the file: -f {owner}",
            )
        return Located((owner,), True)
    found = config.find(here)
    return Located((_placed(found),) if found else (), True)


def absolute(path: str) -> str:
    """A path from where we are. Raises UsageError when that place is gone."""
    if os.path.isabs(path):
        return path
    try:
        return os.path.join(os.getcwd(), path).removesuffix("/")
    except OSError as exc:
        raise UsageError("the working directory is gone", "cd to one that exists") from exc


def _placed(path: str) -> str:
    """Raises UsageError for a path that cannot be written down as text."""
    from agentcave.config.files import named

    place = named(path)
    try:
        place.encode()
    except UnicodeEncodeError as exc:
        where = os.fsencode(place).decode(errors="backslashreplace")
        raise UsageError(f"the path {where} is not valid UTF-8", "rename it") from exc
    return place


def require(located: Located) -> Located:
    if not located.files:
        raise UsageError(
            f"no caves.yaml here ({os.getcwd()}) or above it, up to the git root",
            "name one with -f FILE, or write one with `agentcave init`",
        )
    return located


def server(args: argparse.Namespace) -> Server:
    """Raises Unavailable for a path to something else, which tmux would delete."""
    socket = args.socket or os.environ.get("AGENTCAVE_SOCKET") or "agentcave"
    if "/" in socket and os.path.exists(socket) and not stat.S_ISSOCK(os.stat(socket).st_mode):
        raise Unavailable(f"{socket} is not a socket, and is left as it is", "name another")
    return Server(absolute(socket) if "/" in socket else socket)  # a server changes to /


def begin_reading(args: argparse.Namespace) -> Reading:
    return Reading(LocalHost(), server(args))

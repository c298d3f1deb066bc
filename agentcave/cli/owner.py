"""Whose workspace a directory lies in."""

import os
from contextlib import closing

from agentcave.errors import CaveError
from agentcave.state import read_state

MARK = os.path.join(".cave", ".gitignore")


def owning_file(directory: str, root: str) -> str | None:
    """The caves file of the project whose worktree or clone holds ``directory``, if one does.

    A Working Context marks the candidates; the history of the projects under ``root`` decides.
    """
    place = os.path.realpath(directory)
    while True:
        if os.path.lexists(os.path.join(place, MARK)):
            owner = _owner(place, root)
            if owner is not None:
                return owner
        parent = os.path.dirname(place)
        if parent == place:
            return None
        place = parent


def _owner(workspace: str, root: str) -> str | None:
    try:
        folders = sorted(os.listdir(root))
    except OSError:
        return None
    for folder in folders:
        try:
            with closing(read_state(os.path.join(root, folder))) as state:
                records = state.workspaces().values()
                if any(r.path == workspace and r.type != "directory" for r in records):
                    return state.text("file")
        except CaveError:
            continue  # the damaged history of another project is not this command's business
    return None

"""Remove a workspace: moved aside in one step, looked at once more, and only then deleted.

Nothing is deleted where somebody may work. Before the last look the workspace is moved aside under
a name that says so, and is moved back when that look finds anything; after it, under a name that
says that it holds nothing. So a removal that was interrupted, however, either did not happen, or is
finished by the next pass (``finish_removals``): never is there half a workspace in its place.
"""

import contextlib
import os
from collections.abc import Collection, Iterable
from functools import partial

from agentcave.errors import CaveError
from agentcave.hosts.base import Host
from agentcave.model.observed import WorkspaceRecord
from agentcave.workspaces.checkouts import lock_reason, read_admin
from agentcave.workspaces.git import Git

LEAVING, EMPTY = ".agentcave-leaving-", ".agentcave-empty-"
"""Between the name of a workspace and the uid of its project: moved aside and not looked at again
yet; holds nothing to lose."""


async def remove(
    host: Host,
    directory: str,
    uid: str,
    cave: str,
    record: WorkspaceRecord,
    *,
    context: Collection[str],
) -> None:
    """Remove a workspace that holds nothing to lose; its branch stays, a directory stays whole.

    Raises CaveError naming the obstacle; then the workspace is where it was, as it was.
    """
    if record.type == "directory":
        return
    import anyio

    from agentcave.workspaces.removable import obstacles
    from agentcave.workspaces.trees import remove_path
    from agentcave.workspaces.worktree import forget_worktree

    reason, there = lock_reason(uid, cave), os.path.lexists(record.path)
    empty = _aside(record.path, EMPTY, uid)
    if there:
        _require_ours(cave, record, reason)
        look = partial(obstacles, host, context=context)
        _require_none(cave, await anyio.to_thread.run_sync(look, record))
        await anyio.to_thread.run_sync(remove_path, empty)
        leaving = _aside(record.path, LEAVING, uid)
        os.rename(record.path, leaving)
        try:
            moved = record._replace(path=leaving)
            _require_none(cave, await anyio.to_thread.run_sync(look, moved))
            os.rename(leaving, empty)
        except BaseException:
            _move_back(leaving, record.path)
            raise
    if record.type == "worktree":
        await forget_worktree(Git(host, directory), record.path, reason)
    await anyio.to_thread.run_sync(remove_path, empty)


def finish_removals(uid: str, paths: Iterable[str]) -> None:
    """Take up what a killed removal has left in the folders of these workspaces.

    What was not looked at for the last time goes back to its place.
    """
    for folder in {os.path.dirname(path) for path in paths}:
        for name in _names(folder):
            aside = os.path.join(folder, name)
            if name.endswith(f"{LEAVING}{uid}"):
                path = os.path.join(folder, name[1:].removesuffix(f"{LEAVING}{uid}"))
                with contextlib.suppress(OSError):  # it holds all that it held
                    if not os.path.lexists(path):
                        os.rename(aside, path)
            elif name.endswith(f"{EMPTY}{uid}"):
                from agentcave.workspaces.trees import remove_path

                with contextlib.suppress(CaveError):  # in nobody's way; tried again next time
                    remove_path(aside)


def _names(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []


def _aside(path: str, what: str, uid: str) -> str:
    folder, name = os.path.split(path)
    return os.path.join(folder, f".{name}{what}{uid}")


def _move_back(leaving: str, path: str) -> None:
    try:
        if not os.path.lexists(path):
            os.rename(leaving, path)
            return
        why = "something else stands there now"
    except OSError as exc:
        why = str(exc.strerror)
    raise CaveError(f"cannot move {leaving} back to {path}: {why}", "move it back by hand")


def _require_ours(cave: str, record: WorkspaceRecord, reason: str) -> None:
    from agentcave.workspaces.judge import is_stamped

    if record.type == "worktree":
        admin = read_admin(record.path)
        ours = admin is not None and admin.lock in (reason, None)
    else:
        ours = is_stamped(record.path, reason)
    if not ours:
        raise CaveError(f"cannot remove the workspace of {cave}: {record.path} is not ours")


def _require_none(cave: str, found: tuple[str, ...]) -> None:
    if found:
        raise CaveError(
            f"cannot remove the workspace of {cave}: {'; '.join(found)}",
            "commit it, push it or move it elsewhere, then run again",
        )

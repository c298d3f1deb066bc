"""Make a clone beside its place and rename it there: half a clone is never in the workspace."""

import os

from agentcave.errors import CaveError
from agentcave.model.spec import WorkspaceSpec
from agentcave.workspaces.checkouts import lock_reason
from agentcave.workspaces.git import Git, line
from agentcave.workspaces.judge import is_stamped
from agentcave.workspaces.recover import wait_until_quiet
from agentcave.workspaces.survey import ORIGIN, TRACKING, Survey
from agentcave.workspaces.trees import PARTIAL, remove_path


async def make_clone(main: Git, uid: str, cave: str, spec: WorkspaceSpec, world: Survey) -> None:
    """Clone the main checkout (remote ``local``), with its origin, on the wanted branch.

    Object files are shared by hard links, as git does by itself: they are never written to.
    """
    reason = lock_reason(uid, cave)
    if os.path.lexists(spec.path):
        if not is_stamped(spec.path, reason):
            raise CaveError(
                f"cannot make a clone at {spec.path}: it exists and is not ours",
                "move it away, or declare another path",
            )
        return
    folder, name = os.path.split(spec.path)
    partial = os.path.join(folder, f".{name}{PARTIAL}")
    os.makedirs(folder, exist_ok=True)
    if os.path.lexists(partial):
        await wait_until_quiet(partial)
        remove_path(partial)
    clone = ("clone", "--quiet", "--no-checkout", "--origin", "local")
    await main.once(*clone, "--", world.toplevel, partial)
    await _equip(main, Git(main.host, partial), spec, world)
    _stamp(partial, reason)
    os.rename(partial, spec.path)


async def _equip(main: Git, clone: Git, spec: WorkspaceSpec, world: Survey) -> None:
    url = line(main.observe("config", "--get", "remote.origin.url", accept=(0, 1)))
    if url:
        await clone.once("remote", "add", "--", ORIGIN, _absolute(url, world.toplevel))
        tracked = "+refs/remotes/origin/*:refs/remotes/origin/*"
        await clone.once("fetch", "--quiet", "--no-tags", "local", tracked)
    branch = spec.branch or ""
    theirs = f"refs/heads/{branch}"
    known = main.observe("for-each-ref", "--format=%(refname) %(objectname)", theirs)
    start = next(
        (
            row.split()[1].decode()
            for row in known.splitlines()
            if row.split()[0] == theirs.encode()
        ),
        None,
    )
    if start is None and world.remote_of(spec):
        begin = ("checkout", "--quiet", "--track", "-B", branch)
        await clone.once(*begin, f"{TRACKING}{ORIGIN}/{branch}")
        return
    start = start or world.commits[spec.base]
    if os.fsdecode(clone.observe("branch", "--show-current")).strip() == branch:
        await clone.once("reset", "--hard", "--quiet", start)
    else:
        await clone.once("checkout", "--quiet", "--no-track", "-b", branch, start)


def _absolute(url: str, toplevel: str) -> str:
    """A relative path means the same place from within the clone."""
    if os.path.isabs(url) or ":" in url.split("/")[0]:
        return url
    return os.path.normpath(os.path.join(toplevel, url))


def _stamp(clone: str, reason: str) -> None:
    with open(os.path.join(clone, ".git", "agentcave"), "xb") as file:
        file.write(os.fsencode(f"{reason}\n"))

"""Make a git worktree, or finish one that we began: registered and locked first, filled after.

The registration is a few small files, so many worktrees take turns for it (two at once make git
fail: one reads the half-written files of the other); the check-outs then run side by side.
The lock's reason is our stamp and there from git's first step, and a worktree without an index
has never been anybody's: every interruption is recognised by these two.
"""

import contextlib
import os
from collections.abc import AsyncIterator

from agentcave.errors import Busy, CaveError
from agentcave.model.spec import WorkspaceSpec
from agentcave.workspaces.checkouts import (
    Admin,
    Checkout,
    lock_reason,
    parse_checkouts,
    read_admin,
    real_path,
    registrations,
    unborn,
)
from agentcave.workspaces.git import Git, GitFailed, patiently
from agentcave.workspaces.judge import holds_nothing
from agentcave.workspaces.kept import keep
from agentcave.workspaces.moved import require_not_moved
from agentcave.workspaces.recover import drop_abandoned, require_nothing_foreign, wait_until_quiet
from agentcave.workspaces.survey import TRACKING, Survey, common_of
from agentcave.workspaces.trees import remove_path

TURN_SECONDS = 120.0


async def make_worktree(main: Git, uid: str, cave: str, spec: WorkspaceSpec, world: Survey) -> None:
    """Bring the worktree to where an agent can start. Raises CaveError, and leaves what is there.

    Interrupted at any point, a second call finishes the first.
    """
    import anyio

    reason = lock_reason(uid, cave)
    if os.path.lexists(spec.path):
        await wait_until_quiet(spec.path)
    admin = _ours(spec.path, reason)
    if admin is None or holds_nothing(spec.path):
        await _register(main, reason, spec, world)
        admin = _ours(spec.path, reason)
    elif not admin.has_index:
        _drop_stale_lock(admin)
        await anyio.to_thread.run_sync(
            require_nothing_foreign, main.host, spec.path, admin.directory
        )
    await _fill(Git(main.host, spec.path), admin)


def _ours(path: str, reason: str) -> Admin | None:
    """Raises CaveError for anything that we did not put there."""
    if not os.path.lexists(path):
        return None
    admin = read_admin(path)
    if admin is not None and admin.lock == reason:
        return admin
    if admin is None and holds_nothing(path):
        return None
    raise CaveError(
        f"cannot make a worktree at {path}: it exists and is not ours",
        "move it away, or declare another path",
    )


async def _register(main: Git, reason: str, spec: WorkspaceSpec, world: Survey) -> None:
    import anyio

    async with _turn(world.common):
        for admin in registrations(world.common, real_path(spec.path)):
            await anyio.to_thread.run_sync(require_not_moved, admin)
        for admin in unborn(world.common, reason):
            await keep(main, reason, admin)
            remove_path(admin)
        if os.path.lexists(spec.path) or world.at(real_path(spec.path)):
            await _forget(main, spec.path, reason)
        os.makedirs(os.path.dirname(spec.path), exist_ok=True)
        command = ("worktree", "add", "--quiet", "--no-checkout", "--lock", "--reason", reason)

        async def add() -> bytes:
            return await main.once(*command, *_starting_point(main, spec, world), timeout=60.0)

        try:
            await patiently(add)
        except GitFailed as failure:
            lock = os.path.join(world.common, "refs", "heads", f"{spec.branch}.lock")
            if not failure.is_contention or not drop_abandoned(lock):
                raise
            await add()


def _starting_point(main: Git, spec: WorkspaceSpec, world: Survey) -> tuple[str, ...]:
    """An existing branch is taken up where it is; a new one follows that of a remote, or none."""
    branch = spec.branch or ""
    ref = f"refs/heads/{branch}"
    if main.observe("for-each-ref", "--format=%(refname)", ref).splitlines() == [os.fsencode(ref)]:
        return ("--", spec.path, branch)
    if remote := world.remote_of(spec):
        start = f"{TRACKING}{remote}/{branch}"
        return ("--track", "-b", branch, "--", spec.path, start)
    return ("-b", branch, "--", spec.path, world.commits[spec.base])


async def _forget(main: Git, path: str, reason: str) -> None:
    """Drop git's registration of this one path when nothing is left, or was ever, in it."""
    real = real_path(path)
    for admin in registrations(common_of(main), real):
        await keep(main, reason, admin)
    if os.path.lexists(path):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(os.path.join(path, ".git"))
        os.rmdir(path)
    found = _still_registered(main, real)
    if found is None:
        return
    if found.lock not in (reason, None):
        raise CaveError(
            f"cannot make a worktree at {path}: git has it registered, locked with {found.lock!r}",
            f"git worktree unlock {path}",
        )
    if found.lock is not None:
        await main.run("worktree", "unlock", "--", real, timeout=60.0)
    await main.run("worktree", "remove", "--", real, timeout=60.0)
    if _still_registered(main, real) is not None:  # unlocked it would be nobody's
        raise CaveError(f"git says that it has dropped the worktree {path}, and has not")


def _still_registered(main: Git, real: str) -> Checkout | None:
    listed = parse_checkouts(main.observe("worktree", "list", "--porcelain", "-z"))
    return next((checkout for checkout in listed if checkout.path == real), None)


def _drop_stale_lock(admin: Admin) -> None:
    """No git is at work here any more, and there is no index yet that it could protect."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(os.path.join(admin.directory, "index.lock"))


async def _fill(worktree: Git, admin: Admin | None) -> None:
    """Check out, as ``git worktree add`` does, and tell the user's hook as it does."""
    if admin is None:
        raise CaveError(f"git made no worktree at {worktree.directory}")
    if not admin.has_index:
        # unlike `reset --hard` it takes no lock but the index's, so a kill leaves no other
        await worktree.once("read-tree", "--reset", "-u", "--no-recurse-submodules", "HEAD")
    head = worktree.observe("rev-parse", "HEAD").decode().strip()
    hook = ("hook", "run", "--ignore-missing", "post-checkout", "--", "0" * len(head), head, "1")
    try:
        await worktree.once(*hook)
    except GitFailed as failure:
        raise CaveError(
            f"the post-checkout hook failed in {worktree.directory}: {failure.stderr.strip()}",
            "run again once the hook is repaired",
        ) from failure


@contextlib.asynccontextmanager
async def _turn(common: str) -> AsyncIterator[None]:
    """One registration at a time in a repository, also among other agentcaves."""
    import fcntl

    import anyio

    descriptor = os.open(common, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with anyio.move_on_after(TURN_SECONDS) as scope:
            while not _take(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB):
                await anyio.sleep(0.005)
        if scope.cancelled_caught:
            raise Busy(f"another agentcave has been making worktrees of {common} for too long")
        yield
    finally:
        os.close(descriptor)


def _take(descriptor: int, operation: int) -> bool:
    import fcntl

    try:
        fcntl.flock(descriptor, operation)
    except BlockingIOError:
        return False
    return True


async def forget_worktree(main: Git, path: str, reason: str) -> None:
    """Drop git's registration of a worktree of ours that is not in its place any more."""
    import anyio

    async with _turn(await anyio.to_thread.run_sync(common_of, main)):
        await _forget(main, real_path(path), reason)

"""What may be done with one workspace, from what git and the file system say of it."""

import os

from agentcave.hosts.files import regular
from agentcave.model.observed import ObservedWorkspace, WorkspaceRecord
from agentcave.model.spec import WorkspaceSpec
from agentcave.workspaces.branches import conflict, is_valid
from agentcave.workspaces.checkouts import lock_reason, read_admin
from agentcave.workspaces.survey import HEAD, ORIGIN, Survey


def judge(
    world: Survey,
    directory: str,
    uid: str,
    cave: str,
    spec: WorkspaceSpec,
    record: WorkspaceRecord | None,
) -> ObservedWorkspace:
    """The snapshot of one worktree or clone whose state a stat alone could not tell."""
    exists = os.path.lexists(spec.path)
    problem = mismatch(spec, record) or misplaced(directory, world, spec.path)
    if problem:
        return ObservedWorkspace(spec.path, exists, record, problem=problem)
    record = record if record and (record.type, record.path) == (spec.type, spec.path) else None
    if exists:
        seen = _existing_clone if spec.type == "clone" else _existing_worktree
        return seen(lock_reason(uid, cave), spec, record)
    return ObservedWorkspace(
        spec.path,
        exists=False,
        record=record,
        origin=_origin(world, spec),
        problem=_cannot_make(world, lock_reason(uid, cave), spec, record)
        or _cannot_choose(world, cave, spec),
    )


def mismatch(spec: WorkspaceSpec, record: WorkspaceRecord | None) -> str | None:
    """The file asks for another workspace than the one that was made and may hold work."""
    if record is None or record.type == "directory" or not os.path.lexists(record.path):
        return None
    if record.type != spec.type:
        return f"{record.path} was made as a {record.type}, the file says {spec.type}"
    if record.path != spec.path:
        return f"its workspace was made at {record.path}, the file says {spec.path}"
    if record.branch != spec.branch:
        return f"{record.path} was made on branch {record.branch}, the file says {spec.branch}"
    return None


def misplaced(directory: str, world: Survey, path: str) -> str | None:
    """Where we make nothing: outside, in the repository's own places, or through a symlink."""
    home = os.path.dirname(os.path.realpath(directory))
    real = os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path))
    if os.path.islink(path):
        return f"{path} is a symlink"
    if not _is_below(real, home):
        return f"{path} leads out of {home}, to {real}"
    if _is_below(world.toplevel, real) or _is_below(os.path.realpath(directory), real):
        return f"{path} is the repository itself, or holds it"
    if _is_below(real, world.common) or _is_below(real, os.path.join(world.toplevel, ".git")):
        return f"{path} is in the repository's own {world.common}"
    return None


def _is_below(path: str, folder: str) -> bool:
    return path == folder or path.startswith(f"{folder.rstrip('/')}/")


def _existing_worktree(
    reason: str, spec: WorkspaceSpec, record: WorkspaceRecord | None
) -> ObservedWorkspace:
    admin = read_admin(spec.path)
    if admin is None:
        begun = record is not None and not record.ready and holds_nothing(spec.path)
        problem = None if begun else f"{spec.path} exists and is not a worktree of ours"
        return ObservedWorkspace(spec.path, True, record, half_made=begun, problem=problem)
    known = record is not None and admin.lock is None
    if admin.lock != reason and not known:
        return ObservedWorkspace(spec.path, True, record, problem=_foreign(spec.path, admin.lock))
    if not admin.has_index or (record is not None and not record.ready):
        return ObservedWorkspace(spec.path, True, record, half_made=True)
    return ObservedWorkspace(spec.path, True, record or adopted(spec))


def _foreign(path: str, lock: str | None) -> str:
    if lock is None:
        return f"{path} is a worktree that agentcave did not make"
    return f"{path} is a worktree of another: it is locked with {lock!r}"


def _existing_clone(
    reason: str, spec: WorkspaceSpec, record: WorkspaceRecord | None
) -> ObservedWorkspace:
    stamped = is_stamped(spec.path, reason)
    if not stamped and record is None:
        problem = f"{spec.path} exists and is not a clone of ours"
        return ObservedWorkspace(spec.path, True, problem=problem)
    if not os.path.isdir(os.path.join(spec.path, ".git")):
        problem = f"{spec.path} exists and is not a clone"
        return ObservedWorkspace(spec.path, True, record, problem=problem)
    if record is not None and not record.ready:
        return ObservedWorkspace(spec.path, True, record, half_made=True)
    return ObservedWorkspace(spec.path, True, record or adopted(spec))


def is_stamped(path: str, reason: str) -> bool:
    """Whether the clone at ``path`` says in its own ``.git`` that it is ours."""
    try:
        with open(os.path.join(path, ".git", "agentcave"), "rb", opener=regular) as file:
            return file.read(1 << 12) == os.fsencode(f"{reason}\n")
    except OSError:
        return False


def adopted(spec: WorkspaceSpec) -> WorkspaceRecord:
    """The record of a finished workspace that carries our stamp while history was lost."""
    return WorkspaceRecord(spec.type, spec.path, spec.branch, ready=True)


def holds_nothing(path: str) -> bool:
    """An empty directory, or one with nothing but a worktree's ``.git`` file."""
    if os.path.islink(path) or not os.path.isdir(path):
        return False
    entries = os.listdir(path)
    return not entries or (entries == [".git"] and os.path.isfile(os.path.join(path, ".git")))


def _cannot_make(
    world: Survey, reason: str, spec: WorkspaceSpec, record: WorkspaceRecord | None
) -> str | None:
    if not spec.branch or not is_valid(spec.branch):
        return f"{spec.branch!r} is not a legal branch name"
    known = spec.branch in world.branches or world.remote_of(spec) is not None
    adopts = spec.type == "worktree" and known
    if spec.base not in world.commits and not adopts:
        if not world.has_commit:
            return f"the repository {world.toplevel} has no commit yet: make one first"
        return f"base {spec.base!r} is no commit of {world.toplevel}"
    if spec.type == "clone":
        return None
    registered = world.at(os.path.realpath(spec.path))
    ours = (reason, None) if record else (reason,)
    if registered and registered.lock not in ours:
        return f"git still has {spec.path} registered as another worktree: git worktree prune"
    if other := conflict(spec.branch, world.branches):
        return f"branch {spec.branch} cannot exist beside branch {other}"
    return _checked_out(world, spec)


def _cannot_choose(world: Survey, cave: str, spec: WorkspaceSpec) -> str | None:
    """A new branch that would stand in the way of one that a remote has under its name."""
    branch, remotes = spec.branch or "", world.remotes.get(spec.branch or "", ())
    if not remotes or branch in world.branches:
        return None
    there = f"branch {branch} is on {' and '.join(remotes)}"
    chooses = f"`git branch --track {branch} {remotes[0]}/{branch}`"
    if spec.base != HEAD:
        # where the name is the default, the base is all that was chosen
        chosen = branch == f"cave/{cave}"
        return None if chosen else f"{there}, and base is {spec.base}: {chooses}, or another branch"
    if len(remotes) > 1:
        return f"{there}: {chooses} chooses one"
    if spec.type == "clone" and remotes != (ORIGIN,):
        return f"{there}, which a clone does not know: {chooses} first"
    return None


def _checked_out(world: Survey, spec: WorkspaceSpec) -> str | None:
    holder = world.holder(spec.branch or "")
    if holder is None or holder.path == os.path.realpath(spec.path):
        return None
    where = "the main checkout" if holder.path == world.toplevel else holder.path
    return f"branch {spec.branch} is checked out in {where}"


def _origin(world: Survey, spec: WorkspaceSpec) -> str | None:
    """As the plan shows it: ``main@3f2c1d``, or the branch that is taken up."""
    if spec.type == "worktree" and spec.branch in world.branches:
        return f"existing branch {spec.branch}"
    if remote := world.remote_of(spec):
        return f"{remote}/{spec.branch}"
    commit = world.commits.get(spec.base)
    return f"{spec.base}@{commit[:6]}" if commit else None

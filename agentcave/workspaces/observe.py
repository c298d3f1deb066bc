"""See every workspace: by stat alone when all is well, else with a handful of git processes."""

import os
import stat
from collections.abc import Mapping

from agentcave.errors import CaveError
from agentcave.hosts.base import Host
from agentcave.model.observed import ObservedWorkspace, WorkspaceRecord
from agentcave.model.spec import WorkspaceSpec
from agentcave.workspaces import judge
from agentcave.workspaces.checkouts import lock_reason, real_path
from agentcave.workspaces.git import Git
from agentcave.workspaces.kept import doomed, keepable
from agentcave.workspaces.moved import require_not_moved
from agentcave.workspaces.survey import survey

Records = Mapping[str, WorkspaceRecord]


def observe(
    host: Host,
    directory: str,
    uid: str,
    wanted: Mapping[str, WorkspaceSpec],
    records: Records,
) -> dict[str, ObservedWorkspace]:
    """What is there for each wanted cave; blocking, and it changes nothing.

    ``directory`` is the folder of the caves file. Raises Unavailable when git is missing.
    """
    seen = {cave: _by_stat(spec, records.get(cave)) for cave, spec in wanted.items()}
    unclear = {cave: wanted[cave] for cave, found in seen.items() if found is None}
    judged = _by_git(host, directory, uid, unclear, records) if unclear else {}
    return {cave: found or judged[cave] for cave, found in seen.items()}


def _by_stat(spec: WorkspaceSpec, record: WorkspaceRecord | None) -> ObservedWorkspace | None:
    """The whole answer when two stats are enough for one, else None."""
    if spec.type == "directory":
        return _directory(spec, record)
    if record is None or not record.ready:
        return None
    if record.type != spec.type or record.path != spec.path or _branch_differs(spec, record):
        return None
    if not _looks_right(spec):
        return None
    return ObservedWorkspace(spec.path, exists=True, record=record)


def _branch_differs(spec: WorkspaceSpec, record: WorkspaceRecord) -> bool:
    return record.branch != spec.branch


def _looks_right(spec: WorkspaceSpec) -> bool:
    try:
        if not stat.S_ISDIR(os.lstat(spec.path).st_mode):
            return False
        mode = os.lstat(f"{spec.path}/.git").st_mode
    except OSError:
        return False
    return stat.S_ISREG(mode) if spec.type == "worktree" else stat.S_ISDIR(mode)


def _directory(spec: WorkspaceSpec, record: WorkspaceRecord | None) -> ObservedWorkspace | None:
    if record is not None and record.type != "directory":
        problem = judge.mismatch(spec, record)
        return ObservedWorkspace(spec.path, os.path.isdir(spec.path), record, problem=problem)
    if record is not None and record.path != spec.path:
        record = None
    if os.path.isdir(spec.path):
        return ObservedWorkspace(spec.path, exists=True, record=record)
    what = "is not a directory" if os.path.lexists(spec.path) else "does not exist"
    return ObservedWorkspace(spec.path, exists=False, problem=f"{spec.path} {what}")


def _by_git(
    host: Host,
    directory: str,
    uid: str,
    unclear: Mapping[str, WorkspaceSpec],
    records: Records,
) -> dict[str, ObservedWorkspace]:
    bases = {spec.base for spec in unclear.values()}
    branches = {spec.branch for spec in unclear.values() if spec.branch is not None}
    try:
        world = survey(host, directory, bases, branches)
    except CaveError as refusal:
        if refusal.exit_code != CaveError.exit_code:
            raise
        return {
            cave: ObservedWorkspace(
                spec.path, os.path.lexists(spec.path), records.get(cave), problem=str(refusal)
            )
            for cave, spec in unclear.items()
        }
    return {
        cave: _keeping(
            Git(host, world.toplevel),
            world.common,
            lock_reason(uid, cave),
            spec,
            judge.judge(world, directory, uid, cave, spec, records.get(cave)),
        )
        for cave, spec in unclear.items()
    }


def _keeping(
    main: Git, common: str, reason: str, spec: WorkspaceSpec, seen: ObservedWorkspace
) -> ObservedWorkspace:
    """The same with the refs that making it anew would leave for commits of the one before."""
    gone = not seen.exists or (seen.half_made and judge.holds_nothing(spec.path))
    if spec.type != "worktree" or seen.problem or not gone:
        return seen
    try:
        admins = doomed(common, real_path(spec.path), reason)
        for admin in admins:
            require_not_moved(admin)
        found = [keepable(main, reason, admin) for admin in admins]
    except CaveError as refusal:
        return seen._replace(problem=str(refusal))
    return seen._replace(kept=tuple(ref for refs in found for ref in refs))

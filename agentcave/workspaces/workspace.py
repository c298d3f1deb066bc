"""Create a workspace of any type."""

import os

from agentcave.errors import CaveError
from agentcave.hosts.base import Host
from agentcave.model.observed import ObservedWorkspace, WorkspaceRecord
from agentcave.model.spec import WorkspaceSpec
from agentcave.workspaces.git import Git
from agentcave.workspaces.ignore import FOLDER, ensure_ignored

CONCURRENCY = 4
"""How many to create at once: more check-outs only fight for the same disk."""


async def create(
    host: Host,
    directory: str,
    uid: str,
    cave: str,
    spec: WorkspaceSpec,
    observed: ObservedWorkspace,
) -> WorkspaceRecord:
    """Make the workspace, or finish a half-made one, and answer its record, ready.

    The caller stores a record that is not ready before. Killed or cancelled at any point, the
    next call goes on from there; a finished workspace is left as it is. At most ``CONCURRENCY``
    at once pay. Raises CaveError, naming what is in the way.
    """
    import anyio

    from agentcave.workspaces.place import place
    from agentcave.workspaces.unignored import keep_out

    if observed.problem:
        raise CaveError(f"cannot make the workspace of {cave}: {observed.problem}")
    main, base = directory, None
    if spec.type != "directory":
        main, base = await _make(host, directory, uid, cave, spec, observed)
        await anyio.to_thread.run_sync(keep_out, Git(host, spec.path), main, spec)
    placed = await anyio.to_thread.run_sync(place, main, spec.path, spec.copy, spec.link)
    setup = observed.record.setup if observed.record else None
    return WorkspaceRecord(
        spec.type,
        spec.path,
        spec.branch,
        ready=True,
        setup=setup,
        placed=placed,
        disposable=spec.disposable,
        on_remove=spec.on_remove,
        base=base,
    )


async def _make(
    host: Host,
    directory: str,
    uid: str,
    cave: str,
    spec: WorkspaceSpec,
    observed: ObservedWorkspace,
) -> tuple[str, str | None]:
    """The main checkout, and the commit that the workspace was made from."""
    import anyio

    from agentcave.workspaces.clone import make_clone
    from agentcave.workspaces.judge import judge
    from agentcave.workspaces.survey import survey
    from agentcave.workspaces.worktree import make_worktree

    if spec.path.startswith(os.path.join(directory, FOLDER, "")):
        ensure_ignored(directory)
    world = await anyio.to_thread.run_sync(
        survey, host, directory, [spec.base], [spec.branch or ""]
    )
    if problem := judge(world, directory, uid, cave, spec, observed.record).problem:
        raise CaveError(f"cannot make the workspace of {cave}: {problem}")
    make = make_clone if spec.type == "clone" else make_worktree
    await make(Git(host, world.toplevel), uid, cave, spec, world)
    return world.toplevel, world.commits.get(spec.base)

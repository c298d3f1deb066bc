"""What a cave needs before its agents: workspace, setup, Working Context."""

from agentcave.model.desired import DesiredCave
from agentcave.model.hashing import sha256_hex
from agentcave.plan.actions import CreateWorkspace, RunSetup, SeedContext
from agentcave.plan.draft import Draft


def prepared(draft: Draft, cave: DesiredCave) -> list[int] | None:
    """The last of the steps that prepare the place; None when it is refused."""
    name = cave.spec.name
    seen = draft.observed.workspaces[name]
    if seen.problem is not None:
        action = CreateWorkspace(cave, seen.origin)
        draft.add(action, name, "missing", blocked=("refused", seen.problem))
        return None
    before: list[int] = []
    created = not seen.exists or seen.half_made
    if created:
        cause = "half made" if seen.half_made else "missing"
        before = [draft.add(CreateWorkspace(cave, seen.origin), name, cause)]
        if seen.kept:
            text = "commits on no branch that its deleted workspace had are kept"
            draft.note(name, f"{text}: {', '.join(seen.kept)}")
    else:
        _note_new_only(draft, cave)
    if setup := _setup(draft, cave, created):
        before = [draft.add(RunSetup(cave), name, setup, after=before)]
    return _seeded(draft, cave, before)


def _seeded(draft: Draft, cave: DesiredCave, before: list[int]) -> list[int] | None:
    name = cave.spec.name
    context = draft.observed.contexts[name]
    if context.problem is not None:
        draft.add(SeedContext(cave, ()), name, "context", blocked=("refused", context.problem))
        return None
    for change in context.changes:
        if change.action == "keep":
            draft.note(name, f"{change.name} kept: {change.cause}")
    changes = tuple(change for change in context.changes if change.action != "keep")
    if not changes:
        return before
    cause = ", ".join(sorted({change.cause for change in changes}))
    return [draft.add(SeedContext(cave, changes), name, cause, after=before)]


def _note_new_only(draft: Draft, cave: DesiredCave) -> None:
    """What is for new workspaces only, and was added since this one was made."""
    record, spec = draft.observed.workspaces[cave.spec.name].record, cave.spec.workspace
    if record is not None and record.ready:
        new = [entry for entry in (*spec.copy, *spec.link) if entry not in record.placed]
        if new:
            text = f"{', '.join(new)}: copied and linked into new workspaces only"
            draft.note(cave.spec.name, text)


def _setup(draft: Draft, cave: DesiredCave, created: bool) -> str | None:
    if not cave.spec.setup:
        return None
    record = draft.observed.workspaces[cave.spec.name].record
    if created or record is None or record.setup is None:
        return "new workspace"
    if draft.request.setup:
        return "restart --setup"
    if record.setup != setup_fingerprint(cave.spec.setup):
        draft.note(cave.spec.name, "setup changed: `restart --setup` runs it again")
    return None


def setup_fingerprint(setup: tuple[tuple[str, ...], ...]) -> str:
    return sha256_hex(repr(setup).encode())[:16]

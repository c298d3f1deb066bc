"""Kill -9 at every git command of a creation, and inside a check-out; the next call converges."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from agentcave.errors import CaveError
from agentcave.model.spec import WorkspaceSpec
from tests.workspaces.conftest import UID, Project, begun

CREATE = """
import sys, anyio
from agentcave import workspaces
from agentcave.hosts.local import LocalHost
from agentcave.model.observed import WorkspaceRecord
from agentcave.model.spec import WorkspaceSpec

root, path, type, uid = sys.argv[1:]
spec = WorkspaceSpec(type, path, "cave/api", copy=(".env.local",))
record = WorkspaceRecord(type, path, "cave/api", ready=False)
host = LocalHost()
seen = workspaces.observe(host, root, uid, {"api": spec}, {"api": record})["api"]
anyio.run(workspaces.create, host, root, uid, "api", spec, seen)
"""
WRAPPER = """#!/bin/sh
count=$(($(cat {folder}/count) + 1))
echo $count >{folder}/count
[ "$KILL_BEFORE" = $count ] && kill -9 $PPID && exit 1
{git} "$@"
code=$?
[ "$KILL_AFTER" = $count ] && kill -9 $PPID
exit $code
"""


def create_in_a_child(project: Project, spec: WorkspaceSpec, short: str, **variables: str) -> int:
    Path(short, "count").write_text("0")
    wrapper = Path(project.write("bin/git", WRAPPER, at=short))
    wrapper.write_text(WRAPPER.format(folder=short, git=shutil.which("git")))
    wrapper.chmod(0o755)
    search = {"PATH": f"{short}/bin:{os.environ['PATH']}", "PYTHONPATH": os.getcwd()}
    done = subprocess.run(
        [sys.executable, "-c", CREATE, project.root, spec.path, spec.type, UID],
        check=False,
        env=os.environ | search | variables,
        capture_output=True,
    )
    return done.returncode


def leftovers(project: Project, spec: WorkspaceSpec) -> list[str]:
    found = os.listdir(os.path.dirname(spec.path)) + os.listdir(spec.path)
    admins = os.path.join(project.root, ".git", "worktrees")
    for folder in os.listdir(admins) if os.path.isdir(admins) else ():
        found += [folder, *os.listdir(os.path.join(admins, folder))]
    return [name for name in found if name.endswith(("partial", ".lock", ".agentcave", "api1"))]


LOOKING = 10
"""git commands that only look: five to observe, five before anything is done."""
POINTS = [
    (type, when, LOOKING + step)
    for type in ("worktree", "clone")
    for when in ("KILL_BEFORE", "KILL_AFTER")
    for step in range(1, 6)
]


@pytest.mark.parametrize(("type", "when", "call"), POINTS)
async def test_killed_at_any_git_command_it_converges(
    project: Project, short: str, type: str, when: str, call: int
) -> None:
    project.write(".env.local", "KEY=1\n")
    spec = project.spec(type=type, copy=(".env.local",))
    code = create_in_a_child(project, spec, short, **{when: str(call)})
    calls = int(Path(short, "count").read_text())
    assert code == (-9 if calls >= call else 0)
    record = await project.make(spec, begun(spec))
    assert record.ready
    assert project.git("status", "--porcelain", at=spec.path) == ""
    assert project.git("branch", "--show-current", at=spec.path) == "cave/api\n"
    assert leftovers(project, spec) == []
    assert project.obstacles(record) == ()


@pytest.fixture
def half_made(project: Project, short: str) -> WorkspaceSpec:
    """git and agentcave die while the last file is checked out, by a filter of the user."""
    fuse = project.write("fuse", "", at=short)
    bomb = project.write(
        "bomb",
        f"#!/bin/sh\n[ -e {fuse} ] || exec cat\n"
        "git=$PPID; while [ $(cat /proc/$git/comm) != git ]; do"
        " git=$(cut -d' ' -f4 /proc/$git/stat); done\nkill -9 $git\nsleep 0.1\n",
        at=short,
    )
    os.chmod(bomb, 0o755)
    project.write(".gitattributes", "z.py filter=bomb\n")
    project.write("z.py", "z\n")
    project.git("config", "filter.bomb.clean", "cat")
    project.git("config", "filter.bomb.smudge", bomb)
    project.commit()
    spec = project.spec()
    assert create_in_a_child(project, spec, short) != 0
    os.unlink(fuse)
    admin = os.path.join(project.root, ".git", "worktrees", "api")
    assert os.path.exists(os.path.join(spec.path, "lib", "b.py"))
    assert not os.path.exists(os.path.join(admin, "index"))
    return spec


async def test_killed_inside_the_check_out_it_is_finished(
    project: Project, half_made: WorkspaceSpec
) -> None:
    seen = project.see(half_made, begun(half_made))
    assert (seen.half_made, seen.problem) == (True, None)
    await project.make(half_made, begun(half_made))
    assert Path(half_made.path, "z.py").read_text() == "z\n"
    assert project.git("status", "--porcelain", at=half_made.path) == ""
    assert leftovers(project, half_made) == []


async def test_a_file_that_was_cut_off_is_completed(
    project: Project, half_made: WorkspaceSpec
) -> None:
    os.truncate(os.path.join(half_made.path, "lib/b.py"), 1000)
    await project.make(half_made, begun(half_made))
    assert project.git("status", "--porcelain", at=half_made.path) == ""


async def test_a_file_that_somebody_has_shortened_is_not_restored(
    project: Project, half_made: WorkspaceSpec
) -> None:
    """git was past it: it wrote others after it."""
    short = os.path.join(half_made.path, ".gitattributes")
    os.truncate(short, 3)
    with pytest.raises(CaveError, match=r"\.gitattributes is not what"):
        await project.make(half_made, begun(half_made))
    assert Path(short).read_text() == "z.p"


async def test_a_half_made_worktree_with_somebodys_change_is_refused(
    project: Project, half_made: WorkspaceSpec
) -> None:
    changed = project.write("lib/b.py", "mine\n", at=half_made.path)
    with pytest.raises(CaveError, match=r"lib/b\.py is not what"):
        await project.make(half_made, begun(half_made))
    assert Path(changed).read_text() == "mine\n"


async def test_a_file_where_a_directory_belongs_is_refused(
    project: Project, half_made: WorkspaceSpec
) -> None:
    shutil.rmtree(os.path.join(half_made.path, "lib"))
    mine = project.write("lib", "mine\n", at=half_made.path)
    with pytest.raises(CaveError, match=r"lib/b\.py is not what"):
        await project.make(half_made, begun(half_made))
    assert Path(mine).read_text() == "mine\n"


async def test_unknown_files_in_a_half_made_worktree_stay(
    project: Project, half_made: WorkspaceSpec
) -> None:
    notes = project.write("notes.md", "mine\n", at=half_made.path)
    await project.make(half_made, begun(half_made))
    assert Path(notes).read_text() == "mine\n"


async def test_a_registration_without_a_path_is_dropped_when_it_is_ours(project: Project) -> None:
    admins = os.path.join(project.root, ".git", "worktrees")
    project.write("api/locked", f"agentcave {UID} api", at=admins)
    project.write("web/locked", "agentcave ffffffffffff api", at=admins)
    await project.make(project.spec(), begun(project.spec()))
    assert sorted(os.listdir(admins)) == ["api", "web"]
    assert "index" in os.listdir(os.path.join(admins, "api"))


@pytest.mark.parametrize("commondir", ["", "../.."])
async def test_a_registration_cut_short_that_stops_git_is_repaired(
    project: Project, commondir: str
) -> None:
    spec = project.spec()
    admin = os.path.join(project.root, ".git", "worktrees", "api")
    project.write("locked", f"agentcave {UID} api", at=admin)
    project.write("gitdir", f"{spec.path}/.git\n", at=admin)
    project.write("commondir", commondir, at=admin)
    project.write(".git", f"gitdir: {admin}\n", at=spec.path)
    assert project.see(spec, begun(spec)).problem is None
    await project.make(spec, begun(spec))
    assert project.git("status", "--porcelain", at=spec.path) == ""
    assert os.listdir(os.path.dirname(admin)) == ["api"]


async def test_an_abandoned_lock_of_the_branch_is_removed(project: Project) -> None:
    lock = project.write(".git/refs/heads/cave/api.lock", "")
    await project.make(project.spec(), begun(project.spec()))
    assert not os.path.exists(lock)


async def test_a_lock_of_the_branch_that_git_holds_is_respected(project: Project) -> None:
    lock = project.write(".git/refs/heads/cave/api.lock", "")
    held = os.open(lock, os.O_WRONLY)
    try:
        with pytest.raises(CaveError, match="cannot lock ref"):
            await project.make(project.spec(), begun(project.spec()))
    finally:
        os.close(held)
    assert os.path.exists(lock)

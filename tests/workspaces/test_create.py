import os
import time
from pathlib import Path

import anyio
import pytest

from agentcave import workspaces
from agentcave.errors import CaveError
from tests.workspaces.conftest import UID, Project, begun, new_project, snapshot

HOSTILE = ["a b", 'it\'s "q"', "#(touch pwned)", "new\nline", "🦊", "-C"]


async def test_a_worktree_is_made_locked_on_its_branch_and_seen_as_ready(project: Project) -> None:
    spec = project.spec()
    assert project.see(spec).origin == f"HEAD@{project.git('rev-parse', 'HEAD')[:6]}"
    record = await project.make(spec)
    assert record.ready
    assert project.git("branch", "--show-current", at=spec.path) == "cave/api\n"
    assert f"locked agentcave {UID} api" in project.git("worktree", "list", "--porcelain")
    assert project.git("status", "--porcelain") == ""
    assert Path(project.root, ".agentcave/.gitignore").read_text() == "*\n"
    assert project.see(spec, record) == workspaces_seen(spec.path, record)


def workspaces_seen(path: str, record: object) -> object:
    from agentcave.model.observed import ObservedWorkspace, WorkspaceRecord

    assert isinstance(record, WorkspaceRecord)
    return ObservedWorkspace(path, exists=True, record=record)


@pytest.mark.parametrize("type", ["worktree", "clone"])
async def test_making_twice_changes_nothing(project: Project, type: str) -> None:
    spec = project.spec(type=type)
    record = await project.make(spec)
    before = snapshot(project.root)
    assert await project.make(spec, record) == record
    assert snapshot(project.root) == before


@pytest.mark.parametrize("type", ["worktree", "clone"])
@pytest.mark.parametrize("name", HOSTILE)
async def test_a_repository_may_have_any_path(short: str, name: str, type: str) -> None:
    project = new_project(os.path.join(short, name))
    spec = project.spec(type=type)
    record = await project.make(spec)
    assert project.obstacles(record) == ()
    assert workspaces.git_state(project.host, spec.path).branch == "cave/api"
    await project.remove(record)
    assert not os.path.exists(spec.path)
    assert not os.path.exists("pwned")


async def test_an_existing_branch_is_taken_up_and_never_moved(project: Project) -> None:
    project.git("branch", "cave/api")
    tip = project.git("rev-parse", "cave/api")
    project.write("later.py", "")
    project.commit()
    spec = project.spec()
    assert project.see(spec).origin == "existing branch cave/api"
    await project.make(spec)
    assert (
        project.git("rev-parse", "cave/api")
        == tip
        == project.git("rev-parse", "HEAD", at=spec.path)
    )


async def test_twenty_at_once_are_all_made(project: Project) -> None:
    specs = {f"c{i}": project.spec(f"c{i}") for i in range(20)}
    seen = workspaces.observe(project.host, project.root, UID, specs, {})
    records = {}

    async def make(cave: str) -> None:
        records[cave] = await workspaces.create(
            project.host, project.root, UID, cave, specs[cave], seen[cave]
        )

    async with anyio.create_task_group() as tasks:
        for cave in specs:
            tasks.start_soon(make, cave)
    again = workspaces.observe(project.host, project.root, UID, specs, records)
    assert all(found.exists and found.problem is None for found in again.values())
    for spec in specs.values():
        assert project.git("status", "--porcelain", at=spec.path) == ""


async def test_a_base_that_is_a_tracking_branch_gives_no_upstream(project: Project) -> None:
    project.git("update-ref", "refs/remotes/origin/main", "HEAD")
    await project.make(project.spec(base="origin/main"))
    assert "branch" not in project.git("config", "--list", "--local")


async def test_a_clone_knows_the_main_checkout_and_its_origin(project: Project) -> None:
    project.git("remote", "add", "origin", "../elsewhere.git")
    project.git("update-ref", "refs/remotes/origin/main", "HEAD")
    spec = project.spec(type="clone", base="origin/main")
    record = await project.make(spec)
    assert project.git("remote", "get-url", "local", at=spec.path).strip() == project.root
    elsewhere = os.path.join(os.path.dirname(project.root), "elsewhere.git")
    assert project.git("remote", "get-url", "origin", at=spec.path).strip() == elsewhere
    assert project.git("branch", "--show-current", at=spec.path) == "cave/api\n"
    assert project.obstacles(record) == ()
    assert os.listdir(os.path.dirname(spec.path)) == ["api"]


async def test_copies_and_links_are_placed_with_their_mode(project: Project) -> None:
    os.chmod(project.write(".env.local", "KEY=1\n"), 0o640)
    project.write("node_modules/x/run.log", "x")
    project.write("data.log/big", "data")
    spec = project.spec(copy=(".env.local", "node_modules"), link=("data.log",))
    record = await project.make(spec)
    copied = os.path.join(spec.path, ".env.local")
    assert Path(copied).read_text() == "KEY=1\n"
    assert os.stat(copied).st_mode & 0o777 == 0o640
    assert Path(spec.path, "node_modules/x/run.log").read_text() == "x"
    assert os.readlink(os.path.join(spec.path, "data.log")) == os.path.join(
        project.root, "data.log"
    )
    assert record.placed["data.log"] == f"link:{project.root}/data.log"
    assert project.obstacles(record) == ()
    await project.remove(record)
    assert Path(project.root, "data.log/big").read_text() == "data"


@pytest.mark.parametrize(
    ("entry", "words"),
    [("nothing.log", "does not exist"), ("out.log", "leads out"), ("a.py", "something else")],
)
async def test_what_cannot_be_placed_is_named(project: Project, entry: str, words: str) -> None:
    os.symlink("/etc/hostname", os.path.join(project.root, "out.log"))
    spec = project.spec(copy=(entry,))
    project.write("a.py", "changed here\n")
    with pytest.raises(CaveError, match=words):
        await project.make(spec)


async def test_nothing_is_written_through_a_planted_symlink(project: Project, short: str) -> None:
    project.write("sub.log/secret", "s")
    spec = project.spec()
    record = await project.make(spec)
    trap = os.path.join(short, "trap")
    os.mkdir(trap)
    os.symlink(trap, os.path.join(spec.path, "sub.log"))
    with pytest.raises(CaveError, match=r"cannot place sub\.log/secret"):
        await project.make(spec._replace(copy=("sub.log/secret",)), record)
    assert os.listdir(trap) == []


async def test_the_users_post_checkout_hook_runs_as_for_git(project: Project) -> None:
    hook = project.write(".git/hooks/post-checkout", '#!/bin/sh\necho "$1" >hooked.log\n')
    os.chmod(hook, 0o755)
    spec = project.spec()
    await project.make(spec)
    assert Path(spec.path, "hooked.log").read_text() == "0" * 40 + "\n"


async def test_cancelled_in_the_middle_it_is_finished_by_the_next_call(project: Project) -> None:
    for number in range(400):
        project.write(f"many/{number}.py", "x = 1\n" * 500)
    project.commit()
    spec = project.spec()
    for delay in (0.0, 0.01, 0.02, 0.03, 0.05):
        with anyio.move_on_after(delay):
            await project.make(spec, begun(spec))
    started = time.monotonic()
    assert (await project.make(spec, begun(spec))).ready
    assert time.monotonic() - started < 30
    assert project.git("status", "--porcelain", at=spec.path) == ""

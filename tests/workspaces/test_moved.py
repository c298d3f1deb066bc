"""A worktree that was moved by hand is not taken for a deleted one: git knows only one of them."""

import os
import shutil
import subprocess
from collections.abc import Iterator

import pytest

from agentcave import workspaces
from agentcave.errors import CaveError
from agentcave.model.observed import WorkspaceRecord
from tests.workspaces.conftest import UID, Project, begun, snapshot

NEAR = ["../api2", "../../kept", "../../../kept", "../../../../kept"]


@pytest.fixture
async def record(project: Project) -> WorkspaceRecord:
    return await project.make(project.spec())


@pytest.fixture
def worker(record: WorkspaceRecord) -> Iterator[None]:
    """A process that works in the workspace, in a folder of it."""
    inside = os.path.join(record.path, "lib")
    with subprocess.Popen(["sleep", "infinity"], cwd=inside) as process:
        yield
        process.kill()


async def refused(project: Project, record: WorkspaceRecord, moved: str) -> None:
    """Also when it is moved between the look and the deed."""
    before = snapshot(project.root), snapshot(moved)
    seen = project.see(project.spec(), record)
    assert f"was moved to {moved}" in (seen.problem or "")
    with pytest.raises(CaveError, match="was moved to"):
        await workspaces.create(
            project.host, project.root, UID, "api", project.spec(), seen._replace(problem=None)
        )
    assert (snapshot(project.root), snapshot(moved)) == before


@pytest.mark.parametrize("where", NEAR)
async def test_one_that_was_moved_near_by_is_found_and_refused(
    project: Project, record: WorkspaceRecord, where: str
) -> None:
    moved = os.path.normpath(os.path.join(record.path, where))
    project.write("work.py", "mine\n", at=record.path)
    project.git("add", "-A", at=record.path)
    os.rename(record.path, moved)
    await refused(project, record, moved)
    os.rename(moved, record.path)
    assert project.see(project.spec(), record).problem is None
    assert project.git("status", "--porcelain", at=record.path) == "A  work.py\n"


@pytest.mark.usefixtures("worker")
async def test_one_that_is_worked_in_is_found_wherever_it_is(
    project: Project, record: WorkspaceRecord, short: str
) -> None:
    moved = os.path.join(short, "far", "away", "from", "here")
    os.makedirs(os.path.dirname(moved))
    os.rename(record.path, moved)
    await refused(project, record, moved)


async def test_a_copy_of_one_is_in_the_way_of_no_removal(
    project: Project, record: WorkspaceRecord
) -> None:
    shutil.copytree(record.path, f"{record.path}-backup")
    await project.remove(record)
    assert os.listdir(os.path.dirname(record.path)) == ["api-backup"]
    assert project.git("worktree", "list").count("\n") == 1


async def test_repaired_and_declared_it_is_taken_up_where_it_is(
    project: Project, record: WorkspaceRecord
) -> None:
    moved = os.path.join(project.root, "kept")
    os.rename(record.path, moved)
    project.git("worktree", "repair", moved)
    assert project.see(project.spec(path=moved), record).record == begun(
        project.spec(path=moved)
    )._replace(ready=True)
    assert f"checked out in {moved}" in (project.see(project.spec(), record).problem or "")

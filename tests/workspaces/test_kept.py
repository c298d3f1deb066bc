"""What only the registration of a deleted worktree names is kept when it is made anew."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from agentcave.errors import CaveError
from agentcave.model.spec import WorkspaceSpec
from tests.workspaces.conftest import Project

KEPT = ("for-each-ref", "--format=%(objectname)", "refs/agentcave/kept/api")


def commit(project: Project, at: str, name: str = "work.py") -> str:
    project.write(name, f"{name}\n", at=at)
    project.commit(name, at=at)
    return project.git("rev-parse", "HEAD", at=at)


def detached(project: Project, at: str) -> str:
    project.git("checkout", "-q", "--detach", at=at)
    commit(project, at, "first.py")
    return commit(project, at)


def left_behind(project: Project, at: str) -> str:
    lost = detached(project, at)
    project.git("checkout", "-q", "cave/api", at=at)
    return lost


def rebasing(project: Project, at: str) -> str:
    commit(project, at)
    project.write("base.py", "")
    project.commit("base")
    project.git("-c", "sequence.editor=sed -i 1abreak", "rebase", "-q", "-i", "main", at=at)
    return project.git("rev-parse", "HEAD", at=at)


def rebasing_with_changes(project: Project, at: str) -> str:
    project.write("a.py", "a = 2\n", at=at)
    project.write("base.py", "")
    project.commit("base")
    edit = "sequence.editor=sed -i 1ibreak"
    project.git("-c", edit, "rebase", "-q", "-i", "--autostash", "main", at=at)
    (folder,) = Path(project.root, ".git", "worktrees").iterdir()
    return (folder / "rebase-merge" / "autostash").read_text()


def own_ref(project: Project, at: str) -> str:
    lost = project.git("commit-tree", "HEAD^{tree}", "-m", "mine", at=at)
    project.git("update-ref", "refs/worktree/mine", lost.strip(), at=at)
    return lost


def deleted_branch(project: Project, at: str) -> str:
    lost = commit(project, at)
    project.git("update-ref", "-d", "refs/heads/cave/api")
    return lost


def rmtree(path: str) -> None:
    shutil.rmtree(path)


def empty(path: str) -> None:
    shutil.rmtree(path)
    os.mkdir(path)


@pytest.mark.parametrize("delete", [rmtree, empty])
@pytest.mark.parametrize(
    "lose", [detached, left_behind, rebasing, rebasing_with_changes, own_ref, deleted_branch]
)
async def test_commits_on_no_branch_are_kept_and_told(
    project: Project, lose: Callable[[Project, str], str], delete: Callable[[str], None]
) -> None:
    spec = project.spec()
    record = await project.make(spec)
    lost = lose(project, spec.path)
    delete(spec.path)
    seen = project.see(spec, record._replace(ready=False))
    assert seen.problem is None
    record = await project.make(spec, record._replace(ready=False))
    assert project.git(*KEPT) == lost
    assert seen.kept == (f"refs/agentcave/kept/api/{lost[:12]}",)
    assert project.see(spec, record).kept == ()
    assert project.git("status", "--porcelain", at=spec.path) == ""


async def test_of_a_removed_registration_they_are_kept_too(project: Project) -> None:
    record = await project.make(project.spec())
    lost = detached(project, record.path)
    shutil.rmtree(record.path)
    await project.remove(record)
    assert project.git(*KEPT) == lost


async def test_of_a_registration_cut_short_they_are_kept_too(project: Project) -> None:
    spec = project.spec()
    record = await project.make(spec)
    lost = detached(project, spec.path)
    shutil.rmtree(spec.path)
    os.truncate(os.path.join(project.root, ".git/worktrees/api/HEAD"), 0)
    await project.make(spec, record)
    assert project.git(*KEPT) == lost


def amended(project: Project, at: str) -> None:
    commit(project, at)
    project.git("commit", "-q", "--amend", "-m", "better", at=at)
    project.git("reset", "-q", "--hard", "main", at=at)


def on_another_branch(project: Project, at: str) -> None:
    project.git("branch", "other", detached(project, at).strip())


@pytest.mark.parametrize("work", [amended, on_another_branch])
async def test_what_a_branch_or_its_reflog_has_is_not_kept_again(
    project: Project, work: Callable[[Project, str], None]
) -> None:
    spec = project.spec()
    record = await project.make(spec)
    work(project, spec.path)
    shutil.rmtree(spec.path)
    assert project.see(spec, record).kept == ()
    await project.make(spec, record)
    assert project.git(*KEPT) == ""


async def test_repositories_of_submodules_are_not_dropped(project: Project, short: str) -> None:
    inner = f"{short}/inner"
    project.git("init", "-q", inner)
    project.git("commit", "-q", "--allow-empty", "-m", "inner", at=inner)
    spec = project.spec()
    record = await project.make(spec)
    project.git("submodule", "--quiet", "add", inner, "sub", at=spec.path)
    shutil.rmtree(spec.path)
    assert "submodule sub has its repository" in (project.see(spec, record).problem or "")
    await refused(project, spec)
    with pytest.raises(CaveError, match="submodule sub has its repository"):
        await project.remove(record)
    assert os.path.exists(os.path.join(project.root, ".git/worktrees/api/modules/sub/HEAD"))


async def refused(project: Project, spec: WorkspaceSpec) -> None:
    with pytest.raises(CaveError, match="submodule sub has its repository"):
        await project.make(spec)

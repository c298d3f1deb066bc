import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from agentcave import workspaces
from agentcave.errors import CaveError
from agentcave.hosts.local import LocalHost
from agentcave.model.observed import WorkspaceRecord
from tests.workspaces.conftest import UID, Project, begun


def problem(project: Project, **changes: object) -> str:
    return project.see(project.spec(**changes)).problem or ""  # type: ignore[arg-type]  # by key


def test_what_cannot_be_made_is_refused_by_name(project: Project, short: str) -> None:
    os.makedirs(os.path.join(project.root, ".agentcave/caves/full"))
    os.symlink("/tmp", os.path.join(project.root, "away"))
    project.git("branch", "team")
    assert "checked out in the main checkout" in problem(project, branch="main")
    assert "'a..b' is not a legal branch name" in problem(project, branch="a..b")
    assert "cannot exist beside branch team" in problem(project, branch="team/api")
    assert "base 'nowhere' is no commit" in problem(project, base="nowhere")
    assert "base '--all' is no commit" in problem(project, base="--all")
    assert "exists and is not a worktree of ours" in problem(project, cave="full")
    assert "exists and is not a clone of ours" in problem(project, cave="full", type="clone")
    assert "leads out of" in problem(project, path=f"{project.root}/away/x")
    assert "is a symlink" in problem(project, path=f"{project.root}/away")
    assert "is the repository itself" in problem(project, path=project.root)
    assert "the repository's own" in problem(project, path=f"{project.root}/.git/x")
    assert "does not exist" in problem(project, type="directory", path=f"{short}/none")


async def test_a_branch_in_another_worktree_is_refused_naming_it(project: Project) -> None:
    await project.make(project.spec("web"), cave="web")
    refused = problem(project, branch="cave/web")
    assert refused == f"branch cave/web is checked out in {project.spec('web').path}"


def test_a_place_without_a_usable_repository_says_why(project: Project, short: str) -> None:
    def why(name: str, *init: str) -> str:
        root = os.path.join(short, name)
        os.mkdir(root)
        if init:
            project.git("init", "-q", *init, at=root)
        return problem(project._replace(root=root))

    assert "not in a git repository" in why("plain")
    assert "bare repository" in why("bare", "--bare")
    assert "no commit yet" in why("empty", "--initial-branch=main")


async def test_a_worktree_with_our_lock_is_adopted_when_history_is_lost(project: Project) -> None:
    spec = project.spec()
    await project.make(spec)
    project.git("branch", "-m", "renamed-by-agent", at=spec.path)
    seen = project.see(spec)
    assert seen.problem is None
    assert seen.record == WorkspaceRecord("worktree", spec.path, "cave/api", ready=True)


async def test_a_worktree_of_another_project_is_refused(project: Project) -> None:
    spec = project.spec()
    theirs = "agentcave ffffffffffff api"
    project.git("worktree", "add", "-q", "--lock", "--reason", theirs, spec.path, "-b", "x")
    seen = project.see(spec)
    assert f"locked with '{theirs}'" in (seen.problem or "")
    with pytest.raises(CaveError, match="locked with"):
        await workspaces.create(project.host, project.root, UID, "api", spec, seen)
    with pytest.raises(CaveError, match="is not ours"):
        await project.remove(begun(spec))


async def test_a_workspace_made_otherwise_is_refused_while_it_is_there(project: Project) -> None:
    spec = project.spec()
    record = await project.make(spec)
    elsewhere = spec._replace(path=f"{spec.path}2")
    assert "made as a worktree" in (project.see(spec._replace(type="clone"), record).problem or "")
    assert "on branch cave/api" in (project.see(spec._replace(branch="z"), record).problem or "")
    assert "was made at" in (project.see(elsewhere, record).problem or "")
    await project.remove(record)
    assert project.see(elsewhere, record).problem is None


async def test_a_deleted_worktree_is_made_again_and_no_other_record_is_pruned(
    project: Project, short: str
) -> None:
    spec = project.spec()
    record = await project.make(spec)
    project.git("worktree", "add", "-q", f"{short}/users", "-b", "users")
    for path in (spec.path, f"{short}/users"):
        shutil.rmtree(path)
    seen = project.see(spec, record)
    assert (seen.exists, seen.problem) == (False, None)
    await project.make(spec, record)
    assert Path(spec.path, "a.py").exists()
    assert f"{short}/users" in project.git("worktree", "list")


async def test_nothing_is_spawned_when_all_is_well(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    specs = {type: project.spec(type, type=type) for type in ("worktree", "clone")}
    records = {type: await project.make(spec, cave=type) for type, spec in specs.items()}
    specs["directory"] = project.spec(type="directory", path=project.root, branch=None)

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a process was started")

    monkeypatch.setattr(LocalHost, "begin", refuse)
    seen = workspaces.observe(project.host, project.root, UID, specs, records)
    assert all(found.exists and found.problem is None for found in seen.values())


async def test_any_number_of_caves_costs_the_same_few_processes(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = []
    begin = LocalHost.begin

    def count(self: LocalHost, argv: tuple[str, ...], **more: object) -> object:
        started.append(argv)
        return begin(self, argv, **more)  # type: ignore[arg-type]  # handed through

    monkeypatch.setattr(LocalHost, "begin", count)
    specs = {f"c{i}": project.spec(f"c{i}") for i in range(200)}
    workspaces.observe(project.host, project.root, UID, specs, {})
    assert len(started) == 5


def test_redirecting_variables_are_ignored(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_DIR", "/nowhere")
    monkeypatch.setenv("GIT_INDEX_FILE", "/nowhere")
    assert problem(project) == ""


def test_importing_the_room_loads_nothing_heavy() -> None:
    heavy = "{'subprocess', 'anyio', 'asyncio', 'shutil', 'pathlib', 'hashlib', 'dataclasses'}"
    code = f"import sys, agentcave.workspaces; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    assert done.stdout == b"[]\n"

"""A removal that is interrupted, or overtaken, leaves a whole workspace or none."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from agentcave import workspaces
from agentcave.errors import CaveError
from agentcave.model.observed import WorkspaceRecord
from agentcave.workspaces import removable, removal, trees
from tests.workspaces.conftest import UID, Project, snapshot


def folder(project: Project) -> list[str]:
    return sorted(os.listdir(Path(project.root, ".agentcave", "caves")))


def interrupt(monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    """Kill the removal, as it were: nothing that it would do afterwards is done."""
    renames = iter(("move aside", "call it empty"))
    rename, remove_path = os.rename, trees.remove_path

    def dies() -> None:
        monkeypatch.setattr(removal, "_move_back", lambda *_: None)
        raise KeyboardInterrupt

    def renamed(old: str, new: str) -> None:
        if next(renames) == step:
            dies()
        rename(old, new)

    def removed(path: str) -> None:
        if os.path.lexists(path) and step == "delete":
            os.unlink(os.path.join(path, "a.py"))
            dies()
        remove_path(path)

    monkeypatch.setattr(os, "rename", renamed)
    monkeypatch.setattr(trees, "remove_path", removed)


@pytest.mark.parametrize("type", ["worktree", "clone"])
@pytest.mark.parametrize("step", ["move aside", "call it empty", "delete"])
async def test_killed_half_way_it_is_there_as_a_whole_or_it_is_gone(
    project: Project, monkeypatch: pytest.MonkeyPatch, type: str, step: str
) -> None:
    project.write("deep/er/b.py", "b")
    project.commit()
    record = await project.make(project.spec(type=type))
    before = snapshot(record.path)
    with monkeypatch.context() as patched:
        interrupt(patched, step)
        with pytest.raises(KeyboardInterrupt):
            await project.remove(record)
    workspaces.finish_removals(UID, [record.path])
    whole = os.path.exists(record.path)
    assert folder(project) == (["api"] if whole else [])
    assert whole == (step != "delete")
    if whole:
        assert snapshot(record.path) == before
        assert project.git("status", "--porcelain", at=record.path) == ""
    await project.remove(record)
    assert folder(project) == []
    assert "caves/api" not in project.git("worktree", "list")


@pytest.mark.parametrize("type", ["worktree", "clone"])
async def test_what_is_written_after_the_first_look_is_not_lost(
    project: Project, monkeypatch: pytest.MonkeyPatch, type: str
) -> None:
    record = await project.make(project.spec(type=type))
    looks = 0

    def late(*args: object, **kw: object) -> tuple[str, ...]:
        nonlocal looks
        looks += 1
        found = real(*args, **kw)
        if looks == 1:
            project.write("late.log", "written in the last moment", at=record.path)
        return found

    real: Callable[..., tuple[str, ...]] = removable.obstacles
    monkeypatch.setattr(removable, "obstacles", late)
    with pytest.raises(CaveError, match=r"1 ignored file: late\.log"):
        await project.remove(record)
    assert Path(record.path, "late.log").read_text() == "written in the last moment"
    assert project.git("status", "--porcelain", at=record.path) == ""


async def test_what_stands_in_the_place_of_a_removed_one_is_not_replaced(project: Project) -> None:
    record = await project.make(project.spec())
    leaving = removal._aside(record.path, removal.LEAVING, UID)
    os.rename(record.path, leaving)
    project.write("mine", "x", at=record.path)
    workspaces.finish_removals(UID, [record.path])
    assert os.listdir(record.path) == ["mine"]
    assert os.path.exists(os.path.join(leaving, "a.py"))


async def test_those_of_another_project_are_left_alone(project: Project) -> None:
    record = await project.make(project.spec())
    for what in (removal.LEAVING, removal.EMPTY):
        project.write("x", "x", at=removal._aside(record.path, what, "another0uid0"))
    before = folder(project)
    workspaces.finish_removals(UID, [record.path])
    assert folder(project) == before
    assert isinstance(record, WorkspaceRecord)

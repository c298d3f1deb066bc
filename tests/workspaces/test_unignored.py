"""What is copied or linked into a workspace never becomes a part of somebody's commit."""

import os
from pathlib import Path

import pytest

from agentcave.errors import CaveError
from tests.workspaces.conftest import Project

NAMES = ["vendor", "pkg/a/vendor", "odd [x]*? \\dir", "!vendor", "#vendor"]


@pytest.fixture
def ignoring(project: Project) -> Project:
    """The lines that most projects write, with a slash at their end."""
    lines = Path(project.root, ".gitignore").read_text()
    project.write(".gitignore", f"{lines}vendor/\n*dir/\n[!]vendor/\n[#]vendor/\n")
    project.commit("ignores")
    return project


def changes(project: Project, at: str) -> str:
    project.git("add", "-A", at=at)
    return project.git("status", "--porcelain", at=at)


@pytest.mark.parametrize("name", NAMES)
async def test_a_link_that_only_a_directory_would_be_ignored_as_is_refused_with_the_line(
    ignoring: Project, name: str
) -> None:
    ignoring.write(f"{name}/x", "x")
    spec = ignoring.spec(link=(name,))
    with pytest.raises(CaveError, match="cannot copy or link into") as refused:
        await ignoring.make(spec)
    assert changes(ignoring, spec.path) == ""
    line = refused.value.message.rpartition("directory: ")[2]
    ignoring.write(".git/info/exclude", f"{line}\n")
    await ignoring.make(spec)
    assert os.path.islink(os.path.join(spec.path, name))
    assert changes(ignoring, spec.path) == ""


@pytest.mark.parametrize("name", NAMES)
async def test_in_a_clone_it_is_excluded_in_that_clone_alone(ignoring: Project, name: str) -> None:
    ignoring.write(f"{name}/x", "x")
    excluded = Path(ignoring.root, ".git/info/exclude").read_text()
    spec = ignoring.spec(type="clone", link=(name,))
    record = await ignoring.make(spec)
    assert os.path.islink(os.path.join(spec.path, name))
    assert changes(ignoring, spec.path) == ""
    assert Path(ignoring.root, ".git/info/exclude").read_text() == excluded
    assert ignoring.obstacles(record) == ()


async def test_a_copy_that_nothing_ignores_is_refused_by_its_files(ignoring: Project) -> None:
    ignoring.write("data/1.log", "ignored")
    ignoring.write("data/keys/private", "secret")
    spec = ignoring.spec(copy=("data",))
    with pytest.raises(CaveError, match=r"directory: /data/keys/private \("):
        await ignoring.make(spec)
    spec = ignoring.spec("web", "clone", copy=("data",))
    await ignoring.make(spec, cave="web")
    assert Path(spec.path, "data/keys/private").read_text() == "secret"
    assert changes(ignoring, spec.path) == ""


@pytest.mark.parametrize("type", ["worktree", "clone"])
async def test_a_copied_directory_that_is_ignored_as_one_is_placed(
    ignoring: Project, type: str
) -> None:
    ignoring.write("vendor/deep/x", "x")
    spec = ignoring.spec(type=type, copy=("vendor",))
    await ignoring.make(spec)
    assert Path(spec.path, "vendor/deep/x").read_text() == "x"
    assert changes(ignoring, spec.path) == ""

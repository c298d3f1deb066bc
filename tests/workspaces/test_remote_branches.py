"""A branch that only a remote has is gone on with, not shadowed by a new one of its name."""

import os

import pytest

from agentcave.errors import CaveError
from tests.workspaces.conftest import Project

BRANCH = "feature/x"
UPSTREAM = ("rev-parse", "--abbrev-ref", "@{upstream}")


def give(project: Project, short: str, remote: str, *branches: str) -> str:
    """A remote with one commit on these branches, fetched; the commit."""
    there = os.path.join(short, f"{remote.replace('/', '-')}.git")
    project.git("init", "-q", "--bare", there)
    tip = project.git("commit-tree", "HEAD^{tree}", "-m", remote).strip()
    project.git("remote", "add", remote, there)
    for branch in branches:
        project.git("push", "-q", remote, f"{tip}:refs/heads/{branch}")
    project.git("fetch", "-q", remote)
    return tip


@pytest.mark.parametrize("type", ["worktree", "clone"])
async def test_it_starts_at_the_remotes_and_follows_it(
    project: Project, short: str, type: str
) -> None:
    tip = give(project, short, "origin", BRANCH, f"old/{BRANCH}")
    project.git("branch", f"origin/{BRANCH}")  # a name that could be taken for the remote's
    spec = project.spec(type=type, branch=BRANCH)
    assert project.see(spec).origin == f"origin/{BRANCH}"
    record = await project.make(spec)
    assert project.git("rev-parse", "HEAD", at=spec.path).strip() == tip
    project.git("branch", "-D", f"origin/{BRANCH}")
    assert project.git(*UPSTREAM, at=spec.path) in (
        f"origin/{BRANCH}\n",
        f"remotes/origin/{BRANCH}\n",
    )
    project.git("commit", "-q", "--allow-empty", "-m", "on", at=spec.path)
    project.git("push", "-q", "origin", "HEAD", at=spec.path)
    assert project.see(spec, record).problem is None


async def test_a_remote_with_a_slash_in_its_name_has_branches_too(
    project: Project, short: str
) -> None:
    tip = give(project, short, "team/fork", BRANCH)
    spec = project.spec(branch=BRANCH)
    await project.make(spec)
    assert project.git("rev-parse", "HEAD", at=spec.path).strip() == tip
    assert project.git(*UPSTREAM, at=spec.path) == f"team/fork/{BRANCH}\n"


async def test_one_that_is_here_too_is_taken_up_as_it_is(project: Project, short: str) -> None:
    give(project, short, "origin", BRANCH)
    project.git("branch", "--no-track", BRANCH, "main")
    spec = project.spec(branch=BRANCH, base="main")
    assert project.see(spec).origin == f"existing branch {BRANCH}"
    await project.make(spec)
    main = project.git("rev-parse", "main")
    assert project.git("rev-parse", "HEAD", at=spec.path) == main


@pytest.mark.parametrize(
    ("type", "remotes", "base", "words"),
    [
        ("worktree", ["origin"], "main", f"{BRANCH} is on origin, and base is main"),
        ("clone", ["origin"], "main", f"{BRANCH} is on origin, and base is main"),
        ("worktree", ["fork", "origin"], "HEAD", f"{BRANCH} is on fork and origin"),
        ("clone", ["fork"], "HEAD", f"{BRANCH} is on fork, which a clone does not know"),
    ],
)
async def test_where_it_is_not_clear_which_is_meant_the_way_to_choose_is_told(
    project: Project, short: str, type: str, remotes: list[str], base: str, words: str
) -> None:
    for remote in remotes:
        give(project, short, remote, BRANCH)
    spec = project.spec(type=type, branch=BRANCH, base=base)
    problem = project.see(spec).problem or ""
    assert words in problem
    with pytest.raises(CaveError, match="git branch --track"):
        await project.make(spec)
    assert BRANCH not in project.git("branch")
    assert not os.path.exists(spec.path)
    _, command, _ = problem.split("`")
    project.git(*command.split()[1:])
    await project.make(spec)
    begun = project.git("rev-parse", f"{remotes[0]}/{BRANCH}")
    assert project.git("rev-parse", "HEAD", at=spec.path) == begun


async def test_the_default_name_with_a_base_of_its_own_starts_at_that(
    project: Project, short: str
) -> None:
    give(project, short, "origin", "cave/api")
    main = project.git("rev-parse", "main")
    await project.make(spec := project.spec(base="main"))
    assert project.git("rev-parse", "HEAD", at=spec.path) == main


def test_refs_of_a_remote_that_is_gone_mean_nothing(project: Project) -> None:
    project.git("update-ref", f"refs/remotes/origin/{BRANCH}", "HEAD")
    assert (project.see(project.spec(branch=BRANCH)).origin or "").startswith("HEAD@")

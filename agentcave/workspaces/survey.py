"""What a repository says about all wanted workspaces at once: five git processes, never more."""

import os
from collections.abc import Collection, Mapping
from typing import NamedTuple

from agentcave.errors import CaveError
from agentcave.hosts.base import Host
from agentcave.model.spec import WorkspaceSpec
from agentcave.workspaces.branches import is_valid
from agentcave.workspaces.checkouts import Checkout, parse_checkouts, read_checkouts
from agentcave.workspaces.git import Git, GitFailed, line

HEAD = "HEAD"
"""The base of a file that names none."""
TRACKING, ORIGIN = "refs/remotes/", "origin"


class NoRepository(CaveError):
    """There is no repository with a checkout around the caves file."""


class Survey(NamedTuple):
    """``commits`` maps each base that names a commit to its id; ``branches`` holds local ones.

    ``remotes`` maps each wanted branch to the remotes that had it when they were last fetched.
    ``toplevel`` is the checkout that holds the caves file: what base, copy and link refer to.
    """

    toplevel: str
    common: str
    checkouts: tuple[Checkout, ...]
    branches: frozenset[str]
    commits: Mapping[str, str]
    has_commit: bool
    remotes: Mapping[str, tuple[str, ...]] = {}

    def at(self, path: str) -> Checkout | None:
        return next((found for found in self.checkouts if found.path == path), None)

    def holder(self, branch: str) -> Checkout | None:
        return next((found for found in self.checkouts if found.branch == branch), None)

    def remote_of(self, spec: WorkspaceSpec) -> str | None:
        """The remote whose branch of the same name a new one is to begin at and to follow."""
        remotes = self.remotes.get(spec.branch or "", ())
        begins = spec.branch not in self.branches and spec.base == HEAD and len(remotes) == 1
        return remotes[0] if begins else None


def survey(host: Host, directory: str, bases: Collection[str], branches: Collection[str]) -> Survey:
    """Ask git once for everything. Raises NoRepository, GitFailed, Unavailable."""
    git = Git(host, directory)
    toplevel, common = toplevel_of(git), common_of(git)
    checkouts = _checkouts(git, common, toplevel)
    commits = _commits(git, bases)
    known, tracking = _branches(git, branches)
    return Survey(
        toplevel=toplevel,
        common=common,
        checkouts=checkouts,
        branches=known,
        commits=commits,
        has_commit=HEAD in commits,
        remotes=_remotes(git, branches, tracking) if tracking else {},
    )


def toplevel_of(git: Git) -> str:
    """The checkout around a directory. Raises NoRepository in a bare one."""
    try:
        return line(git.observe("rev-parse", "--show-toplevel"))
    except GitFailed as failure:
        raise _explained(git.directory, failure) from failure


def common_of(git: Git) -> str:
    return line(git.observe("rev-parse", "--path-format=absolute", "--git-common-dir"))


def _checkouts(git: Git, common: str, toplevel: str) -> tuple[Checkout, ...]:
    try:
        return parse_checkouts(git.observe("worktree", "list", "--porcelain", "-z"))
    except GitFailed as failure:
        if "failed to read" in failure.stderr:
            return read_checkouts(common, toplevel)
        raise


def _explained(directory: str, failure: GitFailed) -> CaveError:
    if "not a git repository" in failure.stderr:
        return NoRepository(f"{directory} is not in a git repository", "run `git init` there")
    if "must be run in a work tree" in failure.stderr:
        return NoRepository(
            f"{directory} is in a bare repository", "put the caves file into a checkout of it"
        )
    return failure


def _commits(git: Git, bases: Collection[str]) -> dict[str, str]:
    asked = sorted({HEAD, *(base for base in bases if is_askable(base))})
    lines = os.fsencode("".join(f"{base}^{{commit}}\n" for base in asked))
    answers = git.observe("cat-file", "--batch-check", stdin=lines).splitlines()
    return {
        base: words[0].decode()
        for base, answer in zip(asked, answers, strict=True)
        if len(words := answer.split()) == 3 and words[1] == b"commit"
    }


def is_askable(base: str) -> bool:
    """Whether a base can be a line of a question to git, and never an option."""
    return bool(base) and not base.startswith("-") and base.isprintable()


def _branches(git: Git, branches: Collection[str]) -> tuple[frozenset[str], frozenset[str]]:
    """The local branches that share the first part of their name with a wanted one.

    And the refs of remotes that end like a wanted one, for the same process tells both.
    """
    valid = sorted(filter(is_valid, branches))
    if not valid:
        return frozenset(), frozenset()
    patterns = {f"refs/heads/{name.split('/')[0]}" for name in valid}
    patterns |= {f"{TRACKING}**/{name}" for name in valid}
    told = os.fsdecode(git.observe("for-each-ref", "--format=%(refname)", *sorted(patterns)))
    tracking = frozenset(ref for ref in told.splitlines() if ref.startswith(TRACKING))
    local = frozenset(told.splitlines()) - tracking
    return frozenset(ref.removeprefix("refs/heads/") for ref in local), tracking


def _remotes(
    git: Git, branches: Collection[str], tracking: Collection[str]
) -> dict[str, tuple[str, ...]]:
    """Which remotes have which branch, by the names that git gives to their refs."""
    names = os.fsdecode(git.observe("remote")).splitlines()
    found = {
        branch: tuple(name for name in names if f"{TRACKING}{name}/{branch}" in tracking)
        for branch in branches
    }
    return {branch: remotes for branch, remotes in found.items() if remotes}

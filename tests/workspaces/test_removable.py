import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from agentcave import workspaces
from agentcave.errors import CaveError
from tests.workspaces.conftest import Project, new_project, snapshot

Spoil = Callable[[Project, str], object]


def detach(project: Project, path: str) -> None:
    project.git("checkout", "-q", "--detach", at=path)


def stop_in_a_rebase(project: Project, path: str) -> None:
    project.write("c.py", "c", at=path)
    project.commit("c", at=path)
    script = "sequence.editor=sed -i s/^pick/edit/"
    project.git("-c", script, "rebase", "-q", "-i", "HEAD~1", at=path)


def stop_in_a_bisect(project: Project, path: str) -> None:
    project.git("bisect", "start", at=path)


def nest(project: Project, path: str) -> None:
    project.git("init", "-q", os.path.join(path, "vendor"))


def nest_in_a_disposable(project: Project, path: str) -> None:
    project.git("init", "-q", os.path.join(path, "node_modules", "pkg"))


def stage(project: Project, path: str) -> None:
    project.write("new.py", "n", at=path)
    project.git("add", "new.py", at=path)


def hide(project: Project, path: str) -> None:
    project.git("update-index", "--assume-unchanged", "a.py", at=path)
    project.write("a.py", "hidden work\n", at=path)


def skip(project: Project, path: str) -> None:
    project.git("update-index", "--skip-worktree", "a.py", at=path)
    project.write("a.py", "hidden work\n", at=path)


def add_submodule(project: Project, path: str) -> None:
    other = new_project(os.path.join(os.path.dirname(project.root), "other"))
    project.git("submodule", "--quiet", "add", other.root, "sub", at=path)
    project.commit("sub", at=path)


def dirty_submodule(project: Project, path: str) -> None:
    add_submodule(project, path)
    project.write("sub/a.py", "dirty\n", at=path)


def stash(project: Project, path: str) -> None:
    project.write("a.py", "stashed\n", at=path)
    project.git("stash", "-q", at=path)


def commit(project: Project, path: str) -> None:
    project.write("d.py", "d", at=path)
    project.commit("d", at=path)


def differ_by_case(project: Project, path: str) -> None:
    """As in a repository that was copied from a system that cannot tell them apart."""
    project.git("config", "core.ignorecase", "true", at=path)
    project.write("A.PY", "a file of its own\n", at=path)


def edit_in_the_same_moment(project: Project, path: str) -> None:
    project.git("config", "core.checkStat", "minimal", at=path)
    project.git("config", "core.trustctime", "false", at=path)
    file = Path(path, "a.py")
    os.utime(file, (1_700_000_000, 1_700_000_000))
    project.git("status", at=path)
    before, text = file.stat(), file.read_text()
    file.write_text(text.swapcase())
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


def leave_a_detached_head(project: Project, path: str) -> None:
    detach(project, path)
    commit(project, path)
    project.git("checkout", "-q", "cave/api", at=path)


def keep_a_ref(project: Project, path: str) -> None:
    project.git("update-ref", "refs/worktree/mine", "HEAD", at=path)


def note(project: Project, path: str) -> None:
    project.git("notes", "add", "-m", "reviewed", at=path)


def tag(project: Project, path: str) -> None:
    project.git("tag", "-a", "-m", "a message of its own", "v1", at=path)


def amend(project: Project, path: str) -> None:
    commit(project, path)
    project.git("commit", "-q", "--amend", "-m", "another", at=path)
    project.git("push", "-q", "local", "HEAD:refs/heads/pushed", at=path)


def deinit(project: Project, path: str) -> None:
    add_submodule(project, path)
    project.git("submodule", "deinit", "-q", "-f", "sub", at=path)
    project.git("push", "-q", "local", "HEAD:refs/heads/pushed", at=path)


def link_a_worktree(project: Project, path: str) -> None:
    project.git("worktree", "add", "-q", "--detach", f"{path}-outside", at=path)


def believe_an_old_tracking_ref(project: Project, path: str) -> None:
    """It was pushed, and the branch has been deleted there since."""
    bare = os.path.join(os.path.dirname(project.root), "origin.git")
    project.git("init", "-q", "--bare", bare)
    project.git("remote", "add", "origin", bare, at=path)
    commit(project, path)
    project.git("push", "-q", "origin", "HEAD:refs/heads/gone", at=path)
    project.git("update-ref", "-d", "refs/heads/gone", at=bare)


def store_a_large_file(project: Project, path: str) -> None:
    project.write(".git/lfs/objects/ab/cd/abcd", "large", at=path)


def add_a_hook(project: Project, path: str) -> None:
    project.write(".git/hooks/pre-commit", "#!/bin/sh\n", at=path)


EVERYWHERE: list[tuple[Spoil, str]] = [
    (lambda p, path: p.write("a.py", "new\n", at=path), "1 modified file: a.py"),
    (lambda p, path: os.unlink(os.path.join(path, "a.py")), "1 modified file: a.py"),
    (stage, "1 staged file: new.py"),
    (lambda p, path: p.write("n o\n.py", "n", at=path), "1 untracked file: 'n o\\n.py'"),
    (lambda p, path: p.write("x/y.log", "n", at=path), "1 ignored file: x/y.log"),
    (lambda p, path: p.write(".env", "n", at=path), "1 ignored file: .env"),
    (detach, "HEAD is detached"),
    (stop_in_a_rebase, "a rebase is in progress"),
    (stop_in_a_bisect, "a bisect is in progress"),
    (nest, "nested repository vendor"),
    (nest_in_a_disposable, "nested repository node_modules/pkg"),
    (hide, "1 assume-unchanged or skip-worktree file: a.py"),
    (skip, "1 assume-unchanged or skip-worktree file: a.py"),
    (add_submodule, "submodule sub is checked out"),
    (dirty_submodule, "changes in submodule sub"),
    (differ_by_case, "1 untracked file: A.PY"),
    (edit_in_the_same_moment, "1 modified file: a.py"),
]
WORKTREES: list[tuple[Spoil, str]] = [
    (leave_a_detached_head, "1 commit on no branch"),
    (keep_a_ref, "refs/worktree/mine is a ref of this worktree alone"),
]
CLONES: list[tuple[Spoil, str]] = [
    (stash, "1 stash"),
    (commit, "1 unpushed commit"),
    (note, "1 unpushed commit"),
    (tag, "tag v1 is nowhere else"),
    (amend, "1 unpushed commit"),
    (deinit, "submodule sub has its repository in this one"),
    (link_a_worktree, "it has worktrees of its own"),
    (believe_an_old_tracking_ref, "1 unpushed commit"),
    (store_a_large_file, "1 large file of its own"),
    (add_a_hook, "1 hook of its own"),
]
CASES = [
    *(("worktree", *case) for case in EVERYWHERE + WORKTREES),
    *(("clone", *case) for case in EVERYWHERE + CLONES),
]


@pytest.mark.parametrize(("type", "spoil", "words"), CASES)
async def test_work_is_named_and_nothing_of_it_is_lost(
    project: Project, type: str, spoil: Spoil, words: str
) -> None:
    spec = project.spec(type=type, disposable=("node_modules",))
    record = await project.make(spec)
    spoil(project, spec.path)
    assert any(words in obstacle for obstacle in project.obstacles(record))
    before = snapshot(spec.path)
    with pytest.raises(CaveError, match="cannot remove the workspace of api"):
        await project.remove(record)
    assert snapshot(spec.path) == before


@pytest.mark.parametrize("type", ["worktree", "clone"])
async def test_disposables_copies_and_context_go_with_the_workspace(
    project: Project, short: str, type: str
) -> None:
    outside = project.write("keep", "k", at=short)
    project.write(".env.local", "KEY=1\n")
    spec = project.spec(type=type, copy=(".env.local",), disposable=("node_modules",))
    record = await project.make(spec)
    project.write("node_modules/x/y", "y", at=spec.path)
    os.symlink(outside, os.path.join(spec.path, "node_modules", "x", "link"))
    os.chmod(os.path.join(spec.path, "node_modules", "x"), 0o555)
    project.write(".cave/.gitignore", "*\n", at=spec.path)
    project.write(".cave/plan.md", "p", at=spec.path)
    assert project.obstacles(record) == ("1 ignored file: .cave/plan.md",)
    await project.remove(record, context=frozenset({".cave/plan.md"}))
    assert not os.path.exists(spec.path)
    assert Path(outside).read_text() == "k"
    if type == "worktree":
        assert "cave/api" in project.git("branch")
        assert "caves/api" not in project.git("worktree", "list")


async def test_an_edited_copy_counts(project: Project) -> None:
    project.write(".env.local", "KEY=1\n")
    spec = project.spec(copy=(".env.local",))
    record = await project.make(spec)
    project.write(".env.local", "KEY=2\n", at=spec.path)
    assert project.obstacles(record) == ("1 ignored file: .env.local",)


async def test_disposable_excuses_ignored_files_only(project: Project) -> None:
    spec = project.spec(disposable=("build",))
    record = await project.make(spec)
    project.write("build/work.py", "not ignored", at=spec.path)
    assert project.obstacles(record) == ("1 untracked file: build/work.py",)


async def test_a_pushed_commit_and_a_known_tag_are_no_obstacle_of_a_clone(project: Project) -> None:
    project.git("checkout", "-q", "--detach")
    project.write("t.py", "t")
    project.commit("tagged")
    project.git("tag", "v1")
    project.git("checkout", "-q", "main")
    spec = project.spec(type="clone")
    record = await project.make(spec)
    commit(project, spec.path)
    project.git("push", "-q", "local", "HEAD:refs/heads/from-clone", at=spec.path)
    assert project.obstacles(record) == ()


async def test_of_a_deleted_worktree_the_registration_goes(project: Project) -> None:
    record = await project.make(project.spec())
    shutil.rmtree(record.path)
    assert project.obstacles(record) == ()
    await project.remove(record)
    assert project.git("worktree", "list").count("\n") == 1


async def test_a_directory_is_never_removed(project: Project) -> None:
    spec = project.spec(type="directory", path=project.root, branch=None)
    record = await project.make(spec)
    before = snapshot(project.root)
    assert project.obstacles(record)
    await project.remove(record)
    assert snapshot(project.root) == before


async def test_looking_changes_nothing_and_runs_nothing_of_the_repository(
    project: Project, short: str
) -> None:
    spec = project.spec()
    record = await project.make(spec)
    trap = project.write("trap", f"#!/bin/sh\ntouch {short}/sprung\n", at=short)
    os.chmod(trap, 0o755)
    project.git("config", "core.fsmonitor", trap)
    project.git("config", "core.hooksPath", short)
    os.utime(os.path.join(spec.path, "a.py"))
    index = os.path.join(project.root, ".git", "worktrees", "api", "index")
    before = os.stat(index).st_mtime_ns, os.stat(f"{project.root}/.git/index").st_mtime_ns
    project.see(spec)
    project.see(project.spec("other"), cave="other")
    assert project.obstacles(record) == ()
    assert workspaces.git_state(project.host, spec.path, record.base) == ("cave/api", 0, 0)
    after = os.stat(index).st_mtime_ns, os.stat(f"{project.root}/.git/index").st_mtime_ns
    assert before == after
    assert not os.path.exists(f"{short}/sprung")


async def test_git_state_counts_changes_and_commits(project: Project) -> None:
    spec = project.spec()
    record = await project.make(spec)
    commit(project, spec.path)
    project.write("a.py", "x\n", at=spec.path)
    project.write("n.py", "x\n", at=spec.path)
    assert workspaces.git_state(project.host, spec.path, record.base) == ("cave/api", 2, 1)
    project.git("branch", "-q", "--set-upstream-to=main", at=spec.path)
    assert workspaces.git_state(project.host, spec.path).ahead == 1


async def test_what_a_clone_names_for_its_origin_is_not_run(project: Project) -> None:
    """Its configuration is where an agent can write."""
    record = await project.make(project.spec(type="clone"))
    bare = os.path.join(os.path.dirname(project.root), "origin.git")
    project.git("init", "-q", "--bare", bare)
    project.git("remote", "add", "origin", bare, at=record.path)
    trap = os.path.join(project.root, "sprung")
    project.git("config", "remote.origin.uploadpack", f"touch {trap};", at=record.path)
    commit(project, record.path)
    assert project.obstacles(record) == ("1 unpushed commit",)
    assert not os.path.exists(trap)

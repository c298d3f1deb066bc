"""A repository that wants to run something: looking at it, untrusted, runs none of it."""

import os
from pathlib import Path

import pytest
from caving import ONE_CAVE, Cave
from traps import sprung, trap

LOOKS = (
    ("plan",),
    ("config", "--resolve"),
    ("ps", "--workspaces"),
    ("doctor",),
    ("status", "api"),
    ("wait", "--timeout", "1s"),
    ("logs", "api"),
    ("context", "api", "--diff"),
)
HOOKS = ("post-checkout", "post-index-change", "reference-transaction", "fsmonitor-watchman")


@pytest.fixture
def found(cave: Cave) -> Cave:
    """A workspace in which an agent runs, and files whose status git has to look into."""
    cave.up()
    for root in (cave.root, cave.workspace()):
        touched = root / "README.md"
        touched.write_text(touched.read_text())
        os.utime(touched, (1, 1))
    return cave


def configure(cave: Cave, name: str, value: str) -> None:
    cave.git("config", name, value)


def look(cave: Cave) -> None:
    """Everything that needs no trust, from the repository and from the cave."""
    for words in LOOKS:
        cave.try_run(*words)
    cave.try_run("ps", "--workspaces", cwd=cave.workspace())


@pytest.mark.parametrize(
    "key",
    [
        "core.fsmonitor",
        "core.pager",
        "pager.status",
        "core.editor",
        "core.sshCommand",
        "core.askPass",
        "core.gitProxy",
        "core.alternateRefsCommand",
        "diff.external",
        "credential.helper",
        "gpg.program",
        "uploadpack.packObjectsHook",
    ],
)
def test_no_program_that_the_configuration_of_a_repository_names_is_run(
    found: Cave, key: str
) -> None:
    configure(found, key, trap(found, key))
    look(found)
    assert sprung(found) == []


@pytest.mark.parametrize("kept", ["in the repository", "by core.hooksPath"])
def test_no_hook_of_a_repository_is_run(found: Cave, kept: str) -> None:
    hooks = found.root / (".git/hooks" if kept == "in the repository" else "hooks")
    hooks.mkdir(exist_ok=True)
    for name in HOOKS:
        (hooks / name).unlink(missing_ok=True)
        (hooks / name).symlink_to(trap(found, name))
    if kept == "by core.hooksPath":
        configure(found, "core.hooksPath", str(hooks))
    look(found)
    assert sprung(found) == []


def test_no_command_of_git_is_replaced_by_an_alias(found: Cave) -> None:
    for command in ("status", "rev-parse", "worktree", "cat-file", "for-each-ref", "config"):
        configure(found, f"alias.{command}", f"!{trap(found, command)}")
    look(found)
    assert sprung(found) == []


def test_no_included_configuration_runs_anything(found: Cave) -> None:
    more = found.write("more.gitconfig", f"[core]\nfsmonitor = {trap(found, 'included')}\n")
    configure(found, "include.path", str(more))
    configure(found, f"includeIf.gitdir:{found.root}/.path", str(more))
    configure(found, "includeIf.onbranch:**.path", str(more))
    look(found)
    assert sprung(found) == []


@pytest.mark.parametrize("key", ["core.fsmonitor", "core.hooksPath"])
def test_nothing_of_a_submodule_is_run(found: Cave, world: Path, key: str) -> None:
    inner = found.workspace() / "inner"
    inner.mkdir()
    found.git("init", "-q", cwd=inner)
    (inner / ".gitattributes").write_text("* filter=evil\n")
    (inner / "a").write_text("a\n")
    found.git("add", "-A", cwd=inner)
    found.git("commit", "-qm", "inner", cwd=inner)
    found.git("-c", "advice.addEmbeddedRepo=false", "add", "inner", cwd=found.workspace())
    os.utime(inner / "a", (1, 1))
    (world / "post-index-change").symlink_to(trap(found, key))
    value = str(world) if key == "core.hooksPath" else trap(found, key)
    found.git("config", key, value, cwd=inner)
    look(found)
    assert sprung(found) == []


def test_nothing_is_fetched_to_look_at_a_base_that_is_not_there(found: Cave) -> None:
    configure(found, "core.repositoryFormatVersion", "1")
    configure(found, "extensions.partialClone", "evil")
    configure(found, "remote.evil.promisor", "true")
    configure(found, "remote.evil.url", "ssh://host.invalid/x")
    configure(found, "core.sshCommand", trap(found, "ssh"))
    base = f"    workspace: {{base: '{'1' * 40}'}}\n"
    found.declare(ONE_CAVE + ONE_CAVE.partition("caves:\n")[2].replace("api", "web") + base)
    look(found)
    assert "is no commit" in found.run("plan").out
    assert sprung(found) == []


@pytest.mark.parametrize("kind", ["clean", "smudge", "process"])
def test_no_filter_of_a_repository_is_run(found: Cave, kind: str) -> None:
    for root in (found.root, found.workspace()):
        (root / ".gitattributes").write_text("* filter=evil diff=evil merge=evil\n")
    for key in (f"filter.evil.{kind}", "diff.evil.textconv", "diff.evil.command"):
        configure(found, key, trap(found, key))
    look(found)
    assert sprung(found) == []


@pytest.mark.parametrize("key", ["filter.evil.clean", "filter.evil.process"])
def test_no_filter_of_a_submodule_is_run(found: Cave, key: str) -> None:
    inner = found.workspace() / "inner"
    inner.mkdir()
    found.git("init", "-q", cwd=inner)
    (inner / ".gitattributes").write_text("* filter=evil\n")
    (inner / "a").write_text("a\n")
    found.git("add", "-A", cwd=inner)
    found.git("commit", "-qm", "inner", cwd=inner)
    found.git("-c", "advice.addEmbeddedRepo=false", "add", "inner", cwd=found.workspace())
    os.utime(inner / "a", (1, 1))
    found.git("config", key, trap(found, key), cwd=inner)
    look(found)
    assert sprung(found) == []

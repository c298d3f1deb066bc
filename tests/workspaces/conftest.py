"""Real git in short private folders: nothing of the person who runs the tests is read."""

import hashlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import pytest

from agentcave import workspaces
from agentcave.hosts.local import LocalHost
from agentcave.model.observed import ObservedWorkspace, WorkspaceRecord
from agentcave.model.spec import WorkspaceSpec

UID = "0123456789ab"


class Project(NamedTuple):
    """A repository with a caves file's directory, and short words for what tests do with it."""

    root: str
    host: LocalHost

    def git(self, *arguments: str, at: str | None = None) -> str:
        done = subprocess.run(
            ["git", "-C", at or self.root, *arguments], check=True, capture_output=True
        )
        return os.fsdecode(done.stdout)

    def write(self, relative: str, text: str, at: str | None = None) -> str:
        path = os.path.join(at or self.root, relative)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        Path(path).write_text(text)
        return path

    def commit(self, message: str = "more", at: str | None = None) -> None:
        self.git("add", "-A", at=at)
        self.git("commit", "-qm", message, at=at)

    def spec(self, cave: str = "api", type: str = "worktree", **changes: object) -> WorkspaceSpec:
        path = os.path.join(self.root, ".agentcave", "caves", cave)
        made = WorkspaceSpec(type, path, f"cave/{cave}")  # type: ignore[arg-type]  # by tests only
        return made._replace(**changes)  # type: ignore[arg-type]  # as above

    def see(
        self, spec: WorkspaceSpec, record: WorkspaceRecord | None = None, cave: str = "api"
    ) -> ObservedWorkspace:
        records = {cave: record} if record else {}
        return workspaces.observe(self.host, self.root, UID, {cave: spec}, records)[cave]

    async def make(
        self, spec: WorkspaceSpec, record: WorkspaceRecord | None = None, cave: str = "api"
    ) -> WorkspaceRecord:
        seen = self.see(spec, record, cave)
        return await workspaces.create(self.host, self.root, UID, cave, spec, seen)

    async def remove(
        self, record: WorkspaceRecord, context: frozenset[str] = frozenset(), cave: str = "api"
    ) -> None:
        await workspaces.remove(self.host, self.root, UID, cave, record, context=context)

    def obstacles(
        self, record: WorkspaceRecord, context: frozenset[str] = frozenset()
    ) -> tuple[str, ...]:
        return workspaces.obstacles(self.host, record, context=context)


def begun(spec: WorkspaceSpec) -> WorkspaceRecord:
    """What the state holds while a workspace is being made."""
    return WorkspaceRecord(spec.type, spec.path, spec.branch, ready=False)


def snapshot(root: str) -> dict[str, str]:
    """Every file and link below ``root`` with its content."""
    found = {}
    for folder, _, files in os.walk(root):
        for name in files:
            path = os.path.join(folder, name)
            is_link = os.path.islink(path)
            content = os.readlink(path).encode() if is_link else Path(path).read_bytes()
            found[os.path.relpath(path, root)] = hashlib.sha256(content).hexdigest()
    return found


@pytest.fixture
def short() -> Iterator[str]:
    with TemporaryDirectory(prefix="acw-") as directory:
        yield os.path.realpath(directory)


@pytest.fixture(autouse=True)
def private_git(short: str, monkeypatch: pytest.MonkeyPatch) -> None:
    config = os.path.join(short, "gitconfig")
    Path(config).write_text(
        "[user]\nname = t\nemail = t@example.invalid\n[init]\ndefaultBranch = main\n"
        '[protocol "file"]\nallow = always\n'
    )
    monkeypatch.setenv("HOME", short)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", config)
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")


@pytest.fixture(params=["asyncio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def new_project(root: str) -> Project:
    os.makedirs(root)
    project = Project(root, LocalHost())
    project.git("init", "-q")
    project.write(".gitignore", "*.log\nnode_modules\n.env*\n.agentcave\n")
    project.write("a.py", "a = 1\n")
    project.write("lib/b.py", "b = 2\n" * 2000)
    project.commit("first")
    return project


@pytest.fixture
def project(short: str) -> Project:
    return new_project(os.path.join(short, "shop"))

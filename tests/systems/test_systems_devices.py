"""Mounts and other users: what a removal may not look into, and who is nobody of ours."""

import os
import subprocess
import sys
from pathlib import Path

from caving import AGENTCAVE, ONE_CAVE, Cave

LOOK = """
import sys
from agentcave.hosts import LocalHost
from agentcave.model.observed import WorkspaceRecord
from agentcave.workspaces import obstacles
record = WorkspaceRecord("worktree", sys.argv[1], "cave/api", True, disposable=("node_modules",))
here = {f".cave/{name}.md" for name in ("background", "plan", "working-log", "results-summary")}
print(obstacles(LocalHost(), record, context=here))
"""


CAPABLE = "--bounding-set=-dac_override,-dac_read_search"


def looked(*begin: str, path: Path) -> str:
    environ = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "GIT_CONFIG_COUNT": "1"}
    environ |= {"GIT_CONFIG_KEY_0": "safe.directory", "GIT_CONFIG_VALUE_0": "*"}
    words = (*begin, sys.executable, "-P", "-c", LOOK, str(path))
    done = subprocess.run(words, env=environ, capture_output=True, text=True, cwd="/")
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_mount_point_in_a_disposable_folder_is_no_disposable(cave: Cave) -> None:
    cave.up()
    cache = cave.workspace() / "node_modules" / "cache"
    cache.mkdir(parents=True)
    assert looked(path=cave.workspace()) == "()\n"
    mount = f'mount -t tmpfs none {cache} && exec "$@"'
    said = looked("unshare", "--mount", "sh", "-c", mount, "-", path=cave.workspace())
    assert "node_modules/cache is a mount point" in said


def test_a_folder_that_cannot_be_read_may_hold_work(cave: Cave) -> None:
    cave.up()
    closed = cave.workspace() / "node_modules" / "pgdata"
    closed.mkdir(parents=True)
    closed.chmod(0o700)
    os.chown(closed, 65534, 65534)
    said = looked("setpriv", CAPABLE, path=cave.workspace())
    assert "node_modules/pgdata cannot be read" in said


ELSEWHERE = """
mount -t tmpfs none {state} && mount -t tmpfs none {root} && cd {root} && git init -q . &&
git commit -q --allow-empty -m x && cat >caves.yaml &&
export AGENTCAVE_SOCKET={home}/elsewhere && "$@" up -f caves.yaml && "$@" ps -f caves.yaml &&
"$@" restart -f caves.yaml && "$@" down -f caves.yaml
"""


def test_the_same_path_in_another_mount_namespace_is_another_project(cave: Cave) -> None:
    """As in a container that shows this machine's processes."""
    cave.up()
    before = cave.agents()
    places = {"state": cave.home / "state", "root": cave.root, "home": cave.home}
    script = ELSEWHERE.format(**places)
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-euc", script, "-", *AGENTCAVE],
        env=cave.environ,
        input=ONE_CAVE,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "shop: 1 started" in done.stdout
    assert cave.agents() == before

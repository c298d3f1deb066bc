"""``down``: nothing runs on, and nothing is lost."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from caving import ONE_CAVE, SLEEPER, Cave, alive, eventually, finish, snapshot

DEMO = (
    "version: 1\nname: shop\ncaves:\n  api:\n    agents:\n      demo:\n        stop: {grace: 1s}\n"
)
WAYS = ("nohup", "setsid", "double-fork", "clean-env", "stubborn", "orphan")


def spawned(cave: Cave, how: str) -> list[int]:
    cave.run("send", "-f", "caves.yaml", "api", f"spawn {how}")
    eventually(lambda: f"* spawned {how}: " in cave.screen("shop/api/demo"))
    said = cave.screen("shop/api/demo").partition(f"* spawned {how}: ")[2].split("\n")[0]
    return [int(word) for word in said.split()]


def test_down_leaves_no_server_no_process_and_every_workspace(cave: Cave) -> None:
    cave.up()
    (cave.workspace() / "work.txt").write_text("not committed")
    cave.run("down", "-f", "caves.yaml")
    eventually(lambda: cave.processes() == [])
    assert cave.try_tmux("list-sessions").returncode != 0
    assert (cave.workspace() / "work.txt").read_text() == "not committed"
    assert cave.git("branch", "--list", "cave/api", "--format", "%(refname:short)") == "cave/api"


def test_down_twice_is_down(cave: Cave) -> None:
    cave.up()
    cave.run("down", "-f", "caves.yaml")
    before = snapshot(cave.root)
    assert cave.run("down", "-f", "caves.yaml").out == "shop: 1 unchanged\n"
    assert snapshot(cave.root) == before


@pytest.mark.parametrize("how", WAYS)
def test_down_ends_children_that_want_to_outlive_their_agent(cave: Cave, how: str) -> None:
    cave.declare(DEMO)
    cave.up()
    children = spawned(cave, how)
    assert children
    assert all(map(alive, children))
    cave.run("down", "-f", "caves.yaml")
    assert not any(map(alive, children))
    eventually(lambda: cave.processes() == [])


def test_down_ends_an_agent_that_ignores_every_polite_signal(cave: Cave) -> None:
    cave.declare(DEMO)
    cave.up()
    cave.run("send", "-f", "caves.yaml", "api", "ignore TERM HUP INT")
    eventually(lambda: "* ignoring" in cave.screen("shop/api/demo"))
    pid = cave.agents()["shop/api/demo"].pid
    cave.run("down", "-f", "caves.yaml")
    assert not alive(pid)


def test_down_of_one_cave_leaves_the_others_alone(cave: Cave) -> None:
    cave.declare(
        f"version: 1\nname: shop\ncaves:\n  api:\n    agents: {{shell: {SLEEPER}}}\n"
        f"  web:\n    agents: {{shell: {SLEEPER}}}\n"
    )
    cave.up()
    web = cave.agents()["shop/web/shell"]
    cave.run("down", "-f", "caves.yaml", "api")
    assert cave.agents() == {"shop/web/shell": web}


def test_a_clean_workspace_is_removed_on_request_and_its_branch_stays(cave: Cave) -> None:
    cave.up()
    cave.run("down", "-f", "caves.yaml", "--remove-workspaces")
    assert not cave.workspace().exists()
    assert cave.git("rev-parse", "cave/api") == cave.git("rev-parse", "main")
    cave.up()
    assert cave.workspace().is_dir()


@pytest.mark.parametrize(
    ("what", "change"),
    [
        ("untracked", lambda space: (space / "new.txt").write_text("work")),
        ("modified", lambda space: (space / "README.md").write_text("work")),
        ("ignored", lambda space: (space / "run.log").write_text("work")),
    ],
)
def test_a_workspace_with_work_in_it_is_refused_by_name(
    cave: Cave, what: str, change: Callable[[Path], object]
) -> None:
    cave.up()
    change(cave.workspace())
    before = files(cave.workspace())
    done = cave.run("down", "-f", "caves.yaml", "--remove-workspaces", code=1)
    assert cave.agents() == {}
    assert files(cave.workspace()) == before
    assert str(cave.workspace()) in done.err
    assert what in done.err


def test_what_an_agent_wrote_into_its_context_is_kept_when_the_workspace_goes(cave: Cave) -> None:
    cave.declare(
        "version: 1\nname: shop\ncaves:\n  api:\n    context: {plan.md: {text: one}}\n"
        f"    agents: {{shell: {SLEEPER}}}\n"
    )
    cave.up()
    (cave.workspace() / ".cave" / "plan.md").write_text("what the agent learned")
    cave.run("down", "-f", "caves.yaml", "--remove-workspaces")
    assert not cave.workspace().exists()
    kept = [path for path in cave.state().rglob("plan.md*") if path.is_file()]
    assert "what the agent learned" in [path.read_text() for path in kept]


def test_down_works_from_the_stamps_when_the_file_is_broken_or_gone(cave: Cave) -> None:
    cave.up()
    cave.declare("caves: [broken")
    broken = cave.run("ps", "-f", "caves.yaml")
    assert "shop" not in broken.out.splitlines()[0]
    assert "api/shell" in broken.out
    assert "caves.yaml:2:1: not valid YAML" in broken.err
    (cave.root / "caves.yaml").unlink()
    cave.run("down", "-p", "shop")
    assert cave.agents() == {}


def test_two_projects_on_one_server_do_not_touch_each_other(cave: Cave) -> None:
    other = cave.home / "other"
    other.mkdir()
    space = "workspace: {type: directory, path: .}"
    text = (
        f"version: 1\nname: shop\ncaves:\n  api:\n    {space}\n    agents: {{shell: {SLEEPER}}}\n"
    )
    (other / "caves.yaml").write_text(text)
    cave.up()
    cave.run("up", "-f", "caves.yaml", cwd=other)
    names = sorted(cave.agents())
    assert names[0] == "shop/api/shell"
    assert names[1].startswith("shop/api/shell~")
    cave.run("down", "-f", "caves.yaml")
    assert list(cave.agents()) == names[1:]


def files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_the_workspace_of_a_cave_that_left_the_file_can_be_removed(cave: Cave) -> None:
    cave.up()
    cave.declare(ONE_CAVE.replace("api:", "web:"))
    cave.up()
    assert (cave.workspace("api") / ".git").exists()
    done = cave.run("down", "-f", "caves.yaml", "--remove-workspaces")
    assert "2 workspaces removed" in done.out
    assert not cave.workspace("api").exists()
    assert not cave.workspace("web").exists()


def test_a_stubborn_agent_keeps_no_other_down(cave: Cave) -> None:
    """A restart for drift beside one that takes its time to end."""
    deaf = "sh, -c, 'trap : TERM HUP; echo deaf; while :; do sleep 0.1; done'"
    caves = "version: 1\nname: shop\ncaves:\n"
    for name, command, grace in (("slow", deaf, "300s"), ("quick", "sleep, inf", "1s")):
        agent = f"{{type: command, command: [{command}], stop: {{grace: {grace}}}}}"
        caves += f"  {name}: {{agents: {{a: {agent}}}}}\n"
    cave.declare(caves)
    cave.up()
    eventually(lambda: "deaf" in cave.screen("shop/slow/a"))
    slow, quick = (cave.agents()[f"shop/{name}/a"].pid for name in ("slow", "quick"))
    cave.declare(caves.replace("sleep, inf", "sleep, '12345'").replace("0.1", "0.2"))
    up = cave.popen("up", "-f", "caves.yaml")
    eventually(lambda: quick not in (pids := [one.pid for one in cave.agents().values()]) and pids)
    eventually(lambda: "shop/quick/a" in cave.agents())
    assert up.poll() is None
    assert alive(slow)
    os.kill(slow, signal.SIGKILL)
    assert finish(up).code == 0

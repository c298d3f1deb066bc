"""``up``: from the file to live agents, and standing still once they are there."""

import os
import shutil
from collections.abc import Callable

from caving import ONE_CAVE, SLEEPER, Cave, Terminal, alive, eventually, snapshot

LOGGED = 'printf "%s\\n" "$*" >>"{log}"; exec {program} "$@"'


def test_up_starts_a_declared_agent_in_a_worktree_of_its_own(cave: Cave) -> None:
    cave.up()
    assert list(cave.agents()) == ["shop/api/shell"]
    assert cave.git("branch", "--show-current", cwd=cave.workspace()) == "cave/api"


def test_up_twice_changes_nothing(cave: Cave) -> None:
    cave.declare(
        "version: 1\nname: shop\ncaves:\n  api:\n    context: {plan.md: {text: Look around.}}\n"
        f"    agents: {{shell: {SLEEPER}}}\n  web:\n    agents: {{shell: {SLEEPER}}}\n"
    )
    cave.up()
    before = snapshot(cave.root), cave.panes()
    done = cave.up()
    assert (snapshot(cave.root), cave.panes()) == before
    assert done.out == "shop: 2 unchanged\n"


def test_a_second_up_only_reads_tmux_and_leaves_the_index_of_git_alone(cave: Cave) -> None:
    cave.up()
    log = cave.home / "calls"
    for program in ("tmux", "git"):
        path = cave.program(program, LOGGED.format(log=log, program=f"/usr/bin/{program}"))
    cave.up(PATH=path)
    calls = log.read_text().splitlines()
    reading = [call for call in calls if "list-panes -a" in call or "--no-optional-locks" in call]
    assert calls == reading
    assert len([call for call in calls if "list-panes" in call]) == 1


def test_a_new_cave_is_started_beside_the_ones_that_run(cave: Cave) -> None:
    cave.up()
    before = cave.agents()["shop/api/shell"]
    cave.declare(
        f"version: 1\nname: shop\ncaves:\n  api:\n    agents: {{shell: {SLEEPER}}}\n"
        f"  web:\n    agents: {{shell: {SLEEPER}}}\n"
    )
    cave.up()
    assert cave.agents()["shop/api/shell"] == before
    assert sorted(cave.agents()) == ["shop/api/shell", "shop/web/shell"]


def test_an_agent_whose_environment_changed_is_restarted_and_the_cause_is_named(
    cave: Cave,
) -> None:
    text = "version: 1\nname: shop\ncaves:\n  api:\n    environment: {{LEVEL: {}}}\n"
    text += f"    agents: {{{{shell: {SLEEPER.replace('{', '{{').replace('}', '}}')}}}}}\n"
    cave.declare(text.format("info"))
    cave.up()
    before = cave.agents()["shop/api/shell"].pid
    cave.declare(text.format("debug"))
    plan = cave.run("plan", "-f", "caves.yaml").out
    cave.up()
    after = cave.agents()["shop/api/shell"].pid
    assert after != before
    assert not alive(before)
    assert "environment.LEVEL changed" in plan
    assert cave.up().out == "shop: 1 unchanged\n"


def test_a_cave_that_left_the_file_is_stopped_and_its_workspace_is_kept(cave: Cave) -> None:
    cave.up()
    kept = cave.workspace() / "work.txt"
    kept.write_text("not committed")
    cave.declare(f"version: 1\nname: shop\ncaves:\n  web:\n    agents: {{shell: {SLEEPER}}}\n")
    plan = cave.run("plan", "-f", "caves.yaml").out
    cave.up()
    assert list(cave.agents()) == ["shop/web/shell"]
    assert kept.read_text() == "not committed"
    assert "not in caves.yaml, workspace kept" in plan


def test_an_attached_agent_is_held_until_force(
    cave: Cave, on_terminal: Callable[..., Terminal]
) -> None:
    cave.up()
    before = cave.agents()["shop/api/shell"].pid
    on_terminal("tmux", "-S", cave.socket, "attach", "-t", "=shop/api/shell:")
    eventually(lambda: cave.tmux("list-clients"))
    cave.declare(cave_with("environment: {LEVEL: debug}"))
    held = cave.up(code=1)
    assert cave.agents()["shop/api/shell"].pid == before
    assert "attached" in held.err
    cave.up("--force")
    assert cave.agents()["shop/api/shell"].pid != before
    assert cave.tmux("list-clients")


def test_an_agent_whose_workspace_was_deleted_gets_a_new_one_and_moves_in(cave: Cave) -> None:
    cave.up()
    before = cave.agents()["shop/api/shell"].pid
    shutil.rmtree(cave.workspace())
    assert cave.ps()["api/shell"]["reason"].startswith("its workspace was deleted")
    done = cave.up()
    after = cave.agents()["shop/api/shell"].pid
    assert after != before
    assert os.readlink(f"/proc/{after}/cwd") == str(cave.workspace())
    assert (done.out, cave.up().out) == ("shop: 1 restarted\n", "shop: 1 unchanged\n")


def test_commits_that_only_a_deleted_workspace_had_are_kept_and_told(cave: Cave) -> None:
    cave.up()
    work = str(cave.workspace())
    cave.git("-C", work, "checkout", "-q", "--detach")
    cave.git("-C", work, "commit", "-q", "--allow-empty", "-m", "on no branch")
    lost = cave.git("-C", work, "rev-parse", "HEAD").strip()
    shutil.rmtree(work)
    kept = f"are kept: refs/agentcave/kept/api/{lost[:12]}"
    assert kept in cave.run("plan", "-f", "caves.yaml").out
    assert cave.git("for-each-ref", "refs/agentcave") == ""
    assert kept in cave.up().err
    assert cave.git("log", "-1", "--format=%s", lost) == "on no branch"
    assert lost in cave.git("for-each-ref", "refs/agentcave")


def test_a_file_that_is_a_link_declares_the_project_that_the_link_is_in(cave: Cave) -> None:
    dotfiles = cave.home / "dotfiles"
    cave.git("init", "-q", str(dotfiles))
    (cave.root / "caves.yaml").rename(dotfiles / "shop.yaml")
    (cave.root / "caves.yaml").symlink_to(dotfiles / "shop.yaml")
    cave.up()
    assert (cave.workspace() / "README.md").is_file()
    assert sorted(os.listdir(dotfiles)) == [".git", "shop.yaml"]
    assert list(cave.ps()) == ["api/shell"]
    cave.run("up", code=77)
    cave.run("trust")
    assert cave.run("up").out == "shop: 1 unchanged\n"
    (dotfiles / "shop.yaml").write_text(f"{ONE_CAVE}    setup: [[touch, run]]\n")
    cave.run("up", code=77)


def test_a_workspace_that_was_moved_is_refused_with_the_way_back(cave: Cave) -> None:
    cave.up()
    before, moved = cave.agents(), cave.root / "elsewhere"
    cave.workspace().rename(moved)
    assert f"was moved to {moved} (move it back to {cave.workspace()}" in cave.up(code=1).err
    assert not cave.workspace().exists()
    assert cave.agents() == before
    moved.rename(cave.workspace())
    assert cave.up().out == "shop: 1 unchanged\n"


def test_a_changed_seed_is_renewed_and_an_edited_one_is_kept(cave: Cave) -> None:
    text = "context: {{plan.md: {{text: {0}}}, background.md: {{text: {0}}}}}"
    cave.declare(cave_with(text.format("one")))
    cave.up()
    context = cave.workspace() / ".cave"
    pid = cave.agents()["shop/api/shell"].pid
    (context / "plan.md").write_text("edited by the agent")
    cave.declare(cave_with(text.format("two")))
    done = cave.up()
    assert (context / "background.md").read_text().strip() == "two"
    assert (context / "plan.md").read_text() == "edited by the agent"
    assert cave.agents()["shop/api/shell"].pid == pid
    assert "plan.md kept" in done.err


def test_a_cave_with_a_profile_starts_only_when_it_is_selected(cave: Cave) -> None:
    cave.declare(
        f"version: 1\nname: shop\ncaves:\n  api:\n    agents: {{shell: {SLEEPER}}}\n"
        f"  web:\n    profiles: [front]\n    agents: {{shell: {SLEEPER}}}\n"
    )
    cave.up()
    assert list(cave.agents()) == ["shop/api/shell"]
    cave.up("--profile", "front")
    both = cave.agents()
    assert sorted(both) == ["shop/api/shell", "shop/web/shell"]
    cave.up()
    assert cave.agents() == both
    cave.run("down", "-f", "caves.yaml")
    assert cave.agents() == {}


def test_replicas_are_caves_of_their_own_and_one_name_means_all(cave: Cave) -> None:
    cave.declare(
        f"version: 1\nname: shop\ncaves:\n  t:\n    replicas: 3\n    agents: {{shell: {SLEEPER}}}\n"
    )
    cave.up()
    assert sorted(cave.agents()) == ["shop/t-1/shell", "shop/t-2/shell", "shop/t-3/shell"]
    cave.run("stop", "-f", "caves.yaml", "t-2")
    assert sorted(cave.agents()) == ["shop/t-1/shell", "shop/t-3/shell"]
    cave.run("start", "-f", "caves.yaml", "t")
    assert len(cave.agents()) == 3
    cave.declare(
        f"version: 1\nname: shop\ncaves:\n  t:\n    replicas: 1\n    agents: {{shell: {SLEEPER}}}\n"
    )
    cave.up()
    assert list(cave.agents()) == ["shop/t-1/shell"]
    assert cave.workspace("t-3").is_dir()


def test_several_files_and_the_local_one_merge_in_order(cave: Cave) -> None:
    cave.declare(cave_with("environment: {A: one, B: one, C: one}"))
    cave.write("more.yaml", "version: 1\ncaves: {api: {environment: {B: two, C: two}}}\n")
    cave.write("caves.local.yaml", "version: 1\ncaves: {api: {environment: {C: three}}}\n")
    cave.run("up", "-f", "caves.yaml", "-f", "more.yaml")
    shown = cave.run(
        "exec", "-f", "caves.yaml", "-f", "more.yaml", "api", "--", "sh", "-c", "echo $A $B $C"
    )
    assert shown.out == "one two three\n"
    assert cave.run("up", "-f", "caves.yaml", "-f", "more.yaml").out == "shop: 1 unchanged\n"


def test_named_caves_bring_their_dependencies_and_remove_nothing(cave: Cave) -> None:
    cave.declare(f"version: 1\nname: shop\ncaves:\n  old:\n    agents: {{shell: {SLEEPER}}}\n")
    cave.up()
    cave.declare(
        f"version: 1\nname: shop\ncaves:\n  db:\n    agents: {{shell: {SLEEPER}}}\n"
        "  api:\n    depends_on: {db: {condition: started}}\n"
        f"    agents: {{shell: {SLEEPER}}}\n  web:\n    agents: {{shell: {SLEEPER}}}\n"
    )
    cave.up("api")
    assert sorted(cave.agents()) == ["shop/api/shell", "shop/db/shell", "shop/old/shell"]


def cave_with(declaration: str) -> str:
    return (
        f"version: 1\nname: shop\ncaves:\n  api:\n    {declaration}\n"
        f"    agents: {{shell: {SLEEPER}}}\n"
    )

"""``context`` and ``config``: looking at what was written, and at what it means."""

import pytest
from caving import ONE_CAVE, SLEEPER, Cave, snapshot

SEEDED = (
    "version: 1\nname: shop\ncaves:\n  api:\n    context: {plan.md: {file: plan.md}}\n"
    f"    agents: {{shell: {SLEEPER}}}\n"
)


@pytest.fixture
def seeded(cave: Cave) -> Cave:
    cave.write("plan.md", "1. Look around.\n")
    cave.declare(SEEDED)
    cave.up()
    return cave


def test_context_shows_which_files_the_agent_has_edited(seeded: Cave) -> None:
    (seeded.workspace() / ".cave" / "plan.md").write_text("1. Look around.\n2. Done\n")
    listed = seeded.run("context", "-f", "caves.yaml", "api").out.splitlines()
    states = {line.split()[0]: line.split()[1] for line in listed[2:]}
    assert listed[0] == f"{seeded.workspace()}/.cave"
    assert states["plan.md"] == "edited"
    assert states["background.md"] == "as"
    diff = seeded.run("context", "-f", "caves.yaml", "api", "--diff").out
    assert "+2. Done" in diff.splitlines()


def test_context_shows_one_file_without_what_would_act_on_a_terminal(seeded: Cave) -> None:
    (seeded.workspace() / ".cave" / "plan.md").write_text("red \x1b[31mink\x07\n")
    shown = seeded.run("context", "-f", "caves.yaml", "api", "--show", "plan.md").out
    assert shown == "red ink\n"


@pytest.mark.parametrize("name", ["../README.md", "/etc/passwd", "nosuch.md", ".", "link.md"])
def test_context_shows_nothing_from_outside(seeded: Cave, name: str) -> None:
    (seeded.workspace() / ".cave" / "link.md").symlink_to("/etc/passwd")
    done = seeded.try_run("context", "-f", "caves.yaml", "api", "--show", name)
    assert done.code in (1, 64)
    assert done.out == ""


def test_a_context_file_that_became_a_pipe_hangs_nobody(seeded: Cave) -> None:
    import os

    path = seeded.workspace() / ".cave" / "plan.md"
    path.unlink()
    os.mkfifo(path)
    for words in (("up",), ("context", "api"), ("plan",), ("down", "--remove-workspaces")):
        assert seeded.try_run(words[0], "-f", "caves.yaml", *words[1:]).code in (0, 1)


def test_a_context_folder_that_became_a_link_is_not_written_through(seeded: Cave) -> None:
    import shutil

    elsewhere = seeded.home / "elsewhere"
    elsewhere.mkdir()
    folder = seeded.workspace() / ".cave"
    shutil.rmtree(folder)
    folder.symlink_to(elsewhere)
    seeded.write("plan.md", "2. New\n")
    seeded.try_run("up", "-f", "caves.yaml")
    assert list(elsewhere.iterdir()) == []


def test_a_seed_that_is_missing_is_refused_and_nothing_is_started(cave: Cave) -> None:
    cave.declare(SEEDED)
    done = cave.try_run("up", "-f", "caves.yaml")
    assert done.code in (1, 78)
    assert cave.agents() == {}
    assert "plan.md" in done.err


def test_a_seed_from_outside_the_project_is_refused(cave: Cave) -> None:
    (cave.root / "plan.md").symlink_to("/etc/passwd")
    cave.declare(SEEDED)
    done = cave.try_run("up", "-f", "caves.yaml")
    assert done.code in (1, 78)
    assert cave.agents() == {}


def test_config_shows_variables_as_written_until_they_are_to_be_resolved(cave: Cave) -> None:
    cave.declare(ONE_CAVE + "    environment: {LEVEL: '${LEVEL:-info}'}\n")
    assert "${LEVEL:-info}" in cave.run("config", "-f", "caves.yaml").out
    assert "LEVEL: debug" in cave.run("config", "-f", "caves.yaml", "--resolve", LEVEL="debug").out


def test_what_config_shows_is_a_file_that_means_the_same(cave: Cave) -> None:
    cave.declare(ONE_CAVE + "    environment: {A: 010, B: 1.10, C: no, D: '22:22', E: $$x}\n")
    cave.up()
    shown = cave.run("config", "-f", "caves.yaml").out
    cave.declare(shown)
    assert cave.up().out == "shop: 1 unchanged\n"


def test_config_quiet_only_checks(cave: Cave) -> None:
    before = snapshot(cave.root)
    assert cave.run("config", "-f", "caves.yaml", "-q").out == ""
    assert snapshot(cave.root) == before
    cave.declare("version: 1\n")
    cave.run("config", "-f", "caves.yaml", "-q", code=78)
    assert not (cave.root / ".agentcave").exists()

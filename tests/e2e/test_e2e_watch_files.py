"""Edits of the caves file beside a controller."""

import os

import pytest
from caving import ONE_CAVE, SLEEPER, Cave, alive, eventually
from watching import WATCH, Watcher, comes_back, crash, pid_of, watching

WEB_CAVE = f"  web:\n    agents:\n      shell: {SLEEPER}\n"
TWO = ONE_CAVE + WEB_CAVE
COLORED = ONE_CAVE.replace("    agents:", "    environment: {COLOR: blue}\n    agents:")
WEB = "shop/web/shell"
BROKEN = "version: 1\nname: shop\ncaves: {\n"
MISSPELT = ONE_CAVE.replace("agents:", "agent:")


def replaces(cave: Cave, watcher: Watcher) -> None:
    """Kill the agent, and wait until the controller has replaced it."""
    comes_back(cave, crash(cave))
    watcher.rests()


def test_a_cave_that_is_added_starts_and_touches_no_other(cave: Cave) -> None:
    with watching(cave) as watcher:
        before = pid_of(cave)
        cave.declare(TWO)
        eventually(lambda: WEB in cave.agents())
        assert pid_of(cave) == before
        assert len(watcher.saw("reload")) == 1


def test_a_change_is_seen_where_a_link_leads(cave: Cave) -> None:
    elsewhere = cave.home / "shop.yaml"
    (cave.root / "caves.yaml").rename(elsewhere)
    (cave.root / "caves.yaml").symlink_to(elsewhere)
    with watching(cave) as watcher:
        (cave.home / "new.yaml").write_text(TWO)
        (cave.home / "new.yaml").rename(elsewhere)
        eventually(lambda: WEB in cave.agents())
        assert len(watcher.saw("reload")) == 1


def test_a_cave_that_left_the_file_goes_and_its_workspace_stays(cave: Cave) -> None:
    cave.declare(TWO)
    with watching(cave) as watcher:
        api, web = pid_of(cave), pid_of(cave, WEB)
        cave.declare(ONE_CAVE)
        eventually(lambda: WEB not in cave.agents())
        eventually(lambda: watcher.saw("stop-session"))
        assert web is not None
        assert not alive(web)
        assert pid_of(cave) == api
        assert cave.workspace("web").is_dir()
        (gone,) = watcher.saw("stop-session")
        assert gone["cause"] == "not in caves.yaml, workspace kept"


def test_a_file_that_is_shorter_for_a_moment_removes_nothing(cave: Cave) -> None:
    db = WEB_CAVE.replace("web", "db")
    cave.declare(TWO + db)
    with watching(cave) as watcher:
        web = pid_of(cave, WEB)
        cave.declare(ONE_CAVE + db)
        eventually(lambda: len(watcher.saw("reload")) == 1, 5)
        cave.declare(TWO + db)
        eventually(lambda: len(watcher.saw("reload")) == 2, 5)
        cave.declare(TWO)
        eventually(lambda: watcher.saw("stop-session"))
        assert [event["cave"] for event in watcher.saw("stop-session")] == ["db"]
        assert pid_of(cave, WEB) == web


def test_a_changed_variable_gives_a_new_process_and_says_why(cave: Cave) -> None:
    with watching(cave) as watcher:
        before = pid_of(cave)
        cave.declare(COLORED)
        eventually(lambda: watcher.saw("restart-session"))
        (event,) = watcher.saw("restart-session")
        assert event["cause"] == "environment.COLOR changed"
        assert pid_of(cave) != before
        assert cave.ps()["api/shell"]["restarts"] == 0
        watcher.looks_again()
        assert len(watcher.saw("restart-session")) == 1


def test_an_editor_that_replaces_the_file_is_noticed_each_time(cave: Cave) -> None:
    with watching(cave) as watcher:
        for number, text in enumerate((TWO, TWO + "# one\n", TWO + "# two\n"), 1):
            cave.write("caves.yaml~", text)
            os.rename(cave.root / "caves.yaml~", cave.root / "caves.yaml")
            eventually(lambda: len(watcher.saw("reload")) == number)  # noqa: B023 - called here
        watcher.rests()
        assert WEB in cave.agents()


@pytest.mark.parametrize(
    ("text", "where"), [(BROKEN, "caves.yaml:4:1: "), (MISSPELT, "caves.yaml:5:5: caves.api.agent")]
)
def test_a_broken_file_keeps_the_last_good_one_and_is_told_of_once(
    cave: Cave, text: str, where: str
) -> None:
    with watching(cave) as watcher:
        before = pid_of(cave)
        cave.declare(text)
        eventually(lambda: watcher.saw("reload", "failed"))
        cave.declare(text)
        replaces(cave, watcher)
        assert pid_of(cave) != before
        (event,) = watcher.saw("reload", "failed")
        assert where in event["error"]
        cave.declare(TWO)
        eventually(lambda: WEB in cave.agents())
        assert len(watcher.saw("reload")) == 1


def test_a_file_that_is_mended_as_it_was_is_told_of(cave: Cave) -> None:
    with watching(cave) as watcher:
        before = pid_of(cave)
        cave.declare(BROKEN)
        eventually(lambda: watcher.saw("reload", "failed"))
        cave.declare(ONE_CAVE)
        eventually(lambda: watcher.saw("reload"))
        watcher.rests()
        assert pid_of(cave) == before


def test_a_deleted_file_removes_nothing(cave: Cave) -> None:
    with watching(cave) as watcher:
        (cave.root / "caves.yaml").unlink()
        eventually(lambda: watcher.saw("reload", "failed"))
        replaces(cave, watcher)
        (event,) = watcher.saw("reload", "failed")
        assert "caves.yaml" in event["error"]
        cave.declare(TWO)
        eventually(lambda: WEB in cave.agents())


def test_a_local_file_that_appears_is_merged_and_taken_back_when_it_goes(cave: Cave) -> None:
    with watching(cave) as watcher:
        cave.write("caves.local.yaml", "version: 1\ncaves: {api: {environment: {COLOR: blue}}}\n")
        eventually(lambda: len(watcher.saw("restart-session")) == 1)
        (cave.root / "caves.local.yaml").unlink()
        eventually(lambda: len(watcher.saw("restart-session")) == 2)
        causes = {event["cause"] for event in watcher.saw("restart-session")}
        assert causes == {"environment.COLOR changed"}


def test_a_cave_that_is_not_named_is_left_alone(cave: Cave) -> None:
    cave.declare(TWO)
    cave.up()
    with watching(cave, *WATCH, "api") as watcher:
        cave.declare(COLORED)
        eventually(lambda: watcher.saw("restart-session"))
        crash(cave, WEB)
        replaces(cave, watcher)
        assert WEB not in cave.agents()
        assert watcher.saw("stop-session") == []

"""`up --watch --profile P`: what it keeps, and commands with other profiles beside it."""

from collections.abc import Iterator

import pytest
from caving import ONE_CAVE, SLEEPER, Cave, alive, eventually
from watching import API, WATCH, Watcher, comes_back, controller, crash, pid_of, watching

WEB, DB = "shop/web/shell", "shop/db/shell"
FRONT = (*WATCH, "--profile", "front")


def cave_of(name: str, profile: str | None, more: str = "") -> str:
    own = f"    profiles: [{profile}]\n" if profile else ""
    return f"  {name}:\n{own}{more}    agents:\n      shell: {SLEEPER}\n"


WEB_CAVE, DB_CAVE = cave_of("web", "front"), cave_of("db", "back")
THREE = ONE_CAVE + WEB_CAVE + DB_CAVE
COLORED = THREE.replace("agents:", "environment: {COLOR: blue}\n    agents:")


@pytest.fixture(autouse=True)
def three_caves(cave: Cave) -> None:
    cave.declare(THREE)


def replaces(cave: Cave, watcher: Watcher, name: str) -> None:
    """Kill an agent, and wait until the controller has replaced it: it has looked at all."""
    comes_back(cave, crash(cave, name), name)
    watcher.rests()


def test_it_keeps_the_caves_of_its_profile_and_those_of_none(cave: Cave) -> None:
    with watching(cave, *FRONT) as watcher:
        assert sorted(cave.agents()) == [API, WEB]
        for name in (WEB, API):
            replaces(cave, watcher, name)
        assert sorted(cave.agents()) == [API, WEB]
        assert {event["cave"] for event in watcher.events} == {"api", "web"}


def test_without_one_it_keeps_the_caves_of_none(cave: Cave) -> None:
    with watching(cave) as watcher:
        replaces(cave, watcher, API)
        assert list(cave.agents()) == [API]


def test_with_several_it_keeps_the_caves_of_each(cave: Cave) -> None:
    with watching(cave, *FRONT, "--profile", "back") as watcher:
        assert sorted(cave.agents()) == [API, DB, WEB]
        replaces(cave, watcher, DB)


def test_what_a_cave_of_its_profile_depends_on_is_kept_too(cave: Cave) -> None:
    waits = "    depends_on: {db: {}}\n"
    cave.declare(ONE_CAVE + cave_of("web", "front", waits) + DB_CAVE)
    with watching(cave, *FRONT) as watcher:
        assert sorted(cave.agents()) == [API, DB, WEB]
        replaces(cave, watcher, DB)


@pytest.fixture
def detached(cave: Cave) -> Iterator[Cave]:
    """With a controller in a session of its own, which does not outlive the test."""
    cave.run(*WATCH[:-1], "--detach", "--profile", "front")
    yield cave
    cave.run("down", "-f", "caves.yaml")


def test_one_in_a_session_of_its_own_keeps_the_profile_too(detached: Cave) -> None:
    eventually(lambda: pid_of(detached, WEB))
    comes_back(detached, crash(detached, WEB), WEB)
    assert DB not in detached.agents()


def test_a_profile_that_nobody_has_begins_no_controller(cave: Cave) -> None:
    done = cave.run(*WATCH, "--profile", "frnt", code=64)
    assert "no profile frnt in shop (did you mean front?)" in done.err
    assert cave.panes() == []
    assert controller(cave) is None


@pytest.mark.parametrize("profiles", [(), ("--profile", "back"), ("--profile", "front")])
def test_ps_beside_it_shows_what_it_keeps_whatever_profile_is_asked_for(
    cave: Cave, profiles: tuple[str, ...]
) -> None:
    with watching(cave, *FRONT) as watcher:
        rows = cave.ps(*profiles)
        phases = {name: row["phase"] for name, row in rows.items()}
        others = {"db/shell": "pending"} if "back" in profiles else {}
        assert phases == {"api/shell": "running", "web/shell": "running", **others}
        assert f"pid {watcher.pid}" in cave.run("ps", "-f", "caves.yaml", *profiles).err


@pytest.mark.parametrize("profiles", [(), ("--profile", "back")])
def test_up_with_another_profile_ends_nothing_and_nothing_ends_what_it_starts(
    cave: Cave, profiles: tuple[str, ...]
) -> None:
    with watching(cave, *FRONT) as watcher:
        before = cave.agents()
        cave.up(*profiles)
        started = cave.agents()
        watcher.looks_again()
        assert {name: started.get(name) for name in before} == before
        assert (DB in started) == bool(profiles)
        assert cave.agents() == started
        assert watcher.saw("stop-session") == []


def test_what_another_profile_has_started_is_left_alone(cave: Cave) -> None:
    with watching(cave, *FRONT) as watcher:
        cave.up("--profile", "back")
        before = pid_of(cave, DB)
        cave.declare(COLORED)
        eventually(lambda: len(watcher.saw("restart-session")) == 2)
        watcher.rests()
        assert pid_of(cave, DB) == before
        crash(cave, DB)
        for name in (API, WEB):
            replaces(cave, watcher, name)
        assert sorted(cave.agents()) == [API, WEB]
        assert {event["cave"] for event in watcher.events if event["cave"]} <= {"api", "web", "db"}
        assert watcher.saw("start-session", cave="db") == []


def test_what_another_profile_has_started_goes_when_it_leaves_the_file(cave: Cave) -> None:
    with watching(cave, *FRONT) as watcher:
        cave.up("--profile", "back")
        pid = pid_of(cave, DB)
        cave.declare(ONE_CAVE + WEB_CAVE)
        eventually(lambda: watcher.saw("stop-session", cave="db"))
        assert pid is not None
        assert not alive(pid)
        assert sorted(cave.agents()) == [API, WEB]
        (gone,) = watcher.saw("stop-session")
        assert gone["cause"] == "not in caves.yaml, workspace kept"


def test_a_cave_that_is_added_starts_when_it_is_of_the_profile(cave: Cave) -> None:
    with watching(cave, *FRONT) as watcher:
        cave.declare(THREE + cave_of("one", "back") + cave_of("two", "front"))
        eventually(lambda: "shop/two/shell" in cave.agents())
        watcher.rests()
        assert sorted(cave.agents()) == [API, "shop/two/shell", WEB]


def test_a_cave_that_leaves_the_profile_runs_on_alone_and_may_come_back(cave: Cave) -> None:
    with watching(cave, *FRONT) as watcher:
        before = pid_of(cave, WEB)
        moved = cave_of("web", "back") + cave_of("two", "front")
        cave.declare(ONE_CAVE + moved)
        eventually(lambda: watcher.saw("start-session", cave="two"))
        watcher.looks_again()
        assert pid_of(cave, WEB) == before
        crash(cave, WEB)
        replaces(cave, watcher, API)
        assert WEB not in cave.agents()
        cave.declare(THREE)
        comes_back(cave, before, WEB)


def test_a_profile_that_leaves_the_file_keeps_everything_as_it_was(cave: Cave) -> None:
    with watching(cave, *FRONT) as watcher:
        before = cave.agents()
        cave.declare(THREE.replace("[front]", "[other]"))
        eventually(lambda: watcher.saw("reload", "failed"))
        watcher.rests()
        assert cave.agents() == before
        replaces(cave, watcher, WEB)
        (event,) = watcher.saw("reload", "failed")
        assert event["error"].startswith("no profile front in shop")
        cave.declare(COLORED)
        eventually(lambda: len(watcher.saw("restart-session")) == 2)


def test_what_is_stopped_and_started_by_name_needs_no_profile(cave: Cave) -> None:
    with watching(cave, *FRONT) as watcher:
        cave.run("stop", "-f", "caves.yaml", "web")
        replaces(cave, watcher, API)
        assert list(cave.agents()) == [API]
        assert cave.ps("--profile", "front")["web/shell"]["phase"] == "stopped"
        cave.run("start", "-f", "caves.yaml", "web")
        replaces(cave, watcher, WEB)


def test_what_is_taken_down_comes_back_with_an_up_of_its_profile(cave: Cave) -> None:
    with watching(cave, *FRONT) as watcher:
        cave.run("down", "-f", "caves.yaml", "web")
        cave.up()
        watcher.looks_again()
        assert list(cave.agents()) == [API]
        cave.up("--profile", "front")
        replaces(cave, watcher, WEB)


def test_down_ends_the_caves_of_every_profile_and_the_controller(cave: Cave) -> None:
    with watching(cave, *FRONT) as watcher:
        cave.up("--profile", "back")
        assert len(cave.agents()) == 3
        cave.run("down", "-f", "caves.yaml")
        assert cave.panes() == []
        assert watcher.end().code == 143
    assert cave.processes() == []


def test_ps_promises_nothing_for_a_cave_that_it_does_not_keep(cave: Cave) -> None:
    with watching(cave, *FRONT) as watcher:
        cave.up("--profile", "back")
        crash(cave, DB)
        eventually(lambda: watcher.saw("session-ended", "failed", "db"))
        row = cave.ps()["db/shell"]
        assert (row["phase"], row["next_restart_at"]) == ("failed", None)
        assert "`agentcave up` starts it again" in row["reason"]

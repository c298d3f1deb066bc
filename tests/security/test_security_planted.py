"""Things swapped under us, between runs and beside a controller: nothing outside is touched."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from caving import ONE_CAVE, Cave, eventually, snapshot
from keeping import controller, runs

SEEDED = ONE_CAVE + "    context: {plan.md: {file: plan.md}}\n"


@pytest.fixture
def outside(cave: Cave) -> Path:
    """A folder of somebody else's, with what ours holds."""
    folder = cave.home / "outside"
    for name in (".cave/plan.md", "caves/api/README.md", "status.event", "state.db", "lock"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("theirs\n")
    (folder / "empty").mkdir()
    return folder


@pytest.fixture
def seeded(cave: Cave) -> Cave:
    cave.write("plan.md", "one\n")
    cave.declare(SEEDED)
    return cave


def plant(path: Path, kind: str, outside: Path) -> None:
    """Something else in the place of what was there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
    match kind:
        case "a symlink to a folder":
            path.symlink_to(outside)
        case "a symlink to an empty folder":
            path.symlink_to(outside / "empty")
        case "a symlink to a file":
            path.symlink_to(outside / "status.event")
        case "a symlink into nothing":
            path.symlink_to(outside / "new")
        case "a FIFO":
            os.mkfifo(path)
        case "a folder":
            path.mkdir()
        case "a device":
            path.symlink_to("/dev/zero")
        case "a huge file":
            with open(path, "wb") as file:
                file.truncate(1 << 40)
        case _:
            raise ValueError(kind)


KINDS = ["a symlink to a folder", "a symlink to a file", "a symlink into nothing", "a FIFO"]
PLACES: dict[str, Callable[[Cave], Path]] = {
    "context": lambda cave: cave.workspace() / ".cave",
    "seed": lambda cave: cave.workspace() / ".cave/plan.md",
    "ignore": lambda cave: cave.workspace() / ".cave/.gitignore",
    "workspace": lambda cave: cave.workspace(),
    "workspaces": lambda cave: cave.root / ".agentcave",
    "source": lambda cave: cave.root / "plan.md",
}


SWAPS = [
    (place, kind)
    for place in PLACES
    for kind in KINDS
    if (place, kind) != ("ignore", "a FIFO")  # git itself waits for somebody to write into that
] + [(place, "a symlink to an empty folder") for place in ("context", "workspace", "workspaces")]


@pytest.mark.parametrize(("place", "kind"), SWAPS)
def test_what_was_swapped_between_runs_leads_nowhere(
    seeded: Cave, outside: Path, place: str, kind: str
) -> None:
    seeded.up()
    seeded.run("down", "-f", "caves.yaml")
    before = snapshot(outside)
    seeded.write("plan.md", "two\n")
    plant(PLACES[place](seeded), kind, outside)
    for words in (("plan",), ("up",), ("context", "api"), ("down", "--remove-workspaces")):
        assert seeded.try_run(*words, "-f", "caves.yaml").code in (0, 1, 78), words
    assert snapshot(outside) == before


OWN: dict[str, Callable[[Cave], Path]] = {
    "ignore": lambda cave: cave.root / ".agentcave/.gitignore",
    "clone's stamp": lambda cave: cave.workspace() / ".git/agentcave",
    "history": lambda cave: cave.state() / "state.db",
    "its journal": lambda cave: cave.state() / "state.db-journal",
    "lock": lambda cave: cave.state() / "lock",
    "clients' lock": lambda cave: cave.state() / "clients",
    "controller": lambda cave: cave.state() / "controller",
}
"""Files of ours that any process of the same user can put something in the place of."""
CLONE = ONE_CAVE + "    workspace: {type: clone}\n"


@pytest.mark.parametrize("place", OWN)
@pytest.mark.parametrize("kind", ["a FIFO", "a device"])
def test_no_command_waits_for_what_stands_in_the_place_of_our_files(
    cave: Cave, outside: Path, place: str, kind: str
) -> None:
    cave.declare(CLONE)
    cave.up()
    plant(OWN[place](cave), kind, outside)
    for words in (("ps",), ("plan",), ("up",), ("down", "--remove-workspaces")):
        done = cave.try_run(*words, "-f", "caves.yaml")
        assert done.code in (0, 1), (words, done)
        assert done.code == 0 or done.err.strip(), words


def test_no_seed_is_read_through_a_symlink_that_leads_outside(seeded: Cave, outside: Path) -> None:
    seeded.up()
    plant(seeded.root / "plan.md", "a symlink to a file", outside)
    assert "must stay inside" in seeded.up(code=78).err
    assert (seeded.workspace() / ".cave/plan.md").read_text() == "one\n"


@pytest.mark.parametrize("place", PLACES)
def test_what_is_swapped_beside_a_controller_leads_nowhere(
    seeded: Cave, outside: Path, place: str
) -> None:
    with controller(seeded):
        runs(seeded, "shop/api/shell")
        before = snapshot(outside)
        plant(PLACES[place](seeded), "a symlink to a folder", outside)
        if place != "source":
            seeded.write("plan.md", "two\n")
        seeded.tmux("kill-session", "-t", "=shop/api/shell")
        seeded.try_run("up", "-f", "caves.yaml", "--timeout", "20s")
    assert snapshot(outside) == before


@pytest.mark.parametrize("kind", [*KINDS, "a folder", "a device", "a huge file"])
def test_no_event_is_read_from_what_is_no_small_file(cave: Cave, outside: Path, kind: str) -> None:
    (outside / "status.event").write_text('{"activity": "approval", "reason": "theirs"}')
    with controller(cave):
        runs(cave, "shop/api/shell")
        before = snapshot(outside)
        plant(session_folder(cave) / "status.event", kind, outside)
        assert cave.ps()["api/shell"]["activity"] == "unknown"
        assert "theirs" not in cave.run("status", "-f", "caves.yaml", "api", "--explain").out
        cave.run("restart", "-f", "caves.yaml")
        eventually(lambda: list(cave.agents()) == ["shop/api/shell"])
    assert snapshot(outside) == before


@pytest.mark.parametrize("verb", ["restart", "down"])
def test_a_swapped_session_folder_is_removed_and_what_it_points_at_is_not(
    cave: Cave, outside: Path, verb: str
) -> None:
    cave.up()
    before = snapshot(outside)
    plant(session_folder(cave), "a symlink to a folder", outside)
    cave.try_run(verb, "-f", "caves.yaml")
    assert snapshot(outside) == before


def session_folder(cave: Cave) -> Path:
    (pane,) = cave.agents().values()
    with open(f"/proc/{pane.pid}/environ", "rb") as file:
        words = file.read().split(b"\0")
    (found,) = (word for word in words if word.startswith(b"AGENTCAVE_SESSION_DIR="))
    return Path(os.fsdecode(found.partition(b"=")[2]))

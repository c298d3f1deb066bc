"""History in one file: what goes in comes out, and what cannot be read is said."""

import contextlib
import os
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from agentcave.errors import CaveError
from agentcave.model.observed import History, SeedRecord, WorkspaceRecord
from agentcave.state.store import EVENTS_KEPT, FORMAT, State, open_state, read_state

PAST = History(
    intent="stopped",
    session="s1",
    digest="k1:0",
    fields='["k1",{}]',
    size="200x50",
    conversation="c-1",
    prompted=True,
    restarts=3,
    started=1_700_000_000,
    ended="failed",
    exit_status=3,
    signal=None,
    resumed=True,
    streak=2,
    ended_at=1_700_000_900.5,
)
RECORD = WorkspaceRecord(
    "worktree",
    "/p/ü\udcff",
    "cave/api",
    ready=True,
    setup="abc",
    placed={".env": "sha", "data": "link:/x"},
    disposable=("node_modules", ".venv"),
    on_remove="remove-if-clean",
    base="3f2c1d",
)


@pytest.fixture
def folder(tmp_path: Path) -> str:
    """A folder whose name means something in a URI."""
    made = tmp_path / "shop-u1 %41?mode=x#y"
    made.mkdir()
    return str(made)


def fill(folder: str) -> State:
    state = open_state(folder)
    state.put_histories({("api", "claude"): PAST, ("api", "codex"): History()})
    state.put_workspaces({"api": RECORD})
    state.put_seeds({"api": {"plan.md": SeedRecord("sha", "1:2", "3:4")}})
    state.put_screens({("api", "claude"): "last words 🦊\n"})
    state.set_meta(uid="u1", file="/p/caves.yaml", raw=b"\x00\xff")
    return state


def check(state: State) -> None:
    assert state.histories() == {("api", "claude"): PAST, ("api", "codex"): History()}
    assert state.workspaces() == {"api": RECORD}
    assert state.seeds() == {"api": {"plan.md": SeedRecord("sha", "1:2", "3:4")}}
    assert state.screen(("api", "claude")) == "last words 🦊\n"
    assert state.screen(("api", "codex")) is None
    assert (state.text("uid"), state.meta("raw"), state.meta("nothing")) == (
        "u1",
        b"\x00\xff",
        None,
    )


def test_what_goes_in_comes_out_also_in_another_life(folder: str) -> None:
    state = fill(folder)
    check(state)
    state.close()
    for opened in (open_state(folder), read_state(folder)):
        check(opened)
        opened.close()


def test_writing_again_replaces(folder: str) -> None:
    state = fill(folder)
    state.put_histories({("api", "claude"): History(restarts=9)})
    state.put_screens({("api", "claude"): "newer"})
    assert state.histories()["api", "claude"].restarts == 9
    assert state.screen(("api", "claude")) == "newer"
    state.close()


def test_a_forgotten_workspace_takes_its_context_along(folder: str) -> None:
    state = fill(folder)
    state.forget_workspace("api")
    assert (state.workspaces(), state.seeds()) == ({}, {})
    assert state.histories() != {}
    state.close()


def test_the_key_is_made_once_and_is_random(folder: str, tmp_path: Path) -> None:
    state, other = open_state(folder), open_state(str(tmp_path))
    assert state.key() is None
    made = state.ensure_key()
    assert state.ensure_key() == state.key() == made
    assert len(made[1]) >= 32
    assert other.ensure_key() != made
    state.close()
    other.close()


def test_events_come_back_in_order_after_a_number(folder: str) -> None:
    state = open_state(folder)
    state.add_events([{"n": 1}, {"n": 2}])
    state.add_events([{"n": 3}])
    assert state.events() == [(1, {"n": 1}), (2, {"n": 2}), (3, {"n": 3})]
    assert state.events(after=2) == [(3, {"n": 3})]
    state.close()


def test_only_so_many_events_are_kept(folder: str) -> None:
    state = open_state(folder)
    state.add_events({"n": n} for n in range(EVENTS_KEPT + 5))
    kept = state.events()
    assert len(kept) == EVENTS_KEPT
    assert kept[0][1] == {"n": 5}
    state.close()


@pytest.mark.parametrize("where", [None, "/no/such/folder"])
def test_no_history_reads_as_an_empty_one_and_nothing_is_made(where: str | None) -> None:
    state = read_state(where)
    assert state.key() is None
    assert (state.histories(), state.workspaces(), state.seeds(), state.events()) == (
        {},
        {},
        {},
        [],
    )
    state.close()


def test_reading_makes_no_file(folder: str) -> None:
    read_state(folder).close()
    assert os.listdir(folder) == []


@pytest.mark.parametrize("opener", [open_state, read_state])
def test_a_newer_format_is_refused_and_left_alone(folder: str, opener: object) -> None:
    open_state(folder).close()
    path = Path(folder, "state.db")
    with sqlite3.connect(path) as connection:
        connection.execute(f"PRAGMA user_version = {FORMAT + 1}")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(CaveError, match="newer agentcave") as caught:
        opener(folder)  # type: ignore[operator]
    assert "upgrade" in (caught.value.hint or "")
    assert path.read_bytes() == before


@pytest.mark.parametrize("opener", [open_state, read_state])
def test_a_damaged_history_says_what_to_do(folder: str, opener: object) -> None:
    Path(folder, "state.db").write_bytes(b"this is no database, but it is long enough" * 200)
    with pytest.raises(CaveError, match="cannot read the project's history") as caught:
        opener(folder)  # type: ignore[operator]
    assert f"{folder}/state.db" in (caught.value.hint or "")


def test_a_history_damaged_inside_is_an_error_and_no_empty_history(folder: str) -> None:
    fill(folder).close()
    path = Path(folder, "state.db")
    data = bytearray(path.read_bytes())
    data[4096:] = b"\xa5" * (len(data) - 4096)
    path.write_bytes(data)
    state = read_state(folder)
    with pytest.raises(CaveError, match="cannot read the project's history"):
        state.histories()
    state.close()


def test_a_write_that_fails_is_an_error_and_changes_nothing(folder: str) -> None:
    state = fill(folder)
    with sqlite3.connect(Path(folder, "state.db"), isolation_level=None) as other:
        other.execute("PRAGMA max_page_count = 1")
    state._connection.execute("PRAGMA max_page_count = 1")  # type: ignore[union-attr]
    with pytest.raises(CaveError, match=r"cannot write .*full") as caught:
        state.put_screens({("api", "claude"): "x" * 1_000_000})
    assert "free some space" in (caught.value.hint or "")
    check(state)
    state.close()
    other.close()


LATER = {1: ("resumed", "streak", "ended_at"), 2: ("streak", "ended_at")}
"""What each earlier format did not have yet."""


def make_older(folder: str, number: int) -> None:
    """What an earlier version left behind."""
    fill(folder).close()
    with contextlib.closing(sqlite3.connect(Path(folder, "state.db"))) as db:
        for column in LATER[number]:
            db.execute(f"ALTER TABLE agents DROP COLUMN {column}")
        db.execute(f"PRAGMA user_version = {number}")


def format_of(folder: str) -> int:
    with contextlib.closing(sqlite3.connect(Path(folder, "state.db"))) as db:
        return int(db.execute("PRAGMA user_version").fetchone()[0])


def check_older(state: State, number: int) -> None:
    blank = {column: History._field_defaults[column] for column in LATER[number]}
    assert state.histories()[("api", "claude")] == PAST._replace(**blank)
    assert (state.workspaces(), state.text("uid")) == ({"api": RECORD}, "u1")


@pytest.mark.parametrize("number", LATER)
def test_an_older_history_is_upgraded_when_it_is_opened_for_writing(
    folder: str, number: int
) -> None:
    make_older(folder, number)
    state = open_state(folder)
    assert format_of(folder) == FORMAT
    check_older(state, number)
    state.put_histories({("api", "claude"): PAST})
    assert state.histories()["api", "claude"] == PAST
    state.close()
    again = open_state(folder)
    assert again.histories()["api", "claude"] == PAST
    again.close()


@pytest.mark.parametrize("number", LATER)
def test_an_older_history_is_read_as_it_is_and_left_alone(folder: str, number: int) -> None:
    make_older(folder, number)
    before = Path(folder, "state.db").read_bytes()
    state = read_state(folder)
    check_older(state, number)
    state.close()
    assert Path(folder, "state.db").read_bytes() == before


READ = """
import os, sys
from agentcave.state.store import read_state
if os.getuid() == 0:  # root may write everywhere
    os.setgroups([]); os.setgid(65534); os.setuid(65534)
assert not os.access(sys.argv[1], os.W_OK)
state = read_state(sys.argv[1])
print(len(state.histories()), state.text("uid"))
state.close()
"""


def test_a_history_can_be_read_where_nothing_may_be_written() -> None:
    with tempfile.TemporaryDirectory(prefix="acv-") as folder:
        fill(folder).close()
        Path(folder, "state.db").chmod(0o444)
        Path(folder).chmod(0o555)
        done = subprocess.run(
            [sys.executable, "-c", READ, folder], capture_output=True, text=True, check=False
        )
        assert (done.stdout, done.stderr) == ("2 u1\n", "")
        assert os.listdir(folder) == ["state.db"]
        Path(folder).chmod(0o700)

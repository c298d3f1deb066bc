"""The Working Context: what is seeded, what is kept, and what is never followed."""

import os
import stat
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentcave.context import STANDARD, files, observe, seed, write
from agentcave.context.fresh import FRESH
from agentcave.context.render import template
from agentcave.errors import CaveError
from agentcave.model.observed import ObservedContext, SeedChange, SeedRecord
from agentcave.model.spec import CaveSpec, Seed, WorkspaceSpec

CLEAN = ObservedContext()
Records = dict[str, SeedRecord]


def cave_with(*seeds: Seed, description: str = "") -> CaveSpec:
    workspace = WorkspaceSpec("directory", "/nowhere")
    return CaveSpec("api", "api", workspace, (), description=description, context=seeds)


def converge(workspace: Path, cave: CaveSpec, records: Records) -> ObservedContext:
    """One pass, as `up` does it."""
    observed, refreshed = observe(str(workspace), cave, records)
    assert observed.problem is None, observed.problem
    records.update(refreshed)
    records.update(write(str(workspace), cave, observed.changes, records))
    return observed


def look(workspace: Path, cave: CaveSpec, records: Records) -> ObservedContext:
    return observe(str(workspace), cave, records)[0]


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    folder = tmp_path / "workspace"
    folder.mkdir()
    return folder


@pytest.fixture
def source(tmp_path: Path) -> Path:
    file = tmp_path / "source.md"
    file.write_text("first")
    return file


def plan_from(source: Path) -> CaveSpec:
    return cave_with(Seed("plan.md", file=str(source)))


def test_a_cave_gets_all_standard_files_and_its_own(workspace: Path) -> None:
    cave = cave_with(Seed("plan.md", text="1. go\n"), Seed("review.md", text="look\n"))
    observed = converge(workspace, cave, {})
    context = workspace / ".cave"
    assert {change.name for change in observed.changes} == {*STANDARD, "review.md"}
    assert {file.name for file in context.iterdir()} == {*STANDARD, "review.md", ".gitignore"}
    assert (context / "plan.md").read_text() == "1. go\n"
    assert (context / ".gitignore").read_text() == "*\n"
    assert os.listdir(workspace) == [".cave"]


@given(st.text(st.characters(codec="utf-8")))
def test_a_template_holds_the_description_as_it_is(description: str) -> None:
    text = template("background.md", cave_with(description=description)).decode()
    assert description.strip() in text
    assert "# Background: api" in text


def test_a_second_pass_reads_and_writes_nothing(
    workspace: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cave, records = plan_from(source), Records()
    converge(workspace, cave, records)

    def never(*_: object, **__: object) -> int:
        raise AssertionError("a file was opened")

    monkeypatch.setattr(os, "open", never)
    monkeypatch.setattr("builtins.open", never)
    assert observe(str(workspace), cave, records) == (CLEAN, {})
    assert write(str(workspace), cave, (), records) == {}


def test_a_source_that_changed_updates_an_unedited_file(workspace: Path, source: Path) -> None:
    cave, records = plan_from(source), Records()
    converge(workspace, cave, records)
    source.write_text("second!")
    observed = converge(workspace, cave, records)
    assert observed.changes == (SeedChange("plan.md", "update", "source changed"),)
    assert (workspace / ".cave/plan.md").read_text() == "second!"
    assert look(workspace, cave, records) == CLEAN


def test_a_file_that_the_agent_edited_is_kept_and_reported(workspace: Path, source: Path) -> None:
    cave, records = plan_from(source), Records()
    converge(workspace, cave, records)
    (workspace / ".cave/plan.md").write_text("the agent's")
    assert look(workspace, cave, records) == CLEAN
    source.write_text("second!")
    for _ in range(2):
        (change,) = converge(workspace, cave, records).changes
        assert (change.name, change.action) == ("plan.md", "keep")
    assert (workspace / ".cave/plan.md").read_text() == "the agent's"


def test_an_edit_between_observing_and_writing_is_kept(workspace: Path, source: Path) -> None:
    cave, records = plan_from(source), Records()
    converge(workspace, cave, records)
    source.write_text("second!")
    changes = look(workspace, cave, records).changes
    (workspace / ".cave/plan.md").write_text("the agent's")
    assert write(str(workspace), cave, changes, records) == {}
    assert (workspace / ".cave/plan.md").read_text() == "the agent's"


def test_update_never_seeds_once_only(workspace: Path, source: Path) -> None:
    cave, records = cave_with(Seed("plan.md", file=str(source), update="never")), Records()
    converge(workspace, cave, records)
    source.write_text("second!")
    assert look(workspace, cave, records) == CLEAN
    (workspace / ".cave/plan.md").unlink()
    converge(workspace, cave, records)
    assert (workspace / ".cave/plan.md").read_text() == "second!"


@pytest.mark.parametrize("name", ["plan.md", "working-log.md"])
def test_a_file_that_was_removed_comes_back(workspace: Path, source: Path, name: str) -> None:
    cave, records = plan_from(source), Records()
    converge(workspace, cave, records)
    (workspace / ".cave" / name).unlink()
    assert converge(workspace, cave, records).changes == (SeedChange(name, "create", "missing"),)
    assert (workspace / ".cave" / name).exists()
    assert look(workspace, cave, records) == CLEAN


@pytest.mark.parametrize("damage", ["remove", "empty", "other"])
def test_the_gitignore_is_watched_and_written_again(workspace: Path, damage: str) -> None:
    cave, records = cave_with(), Records()
    converge(workspace, cave, records)
    ignore = workspace / ".cave/.gitignore"
    if damage == "remove":
        ignore.unlink()
    else:
        ignore.write_text("" if damage == "empty" else "!\n")
    assert [change.name for change in converge(workspace, cave, records).changes] == [".gitignore"]
    assert ignore.read_text() == "*\n"
    assert look(workspace, cave, records) == CLEAN


def test_a_touched_source_costs_a_refresh_but_no_change(workspace: Path, source: Path) -> None:
    cave, records = plan_from(source), Records()
    converge(workspace, cave, records)
    os.utime(source, ns=(1, 1))
    observed, refreshed = observe(str(workspace), cave, records)
    assert observed == CLEAN
    assert set(refreshed) == {"plan.md"}
    assert observe(str(workspace), cave, {**records, **refreshed}) == (CLEAN, {})


def test_with_the_records_lost_what_equals_its_seed_is_adopted(
    workspace: Path, source: Path
) -> None:
    cave = plan_from(source)
    converge(workspace, cave, {})
    records = Records()
    assert converge(workspace, cave, records) == CLEAN
    source.write_text("second!")
    (change,) = look(workspace, cave, records).changes
    assert change.action == "update"


def test_with_the_records_lost_what_differs_is_kept(workspace: Path, source: Path) -> None:
    cave, records = plan_from(source), Records()
    converge(workspace, cave, {})
    (workspace / ".cave/plan.md").write_text("the agent's")
    (workspace / ".cave/working-log.md").write_text("the agent's")
    (change,) = converge(workspace, cave, records).changes
    assert (change.name, change.action) == ("plan.md", "keep")
    with_seed = cave_with(Seed("working-log.md", text="mine"), *cave.context)
    actions = {change.action for change in converge(workspace, with_seed, records).changes}
    assert actions == {"keep"}
    assert (workspace / ".cave/working-log.md").read_text() == "the agent's"


def test_a_seed_takes_the_place_of_an_unedited_template(workspace: Path) -> None:
    records = Records()
    converge(workspace, cave_with(), records)
    converge(workspace, cave_with(Seed("plan.md", text="mine")), records)
    assert (workspace / ".cave/plan.md").read_text() == "mine"


def test_a_template_belongs_to_the_agent_once_it_is_there(workspace: Path) -> None:
    records = Records()
    converge(workspace, cave_with(), records)
    assert look(workspace, cave_with(description="now described"), records) == CLEAN


def test_a_settled_folder_is_recorded_and_then_not_looked_into(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cave, records = cave_with(), Records()
    converge(workspace, cave, records)
    (workspace / ".cave/notes.md").write_text("the agent's own")
    observed, refreshed = observe(str(workspace), cave, records)
    assert (observed, refreshed) == (CLEAN, {})
    monkeypatch.setattr(seed, "SETTLED", 0)
    records.update(observe(str(workspace), cave, records)[1])
    looked: list[str] = []
    lstat = os.lstat

    def noted(path: str, *, dir_fd: int | None = None) -> os.stat_result:
        looked.append(path)
        return lstat(path, dir_fd=dir_fd)

    monkeypatch.setattr(os, "lstat", noted)
    assert observe(str(workspace), cave, records) == (CLEAN, {})
    assert looked == [f"{workspace}/.cave", f"{workspace}/.cave/.gitignore"]


@pytest.mark.parametrize("place", [".cave", ".cave/plan.md", ".cave/.gitignore", ".cave.partial"])
def test_a_planted_symlink_is_refused_and_not_followed(
    workspace: Path, tmp_path: Path, place: str
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    if place.count("/"):
        (workspace / ".cave").mkdir()
        (workspace / place).symlink_to(outside / "target")
    else:
        (workspace / place).symlink_to(outside)
    changes = tuple(SeedChange(name, "create", "missing") for name in (*STANDARD, ".gitignore"))
    with pytest.raises(CaveError, match="is a symlink"):
        write(str(workspace), cave_with(), changes, {})
    if place != FRESH:
        assert "is a symlink" in str(look(workspace, cave_with(), {}).problem)
    assert list(outside.iterdir()) == []


def planted_fifo(place: Path) -> None:
    os.mkfifo(place)


@pytest.mark.parametrize("plant", [planted_fifo, Path.mkdir])
def test_what_is_no_regular_file_is_a_problem(
    workspace: Path, plant: Callable[[Path], None]
) -> None:
    records = Records()
    converge(workspace, cave_with(), records)
    (workspace / ".cave/plan.md").unlink()
    plant(workspace / ".cave/plan.md")
    problem = look(workspace, cave_with(), records).problem
    assert problem is not None
    assert "not a regular file" in problem


def test_a_planted_partial_file_is_replaced_not_followed(workspace: Path, tmp_path: Path) -> None:
    records = Records()
    converge(workspace, cave_with(), records)
    (workspace / ".cave/plan.md").unlink()
    (workspace / ".cave" / files.PARTIAL).symlink_to(tmp_path / "outside")
    converge(workspace, cave_with(), records)
    assert not (tmp_path / "outside").exists()
    assert files.PARTIAL not in os.listdir(workspace / ".cave")


@pytest.mark.parametrize("fault", ["missing", "symlink", "directory", "fifo", "large"])
def test_a_source_that_cannot_be_used_is_a_problem(
    workspace: Path, source: Path, fault: str
) -> None:
    if fault == "large":
        source.write_bytes(b"x" * (1 << 20) + b"x")
    else:
        source.unlink()
    if fault == "symlink":
        source.symlink_to("/etc/hostname")
    elif fault == "directory":
        source.mkdir()
    elif fault == "fifo":
        os.mkfifo(source)
    problem = look(workspace, plan_from(source), {}).problem
    assert problem is not None
    assert str(source) in problem
    with pytest.raises(CaveError, match=r"source\.md"):
        write(str(workspace), plan_from(source), [SeedChange("plan.md", "create", "missing")], {})
    assert os.listdir(workspace) == []


@pytest.mark.parametrize("name", ["../evil.md", "a/b.md", "..", ".gitignore", ".partial"])
def test_a_name_that_is_not_plain_is_refused(workspace: Path, name: str) -> None:
    problem = look(workspace, cave_with(Seed(name, text="x")), {}).problem
    assert problem is not None
    assert repr(name) in problem


def test_what_a_kill_left_of_a_fresh_folder_is_replaced(workspace: Path) -> None:
    (workspace / FRESH).mkdir()
    (workspace / FRESH / "plan.md").write_text("to")
    converge(workspace, cave_with(), {})
    assert os.listdir(workspace) == [".cave"]


def test_somebody_elses_files_are_not_cleaned_up(workspace: Path) -> None:
    (workspace / FRESH).mkdir()
    (workspace / FRESH / "thesis.md").write_text("work")
    changes = look(workspace, cave_with(), {}).changes
    with pytest.raises(CaveError, match=r"thesis\.md is in the way"):
        write(str(workspace), cave_with(), changes, {})
    assert (workspace / FRESH / "thesis.md").read_text() == "work"


def test_a_failed_write_leaves_nothing(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    changes = look(workspace, cave_with(), {}).changes
    monkeypatch.setattr(os, "write", full)
    with pytest.raises(CaveError, match=r"cannot write .*\.cave: No space left on device"):
        write(str(workspace), cave_with(), changes, {})
    assert os.listdir(workspace) == []


def test_a_folder_that_appears_meanwhile_is_filled_and_nothing_in_it_is_lost(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes = look(workspace, cave_with(), {}).changes
    rename = os.rename

    def late(old: str, new: str, *, src_dir_fd: int, dst_dir_fd: int) -> None:
        if old == FRESH:
            (workspace / ".cave").mkdir()
            (workspace / ".cave/plan.md").write_text("the agent's")
        rename(old, new, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd)

    monkeypatch.setattr(os, "rename", late)
    records = write(str(workspace), cave_with(), changes, {})
    assert (workspace / ".cave/plan.md").read_text() == "the agent's"
    assert "plan.md" not in records
    assert set(os.listdir(workspace / ".cave")) >= set(STANDARD)
    assert os.listdir(workspace) == [".cave"]


def test_modes_follow_the_umask(workspace: Path) -> None:
    before = os.umask(0o027)
    try:
        converge(workspace, cave_with(), {})
    finally:
        os.umask(before)
    context = workspace / ".cave"
    assert stat.S_IMODE(context.stat().st_mode) == 0o750
    assert stat.S_IMODE((context / "plan.md").stat().st_mode) == 0o640


def test_a_reader_never_sees_half_a_file(workspace: Path, source: Path) -> None:
    cave, records = plan_from(source), Records()
    texts = {letter * 300_000 for letter in "ab"}
    source.write_text("a" * 300_000)
    converge(workspace, cave, records)
    done, seen = threading.Event(), set[str]()

    def read() -> None:
        while not done.is_set():
            seen.add((workspace / ".cave/plan.md").read_text())

    reader = threading.Thread(target=read)
    reader.start()
    for turn in range(30):
        source.write_text("ba"[turn % 2] * 300_000)
        os.utime(source, ns=(turn, turn))
        converge(workspace, cave, records)
    done.set()
    reader.join()
    assert seen <= texts

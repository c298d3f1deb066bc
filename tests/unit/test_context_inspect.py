"""What the agent made of its Working Context, and what is saved before it goes."""

from pathlib import Path

import pytest

from agentcave.context import (
    STANDARD,
    archivable_paths,
    archive,
    diff,
    edited,
    observe,
    show,
    unedited_paths,
    write,
)
from agentcave.errors import CaveError, UsageError
from agentcave.model.observed import SeedRecord
from agentcave.model.spec import CaveSpec, Seed, WorkspaceSpec

CAVE = CaveSpec(
    "api",
    "api",
    WorkspaceSpec("directory", "/nowhere"),
    (),
    context=(Seed("plan.md", text="1. go\n"), Seed("review.md", text="look\n")),
)
Records = dict[str, SeedRecord]


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    folder = tmp_path / "workspace"
    folder.mkdir()
    return folder


@pytest.fixture
def records(workspace: Path) -> Records:
    return write(str(workspace), CAVE, observe(str(workspace), CAVE, {})[0].changes, {})


def test_every_file_is_listed_with_where_it_comes_from(workspace: Path, records: Records) -> None:
    (workspace / ".cave/plan.md").write_text("1. went\n")
    (workspace / ".cave/review.md").unlink()
    (workspace / ".cave/notes.md").write_text("own")
    listed = {file.name: file[1:] for file in edited(str(workspace), CAVE, records)}
    assert listed["plan.md"] == (True, 8, True, "text")
    assert listed["review.md"] == (False, 0, False, "text")
    assert listed["notes.md"] == (True, 3, True, "agent")
    assert listed["working-log.md"][2:] == (False, "template")
    assert ".gitignore" not in listed


def test_without_records_a_file_counts_as_edited_when_it_differs_from_its_source(
    workspace: Path, records: Records
) -> None:
    (workspace / ".cave/plan.md").write_text("1. went\n")
    listed = {file.name: file.edited for file in edited(str(workspace), CAVE, {})}
    assert listed["plan.md"]
    assert not listed["review.md"]
    assert not listed["background.md"]


def test_a_context_that_was_never_made_is_listed_as_missing(workspace: Path) -> None:
    assert not any(file.exists for file in edited(str(workspace), CAVE, {}))
    with pytest.raises(CaveError, match="agentcave up"):
        show(str(workspace), "plan.md", 10)


def test_the_diff_goes_from_the_seed_to_the_file(workspace: Path, records: Records) -> None:
    assert diff(str(workspace), CAVE) == ""
    (workspace / ".cave/plan.md").write_text("1. went\n")
    assert diff(str(workspace), CAVE, "plan.md").splitlines() == [
        "--- seed/plan.md",
        "+++ .cave/plan.md",
        "@@ -1 +1 @@",
        "-1. go",
        "+1. went",
    ]
    with pytest.raises(UsageError, match=r"plan\.md"):
        diff(str(workspace), CAVE, "nothing.md")


def test_a_file_is_shown_up_to_the_limit(workspace: Path, records: Records) -> None:
    assert show(str(workspace), "plan.md", 4) == "1. g"
    with pytest.raises(UsageError, match=r"review\.md"):
        show(str(workspace), "../../etc/passwd", 4)
    (workspace / ".cave/link.md").symlink_to("/etc/passwd")
    with pytest.raises(UsageError):
        show(str(workspace), "link.md", 4)


def test_only_what_equals_its_seed_is_nobodys_work(workspace: Path, records: Records) -> None:
    everything = {f".cave/{name}" for name in (*STANDARD, "review.md", ".gitignore")}
    assert unedited_paths(str(workspace), records) == everything
    (workspace / ".cave/plan.md").write_text("1. GO\n")
    (workspace / ".cave/.gitignore").write_text("!\n")
    (workspace / ".cave/notes.md").write_text("own")
    rest = unedited_paths(str(workspace), records)
    assert rest == everything - {".cave/plan.md", ".cave/.gitignore"}


def test_of_a_workspace_that_is_gone_nothing_remains(tmp_path: Path) -> None:
    assert unedited_paths(str(tmp_path / "gone"), {}) == frozenset()
    assert archivable_paths(str(tmp_path / "gone"), {}) == frozenset()
    assert archive(str(tmp_path / "gone"), str(tmp_path / "to"), {}) == frozenset()


def test_edited_files_are_archived_and_no_older_archive_is_lost(
    workspace: Path, records: Records, tmp_path: Path
) -> None:
    shelf = tmp_path / "state" / "archive"
    log = workspace / ".cave/working-log.md"
    for text in ("one", "one", "two"):
        log.write_text(text)
        assert archivable_paths(str(workspace), records) == {".cave/working-log.md"}
        assert archive(str(workspace), str(shelf), records) == {".cave/working-log.md"}
    kept = {file.name: file.read_text() for file in shelf.iterdir()}
    assert kept == {"working-log.md": "one", "working-log.md~2": "two"}
    assert shelf.stat().st_mode & 0o777 == 0o700


def test_what_is_too_large_or_no_file_is_not_archived(
    workspace: Path, records: Records, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agentcave.context.inspect.KEEP_LIMIT", 1000)
    (workspace / ".cave/large.md").write_text("x" * 1001)
    (workspace / ".cave/link.md").symlink_to("/etc/passwd")
    (workspace / ".cave/folder").mkdir()
    assert archive(str(workspace), str(tmp_path / "to"), records) == frozenset()

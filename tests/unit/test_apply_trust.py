"""A declared trust is put into the agent's own file, which others write at the same time."""

import json
import os
import stat
from pathlib import Path

import anyio
import pytest

from agentcave.agents import Start, adapter_of
from agentcave.apply import trust
from agentcave.apply.trust import covering, record_trust
from agentcave.errors import CaveError
from agentcave.model.spec import AgentSpec

CLAUDE = adapter_of("claude")


def start(home: Path, workdir: Path) -> Start:
    return Start(AgentSpec("claude", "claude"), str(workdir), {"HOME": str(home)})


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    made = tmp_path / "shop"
    (made / ".git").mkdir(parents=True)
    return made


def projects(home: Path) -> dict[str, object]:
    found: dict[str, object] = json.loads((home / ".claude.json").read_text())["projects"]
    return found


async def test_trust_is_recorded_and_nothing_else_changes(tmp_path: Path, shop: Path) -> None:
    own = tmp_path / ".claude.json"
    own.write_text('{\n  "numStartups": 1.0,\n  "projects": {}\n}\n')
    own.chmod(0o640)
    await record_trust(CLAUDE, start(tmp_path, shop), "api/claude")
    entry = json.dumps({str(shop): {"hasTrustDialogAccepted": True}})[1:-1]
    assert own.read_text() == '{\n  "numStartups": 1.0,\n  "projects": {' + entry + "}\n}\n"
    assert stat.S_IMODE(own.stat().st_mode) == 0o640
    assert sorted(os.listdir(tmp_path)) == [".claude.json", "shop"]


async def test_a_missing_file_is_made_for_its_owner_alone(tmp_path: Path, shop: Path) -> None:
    await record_trust(CLAUDE, start(tmp_path, shop), "api/claude")
    assert projects(tmp_path) == {str(shop): {"hasTrustDialogAccepted": True}}
    assert stat.S_IMODE((tmp_path / ".claude.json").stat().st_mode) == 0o600


async def test_nothing_is_written_where_trust_is_inherited(tmp_path: Path, shop: Path) -> None:
    (shop / "deep" / "er").mkdir(parents=True)
    own = tmp_path / ".claude.json"
    text = json.dumps({"projects": {str(shop): {"hasTrustDialogAccepted": True}}})
    own.write_text(text)
    inode = own.stat().st_ino
    await record_trust(CLAUDE, start(tmp_path, shop / "deep" / "er"), "api/claude")
    assert (own.read_text(), own.stat().st_ino) == (text, inode)


async def test_a_link_to_the_file_stays_a_link(tmp_path: Path, shop: Path) -> None:
    (tmp_path / "dotfiles").mkdir()
    (tmp_path / "dotfiles" / "claude.json").write_text("{}")
    (tmp_path / ".claude.json").symlink_to("dotfiles/claude.json")
    await record_trust(CLAUDE, start(tmp_path, shop), "api/claude")
    assert (tmp_path / ".claude.json").is_symlink()
    assert str(shop) in projects(tmp_path)


@pytest.mark.parametrize("text", ['{"projects": ', '{"projects": 3}', "\udcff"])
async def test_a_file_that_cannot_be_read_is_reported_and_left(
    tmp_path: Path, shop: Path, text: str
) -> None:
    own = tmp_path / ".claude.json"
    own.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(CaveError, match=r"api/claude: cannot record trust in .*left as it is"):
        await record_trust(CLAUDE, start(tmp_path, shop), "api/claude")
    assert own.read_bytes() == text.encode("utf-8", "surrogateescape")
    assert sorted(os.listdir(tmp_path)) == [".claude.json", "shop"]


async def test_a_file_that_keeps_changing_is_given_up(
    tmp_path: Path, shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trust, "PAUSE", 0.001)
    own = tmp_path / ".claude.json"
    own.write_text("{}")
    read, count = trust._read, iter(range(1000))

    def changed_meanwhile(path: str) -> bytes | None:
        own.write_text(json.dumps({"n": next(count)}))
        return read(path)

    monkeypatch.setattr(trust, "_read", changed_meanwhile)
    with pytest.raises(CaveError, match="others keep changing it"):
        await record_trust(CLAUDE, start(tmp_path, shop), "api/claude")
    assert set(json.loads(own.read_text())) == {"n"}


async def test_the_agent_itself_writes_first(
    tmp_path: Path, shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Claude Code holds a folder beside its file while it writes."""
    monkeypatch.setattr(trust, "PAUSE", 0.002)
    own, lock = tmp_path / ".claude.json", tmp_path / ".claude.json.lock"
    own.write_text("{}")
    lock.mkdir()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(record_trust, CLAUDE, start(tmp_path, shop), "api/claude")
        for _ in range(20):
            await anyio.sleep(0.001)
            assert own.read_text() == "{}"
        own.write_text('{"theirs": 1}')
        lock.rmdir()
    assert json.loads(own.read_text())["theirs"] == 1
    assert str(shop) in projects(tmp_path)
    assert not lock.exists()


async def test_a_lock_that_nobody_holds_any_more_is_taken_over(tmp_path: Path, shop: Path) -> None:
    lock = tmp_path / ".claude.json.lock"
    lock.mkdir()
    os.utime(lock, (1, 1))
    await record_trust(CLAUDE, start(tmp_path, shop), "api/claude")
    assert str(shop) in projects(tmp_path)
    assert not lock.exists()


async def test_a_lock_from_the_future_is_taken_over_when_nobody_touches_it(
    tmp_path: Path, shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trust, "STALE", 0.05)
    lock = tmp_path / ".claude.json.lock"
    lock.mkdir()
    os.utime(lock, (1 << 33, 1 << 33))
    with anyio.fail_after(20):
        await record_trust(CLAUDE, start(tmp_path, shop), "api/claude")
    assert str(shop) in projects(tmp_path)
    assert not lock.exists()


async def test_a_lock_that_stays_in_use_is_given_up(
    tmp_path: Path, shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trust, "PATIENCE", 0.2, raising=False)
    lock = tmp_path / ".claude.json.lock"
    lock.mkdir()
    os.utime(lock, (1 << 33, 1 << 33))
    with anyio.fail_after(20), pytest.raises(CaveError, match=r"\.lock is still in use"):
        await record_trust(CLAUDE, start(tmp_path, shop), "api/claude")
    assert lock.is_dir()
    assert not (tmp_path / ".claude.json").exists()


async def test_a_fifo_in_its_place_is_not_waited_for(tmp_path: Path, shop: Path) -> None:
    os.mkfifo(tmp_path / ".claude.json")
    with anyio.fail_after(20), pytest.raises(CaveError, match="is not a regular file"):
        await record_trust(CLAUDE, start(tmp_path, shop), "api/claude")


def test_the_main_checkout_covers_its_worktrees_and_nothing_above(tmp_path: Path) -> None:
    main, tree = tmp_path / "main", tmp_path / "trees" / "api"
    (main / ".git" / "worktrees" / "api").mkdir(parents=True)
    (tree / "src").mkdir(parents=True)
    (tree / ".git").write_text(f"gitdir: {main}/.git/worktrees/api\n")
    assert list(covering(str(tree / "src"))) == [str(tree / "src"), str(tree), str(main)]


def test_a_folder_in_no_checkout_is_covered_by_all_above(tmp_path: Path) -> None:
    found = list(covering(str(tmp_path / "a" / "b")))
    assert found[:2] == [str(tmp_path / "a" / "b"), str(tmp_path / "a")]
    assert found[-1] == "/"

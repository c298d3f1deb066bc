"""A user's folder as one agent sees it, in real folders."""

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from agentcave.agents.base import Overlay
from agentcave.errors import CaveError
from agentcave.hosts import LocalHost
from agentcave.reconcile.sweep import reap
from agentcave.sessions import TmuxSessionManager
from agentcave.sessions.overlays import lay, merged, without_comments

SESSION = "0123456789abcdef"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    home = tmp_path / "home"
    (home / "tmp").mkdir(parents=True)
    (home / "tmp" / "talk.jsonl").write_text("precious")
    (home / "memory.md").write_text("remember")
    (home / "projects.json.lock").mkdir()
    return home


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "state" / "agentcave" / "shop-1" / "sessions" / SESSION


def overlay(home: Path, **fields: Any) -> Overlay:
    return Overlay("own/.agent", str(home), **{"file": "settings.json", **fields})


def laid(made: Overlay, folder: Path) -> Path:
    lay(made, str(folder), LocalHost())
    return folder / made.place


def test_all_is_linked_but_the_settings_and_what_will_be_gone(home: Path, folder: Path) -> None:
    (home / "settings.json").write_text("{}")
    place = laid(overlay(home), folder)
    links = {entry.name: os.readlink(entry) for entry in place.iterdir() if entry.is_symlink()}
    assert links == {"tmp": str(home / "tmp"), "memory.md": str(home / "memory.md")}
    assert (place / "settings.json").read_text() == "{}"


def test_what_the_agent_keeps_survives_even_if_it_is_the_first_time(
    home: Path, folder: Path
) -> None:
    place = laid(overlay(home, folders=("history",), names=("login.json",)), folder)
    (place / "history" / "one").write_text("1")
    (place / "login.json").write_text("2")
    assert (home / "history" / "one").read_text() == "1"
    assert (home / "login.json").read_text() == "2"


def test_a_home_that_is_not_there_yet_is_an_empty_one(tmp_path: Path, folder: Path) -> None:
    place = laid(overlay(tmp_path / "none", merge={"a": 1}), folder)
    assert [entry.name for entry in place.iterdir()] == ["settings.json"]
    assert not (tmp_path / "none").exists()


def test_of_a_large_folder_only_some_entries_are_linked(home: Path, folder: Path) -> None:
    place = laid(overlay(home, file="", only=("memory.md", "absent")), folder)
    assert [entry.name for entry in place.iterdir()] == ["memory.md"]


def test_links_lead_to_where_things_really_lie(home: Path, folder: Path) -> None:
    """A session that another session starts gets the overlay of that one for its home."""
    outer = laid(overlay(home), folder)
    inner = laid(overlay(outer), folder.parent / "other")
    assert os.readlink(inner / "tmp") == str(home / "tmp")


def test_the_settings_are_the_users_own_and_ours(home: Path, folder: Path) -> None:
    own = '{\n // mine\n "ui": {"theme": "x // y", "title": false}, /* "a": */ "names": "A.md"\n}\n'
    (home / "settings.json").write_text(own)
    merge = {"ui": {"title": True}, "names": ["ours.md"], "hooks": {"Stop": ["ours"]}}
    place = laid(overlay(home, merge=merge, defaults={"names": ["D.md"], "x": {"y": 1}}), folder)
    assert json.loads((place / "settings.json").read_text()) == {
        "ui": {"theme": "x // y", "title": True},
        "names": ["A.md", "ours.md"],
        "hooks": {"Stop": ["ours"]},
        "x": {"y": 1},
    }
    assert stat.S_IMODE((place / "settings.json").stat().st_mode) == 0o600
    assert (home / "settings.json").read_text() == own


def test_lists_are_appended_to_what_is_there_or_to_what_holds_by_default(
    home: Path, folder: Path
) -> None:
    place = laid(overlay(home, merge={"names": ["ours"]}, defaults={"names": ["D"]}), folder)
    assert json.loads((place / "settings.json").read_text()) == {"names": ["D", "ours"]}
    (home / "settings.json").write_text('{"names": ["A"]}')
    place = laid(
        overlay(home, merge={"names": ["ours"]}, defaults={"names": ["D"]}), folder / "more"
    )
    assert json.loads((place / "settings.json").read_text()) == {"names": ["A", "ours"]}
    assert merged({"a": [1]}, {"a": [2]}) == {"a": [1, 2]}
    assert merged({"a": [1]}, {"a": [2]}, append=False) == {"a": [2]}
    assert merged({"a": 5}, {"a": {"b": 1}}) == {"a": {"b": 1}}


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ('{\n  // c\n  "a": \n}\n', ":4:1: "),
        ('{"a": /* x\n */ b}', ":2:5: "),
        ("[1]", ":1: the settings are no JSON object"),
        ("[" * 100_000, ": it is nested too deeply"),
    ],
)
def test_a_mistake_in_the_settings_is_named_and_nothing_is_made(
    home: Path, folder: Path, text: str, where: str
) -> None:
    (home / "settings.json").write_text(text)
    with pytest.raises(CaveError) as raised:
        laid(overlay(home, folders=("history",)), folder)
    assert raised.value.message.startswith(f"{home / 'settings.json'}{where}")
    assert raised.value.hint is not None
    assert not folder.exists()
    assert not (home / "history").exists()
    assert (home / "settings.json").read_text() == text


@pytest.mark.parametrize(
    "make", [lambda path: path.mkdir(), os.mkfifo, lambda path: path.write_bytes(b"\xff")]
)
def test_settings_that_cannot_be_read_are_named(home: Path, folder: Path, make: Any) -> None:
    make(home / "settings.json")
    with pytest.raises(CaveError, match=r"cannot read .*settings\.json"):
        laid(overlay(home), folder)
    assert not folder.exists()


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ('{"a": "//", "b": "\\"/*"}', '{"a": "//", "b": "\\"/*"}'),
        ("{ // x\r\n}", "{     \r\n}"),
        ("{/* a\nb */}", "{    \n    }"),
        ("{/* never closed", "{/* never closed"),
    ],
)
def test_comments_become_blanks(text: str, plain: str) -> None:
    assert without_comments(text) == plain


def kept(home: Path) -> dict[str, str]:
    return {one.name: one.read_text() for one in home.rglob("*") if one.is_file()}


def test_forgetting_a_session_deletes_nothing_behind_its_links(home: Path, folder: Path) -> None:
    before = kept(home)
    laid(overlay(home), folder)
    state = folder.parents[3]
    TmuxSessionManager("unused", environ={"XDG_STATE_HOME": str(state)}).forget(SESSION)
    assert not folder.exists()
    assert kept(home) == before


async def test_reaping_a_session_deletes_nothing_behind_its_links(home: Path, folder: Path) -> None:
    before = kept(home)
    laid(overlay(home), folder)
    await reap(str(folder.parents[1]), [SESSION])
    assert not folder.exists()
    assert kept(home) == before

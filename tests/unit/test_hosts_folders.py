"""Folders of ours, which nobody else looks into."""

import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agentcave.config.cache import keep
from agentcave.errors import CaveError
from agentcave.hosts import project_folder


@pytest.fixture(params=[0, 0o022, 0o077, 0o277, 0o777], ids=oct)
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def made_for_state(root: Path) -> Path:
    return Path(project_folder(str(root), "shop", "u1"))


def made_for_cache(root: Path) -> Path:
    keep(str(root / "x.caves"), b"k" * 32, b"payload")
    return root


@pytest.mark.parametrize("make", [made_for_state, made_for_cache])
def test_they_are_private_under_any_umask(
    tmp_path: Path, umask: int, make: Callable[[Path], Path]
) -> None:
    folder = make(tmp_path / "new" / "agentcave")
    made = [folder, *(one for one in folder.parents if tmp_path in one.parents)]
    assert {str(one): mode(one) for one in made} == {str(one): 0o700 for one in made}


@pytest.mark.parametrize("make", [made_for_state, made_for_cache])
@pytest.mark.parametrize("open_to", [0o755, 0o777, 0o710])
def test_one_that_others_may_look_into_is_closed_and_those_above_it_are_left(
    tmp_path: Path, open_to: int, make: Callable[[Path], Path]
) -> None:
    root = tmp_path / "agentcave"
    folder = make(root)
    for one in (tmp_path, root, folder):
        one.chmod(open_to)
    assert make(root) == folder
    assert (mode(root), mode(folder)) == (0o700, 0o700)
    assert mode(tmp_path) == open_to


def test_what_is_closed_to_us_too_stays_so(tmp_path: Path) -> None:
    folder = made_for_state(tmp_path / "agentcave")
    folder.chmod(0o500)
    assert made_for_state(tmp_path / "agentcave") == folder
    assert mode(folder) == 0o500


def test_one_that_cannot_be_closed_is_refused_with_the_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = made_for_state(tmp_path / "agentcave")
    folder.chmod(0o755)

    def refused(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "chmod", refused)
    told = f"cannot keep the project's history in {folder}: Operation not permitted"
    with pytest.raises(CaveError, match=told) as caught:
        made_for_state(tmp_path / "agentcave")
    assert "XDG_STATE_HOME" in str(caught.value.hint)

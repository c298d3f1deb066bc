"""Whom a file can be trusted from: not one that others may write."""

import os

import pytest
from caving import ONE_CAVE, Cave

INPUTS = ["caves.yaml", ".env.caves", "prompt.md"]


@pytest.fixture
def trusted(cave: Cave) -> Cave:
    """A caves file with an env_file and a prompt file, which the user has agreed to."""
    cave.write(".env.caves", "A=b\n")
    cave.write("prompt.md", "do it\n")
    cave.declare(
        ONE_CAVE.replace("name: shop\n", "name: shop\nenv_file: [{path: .env.caves}]\n").replace(
            "shell: {type: command, command: [sleep, infinity]}",
            "demo: {prompt: {file: prompt.md}}",
        )
    )
    cave.run("trust")
    return cave


@pytest.mark.parametrize("mode", [0o664, 0o646, 0o666])
@pytest.mark.parametrize("name", INPUTS)
def test_what_others_may_write_is_not_trusted(trusted: Cave, name: str, mode: int) -> None:
    (trusted.root / name).chmod(mode)
    for words in (("up",), ("trust", "--yes")):
        done = trusted.run(*words, code=77)
        assert f"{trusted.root / name} can be written by others" in done.err
    assert trusted.panes() == []


@pytest.mark.parametrize("name", INPUTS)
def test_what_belongs_to_somebody_else_is_not_trusted(trusted: Cave, name: str) -> None:
    os.chown(trusted.root / name, 12345, -1)
    for words in (("up",), ("trust", "--yes")):
        assert "belongs to somebody else" in trusted.run(*words, code=77).err
    assert trusted.panes() == []


def test_naming_the_file_is_consent_all_the_same(trusted: Cave) -> None:
    (trusted.root / "caves.yaml").chmod(0o666)
    trusted.up()
    assert list(trusted.agents()) == ["shop/api/demo"]


SECRETS = """\
version: 1
name: shop
env_file: [{path: .env.caves}]
caves:
  api:
    secrets: {B: {file: b.txt}}
    agents: {shell: {type: command, command: [sleep, infinity]}}
  web:
    agents: {shell: {type: command, command: [sleep, infinity]}}
"""


@pytest.fixture(params=[False, True], ids=["file", "link"])
def keeping(request: pytest.FixtureRequest, cave: Cave) -> Cave:
    """An env_file and a secret that only their owner may read, as files or as links to such."""
    for name, text in ((".env.caves", "A=b\n"), ("b.txt", "hush\n")):
        place = cave.write(f"real-{name}" if request.param else name, text)
        place.chmod(0o600)
        if request.param:
            (cave.root / name).symlink_to(place)
    cave.declare(SECRETS)
    return cave


@pytest.mark.parametrize("mode", [0o620, 0o602])
def test_a_secret_that_others_may_write_fails_its_own_agent(keeping: Cave, mode: int) -> None:
    (keeping.root / "b.txt").chmod(mode)
    done = keeping.up(code=1)
    assert f"secret B: {keeping.root / 'b.txt'} can be written by others" in done.err
    assert list(keeping.agents()) == ["shop/web/shell"]


def test_a_secret_of_somebody_else_fails_its_own_agent(keeping: Cave) -> None:
    os.chown(keeping.root / "b.txt", 12345, -1)
    assert "belongs to somebody else (user 12345)" in keeping.up(code=1).err
    assert list(keeping.agents()) == ["shop/web/shell"]


@pytest.mark.parametrize("mode", [0o620, 0o602])
def test_an_env_file_that_others_may_write_is_refused_though_the_file_is_named(
    keeping: Cave, mode: int
) -> None:
    (keeping.root / ".env.caves").chmod(mode)
    done = keeping.up(code=78)
    assert ".env.caves:1:1: env_file: can be written by others" in done.err
    assert keeping.panes() == []


@pytest.mark.parametrize("name", [".env.caves", "b.txt"])
@pytest.mark.parametrize("mode", [0o640, 0o604])
def test_what_others_may_read_is_told_with_the_way_out(keeping: Cave, name: str, mode: int) -> None:
    place = keeping.root / name
    place.chmod(mode)
    assert keeping.up().err == f"warning: {place} can be read by others: chmod 600 {place}\n"
    place.chmod(0o600)
    assert keeping.up().err == ""

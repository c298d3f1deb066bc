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

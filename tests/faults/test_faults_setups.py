"""What a ``setup`` that lost its agentcave goes on with: ended before it begins again."""

import pytest
from caving import SLEEPER, Cave, alive, eventually, finish
from invariants import Promise, check, record

INSTALL = """\
if read installer child 2>/dev/null <"$HOME/begun"; then
    for pid in $installer $child; do
        [ -n "$(tr -d '\\0' 2>/dev/null <"/proc/$pid/cmdline")" ] && touch "$HOME/beside"
    done
    echo built >built.log
    exit 0
fi
setsid sleep 300 &
echo "$$ $!" >"$HOME/new" && mv "$HOME/new" "$HOME/begun"
exec sleep 300"""
"""The first one never ends, the second one notes whether it is alone."""


@pytest.fixture
def installing(cave: Cave) -> Promise:
    cave.program("install", INSTALL)
    cave.declare(
        "version: 1\nname: shop\ncaves:\n  api:\n"
        f"    setup: [[{cave.home}/bin/install]]\n    agents: {{shell: {SLEEPER}}}\n"
    )
    return Promise(["api/shell"], record(cave))


def left_by(cave: Cave, *words: str) -> list[int]:
    """The processes of the setup of a command that is killed meanwhile."""
    begun = cave.home / "begun"
    killed = cave.popen("up", "-f", "caves.yaml", *words)
    eventually(begun.exists)
    killed.kill()
    finish(killed)
    left = [int(pid) for pid in begun.read_text().split()]
    assert all(map(alive, left))
    return left


@pytest.mark.parametrize("words", [(), ("--watch",)], ids=["up", "watch"])
def test_a_setup_without_its_agentcave_is_ended_before_the_next_begins(
    cave: Cave, installing: Promise, words: tuple[str, ...]
) -> None:
    left = left_by(cave, *words)
    cave.up()
    assert not (cave.home / "beside").exists()
    assert [pid for pid in left if alive(pid)] == []
    check(cave, installing)


def test_a_setup_is_ended_too_when_no_agent_is_to_start(cave: Cave, installing: Promise) -> None:
    left = left_by(cave)
    cave.run("stop", "-f", "caves.yaml", "api")
    cave.up()
    assert [pid for pid in left if alive(pid)] == []
    cave.run("start", "-f", "caves.yaml", "api")
    assert not (cave.home / "beside").exists()
    check(cave, installing)


def test_a_setup_without_its_agentcave_is_ended_by_down(cave: Cave, installing: Promise) -> None:
    left = left_by(cave)
    cave.run("down", "-f", "caves.yaml")
    assert [pid for pid in left if alive(pid)] == []
    cave.up()
    check(cave, installing)

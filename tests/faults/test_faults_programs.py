"""tmux and git that fail, hang, die, say nothing or nonsense: a clear end, and nothing lost."""

import pytest
from calls import NO_TERMINAL, wrap
from caving import Cave
from invariants import heal
from matrix import some
from scenarios import SCENARIOS, edited, living

CLEAR = {0, 1, 69, 124}
HARMS = ("fails", "babbles", "silent", "dies")
MATRIX = [
    (name, harm, number)
    for name, scenario in SCENARIOS.items()
    for harm in HARMS
    for number in range(1, scenario.calls + 1)
]


@pytest.mark.parametrize(("name", "harm", "number"), some(MATRIX, 16, "programs"))
def test_a_call_that_goes_wrong_once_costs_nothing(
    cave: Cave, name: str, harm: str, number: int
) -> None:
    scenario = SCENARIOS[name]
    promise = scenario.prepare(cave)
    calls = wrap(cave, f"[ $n = {number} ]", harm)
    done = cave.try_run(*scenario.words, "-f", "caves.yaml", PATH=calls.path)
    assert done.code in CLEAR, done
    assert done.err.strip() or not done.code
    heal(cave, promise)


@pytest.mark.parametrize("harm", HARMS)
@pytest.mark.parametrize("program", ["tmux", "git"])
def test_a_program_that_never_works_stops_nothing_that_runs(
    cave: Cave, program: str, harm: str
) -> None:
    promise = living(cave)
    before = cave.agents()
    calls = wrap(cave, f'[ "${{0##*/}}" = {program} ]', harm)
    done = cave.try_run("up", "-f", "caves.yaml", PATH=calls.path)
    assert done.code in CLEAR, done
    assert cave.agents() == before
    heal(cave, promise)


@pytest.mark.parametrize("verb", ["up", "down", "restart"])
def test_a_world_that_cannot_be_read_is_not_taken_for_an_empty_one(cave: Cave, verb: str) -> None:
    promise = living(cave)
    before = cave.agents()
    calls = wrap(cave, "case $* in *list-panes*) true ;; *) false ;; esac", "fails")
    done = cave.try_run(verb, "-f", "caves.yaml", PATH=calls.path)
    assert done.code == 69, done
    assert "it does not feel like it" in done.err
    assert calls.mutating() == []
    assert cave.agents() == before
    heal(cave, promise)


def test_a_tmux_that_hangs_is_given_up(cave: Cave) -> None:
    promise = living(cave)
    calls = wrap(cave, '[ "${0##*/}" = tmux ]', "hangs")
    done = cave.try_run("up", "-f", "caves.yaml", PATH=calls.path)
    assert done.code in (69, 124), done
    assert "tmux" in done.err
    heal(cave, promise)


def test_no_more_terminals_is_said_and_the_rest_follows_when_there_are_some(cave: Cave) -> None:
    promise = edited(cave)
    calls = wrap(cave, "true", "exhausts")
    done = cave.try_run("up", "-f", "caves.yaml", PATH=calls.path)
    assert done.code == 1, done
    assert NO_TERMINAL in done.err
    heal(cave, promise)

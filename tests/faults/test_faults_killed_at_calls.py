"""kill -9 of agentcave around every call that it makes of tmux and git."""

import pytest
from calls import wrap
from caving import Cave, finish
from invariants import heal
from matrix import some
from scenarios import SCENARIOS

MATRIX = [
    (name, harm, number)
    for name, scenario in SCENARIOS.items()
    for harm in ("before", "meanwhile", "late", "after")
    for number in range(1, scenario.calls + 1)
]


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_matrix_reaches_every_call(cave: Cave, name: str) -> None:
    scenario = SCENARIOS[name]
    promise = scenario.prepare(cave)
    calls = wrap(cave)
    cave.run(*scenario.words, "-f", "caves.yaml", code=scenario.code, PATH=calls.path)
    assert len(calls.made()) <= scenario.calls, calls.made()
    heal(cave, promise)


@pytest.mark.parametrize(("name", "harm", "number"), some(MATRIX, 30, "calls"))
def test_killed_at_a_call_the_next_up_converges(
    cave: Cave, name: str, harm: str, number: int
) -> None:
    scenario = SCENARIOS[name]
    promise = scenario.prepare(cave)
    calls = wrap(cave, f"[ $n = {number} ]", harm)
    finish(cave.popen(*scenario.words, "-f", "caves.yaml", PATH=calls.path))
    heal(cave, promise)

"""kill -9 of agentcave at its system calls: on its history, and wherever it makes or removes."""

from collections import Counter

import pytest
from caving import Cave
from invariants import heal
from matrix import some
from scenarios import SCENARIOS
from syscalls import COUNTS, MOMENTS, ON_HISTORY, Moment
from traces import history, traced

REACHES = [(name, about_history) for name in SCENARIOS for about_history in (True, False)]


@pytest.mark.parametrize(("name", "about_history"), some(REACHES, 2, "reach"))
def test_the_matrix_reaches_every_system_call(cave: Cave, name: str, about_history: bool) -> None:
    """Nothing is injected: a call that is delayed by no time is only counted."""
    scenario = SCENARIOS[name]
    promise = scenario.prepare(cave)
    known = {kind: n for kind, n in COUNTS[name].items() if (kind in ON_HISTORY) == about_history}
    paths = history(cave) if about_history else []
    traced(cave, scenario.words, f"{','.join(known)}:delay_enter=0", paths)
    lines = (cave.home / "strace").read_text(errors="replace").splitlines()
    calls = Counter(line.split("(")[0] for line in lines)
    assert {kind: calls[kind] for kind, most in known.items() if calls[kind] > most} == {}
    heal(cave, promise)


@pytest.mark.parametrize("moment", some(MOMENTS, 24, "syscalls"), ids=str)
def test_killed_at_a_system_call_the_next_up_converges(cave: Cave, moment: Moment) -> None:
    scenario = SCENARIOS[moment.scenario]
    promise = scenario.prepare(cave)
    fault = f"{moment.call}:signal=KILL:when={moment.number}"
    done = traced(cave, scenario.words, fault, moment.paths(cave))
    assert done.code in (-9, 137, scenario.code)
    heal(cave, promise)

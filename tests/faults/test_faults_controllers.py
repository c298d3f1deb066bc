"""A controller that is killed or ended around any of its calls: a single ``up`` converges."""

import signal

import pytest
from caving import Cave
from invariants import heal
from matrix import some
from reigns import CODES, REIGNS, Fault, faults_of, met

REACHES = [Fault(name, "TERM", "before", 999) for name in REIGNS]
CHOSEN = [fault for name in REIGNS for fault in some(faults_of(name), 4, name)]


@pytest.mark.parametrize("fault", some(REACHES, 1, "reigns"), ids=str)
def test_the_matrix_reaches_every_call_of_a_controller(cave: Cave, fault: Fault) -> None:
    answer = met(cave, fault)
    assert answer.code == 128 + signal.SIGTERM
    # On a busy machine it looks more often, and makes the same calls once more.
    assert len(set(answer.calls)) <= REIGNS[fault.reign].calls, answer.calls
    heal(cave, answer.promise)


@pytest.mark.parametrize("fault", CHOSEN, ids=str)
def test_a_controller_that_ends_at_a_call_leaves_what_the_next_up_heals(
    cave: Cave, fault: Fault
) -> None:
    answer = met(cave, fault)
    assert answer.code in CODES[fault.signal]
    heal(cave, answer.promise)

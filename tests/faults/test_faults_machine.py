"""A random life of one project, by hypothesis; at its end it is mended, and all is as declared."""

import os

import pytest
from hypothesis import HealthCheck, seed, settings
from hypothesis.stateful import run_state_machine_as_test
from kept_life import KeptLife
from life import Life
from matrix import FULL, SEED

EXAMPLES = int(os.environ.get("AGENTCAVE_FAULTS_EXAMPLES", "20" if FULL else "4"))
STEPS = int(os.environ.get("AGENTCAVE_FAULTS_STEPS", "40" if FULL else "10"))


@pytest.mark.timeout(4 * EXAMPLES * STEPS + 60)
@pytest.mark.parametrize("life", [Life, KeptLife])
def test_whatever_happens_it_is_made_as_declared(life: type[Life]) -> None:
    run_state_machine_as_test(
        seed(SEED)(life),
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
            print_blob=True,
        ),
    )

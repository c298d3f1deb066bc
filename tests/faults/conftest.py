"""The fixtures of private worlds (tests/support/worlds.py), and the seed of what is chosen."""

from matrix import FULL, SEED
from worlds import cave, on_terminal, world

__all__ = ["cave", "on_terminal", "world"]


def pytest_report_header() -> str:
    chosen = "every fault" if FULL else f"a sample of faults, AGENTCAVE_FAULTS_SEED={SEED}"
    return f"faults: {chosen}"

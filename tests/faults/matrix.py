"""Which faults of a larger matrix are tried: a sample by a seed, or all with AGENTCAVE_FAULTS=full.

The name of a test says its fault, so with AGENTCAVE_FAULTS=full the name alone repeats it.
"""

import os
import random
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")

SEED = int(os.environ.get("AGENTCAVE_FAULTS_SEED", "1"))
FULL = os.environ.get("AGENTCAVE_FAULTS") == "full"


def some(matrix: Sequence[T], count: int, salt: str) -> list[T]:
    """That many of the matrix, in its order; the same ones for the same seed and salt."""
    if FULL or count >= len(matrix):
        return list(matrix)
    chosen = random.Random(f"{SEED} {salt}").sample(range(len(matrix)), count)
    return [matrix[index] for index in sorted(chosen)]

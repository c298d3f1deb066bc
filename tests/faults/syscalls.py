"""How many system calls of each kind the commands make, at most: the matrices of the faults."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from caving import Cave
from traces import history

ON_HISTORY = ("pwrite64", "fdatasync", "openat")
"""Traced only where they are about the history: everything else opens files too."""

COUNTS: Mapping[str, Mapping[str, int]] = {
    "creating": {"pwrite64": 175, "fdatasync": 60, "openat": 45}
    | {"write": 48, "mkdir": 56, "unlink": 32, "rename": 12, "renameat": 16},
    "changing": {"pwrite64": 100, "fdatasync": 30, "openat": 26}
    | {"write": 40, "mkdir": 54, "unlink": 20, "rename": 8, "renameat": 10, "rmdir": 4},
    "ending": {"pwrite64": 45, "fdatasync": 12, "openat": 15}
    | {"write": 24, "mkdir": 24, "unlink": 10, "rename": 2, "rmdir": 6},
    "removing": {"pwrite64": 60, "fdatasync": 16, "openat": 18}
    | {"write": 28, "mkdir": 28, "unlink": 16, "rename": 6, "rmdir": 10},
    "restarting": {"pwrite64": 40, "fdatasync": 12, "openat": 14}
    | {"write": 28, "mkdir": 50, "unlink": 16, "rename": 8, "rmdir": 6},
}


class Moment(NamedTuple):
    """One system call of a command: the one that is met by the fault."""

    scenario: str
    call: str
    number: int

    def __str__(self) -> str:
        return "-".join(map(str, self))

    def paths(self, cave: Cave) -> list[Path]:
        return history(cave) if self.call in ON_HISTORY else []


MOMENTS = [
    Moment(scenario, call, number)
    for scenario, calls in COUNTS.items()
    for call, count in calls.items()
    for number in range(1, count + 1)
]

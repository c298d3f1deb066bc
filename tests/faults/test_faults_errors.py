"""Full, broken and read-only disks: exit 1 and a reason, never a bug; healed, ``up`` converges."""

import pytest
from caving import Cave
from invariants import heal
from matrix import some
from scenarios import SCENARIOS
from syscalls import COUNTS, ON_HISTORY, Moment
from traces import injected, traced

ERRORS = {
    "pwrite64": ("ENOSPC", "EIO", "EDQUOT"),
    "fdatasync": ("EIO", "ENOSPC"),
    "openat": ("EROFS", "EACCES", "EMFILE", "EIO"),
    "write": ("ENOSPC", "EIO", "EROFS", "EACCES", "EMFILE"),
    "mkdir": ("EROFS", "ENOSPC", "EIO", "EACCES"),
    "rename": ("EROFS", "ENOSPC", "EIO", "EACCES"),
    "renameat": ("EROFS", "ENOSPC", "EIO", "EACCES"),
    "unlink": ("EROFS", "EIO", "EACCES"),
    "rmdir": ("EROFS", "EIO"),
}
CLEAR = (0, 1, 69)
"""A write that fails may be one to a program, which then cannot be used (69)."""
LASTING = [
    (Moment(scenario, call, number), error)
    for scenario, calls in COUNTS.items()
    for call, count in calls.items()
    for error in ERRORS[call]
    for number in sorted({1, 2, 3, 5, 8, 13, count // 4, count // 2} & set(range(1, count + 1)))
]


@pytest.mark.parametrize(
    ("moment", "error"), some(LASTING, 24, "errors"), ids=lambda value: str(value)
)
def test_an_error_that_lasts_is_said_and_what_was_there_stays(
    cave: Cave, moment: Moment, error: str
) -> None:
    """From the chosen call on, all of its kind fail; of writes, which also talk, just one."""
    scenario = SCENARIOS[moment.scenario]
    promise = scenario.prepare(cave)
    lasting = "" if moment.call == "write" else "+"
    fault = f"{moment.call}:error={error}:when={moment.number}{lasting}"
    done = traced(cave, scenario.words, fault, moment.paths(cave))
    assert done.code in CLEAR, done
    if moment.call in ON_HISTORY and injected(cave):
        assert done.code == 1
    if done.code:
        assert done.err.strip() or moment.call == "write"
    heal(cave, promise)

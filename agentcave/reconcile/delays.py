"""When to try again what could not be done."""

import time

FIRST, LONGEST = 1.0, 300.0
LOOKING = 10.0
"""The longest pause between two looks that fail: nothing else tells when the next would not."""


class Delays:
    """By cave; "" stands for looking itself."""

    def __init__(self) -> None:
        self._failures: dict[str, int] = {}
        self._due: dict[str, float] = {}

    def failed(self, cave: str) -> None:
        """It waits a second, and twice as long with every further failure in a row."""
        count = self._failures[cave] = self._failures.get(cave, 0) + 1
        longest = LONGEST if cave else LOOKING
        self._due[cave] = time.monotonic() + min(FIRST * 2.0 ** min(count - 1, 16), longest)

    def succeeded(self, cave: str) -> None:
        self._failures.pop(cave, None)
        self._due.pop(cave, None)

    def forget(self) -> None:
        """What is declared has changed: all that failed may succeed now."""
        self._failures.clear()
        self._due.clear()

    def is_waiting(self, cave: str) -> bool:
        return self._due.get(cave, 0.0) > time.monotonic()

    def next(self) -> float:
        """Seconds to the first that becomes due; infinite when none does."""
        now = time.monotonic()
        return min((due - now for due in self._due.values() if due > now), default=float("inf"))

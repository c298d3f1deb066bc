"""Ends of sessions that are asked for at one time, done together: they share looks at /proc."""

import contextlib
import os
import signal
from collections.abc import Callable

import anyio

from agentcave.errors import CaveError
from agentcave.hosts.ending import Ended, Family, end_families
from agentcave.hosts.processes import Claims, ProcessId, identify
from agentcave.model.spec import StopSpec

GATHER = 0.01


class Endings:
    """``spare`` tells the pids that are never ended: the tmux server's. ``claims``: see there."""

    def __init__(
        self, spare: Callable[[], tuple[int, ...]], claims: Callable[[], Claims[str]]
    ) -> None:
        self._spare = spare
        self._claims = claims
        self._batch: _Batch | None = None

    async def end(
        self, key: str, pid: int | None, marker: bytes, how: StopSpec, *, asked: bool = False
    ) -> None:
        """End the tree of ``pid``, if it lives, and every process that carries ``marker``.

        ``asked``: polite keys were typed, so half of the grace is theirs. Raises CaveError,
        naming them, for processes that could not be ended.
        """
        root = identify(pid) if pid is not None else None
        grace = how.grace
        if asked and root is not None:
            grace /= 2
            await _gone(root, grace)
        number = getattr(signal, f"SIG{how.signal or 'TERM'}")
        ended = await self._together(key, Family(root, (marker,), number, grace))
        if ended.left:
            left = ", ".join(f"{one.pid} ({why})" for one, why in ended.left.items())
            raise CaveError(f"processes that could not be ended: {left}", "end them by hand")

    async def _together(self, key: str, family: Family) -> Ended:
        if self._batch is not None:
            batch = self._batch
            batch.families[key] = family
            await batch.done.wait()
            return batch.results.get(key, Ended())
        batch = self._batch = _Batch(key, family)
        try:
            await anyio.sleep(GATHER)
            self._batch = None
            batch.results = await end_families(
                batch.families, spare=self._spare(), claims=self._claims()
            )
        finally:
            if self._batch is batch:
                self._batch = None
            batch.done.set()
        return batch.results[key]


class _Batch:
    def __init__(self, key: str, family: Family) -> None:
        self.families = {key: family}
        self.results: dict[str, Ended] = {}
        self.done = anyio.Event()


async def _gone(root: ProcessId, seconds: float) -> None:
    """Wait until a process has ended, at most so long."""
    with contextlib.suppress(ProcessLookupError), anyio.move_on_after(seconds):
        descriptor = os.pidfd_open(root.pid)
        try:
            await anyio.wait_readable(descriptor)
        finally:
            os.close(descriptor)

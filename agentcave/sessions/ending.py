"""Ends of sessions that are asked for at one time, done together: they share looks at /proc."""

import contextlib
import os
import signal
from collections.abc import Callable
from typing import Self

import anyio
from anyio.abc import TaskGroup

from agentcave.errors import CaveError
from agentcave.hosts.ending import Ended, Family, end_families
from agentcave.hosts.processes import Claims, ProcessId, identify
from agentcave.model.spec import StopSpec

GATHER = 0.01


class Endings:
    """``spare`` tells the pids that are never ended: the tmux server's. ``claims``: see there.

    Use it as an async context manager: what is being ended belongs to nobody who waits for it.
    """

    def __init__(
        self, spare: Callable[[], tuple[int, ...]], claims: Callable[[], Claims[str]]
    ) -> None:
        self._spare = spare
        self._claims = claims
        self._batch: _Batch | None = None
        self._tasks: TaskGroup | None = None

    async def __aenter__(self) -> Self:
        self._tasks = await anyio.create_task_group().__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._tasks is not None, "it was entered"
        self._tasks.cancel_scope.cancel()
        await self._tasks.__aexit__(None, None, None)

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
        assert self._tasks is not None, "use it inside `async with`"
        if self._batch is None:
            self._batch = _Batch()
            self._tasks.start_soon(self._run, self._batch)
        return await self._batch.ended(key, family)

    async def _run(self, batch: "_Batch") -> None:
        try:
            await anyio.sleep(GATHER)
            self._batch = None
            for result in (await self._end(batch)).items():
                batch.tell(*result)
        except Exception as exc:  # whoever waits gets it
            batch.fail(exc)

    async def _end(self, batch: "_Batch") -> dict[str, Ended]:
        spare, claims = self._spare(), self._claims()
        return await end_families(batch.families, spare=spare, claims=claims, over=batch.tell)


class _Batch:
    def __init__(self) -> None:
        self.families: dict[str, Family] = {}
        self._over: dict[str, anyio.Event] = {}
        self._results: dict[str, Ended] = {}
        self._error: Exception | None = None

    async def ended(self, key: str, family: Family) -> Ended:
        """What became of it, as soon as it is over, whatever others take."""
        self.families[key] = family
        await self._over.setdefault(key, anyio.Event()).wait()
        if key not in self._results and self._error is not None:
            raise self._error
        return self._results[key]

    def tell(self, key: str, ended: Ended) -> None:
        self._results.setdefault(key, ended)
        self._over[key].set()

    def fail(self, error: Exception) -> None:
        self._error = error
        for event in self._over.values():
            event.set()


async def _gone(root: ProcessId, seconds: float) -> None:
    """Wait until a process has ended, at most so long."""
    with contextlib.suppress(ProcessLookupError), anyio.move_on_after(seconds):
        descriptor = os.pidfd_open(root.pid)
        try:
            await anyio.wait_readable(descriptor)
        finally:
            os.close(descriptor)

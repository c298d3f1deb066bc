"""A declared trust, put into an agent's own configuration, which others write at the same time."""

import contextlib
import os
import stat
import tempfile
import time
from collections.abc import AsyncIterator, Iterator

import anyio

from agentcave.agents import Adapter, Start
from agentcave.errors import CaveError
from agentcave.hosts.files import regular

ATTEMPTS = 8
PAUSE = 0.1
LIMIT = 64 << 20
STALE = 10.0
"""Seconds after which such a lock belongs to nobody (proper-lockfile's own default)."""
PATIENCE = 3 * STALE


async def record_trust(adapter: Adapter, start: Start, name: str) -> None:
    """Let the agent know that this workspace is trusted, unless it does.

    Raises CaveError when its file cannot be read, understood or written, or keeps changing; then
    nothing was written.
    """
    kept = adapter.trust_file(start.environment)
    if kept is None:
        return
    path, places = os.path.realpath(kept.path), tuple(covering(start.workdir))
    try:
        for _ in range(ATTEMPTS):
            async with _claimed(kept.lock):
                replaced = _replaced(adapter, path, places)
            if not replaced:
                return  # it is there: read again after each change of ours
            await anyio.sleep(PAUSE)
    except OSError as exc:
        raise CaveError(f"{name}: cannot record trust in {path}: {exc.strerror}", _HINT) from exc
    except ValueError as exc:
        raise CaveError(
            f"{name}: cannot record trust in {path}, which is left as it is: {exc}", _HINT
        ) from exc
    raise CaveError(f"{name}: cannot record trust in {path}: others keep changing it", _HINT)


_HINT = "leave trust_workspace out, and answer the agent's own question with `agentcave attach`"


@contextlib.asynccontextmanager
async def _claimed(lock: str) -> AsyncIterator[None]:
    """Hold the folder that the agent itself makes while it writes; a stale one is taken over.

    Whoever holds it touches it again and again. Raises CaveError when it stays in use.
    """
    with anyio.move_on_after(PATIENCE) as scope:
        await _taken(lock)
    if scope.cancelled_caught:
        raise CaveError(f"{lock} is still in use after {PATIENCE:g} s", _HINT)
    try:
        yield
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.rmdir(lock)


async def _taken(lock: str) -> None:
    watched: tuple[int, int] | None = None
    since = 0.0
    while not _made(lock):
        with contextlib.suppress(FileNotFoundError):
            status = os.lstat(lock)
            if (seen := (status.st_ino, status.st_mtime_ns)) != watched:
                watched, since = seen, time.monotonic()
            # Its time alone may lie in the future: somebody has set the clock back.
            if max(time.time() - status.st_mtime, time.monotonic() - since) > STALE:
                os.rmdir(lock)
        await anyio.sleep(PAUSE / 2)


def _made(lock: str) -> bool:
    try:
        os.mkdir(lock)
    except FileExistsError:
        return False
    return True


def _replaced(adapter: Adapter, path: str, places: tuple[str, ...]) -> bool:
    """Whether the trust was not there; it is written unless the file changed meanwhile."""
    before = _read(path)
    text = adapter.with_trust((before or b"").decode("utf-8"), places)
    if text is None:
        return False
    descriptor, temporary = tempfile.mkstemp(prefix=".agentcave-", dir=os.path.dirname(path))
    try:
        with open(descriptor, "wb") as file:
            file.write(text.encode("utf-8"))
        if before is not None:
            os.chmod(temporary, stat.S_IMODE(os.stat(path).st_mode))
        if _read(path) == before:
            os.replace(temporary, path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
    return True


def _read(path: str) -> bytes | None:
    try:
        with open(path, "rb", opener=regular) as file:
            return file.read(LIMIT)
    except FileNotFoundError:
        return None


def covering(workdir: str) -> Iterator[str]:
    """Folders whose trust covers ``workdir``, itself first.

    The folders above it as far as its checkout goes, and the main checkout of a worktree; all of
    those above a folder that is in no checkout (Claude Code 2.1.330, seen).
    """
    place = workdir
    while True:
        yield place
        marker = os.path.join(place, ".git")
        if os.path.lexists(marker):
            yield from _main_checkout(marker)
            return
        if place == os.path.dirname(place):
            return
        place = os.path.dirname(place)


def _main_checkout(marker: str) -> Iterator[str]:
    """Where a worktree's ``.git`` file leads: ``gitdir: <main checkout>/.git/worktrees/<name>``."""
    if os.path.isfile(marker):
        real = os.path.realpath(marker)
        with open(real, encoding="utf-8", errors="surrogateescape", opener=regular) as file:
            target = file.read(4096).removeprefix("gitdir:").strip()
        main, found, _ = target.partition("/.git/worktrees/")
        if found:
            yield main

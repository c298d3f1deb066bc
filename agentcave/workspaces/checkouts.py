"""The checkouts of a repository, as ``git worktree list --porcelain -z`` tells them."""

import os
import stat
from typing import NamedTuple


class Checkout(NamedTuple):
    """``lock`` is the reason of its lock ("" for none given), None when it is not locked."""

    path: str
    branch: str | None = None
    bare: bool = False
    lock: str | None = None


def parse_checkouts(output: bytes) -> tuple[Checkout, ...]:
    records = os.fsdecode(output).split("\0\0")
    return tuple(_checkout(record.split("\0")) for record in records if record)


def _checkout(lines: list[str]) -> Checkout:
    fields = dict(line.partition(" ")[::2] for line in lines)
    branch = fields.get("branch")
    return Checkout(
        path=fields["worktree"],
        branch=branch.removeprefix("refs/heads/") if branch else None,
        bare="bare" in fields,
        lock=fields.get("locked"),
    )


def lock_reason(uid: str, cave: str) -> str:
    """The stamp of a worktree: git keeps it from the moment the worktree is registered."""
    return f"agentcave {uid} {cave}"


class Admin(NamedTuple):
    """What a worktree's own ``.git`` file leads to. ``lock`` as in Checkout."""

    directory: str
    lock: str | None

    @property
    def has_index(self) -> bool:
        return os.path.lexists(os.path.join(self.directory, "index"))


def read_admin(path: str) -> Admin | None:
    """The administrative directory of the worktree at ``path``; None when it is not one.

    Both sides must name each other, so that a planted ``.git`` file cannot borrow a lock.
    """
    text = _read(os.path.join(path, ".git"))
    if text is None or not text.startswith("gitdir: "):
        return None
    directory = os.path.join(path, text.removeprefix("gitdir: ").removesuffix("\n"))
    back = _read(os.path.join(directory, "gitdir"))
    if back is None:
        return None
    named = os.path.join(directory, back.removesuffix("\n"))
    if os.path.realpath(named) != os.path.realpath(os.path.join(path, ".git")):
        return None
    lock = _read(os.path.join(directory, "locked"))
    return Admin(directory, None if lock is None else lock.removesuffix("\n"))


def _read(path: str) -> str | None:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    try:
        is_file = stat.S_ISREG(os.fstat(descriptor).st_mode)
        return os.fsdecode(os.read(descriptor, 1 << 16)) if is_file else None
    finally:
        os.close(descriptor)

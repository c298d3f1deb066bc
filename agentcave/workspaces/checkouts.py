"""The checkouts of a repository, as ``git worktree list --porcelain -z`` tells them."""

import os
from collections.abc import Iterator
from typing import NamedTuple

from agentcave.hosts.files import regular


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


def read_checkouts(common: str, toplevel: str) -> tuple[Checkout, ...]:
    """The same from git's own files, for when one that is half-written makes git give up."""
    found = [Checkout(toplevel, _branch(common))]
    folder = os.path.join(common, "worktrees")
    for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else ():
        admin = os.path.join(folder, name)
        if path := _read(os.path.join(admin, "gitdir")):
            lock = _read(os.path.join(admin, "locked"))
            found.append(
                Checkout(
                    path.removesuffix("\n").removesuffix("/.git"),
                    _branch(admin),
                    lock=None if lock is None else lock.removesuffix("\n"),
                )
            )
    return tuple(found)


def _branch(admin: str) -> str | None:
    head = _read(os.path.join(admin, "HEAD")) or ""
    reference = head.removeprefix("ref: refs/heads/")
    return reference.strip() if reference != head else None


def unborn(common: str, reason: str) -> Iterator[str]:
    """Registrations with this lock that a kill cut short: git cannot use them, or any other."""
    folder = os.path.join(common, "worktrees")
    for name in os.listdir(folder) if os.path.isdir(folder) else ():
        admin = os.path.join(folder, name)
        lock = _read(os.path.join(admin, "locked"))
        whole = all(_read(os.path.join(admin, file)) for file in ("gitdir", "HEAD", "commondir"))
        if lock is not None and lock.removesuffix("\n") == reason and not whole:
            yield admin


def registrations(common: str, path: str) -> Iterator[str]:
    """The administrative directories that say that their worktree is at a real ``path``."""
    folder = os.path.join(common, "worktrees")
    for name in os.listdir(folder) if os.path.isdir(folder) else ():
        admin = os.path.join(folder, name)
        if place_of(admin) == path:
            yield admin


def place_of(admin: str) -> str | None:
    """Where an administrative directory says that its worktree is."""
    named = _read(os.path.join(admin, "gitdir"))
    if not named:
        return None
    return os.path.dirname(os.path.normpath(os.path.join(admin, named.removesuffix("\n"))))


def leads_to(path: str, admin: str) -> bool:
    """Whether the ``.git`` file of the directory at ``path`` names this administrative one."""
    directory = _named_by(path)
    return directory is not None and os.path.realpath(directory) == os.path.realpath(admin)


def lock_reason(uid: str, cave: str) -> str:
    """The stamp of a worktree: git keeps it from the moment the worktree is registered."""
    return f"agentcave {uid} {cave}"


def real_path(path: str) -> str:
    """A worktree's path as git registers it; the last part is never followed."""
    return os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path))


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
    directory = _named_by(path)
    if directory is None:
        return None
    back = _read(os.path.join(directory, "gitdir"))
    if back is None:
        return None
    named = os.path.join(directory, back.removesuffix("\n"))
    if os.path.realpath(named) != os.path.realpath(os.path.join(path, ".git")):
        return None
    lock = _read(os.path.join(directory, "locked"))
    return Admin(directory, None if lock is None else lock.removesuffix("\n"))


def _named_by(path: str) -> str | None:
    text = _read(os.path.join(path, ".git"))
    if text is None or not text.startswith("gitdir: "):
        return None
    return os.path.join(path, text.removeprefix("gitdir: ").removesuffix("\n"))


def _read(path: str) -> str | None:
    try:
        with open(path, "rb", opener=regular) as file:
            return os.fsdecode(file.read(1 << 16))
    except OSError:
        return None

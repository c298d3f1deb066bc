"""The ``copy`` and ``link`` entries of a workspace: from the main checkout, never over anything."""

import os
import stat
from collections.abc import Iterable

from agentcave.errors import CaveError
from agentcave.hosts.files import regular
from agentcave.workspaces.trees import (
    PARTIAL,
    fingerprint,
    lexists_at,
    parent_of,
    remove_tree,
)


def place(main: str, workspace: str, copy: Iterable[str], link: Iterable[str]) -> dict[str, str]:
    """Put every entry there and answer its fingerprint; one that is already there stays.

    Raises CaveError for a source that is missing or leads out of the main checkout, and for a
    different entry in its place.
    """
    placed = {}
    for relative in copy:
        source = source_of(main, workspace, relative)
        placed[os.path.normpath(relative)] = _put(workspace, relative, source, fingerprint(source))
    for relative in link:
        source = source_of(main, workspace, relative)
        placed[os.path.normpath(relative)] = _put(workspace, relative, source, f"link:{source}")
    return placed


def source_of(main: str, workspace: str, relative: str) -> str:
    """What an entry is copied from or leads to. Raises CaveError when it may be neither."""
    if not relative or os.path.isabs(relative) or ".." in relative.split("/"):
        raise CaveError(f"cannot place {relative!r}: it is not a plain relative path")
    root = os.path.realpath(main)
    source = os.path.realpath(os.path.join(root, relative))
    if not source.startswith(f"{root.rstrip('/')}/"):
        raise CaveError(
            f"cannot place {relative}: it leads out of {root}, to {source}",
            "name the file itself, inside the main checkout",
        )
    if f"{os.path.realpath(workspace)}/".startswith(f"{source}/"):
        raise CaveError(f"cannot place {relative}: the workspace {workspace} lies in it")
    if not os.path.exists(source):
        raise CaveError(
            f"cannot place {relative}: {os.path.join(root, relative)} does not exist",
            "create it, or take it out of `copy` and `link`",
        )
    return source


def _put(workspace: str, relative: str, source: str, wanted: str) -> str:
    relative = os.path.normpath(relative)
    target = os.path.join(workspace, relative)
    try:
        with parent_of(workspace, relative, make=True) as (folder, name):
            if not lexists_at(folder, name):
                _make(folder, name, source, wanted)
            elif not os.path.samefile(os.path.dirname(target), os.path.dirname(source)):
                _require_same(target, relative, wanted)
    except OSError as exc:
        raise CaveError(f"cannot place {relative} in {workspace}: {exc.strerror}") from exc
    return wanted


def _require_same(target: str, relative: str, wanted: str) -> None:
    if fingerprint(target) != wanted:
        raise CaveError(
            f"cannot place {relative}: {target} exists already and is something else",
            "move it away, or take it out of `copy` and `link`",
        )


def _make(folder: int, name: str, source: str, wanted: str) -> None:
    """Under a name of ours first, so that an interrupted copy is never taken for a whole one."""
    if wanted.startswith("link:"):
        os.symlink(source, name, dir_fd=folder)
        return
    partial = f".{name}{PARTIAL}"
    remove_tree(folder, partial)
    _copy(source, partial, folder)
    os.rename(partial, name, src_dir_fd=folder, dst_dir_fd=folder)


def _copy(source: str, name: str, folder: int) -> None:
    status = os.lstat(source)
    mode = stat.S_IMODE(status.st_mode)
    if stat.S_ISLNK(status.st_mode):
        os.symlink(os.readlink(source), name, dir_fd=folder)
    elif stat.S_ISDIR(status.st_mode):
        _copy_directory(source, name, folder, mode)
    else:
        _copy_file(source, name, folder, mode)


def _copy_directory(source: str, name: str, folder: int, mode: int) -> None:
    os.mkdir(name, 0o700, dir_fd=folder)
    inner = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=folder)
    try:
        for entry in os.listdir(source):
            _copy(os.path.join(source, entry), entry, inner)
        os.fchmod(inner, mode)
    finally:
        os.close(inner)


def _copy_file(source: str, name: str, folder: int, mode: int) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    with (
        open(source, "rb", opener=regular) as old,
        open(os.open(name, flags, 0o600, dir_fd=folder), "wb") as new,
    ):
        while chunk := old.read(1 << 18):
            new.write(chunk)
        os.fchmod(new.fileno(), mode)

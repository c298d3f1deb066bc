"""Build a whole ``.cave`` beside its place and move it there, so that it is complete or absent."""

import os
import stat
from collections.abc import Collection, Mapping

from agentcave.context import files
from agentcave.context.files import Folder, digest_of
from agentcave.context.sources import (
    FOLDER,
    GITIGNORE,
    IGNORE_ALL,
    LISTING,
    TEMPLATE,
    Source,
    listing,
)
from agentcave.errors import CaveError
from agentcave.model.observed import SeedRecord

FRESH = ".cave.partial"
"""Reserved for the folder being built; what a kill -9 leaves of it goes at the next write."""


def write_fresh(
    root: Folder, sources: Mapping[str, Source], ours: Collection[str]
) -> dict[str, SeedRecord] | None:
    """Build the folder beside its place and move it there; None when one has appeared meanwhile."""
    everything = {GITIGNORE: Source(IGNORE_ALL, TEMPLATE), **sources}
    written: dict[str, SeedRecord] = {}
    with files.explained(root.where(FOLDER)):
        _make_fresh(root, ours)
        try:
            with files.opened(FRESH, root) as fresh:
                for name, source in everything.items():
                    target = files.create(fresh, name, source.data)
                    record = SeedRecord(digest_of(source.data), source.fingerprint, target)
                    written[name] = record
                written[LISTING] = listing(os.fstat(fresh.descriptor), sources)
            here = root.descriptor
            os.rename(FRESH, FOLDER, src_dir_fd=here, dst_dir_fd=here)
        except BaseException as exc:
            _clear_fresh(root, ours)
            if isinstance(exc, OSError) and files.directory(root.where(FOLDER)):
                return None
            raise
    return written


def _make_fresh(root: Folder, ours: Collection[str]) -> None:
    try:
        os.mkdir(FRESH, 0o755, dir_fd=root.descriptor)
    except FileExistsError:
        _clear_fresh(root, ours)
        os.mkdir(FRESH, 0o755, dir_fd=root.descriptor)


def _clear_fresh(root: Folder, ours: Collection[str]) -> None:
    """Remove what an interrupted write left. Raises CaveError when anything else is in it."""
    with files.opened(FRESH, root) as fresh:
        for name in os.listdir(fresh.descriptor):
            status = os.lstat(name, dir_fd=fresh.descriptor)
            if name not in ours or not stat.S_ISREG(status.st_mode):
                raise CaveError(
                    f"{fresh.where(name)} is in the way and was not made by agentcave",
                    f"move it away, then remove {fresh.path}",
                )
            files.remove(fresh, name)
    os.rmdir(FRESH, dir_fd=root.descriptor)

"""Look into a Working Context: what the agent made of it, and what must be saved before it goes."""

import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple

from agentcave.config.private import make_private
from agentcave.context import files
from agentcave.context.files import Folder, digest_of
from agentcave.context.sources import FOLDER, GITIGNORE, IGNORE_ALL, SEED_LIMIT, read_source, wanted
from agentcave.errors import CaveError, UsageError
from agentcave.model.observed import SeedRecord
from agentcave.model.spec import CaveSpec, Seed

KEEP_LIMIT = 16 << 20
"""Bytes of a context file that can be compared and archived; a larger one is treated as work."""


class ContextFile(NamedTuple):
    """One file. ``source`` is the absolute path of its seed, or ``text``, ``template``, ``agent``.

    ``edited``: it differs from what was last seeded, or from its source when that is not known.
    """

    name: str
    exists: bool
    size: int
    edited: bool
    source: str


def edited(
    workspace: str, cave: CaveSpec, records: Mapping[str, SeedRecord]
) -> tuple[ContextFile, ...]:
    """Every file of the Working Context: the declared ones in order, then the agent's own."""
    seeds = wanted(cave)
    if not _is_seeded(workspace):
        return tuple(
            ContextFile(name, False, 0, False, _origin(seed)) for name, seed in seeds.items()
        )
    with _context(workspace) as folder:
        declared = [
            _declared(folder, name, seed, cave, records.get(name)) for name, seed in seeds.items()
        ]
        own = [
            ContextFile(name, True, status.st_size, True, "agent")
            for name, status in _regular_files(folder)
            if name not in seeds and name not in records and name != files.PARTIAL
        ]
    return (*declared, *own)


def diff(workspace: str, cave: CaveSpec, name: str | None = None) -> str:
    """Unified diffs from what would be seeded now to what is there; "" when nothing differs.

    Raises UsageError when ``name`` is not declared. Holds text of the agent: strip it of control
    characters before it is shown.
    """
    seeds = wanted(cave)
    if name is not None and name not in seeds:
        raise _unknown(name, cave.name, seeds)
    with _context(workspace) as folder:
        return "".join(
            _diff(folder, each, read_source(each, seeds[each], cave).data)
            for each in ([name] if name is not None else seeds)
        )


def show(workspace: str, name: str, limit: int) -> str:
    """The first ``limit`` bytes of a context file as text. Raises UsageError when it is missing.

    Holds text of the agent: strip it of control characters before it is shown.
    """
    with _context(workspace) as folder:
        names = [each for each, _ in _regular_files(folder)]
        if name not in names:
            raise _unknown(name, os.path.join(workspace, FOLDER), names)
        return files.read_start(name, limit, folder)[0].decode(errors="replace")


def unedited_paths(workspace: str, records: Mapping[str, SeedRecord]) -> frozenset[str]:
    """The files that equal what was last seeded, as ``.cave/plan.md``: nobody's work is in them.

    Compares contents, not fingerprints.
    """
    if not _is_seeded(workspace):
        return frozenset()
    with _context(workspace) as folder:
        return frozenset(
            f"{FOLDER}/{name}"
            for name, status in _regular_files(folder)
            if _is_unedited(folder, name, status, records.get(name))
        )


def archivable_paths(workspace: str, records: Mapping[str, SeedRecord]) -> frozenset[str]:
    """The files that ``archive`` would save: with ``unedited_paths`` all that need not stay."""
    if not _is_seeded(workspace):
        return frozenset()
    with _context(workspace) as folder:
        return frozenset(f"{FOLDER}/{name}" for name in _archivable(folder, records))


def archive(workspace: str, destination: str, records: Mapping[str, SeedRecord]) -> frozenset[str]:
    """Save the edited context files in ``destination`` (made, 0700); the paths that are safe there.

    An older archived file of another content is kept: the new one gets ``~2``, ``~3`` … behind
    its name. Raises CaveError.
    """
    if not _is_seeded(workspace):
        return frozenset()
    with _context(workspace) as folder:
        names = _archivable(folder, records)
        contents = {name: files.read(name, KEEP_LIMIT, folder)[0] for name in names}
    if contents:
        with files.explained(destination):
            make_private(destination)
        with files.opened(destination) as shelf:
            for name, data in contents.items():
                _shelve(shelf, name, data)
    return frozenset(f"{FOLDER}/{name}" for name in contents)


def _declared(
    folder: Folder, name: str, seed: Seed | None, cave: CaveSpec, record: SeedRecord | None
) -> ContextFile:
    source = _origin(seed)
    status = files.regular(name, folder)
    if status is None:
        return ContextFile(name, False, 0, False, source)
    if record is None:
        data = read_source(name, seed, cave).data
        record = SeedRecord(digest_of(data), "", "")
    unedited = _is_unedited(folder, name, status, record)
    return ContextFile(name, True, status.st_size, not unedited, source)


def _diff(folder: Folder, name: str, seeded: bytes) -> str:
    import difflib

    there = b""
    if (status := files.regular(name, folder)) is not None:
        if status.st_size > SEED_LIMIT:
            return f"{FOLDER}/{name} is larger than 1 MiB and was not compared\n"
        there = files.read(name, SEED_LIMIT, folder)[0]
    before, after = (data.decode(errors="replace").splitlines() for data in (seeded, there))
    lines = difflib.unified_diff(before, after, f"seed/{name}", f"{FOLDER}/{name}", lineterm="")
    return "".join(f"{line}\n" for line in lines)


def _archivable(folder: Folder, records: Mapping[str, SeedRecord]) -> list[str]:
    return [
        name
        for name, status in _regular_files(folder)
        if status.st_size <= KEEP_LIMIT
        and not _is_unedited(folder, name, status, records.get(name))
    ]


def _is_unedited(
    folder: Folder, name: str, status: os.stat_result, record: SeedRecord | None
) -> bool:
    if status.st_size > KEEP_LIMIT:
        return False
    if name == GITIGNORE:
        return files.read(name, KEEP_LIMIT, folder)[0] == IGNORE_ALL
    if record is None:
        return False
    return digest_of(files.read(name, KEEP_LIMIT, folder)[0]) == record.digest


def _shelve(shelf: Folder, name: str, data: bytes) -> None:
    place, number = name, 1
    while (status := files.regular(place, shelf)) is not None:
        if status.st_size == len(data) and files.read(place, KEEP_LIMIT, shelf)[0] == data:
            return
        number += 1
        place = f"{name}~{number}"
    with files.explained(shelf.where(place)):
        # The original is about to be removed, so this copy has to survive a power cut.
        files.replace(shelf, place, data, 0o600, sync=True)


def _origin(seed: Seed | None) -> str:
    return "template" if seed is None else seed.file or "text"


def _is_seeded(workspace: str) -> bool:
    return files.directory(os.path.join(workspace, FOLDER)) is not None


@contextmanager
def _context(workspace: str) -> Iterator[Folder]:
    if not _is_seeded(workspace):
        raise CaveError(f"there is no Working Context in {workspace}", "agentcave up makes it")
    with files.opened(workspace) as root, files.opened(FOLDER, root) as folder:
        yield folder


def _regular_files(folder: Folder) -> list[tuple[str, os.stat_result]]:
    with files.explained(folder.path, "read"):
        entries = (
            (name, os.lstat(name, dir_fd=folder.descriptor))
            for name in sorted(os.listdir(folder.descriptor))
        )
        return [(name, status) for name, status in entries if stat.S_ISREG(status.st_mode)]


def _unknown(name: str, where: str, names: Iterable[str]) -> UsageError:
    return UsageError(
        f"there is no context file {name!r} in {where}", f"there are: {', '.join(names)}"
    )

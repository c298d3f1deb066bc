"""Observe and write the Working Context, three-way: the seed, what was last seeded, what is there.

A file belongs to the agent as soon as it differs from what was last seeded.
"""

import os
import time
from collections.abc import Mapping, Sequence

from agentcave.context import files
from agentcave.context.files import Folder, digest_of, fingerprint
from agentcave.context.fresh import write_fresh
from agentcave.context.render import template
from agentcave.context.sources import (
    FOLDER,
    GITIGNORE,
    IGNORE_ALL,
    LISTING,
    SEED_LIMIT,
    TEMPLATE,
    Source,
    listing,
    read_source,
    source_fingerprint,
    wanted,
)
from agentcave.errors import CaveError
from agentcave.model.observed import ObservedContext, SeedChange, SeedRecord
from agentcave.model.spec import CaveSpec, Seed

SETTLED = 1_000_000_000
"""Nanoseconds without a change after which a folder's fingerprint can be relied on."""


def observe(
    workspace: str, cave: CaveSpec, records: Mapping[str, SeedRecord]
) -> tuple[ObservedContext, dict[str, SeedRecord]]:
    """What differs, and the records to refresh because only the stat of a file has changed.

    Reads no file while every fingerprint equals its record. Raises nothing: what stands in the
    way is the ``problem``.
    """
    try:
        return _observe(f"{workspace}/{FOLDER}", cave, records)
    except CaveError as exc:
        return ObservedContext(problem=str(exc)), {}


def write(
    workspace: str,
    cave: CaveSpec,
    changes: Sequence[SeedChange],
    records: Mapping[str, SeedRecord],
) -> dict[str, SeedRecord]:
    """Carry out the changes; the new records of exactly the files that are as seeded now.

    Looks again first: what the agent edited since it was observed is kept. Whole files appear by
    rename, a missing folder with all its files at once. Raises CaveError.
    """
    names = [change.name for change in changes if change.action != "keep"]
    if not names:
        return {}
    seeds: dict[str, Seed | None] = {**wanted(cave), GITIGNORE: None}
    sources = {name: read_source(name, seeds[name], cave) for name in names if name in seeds}
    with files.opened(workspace) as root:
        if files.directory(root.where(FOLDER)) is None:
            fresh = write_fresh(root, sources, {*seeds, *records})
            if fresh is not None:
                return fresh
        with files.opened(FOLDER, root) as folder:
            return _write_into(folder, sources, seeds, records)


def _observe(
    folder: str, cave: CaveSpec, records: Mapping[str, SeedRecord]
) -> tuple[ObservedContext, dict[str, SeedRecord]]:
    seeds = wanted(cave)
    status = files.directory(folder)
    changes: list[SeedChange] = []
    refreshed: dict[str, SeedRecord] = {}
    held = listing(status, seeds) if status else None
    complete = held is not None and held == records.get(LISTING)
    for name, seed in seeds.items():
        verdict: SeedChange | SeedRecord | None
        if complete and seed is None and name in records:
            continue
        if complete or (status and files.regular(f"{folder}/{name}")):
            verdict = _compare(folder, name, seed, cave, records.get(name))
        else:
            source_fingerprint(seed)
            verdict = SeedChange(name, "create", "missing")
        _sort_in(name, verdict, changes, refreshed)
    if status:
        verdict = _compare_gitignore(folder, records.get(GITIGNORE))
        _sort_in(GITIGNORE, verdict, changes, refreshed)
    if held and status and not complete and not changes and _is_settled(status):
        refreshed[LISTING] = held
    return ObservedContext(tuple(changes)), refreshed


def _is_settled(folder: os.stat_result) -> bool:
    # Clocks of file systems are coarse: a second change in the same tick would look like none.
    return time.time_ns() - folder.st_mtime_ns > SETTLED


def _compare(
    folder: str, name: str, seed: Seed | None, cave: CaveSpec, record: SeedRecord | None
) -> SeedChange | SeedRecord | None:
    """For a file that is there: a change, a record to refresh, or None for nothing to do."""
    now = source_fingerprint(seed)
    if record is not None and record.source == now:
        return None
    if seed is None:
        # Written before we can remember: perhaps edited, so the target stays unknown.
        return None if record else SeedRecord(digest_of(template(name, cave)), TEMPLATE, "")
    if seed.update == "never":
        return None
    return _compare_contents(folder, name, read_source(name, seed, cave), record)


def _compare_contents(
    folder: str, name: str, source: Source, record: SeedRecord | None
) -> SeedChange | SeedRecord | None:
    digest = digest_of(source.data)
    if record is not None and record.digest == digest:
        return record._replace(source=source.fingerprint)
    path = f"{folder}/{name}"
    target = files.regular(path)
    if target is None:
        return SeedChange(name, "create", "missing")
    current = _current_digest(path, record, target)
    if current == digest:
        return SeedRecord(digest, source.fingerprint, fingerprint(target))
    if record is None:
        return SeedChange(name, "keep", "differs from its source, and was not seeded by us")
    if current == record.digest:
        return SeedChange(name, "update", "source changed")
    return SeedChange(name, "keep", "source changed, but the agent edited the file")


def _compare_gitignore(folder: str, record: SeedRecord | None) -> SeedChange | SeedRecord | None:
    path = f"{folder}/{GITIGNORE}"
    target = files.regular(path)
    if target is None:
        return SeedChange(GITIGNORE, "create", "missing")
    if record is not None and record.target == fingerprint(target):
        return None
    if _current_digest(path, None, target) == digest_of(IGNORE_ALL):
        return SeedRecord(digest_of(IGNORE_ALL), TEMPLATE, fingerprint(target))
    return SeedChange(GITIGNORE, "update", "does not ignore everything")


def _sort_in(
    name: str,
    verdict: SeedChange | SeedRecord | None,
    changes: list[SeedChange],
    refreshed: dict[str, SeedRecord],
) -> None:
    if isinstance(verdict, SeedChange):
        changes.append(verdict)
    elif verdict is not None:
        refreshed[name] = verdict


def _current_digest(path: str, record: SeedRecord | None, target: os.stat_result) -> str | None:
    """The digest of a file of the workspace; None when it is larger than any seed can be."""
    if record is not None and record.target == fingerprint(target):
        return record.digest
    if target.st_size > SEED_LIMIT:
        return None
    return digest_of(files.read(path, SEED_LIMIT)[0])


def _write_into(
    folder: Folder,
    sources: Mapping[str, Source],
    seeds: Mapping[str, Seed | None],
    records: Mapping[str, SeedRecord],
) -> dict[str, SeedRecord]:
    written: dict[str, SeedRecord] = {}
    for name, source in sources.items():
        digest = digest_of(source.data)
        there = files.regular(name, folder)
        current = None if there is None else _digest_in(folder, name, there)
        if there is not None and current == digest:
            written[name] = SeedRecord(digest, source.fingerprint, fingerprint(there))
        elif (
            there is None or name == GITIGNORE or _is_ours(seeds[name], current, records.get(name))
        ):
            with files.explained(folder.where(name)):
                target = files.replace(folder, name, source.data)
            written[name] = SeedRecord(digest, source.fingerprint, target)
    return written


def _digest_in(folder: Folder, name: str, status: os.stat_result) -> str | None:
    if status.st_size > SEED_LIMIT:
        return None
    return digest_of(files.read(name, SEED_LIMIT, folder)[0])


def _is_ours(seed: Seed | None, current: str | None, record: SeedRecord | None) -> bool:
    may_update = seed is not None and seed.update != "never"
    return may_update and record is not None and current == record.digest

"""What each file of a Working Context is seeded with, and where it comes from."""

import os
from collections.abc import Iterable
from typing import NamedTuple

from agentcave.context import files
from agentcave.context.files import digest_of, fingerprint
from agentcave.context.render import STANDARD, template
from agentcave.errors import CaveError
from agentcave.model.observed import SeedRecord
from agentcave.model.spec import CaveSpec, Seed

FOLDER = ".cave"
GITIGNORE = ".gitignore"
IGNORE_ALL = b"*\n"
SEED_LIMIT = 1 << 20
TEMPLATE = "template"
"""The source fingerprint of the files that are ours."""


LISTING = "."
"""Under this name is recorded which files the folder held when it had which fingerprint: as long as
it still has it, none of them was removed or put in the place of another."""


class Source(NamedTuple):
    """What a seed holds at this moment; ``fingerprint`` tells cheaply whether it still does."""

    data: bytes
    fingerprint: str


def wanted(cave: CaveSpec) -> dict[str, Seed | None]:
    """Every file of the cave's Working Context; None stands for a template of ours."""
    names: dict[str, Seed | None] = dict.fromkeys(STANDARD)
    for seed in cave.context:
        if "/" in seed.name or seed.name in ("", ".", "..", GITIGNORE, files.PARTIAL):
            raise CaveError(
                f"caves.{cave.group}.context: {seed.name!r} cannot be the name of a seed",
                "use a plain file name such as notes.md",
            )
        names[seed.name] = seed
    return names


def listing(folder: os.stat_result, names: Iterable[str]) -> SeedRecord:
    """The record that the folder holds these files; its own digest means nothing."""
    return SeedRecord("", "/".join(names), fingerprint(folder))


def source_fingerprint(seed: Seed | None) -> str:
    if seed is None:
        return TEMPLATE
    if seed.file is None:
        return f"text:{digest_of((seed.text or '').encode())}"
    return _checked(seed.file, files.regular(seed.file))


def _checked(path: str, status: os.stat_result | None) -> str:
    if status is None:
        raise CaveError(f"the seed source {path} does not exist", "create it, or change `context`")
    if status.st_size > SEED_LIMIT:
        raise CaveError(f"the seed source {path} is larger than 1 MiB", "make it smaller")
    return fingerprint(status)


def read_source(name: str, seed: Seed | None, cave: CaveSpec) -> Source:
    if name == GITIGNORE:
        return Source(IGNORE_ALL, TEMPLATE)
    if seed is None:
        return Source(template(name, cave), TEMPLATE)
    if seed.file is None:
        return Source((seed.text or "").encode(), source_fingerprint(seed))
    data, status = files.read(seed.file, SEED_LIMIT)
    return Source(data, fingerprint(status))

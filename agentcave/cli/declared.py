"""The caves files as a controller reads them: again whenever they may have changed."""

import argparse
import os
from collections.abc import Iterable, Sequence
from itertools import chain

from agentcave import config
from agentcave.cli import project as projects
from agentcave.cli.trusting import is_trusted
from agentcave.config import trust
from agentcave.config.loading import LOCAL
from agentcave.errors import NotTrusted
from agentcave.model.spec import ProjectSpec
from agentcave.state import State


class Declared:
    """A ``Source``: what `up` with these words would take for declared."""

    def __init__(self, args: argparse.Namespace, located: projects.Located, state: State) -> None:
        self._args, self._located, self._state = args, located, state
        self._files = _with_targets(located.files, [_local(located)])
        self._seen: dict[str, tuple[int, ...] | None] = {}
        self._spec: ProjectSpec | None = None
        self._failed = False

    def read(self) -> ProjectSpec:
        """Raises SpecError, and NotTrusted for a change of a file that was not named."""
        if self._spec is None or self._failed or self.has_changed():
            before = {path: _stat(path) for path in self._files}
            self._failed = True
            try:
                self._spec = self._resolved()
            finally:  # what changes while it is read has changed since
                self._seen = {path: before.get(path) or _stat(path) for path in self._files}
            self._failed = False
        return self._spec

    def has_changed(self) -> bool:
        return any(_stat(path) != seen for path, seen in self._seen.items())

    def files(self) -> frozenset[str]:
        return self._files

    def _resolved(self) -> ProjectSpec:
        document = projects.load(self._located)
        inputs = trust.paths(document)
        self._files = _with_targets(self._files, inputs)
        if not is_trusted(self._located, document, self._state):
            raise NotTrusted(
                f"{document.file} has changed since it was trusted, and is kept as it was then",
                "`agentcave trust` shows what has changed",
            )
        names = _selected(self._args, document)
        spec = projects.resolve(document, names)
        sources = {seed.file for cave in spec.caves for seed in cave.context if seed.file}
        local = _local(self._located)
        self._files = _with_targets(self._located.files, [local], inputs, sources)
        return spec


def _selected(args: argparse.Namespace, document: config.Document) -> Sequence[str]:
    return config.select(document, args.caves, profiles=args.profile, dependencies=not args.no_deps)


def _with_targets(*paths: Iterable[str]) -> frozenset[str]:
    """These, and what those among them that are links lead to: a change is made there."""
    named = frozenset(chain(*paths))
    return named | {os.path.realpath(path) for path in named}


def _local(located: projects.Located) -> str:
    return os.path.join(os.path.dirname(located.files[0]), LOCAL)


def _stat(path: str) -> tuple[int, ...] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns

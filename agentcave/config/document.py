"""One project, merged and checked, before any value is filled in."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from .files import Source

if TYPE_CHECKING:
    from .layers import Files


class Document(NamedTuple):
    """A merged project; ``${…}`` stands as written.

    ``caves`` holds every cave, replicas spelled out, without ``extends`` and ``replicas``.
    ``groups`` maps keys with replicas to their caves; ``dollars`` names the caves that hold a
    ``$`` to interpolate. ``inputs`` are the (path, kind) of all files whose bytes trust binds,
    kind being ``caves``, ``env`` or ``prompt``; an optional env_file may be missing.
    """

    name: str
    uid: str
    file: str
    directory: str
    caves: Mapping[str, Mapping[str, Any]]
    groups: Mapping[str, tuple[str, ...]]
    declared: Mapping[str, tuple[str, ...]]
    env_files: tuple[tuple[str, bool], ...]
    dollars: frozenset[str]
    inputs: tuple[tuple[str, str], ...]
    warnings: tuple[str, ...]
    sources: tuple[Source, ...] = ()

    def origins(self) -> dict[str, str]:
        """The key in the file of each cave that comes from replicas."""
        return {cave: key for key, caves in self.groups.items() for cave in caves}

    def files(self) -> "Files":
        """The parsed files again, for the places in messages."""
        from .layers import Files
        from .reader import parse

        trees = [parse(s.data, s.path, order) for order, s in enumerate(self.sources)]
        return Files([source.path for source in self.sources], trees)

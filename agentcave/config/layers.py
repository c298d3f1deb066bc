"""Which parts of which files make up a cave, and where each of its values is written."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from .problems import Flaw, Path, Problem
from .reader import Tree


class Layer(NamedTuple):
    """A partial cave and where it stands: the file's position and the path in it."""

    file: int
    path: Path
    value: dict[str, Any]


class Files(NamedTuple):
    """The parsed caves files, the project's first, with their names."""

    names: Sequence[str]
    trees: Sequence[Tree]

    def section(self, name: str) -> dict[str, Any]:
        """The keys of a top-level mapping over all files; a later null takes one away."""
        merged: dict[str, Any] = {}
        for tree in self.trees:
            for key, value in _mapping(tree.value, name).items():
                if key.startswith("x-"):
                    continue
                if value is None and key in merged:
                    del merged[key]
                else:
                    merged[key] = value
        return merged

    def top(self, key: str) -> tuple[Any, int]:
        """The last value of a top-level scalar or list, and the file that it stands in."""
        found: tuple[Any, int] = (None, 0)
        for position, tree in enumerate(self.trees):
            if isinstance(tree.value, dict) and key in tree.value:
                found = tree.value[key], position
        return found

    def extends(self, cave: str) -> list[str]:
        for layer in reversed(self._entries("caves", cave)):
            if "extends" in layer.value:
                return list(layer.value["extends"] or ())
        return []

    def layers(self, cave: str) -> list[Layer]:
        """Defaults, templates left to right, the cave itself; each over all files."""
        found = self._entries("defaults")
        for template in self.extends(cave):
            found += self._entries("templates", template)
        return found + self._entries("caves", cave)

    def _entries(self, *path: str) -> list[Layer]:
        found: list[Layer] = []
        for position, tree in enumerate(self.trees):
            node = tree.value if isinstance(tree.value, dict) else {}
            for step in path[:-1]:
                node = _mapping(node, step)
            if path[-1] not in node:
                continue
            value = node[path[-1]]
            if value is None:
                found.clear()
            elif isinstance(value, dict):
                found.append(Layer(position, path, value))
        return found

    def locate(self, flaw: Flaw, origins: dict[str, str]) -> Problem:
        """A flaw of the merged document at the place where its value is written.

        ``origins`` maps caves to their key in the file (replicas differ from it).
        """
        path = flaw.path
        while path:
            if (found := self._written(path, origins)) is not None:
                position, (key_line, key_column, line, column) = found
                exact = len(path) == len(flaw.path) and not flaw.at_key
                at = (line, column) if exact else (key_line, key_column)
                return self._problem(flaw, position, at)
            path = path[:-1]
        return self._problem(flaw, 0, (1, 1))

    def _written(self, path: Path, origins: dict[str, str]) -> Any:
        if path[0] == "caves" and len(path) > 1:
            name = str(path[1])
            key = name if name in self.section("caves") else origins.get(name, name)
            candidates = [(la.file, (*la.path, *path[2:])) for la in reversed(self.layers(key))]
            if len(path) == 2:
                candidates = [(i, ("caves", key)) for i in range(len(self.trees))]
        else:
            candidates = [(i, path) for i in reversed(range(len(self.trees)))]
        for position, candidate in candidates:
            if (place := self.trees[position].find(candidate)) is not None:
                return position, place
        return None

    def in_file(self, flaw: Flaw, position: int) -> Problem:
        """A flaw of one file at its place there."""
        path = flaw.path
        while (place := self.trees[position].find(path)) is None:
            path = path[:-1]
        at = place[2:] if path == flaw.path and not flaw.at_key else place[:2]
        return self._problem(flaw, position, at)

    def _problem(self, flaw: Flaw, position: int, at: tuple[int, ...]) -> Problem:
        from .problems import dotted

        file = self.names[position]
        return Problem(position, at[0], at[1], file, dotted(flaw.path), flaw.message, flaw.hint)


def _mapping(node: Any, key: str) -> dict[str, Any]:
    value = node.get(key) if isinstance(node, dict) else None
    return value if isinstance(value, dict) else {}

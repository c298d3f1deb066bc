"""YAML events -> plain values, with the line and column of every key and value.

One pass over the C parser's events, which is iterative: ``CSafeLoader`` builds recursively and
crashes at a nesting depth of 30 000, and YAML 1.1 reads ``no`` as False and ``010`` as 8.
"""

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from .problems import Path, Problem, dotted
from .scalars import Scalar, plain

if TYPE_CHECKING:
    import yaml

MAX_BYTES = 8 << 20
MAX_DEPTH = 32
MAX_NODES = 500_000

_FORBIDDEN = re.compile(r"[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class Place(NamedTuple):
    """Lines and columns count from 1."""

    key_line: int
    key_column: int
    line: int
    column: int


class Tree(NamedTuple):
    """The value of a file; ``places`` maps the id of each container to the places of its items."""

    value: Any
    places: dict[int, dict[str | int, Place]]
    problems: list[Problem]

    def find(self, path: Path) -> Place | None:
        """Where ``path`` stands in this file, None when it does not."""
        node, place = self.value, Place(1, 1, 1, 1)
        for step in path:
            found = self.places.get(id(node), {}).get(step)
            if found is None or isinstance(node, list) != isinstance(step, int):
                return None
            place, node = found, _item(node, step)
        return place


def _item(node: Any, step: str | int) -> Any:
    try:
        return node[step]
    except (KeyError, IndexError):
        return None  # taken out as invalid, though its place is known


def yaml_backend() -> str:
    """Which parser reads caves files: ``libyaml``, or ``python`` (some ten times slower)."""
    import yaml

    return "libyaml" if yaml.__with_libyaml__ else "python"


def parse(data: bytes, file: str, order: int = 0) -> Tree:
    """The tree of one file; what is wrong with its text is in ``problems``."""
    builder = _Builder(file, order)
    try:
        builder.run(_text(data, builder))
    except _Abort:
        return Tree(None, {}, builder.problems)
    return Tree(builder.root, builder.places, builder.problems)


class _Abort(Exception):
    """The rest of the text cannot be understood."""


class _Frame:
    """A mapping or list that is being filled; ``raw`` keeps the spelling of its scalars."""

    __slots__ = ("items", "key", "key_at", "path", "places", "raw")

    def __init__(self, items: Any, path: Path) -> None:
        self.items = items
        self.path = path
        self.raw = isinstance(items, dict) and _is_environment(path)
        self.places: dict[str | int, Place] = {}
        self.key: str | None = None
        self.key_at = (1, 1)


class _Builder:
    def __init__(self, file: str, order: int) -> None:
        self.root: Any = None
        self.places: dict[int, dict[str | int, Place]] = {}
        self.problems: list[Problem] = []
        self._file = file
        self._order = order
        self._stack: list[_Frame] = []
        self._nodes = 0
        self._documents = 0

    def run(self, text: str) -> None:
        import yaml

        loader: Any = yaml.CLoader if yaml.__with_libyaml__ else yaml.Loader
        feeders = self._feeders()
        try:
            for event in yaml.parse(text, Loader=loader):
                if (feed := feeders.get(type(event))) is not None:
                    feed(event)
        except yaml.MarkedYAMLError as exc:
            at = exc.problem_mark or exc.context_mark
            if "nesting depth" in (exc.problem or ""):  # PyYAML from 6.0.4 on looks ahead so far
                self.abort(f"nested deeper than {MAX_DEPTH} levels", _place(at))
            said = ", ".join(part for part in (exc.context, exc.problem) if part)
            self.abort(f"not valid YAML: {said}", _place(at))
        except yaml.YAMLError as exc:
            self.abort(f"not valid YAML: {exc}", (1, 1))
        if self.root is None:
            self.abort("the file is empty", (1, 1), "begin with version: 1 and caves:")

    def say(self, message: str, at: tuple[int, int], hint: str | None = None) -> None:
        path = dotted(self._path())
        self.problems.append(Problem(self._order, *at, self._file, path, message, hint))

    def abort(self, message: str, at: tuple[int, int], hint: str | None = None) -> NoReturn:
        self._stack.clear()
        self.say(message, at, hint)
        raise _Abort

    def _path(self) -> Path:
        if not self._stack:
            return ()
        frame = self._stack[-1]
        if isinstance(frame.items, list):
            return (*frame.path, len(frame.items))
        return frame.path if frame.key is None else (*frame.path, frame.key)

    def _feeders(self) -> dict[type, Callable[[Any], None]]:
        import yaml

        return {
            yaml.ScalarEvent: self._scalar,
            yaml.MappingStartEvent: lambda event: self._push(event, {}),
            yaml.SequenceStartEvent: lambda event: self._push(event, []),
            yaml.MappingEndEvent: lambda _: self._pop(),
            yaml.SequenceEndEvent: lambda _: self._pop(),
            yaml.AliasEvent: self._alias,
            yaml.DocumentStartEvent: self._document,
        }

    def _pop(self) -> None:
        self._stack.pop()

    def _alias(self, event: "yaml.AliasEvent") -> None:
        self.say("aliases are not supported", _at(event), "use extends, or write it out")
        self._add(None, _at(event), "alias")

    def _document(self, event: "yaml.DocumentStartEvent") -> None:
        self._documents += 1
        if self._documents > 1:
            self.abort("a second document is not supported", _at(event), "use one file")

    def _scalar(self, event: "yaml.ScalarEvent") -> None:
        at = _at(event)
        self._count(event, at)
        text: str = event.value
        value: Scalar = text
        if event.implicit[0] and not event.style:
            try:
                value = plain(text)
            except ValueError as exc:
                value = text
                if not self._stack or not self._stack[-1].raw:
                    self.say(str(exc), at)
        if "\0" in text:
            self.say("NUL characters are not supported", at)
        if self._stack and self._stack[-1].raw and self._stack[-1].key is not None:
            value = None if value is None else text
        self._add(value, at, text)

    def _push(self, event: "yaml.CollectionStartEvent", items: Any) -> None:
        at = _at(event)
        self._count(event, at)
        if self._stack and isinstance(self._stack[-1].items, dict) and self._stack[-1].key is None:
            self.abort("a key must be a string", at)
        if len(self._stack) >= MAX_DEPTH:
            self.abort(f"nested deeper than {MAX_DEPTH} levels", at)
        frame = _Frame(items, self._path())
        self._add(items, at)
        self.places[id(items)] = frame.places
        self._stack.append(frame)

    def _count(self, event: "yaml.NodeEvent", at: tuple[int, int]) -> None:
        self._nodes += 1
        if self._nodes > MAX_NODES:
            self.abort(f"more than {MAX_NODES} values", at)
        anchor: str | None = event.anchor
        if anchor is not None:
            self.say("anchors are not supported", at, "use extends, or write it out")
        if getattr(event, "tag", None) is not None:
            self.say("tags are not supported", at, "leave it out; quote what is a string")

    def _add(self, value: Any, at: tuple[int, int], text: str = "") -> None:
        if not self._stack:
            self.root = value
            return
        frame = self._stack[-1]
        if isinstance(frame.items, list):
            frame.places[len(frame.items)] = Place(*at, *at)
            frame.items.append(value)
        elif frame.key is None:
            self._key(frame, value, at, text)
        else:
            frame.places[frame.key] = Place(*frame.key_at, *at)
            frame.items[frame.key] = value
            frame.key = None

    def _key(self, frame: _Frame, value: Any, at: tuple[int, int], text: str) -> None:
        if text == "<<":
            self.say("merge keys are not supported", at, "use extends")
        elif not isinstance(value, str):
            self.say(f"the key {text or 'null'} is not a string", at, "quote it")
        elif text in frame.items:
            first = frame.places[text].key_line
            self.say(f"the key {text} stands here twice", at, f"first in line {first}")
        frame.key, frame.key_at = text, at


def _at(event: "yaml.Event") -> tuple[int, int]:
    return _place(event.start_mark)


def _place(mark: Any) -> tuple[int, int]:
    """PyYAML leaves the mark out of events that nobody parsed and of some errors."""
    return (mark.line + 1, mark.column + 1) if mark else (1, 1)


def _is_environment(path: Path) -> bool:
    """Whether a mapping at ``path`` is the environment of a cave or an agent."""
    if not path or path[-1] != "environment":
        return False
    cave = 1 if path[0] == "defaults" else 2 if path[0] in ("templates", "caves") else len(path)
    return len(path) == cave + 1 or (len(path) == cave + 3 and path[cave] == "agents")


def _text(data: bytes, builder: _Builder) -> str:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        line = data.count(b"\n", 0, exc.start) + 1
        builder.abort("not valid UTF-8", (line, exc.start - data.rfind(b"\n", 0, exc.start)))
    if (bad := _FORBIDDEN.search(text)) is not None:
        line = text.count("\n", 0, bad.start()) + 1
        column = bad.start() - text.rfind("\n", 0, bad.start())
        builder.abort(f"the character {ascii(bad[0])[1:-1]} is not allowed", (line, column))
    return text

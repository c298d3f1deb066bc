"""What a value of a merged cave must be beyond the schema; no file is looked at."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from .anchor import is_open
from .durations import seconds
from .problems import Flaw, Path

OURS = ("AGENTCAVE_", "TMUX")
DEFAULT_MAX = "5m"
_DURATIONS = (("restart", ("initial", "max", "reset_after")), ("stop", ("grace",)))
_BAD_BRANCH = re.compile(
    r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|//|@\{|^[-/.]|/\.|[/.]$|\.lock(?:/|$)|^@$|^HEAD$"
)


def cave_flaws(path: Path, cave: Mapping[str, Any], *, final: bool) -> Iterator[Flaw]:
    """Values of one cave, its agents aside; with ``final`` nothing is left to interpolate."""
    yield from _workspace(Checker((*path, "workspace"), final), cave.get("workspace", {}))
    yield from _environment(path, cave)


def agent_flaws(path: Path, agent: Mapping[str, Any], *, final: bool) -> Iterator[Flaw]:
    check = Checker(path, final)
    yield from check.inside("working_dir", agent.get("working_dir", "."))
    yield from check.program("command", agent.get("command"))
    for section, keys in _DURATIONS:
        for key in keys:
            yield from check.duration((section, key), agent.get(section, {}).get(key))
    yield from _backoff(check, agent.get("restart", {}))
    yield from _environment(path, agent)
    ready = agent.get("ready", {})
    for key in ("timeout", "delay"):
        yield from check.duration(("ready", key), ready.get(key))
    yield from check.regex(("ready", "output"), ready.get("output"))
    for index, rule in enumerate(agent.get("screen", ())):
        yield from check.regex(("screen", index, "match"), rule["match"])


def _workspace(check: "Checker", workspace: Mapping[str, Any]) -> Iterator[Flaw]:
    yield from check.branch("branch", workspace.get("branch"))
    base = workspace.get("base", "")
    if base.startswith("-"):
        yield Flaw((*check.path, "base"), "must not begin with -")
    for key in ("copy", "link", "disposable"):
        for index, entry in enumerate(workspace.get(key, ())):
            yield from check.entry((key, index), entry)
    both = set(workspace.get("copy", ())) & set(workspace.get("link", ()))
    for entry in sorted(both):
        yield Flaw((*check.path, "link"), f"{entry} is both copied and linked")


def _environment(path: Path, node: Mapping[str, Any]) -> Iterator[Flaw]:
    for name in node.get("environment", ()):
        if name.startswith(OURS):
            whose = "tmux" if name.startswith("TMUX") else "agentcave"
            message = f"is set by {whose} itself"
            yield Flaw((*path, "environment", name), message, "leave it out", at_key=True)


def _backoff(check: "Checker", restart: Mapping[str, Any]) -> Iterator[Flaw]:
    try:
        initial, most = seconds(restart["initial"]), seconds(restart.get("max", DEFAULT_MAX))
    except (KeyError, ValueError):  # absent, open or told already
        return
    if initial > most:
        hint = f"write max: {restart['initial']} too, or a smaller initial"
        yield check.flaw(("restart", "initial"), "must not be longer than max", hint)


class Checker:
    """Checks of single values below one path."""

    def __init__(self, path: Path, final: bool) -> None:
        self.path = path
        self.final = final

    def _skips(self, text: str | None) -> bool:
        return text is None or (not self.final and is_open(text))

    def flaw(self, key: str | Path, message: str, hint: str | None = None) -> Flaw:
        return Flaw(self.path + ((key,) if isinstance(key, str) else key), message, hint)

    def duration(self, key: Path, text: str | None) -> Iterator[Flaw]:
        if text is None or self._skips(text):
            return
        try:
            seconds(text)
        except ValueError as exc:
            yield self.flaw(key, str(exc))

    def regex(self, key: Path, text: str | None) -> Iterator[Flaw]:
        if text is None or self._skips(text):
            return
        import regex  # loaded only where one is declared; it is what searches with it, too

        try:
            regex.compile(text, regex.MULTILINE)
        except (regex.error, RecursionError, OverflowError) as exc:
            yield self.flaw(key, f"not a regular expression: {exc}")

    def branch(self, key: str, text: str | None) -> Iterator[Flaw]:
        if text is not None and not self._skips(text) and _BAD_BRANCH.search(text):
            yield self.flaw(key, "git allows no branch of this name", "see git-check-ref-format")

    def program(self, key: str, argv: list[str] | None) -> Iterator[Flaw]:
        if argv and argv[0] == "":
            yield self.flaw(key, "the program must not be empty")

    def inside(self, key: str, text: str) -> Iterator[Flaw]:
        if not self._skips(text) and _leaves(text):
            yield self.flaw(key, "must stay inside the workspace", "a relative path without ..")

    def entry(self, key: Path, text: str) -> Iterator[Flaw]:
        if self._skips(text):
            return
        if _leaves(text) or _is_root(text):
            yield self.flaw(key, "must be a relative path without ..", "below the main checkout")
        elif ".git" in text.split("/"):
            yield self.flaw(key, "must not lie in .git")


def _leaves(text: str) -> bool:
    return text.startswith(("/", "~")) or ".." in text.split("/")


def _is_root(text: str) -> bool:
    return all(step in ("", ".") for step in text.split("/"))

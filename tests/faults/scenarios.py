"""Worlds that a command is about to change, and what must be once ``up`` has healed them."""

from collections.abc import Callable
from typing import NamedTuple

from caving import SLEEPER, Cave
from invariants import Promise
from treasure import bury, record

AGENTS = f"{{shell: {SLEEPER}}}"
BUILD = '[[sh, -c, "echo built >>built.log"]]'


def caves_file(**caves: str) -> str:
    """Each cave as its lines of flow mappings; all have one cheap agent."""
    text = "version: 1\nname: shop\ncaves:\n"
    return text + "".join(
        f"  {k}: {{agents: {AGENTS}{', ' if v else ''}{v}}}\n" for k, v in caves.items()
    )


def api(plan: str, level: str) -> str:
    return (
        f"context: {{plan.md: {{text: {plan}}}}}, setup: {BUILD}, environment: {{LEVEL: {level}}}"
    )


LIB = "workspace: {type: clone}"
DOCS = "workspace: {type: directory, path: docs}"
BEFORE = caves_file(api=api("first", "info"), lib=LIB, docs=DOCS, old="")
AFTER = caves_file(api=api("second", "debug"), lib=LIB, docs=DOCS, new=api("new", "info"))


class Scenario(NamedTuple):
    """``prepare`` returns the promise. ``calls``: what the command needs at most."""

    prepare: Callable[[Cave], Promise]
    words: tuple[str, ...]
    calls: int
    code: int = 0


def nothing_yet(cave: Cave) -> Promise:
    cave.write("docs/index.md", "the docs\n")
    cave.write("ignored.log", "of the main checkout\n")
    cave.declare(BEFORE)
    return Promise(["api/shell", "lib/shell", "docs/shell", "old/shell"], record(cave))


def living(cave: Cave) -> Promise:
    """Four agents, and work of every kind in two workspaces; ``old`` and ``docs`` are clean."""
    promise = nothing_yet(cave)
    cave.up()
    for name in ("api", "lib"):
        bury(cave, name)
    return promise._replace(treasure=record(cave, "api", "lib"))


def edited(cave: Cave) -> Promise:
    """One is to be restarted and seeded, one removed, one created, two stay."""
    promise = living(cave)
    cave.declare(AFTER)
    return promise._replace(agents=["api/shell", "lib/shell", "docs/shell", "new/shell"])


SCENARIOS = {
    "creating": Scenario(nothing_yet, ("up",), 54),
    "changing": Scenario(edited, ("up",), 52),
    "ending": Scenario(living, ("down",), 18),
    "removing": Scenario(living, ("down", "--remove-workspaces"), 96, code=1),
    "restarting": Scenario(living, ("restart",), 18),
}

"""Arguments: global options before and after the verb, and only the parser that is needed."""

import argparse
import os
from collections.abc import Sequence
from importlib import import_module
from typing import Any, NamedTuple, NoReturn, Protocol, cast

from agentcave.errors import UsageError


class Verb(NamedTuple):
    """``files``: knows ``-f`` as ``--file``; after logs it means ``--follow``."""

    module: str
    help: str
    files: bool = True


VERBS: dict[str, Verb] = {
    "up": Verb("up", "converge: create, restart and remove sessions to match the file"),
    "down": Verb("down", "stop sessions with all their processes; workspaces are kept"),
    "plan": Verb("plan", "show what `up` would do and why; changes nothing"),
    "ps": Verb("ps", "list sessions, desired against observed"),
    "attach": Verb("attach", "look into the live terminal of an agent"),
    "logs": Verb("logs", "show what agents printed", files=False),
    "send": Verb("send", "deliver a prompt to an agent"),
    "approve": Verb("approve", "say yes, once, to what an agent waits for"),
    "deny": Verb("deny", "say no to what an agent waits for, or asks"),
    "answer": Verb("answer", "answer what an agent asks"),
    "status": Verb("status", "tell what an agent does, and why it is said to"),
    "wait": Verb("wait", "wait until agents are ready, idle, in need of a person, or done"),
    "start": Verb("start", "start stopped agents"),
    "stop": Verb("stop", "stop agents until they are started again"),
    "restart": Verb("restart", "give agents a new process"),
    "events": Verb("events", "tell what was done, when and why, as JSON lines", files=False),
    "exec": Verb("exec_", "run a command in a cave's workspace and environment"),
    "context": Verb("context", "show the Working Context of a cave"),
    "config": Verb("config", "check the file, and show it resolved"),
    "trust": Verb("trust", "allow a caves file found by search to run things"),
    "untrust": Verb("untrust", "take that back"),
    "doctor": Verb("doctor", "check this machine"),
    "init": Verb("init", "write a commented caves.yaml for this repository"),
    "schema": Verb("schema", "print the JSON Schema of caves.yaml"),
    "completion": Verb("completion", "print a completion script for a shell"),
    "version": Verb("version", "print versions"),
}
TAKES_VALUE = {"-f", "--file", "-p", "--project", "--profile", "--socket", "--color"}


class VerbModule(Protocol):
    """What each module of a verb offers."""

    def arguments(self, parser: argparse.ArgumentParser) -> None: ...
    def run(self, args: argparse.Namespace) -> int: ...


class Formatter(argparse.HelpFormatter):
    """Knows the width from the terminal itself: argparse would import shutil for it, each time."""

    def __init__(self, prog: str) -> None:
        try:
            width = os.get_terminal_size().columns
        except OSError:
            width = 80
        super().__init__(prog, width=max(40, width - 2))


class Parser(argparse.ArgumentParser):
    """Errors are ours; ``--help`` fits the terminal."""

    def __init__(self, **options: Any) -> None:
        super().__init__(formatter_class=Formatter, **options)

    def error(self, message: str) -> NoReturn:
        raise UsageError(message, f"`{self.prog} --help` shows what there is")


def verb_module(name: str) -> VerbModule:
    return cast(VerbModule, import_module(f"agentcave.cli.{VERBS[name].module}"))


def split(argv: Sequence[str]) -> tuple[str | None, list[str]]:
    """The verb, and all other words; -f before the verb is --file whatever the verb is."""
    before: list[str] = []
    words = iter(argv)
    for word in words:
        if not word.startswith("-"):
            return word, [*before, *words]
        before.append("--file" if word == "-f" else word)
        if word in TAKES_VALUE:
            value = next(words, None)
            before += [] if value is None else [value]
    return None, before


def parse(name: str, words: Sequence[str]) -> argparse.Namespace:
    """Raises UsageError for words that the verb does not know."""
    verb = VERBS[name]
    parser = Parser(prog=f"agentcave {name}", description=verb.help, allow_abbrev=False)
    _populate(parser, name)
    head, tail = list(words), None
    if name == "exec" and "--" in head:
        cut = head.index("--")
        head, tail = head[:cut], head[cut + 1 :]
    args = parser.parse_intermixed_args(head)
    args.verb = name
    if name == "exec":
        args.argv = tail or []
    return args


def full_parser() -> argparse.ArgumentParser:
    """All verbs in one parser: for completion scripts and the overview."""
    parser = Parser(prog="agentcave", allow_abbrev=False)
    verbs = parser.add_subparsers(dest="verb", metavar="COMMAND")
    for name, verb in VERBS.items():
        _populate(verbs.add_parser(name, help=verb.help, description=verb.help), name)
    return parser


def overview() -> str:
    width = max(map(len, VERBS))
    lines = [f"  {name:<{width}}  {verb.help}" for name, verb in VERBS.items()]
    return "\n".join(
        [
            "usage: agentcave COMMAND [options]",
            "",
            "Many AI coding agents at once, each in its own cave, as declared in caves.yaml.",
            "",
            *lines,
            "",
            "`agentcave COMMAND --help` tells more. Global options: -f/--file FILE, -p/--project",
            "NAME, --profile P, --socket NAME, -v, --quiet, --color auto|always|never.",
        ]
    )


def _populate(parser: argparse.ArgumentParser, name: str) -> None:
    common = parser.add_argument_group("global options")
    file_flags = ("-f", "--file") if VERBS[name].files else ("--file",)
    common.add_argument(
        *file_flags, action="append", default=[], metavar="FILE", help="a caves file; several merge"
    )
    common.add_argument("-p", "--project", metavar="NAME", help="a live project, by its name")
    common.add_argument(
        "--profile", action="append", default=[], metavar="P", help="start the caves of a profile"
    )
    common.add_argument("--socket", metavar="NAME", help="tmux socket: a name, or a path with a /")
    common.add_argument("-v", "--verbose", action="store_true", help="say more, on stderr")
    common.add_argument("--quiet", action="store_true", help="say nothing but results and errors")
    common.add_argument("--color", choices=("auto", "always", "never"), default="auto")
    verb_module(name).arguments(parser)

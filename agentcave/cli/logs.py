"""``agentcave logs``: what agents printed, out of tmux's scrollback; nothing is recorded."""

import argparse
import os
import signal
import sys

from agentcave.cli import project as projects
from agentcave.cli.choose import groups_of, keys_of
from agentcave.cli.terminal import number, say
from agentcave.errors import CaveError, UsageError
from agentcave.hosts import LocalHost
from agentcave.model.masking import masked
from agentcave.model.observed import Key, ObservedSession
from agentcave.model.spec import ProjectSpec, secrets_of
from agentcave.report.text import plain
from agentcave.sessions.screen import screen_text
from agentcave.tmux import commands, scrubbed

SCROLLBACK = 10_000


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("names", nargs="*", metavar="CAVE[/AGENT]", help="default all")
    parser.add_argument("-f", "--follow", action="store_true", help="go on until they end")
    parser.add_argument("--tail", type=number, metavar="N", help="only the last lines")
    parser.add_argument("--raw", action="store_true", help="keep colours")


def run(args: argparse.Namespace) -> int:
    if args.follow and any(os.path.isfile(name) for name in args.names):
        raise UsageError("-f is --follow here", f"name the file with --file {args.names[0]}")
    identity, live = projects.identify(args, projects.begin_reading(args))
    spec = identity.spec or projects.spec_from_stamps(identity, live)
    keys = keys_of(args.names or spec.declared, spec.declared, groups_of(spec))
    newest = {one.stamp.key: one for one in live if one.stamp.uid == identity.uid}
    state = projects.state_for_reading(identity.uid)
    values = {key: _values(spec, key, newest.get(key)) for key in keys}  # while they live
    for key in keys:
        prefix = "" if len(keys) == 1 else f"{'/'.join(key)} | "
        text = _text(args, newest.get(key), state.screen(key))
        lines = masked(text, values[key]).splitlines()
        if args.tail is not None:
            lines = lines[max(0, len(lines) - args.tail) :]
        sys.stdout.writelines(f"{prefix}{line}\n" for line in lines)
    sys.stdout.flush()
    following = {key: newest[key] for key in keys if key in newest and not newest[key].dead}
    if args.follow and following:
        return _follow(args, following, values)
    if not any(key in newest for key in keys) and len(keys) == 1 and not state.screen(keys[0]):
        say(args, f"{'/'.join(keys[0])} has not run")
    return 0


def _values(spec: ProjectSpec, key: Key, session: ObservedSession | None) -> set[str]:
    """What an agent was given and may have printed, as far as it is known without a command."""
    secrets = [one for cave in spec.caves if cave.name == key[0] for one in secrets_of(cave)]
    values = set(spec.env.values())
    if not secrets:
        return values
    from agentcave.apply.secrets import Secrets, handed

    known = Secrets(LocalHost(), os.environ, spec.directory).known(secrets)
    return values | known | handed(session.pid if session else None, secrets)


def _text(args: argparse.Namespace, session: ObservedSession | None, last: str | None) -> str:
    if session is None:
        return plain(last or "")
    words = commands.capture_pane(session.pane, -SCROLLBACK, escapes=args.raw)
    environment = scrubbed(os.environ)
    done = LocalHost().read(projects.server(args).argv(*words), environment=environment)
    if done.returncode != 0:
        raise CaveError(f"cannot read {session.name}: {done.stderr.decode().strip()}")
    text = screen_text(done.stdout.decode(errors="replace"), dead=session.dead)
    return text if args.raw else plain(text)


def _follow(
    args: argparse.Namespace, sessions: dict[Key, ObservedSession], values: dict[Key, set[str]]
) -> int:
    import anyio

    from agentcave.cli.following import Followed, follow

    followed = {
        one.pane: Followed("" if len(sessions) == 1 else f"{'/'.join(key)} | ", values[key])
        for key, one in sessions.items()
    }
    try:
        anyio.run(follow, projects.server(args), followed, args.raw)
    except KeyboardInterrupt:  # the usual way to leave it
        return 128 + signal.SIGINT
    return 0

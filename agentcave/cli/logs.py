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
from agentcave.model.observed import Key, ObservedSession
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
    for key in keys:
        prefix = "" if len(keys) == 1 else f"{'/'.join(key)} | "
        lines = _lines(args, newest.get(key), state.screen(key))
        if args.tail is not None:
            lines = lines[max(0, len(lines) - args.tail) :]
        sys.stdout.writelines(f"{prefix}{line}\n" for line in lines)
    sys.stdout.flush()
    following = {key: newest[key] for key in keys if key in newest and not newest[key].dead}
    if args.follow and following:
        return _follow(args, following)
    if not any(key in newest for key in keys) and len(keys) == 1 and not state.screen(keys[0]):
        say(args, f"{'/'.join(keys[0])} has not run")
    return 0


def _lines(
    args: argparse.Namespace, session: ObservedSession | None, last: str | None
) -> list[str]:
    if session is None:
        return plain(last).splitlines() if last else []
    words = commands.capture_pane(session.pane, -SCROLLBACK, escapes=args.raw)
    environment = scrubbed(os.environ)
    done = LocalHost().read(projects.server(args).argv(*words), environment=environment)
    if done.returncode != 0:
        raise CaveError(f"cannot read {session.name}: {done.stderr.decode().strip()}")
    text = screen_text(done.stdout.decode(errors="replace"), dead=session.dead)
    return (text if args.raw else plain(text)).splitlines()


def _follow(args: argparse.Namespace, sessions: dict[Key, ObservedSession]) -> int:
    import anyio

    from agentcave.cli.following import follow

    prefixes = {
        one.pane: "" if len(sessions) == 1 else f"{'/'.join(key)} | "
        for key, one in sessions.items()
    }
    try:
        anyio.run(follow, projects.server(args), prefixes, args.raw)
    except KeyboardInterrupt:  # the usual way to leave it
        return 128 + signal.SIGINT
    return 0

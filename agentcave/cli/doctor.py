"""``agentcave doctor``: is this machine fit, and what to do where it is not."""

import argparse
import os
import re
from collections.abc import Iterator

from agentcave.agents import TYPES, Adapter, adapter_of
from agentcave.cli import project as projects
from agentcave.cli.fitness import Finding, Verdict, machine
from agentcave.cli.terminal import colored
from agentcave.errors import CaveError, Unavailable
from agentcave.hosts import Host, LocalHost, state_root
from agentcave.model.names import session_name
from agentcave.report.json import dumps
from agentcave.report.text import one_line, paint
from agentcave.sessions.panes import Reading
from agentcave.tmux import Server, TmuxError, Version, check_version, scrubbed
from agentcave.tmux.versions import DEATHS_LOST, TESTED

COLORS: dict[Verdict, str] = {"ok": "32", "info": "0", "warn": "33", "fail": "31"}


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true")


def run(args: argparse.Namespace) -> int:
    host, server = LocalHost(), projects.server(args)
    found = [*machine(os.environ), *_tmux(host, server), *_git(host)]
    found += [*_state(), *_file(args), *_agents(host)]
    if args.json:
        print(dumps([finding._asdict() for finding in found]))
    else:
        width = max(len(finding.what) for finding in found)
        for finding in found:
            verdict = paint(f"{finding.verdict:<4}", COLORS[finding.verdict], colored(args))
            print(f"{verdict}  {finding.what:<{width}}  {one_line(finding.text)}")
    return Unavailable.exit_code if any(one.verdict == "fail" for one in found) else 0


def _tmux(host: Host, server: Server) -> Iterator[Finding]:
    try:
        asked = host.read(server.version_argv(), environment=scrubbed(os.environ), timeout=5)
        version = check_version(asked)
    except CaveError as exc:
        yield Finding("fail", "tmux", f"{exc} (install tmux 3.2a or newer)")
        return
    except TmuxError as exc:
        yield Finding("fail", "tmux", f"{exc} ({host.which(server.program)})")
        return
    yield _known(version, f"{version} ({host.which(server.program)})")
    if version.has(DEATHS_LOST):
        text = "before 3.6 it may miss how a program ended; agentcave asks it again then"
        yield Finding("info", "tmux", text)
    yield from _server(host, server, version)


def _known(version: Version, told: str) -> Finding:
    tested = ", ".join(TESTED)
    if version.is_newer_than_seen:
        text = f"{told} is newer than any that agentcave was tested with ({tested}); please report"
        return Finding("warn", "tmux", f"{text} what does not work")
    among = str(version) in TESTED
    return Finding("ok", "tmux", told if among else f"{told}; agentcave was tested with {tested}")


def _server(host: Host, server: Server, program: Version) -> Iterator[Finding]:
    try:
        reading = Reading(host, server)
        sessions = reading.sessions()
        running = reading.server_version() if reading.server_pid is not None else ""
    except CaveError as exc:
        yield Finding("fail", "server", str(exc))
        return
    alive = sum(not session.dead for session in sessions)
    yield Finding("ok", "server", f"socket {server.socket}: {alive} agents live")
    if running and running != str(program):
        text = f"it runs tmux {running}: it began before tmux was installed anew, and works on"
        yield Finding("info", "server", text)
    for session in sessions:
        if session.unread:
            name = session_name(session.stamp.project, *session.stamp.key)
            yield Finding("fail", "server", f"{name}: {session.unread}")


def _git(host: Host) -> Iterator[Finding]:
    try:
        done = host.read(["git", "--version"], timeout=5)
    except CaveError as exc:
        yield Finding("fail", "git", f"{exc} (worktrees and clones need it)")
        return
    said = (done.stdout if done.returncode == 0 else done.stderr).decode(errors="replace").strip()
    if done.returncode != 0:
        why = said.partition("\n")[0] or f"it ends with {done.returncode}"
        yield Finding("fail", "git", f"git cannot start: {why} (worktrees and clones need it)")
        return
    numbers = said.removeprefix("git version ").split(".")[:2]
    if not all(number.isdecimal() for number in numbers) or len(numbers) < 2:
        yield Finding("warn", "git", f"{said}: 2.36 or newer is needed for worktrees")
    elif (int(numbers[0]), int(numbers[1])) < (2, 36):
        yield Finding("fail", "git", f"{said}: 2.36 or newer is needed for worktrees")
    else:
        yield Finding("ok", "git", said)


def _state() -> Iterator[Finding]:
    root = place = os.path.abspath(state_root(os.environ))
    while not os.path.lexists(place):
        place = os.path.dirname(place)
    if not os.path.isdir(place):
        text = f"{root}: {place} is no directory (move it away, or set XDG_STATE_HOME)"
        yield Finding("fail", "state", text)
    elif os.access(place, os.W_OK):
        yield Finding("ok", "state", root)
    else:
        yield Finding("fail", "state", f"{root} is not writable (set XDG_STATE_HOME)")


def _file(args: argparse.Namespace) -> Iterator[Finding]:
    try:
        located = projects.locate(args)
        if not located.files:
            yield Finding("info", "file", "no caves.yaml here (`agentcave init` writes one)")
            return
        document = projects.load(located)
    except CaveError as exc:
        yield Finding("fail", "file", str(exc))
        return
    yield Finding("ok", "file", f"{document.file}, {len(document.caves)} caves")


def _agents(host: Host) -> Iterator[Finding]:
    for name in TYPES:
        adapter = adapter_of(name)
        if adapter.PROGRAM:
            where = host.which(adapter.PROGRAM[0])
            if where is None:
                yield Finding("info", name, f"not installed ({adapter.INSTALL})")
            else:
                yield _version(host, name, where, adapter)


def _version(host: Host, name: str, where: str, adapter: Adapter) -> Finding:
    """An agent's own version, beside those that it was seen to work with."""
    if not adapter.SEEN:
        return Finding("ok", name, where)
    try:
        said = host.read([where, "--version"], timeout=20).stdout.decode(errors="replace")
    except CaveError as exc:
        return Finding("warn", name, f"{where}: {exc}")
    found = re.search(r"\d+(?:\.\d+)+", said)
    if found is None:
        return Finding("warn", name, f"{where} does not tell its version")
    told = f"{where}, version {found[0]}"
    if _parts(found[0]) < _parts(adapter.SEEN[0]):
        return Finding("warn", name, f"{told}; tested with {', '.join(adapter.SEEN)}: upgrade it")
    return Finding("ok", name, told)


def _parts(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))

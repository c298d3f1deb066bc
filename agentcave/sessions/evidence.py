"""What live agents say of themselves, read without a process for any of them. Blocking code.

All of it lies where agents can write: regular files only, bounded, no symlink followed.
"""

import os
import stat
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from agentcave.agents import Adapter, Ask, Evidence, Seen, known_adapter
from agentcave.agents.reading import brief
from agentcave.hosts import Host, environment_of, look
from agentcave.model.observed import ObservedSession
from agentcave.model.spec import ScreenRule
from agentcave.model.status import Activity, Claim, Judgement
from agentcave.plan.activity import judge, wants_screen
from agentcave.sessions.asking import ask_all
from agentcave.sessions.screen import screen_text
from agentcave.tmux import Server, scrubbed

GLANCE = 1 << 16
"""Bytes of an event that are enough to know what it says."""
SCREEN_TIMEOUT = 5.0


class Subject(NamedTuple):
    """A live session to judge. ``folder`` is its own; ``rules`` are those of the caves file."""

    session: ObservedSession
    folder: str
    rules: tuple[ScreenRule, ...] = ()


class Told(NamedTuple):
    """What a live agent does, and in which conversation, where it tells."""

    judgement: Judgement
    conversation: str | None


def judge_all(
    host: Host, server: Server, subjects: Iterable[Subject], *, every_screen: bool = False
) -> dict[str, Told]:
    """What each live session tells, by its id.

    Screens are looked at, all with one tmux process, where nothing better speaks, or what is asked
    is drawn (or all).
    """
    sessions = {one.session.stamp.session: one for one in subjects}
    evidences = read_all(sessions.values())
    now = time.time()
    gathered = {key: (one.session, evidences[key]) for key, one in sessions.items()}
    told: dict[str, Told] = {}
    looked_at: list[ObservedSession] = []
    for key, (session, evidence) in gathered.items():
        adapter = known_adapter(session.stamp.type)
        try:
            claims, talk = adapter.claims(evidence), adapter.conversation(evidence.told)
        except Exception as exc:
            claims, talk = [_failed(adapter, exc)], None
        judgement = judge(claims, now)
        told[key] = Told(judgement, talk)
        wants = every_screen or wants_screen(judgement, now, draws=adapter.DRAWS)
        if evidence.rules and wants:
            looked_at.append(session)
    for key, screen in screens(host, server, looked_at).items():
        session, evidence = gathered[key]
        adapter = known_adapter(session.stamp.type)
        claims = claims_of(adapter, evidence._replace(screen=screen))
        told[key] = told[key]._replace(judgement=judge(claims, now))
    return told


def claims_of(adapter: Adapter, evidence: Evidence) -> Sequence[Claim]:
    """What an adapter makes of it; an exception is a bug of the adapter, and said of its agent."""
    try:
        return adapter.claims(evidence)
    except Exception as exc:
        return [_failed(adapter, exc)]


def _failed(adapter: Adapter, exc: Exception) -> Claim:
    return Claim("process", Activity.UNKNOWN, "its adapter failed", bug_of(adapter, exc))


def bug_of(adapter: Adapter, exc: Exception) -> str:
    where = getattr(adapter, "__name__", "its adapter")  # a module, mostly
    return f"bug in {where}: {brief(repr(exc))}"


def read(subject: Subject, *, limit: int = GLANCE, proving: bool = False) -> Evidence:
    """Everything about one session but its screen."""
    return read_all([subject], limit=limit, proving=proving)[subject.session.stamp.session]


def read_all(
    subjects: Iterable[Subject], *, limit: int = GLANCE, proving: bool = False
) -> dict[str, Evidence]:
    """The same for many, by their ids; those that have an API are asked at one time.

    ``proving``: the APIs are asked which prompts were taken, instead of what the agents do.
    """
    sessions = {one.session.stamp.session: one for one in subjects}
    found = {key: _read(one, limit) for key, one in sessions.items()}
    asks = {key: _asks(one.session, proving) for key, one in sessions.items()}
    if any(asks.values()):
        for key, api in ask_all(asks, limit).items():
            found[key] = found[key]._replace(api=api, now=time.time())
    return found


def _asks(session: ObservedSession, proving: bool) -> Sequence[Ask]:
    adapter = known_adapter(session.stamp.type)
    if session.dead or session.pid is None or not adapter.SERVES:
        return ()
    return [ask for ask in adapter.asks(environment_of(session.pid)) if ask.proves == proving]


def _read(subject: Subject, limit: int) -> Evidence:
    session = subject.session
    adapter = known_adapter(session.stamp.type)
    pid, path = session.pid, None
    if pid is not None and adapter.REPORTS:
        path = adapter.live_file(environment_of(pid), pid)
    live = read_seen(path, limit) if path else None
    process = look(pid) if live and pid is not None else None
    return Evidence(
        pid,
        session.stamp.started,
        process.start if process else None,
        session.title,
        read_events(adapter, subject.folder, limit),
        live,
        None,
        subject.rules or adapter.SCREEN,
        time.time(),
    )


def read_events(adapter: Adapter, folder: str, limit: int = GLANCE) -> dict[str, Seen]:
    """What the hooks of an agent have written into the session's own folder, by kind."""
    found = ((name, read_seen(f"{folder}/{name}.event", limit)) for name in adapter.EVENTS)
    return {name: seen for name, seen in found if seen is not None}


def read_seen(path: str, limit: int) -> Seen | None:
    """The beginning of a regular file and when it was written; None for anything else."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        about = os.fstat(descriptor)
        if not stat.S_ISREG(about.st_mode):
            return None
        return Seen(about.st_mtime, os.read(descriptor, limit))
    except OSError:
        return None
    finally:
        os.close(descriptor)


def screens(host: Host, server: Server, sessions: Sequence[ObservedSession]) -> Mapping[str, str]:
    """What the panes show now, by session id, with one process; those that went are left out."""
    if not sessions:
        return {}
    from agentcave.tmux import commands, protocol  # for `ps`, mostly, there is nothing to look at

    # The note on a dead pane scrolls what an agent said last of all.
    batch = [commands.capture_pane(one.pane, -10 if one.dead else None) for one in sessions]
    token = f"agentcave-{os.urandom(16).hex()}"
    done = host.read(
        server.script_argv(),
        environment=scrubbed(os.environ),
        stdin=protocol.compose(batch, token, ("1",)),
        timeout=SCREEN_TIMEOUT,
    )
    answer = protocol.parse(batch, token, done.stdout, done.stderr)
    return {
        one.stamp.session: screen_text(
            b"\n".join(outcome.lines).decode(errors="replace"), dead=one.dead
        )
        for one, outcome in zip(sessions, answer.outcomes, strict=False)
        if outcome.error is None
    }
